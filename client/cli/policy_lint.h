/*
 * policy_lint.h - the linter of `relto policy check`, on a policy that has loaded.
 * Threads: one.
 */
#pragma once
#include "policy/lint.h"

/* Adds warnings to 'warnings', and to those of 'open' what was not decided.  'path' is that which
 * the epoch was loaded from; 'at' is today (µs since 1970), 0: by the clock. */
MUST_USE bool policy_lint(const struct epoch *p, const char *path, uint64_t at,
    struct text_errors *warnings, struct text_errors *open, struct err *e);
