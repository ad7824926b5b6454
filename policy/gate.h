/*
 * gate.h - what a label must be like so that a member may get it at all: accepted by its SPIF,
 * mapped where it must be, cleared, and with releasability - as bounds on its values.  A label that
 * does not pass is withheld or refused, whatever the rules say of it.
 * Threads: pure; all lives in the arena given.
 */
#pragma once
#include "policy/realm.h"

struct sight { /* how one side sees a realm under one agreement */
	const struct realm *realm;
	size_t side, vocabs;	     /* how many the epoch has */
	struct lens written, mapped; /* mapped.to is NULL without an equivalence */
};
struct sight_ask {
	const struct epoch *epoch;
	const struct agreement *agreement; /* NULL: that side sees nothing */
	size_t side;
};
MUST_USE bool sight_of(struct arena *a, const struct realm *r, const struct sight_ask *q,
    struct sight *out, struct err *e);
/* The clearance that a member's labels of the realm are held against, and the lens it looks
 * through; NULL: none. */
const struct clearance *sight_clearance(
    const struct sight *s, const struct member *m, const struct lens **through);
/* The values of the realm that satisfy "has" of a condition, in the lens that its vocabulary is
 * seen through; *out is NULL if the condition asks for no value or the realm never shows it. */
MUST_USE bool sight_asked(struct arena *a, const struct sight *s, const struct lens *l,
    const struct condition *c, const uint64_t **out, struct err *e);

struct gate {
	bool closed; /* nothing of this class passes */
	struct pick_bound *bounds;
	size_t count, room;
	uint32_t words;
};
struct gate_ask {
	const struct agreement *agreement;
	const struct member *member;
	uint32_t class_; /* of the realm */
	uint64_t time;	 /* µs, for the dates of values */
};
MUST_USE bool gate_make(struct arena *a, const struct sight *s, const struct gate_ask *q,
    struct gate *out, struct err *e);
/* One more bound: if the values meet 'guard' (NULL: always), they meet 'set' (low 1) or they do not
 * (low 0). */
MUST_USE bool gate_add(
    struct arena *a, struct gate *g, const uint64_t *guard, const uint64_t *set, uint32_t low);
MUST_USE bool gate_put(struct arena *a, struct gate *g, const struct pick_bound *b);
bool gate_bound_equal(const struct pick_bound *x, const struct pick_bound *y, uint32_t words);
