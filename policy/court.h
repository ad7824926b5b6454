/*
 * court.h - one decision while it is being made: the facts with their labels resolved, and the
 * agreements that the report names, each with its own view of the portions.
 * Shared by decide.c (first decisions), later.c (S5) and refuse.c; of no use to others.
 */
#pragma once
#include "policy/alike.h"
#include "policy/rules.h"
#include "proto/limits.h"

struct written {      /* a label as written */
	bool known;   /* false: its vocabulary does not know it (later decisions only) */
	size_t vocab; /* index in the epoch */
	struct label label;
};

struct named { /* an agreement that the report names; named twice counts once */
	const struct agreement *agreement; /* NULL: unknown */
	struct bytes name;
	unsigned bit;			/* its place among the agreements of the facts */
	const char *fault;		/* why it is not usable; NULL: it is */
	bool suspended;			/* later decisions: judged as if it were not */
	const struct view *views;	/* by portion */
	struct alike alike;		/* its members, as far as the report tells them apart */
	struct portion_decision **rows; /* by part of them, made when first needed */
};

struct court {
	const struct epoch *epoch;
	const struct agreement *only;	  /* of an expect: in place of the epoch's, in force */
	const struct decide_trace *trace; /* NULL: nobody asks */
	const struct facts *facts;
	struct arena *arena;
	struct written *const *labels; /* by portion */
	uint64_t good_until;
	struct ask_list *opened, *approvals; /* by portion */
	struct ask_source *sources; /* as the recipient at hand sees them; NULL: not looked at */
	struct err *err;
	size_t named_count;
	struct named named[LIMIT_AGREEMENTS_PER_REPORT]; /* last: a sanitizer sees what reads on */
};

/* Resolves all labels.  In a first decision the first bad one becomes *refusal; in a later one it
 * is unknown.  False on shortage. */
MUST_USE bool court_labels(struct court *c, struct refusal *refusal);
/* Finds what was opened and said of each portion: the lists can be long, and every duty asks them.
 */
MUST_USE bool court_portions(struct court *c);
/* Finds the named agreements and what is wrong with each.  In a later decision neither terms nor
 * suspension are faults. */
void court_agreements(struct court *c);
/* Prepares an agreement's view of the portions. */
MUST_USE bool court_views(struct court *c, struct named *n);
/* Judges all portions for one member under one agreement: rows owned by the arena, which members
 * that are alike share.  NULL on shortage. */
const struct portion_decision *court_judge(
    struct court *c, struct named *n, const struct member *r);
/* The end of what rests on time: lowers good_until. */
void court_until(struct court *c, uint64_t time);

/* The refusals of DESIGN section 5 that a policy can see, before and after the labels are read. */
void refuse_malformed(const struct facts *f, struct refusal *out);
MUST_USE bool refuse_limit(const struct facts *f, struct arena *a, struct refusal *out);
MUST_USE bool refuse_agreements(struct court *c, struct refusal *out);
MUST_USE bool refuse_audience(struct court *c, struct refusal *out);
MUST_USE bool refuse_unlabelled(const struct facts *f, struct arena *a, struct refusal *out);

/* Rows under one agreement more, in the order named: the most permissive verdict wins, ties go to
 * the first. */
void decide_combine(
    struct portion_decision *into, const struct portion_decision *rows, size_t count);
/* The outcome of a recipient, and the deadlines in its rows. */
enum outcome decide_outcome(const struct portion_decision *rows, size_t count);
void decide_until(struct court *c, const struct portion_decision *rows);

/* A later decision (S5). */
MUST_USE bool later_decide(struct court *c, struct decisions *out);
/* One for who was not judged before (backfill.c): an agreement meets its conditions.. */
bool backfill_under(const struct facts *f, const struct agreement *a);
/* ..and its decision under those that do; *out 'mine' NULL: there is none. */
MUST_USE bool backfill_judge(struct court *c, const struct portion_decision **mine);
