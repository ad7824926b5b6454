#include "daemon/outbox.h"
#include "daemon/role.h"

#include "daemon/pump.h"
#include "proto/frame.h"

#include <assert.h>
#include <stdlib.h>

struct outgoing {
	STAILQ_ENTRY(outgoing) next;
	struct frame_writer writer;
	struct stream stream; /* may_go is NULL: not a report, the message follows in 'copy' */
	uint64_t serial;      /* in the order in which they were queued */
	uint8_t copy[];
};

void
outbox_init(struct outbox *o)
{
	ASSERT_ON(ROLE_WORKER);
	*o = (struct outbox){ 0 };
	for (unsigned i = 0; i < LIMIT_LANES; i++)
		STAILQ_INIT(&o->lane[i]);
}

static void
enqueue(struct outbox *o, unsigned lane, struct outgoing *g, struct bytes message)
{
	frame_writer_init(&g->writer, message, (uint8_t)lane);
	g->serial = ++o->serial;
	STAILQ_INSERT_TAIL(&o->lane[lane], g, next);
	o->waiting[lane] += message.len;
	if (g->stream.may_go == NULL)
		o->answers += message.len;
}

bool
outbox_put(struct outbox *o, unsigned lane, struct bytes message, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	assert(lane < LIMIT_LANES && message.len > 0);
	struct outgoing *g = malloc(sizeof(*g) + message.len);
	if (g == NULL)
		return err_set(e, ERR_NOMEM, "message of %zu bytes", message.len);
	g->stream = (struct stream){ 0 };
	memcpy(g->copy, message.data, message.len);
	enqueue(o, lane, g, bytes_from(g->copy, message.len));
	return true;
}

bool
outbox_put_stream(struct outbox *o, unsigned lane, const struct stream *s, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	assert(lane < LIMIT_LANES && s->message.len > 0 && s->may_go != NULL && s->done != NULL);
	struct outgoing *g = malloc(sizeof(*g));
	if (g == NULL)
		return err_set(e, ERR_NOMEM, "report of %zu bytes", s->message.len);
	g->stream = *s;
	enqueue(o, lane, g, s->message);
	return true;
}

static int
highest(const struct outbox *o)
{
	for (int i = LIMIT_LANES - 1; i >= 0; i--) {
		if (!STAILQ_EMPTY(&o->lane[i]))
			return i;
	}
	return -1;
}

bool
outbox_empty(const struct outbox *o)
{
	return highest(o) < 0;
}

size_t
outbox_waiting(const struct outbox *o, unsigned lane)
{
	return o->waiting[lane];
}

/* What must come before it, the chain of its signer say, was queued before it. */
static bool
follows_an_answer(const struct outbox *o, const struct outgoing *g)
{
	const struct outgoing *a;
	if (o->answers == 0 || g->writer.sent > 0)
		return false;
	for (unsigned i = g->writer.lane + 1u; i < LIMIT_LANES; i++)
		STAILQ_FOREACH (a, &o->lane[i], next)
			if (a->stream.may_go == NULL && a->serial < g->serial)
				return true;
	return false;
}

/* Whether its next frame is paid for by what went past it. */
static bool
is_due(const struct outbox *o, unsigned lane)
{
	const struct outgoing *g = STAILQ_FIRST(&o->lane[lane]);
	if (g == NULL)
		return false;
	size_t next = FRAME_HEAD_BYTES + g->writer.message.len - g->writer.sent;
	if (next > PUMP_RECORD)
		next = PUMP_RECORD;
	return o->passed[lane] >= (LIMIT_AGING_FLOOR - 1) * next && !follows_an_answer(o, g);
}

static int
next_lane(const struct outbox *o)
{
	for (int i = 0; i < (int)LIMIT_LANES - 1; i++) {
		if (is_due(o, (unsigned)i))
			return i;
	}
	return highest(o);
}

/* A frame of 'lane' went out. */
static void
count_frame(struct outbox *o, unsigned lane, size_t bytes)
{
	size_t paid = (LIMIT_AGING_FLOOR - 1) * bytes;
	o->passed[lane] -= o->passed[lane] < paid ? o->passed[lane] : paid;
	for (unsigned i = 0; i < lane; i++) {
		if (!STAILQ_EMPTY(&o->lane[i]))
			o->passed[i] += bytes;
	}
}

