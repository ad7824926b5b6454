/*
 * policy_lint.h - the linter of `relto policy check`, on a policy that has loaded.
 * Threads: one.
 */
#pragma once
#include "policy/lint.h"

struct linted { /* apart from what the loader says, whose warnings may be many */
	struct text_errors warnings;
	struct text_errors open; /* its warnings: what was not decided */
};

static inline void
linted_init(struct linted *n)
{
	text_errors_init(&n->warnings);
	text_errors_init(&n->open);
}

static inline void
linted_done_scoped(struct linted *n)
{
	text_errors_done(&n->warnings);
	text_errors_done(&n->open);
}

/* 'path' is that which the epoch was loaded from; 'at' is today (µs since 1970), 0: by the clock.
 */
MUST_USE bool policy_lint(
    const struct epoch *p, const char *path, uint64_t at, struct linted *out, struct err *e);
