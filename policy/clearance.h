/*
 * clearance.h - what a member may see, and the access decision function (DESIGN section 3;
 * ADatP-4774.1 section 3.11).
 * Threads: values over immutable vocabularies; a clearance is filled at load and then only read.
 */
#pragma once
#include "policy/label.h"

struct clearance {
	const struct vocab *vocab;
	uint64_t classes; /* the list, as a set: membership, not rank */
	uint64_t *values; /* held, a set of vocab->words words */
};

/* An empty clearance, which clears nothing. */
MUST_USE bool clearance_init(
    struct arena *a, const struct vocab *v, struct clearance *out, struct err *e);

static inline void
clearance_add_class(struct clearance *c, uint32_t class_)
{
	c->classes |= UINT64_C(1) << class_;
}

/* 'up-to CLASS': all whose hierarchy is not above it. */
static inline void
clearance_add_up_to(struct clearance *c, uint32_t class_)
{
	c->classes |= vocab_up_to(c->vocab, class_);
}

static inline void
clearance_add_value(struct clearance *c, uint32_t value)
{
	vocab_put(c->values, value);
}

/*
 * Adds the groups to which whoever holds 'value' belongs during the whole of [from, until), by the
 * membership lists of the SPIF.  Groups of groups are not followed.
 */
struct clearance_groups {
	size_t whole;  /* lists that name the value all the time */
	size_t partly; /* those that name it for a part of the time: they add nothing */
};
struct clearance_groups clearance_add_groups(
    struct clearance *c, uint32_t value, uint64_t from, uint64_t until);

enum acdf { /* the zero is none of them */
	ACDF_PERMIT = 1,
	ACDF_VOCABULARY, /* label and clearance are not of one vocabulary */
	ACDF_CLASSIFICATION,
	ACDF_RESTRICTIVE,
	ACDF_PERMISSIVE
};
/* acdf(label, clearance): the first that fails in the order above, or ACDF_PERMIT.  Nothing but
 * ACDF_PERMIT permits. */
enum acdf clearance_acdf(const struct clearance *c, const struct label *l);
