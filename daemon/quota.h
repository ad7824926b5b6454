/*
 * quota.h - how fast a party may publish, over all its connections (DESIGN 8, decision 0030).
 * Reports and bytes have a bucket each, at the rates of io_limits.  A Publish is let in when both
 * have room for it and none of its party waits; it is charged there and then, by the length that
 * its first frame shows.  Else its connection stands in its party's line and is not read from: what
 * it holds is that frame, and its peer finds TCP full.  All else is taken as ever, so a connection
 * that only receives never waits. Threads: the worker's.
 */
#pragma once
#include "daemon/bucket.h"
#include "daemon/share.h"

struct conn;
struct event;
struct worker;
struct worker_party;

struct quota {
	struct bucket reports, bytes;
	struct conn_queue waiting; /* by of_quota */
	struct event *timer;	   /* when the first of them may go on */
	uint64_t since_us;	   /* somebody waits since; 0: nobody */
	uint64_t waited_us;	   /* in this spell, which.. */
	uint64_t last_ms;	   /* ..ends when nobody had to wait for QUOTA_SPELL_MS */
	bool slowed;		   /* there is one */
};

enum { QUOTA_SPELL_MS = 1000 };

/* False: no memory, and there is nothing to be done with. */
bool quota_init(struct quota *q, struct worker *w, struct worker_party *p);
void quota_done(struct quota *q);
/* May the connection take what its input has next?  If not it waits, and has a turn in time. */
bool quota_admits(struct conn *c);
/* Out of the line, if it stands there. */
void quota_leave(struct conn *c);
/* Lets go on who may; every tick, too. */
void quota_look(struct worker *w, struct worker_party *p);
/* There are other rates: what was had at the old ones is forgotten. */
void quota_forget(struct worker *w, struct worker_party *p);
/* What was had still counts, or the spell has not ended. */
bool quota_owes(const struct worker *w, const struct worker_party *p);
