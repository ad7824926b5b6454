/* A message is refused, or it is exactly what its decoded form encodes to. */
#include "proto/arena.h"
#include "proto/limits.h"
#include "proto/msg.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED(arena_done) struct arena a;
	struct msg m;
	struct fault f;
	struct err e;
	struct bytes again;
	arena_init(&a, LIMIT_ARENA_FACTOR * size + LIMIT_ARENA_EXTRA + size);
	if (!msg_decode(bytes_from(data, size), &a, &m, &f, &e))
		return 0;
	if (!msg_encode(&m, &a, &again, &e) || !bytes_equal(again, bytes_from(data, size)))
		abort();
	return 0;
}
