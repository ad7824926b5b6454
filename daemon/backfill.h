/*
 * backfill.h - a new subscription that begins 'from start' also asks for what its party was not
 * judged for when it came (DESIGN 8, decision 0035): reports that came under an earlier policy,
 * whose routing part says so, under agreements that had 'backfill' then.  They are looked for a
 * page at a time, after what the party was given (fill.h) and while what waits is delivered
 * already; each is decided first, by a DECISION of its own, and goes only if that releases.  Of
 * those that do not, nothing is told or kept, so that whoever asks does not learn of them (S7). How
 * far it came is a note in the store: whoever subscribes next goes on. Threads: the worker of the
 * party; names of notes: any.
 */
#pragma once
#include "daemon/outlet.h"

enum { BACKFILL_NAME = 24 };

/* The note of a subscription that looks for them: the originator and id that it came to. */
void backfill_note_name(uint32_t subscription, char out[BACKFILL_NAME]);

/* Goes on behind 'at', once the outlet is filled. */
void backfill_begin(struct outlet *o, const struct store_report_key *at);
/* What had to wait is tried again. */
void backfill_tick(struct outlet *o);
/* A decision, or how far it came, is durable. */
void backfill_home(struct worker *w, struct job *j);
/* The outlet goes. */
void backfill_end(struct outlet *o);
