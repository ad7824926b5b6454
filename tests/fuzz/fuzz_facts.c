/* Facts are refused, or they are exactly what they encode to again; protobuf-c says the same. */
#include "proto/arena.h"
#include "proto/facts.h"
#include "proto/limits.h"
#include "tests/lib/two_readers.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED(arena_done) struct arena a;
	struct facts f;
	struct err e;
	struct bytes again;
	if (two_readers_facts(bytes_from(data, size)) == READERS_DIFFER)
		abort();
	arena_init(&a, 64 * size + LIMIT_ARENA_EXTRA);
	if (!facts_decode(bytes_from(data, size), &a, &f, &e))
		return 0;
	/* the salt is the first field: tag, length, 16 bytes */
	if (!facts_encode(&f, data + 2, &a, &again, &e) ||
	    !bytes_equal(again, bytes_from(data, size)))
		abort();
	return 0;
}
