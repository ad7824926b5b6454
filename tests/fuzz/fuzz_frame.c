/* Frames, however cut: the lanes never hold more than their limits, and what they give is whole. */
#include "proto/frame.h"

#include <stdlib.h>

enum { MESSAGE_MAX = 4096, TOTAL_MAX = 8192 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_held(const struct frame_lanes *l)
{
	size_t sum = 0;
	for (unsigned i = 0; i < LIMIT_LANES; i++)
		sum += l->lane[i].len;
	if (sum > TOTAL_MAX)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED(frame_lanes_done) struct frame_lanes l;
	struct bytes rest = bytes_from(data, size), message;
	struct frame f;
	struct err e;
	frame_lanes_init(&l, MESSAGE_MAX, TOTAL_MAX);
	while (frame_scan(rest, LIMIT_FRAME_BYTES, &f, NULL, &e) == FRAME_WHOLE) {
		if (f.size < FRAME_HEAD_BYTES || f.size > rest.len || f.lane >= LIMIT_LANES)
			abort();
		if (!frame_lanes_take(&l, &f, &message, &e))
			break;
		if (message.len > MESSAGE_MAX)
			abort();
		check_held(&l);
		rest = bytes_from(rest.data + f.size, rest.len - f.size);
	}
	return 0;
}
