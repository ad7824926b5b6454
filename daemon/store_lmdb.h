/*
 * store_lmdb.h - what the files of the LMDB driver share; nobody else includes it.
 * A row is key -> payload || CRC-32C(key || payload), so that a value that was damaged, or moved to
 * another key, is found.  The traps of LMDB 0.9.24 that the driver
 * steers round are the numbers in brackets: docs/decisions/0003-store-tables.md explains them.
 */
#pragma once
#include <lmdb.h>
#include <stdatomic.h>

#include "daemon/store.h"

enum table {
	T_META,
	T_NAME,
	T_REPORT,
	T_PART,
	T_GIVEN,
	T_QUEUE,
	T_HOLD,
	T_CHAIN,
	T_POLICY,
	T_ENTRY,
	T_TILE,
	T_HEAD,
	T_CHECKPOINT,
	T_SUBSCRIPTION,
	T_DEAD, /* from decision 0028 on: a store from before gets it when it is opened */
	T_COUNT
};

enum {
	CRC_BYTES = 4,
	KEY_MAX = 511,	  /* LMDB's */
	VALUE_MAX = 2304, /* of what is built field by field; the largest is a head */
	ENTRY_MAX = 1 << 20,
	CHECKPOINT_MAX = 1 << 16, /* audit/note.h */
	NOTE_MAX = 1024,
	NOTE_NAME_MAX = 96, /* holds a word, two numbers and a name of 64 bytes */
	NAME_MAX_BYTES = 480
};

struct store_view {
	struct store *s;
	MDB_txn *txn; /* the batch's; or a reader's, reset while closed */
	struct arena *arena;
	bool open;
};

/* How many queue entries, dead letters and holds stand on an INTAKE: open addressing, linear
 * probing, no tombstones (what follows a removed slot moves up). */
struct need {
	uint64_t intake;
	uint32_t count; /* 0: the slot is free */
};
struct needs {
	struct need *slots;
	size_t room; /* a power of two, or 0 */
	size_t used;
};

/* What waits for a party, and whose a subscription is and what waits in it; both indexed by number.
 * Kept by the committer; undo[] takes back what an aborted batch did. */
struct usage_step {
	uint32_t subscription; /* 0: a hold or a dead letter */
	uint32_t party;	       /* 0: a hold, which counts for nobody's quota */
	int64_t reports;
	int64_t bytes;
	uint64_t intake;
	int64_t sent; /* of 'reports', those that were sent */
};
struct tally {
	struct party_usage {
		struct store_usage queues, letters;
	} * usage;
	size_t usage_room;
	struct queue_owner {
		uint32_t party;
		uint32_t waits; /* entries of its queue */
		uint32_t sent;	/* of these, were sent */
	} * owners;
	size_t owner_room;
	struct usage_step *undo;
	size_t undo_count;
	size_t undo_room;
	struct needs needs;
	bool subscriptions_changed; /* by the open batch */
};

struct batch {
	struct store_view view; /* txn is NULL while there is no batch */
	struct store_state before;
	struct store_state after; /* what store_commit will write */
	uint64_t next_index;	  /* of the log */
};

struct store {
	MDB_env *env;
	MDB_dbi dbi[T_COUNT];
	int dir;     /* the folder; holds the lock against a second process */
	int data;    /* LMDB's descriptor of the data file, not ours to close */
	int archive; /* the folder of records in files; -1: none */
	int mark;    /* one byte: '1' while a full verification is due */
	uint64_t map_bytes;
	uint64_t reserve_bytes;
	unsigned reserve_percent;
	atomic_uint views_left; /* views are made and freed by their own threads */
	uint64_t
	    file_bytes; /* of the data file: all that LMDB may write next is allocated before */
	size_t page_bytes;
	struct store_state found; /* at open */
	bool marked;		  /* a full verification is due: no batch before it */
	bool goodbye;
	bool copy;    /* a copy: nothing is ever written */
	bool no_dead; /* a copy of a store without the table of dead letters */
	atomic_bool broken;
	uint64_t free_pages; /* inside the file, as last counted.. */
	unsigned free_age;   /* ..so many questions ago */
	struct batch batch;
	struct tally tally;
};

/* ---- keys and values, built and read field by field ---- */

