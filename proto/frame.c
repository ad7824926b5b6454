#include "proto/frame.h"

#include <assert.h>
#include <stdlib.h>

enum {
	LENGTH_BYTES = 4,
	FLAG_LANE = 0x03,
	FLAG_VOID = 0x40,
	FLAG_LAST = 0x80,
	GROW_MIN = 4096,
};

enum frame_result
frame_scan(struct bytes in, size_t max, struct frame *out, size_t *need, struct err *e)
{
	struct cursor c = cursor_over(in);
	uint32_t len = cursor_u32(&c);
	if (c.failed) {
		if (need != NULL)
			*need = FRAME_HEAD_BYTES;
		return FRAME_MORE;
	}
	if (len > max) {
		/* longer than any frame is no frame; longer than this peer may yet is a limit */
		(void)err_set(e, len > LIMIT_FRAME_BYTES ? ERR_PROTOCOL : ERR_LIMIT,
		    "a frame of %lu bytes, not at most %zu", (unsigned long)len, max);
		return FRAME_BAD;
	}
	if (len == 0) {
		(void)err_set(e, ERR_PROTOCOL, "a frame without its flags");
		return FRAME_BAD;
	}
	uint8_t flags = cursor_u8(&c);
	if (!c.failed && ((flags & ~(FLAG_LANE | FLAG_VOID | FLAG_LAST)) != 0 ||
			     (flags & (FLAG_VOID | FLAG_LAST)) == (FLAG_VOID | FLAG_LAST))) {
		(void)err_set(e, ERR_PROTOCOL, "frame flags 0x%02x", flags);
		return FRAME_BAD;
	}
	bool voided = (flags & FLAG_VOID) != 0, last = (flags & FLAG_LAST) != 0;
	if (!c.failed && (voided ? len != 1 : len == 1 && !last)) {
		(void)err_set(
		    e, ERR_PROTOCOL, voided ? "a void frame with bytes" : "a frame without bytes");
		return FRAME_BAD;
	}
	struct bytes body = cursor_take(&c, len - 1);
	if (c.failed) {
		if (need != NULL)
			*need = LENGTH_BYTES + (size_t)len;
		return FRAME_MORE;
	}
	*out = (struct frame){ flags & FLAG_LANE, last, voided, body, LENGTH_BYTES + (size_t)len };
	return FRAME_WHOLE;
}

void
frame_writer_init(struct frame_writer *w, struct bytes message, uint8_t lane)
{
	assert(message.len != 0 && lane < LIMIT_LANES);
	*w = (struct frame_writer){ message, 0, lane };
}

size_t
frame_writer_next(struct frame_writer *w, uint8_t *out, size_t room)
{
	size_t left = w->message.len - w->sent;
	if (left == 0 || room <= FRAME_HEAD_BYTES)
		return 0;
	size_t n = room - FRAME_HEAD_BYTES;
	if (n > LIMIT_FRAME_BYTES - 1)
		n = LIMIT_FRAME_BYTES - 1;
	if (n > left)
		n = left;
	put_u32(out, (uint32_t)n + 1);
	out[LENGTH_BYTES] = (uint8_t)(w->lane | (n == left ? FLAG_LAST : 0));
	memcpy(out + FRAME_HEAD_BYTES, w->message.data + w->sent, n);
	w->sent += n;
	return FRAME_HEAD_BYTES + n;
}

bool
frame_writer_done(const struct frame_writer *w)
{
	return w->sent == w->message.len;
}

size_t
frame_writer_void(struct frame_writer *w, uint8_t out[FRAME_HEAD_BYTES])
{
	bool inside = w->sent != 0 && !frame_writer_done(w);
	w->sent = w->message.len;
	if (!inside)
		return 0;
	put_u32(out, 1);
	out[LENGTH_BYTES] = w->lane | FLAG_VOID;
	return FRAME_HEAD_BYTES;
}

