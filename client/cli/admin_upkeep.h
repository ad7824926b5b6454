/*
 * admin_upkeep.h - relto admin backup and erase: what they are called with, and the call.
 * Threads: one.
 */
#pragma once
#include "client/relto.h"

enum { UPKEEP_RECORDS = 1000 }; /* in one request */

struct upkeep {
	const char *backup; /* a name; NULL: it is an erasure */
	uint64_t records[UPKEEP_RECORDS];
	size_t count;
	const char *because;
};
/* Indices from words, put in order; what is wrong with them, or NULL. */
const char *upkeep_records(struct upkeep *u, char *const *words, int count);
/* The call; progress of a backup goes to stderr, if that is a terminal. */
bool upkeep_run(
    const struct upkeep *u, struct relto_connection *c, char **json, struct relto_error *e);
