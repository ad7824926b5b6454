/*
 * frame.h - frames and lanes (docs/PROTOCOL.md, design section 6).
 * A frame is u32be length || u8 flags || bytes; the length counts what follows it.  Flags: the low
 * two bits are the lane, bit 7 says "last of its message", bit 6 says "void: throw away what came
 * of this lane's message".  A message is the frames of one lane up to "last"; lanes interleave
 * freely. A void frame carries no bytes and not the bit "last"; between messages it says nothing.
 * Every other frame but a last one carries at least one byte.
 * Pure: no sockets.  Threads: values with one owner at a time.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"
#include "proto/limits.h"

enum { FRAME_HEAD_BYTES = 5 };

enum frame_result {	/* the zero is none of them */
	FRAME_MORE = 1, /* not a whole frame yet; no memory was asked for */
	FRAME_BAD,	/* the peer broke the protocol: *e is set */
	FRAME_WHOLE	/* *out is a view of one whole frame */
};

struct frame {
	uint8_t lane; /* 0..3; a report travels in the lane of its precedence - 1 */
	bool last;
	bool voided;
	struct bytes body; /* borrows from the input of frame_scan */
	size_t size;	   /* bytes of the input that the frame took, its head included */
};

/*
 * Looks at the start of 'in' (borrowed: all that was read and not yet consumed).  'max' is the
 * greatest length that a frame may announce: LIMIT_FRAME_BYTES, before Hello LIMIT_HELLO_BYTES.  A
 * length beyond it is bad as soon as its four bytes are there: ERR_PROTOCOL if no frame may be so
 * long, ERR_LIMIT if only this peer's may not yet.  *out is written for FRAME_WHOLE
 * alone; *need, if not NULL, for FRAME_MORE: how many bytes a whole frame takes, as far as known.
 */
MUST_USE enum frame_result frame_scan(
    struct bytes in, size_t max, struct frame *out, size_t *need, struct err *e);

/* One message on its way out, cut into frames of one lane. */
struct frame_writer {
	struct bytes message; /* borrowed until the writer is done */
	size_t sent;
	uint8_t lane;
};

/* 'message' must not be empty and 'lane' below LIMIT_LANES (asserted: our own values). */
void frame_writer_init(struct frame_writer *w, struct bytes message, uint8_t lane);
/*
 * Writes the next frame into 'out' and returns how many bytes it took, head included: at most
 * 'room' and at most 4 + LIMIT_FRAME_BYTES.  0 if the message is done or room is below
 * FRAME_HEAD_BYTES + 1.
 */
size_t frame_writer_next(struct frame_writer *w, uint8_t *out, size_t room);
/* True when the last frame was written. */
bool frame_writer_done(const struct frame_writer *w);
/*
 * Stops the message (S5): writes a void frame of FRAME_HEAD_BYTES and returns its size; writes
 * nothing and returns 0 if no frame of the message has gone out or all have.  The writer is done.
 */
size_t frame_writer_void(struct frame_writer *w, uint8_t out[FRAME_HEAD_BYTES]);

/* Reassembly of a connection's incoming messages, a growing buffer per lane. */
struct frame_lanes {
	struct {
		uint8_t *data; /* owned; grows with what arrived, never with what was announced */
		size_t len, cap;
		bool taken; /* the message in 'data' was handed out and goes at the next call */
	} lane[LIMIT_LANES];
	size_t message_max; /* bytes of one message */
	size_t total_max;   /* bytes held over all lanes */
};

/* No memory is asked for before a message of several frames begins. */
void frame_lanes_init(struct frame_lanes *l, size_t message_max, size_t total_max);
/* New limits, after Hello; what is already held stays. */
void frame_lanes_limit(struct frame_lanes *l, size_t message_max, size_t total_max);
/* Cleanses and frees all.  NULL is accepted. */
void frame_lanes_done(struct frame_lanes *l);
/*
 * Takes one frame of frame_scan.  On true *message is the whole message if the frame ended one,
 * else absent (data NULL).  The view borrows either from the frame (a message of one frame) or from
 * the lane, and holds until the next call with this 'l': copy it into the request's arena at once.
 * ERR_LIMIT: too long; ERR_NOMEM.  After an error the
 * connection cannot go on.
 */
MUST_USE bool frame_lanes_take(
    struct frame_lanes *l, const struct frame *f, struct bytes *message, struct err *e);
/* True if the frame would be the first of a message. */
bool frame_lanes_begins(const struct frame_lanes *l, const struct frame *f);
/* True if some lane is inside a message: a stream that ends here did not say goodbye. */
bool frame_lanes_inside(const struct frame_lanes *l);
/* Bytes that the lanes hold. */
size_t frame_lanes_held(const struct frame_lanes *l);
/* Gives up the message that was taken last. */
void frame_lanes_settle(struct frame_lanes *l);

static inline void
frame_lanes_done_scoped(struct frame_lanes *l)
{
	frame_lanes_done(l);
}
