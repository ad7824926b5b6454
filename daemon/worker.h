/*
 * worker.h - one I/O thread: its event loop, its mailbox, its connections (HOUSE section 1).
 * Sole owner of its connections and their arenas.  All connections of a party live on the worker
 * that the party's name picks, so what is kept per party (w->party->delivery) has one owner.
 * Threads: worker_new, worker_start, worker_stop, worker_wait, worker_join, worker_free are main's;
 * worker_mail* and worker_load may be called by any thread; all else only on the worker's own
 * thread.
 */
#pragma once
#include "daemon/io.h"
#include "daemon/leaves.h"
#include "daemon/mailbox.h"
#include "daemon/metrics.h"
#include "daemon/quota.h"
#include "daemon/share.h"
#include "proto/bytes.h"
#include "proto/err.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/queue.h>

struct conn;
struct desk;
struct event;
struct event_base;
struct ticket;
struct trust;
struct worker;

enum {
	WORKER_STILL_MS = 1000, /* a tick that comes so late did not come for a reason of ours */
	WORKER_TICK_MS = 250,	/* sweep of deadlines: no deadline is missed by more */
	WORKER_BUCKETS = 1024,	/* of the connection and party tables */
	WORKER_LETTERS = 32,	/* taken from the mailbox between two looks at the sockets */
	WORKER_MAIL = 1024	/* new sockets that may wait; full: the next worker, or closed */
};

/* What a worker gets by mail is a member of the thing that is handed over. */
enum letter_kind {
	LETTER_SOCKET = 1, /* a ticket; by worker_mail_socket alone */
	LETTER_CONN,	   /* a connection after its handshake; by conn.c alone */
	LETTER_JOB,	   /* to on_committed */
	LETTER_NOTICE,	   /* to on_notice */
	LETTER_RULES,	   /* to on_rules */
	LETTER_COMING,	   /* to on_coming */
	LETTER_DRAIN,	   /* by worker_drain alone */
	LETTER_STOP,	   /* by worker_stop alone */
	LETTER_END	   /* by worker_join alone */
};
struct letter {
	struct mailbox_item item; /* free for another mailbox while the letter is not posted */
	enum letter_kind kind;
};

/* A party with connections on this worker (parties.h). */
struct worker_party {
	char name[65];		 /* NUL-terminated */
	LIST_HEAD(, conn) conns; /* those after their handshake, by of_party */
	uint32_t conn_count;
	struct share share;
	struct quota quota;
	size_t input_bytes;  /* unfinished messages */
	size_t output_bytes; /* large reports on their way */
	void *delivery;	     /* the handlers' own; freed by on_party_gone */
	LIST_ENTRY(worker_party) of_bucket;
};
LIST_HEAD(conn_list, conn);
TAILQ_HEAD(conn_order, conn);
LIST_HEAD(worker_party_list, worker_party);

struct worker {
	/* for handlers */
	unsigned index;
	struct event_base *base;
	struct trust *trust;	/* borrowed from what on_rules keeps; NULL: nobody gets in */
	struct trust *coming;	/* of on_coming: sessions are judged by it, too; NULL: none */
	struct desk *desk;	/* the handlers' own, see on.h */
	struct metrics metrics; /* this worker's counters */
	struct leaves leaves;	/* of its agents: what was told of their ends */
	const struct io_limits *limits;
	struct io_clock clock;
	void *shell; /* what main gave worker_new: the way to committer and store */
	/* worker.c, conn.c */
	struct worker *const *all; /* of 'count' workers, this one at 'index' */
	unsigned count;
	struct mailbox *mail;
	struct event *mail_event, *tick_event, *turn_event, *again_event;
	struct conn_order conns; /* those judged under the present trust at the end (S9) */
	uint64_t trust_serial;	 /* rises with every new trust */
	struct conn_list by_id[WORKER_BUCKETS];
	struct worker_party_list parties[WORKER_BUCKETS];
	struct conn_queue turn;	      /* touched in this event turn */
	struct conn_queue under_way;  /* what is left of those that have their turn now */
	struct share_queue again;     /* with work left for the next one, by party */
	struct share strangers;	      /* connections without a party */
	struct conn_queue dead;	      /* freed at the end of the turn */
	uint64_t ticked_ms, still_ms; /* the last tick; how long the thread stood still before it */
	uint64_t slowed_us;	      /* that parties waited (quota.h), less whole seconds */
	bool judging;  /* some connections were not judged under the present trust yet */
	bool draining; /* whoever comes from now on is told so */
	bool stopping, drained_told;
	/* the only words that other threads read: connections; of these, those that Hello let in;
	 * ticks so far (health.h) */
	atomic_uint load, sessions, beats;
	uint32_t magic;
	pthread_t thread;
	bool running; /* main's: started and not joined */
	sem_t started, drained;
	struct err start_error;
	struct letter drain, stop, end;
};

struct worker_setup {
	unsigned index, count;
	struct worker *const *all; /* filled by main before the first worker_start */
	const struct io_limits *limits;
	struct io_clock clock;
	void *shell;
};

MUST_USE bool worker_new(const struct worker_setup *setup, struct worker **out, struct err *e);
/* Starts the thread; on_worker_start runs on it, and its failure is returned here. */
MUST_USE bool worker_start(struct worker *w, struct err *e);
/*
 * The end, in this order, so that every job comes home: worker_stop for all (they take no new
 * connection, the others drain), worker_wait for all (at the latest after drain_ms), stop the
 * committer, worker_join for all (hands over what letters are left, runs on_worker_stop).
 */
void worker_stop(struct worker *w);
/* Before that, if there is time: every session is told Bye, and who comes now that we go down. */
void worker_drain(struct worker *w);
void worker_wait(struct worker *w);
void worker_join(struct worker *w);
/* Joins it first if it still runs. */
void worker_free(struct worker *w);
SCOPED_FOR(struct worker, worker_free)

/* A new socket.  False: too many wait, the caller keeps the ticket. */
MUST_USE bool worker_mail_socket(struct worker *w, struct ticket **t);
/* Whatever comes home or is ordered by main: jobs, notices, rules, connections.  Never refused,
 * since each kind is bounded where it is made.  The thing is the worker's from here on. */
void worker_mail(struct worker *w, enum letter_kind kind, struct letter *l);
/* Connections, roughly: for the choice of the least loaded. */
unsigned worker_load(const struct worker *w);
unsigned worker_sessions(const struct worker *w);

/* The connection of this id, or NULL: it may be gone. */
struct conn *worker_find_conn(struct worker *w, uint64_t id);
/* The worker on which all connections of this party live. */
struct worker *worker_of_party(const struct worker *w, struct bytes name);
uint64_t worker_now_ms(const struct worker *w);
uint64_t worker_now_us(const struct worker *w);

/* ---- for conn.c ---- */

void worker_add_conn(struct worker *w, struct conn *c);
void worker_remove_conn(struct worker *w, struct conn *c);
/* The connection was judged under the present trust. */
void worker_judged(struct worker *w, struct conn *c);
/* Frees it at the end of the turn, since callers may still hold it. */
void worker_bury(struct worker *w, struct conn *c);

/* ---- for tests ---- */

/* Looks at every deadline now; the loop does so every WORKER_TICK_MS. */
void worker_sweep(struct worker *w);
/* One non-blocking round of the loop on the calling thread, instead of worker_start. */
void worker_round(struct worker *w);
