/*
 * pub_agreement.h - under which agreements relto pub publishes, where nobody says, and that their
 * terms are those that were accepted.
 * Threads: one.
 */
#pragma once
#include "client/cli/session.h"

enum { PUB_AGREEMENTS = 8 };

struct pub_agreements {
	const char
	    *names[PUB_AGREEMENTS]; /* as asked for, or chosen; then of the session's arena */
	size_t count;
	const char *usage; /* of the command */
};
/* For this report's topic and mode.  0, or the exit status, said. */
int pub_agreements(
    struct session *s, const struct relto_report *report, struct pub_agreements *chosen);
