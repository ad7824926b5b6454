/*
 * audit_pull.h - relto audit pull: a bundle for relto-verify as a new folder.
 * Threads: one.
 */
#pragma once
#include "client/cli/session.h"

struct audit_pull {
	const char *folder; /* made here; an error if it exists */
	uint64_t from;	    /* the first record wanted in full */
	bool json;	    /* what was pulled, on stdout */
};
/* The exit status; errors are said. */
int audit_pull_run(struct session *s, const struct audit_pull *want);