void
frame_lanes_init(struct frame_lanes *l, size_t message_max, size_t total_max)
{
	*l = (struct frame_lanes){ .message_max = message_max, .total_max = total_max };
}

void
frame_lanes_limit(struct frame_lanes *l, size_t message_max, size_t total_max)
{
	l->message_max = message_max;
	l->total_max = total_max;
}

/* The bytes were of a report: they do not stay in freed memory. */
static void
drop(struct frame_lanes *l, unsigned i)
{
	if (l->lane[i].data != NULL)
		explicit_bzero(l->lane[i].data, l->lane[i].len);
	free(l->lane[i].data);
	memset(&l->lane[i], 0, sizeof(l->lane[i]));
}

void
frame_lanes_done(struct frame_lanes *l)
{
	if (l == NULL)
		return;
	for (unsigned i = 0; i < LIMIT_LANES; i++)
		drop(l, i);
}

static bool
append(struct frame_lanes *l, unsigned i, struct bytes in, struct err *e)
{
	size_t want = l->lane[i].len + in.len; /* both are bounded far below SIZE_MAX */
	if (want > l->lane[i].cap) {
		size_t cap = l->lane[i].cap * 2;
		if (cap < GROW_MIN)
			cap = GROW_MIN;
		if (cap > l->message_max)
			cap = l->message_max;
		if (cap < want)
			cap = want;
		uint8_t *grown = malloc(cap);
		if (grown == NULL)
			return err_set(e, ERR_NOMEM, "a lane of %zu bytes", cap);
		if (l->lane[i].len != 0) {
			memcpy(grown, l->lane[i].data, l->lane[i].len);
			explicit_bzero(l->lane[i].data, l->lane[i].len);
		}
		free(l->lane[i].data);
		l->lane[i].data = grown;
		l->lane[i].cap = cap;
	}
	memcpy(l->lane[i].data + l->lane[i].len, in.data, in.len);
	l->lane[i].len = want;
	return true;
}

size_t
frame_lanes_held(const struct frame_lanes *l)
{
	size_t sum = 0;
	for (unsigned i = 0; i < LIMIT_LANES; i++)
		sum += l->lane[i].len;
	return sum;
}

void
frame_lanes_settle(struct frame_lanes *l)
{
	for (unsigned k = 0; k < LIMIT_LANES; k++)
		if (l->lane[k].taken)
			drop(l, k);
}

bool
frame_lanes_take(struct frame_lanes *l, const struct frame *f, struct bytes *message, struct err *e)
{
	unsigned i = f->lane;
	assert(i < LIMIT_LANES);
	frame_lanes_settle(l);
	if (f->voided) {
		drop(l, i);
		*message = (struct bytes){ NULL, 0 };
		return true;
	}
	size_t before = l->lane[i].len;
	if (f->body.len > l->message_max || before > l->message_max - f->body.len)
		return err_set(e, ERR_LIMIT, "a message of more than %zu bytes", l->message_max);
	if (f->last && before == 0) {
		*message = f->body;
		return true;
	}
	if (f->body.len > l->total_max || frame_lanes_held(l) > l->total_max - f->body.len)
		return err_set(
		    e, ERR_LIMIT, "unfinished messages of more than %zu bytes", l->total_max);
	if (!append(l, i, f->body, e))
		return false;
	l->lane[i].taken = f->last;
	*message =
	    f->last ? bytes_from(l->lane[i].data, l->lane[i].len) : (struct bytes){ NULL, 0 };
	return true;
}

static bool
is_inside(const struct frame_lanes *l, unsigned lane)
{
	return l->lane[lane].len != 0 && !l->lane[lane].taken;
}

bool
frame_lanes_begins(const struct frame_lanes *l, const struct frame *f)
{
	return !f->voided && !is_inside(l, f->lane);
}

bool
frame_lanes_inside(const struct frame_lanes *l)
{
	for (unsigned i = 0; i < LIMIT_LANES; i++)
		if (is_inside(l, i))
			return true;
	return false;
}
