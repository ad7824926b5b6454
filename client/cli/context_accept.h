/*
 * context_accept.h - relto context accept-log: shows a person which log is known here, which one
 * the broker shows, and what that one claims; and accepts it (AUDIT 5, decision 0026).
 * Threads: one.
 */
#pragma once
#include "client/cli/context.h"

struct context_accept {
	const struct context_flags *flags;
	const char *log; /* which one, as its origin or vkey; NULL: ask on the terminal */
	bool json;
};
/* The exit status. */
int context_accept_run(const struct context_accept *c);
