/*
 * Frames and reassembly of a connection, read in pieces of any size: the same messages must come
 * out, and the same end, as when all is read at once.
 */
#include "daemon/inbox.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	uint64_t hash, count;
	enum frame_result end;
	bool inside;
};

static void
note(struct seen *s, const struct inbox_message *m)
{
	s->count++;
	s->hash = (s->hash ^ m->lane ^ m->bytes.len) * 1099511628211u;
	for (size_t i = 0; i < m->bytes.len; i++)
		s->hash = (s->hash ^ m->bytes.data[i]) * 1099511628211u;
}

static struct seen
feed(const uint8_t *data, size_t size, size_t step)
{
	struct inbox in;
	struct seen s = { .hash = 14695981039346656037u, .end = FRAME_MORE };
	struct inbox_message m;
	inbox_init(&in);
	while (size > 0 && s.end != FRAME_BAD) {
		size_t room = 0;
		uint8_t *to = inbox_space(&in, &room);
		if (to == NULL || room == 0)
			abort();
		size_t n = size < step ? size : step;
		n = n < room ? n : room;
		memcpy(to, data, n);
		inbox_added(&in, n);
		data += n;
		size -= n;
		while ((s.end = inbox_next(&in, s.count, &m, NULL)) == FRAME_WHOLE) {
			if (m.bytes.data == NULL)
				continue;
			note(&s, &m);
			if (s.count == 1)
				inbox_widen(&in); /* Hello was taken */
		}
		inbox_settle(&in);
	}
	s.inside = inbox_inside(&in);
	inbox_done(&in);
	return s;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct seen one = feed(data + 1, size - 1, SIZE_MAX);
	struct seen two = feed(data + 1, size - 1, 1 + data[0]);
	if (one.count != two.count || one.hash != two.hash || one.end != two.end)
		abort();
	if (one.end == FRAME_MORE && one.inside != two.inside)
		abort();
	return 0;
}
