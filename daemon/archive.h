/*
 * archive.h - a segment of the log into files, verified, on a thread of its own (decision 0025).
 * It looks whether the oldest segment that still stands in rows is due: older than 'after' and
 * below a signed head.  Its files are written beside their place (FROM-TO.part), made read-only and
 * durable, moved there; and then, or if they were there already, read again: every record is hashed
 * from its file, and with the hashes of all others these must give the root of the signed head.
 * Only then may its rows go, which is the committer's.  It writes nothing of the store.
 * Before that, files with a person who was erased since are made anew: written beside their place
 * from what the store reads, read again, each record hashed and held against its leaf, and named
 * over the old ones (decision 0037).
 * Threads: the committer begins and ends it; the thread has no role.
 */
#pragma once
#include "audit/note.h"
#include "daemon/archive_files.h"
#include "daemon/store.h"

struct archiver;
struct archiver_setup { /* borrowed until the end */
	struct store *store;
	const char *dir;
	const struct note_key *key; /* of the log */
	uint64_t generation;
	uint32_t segment;		/* unless the store has one already */
	struct archive_reserve reserve; /* of the disk */
	uint64_t before_us;		/* a segment whose last record is not older is not due */
};
struct archiver_result {
	uint64_t to; /* rows below may go; 0: nothing was due */
	uint32_t segment;
	size_t renewed;					  /* so many files were made anew.. */
	struct store_outdated files[STORE_OUTDATED_PAGE]; /* ..these */
	struct err why;					  /* ERR_NONE: it went well */
};
MUST_USE bool archiver_begin(
    const struct archiver_setup *setup, struct archiver **out, struct err *e);
/* True once archiver_end does not wait. */
bool archiver_over(const struct archiver *a);
/* It ends soon, with nothing. */
void archiver_stop(struct archiver *a);
void archiver_end(struct archiver *a, struct archiver_result *out);
