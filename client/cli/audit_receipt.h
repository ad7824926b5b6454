/*
 * audit_receipt.h - `relto audit receipt`: the records of a report that my party may open, each
 * with its proof, for relto-verify receipt.
 * Threads: one.
 */
#pragma once
#include "client/cli/session.h"

struct audit_receipt {
	const char *id; /* of the report */
	const char
	    *out; /* a folder (that exists, or ends in '/') or a file; NULL: nothing is kept */
	const char *type; /* these alone; NULL: all */
	uint64_t wait_ms; /* for a head that covers them */
	bool json;
};
/* After a refusal waits as long as the broker says, at most *left_ms, for another try. */
MUST_USE bool audit_receipt_wait(struct session *s, struct relto_error *e, uint64_t *left_ms);
/* The exit status. */
int audit_receipt_run(struct session *s, const struct audit_receipt *want);
