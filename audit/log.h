/*
 * log.h - the log as the committer holds it: the main tree, the unfinished tiles, the last time.
 * A plain value: assignment takes a savepoint (64 KiB), and after any failure the caller puts the
 * savepoint back.  Party trees are struct merkle values of the caller's.
 * Threads: no locks, one caller at a time (in reltod, the committer).
 */
#pragma once
#include "audit/record.h"
#include "audit/tile.h"
#include "proto/merkle.h"

/* Where a full tile goes; part of the batch's transaction. */
struct log_sink {
	bool (*tile)(void *ctx, struct tile_id id, const uint8_t data[TILE_BYTES], struct err *e);
	void *ctx;
};

struct log {
	struct sha256 *h; /* borrowed */
	struct log_sink sink;
	struct merkle tree;
	uint64_t time;			       /* of the last record, µs; 0 before the first */
	uint8_t edge[TILE_LEVELS][TILE_BYTES]; /* the unfinished tile of each level */
};

/* What the committer knows and the worker did not. */
struct log_in {
	uint64_t now;		    /* µs; the record's time is the larger of it and the last */
	uint64_t link;		    /* for slot 4, where it is SLOT_LATER */
	uint64_t accepted;	    /* for a DELIVERY's body, where it is SLOT_LATER */
	struct merkle *publication; /* tree of slot 3's party, where its index is SLOT_LATER */
	struct merkle *place;	    /* tree for slot 8; NULL: slot 8 stays empty */
};
struct log_out {
	uint64_t index; /* main */
	uint64_t time;
	uint64_t publication, place; /* party indices; SLOT_ABSENT */
	uint8_t leaf[32];
};

/* An empty log. */
void log_init(struct log *l, struct sha256 *h, struct log_sink sink);
/*
 * Patches, hashes and appends one record: then record_entry_write can store it under out->index.
 * Exactly what was SLOT_LATER is patched, and slot 8 if in->place is given; that 'in' has what is
 * needed is the caller's duty (assert).  On failure the trees may have grown: put the savepoints
 * back.
 */
MUST_USE bool log_append(
    struct log *l, struct record *r, const struct log_in *in, struct log_out *out, struct err *e);

/* Appends a leaf by its hash alone: main tree and tiles, as log_append does with its record's. */
MUST_USE bool log_grow(struct log *l, const uint8_t leaf[32], struct err *e);

/*
 * The second look before a head is signed: reads an entry as stored, hashes all of it again and
 * appends it to 'tree', which began as a copy of the savepoint's.  ERR_CORRUPT.  When all are
 * through, merkle_root of both trees must agree.
 */
MUST_USE bool log_recheck(struct sha256 *h, struct merkle *tree, struct bytes entry, struct err *e);

/* The main tree's head, as stored. */
struct log_head {
	struct merkle tree;
	uint8_t root[32];
	uint64_t time; /* of the last record */
};
/* Rebuilds an inited log from its stored head: reads the unfinished tiles back and compares them
 * with the head's frontier.  ERR_CORRUPT if the stored tiles and entries are not those of the
 * head. */
MUST_USE bool log_restore(
    struct log *l, const struct log_head *head, struct tile_reader *stored, struct err *e);

/* Hash k of a tile level, if it stands in the log's unfinished tiles (what tile_reader's callbacks
 * cannot find in the store). */
bool log_edge_hash(const struct log *l, unsigned level, uint64_t k, uint8_t out[32]);

/* The bytes that a client signs to attest its party tree (message Attest; ACK with a signature). */
struct log_attest {
	struct bytes origin, party;
	uint64_t size;
	uint8_t root[32];
};
MUST_USE bool log_attest_text(
    struct arena *a, const struct log_attest *v, struct bytes *out, struct err *e);
