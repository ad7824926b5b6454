/*
 * pins.h - the terms that a context's party accepted, beside the context: HOME/contexts/NAME.terms,
 * in the block grammar, a line "AGREEMENT VERSION DIGEST" each.  Nothing is published under others
 * (DESIGN section 7, Terms).
 * Threads: one.
 */
#pragma once
#include "client/cli/context.h"

struct pin {
	const char *agreement;
	uint64_t version;
	uint8_t terms[32];
};
struct pins {
	const char *path;
	struct pin *items; /* by name */
	size_t count;
};
/* All live in 'a'; no file: none.  ERR_CONFIG: it is not right, or others can write it. */
MUST_USE bool pins_load(const char *path, struct arena *a, struct pins *out, struct err *e);
/* NULL: nothing was accepted under that name. */
const struct pin *pins_find(const struct pins *p, const char *agreement);
/* Adds or replaces one, durably. */
MUST_USE bool pins_put(struct pins *p, struct arena *a, const struct pin *pin, struct err *e);
