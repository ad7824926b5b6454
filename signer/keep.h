/*
 * keep.h - the anchor's file: read once, then one of its two slots written before each signature
 * (AUDIT section 5), with one flush.  After a power cut the other slot is whole, and the one that
 * was written is if a signature was given.  A lock beside it keeps a second signer away, whose
 * signatures would be a fork.
 * Threads: one.
 */
#pragma once
#include "audit/anchor.h"

struct keep {
	struct sha256 *h;			   /* borrowed */
	int folder, lock, file;			   /* descriptors, -1: none */
	char name[256], next[272], lock_name[272]; /* in the folder */
};

/* Finds the folder.  ERR_NOT_FOUND, ERR_USAGE, ERR_IO. */
MUST_USE bool keep_open(struct keep *k, struct sha256 *h, const char *path, struct err *e);
/* Before anything is written.  ERR_BUSY: another signer has it. */
MUST_USE bool keep_lock(struct keep *k, struct err *e);
void keep_done(struct keep *k);
/* ERR_NOT_FOUND; ERR_CORRUPT, ERR_MALFORMED; ERR_CONFIG where others could have written it.  It can
 * be written only with the lock. */
MUST_USE bool keep_load(struct keep *k, struct anchor *out, struct err *e);
/* After keep_load, before anything is signed: what was read may stand in memory alone, if a flush
 * failed before.  A file of the old form becomes one of the new.  Errors of keep_store. */
MUST_USE bool keep_settle(struct keep *k, struct anchor *a, struct err *e);
/* The first one; refused where there is any already (ERR_DATA). */
MUST_USE bool keep_new(struct keep *k, struct anchor *a, struct err *e);
/* Makes it durable in the slot of its turn.  ERR_FULL, ERR_IO: the other slot is what it was, and
 * the turn can be tried again.  ERR_STORE: only the disk knows; the process must end. */
MUST_USE bool keep_store(struct keep *k, const struct anchor *a, struct err *e);
