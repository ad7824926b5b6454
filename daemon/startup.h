/*
 * startup.h - what is verified before anything is written (AUDIT sections 3, 5 and 8).
 *
 * Always: the tail of the log (all since the last full tile of level 1, and 4,096 records at least)
 * is hashed again from its contents and must give the tree of the stored head; tiles, party trees
 * and times must fit; the newest signed checkpoint must be of this log, under our key, and not
 * ahead of it.  After a stop that left the outcome in doubt, or when asked for: the whole log,
 * every row's checksum, every published checkpoint, all party trees, and that reports, queues and
 * holds stand on records that are there.
 *
 * A mismatch is ERR_CORRUPT with the first place that does not fit, the store is broken and stays
 * closed: nothing is repaired, truncated or made anew (ASSURANCE 2).
 * Threads: runs alone, before the others start.
 */
#pragma once
#include "audit/log.h"

struct note_key;
struct store;

enum { STARTUP_TAIL = 4096 };

struct startup {
	struct store *store;
	struct sha256 *h;
	const struct note_key *key;  /* of the log */
	const struct note_key *then; /* the one that follows it, while both sign; NULL: none */
	uint8_t boot_id[16];
	bool all;		  /* --verify-all */
	const _Atomic bool *stop; /* NULL, or once it is set: ERR_BUSY, before long */
	/* NULL, or told after each page of records how many were read of those to read */
	void (*progress)(void *arg, uint64_t done, uint64_t of);
	void *arg;
};
struct startup_found {
	uint64_t size;	 /* of the log */
	uint64_t from;	 /* the first record that was hashed again */
	bool all;	 /* everything was verified */
	const char *why; /* why everything: "asked for", "the last process broke off", .. or "" */
	uint64_t signed_size;	 /* of the newest checkpoint, 0 if none */
	uint64_t published_size; /* of the newest that was given out, 0 if none */
	uint64_t rows;		 /* checked one by one; 0 unless all */
};

/* Verifies the store and restores 'log' (inited, empty) from it.  If everything was verified the
 * store may be written again (store_verified). */
MUST_USE bool startup_verify(
    const struct startup *s, struct log *log, struct startup_found *out, struct err *e);
