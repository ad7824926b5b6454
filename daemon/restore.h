/*
 * restore.h - a new generation of the log from a copy of the store
 * (docs/decisions/0019-restore.md). The old log cannot go on where the copy ends, since others hold
 * later heads of it.  So the new store has an empty log of the generation that the configuration's
 * origin names, whose first record is RECOVER; and of the copy what must not be forgotten: ids,
 * which agreements were accepted.  What waited is not carried over: nothing leaves by a decision
 * that this log does not have. Nothing is there until all of it is: the store is made beside its
 * place and then moved there. Threads: runs alone, instead of the broker.
 */
#pragma once
#include "daemon/config.h"
#include "proto/err.h"

#include <stdio.h>

enum { RESTORE_HEADS = 16 };
struct restore {
	const struct config *config; /* its origin names the new generation */
	const char *from;	     /* the folder of a backup, or of a store that stands still */
	/* Signed heads of the old log that parties or witnesses have: checkpoints or proof files.
	 */
	const char *heads[RESTORE_HEADS];
	size_t head_count;
	uint64_t now_us; /* since 1970 UTC */
};
/* Says on 'to' what was done, and a line for each report that waited in the copy. */
MUST_USE bool restore_run(const struct restore *r, FILE *to, struct err *e);
