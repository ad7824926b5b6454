/*
 * retention.h - what may be forgotten: bodies that nobody waits for any more, and the ids of
 * reports so old that a repetition is no concern (DESIGN section 9, keep-bodies and keep-ids).
 * What is evidence stays: manifest, routing, seal, heads, facts, and the log.
 *
 * Bodies go when keep-bodies has passed since acceptance, or the report has expired, and no queue
 * entry and no hold stands on it.  Its id goes when keep-ids has passed, on the same condition, and
 * what was given of it goes with the id.  The work is done in steps, each bounded, so that no
 * commit is long; a round looks at everything once.
 * Threads: the committer.
 */
#pragma once
#include "daemon/store.h"

struct retention_rules {
	uint64_t now_us; /* since 1970 UTC, of a clock that is not in doubt */
	uint64_t keep_bodies_us;
	uint64_t keep_ids_us;
};
/* Where the round stands; zero at start, kept by the caller.  A batch that fails need not put it
 * back: what it missed is seen in the next round. */
struct retention_place {
	uint64_t intake; /* bodies are looked at from here */
	bool in_reports, in_given;
	struct store_report_key report; /* the last one looked at */
	uint32_t given_party;		/* likewise */
	struct store_report_key given;
	unsigned finished; /* which of the three tables were seen to their end */
};
struct retention_done {
	size_t bodies, reports, given; /* dropped */
	bool round;		       /* everything was looked at: rest for a while */
};

/* One step, in the open batch. */
MUST_USE bool retention_step(struct store *s, const struct retention_rules *rules,
    struct retention_place *place, struct retention_done *out, struct err *e);