struct key {
	size_t len;
	uint8_t data[KEY_MAX];
};
struct value {
	size_t len;
	uint8_t data[VALUE_MAX];
};
void store_key_u8(struct key *k, uint8_t v);
void store_key_u16(struct key *k, uint16_t v);
void store_key_u32(struct key *k, uint32_t v);
void store_key_u64(struct key *k, uint64_t v);
void store_key_bytes(struct key *k, struct bytes b);
void store_value_u8(struct value *v, uint8_t n);
void store_value_u32(struct value *v, uint32_t n);
void store_value_u64(struct value *v, uint64_t n);
void store_value_bytes(struct value *v, struct bytes b);
static inline struct bytes
store_key_view(const struct key *k)
{
	return bytes_from(k->data, k->len);
}
static inline struct bytes
store_value_view(const struct value *v)
{
	return bytes_from(v->data, v->len);
}

/* ---- opening (store_lmdb.c) ---- */

/* store_open, or of a copy store_open_copy. */
MUST_USE bool store_open_with(
    const struct store_config *cfg, bool copy, struct store **out, struct err *e);

/* ---- rows (store_lmdb_row.c) ---- */

/* The error for an LMDB code: benign ones as ERR_FULL or ERR_NOMEM; any other breaks the store. */
bool store_lmdb_fail(struct store *s, int code, const char *what, struct err *e);
/* A stored value is wrong: breaks the store, ERR_CORRUPT. */
bool store_lmdb_corrupt(
    struct store *s, enum table t, struct bytes key, const char *why, struct err *e);
const char *store_lmdb_table(enum table t);
/* Puts a row in the open batch; 'flags' are of mdb_put.  A row that MDB_APPEND or MDB_NOOVERWRITE
 * refuses is an error like any. */
MUST_USE bool store_row_put(struct store *s, enum table t, struct bytes key, struct bytes payload,
    unsigned flags, struct err *e);
/* The same, unless there is one under this key: then nothing is done and *added is false. */
MUST_USE bool store_row_add(struct store *s, enum table t, struct bytes key, struct bytes payload,
    bool *added, struct err *e);
MUST_USE bool store_row_drop(
    struct store *s, enum table t, struct bytes key, bool *dropped, struct err *e);
/* The payload, borrowed from the map: valid until the next write of the batch or the view's end. */
MUST_USE bool store_row_get(struct store_view *v, enum table t, struct bytes key,
    struct bytes *payload, bool *found, struct err *e);
/* Checks the checksum of a row as LMDB holds it. */
MUST_USE bool store_row_check(struct store_view *v, enum table t, struct bytes key,
    struct bytes stored, struct bytes *payload, struct err *e);

/* A walk over a table in key order. */
struct walk {
	struct store_view *view;
	enum table table;
	MDB_cursor *cursor;
	MDB_cursor_op op; /* what the next step asks */
	MDB_val at;
	const void *value; /* of the row it stands on, in the map */
	uintptr_t page;	   /* where that row stands.. */
	uint64_t leaves;   /* ..and how many pages were met so far */
	uint64_t rows;
	struct bytes before; /* the key that store_walk_reached looked at last */
};
/* Begins at the first key that is not below 'from' (with 'after': above it).  Ends with walk_end.
 */
MUST_USE bool store_walk_start(
    struct walk *w, struct store_view *v, enum table t, struct bytes from, struct err *e);
/* The next row, borrowed; *more false at the end. */
MUST_USE bool store_walk_next(
    struct walk *w, struct bytes *key, struct bytes *payload, bool *more, struct err *e);
void store_walk_end(struct walk *w);
static inline void
store_walk_end_scoped(struct walk *w)
{
	store_walk_end(w);
}
/* For walks that check and write nothing: the row stands behind the one before it, and is found by
 * its key too.  Damage to a page can lead a search astray while a walk still meets all rows, or
 * show one row twice and hide another. */
MUST_USE bool store_walk_reached(struct walk *w, struct bytes key, struct err *e);
/* At the end of a walk over a whole table: it met as many rows and pages as LMDB says that there
 * are.  A damaged page can hide rows, or show an old one that stands elsewhere; no checksum of a
 * row would tell. */
MUST_USE bool store_walk_whole(const struct walk *w, struct err *e);
/* Turns a key into the lowest one above it: a zero byte is added. */
void store_key_above(struct key *k);

