/*
 * floor_store.h - rows into a bare LMDB: so many of such a size as a real broker puts, of no
 * meaning.  Errors end the program.  Threads: one.
 */
#pragma once
#include <lmdb.h>
#include <stdint.h>

enum { FLOOR_TABLES = 16 };

enum floor_how {
	FLOOR_RISING, /* each put is a new key behind all others */
	FLOOR_ID,     /* a key for each report, as UUIDs of version 7 are: time, then random bytes;
		       * further     puts replace rows of reports before */
	FLOOR_QUEUE,  /* rising, and the oldest go */
	FLOOR_SAME    /* a few keys that are written again and again */
};

struct floor_table {
	char name[16];
	enum floor_how how;
	double puts, dels; /* for each report, for each acknowledged one */
	size_t key, value; /* bytes */
	uint64_t put, fresh, dropped;
	MDB_dbi dbi;
};

struct floor_store {
	struct floor_table tables[FLOOR_TABLES];
	size_t count;
	uint64_t reports, acked, commits;
	MDB_env *env;
};

/* Adds "NAME,HOW,PUTS,KEY,VALUE,DELS", HOW one of rising id queue same. */
void floor_store_add(struct floor_store *s, const char *spec);
/* In an empty folder that is there; disk for 'reports' is allocated ahead. */
void floor_store_open(struct floor_store *s, const char *dir, uint64_t reports);
/* One transaction: the rows of 'reports' more, and what goes with 'acked' in all. */
void floor_store_commit(struct floor_store *s, uint64_t reports, uint64_t acked);
void floor_store_close(struct floor_store *s);
