/*
 * shortfall.h - what the rules in force say and the broker does not go by: agreements that the log
 * refuses, that lack signatures or whose terms wait, and parties that are shut out.  The operator
 * reads it in the answers to `relto admin reload` and `relto admin status` (docs/PROTOCOL.md).
 * Threads: any, once the committer has judged the rules.
 */
#pragma once
#include "daemon/ruleset.h"

#include <stdio.h>

enum { SHORTFALL_NAMES = 32 }; /* of each list; the rest is counted */
enum { SHORTFALL_BYTES = 24u << 10 };

/* Members of a JSON object, each with a comma before it; none if there is no shortfall.  At most
 * SHORTFALL_BYTES. */
void shortfall_write(const struct ruleset *r, FILE *to);
