/*
 * audit_bare.h - bare LMDB with the rows that the log writes: the same keys, bytes and batches,
 * nothing hashed, checked or read.  Entries are the same bytes; tiles, heads, checkpoints and the
 * row of the commit are as long.  A failure ends the program.
 */
#pragma once
#include "proto/bytes.h"

#include <lmdb.h>

enum { BARE_CHECKSUM = 4, BARE_TABLES = 5 };
struct bare {
	MDB_env *env;
	MDB_dbi dbi[BARE_TABLES];
	unsigned parties;
	uint64_t last; /* size of the last checkpoint */
};

void bare_open(struct bare *b, const char *folder, unsigned parties);
/* One batch: records from 'first' on.  Behind each entry are BARE_CHECKSUM bytes that may be
 * written too. */
void bare_commit(struct bare *b, uint64_t first, const struct bytes *entries, size_t count);
void bare_close(struct bare *b);
