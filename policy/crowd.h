/*
 * crowd.h - the members of one agreement under two policies, in crowds that every rule and check of
 * both treats alike: as senders and as receivers.
 * Threads: pure; what is built lives in the arena given.
 */
#pragma once
#include "policy/rules.h"

struct person {
	struct bytes name;
	const struct member *member[2]; /* NULL: no member on that side */
};
struct crowd {
	const struct person *people; /* byte order of the names */
	size_t count;
};
struct crowds {
	const struct crowd *senders; /* those that may originate on a side at least */
	size_t sender_count;
	const struct crowd *receivers;
	size_t receiver_count;
};
/* An agreement may be NULL.  False for want of memory. */
MUST_USE bool crowds_of(
    struct arena *a, const struct agreement *const of[2], struct crowds *out, struct err *e);
/* Somebody of 'from' and somebody else of 'to'; false: they are one and the same party. */
bool crowd_pair(const struct crowd *from, const struct crowd *to, const struct person **sender,
    const struct person **receiver);
