/*
 * keep.h - what a client remembers between connections: the largest verified checkpoint of each
 * origin, the evidence that came with receipts and deliveries, and what proves a fork.
 * With a folder it is shared by all processes that use the folder, under a lock file; without one
 * it is in memory.  Files are written beside and renamed, so a crash leaves the old one.
 * Threads: any; every call is whole by itself.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"

struct arena;
struct keep;

/* 'folder' may be NULL.  Makes the folder (mode 0700) if there is none.  ERR_IO, ERR_NOMEM. */
MUST_USE bool keep_new(const char *folder, struct keep **out, struct err *e);
void keep_free(struct keep *k);
SCOPED_FOR(struct keep, keep_free)

/* The checkpoint kept for 'origin', a signed note, copied into 'a'; absent if there is none. */
MUST_USE bool keep_load(
    struct keep *k, struct bytes origin, struct arena *a, struct bytes *note, struct err *e);
/*
 * Replaces 'before' (absent: none was there) by 'note'.  If something else is kept by now, because
 * another process went ahead, nothing is written and *now, if not NULL, is that (in 'a').
 */
struct keep_change {
	struct bytes origin, before, note;
};
MUST_USE bool keep_store(
    struct keep *k, const struct keep_change *c, struct arena *a, struct bytes *now, struct err *e);
/* Saves what proves a fork in a file of its own; 'path' gets its name ("" without a folder). */
MUST_USE bool keep_fork(
    struct keep *k, struct bytes origin, struct bytes text, char path[512], struct err *e);
/* Adds lines to the evidence file of 'origin'. */
MUST_USE bool keep_evidence(struct keep *k, struct bytes origin, struct bytes lines, struct err *e);
