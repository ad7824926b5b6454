/*
 * outbox.h - what waits to be written on a connection: a queue of messages per lane.
 * A message goes out frame by frame, the highest lane first, so a FLASH waits for one frame of a
 * large ROUTINE at most (FACTS 36).  A lane that waits has one byte in LIMIT_AGING_FLOOR for each
 * that goes past it, so a flood above slows it and does not stop it.  Frames are made only when the
 * socket takes them: that is when a report's token is asked (DESIGN S5), not when the report was
 * queued. Threads: the connection's worker.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"
#include "proto/limits.h"
#include <sys/queue.h>

struct conn;
struct outgoing;
struct pump;

enum stream_end {
	STREAM_SENT, /* every frame was handed to TLS */
	STREAM_VOID, /* the check said no to it, or to one before it in its lane: a void frame
		      * ended it, or it never began */
	STREAM_GONE  /* the connection ended first */
};

/*
 * A report on its way: an encoded Message.  'message' stays valid until 'done', which is called
 * exactly once, on the connection's worker (never from within the call that queued it), and
 * releases whatever 'token' is.
 */
struct stream {
	struct bytes message;
	bool (*may_go)(void *token, struct conn *c); /* asked right before each frame is written */
	void (*done)(void *token, struct conn *c, enum stream_end how);
	void *token;
};

STAILQ_HEAD(outgoing_queue, outgoing);
struct outbox {
	struct outgoing_queue lane[LIMIT_LANES];
	size_t waiting[LIMIT_LANES]; /* bytes of messages not yet made into frames */
	size_t passed[LIMIT_LANES];  /* bytes of lanes above that went while this one waited */
	size_t answers;		     /* of these, those of messages that are not reports */
	uint32_t reports_sent, reports_void; /* since whoever counts set them back */
	uint64_t serial;		     /* of the last one queued */
};

void outbox_init(struct outbox *o);
/* Queues a copy of an encoded message. */
MUST_USE bool outbox_put(struct outbox *o, unsigned lane, struct bytes message, struct err *e);
/* Queues a report; on failure the stream stays the caller's. */
MUST_USE bool outbox_put_stream(
    struct outbox *o, unsigned lane, const struct stream *s, struct err *e);
bool outbox_empty(const struct outbox *o);
/* Bytes that wait in this lane. */
size_t outbox_waiting(const struct outbox *o, unsigned lane);
/* Makes frames into the pump until it holds a full record or nothing waits; none while TLS is still
 * at the last one: what is in the pump cannot be taken back.  ERR_NOMEM. */
MUST_USE bool outbox_fill(struct outbox *o, struct pump *p, struct conn *c, struct err *e);
/* Throws away all that waits, ending begun messages by void frames in 'p' if that is not NULL. */
void outbox_clear(struct outbox *o, struct pump *p, struct conn *c);
