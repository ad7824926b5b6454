/*
 * backup.h - a backup under way: the store is copied into a folder of its own below backup-dir,
 * verified as the broker itself is verified at a start, and only then gets its name
 * (docs/decisions/0017-backup.md).  Until then it is NAME.part; what failed is taken away again.
 * The folder backup-dir has to be there, ours, and not writable by others; NAME must be new.
 * A backup runs on a thread of its own, which has no role and writes nothing of the store.
 * Threads: the committer begins, watches and ends it.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"

#include <stdint.h>

struct backup;
struct note_key;
struct store;

struct backup_setup { /* borrowed until the end, but for the name */
	struct store *store;
	const char *dir;	    /* backup-dir */
	struct bytes name;	    /* a name by syntax_name: one part of a path */
	const struct note_key *key; /* of the log */
	uint64_t map_bytes;
	const char *archive;		/* of the store, for records in files */
	uint64_t within_ms;		/* the copy, not its verification, has to be done */
	_Atomic uint64_t *done, *total; /* bytes, for whoever shows how far it is */
};
struct backup_result {
	uint64_t records; /* of the log that it has.. */
	uint64_t bytes;	  /* ..and of its file */
	struct err why;	  /* ERR_NONE: it is there, whole and verified */
};
/* Starts the thread, and returns when the snapshot is taken (or the copy has failed already: see
 * backup_end): what is committed from then on is not in it.  ERR_NOMEM. */
MUST_USE bool backup_begin(const struct backup_setup *setup, struct backup **out, struct err *e);
/* True once backup_end does not wait. */
bool backup_over(const struct backup *b);
/* It ends soon. */
void backup_stop(struct backup *b);
/* Waits for the thread, tells what came of it, and frees it. */
void backup_end(struct backup *b, struct backup_result *out);
