/*
 * situation.h - everything that can be asked of an agreement but the labels, as few cases: which of
 * its rules can be live together, and who may then receive.  Originators, topics, precedences and
 * content types that every rule treats alike are one; a topic stands for its class, and which rules
 * hold for it the decision's own functions say.
 * Threads: pure; what is built lives in the arena given.
 */
#pragma once
#include "policy/rules.h"

enum {
	SITUATIONS_MAX = 8192, /* distinct ones of one agreement */
	SITUATION_STEPS = 1 << 20
};

struct situation {
	const bool *live;	  /* by rule: all holds but 'to' and the labels */
	const struct party *only; /* the one party that can be the originator; NULL: several can */
};
struct situations {
	const struct situation *items;
	size_t count;
	const struct member *(*receivers)[2]; /* by group: one that may receive, and another */
	bool
	    undecided; /* there are more than the bounds allow: nothing is proven by what is here */
};

/* False for want of memory. */
MUST_USE bool situations_of(struct arena *a, const struct agreement *of, struct situations *out);
/* A member of 'group' that may receive in this situation; NULL: there is none. */
static inline const struct member *
situation_recipient(const struct situations *all, const struct situation *s, size_t group)
{
	const struct member *const *two = all->receivers[group];
	return two[0] != NULL && two[0]->party == s->only ? two[1] : two[0];
}

/* Whether a rule's conditions on the content type, or on the originator, hold. */
bool situation_content(const struct rule *rule, struct bytes type);
bool situation_from(const struct rule *rule, struct bytes originator);
