/*
 * outlet.h - a subscription that somebody reads: who reads it, what is on its way, what comes next.
 *
 * An entry of the queue becomes a flight when it is picked: by precedence, oldest first, and one in
 * LIMIT_AGING_FLOOR the lowest lane that waits.  A flight is PREPARED (its decision looked at,
 * again if need be, its DELIVERY recorded), STREAMED, SENT, and gone when it is acknowledged.  What
 * a connection leaves behind is picked again before anything younger of its precedence. Threads:
 * the worker of the party.
 */
#pragma once
#include "daemon/desk.h"
#include "daemon/release.h"

#include <sys/queue.h>

enum { OUTLET_STOCK = 32, OUTLET_LANES = 4 };

enum flight_state {
	FLIGHT_READY = 1, /* picked or left behind; waits to be prepared */
	FLIGHT_LATER,	  /* may not go before entry.not_before_ms */
	FLIGHT_JOB,	  /* a job of it is with the committer */
	FLIGHT_STREAM,	  /* its bytes are on their way */
	FLIGHT_SENT,	  /* waits for an ack */
	FLIGHT_ACKING	  /* the ack is with the committer */
};

struct consumer {
	struct conn *conn;
	struct outlet *outlet;
	uint32_t number;	/* of the subscription in its session */
	uint32_t credit;	/* how many may be on their way unacknowledged */
	uint32_t out;		/* how many are */
	uint64_t last;		/* number of its last delivery */
	struct flight *flights; /* hash by 'delivery' */
	LIST_ENTRY(consumer) of_outlet;
};

struct flight {
	struct outlet *outlet;
	struct consumer *to; /* NULL: nobody at present */
	enum flight_state state;
	bool dropped; /* its entry is gone: free it when nothing holds it */
	bool acked;   /* before we heard that all of it was written */
	struct store_queued entry;
	uint64_t delivery; /* as Deliver numbers it for 'to' */
	uint64_t record;   /* main index of the DELIVERY */
	uint32_t publisher;
	uint64_t deadline_ms;	       /* ack-wait */
	bool checked;		       /* decided again under 'rules' with nothing changed.. */
	uint64_t rules, good_until_us; /* ..and until when that holds */
	UT_hash_handle hh;
	TAILQ_ENTRY(flight) of_lane;   /* READY ones */
	TAILQ_ENTRY(flight) of_outlet; /* all */
};
TAILQ_HEAD(flight_list, flight);

struct outlet {
	uint32_t id; /* subscription */
	struct desk *desk;
	uint32_t party;
	uint8_t mode;
	char name[65], pattern[256];
	LIST_HEAD(, consumer) consumers;
	struct flight_list ready[OUTLET_LANES]; /* [precedence-1]; left behind or put back */
	struct flight_list all;
	struct lane {
		struct store_queued stock[OUTLET_STOCK];
		size_t at, count;
		uint64_t after; /* decision index of the last one fetched */
		bool more;	/* the store may have more */
	} lanes[OUTLET_LANES];
	unsigned jobs;	 /* flights with the committer */
	unsigned picked; /* since the lowest lane had its turn */
	bool pumping;
	UT_hash_handle hh;
};

/* The outlet of a subscription that the committer confirmed; NULL: out of memory. */
struct outlet *outlet_open(struct desk *d, const struct store_subscription *s);
struct outlet *outlet_find(struct desk *d, uint32_t id);
/* Adds a reader; NULL: out of memory, or too many subscriptions in the session. */
struct consumer *outlet_join(struct outlet *o, struct conn *c, uint32_t credit);
/* The connection is gone: what it had is picked again. */
void outlet_leave(struct consumer *k);
/* There may be more in the queue. */
void outlet_more(struct outlet *o);
/* Sends what can be sent. */
void outlet_pump(struct outlet *o);
/* ack-wait: what was not acknowledged in time is sent again. */
void outlet_tick(struct outlet *o);
/* New rules: everything that is not on its way is looked at again. */
void outlet_new_rules(struct outlet *o);
void outlet_free(struct outlet *o);

/* An ack: a job for all that are on their way.  False: 'e'. */
MUST_USE bool outlet_ack(
    struct consumer *k, const struct msg_u64s *deliveries, uint64_t request, struct err *e);
/* Jobs of flights come home. */
void outlet_delivered(struct desk *d, struct job *j);
void outlet_decided(struct desk *d, struct job *j);
void outlet_acked(struct desk *d, struct job *j);

/* ---- between outlet.c and prepare.c ---- */

/* Makes the Deliver of a READY flight and sends it, or sends the job that it needs first.  False:
 * the flight's entry is gone. */
MUST_USE bool prepare_flight(struct flight *f, struct consumer *k);
void flight_ready(struct flight *f);
/* The same, after a second: what it needs failed. */
void flight_later(struct flight *f);
void flight_drop(struct flight *f);
/* Sends the ack of a SENT flight off on its own. */
void flight_ack(struct flight *f);
void flight_sent(void *arg, struct conn *c, enum release_end how);
