/*
 * inbox.h - what came in on a connection and is not a whole message yet (HOUSE section 2.3).
 * Holds no more than what arrived, and never more than one frame beside the lanes' messages.
 * Deadlines are absolute, whatever dribbles in (FACTS 20).  Threads: the connection's worker.
 */
#pragma once
#include "proto/frame.h"

struct inbox {
	uint8_t *data;
	size_t at, len, cap; /* data[at .. len) was not looked at or is an incomplete frame */
	size_t frame_max;    /* what a frame may announce */
	struct frame_lanes lanes;
	size_t need;		/* bytes that the incomplete frame takes, as far as known */
	bool in_frame;		/* an incomplete frame waits.. */
	bool in_message;	/* ..a message of several frames is incomplete.. */
	uint64_t frame_since;	/* ..since when (ms) */
	uint64_t message_since; /* of the oldest message; of any time after which none was open */
};

/* Before Hello: frame, message and all lanes together are LIMIT_HELLO_BYTES at most. */
void inbox_init(struct inbox *in);
/* After Hello. */
void inbox_widen(struct inbox *in);
void inbox_done(struct inbox *in);
/* Where to put what is read next; NULL: no memory.  Never called with a whole frame inside. */
uint8_t *inbox_space(struct inbox *in, size_t *room);
void inbox_added(struct inbox *in, size_t len);
/* True: the next frame is there and is the first of a message, whose first bytes (borrowed) it has;
 * 'whole': it is the last one, too. */
bool inbox_begins(const struct inbox *in, struct bytes *begins, bool *whole);
/* Takes the next frame (FRAME_WHOLE); or why not.  If it ends a message, that message, borrowed
 * until the next call, and its lane; else 'data' is NULL. */
struct inbox_message {
	struct bytes bytes;
	uint8_t lane;
};
MUST_USE enum frame_result inbox_next(
    struct inbox *in, uint64_t now_ms, struct inbox_message *out, struct err *e);
/* True if the stream must not end here. */
bool inbox_inside(const struct inbox *in);
/* Bytes of messages that are not complete. */
size_t inbox_held(const struct inbox *in);
/* Gives memory back when nothing is left; to be called when reading pauses. */
void inbox_settle(struct inbox *in);
/* Reading was paused by us until now: the peer is not to blame for that time. */
void inbox_forgive(struct inbox *in, uint64_t now_ms);
/* A frame or message takes longer than it may: frame_ms plus its length at LIMIT_FRAME_RATE. */
bool inbox_late(const struct inbox *in, uint64_t now_ms, uint32_t frame_ms);
