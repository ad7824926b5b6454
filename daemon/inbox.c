#include "daemon/inbox.h"
#include "daemon/role.h"

#include <assert.h>
#include <stdlib.h>

enum { IN_MIN = 16384 /* first allocation: a TLS record */ };

void
inbox_init(struct inbox *in)
{
	ASSERT_ON(ROLE_WORKER);
	*in = (struct inbox){ .frame_max = LIMIT_HELLO_BYTES };
	frame_lanes_init(&in->lanes, LIMIT_HELLO_BYTES, LIMIT_HELLO_BYTES);
}

void
inbox_widen(struct inbox *in)
{
	ASSERT_ON(ROLE_WORKER);
	in->frame_max = LIMIT_FRAME_BYTES;
	/* a second message of full size may overtake one that is under way, no more */
	frame_lanes_limit(&in->lanes, LIMIT_MESSAGE_BYTES, 2u * LIMIT_MESSAGE_BYTES);
}

static void
buffer_free(struct inbox *in)
{
	if (in->data != NULL)
		explicit_bzero(in->data, in->len);
	free(in->data);
	in->data = NULL;
	in->at = in->len = in->cap = 0;
}

void
inbox_done(struct inbox *in)
{
	ASSERT_ON(ROLE_WORKER);
	buffer_free(in);
	frame_lanes_done(&in->lanes);
}

static bool
grow(struct inbox *in)
{
	size_t max = 4 + in->frame_max;
	size_t cap = in->cap == 0 ? IN_MIN : in->cap * 2;
	if (cap > max)
		cap = max;
	assert(cap > in->len); /* else a whole frame is inside */
	uint8_t *data = malloc(cap);
	if (data == NULL)
		return false;
	size_t len = in->len;
	if (len != 0)
		memcpy(data, in->data, len);
	buffer_free(in);
	in->data = data;
	in->len = len;
	in->cap = cap;
	return true;
}

uint8_t *
inbox_space(struct inbox *in, size_t *room)
{
	ASSERT_ON(ROLE_WORKER);
	if (in->at != 0) {
		memmove(in->data, in->data + in->at, in->len - in->at);
		in->len -= in->at;
		in->at = 0;
	}
	if (in->len == in->cap && !grow(in))
		return NULL;
	*room = in->cap - in->len;
	return in->data + in->len;
}

void
inbox_added(struct inbox *in, size_t len)
{
	ASSERT_ON(ROLE_WORKER);
	assert(len <= in->cap - in->len);
	in->len += len;
}

static enum frame_result
wait_for_more(struct inbox *in, uint64_t now_ms, size_t need)
{
	bool partial = in->at != in->len;
	if (partial && !in->in_frame)
		in->frame_since = now_ms;
	in->in_frame = partial;
	in->need = need;
	return FRAME_MORE;
}

static void
note_message(struct inbox *in, uint64_t now_ms)
{
	bool inside = frame_lanes_inside(&in->lanes);
	if (inside && !in->in_message)
		in->message_since = now_ms;
	in->in_message = inside;
}

static enum frame_result
scan(const struct inbox *in, struct frame *f, size_t *need, struct err *e)
{
	return frame_scan(
	    bytes_from(in->data + in->at, in->len - in->at), in->frame_max, f, need, e);
}

bool
inbox_begins(const struct inbox *in, struct bytes *begins, bool *whole)
{
	struct frame f;
	if (scan(in, &f, NULL, NULL) != FRAME_WHOLE || !frame_lanes_begins(&in->lanes, &f))
		return false;
	*begins = f.body;
	*whole = f.last;
	return true;
}

enum frame_result
inbox_next(struct inbox *in, uint64_t now_ms, struct inbox_message *out, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct frame f;
	size_t need = 0;
	struct bytes whole = { NULL, 0 };
	enum frame_result r = scan(in, &f, &need, e);
	if (r == FRAME_MORE)
		return wait_for_more(in, now_ms, need);
	if (r != FRAME_WHOLE)
		return FRAME_BAD;
	in->in_frame = false;
	in->at += f.size;
	if (!frame_lanes_take(&in->lanes, &f, &whole, e))
		return FRAME_BAD;
	note_message(in, now_ms);
	*out = (struct inbox_message){ whole, f.lane };
	return FRAME_WHOLE;
}

bool
inbox_inside(const struct inbox *in)
{
	return in->at != in->len || frame_lanes_inside(&in->lanes);
}

size_t
inbox_held(const struct inbox *in)
{
	return in->len - in->at + frame_lanes_held(&in->lanes);
}

void
inbox_settle(struct inbox *in)
{
	ASSERT_ON(ROLE_WORKER);
	if (in->at == in->len)
		buffer_free(in);
	frame_lanes_settle(&in->lanes);
}

void
inbox_forgive(struct inbox *in, uint64_t now_ms)
{
	ASSERT_ON(ROLE_WORKER);
	in->frame_since = in->message_since = now_ms;
}

bool
inbox_late(const struct inbox *in, uint64_t now_ms, uint32_t frame_ms)
{
	if (in->in_frame &&
	    now_ms - in->frame_since >= frame_ms + in->need * 1000u / LIMIT_FRAME_RATE)
		return true;
	/* frames of one lane may wait for those of another: the message as a whole has its time */
	uint64_t message_ms = frame_ms + (uint64_t)LIMIT_MESSAGE_BYTES * 1000u / LIMIT_FRAME_RATE;
	return in->in_message && now_ms - in->message_since >= message_ms;
}
