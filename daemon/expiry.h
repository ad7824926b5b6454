/*
 * expiry.h - what ends by itself is told before it does: 30, 7 and 1 days ahead, and when it has.
 * A revocation list, which may be made for hours, is told in the last quarter of its time at the
 * earliest.  Looked at when rules come into force, and once an hour.  Of agents: leaves.h.
 * Threads: main.
 */
#pragma once
#include "daemon/ruleset.h"
#include "daemon/wall.h"

struct event_base;
struct expiry;

struct expiry_setup {
	struct event_base *base;
	struct wall *wall;
	struct ruleset *const *rules; /* in force, whichever they are then */
};
MUST_USE bool expiry_new(const struct expiry_setup *s, struct expiry **out, struct err *e);
void expiry_free(struct expiry *x);
/* At a time, in s since 1970: what has come nearer since it was told last is told. */
void expiry_look(struct expiry *x, int64_t now_s);
/* New rules are in force: all is told again.  NULL is accepted. */
void expiry_begin(struct expiry *x);
/* When the first of a kind ends, s since 1970; INT64_MAX: there is none. */
int64_t expiry_next(const struct expiry *x, enum trust_end_kind kind);
