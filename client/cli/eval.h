/*
 * eval.h - `relto policy eval DIR --jsonl`: facts in, decisions out, a line each (DESIGN 12).
 * Threads: one.
 */
#pragma once
#include <stdio.h>

#include "policy/decide.h"

/* Reads to the end of 'in'.  A line that is no object of facts is answered as malformed. */
MUST_USE bool eval_stream(const struct epoch *p, FILE *in, FILE *out, struct err *e);