/* A page of rows, each parsed into an array. */
struct page {
	struct store_view *view;
	enum table table;
	struct bytes from;
	size_t prefix; /* the page ends where this many bytes of 'from' are no longer the key's */
	bool (*parse)(
	    struct store_view *v, struct bytes key, struct bytes row, void *out, struct err *e);
	void *out; /* the array, its items 'item' bytes long */
	size_t item;
};
/* *count: in its room, out what was read. */
MUST_USE bool store_page_read(const struct page *p, size_t *count, struct err *e);

/* Long values in chunks under key || chunk u16; the last chunk is shorter than LIMIT_CHUNK_BYTES.
 */
MUST_USE bool store_chunks_put(struct store *s, enum table t, const struct key *key,
    struct bytes bytes, unsigned flags, struct err *e);
MUST_USE bool store_chunks_get(struct store_view *v, enum table t, const struct key *key,
    struct bytes *out, bool *found, struct err *e);

/* ---- the commit row (store_lmdb_meta.c) ---- */

MUST_USE bool store_state_get(struct store_view *v, struct store_state *out, struct err *e);
MUST_USE bool store_state_put(struct store *s, const struct store_state *st, struct err *e);
/* Numbers from 1, never used again: the next of the counter 'name'. */
MUST_USE bool store_counter_next(struct store *s, const char *name, uint32_t *out, struct err *e);

/* A note, borrowed from the map. */
MUST_USE bool store_note_get(
    struct store_view *v, const char *name, struct bytes *out, bool *found, struct err *e);

/* ---- records in files (store_lmdb_archive.c) ---- */

/* Entries from 'from' on that stand in files, copied; *count 0: that one does not. */
MUST_USE bool store_archive_read(struct store_view *v, uint64_t from, size_t max_bytes,
    struct bytes *out, size_t *count, struct err *e);

/* ---- the file (store_lmdb_file.c) ---- */

/* Opens or creates the folder, takes its lock, makes sure that a whole data file is there. */
MUST_USE bool store_file_prepare(const struct store_config *cfg, struct store *s, struct err *e);
/* Opens the environment; FACTS 2, 11, 12. */
MUST_USE bool store_file_open(const struct store_config *cfg, struct store *s, struct err *e);
/* Allocates disk ahead of what a batch may write, so that a full disk is met here and not inside a
 * commit; what is allocated is the last reserve. */
MUST_USE bool store_file_grow(struct store *s, struct err *e);
/* Opens a copy: no lock, no mark, nothing is written. */
MUST_USE bool store_file_open_copy(const struct store_config *cfg, struct store *s, struct err *e);
/* Bytes of the map in use, free pages in the file included. */
uint64_t store_file_used(struct store *s);
/* Writes the mark. */
bool store_file_mark(struct store *s, bool set);
void store_file_close(struct store *s);

/* ---- the tally (store_lmdb_queue.c) ---- */

/* Counts queues and subscriptions anew. */
MUST_USE bool store_tally_load(struct store *s, struct store_view *v, struct err *e);
void store_tally_keep(struct store *s);				/* the batch is durable */
MUST_USE bool store_tally_undo(struct store *s, struct err *e); /* the batch is gone */
/* Notes and does one step of the open batch: a queue entry or a hold comes, goes or changes. */
MUST_USE bool store_tally_step(struct store *s, struct usage_step step, struct err *e);
void store_tally_free(struct store *s);
MUST_USE bool store_tally_own(
    struct store *s, uint32_t subscription, uint32_t party, struct err *e);
/* Room for what a party has. */
MUST_USE bool store_tally_party(struct store *s, uint32_t party, struct err *e);
/* A step at opening, which nothing takes back. */
MUST_USE bool store_tally_first(struct store *s, const struct usage_step *step, struct err *e);

/* ---- dead letters (store_lmdb_dead.c) ---- */

/* Counts them at opening. */
MUST_USE bool store_letters_load(struct store *s, struct store_view *v, struct err *e);

/* ---- needs (store_lmdb_needs.c) ---- */

/* Room for one more INTAKE, so that the next store_needs_change cannot fail. */
MUST_USE bool store_needs_reserve(struct needs *n, struct err *e);
/* Adds (+1) or takes (-1) one; taking what is not there is our own mistake. */
void store_needs_change(struct needs *n, uint64_t intake, int64_t by);
bool store_needs_has(const struct needs *n, uint64_t intake);
void store_needs_free(struct needs *n);
