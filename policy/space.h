/*
 * space.h - is there a label with these properties?  Asked of the whole space of a vocabulary's
 * labels, which is finite but far too large to list: a search that adds to a label only what
 * something still demands, so that "none" is proven for all labels.  What is found is a label that
 * the functions of the decision itself have looked at.
 * Threads: pure.
 */
#pragma once
#include "policy/rules.h"

enum space_answer { SPACE_NONE = 1, SPACE_SOME, SPACE_UNDECIDED };

enum { SPACE_GROUPS = 64, SPACE_CONDITIONS = 64, SPACE_NODES = 20000 };

/* Conditions on labels of the one vocabulary. */
struct space_group {
	const struct condition *items[SPACE_CONDITIONS];
	size_t count;
};
struct space_query {
	const struct vocab *vocab;
	struct space_group must;		  /* all of them hold */
	struct space_group not_all[SPACE_GROUPS]; /* of each group at least one does not */
	size_t not_all_count;
	const struct clearance *clearance; /* cleared by it; NULL: any */
	bool releasability;   /* has a value of the vocabulary's releasability category */
	bool accepted;	      /* the vocabulary accepts it at some time from.. */
	uint64_t from, until; /* ..and before: µs since 1970 */
	bool too_large;	      /* space_must or space_not_all found no room: undecided */
};

void space_must(struct space_query *q, const struct condition *c);
/* A new group, without conditions: "not all of none" never holds. */
struct space_group *space_not_all(struct space_query *q);
void space_add(struct space_query *q, struct space_group *g, const struct condition *c);
/* Shortage of memory is SPACE_UNDECIDED. */
enum space_answer space_ask(const struct space_query *q);
