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
#include "daemon/inbox.h"
#include "daemon/outbox.h"
#include "daemon/pump.h"
#include "daemon/worker.h"
#include "proto/bytes.h"
#include "proto/err.h"
#include "proto/limits.h"

struct arena;
struct msg;
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
enum conn_ending {
	CONN_ENDING_NOT = 0,
	CONN_ENDING_BYE,  /* the peer said that no more will come */
	CONN_ENDING_STOP, /* we go down */
	CONN_ENDING_FAIL  /* an Error is its last word; what the peer still sends is dropped */
};

/* Handlers read 'id', 'worker', 'state', 'peer', 'party' and own 'session'; the rest is conn.c's.
 */
struct conn {
	uint32_t magic;
	enum conn_state state;	    /* written by conn_move alone */
	uint64_t id;		    /* unique in this run of reltod, from 1 */
	struct worker *worker;	    /* whose thread may touch this */
	struct trust_peer *peer;    /* who it is; NULL in HANDSHAKE */
	struct worker_party *party; /* all connections of the party; NULL until it is home */
	struct session *session;    /* the handlers' own (on.h); freed by on_gone */
	LIST_ENTRY(conn) of_party;  /* in party->conns */
	/* conn.c, worker.c */
	struct letter letter; /* for the one move */
	TAILQ_ENTRY(conn) of_worker;
	LIST_ENTRY(conn) of_bucket;
	TAILQ_ENTRY(conn) of_turn;
	TAILQ_ENTRY(conn) of_quota; /* quota.c's, as the three below */
	uint64_t publish_bytes;	    /* of the Publish that waits */
	bool slowed;		    /* stands in its party's line */
	bool let_in;		    /* the Publish that comes next is charged already */
	struct pump pump;
	struct inbox inbox;	   /* bytes and messages that are not complete */
	struct outbox outbox;	   /* what waits to be written, by lane */
	struct ticket *ticket;	   /* the place in the listener's counts */
	const struct trust *trust; /* under which the handshake was judged; compared only */
	uint64_t judged;	   /* w->trust_serial under which the peer was judged last */
	uint64_t since_ms;	   /* start of the present state */
	uint64_t active_ms;	   /* last message from the peer, or bytes taken by it */
	unsigned version;	   /* of the protocol, as Welcome chose it; 0 before */
	uint64_t last_request[LIMIT_LANES];
	uint32_t unanswered;
	uint32_t window, idle_ms; /* as Welcome told them; another reload is for who comes then */
	size_t unanswered_bytes;
	enum conn_ending ending; /* why it drains */
	size_t input_bytes;	 /* of party->input_bytes */
	bool held;		 /* input waits inside for the window or the next turn */
	bool paused;		 /* ..of these, for window or quota: not the peer's time */
	bool has_read;		 /* in this turn: it has had its share */
	bool barred;		 /* no longer allowed */
	bool admitted;		 /* Hello was answered: counted among the worker's sessions */
	bool bye_sent, peer_ended, wants_room, wants_turn;
	uint8_t turn;	     /* which of the worker's lists it is in.. */
	struct share *share; /* ..and if it waits for the next turn, whose (worker.c) */
};

enum {
	CONN_ANSWER_LANE = LIMIT_LANES - 1 /* of errors and what is as short */
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
 * How many bytes may still be queued for 'lane': LIMIT_OUTPUT_BYTES less what waits in it and in
 * the pump, at least 0.  Deliveries are pulled from a queue only while it is not 0 (DESIGN 11).
 * Each lane has its own, so FLASH finds room while a large ROUTINE report is on its way, and
 * ROUTINE under a flood of FLASH.
 */
size_t conn_room(const struct conn *c, unsigned lane);
/* Asks for one call of on_room(c) when something was written and there is room again. */
void conn_want_room(struct conn *c);
/* Asks for one call of on_its_turn(c), when those who wait before it had theirs. */
void conn_want_turn(struct conn *c);

/* The publish window: a request of 'bytes' was taken on and not answered yet / is answered.  At the
 * window's edge (count or bytes) the connection is not read from. */
void conn_owes(struct conn *c, size_t bytes);
void conn_paid(struct conn *c, size_t bytes);

/* ---- for daemon/release.c alone (DESIGN S1; scripts/check greps for it) ---- */

/* Queues a report (outbox.h) on 'lane'.  On failure 'done' is not called and the caller keeps the
 * token. */
MUST_USE bool conn_stream_report(
    struct conn *c, unsigned lane, const struct stream *s, struct err *e);

/* Frees an arena that a handler took from its caller.  NULL is accepted. */
void conn_request_free(struct arena *request);
SCOPED_FOR(struct arena, conn_request_free)

/* ---- for the I/O shell itself: arrival.c, dispatch.c, sweep.c, worker.c ---- */

enum { CONN_MAGIC = 0x636f6e31 };
/* The step must be in the table of states. */
void conn_move(struct conn *c, enum conn_state next);
void conn_count(struct conn *c, enum metric which);
/* False: at the window, over the output mark, its party over its quota, or nothing more may come.
 */
bool conn_may_read(const struct conn *c);
/* The loop's callback; 'arg' is the connection. */
void conn_event(int fd, short what, void *arg);
/* What the end of an event turn does: writes what is queued, reads on what was held back.  After
 * the last step of a handshake it may be another worker's. */
void conn_turn(struct conn *c);
/* An Error, then the end, without on_refused(). */
void conn_last_word(struct conn *c, uint64_t request, const struct complaint *why);
/* Begins to drain, for this reason. */
void conn_end(struct conn *c, enum conn_ending ending);
/* The peer said that no more will come: what it is owed is answered, then Bye. */
void conn_peer_bye(struct conn *c);
/* Ends it at once, without a word. */
void conn_cut(struct conn *c);
void conn_free(struct conn *c);
const char *conn_state_name(enum conn_state s);
