/*
 * judge.h - is a report that came what its originator signed?  (Design sections 6 and 7.)
 * Its chain must end in the originator's own party's CA as this client pinned it, the signature and
 * every commitment must hold, and it must be for this hub.
 * Threads: the connection's.
 */
#pragma once
#include "client/inside.h"

struct judge_found {
	enum relto_trust trust;
	bool readable;	   /* the envelope could be opened at all */
	const char *party; /* as pinned; NULL if it is not */
	char why[512];
};

/* False is for our own troubles (ERR_NOMEM, ERR_CRYPTO); a bad report is a finding. */
MUST_USE bool judge_delivery(struct relto_connection *c, const struct msg_deliver *in,
    struct arena *a, struct envelope *v, struct judge_found *out, struct err *e);
/* The certificates that came with it, DER, leaf first; none if none came. */
MUST_USE bool judge_chain(struct relto_connection *c, const struct msg_deliver *in, struct arena *a,
    struct relto_delivery *out, struct err *e);
