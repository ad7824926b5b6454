/*
 * backfill_look.h - the reports that a subscription may be backfilled: found by reading the store
 * on, a part of a page of it at a time.  Each report is read in memory of its own, and where the
 * terms that it names and its records had to be read it counts, whatever comes of it: so a turn is
 * short also where nothing is found.  One that alone takes too much is passed over, which is
 * logged.
 * Threads: the worker of the party.
 */
#pragma once
#include "daemon/again.h"
#include "daemon/outlet.h"

enum { BACKFILL_A_TURN = 4 };

struct backfill_page {
	struct again_missed missed[BACKFILL_A_TURN]; /* to be decided; their names in 'keep' */
	size_t count;
	struct store_report_key at; /* in: where to go on; out: so far it was looked at */
	bool more;
};
/* ERR_CLOCK, ERR_BUSY, ERR_NOMEM: to be tried again later. */
MUST_USE bool backfill_look(
    struct outlet *o, struct arena *keep, struct backfill_page *p, struct err *e);
