/*
 * outlet.h - a subscription that somebody reads: who reads it, what is on its way, what comes next.
 *
 * An entry of the queue becomes a flight when it is picked: by precedence, oldest first, and of
 * LIMIT_AGING_FLOOR one of each lane that waits.  A flight is PREPARED (its decision looked at,
 * again if need be, its DELIVERY recorded), STREAMED, SENT, and gone when it is acknowledged.  What
 * a connection leaves behind is picked again before anything younger of its precedence.
 *
 * Order (S6): a flight that waits for the committer keeps its place, and a younger one of the same
 * originator and precedence that could go waits BEHIND it.  Redelivery is no part of the order.
 *
 * A consumer knows a report by one number for as long as its session lasts, however often it comes,
 * and may acknowledge it as long: also when the entry went away after the bytes had left, since
 * then the ACK record is the one receipt, or when the report came back after a hold, as another
 * entry, which is acknowledged with it (S6).
 * Threads: the worker of the party.
 */
#pragma once
#include "daemon/desk.h"
#include "daemon/release.h"

#include <sys/queue.h>

enum { OUTLET_STOCK = 32, OUTLET_LANES = 4 };

enum flight_state {
	FLIGHT_READY = 1, /* picked or left behind; waits to be prepared */
	FLIGHT_LATER,	  /* something failed: tried again at deadline_ms */
	FLIGHT_JOB,	  /* a job of it is with the committer */
	FLIGHT_BEHIND,	  /* could go, but an older one must go first */
	FLIGHT_HEAD,	  /* its proof waits for a head that covers its DELIVERY */
	FLIGHT_STREAM,	  /* its bytes are on their way */
	FLIGHT_SENT,	  /* waits for an ack */
	FLIGHT_ACKING	  /* the ack is with the committer */
};

struct msg_nack;

struct consumer {
	struct conn *conn;
	struct outlet *outlet;
	uint32_t number;    /* of the subscription in its session */
	uint32_t credit;    /* how many may be on their way unacknowledged */
	bool proof;	    /* each is to bring its proof */
	uint64_t since_ms;  /* when it came */
	uint32_t out;	    /* how many are */
	uint64_t last;	    /* the highest number it was given */
	struct sent *sents; /* hash by number: what it may acknowledge */
	unsigned orphans;   /* of these without a flight */
	LIST_ENTRY(consumer) of_outlet;
};

/* A number under which a consumer was given a report. */
struct sent {
	uint64_t number;
	struct consumer *to;
	struct flight *flight; /* NULL: the entry is gone */
	uint64_t record;       /* main index of the DELIVERY of what was sent last */
	bool whole;	       /* all its bytes left at least once */
	bool recall;	       /* 'record' is a RECALL */
	struct store_queue_key key;
	struct store_report_key report;
	uint32_t publisher;
	UT_hash_handle hh;
	LIST_ENTRY(sent) of_flight;
};

/* Who waits for a Pong, until every delivery that the Ack named is settled. */
struct ack_ticket {
	uint64_t conn, request;
	unsigned pending;
	enum err_code failed;
};

TAILQ_HEAD(flight_list, flight);
struct flight {
	struct outlet *outlet;
	struct consumer *to; /* whose credit it takes; NULL: nobody's at present */
	enum flight_state state;
	size_t large;		   /* on its way, of worker_party.output_bytes */
	bool put_off;		   /* given back, to wait; counted in outlet.put_off */
	bool acked;		   /* while it was on its way, or with the committer.. */
	uint64_t acked_record;	   /* ..and what for */
	bool recall;		   /* it is one */
	struct ack_ticket *ticket; /* who waits for its ack */
	struct store_queued entry;
	bool counted;  /* the store knows how often it was sent; else it is what the entry here says
			*/
	uint64_t look; /* the entry is as it stood at that look of the desk */
	uint32_t publisher;
	uint64_t deadline_ms; /* ack-wait; LATER: the next try */
	uint64_t waits_ms;    /* since when it could go, for a first delivery; 0: not measured */
	bool checked;	      /* decided again under 'rules' with nothing changed.. */
	uint64_t rules, good_until_us; /* ..and until when that holds */
	uint64_t quorum_over;	       /* the decision that witnesses must cover; STORE_NONE */
	LIST_HEAD(, sent) sents;
	struct flight_list *in; /* the list of its lane that it stands in; NULL: none */
	TAILQ_ENTRY(flight) of_lane;
	TAILQ_ENTRY(flight) of_outlet; /* all */
};

