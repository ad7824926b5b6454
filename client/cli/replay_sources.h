/*
 * replay_sources.h - what the facts of a report must say of the reports that it cites, found from
 * the log before it (docs/audit-format.md, section 8; design section 5, step 6).
 * Threads: one.
 */
#pragma once
#include "client/cli/replay_past.h"

/* The sources that the facts of a report must have, as the log was before record 'cut'.  What *out
 * points to lives in 'a'.  *known false: something that it takes could not be read. */
struct sources_ask {
	const struct past_report *of;
	uint64_t cut;
};
struct sources_found {
	const struct fact_source *items;
	size_t count;
	bool known;
};
MUST_USE bool replay_sources_find(struct replay_past *p, const struct sources_ask *ask,
    struct arena *a, struct sources_found *out, struct err *e);
/* Whether facts name the same ones, in whatever order. */
MUST_USE bool replay_sources_same(const struct sources_found *x, const struct facts *f,
    struct arena *a, bool *same, struct err *e);
