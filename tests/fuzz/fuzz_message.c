/* A message is refused, or it is exactly what its decoded form encodes to; protobuf-c says the
 * same. */
#include "proto/arena.h"
#include "proto/limits.h"
#include "proto/msg.h"
#include "tests/lib/two_readers.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED(arena_done) struct arena a;
	struct msg m;
	struct fault f;
	struct err e;
	struct bytes again, in = bytes_from(data, size);
	if (two_readers_message(in) == READERS_DIFFER)
		abort();
	arena_init(&a, LIMIT_ARENA_FACTOR * size + LIMIT_ARENA_EXTRA + size);
	if (!msg_decode(in, &a, &m, &f, &e))
		return 0;
	uint64_t len = 0;
	struct bytes first = bytes_from(data, size < MSG_PEEK_BYTES ? size : MSG_PEEK_BYTES);
	if (msg_peek(first, &len) != m.type || len != size)
		abort();
	if (!msg_encode(&m, &a, &again, &e) || !bytes_equal(again, in))
		abort();
	return 0;
}