/* An entry that may not go before its time: no flight until then.  DORMANT_QUORUM: before the
 * quorum of witnesses has signed a head over its decision. */
#define DORMANT_QUORUM UINT64_MAX
struct dormant {
	uint64_t not_before_ms, decision;
	uint32_t originator;
};

struct outlet {
	uint32_t id; /* subscription */
	struct desk *desk;
	uint32_t party;
	uint8_t mode;
	char name[65], pattern[256];
	LIST_HEAD(, consumer) consumers;
	struct flight_list all;
	struct lane {			    /* [precedence-1] */
		struct flight_list ready;   /* by age: left behind or put back */
		struct flight_list pending; /* JOB, BEHIND, HEAD, and LATER that keep their place */
		struct store_queued stock[OUTLET_STOCK];
		size_t at, count;
		uint64_t look;	/* when it was read (desk_look) */
		uint64_t after; /* decision index of the last one fetched */
		bool more;	/* the store may have more */
		struct dormant *dormant;
		size_t dormant_count, dormant_room;
		uint64_t wake_ms; /* the earliest of them; UINT64_MAX: none */
		unsigned passed;  /* picked from lanes above while this one waited */
		bool overdue;	  /* its oldest waits past the lane's deadline (overdue.h) */
	} lanes[OUTLET_LANES];
	unsigned jobs;		 /* flights with the committer, or about to go */
	struct job *asking;	 /* their DELIVERYs, while it pumps; NULL: none */
	unsigned behind;	 /* flights BEHIND */
	unsigned uncovered;	 /* flights that wait for a HEAD */
	unsigned put_off;	 /* flights that a Nack put off */
	uint64_t late_ms, lates; /* when a late one was told last, and how many since */
	bool pumping;
	bool deleted;		/* its subscription is gone, and so is it once it is idle */
	bool filling, fill_job; /* it begins from start (fill.h); a page is with the committer */
	struct store_report_key fill_at;
	bool backfilling, backfill_job; /* it looks for what was before its party (backfill.h) */
	struct store_report_key backfill_at;
	uint64_t backfill_not_before_ms;
	struct event *backfill_event;
	uint64_t cosigned; /* what the quorum has signed, as of this pumping: by it those who wait
			    * go in their order */
	uint64_t due_ms;   /* no flight has a deadline before */
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
/* An entry came back to the place that it had, which may be one that was passed.  False: out of
 * memory, and nobody finds it there until this is said again. */
struct notice_back;
MUST_USE bool outlet_back(struct outlet *o, const struct notice_back *b);
/* Sends what can be sent. */
void outlet_pump(struct outlet *o);
/* ack-wait: what was not acknowledged in time is sent again. */
void outlet_tick(struct outlet *o);
/* A session was shown a head: what waited for one is looked at again. */
void outlet_covered(struct outlet *o);
/* New rules: everything that is not on its way is looked at again. */
void outlet_new_rules(struct outlet *o);
/* Nobody reads it, and nothing of it is under way. */
bool outlet_is_idle(const struct outlet *o);
void outlet_free(struct outlet *o);

/* An ack: a job for all that are on their way.  False: 'e'. */
MUST_USE bool outlet_ack(
    struct consumer *k, const struct msg_u64s *deliveries, uint64_t request, struct err *e);
/* A nack: what the consumer has of these is made again, after the delay.  'why': MALFORMED, QUOTA,
 * or BUSY; then nothing was done. */
MUST_USE bool outlet_nack(
    struct consumer *k, const struct msg_nack *n, uint64_t request, struct err *why);
/* Jobs of flights come home. */
void outlet_delivered(struct desk *d, struct job *j);
void outlet_decided(struct desk *d, struct job *j);
void outlet_acked(struct desk *d, struct job *j);
void outlet_given_up(struct desk *d, struct job *j);

/* ---- between outlet*.c and prepare.c ---- */

/* Makes the Deliver of a READY flight and sends it, or sends the job that it needs first.  False:
 * the flight's entry is gone. */
MUST_USE bool prepare_flight(struct flight *f, struct consumer *k);
/* It waits for the quorum of witnesses, for 24 bytes; the caller drops the flight.  False: it stays
 * one (it was sent before, or there is no memory). */
bool outlet_lay_down(struct flight *f);
/* Whether something of the lane could be picked; its stock is filled, in the desk's view. */
bool outlet_lane_waits(struct outlet *o, unsigned lane);
/* Its session may read: the role, and judged under the present rules (S9). */
bool outlet_may_read(const struct consumer *k);
/* The flight of an entry; NULL: it has none. */
struct flight *outlet_flight(const struct outlet *o, const struct store_queue_key *key);
/* Sends what prepare_flight gathered in o->asking. */
void prepare_ask(struct outlet *o);
struct lane *flight_lane(const struct flight *f);
/* It waits because of a Nack; or no more. */
void flight_put_off(struct flight *f);
void flight_take_up(struct flight *f);
/* Sets its deadline. */
void flight_due(struct flight *f, uint64_t in_ms);
/* How long it waits: since its acceptance, its not-before or the coming of its reader, until its
 * last byte was handed to TLS.  What was held or a dead letter, or is delivered again, is not
 * measured. */
void flight_wait_begins(struct flight *f, const struct consumer *k, const struct store_report *r);
/* The same of an entry that has no flight, or none that goes: since when it waits, by the worker's
 * clock; 0: not measured. */
uint64_t flight_since(const struct desk *d, const struct store_queued *q, const struct consumer *k,
    const struct store_report *r);
/* Of a lane, 0: none. */
uint64_t flight_deadline(const struct desk *d, unsigned lane);
/* Past its lane's deadline the operator is told, once a second. */
void flight_wait_ends(struct flight *f);
/* It takes nobody's credit any more. */
void flight_detach(struct flight *f);
/* Off the list of its lane; those BEHIND it may go. */
void flight_unlist(struct flight *f);
void flight_ready(struct flight *f);
/* Keeps its place in the lane's order: in state JOB, BEHIND, HEAD, or LATER for a second. */
void flight_wait(struct flight *f, enum flight_state state);
/* Set aside for a second: what it needs failed for a reason of its own. */
void flight_later(struct flight *f);
/* True if an older one of the same originator has not gone yet. */
bool flight_is_behind(const struct flight *f);
/* The number under which 'k' knows it; NULL: it was never given to it. */
struct sent *flight_sent_to(const struct flight *f, const struct consumer *k);
/* Its entry is gone; what was sent may still be acknowledged. */
void flight_drop(struct flight *f);
/* Its entry is acknowledged, and nothing is left of it. */
void flight_end(struct flight *f);
/* Sends the ack of a flight that was acknowledged meanwhile off on its own; without memory, later.
 */
void flight_ack(struct flight *f);
void flight_sent(void *arg, struct conn *c, enum release_end how);
/* One pending thing of the ticket (NULL: none) is over; ERR_NONE: well. */
void ticket_settle(struct desk *d, struct ack_ticket *t, enum err_code how);
/* Forgets a number.  NULL is accepted. */
void sent_free(struct sent *s);
