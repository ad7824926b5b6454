/*
 * label.h - labels, their validation, equivalence and roll-up (DESIGN section 3; STANAG 4774).
 * A raw label (proto/facts.h) is names; resolved against its vocabulary it is a set of numbers,
 * which is what decisions use.
 * Threads: values over immutable vocabularies.
 */
#pragma once
#include "policy/vocab.h"

/* A resolved label.  Every category that it has, has at least one value. */
struct label {
	const struct vocab *vocab;
	uint32_t classification;
	const uint64_t *values; /* set of vocab->words words */
};

/*
 * Resolves names to numbers.  ERR_INVALID_LABEL, with the fault and the nearest valid name, for an
 * unknown classification, category or value, a category named twice or without values; a value
 * named twice counts once.  ERR_LIMIT past LIMIT_CATEGORIES_PER_LABEL and so on.  Constraints and
 * 'obsolete' are label_check's: a later decision (DESIGN section 5) only resolves.
 * raw->vocabulary must name 'v'.
 */
MUST_USE bool label_resolve(struct arena *a, const struct vocab *v, const struct raw_label *raw,
    struct label *out, struct err *e);
/* obsolete and dates at 'time' (µs), requiredCategory, excludedClass, excludedCategory,
 * requiredClass, selection counts.  ERR_INVALID_LABEL names the fault. */
MUST_USE bool label_check(const struct label *l, uint64_t time, struct err *e);
/* Questions of rules ("label V has CATEGORY [VALUE]") and of trap 1. */
bool label_has_tagset(const struct label *l, uint32_t tagset); /* any value of it, whatever type */
bool label_has_category(const struct label *l, uint32_t category);
static inline bool
label_has_value(const struct label *l, uint32_t value)
{
	return vocab_has(l->values, value);
}
/* Has a value of its vocabulary's releasability category.  False where there is no such category.
 */
bool label_has_releasability(const struct label *l);
/* The labels are of one vocabulary and say the same. */
bool label_equal(const struct label *x, const struct label *y);

/* ---- equivalence: one label of a vocabulary as a label of another ---- */

struct label_map {
	const struct vocab *from, *to;
	uint32_t *classes; /* by class of 'from': class of 'to' or VOCAB_NONE */
	uint32_t *values;  /* by value of 'from': value of 'to' or VOCAB_NONE */
};
/* A map without entries. */
MUST_USE bool label_map_init(struct arena *a, const struct vocab *from, const struct vocab *to,
    struct label_map *out, struct err *e);
/*
 * The classification and every restrictive and permissive value must be mapped, else
 * ERR_INVALID_LABEL; informative values without an entry are dropped.  The result is not checked:
 * label_check is the caller's.
 */
MUST_USE bool label_map_apply(struct arena *a, const struct label_map *m, const struct label *in,
    struct label *out, struct err *e);

/* ---- roll-up (trap 2) ---- */

struct banner {
	struct label label;   /* an empty intersection leaves its category absent here.. */
	bool originator_only; /* ..and sets this flag, without which the label would open */
};
/*
 * The roll-up of labels of one vocabulary, 'count' > 0: highest classification by hierarchy (of
 * equals the first in the SPIF), union of restrictive and informative values, intersection of
 * permissive ones; a label without the releasability category counts as the empty set, one without
 * another permissive category as all values.
 */
MUST_USE bool label_rollup(struct arena *a, const struct label *const *labels, size_t count,
    struct banner *out, struct err *e);
