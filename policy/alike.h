/*
 * alike.h - which members of an agreement nothing in a report tells apart: they are judged once
 * (court.c).  The checks of rules.c know nothing of it.
 *
 * What a check may ask of a member is a set of members: those whom a rule's 'to' names, those whose
 * clearance permits a label, those in a list of the facts.  Members are alike that are in or out of
 * every such set together.  A check that asks something new of the recipient needs its set here;
 * tests/model/kernel.c compares with every member judged by itself.
 * Threads: holders are read by any; a partition belongs to one decision.
 */
#pragma once
#include "policy/rules.h"

/* The members of an agreement by what their clearances in one vocabulary hold: sets of them, bit i
 * is members[i].  Compiled at load. */
struct holders {
	const uint64_t *cleared; /* NULL: no member has a clearance */
	const uint64_t *classes; /* one set a classification */
	const uint32_t *rows;	 /* by value: its set among 'values'; 0 is the empty one */
	const uint64_t *values;
};
/* For each of 'count' vocabularies.  False on shortage. */
MUST_USE bool holders_make(struct arena *a, const struct agreement *of,
    const struct vocab *const *vocabs, size_t count, const struct holders **out);

struct alike {
	const struct agreement *of;
	size_t words;	 /* of a set of members */
	uint16_t *part;	 /* by member: which part it belongs to */
	uint16_t count;	 /* of parts; some may be empty */
	uint16_t *size;	 /* by part */
	uint16_t *found; /* by part: how many of it are in the set at hand */
	uint16_t *moved; /* by part: the part that those became; 0: none */
	uint16_t *list;	 /* of the set at hand */
	uint64_t *rest;	 /* whom the audience lists do not leave out: only they are told apart */
	size_t rest_count;
	uint64_t *set, *any; /* the set at hand; those who hold any of some values */
};
/* At first those are alike whom every rule's 'to' treats alike.  Those left out are one part by
 * themselves: check 1 comes first and asks nothing else.  False on shortage. */
MUST_USE bool alike_init(
    struct alike *k, const struct agreement *of, const struct facts *f, struct arena *a);
/* Told apart by whether they have a clearance in the vocabulary with this index; and by what acdf
 * says of a label of it. */
void alike_by_clearance(struct alike *k, size_t vocab);
void alike_by_label(struct alike *k, const struct label *l, size_t vocab);
/* Told apart by whether their name is the one, or is on the list. */
void alike_by_name(struct alike *k, struct bytes name);
void alike_by_names(struct alike *k, const struct names *list);
static inline uint32_t
alike_part(const struct alike *k, const struct member *m)
{
	return k->part[m - k->of->members];
}
