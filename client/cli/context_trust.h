/*
 * context_trust.h - relto context trust: whose CA certificates a context believes.
 * The folder has PARTY.pem and, where the certificates do not name their trust domain,
 * PARTY.domain beside it, as relto_context_trust_dir reads them.
 * Threads: one.
 */
#pragma once
#include "client/cli/context.h"

struct context_trust {
	const struct context *context; /* with a trust folder */
	const char *party, *file;      /* NULL: list them */
	const char *domain;	       /* NULL: the certificates say it */
	bool replace, json;
};
/* The exit status; errors are said. */
int context_trust_run(const struct context_trust *t);
