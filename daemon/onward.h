/*
 * onward.h - the past of one report: under which of its agreements portions of it went to a party,
 * and to whom else they were released (design 5, step 6; decision 0010).
 * Threads: values; whoever owns the view and the arena.
 */
#pragma once
#include "daemon/store.h"
#include "proto/arena.h"
#include "proto/envelope.h"
#include "proto/limits.h"

/* What is read from: an open view, its arena, and how much more may be read. */
struct onward_reader {
	struct store_view *view;
	struct arena *arena;
	size_t left; /* bytes */
	bool over;   /* more would have been read: ERR_LIMIT */
};

struct onward_share { /* what is released to a party at present */
	struct bytes party;
	struct bytes masks; /* per portion; 0: not released */
};
struct onward_report {
	struct store_report row;
	struct bytes originator; /* party */
	enum mode mode;
	struct envelope_routing routing;
	struct onward_share *shares; /* NULL: not looked for yet */
	size_t share_count;
};
/* Reads what does not change.  *found false: its row is gone (or never was). */
MUST_USE bool onward_load(struct onward_reader *r, const struct store_report_key *key,
    struct onward_report *out, bool *found, struct err *e);

/* Per portion the agreements (bits of Routing) of the decisions that were delivered to a party. */
struct onward_went {
	bool any; /* false: it was never delivered to the party, or too often to tell */
	uint8_t masks[LIMIT_PORTIONS];
};
MUST_USE bool onward_went(struct onward_reader *r, const struct onward_report *report,
    const struct store_given *given, struct onward_went *out, struct err *e);

/* The parties to whom every portion is released that went under agreement 'bit', by name. */
MUST_USE bool onward_to(struct onward_reader *r, struct onward_report *report,
    const struct onward_went *went, unsigned bit, struct names *out, struct err *e);
