/*
 * alarms.h - what a client is the log's witness for: said once, on stderr, and in the exit status.
 * Threads: one.
 */
#pragma once
#include "client/relto.h"

struct alarms {
	size_t overdue; /* as many were told */
	bool disputed;
};
/* Says what is new. */
void alarms_watch(struct alarms *a, const struct relto_connection *c);
bool alarms_raised(const struct alarms *a);
