/*
 * realm.h - the labels of one vocabulary under two policies, whose SPIFs of it may differ: classes
 * and values of both by name, and how each side sees them, as written and by its equivalence.
 * Threads: pure; all lives in the arena given.
 */
#pragma once
#include "policy/pick.h"
#include "policy/rules.h"

struct realm {
	const struct vocab *vocab[2]; /* NULL: that side has none of this name */
	size_t index[2];	      /* in the epoch of the side */
	uint32_t class_count, value_count, words;
	const uint32_t *classes[2]; /* by class of the realm: the side's, or VOCAB_NONE */
	const uint32_t *values[2];
};
struct realms {
	const struct realm *items;
	size_t count;
};
/* One realm for each vocabulary that either has.  False for want of memory. */
MUST_USE bool realms_of(
    struct arena *a, const struct epoch *const epochs[2], struct realms *out, struct err *e);
/* Both sides have it, from the same SPIF and with the same releasability category. */
bool realm_is_same(const struct realm *r);
/* The label of these classes and values as a publisher writes it. */
MUST_USE bool realm_label(struct arena *a, const struct realm *r, uint32_t class_,
    const uint64_t *values, struct raw_label *out, struct err *e);

/* How one side sees the labels of a realm. */
struct lens {
	const struct vocab *to;	      /* NULL: it does not */
	const uint32_t *classes;      /* by class of the realm: that of 'to', or VOCAB_NONE */
	const uint64_t *const *shown; /* by value of 'to': the realm's values that show it */
	const uint64_t *lost;	      /* values of the realm that no label seen here can have */
};
MUST_USE bool lens_written(
    struct arena *a, const struct realm *r, size_t side, struct lens *out, struct err *e);
MUST_USE bool lens_mapped(struct arena *a, const struct realm *r, size_t side,
    const struct equivalence *q, struct lens *out, struct err *e);
/* The realm's values that show any value of the set. */
uint64_t *lens_back(
    struct arena *a, const struct realm *r, const struct lens *l, const uint64_t *set);