static void
counted_out(struct outbox *o, const struct outgoing *g, size_t bytes)
{
	o->waiting[g->writer.lane] -= bytes;
	if (g->stream.may_go == NULL)
		o->answers -= bytes;
}

/* Takes a message off its lane; it may have been sent, stopped or dropped. */
static void
finish(struct outbox *o, struct outgoing *g, size_t unsent, struct conn *c, enum stream_end how)
{
	counted_out(o, g, unsent);
	STAILQ_REMOVE(&o->lane[g->writer.lane], g, outgoing, next);
	if (STAILQ_EMPTY(&o->lane[g->writer.lane]))
		o->passed[g->writer.lane] = 0;
	struct stream s = g->stream;
	if (s.may_go != NULL && how == STREAM_SENT)
		o->reports_sent++;
	else if (s.may_go != NULL && how == STREAM_VOID)
		o->reports_void++;
	if (s.may_go == NULL)
		explicit_bzero(g->copy, g->writer.message.len);
	free(g);
	if (s.done != NULL)
		s.done(s.token, c, how); /* may queue the next one: 'o' is whole again */
}

/* Ends a message before its last frame. */
static bool
stop(struct outbox *o, struct outgoing *g, struct pump *p, struct conn *c, enum stream_end how)
{
	size_t unsent = g->writer.message.len - g->writer.sent;
	if (p != NULL) {
		uint8_t *to = pump_space(p, FRAME_HEAD_BYTES);
		if (to == NULL)
			return false;
		pump_added(p, frame_writer_void(&g->writer, to));
	}
	finish(o, g, unsent, c, how);
	return true;
}

/* A report that may not go takes along those that were queued behind it in its lane: all are looked
 * at again, in their order, and none overtakes it (S6). */
static bool
stop_all(struct outbox *o, unsigned lane, struct pump *p, struct conn *c)
{
	uint64_t last = o->serial;
	for (;;) {
		struct outgoing *g = STAILQ_FIRST(&o->lane[lane]);
		while (g != NULL && g->serial <= last && g->stream.may_go == NULL)
			g = STAILQ_NEXT(g, next);
		if (g == NULL || g->serial > last)
			return true;
		if (!stop(o, g, p, c, STREAM_VOID))
			return false;
	}
}

/* One frame, of what still fits into the record that the pump holds. */
static bool
fill_frame(struct outbox *o, struct outgoing *g, struct pump *p, struct conn *c)
{
	if (g->stream.may_go != NULL && !g->stream.may_go(g->stream.token, c))
		return stop_all(o, g->writer.lane, p, c);
	size_t was = g->writer.sent;
	size_t want = FRAME_HEAD_BYTES + (g->writer.message.len - was);
	size_t room = PUMP_RECORD - pump_pending(p);
	if (want > room)
		want = room;
	uint8_t *to = pump_space(p, want);
	if (to == NULL)
		return false;
	size_t made = frame_writer_next(&g->writer, to, want);
	pump_added(p, made);
	counted_out(o, g, g->writer.sent - was);
	count_frame(o, g->writer.lane, made);
	if (frame_writer_done(&g->writer))
		finish(o, g, 0, c, STREAM_SENT);
	return true;
}

bool
outbox_fill(struct outbox *o, struct pump *p, struct conn *c, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	size_t waits = 0;
	if (pump_has_begun(p))
		return true;
	for (unsigned i = 0; i < LIMIT_LANES; i++)
		waits += o->waiting[i];
	if (waits > PUMP_RECORD)
		waits = PUMP_RECORD;
	if (waits > 0 && pump_space(p, waits + waits / 16) == NULL) /* and the heads of frames */
		return err_set(e, ERR_NOMEM, "output buffer");
	for (int lane;
	     pump_pending(p) + FRAME_HEAD_BYTES < PUMP_RECORD && (lane = next_lane(o)) >= 0;) {
		if (!fill_frame(o, STAILQ_FIRST(&o->lane[lane]), p, c))
			return err_set(e, ERR_NOMEM, "output buffer");
	}
	return true;
}

void
outbox_clear(struct outbox *o, struct pump *p, struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	for (int lane; (lane = highest(o)) >= 0;) {
		struct outgoing *g = STAILQ_FIRST(&o->lane[lane]);
		if (!stop(o, g, p, c, STREAM_GONE))
			p = NULL; /* no memory for the void frame: the connection just ends */
	}
}
