/*
 * contents.h - content types in classes that the rules of some agreements treat alike.
 * Threads: pure; what is built lives in the arena given.
 */
#pragma once
#include "policy/agreement.h"
#include "proto/arena.h"
#include "proto/err.h"

struct content_class {
	struct bytes name;    /* a pattern of the rules, or "other" than those */
	struct bytes witness; /* such a type that no narrower pattern matches */
};
/* "other" comes first.  An agreement may be NULL. */
MUST_USE bool contents_classes(struct arena *a, const struct agreement *const *of, size_t of_count,
    const struct content_class **out, size_t *count, struct err *e);
