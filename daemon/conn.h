/*
 * conn.h - one connection: its states, which message is legal when, windows and deadlines (DESIGN
 * section 6 "Connection", sections 7 and 11).
 *
 *     HANDSHAKE --> HELLO --> READY --> DRAINING --> CLOSED
 *         |           |         |                      ^
 *         '-----------'---------'----------------------'   (HANDSHAKE and HELLO may drain too)
 *
 * HANDSHAKE  TLS is under way; the certificate decides who the peer is.
 * HELLO      identity known, the connection sits on its party's worker; at most 4 KiB are taken.
 * READY      after the handler of Hello said conn_ready().
 * DRAINING   no new work: what is owed is answered, what is queued goes out, then close_notify.
 * CLOSED     off the loop; freed at the end of the event turn.
 *
 * Threads: a connection belongs to one worker, is touched on its thread alone and has no locks.  It
 * changes hands once, after the handshake, by mail (worker.h).  Handlers never keep a pointer to a
 * connection across events: they keep its id and ask worker_find_conn().
 */
#pragma once
#include "daemon/pump.h"
#include "daemon/worker.h"
#include "proto/bytes.h"
#include "proto/err.h"
#include "proto/limits.h"

struct arena;
struct inbox;
struct msg;
struct outbox;
struct session;
struct trust_peer;

enum conn_state {
	CONN_HANDSHAKE,
	CONN_HELLO,
	CONN_READY,
	CONN_DRAINING,
	CONN_CLOSED,
	CONN_STATE_COUNT
};

/* Handlers read 'id', 'worker', 'state', 'peer', 'party' and own 'session'; the rest is conn.c's.
 */
struct conn {
	uint64_t id;		    /* unique in this run of reltod, from 1 */
	struct worker *worker;	    /* whose thread may touch this */
	enum conn_state state;	    /* written by conn_move alone */
	struct tls_peer *peer;	    /* who it is; NULL in HANDSHAKE */
	struct worker_party *party; /* all connections of the party; NULL until it is home */
	struct session *session;    /* the handlers' own (on.h); freed by on_gone */
	LIST_ENTRY(conn) of_party;  /* in party->conns */
	/* conn.c, worker.c */
	struct letter letter; /* for the one move */
	LIST_ENTRY(conn) of_worker;
	LIST_ENTRY(conn) of_bucket;
	TAILQ_ENTRY(conn) of_turn;
	struct pump pump;
	struct inbox *inbox;   /* bytes and messages that are not complete */
	struct outbox *outbox; /* what waits to be written, by lane */
	struct ticket *ticket; /* the place in the listener's counts */
	uint64_t opened_ms;    /* start of the present state's deadline */
	uint64_t active_ms;    /* last message from the peer, or bytes taken by it */
	uint64_t last_request; /* request numbers rise */
	uint32_t unanswered;
	size_t unanswered_bytes;
	uint8_t ending; /* why it drains (enum conn_ending in conn.c) */
	bool bye_sent, shut_sent, peer_ended, wants_room, in_turn, failed;
};

/* What went wrong with a request.  Borrowed views; what is absent is left out of the Error. */
struct complaint {
	enum err_code code;
	struct bytes field;   /* of the peer's own message */
	struct bytes nearest; /* the nearest valid value */
	struct bytes detail;  /* about the peer's own message, never about others (DESIGN S7) */
	uint32_t retry_ms;    /* 0: do not */
};

/* ---- for handlers ---- */

/*
 * Queues a message for the peer, cut into frames of 'lane' (0..3, 3 = FLASH first).  A small answer
 * is always taken: a peer that does not read its answers is not read from.  On failure (memory, our
 * own encoding) nothing was queued: return false from the handler.
 */
MUST_USE bool conn_send(struct conn *c, unsigned lane, const struct msg *m, struct err *e);

/* Answers 'request' (0: none in particular) with an Error; the connection stays open. */
MUST_USE bool conn_refuse(
    struct conn *c, uint64_t request, const struct complaint *why, struct err *e);

/* Ends the connection: an Error (request 0 if none caused it), then nothing more is read, and it is
 * closed once that is out.  Calls on_refused() for a fault of the peer's (ERR_PROTOCOL and the
 * like).
 */
void conn_fail(struct conn *c, uint64_t request, const struct complaint *why);

/* No new work is taken, what is owed is answered, Bye, closed: at the latest after drain_ms. */
void conn_drain(struct conn *c);

/* HELLO -> READY.  Called by the handler of Hello once Welcome is queued; ends the half-open count.
 */
void conn_ready(struct conn *c);

/*
 * How many bytes may still be queued for 'lane': LIMIT_OUTPUT_BYTES less what waits in this lane
 * and those above it, at least 0.  Deliveries are pulled from a queue only while it is not 0
 * (DESIGN 11). A lane below does not count, so FLASH finds room while a large ROUTINE report is on
 * its way.
 */
size_t conn_room(const struct conn *c, unsigned lane);
/* Asks for one call of on_room(c) when something was written and there is room again. */
void conn_want_room(struct conn *c);

/* The publish window: a request of 'bytes' was taken on and not answered yet / is answered.  At the
 * window's edge (count or bytes) the connection is not read from. */
void conn_owes(struct conn *c, size_t bytes);
void conn_paid(struct conn *c, size_t bytes);

/* ---- for daemon/release.c alone (DESIGN S1; scripts/check greps for it) ---- */

enum stream_end {
	STREAM_SENT, /* every frame was handed to TLS */
	STREAM_VOID, /* the check said no: a void frame ended it, or it never began */
	STREAM_GONE  /* the connection ended first */
};

/*
 * A report on its way: an encoded Message, written frame by frame.  'message' stays valid until
 * 'done', which is called exactly once, on the connection's worker (never from within
 * conn_stream_report), and releases whatever 'token' is.
 */
struct stream {
	struct bytes message;
	bool (*may_go)(void *token, struct conn *c); /* asked right before each frame is written */
	void (*done)(void *token, struct conn *c, enum stream_end how);
	void *token;
};
/* Queues it on 'lane'.  On failure 'done' is not called and the caller keeps the token. */
MUST_USE bool conn_stream_report(
    struct conn *c, unsigned lane, const struct stream *s, struct err *e);

/* ---- for worker.c ---- */

/* Takes the ticket with its socket (on failure too) and starts TLS. */
MUST_USE bool conn_open(struct worker *w, struct ticket **ticket, struct err *e);
/* A connection that was mailed here after its handshake: its party's worker is this one. */
void conn_arrive(struct worker *w, struct conn **c);
/* Looks at every deadline of this connection, and if 'trust' is set at whether the peer is still
 * allowed in (S9). */
void conn_sweep(struct conn *c, bool trust);
/* What the end of an event turn does: writes what is queued, reads on what was held back. */
void conn_turn(struct conn *c);
void conn_free(struct conn *c);
const char *conn_state_name(enum conn_state s);
