/*
 * retention.h - what may be forgotten: bodies that nobody waits for any more, and the ids of
 * reports so old that a repetition is no concern (DESIGN section 9, keep-bodies and keep-ids). What
 * is evidence stays: manifest, routing, seal, heads, facts, and the log.
 *
 * It works in steps, each bounded, so that a commit is never long: retention_plan reads (any view,
 * also the batch's), retention_apply drops in the committer's open batch what was planned.  Bodies
 * go when keep-bodies has passed since acceptance, or the report has expired, and no queue entry
 * and no hold needs them. Threads: a plan is a value; plan with the view's thread, apply on the
 * committer.
 */
#pragma once
#include "daemon/store.h"

enum { RETENTION_STEP = 256, RETENTION_LOOK = 4096 };

struct retention_rules {
	uint64_t now_us; /* since 1970 UTC, from a clock that is not in doubt */
	uint64_t keep_bodies_us;
	uint64_t keep_ids_us;
};
/* Where the sweep stands; zero at start, kept by the caller. */
struct retention_place {
	uint64_t body; /* INTAKE index from which bodies are looked at next */
	bool in_given;
	bool begun; /* 'report' or 'given' holds a position */
	struct store_report_key report;
	uint32_t given_party;
	struct store_report_key given;
};
struct retention_plan {
	uint64_t bodies[RETENTION_STEP]; /* INTAKE indices whose bodies go */
	size_t body_count;
	struct store_report_key reports[RETENTION_STEP];
	size_t report_count;
	struct {
		uint32_t party;
		struct store_report_key report;
	} given[RETENTION_STEP];
	size_t given_count;
	bool wrapped; /* a whole round is done: rest for a while */
};

/* Plans the next step and moves the place. */
MUST_USE bool retention_plan(struct store_view *v, const struct retention_rules *rules,
    struct retention_place *place, struct retention_plan *out, struct err *e);
/* Drops it in the open batch. */
MUST_USE bool retention_apply(struct store *s, const struct retention_plan *plan, struct err *e);
