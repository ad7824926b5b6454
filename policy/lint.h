/*
 * lint.h - what is legal in a policy and hardly meant: the warnings of `relto policy check`
 * (lint.def).  What is said of rules holds for every report that can be published under the
 * agreement, or is not said.
 * Threads: pure.
 */
#pragma once
#include "policy/epoch.h"
#include "policy/text.h"

enum lint {
#define L(name, token, text) LINT_##name,
#include "policy/lint.def"
#undef L
	LINT_COUNT
};
const char *lint_name(enum lint l);

/*
 * Adds warnings to 'warnings', and to those of 'open' what could not be decided within bounds.
 * 'top' is the tree that the epoch was loaded from, for places; 'at' is today (µs since 1970).
 * False for want of memory.
 */
MUST_USE bool lint_policy(const struct epoch *e, const struct text_block *top, uint64_t at,
    struct text_errors *warnings, struct text_errors *open);
