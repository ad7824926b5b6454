/*
 * holds.h - what waits for a party's decision: found by the name that the party has for it, listed,
 * decided (PROTOCOL.md section 5a).  What another party holds and what does not exist are one
 * answer (S7). Threads: the approver's worker.
 */
#pragma once
#include "daemon/desk.h"
#include "daemon/waits.h"

/* One question to an approver: the hold, and what of it waits for this party under this name. */
struct question {
	struct store_held held;
	struct store_given given;
	const struct wait *waits; /* by portion and agreement: at least one */
	size_t count;
	struct bytes publisher, recipient; /* parties */
	bool own;			   /* published by the session's own agent */
	enum mode mode;			   /* of the report; S11: of its sources, too */
};
/* Through the desk's open view, into 'a'. */
MUST_USE bool holds_find(struct conn *c, const uint8_t name[WAIT_NAME_BYTES], struct arena *a,
    struct question *out, bool *found, struct err *e);

/* A Decide came home. */
void holds_home(struct worker *w, struct job *j);
