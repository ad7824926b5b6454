/*
 * facts_json.h - one line of JSON becomes the facts of a decision (DESIGN section 12, `relto policy
 * eval`).  Strict: every member known, none missing but those that may be, no repeated key.
 * Threads: one.
 */
#pragma once
#include "proto/arena.h"
#include "proto/facts.h"

/* ERR_MALFORMED if the line is no such object, ERR_NOMEM on shortage.  The facts live in the arena.
 */
MUST_USE bool facts_json_read(struct bytes line, struct arena *a, struct facts *out, struct err *e);
