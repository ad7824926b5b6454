/*
 * release.h - the one door through which bytes of a report leave (S1, AUDIT I2).
 * release_send is the only caller of conn_stream_report, and it demands a token that only
 * release_permit gives out: the DELIVERY record of exactly these portions is below the signed head,
 * the decision is of the rules in force (as the log has them, even if this worker has older ones)
 * and its good-until has not come; under an agreement with require-cosign the quorum of witnesses
 * has signed a head over the decision; and the report was not withdrawn since it was read.  The
 * token is asked again before every frame; when it no longer holds, a void frame ends the message.
 * Threads: the recipient's worker.
 */
#pragma once
#include "daemon/desk.h"

enum release_end {
	RELEASE_SENT, /* all bytes were handed to TLS */
	RELEASE_VOID, /* stopped: decide again */
	RELEASE_GONE  /* the connection ended */
};

struct release_token {
	struct desk *desk;
	uint64_t rules;		/* number of the ruleset that decided */
	uint64_t good_until_us; /* 0: no end */
	uint64_t delivery;	/* main index of the DELIVERY record */
	uint64_t intake, seen;	/* of the report; shell.withdrawals when it was read */
	uint64_t decision;	/* that the quorum of witnesses must cover; STORE_NONE: none */
};

/* True, and a token, if the report may leave now. */
MUST_USE bool release_permit(struct desk *d, const struct release_token *want);

struct release {
	struct release_token token;
	void (*done)(void *arg, struct conn *c, enum release_end how);
	void *arg;
	size_t len;
	uint8_t message[]; /* an encoded Message with a Deliver */
};
/* With a copy of 'message'; token, done and arg are the caller's to set.  NULL: out of memory. */
struct release *release_new(struct bytes message);
/* Sends; takes the release over if true.  False: out of memory or not permitted; nothing left. */
MUST_USE bool release_send(struct conn *c, unsigned lane, struct release **r, struct err *e);
void release_free(struct release *r);
SCOPED_FOR(struct release, release_free)
