/*
 * ledger.h - one batch of durable work: store rows and log records, together or not at all.
 * ledger_begin, then appends and the caller's store_put_* on l->store, then ledger_commit or
 * ledger_undo.  Trees, subscriptions in memory and the store always tell the same story.
 * Threads: the committer's alone (start-up before it runs).
 */
#pragma once
#include "audit/log.h"
#include "daemon/roll.h"
#include "daemon/store.h"
#include "proto/arena.h"

struct ledger {
	struct store *store;
	struct sha256 sha;
	struct log log, saved;
	struct roll roll;
	struct store_fence fence; /* what is stored */
	struct arena scratch;	  /* of the batch */
	uint64_t now_us;  /* of the batch: every record's time, unless the last one was later */
	size_t appended;  /* records of the batch */
	bool open, dirty; /* dirty: something was written */
};

/* Where a record stands besides the main tree. */
struct ledger_place {
	struct roll_party *publisher; /* whose tree slot 3 counts in; NULL: none */
	struct roll_party *recipient; /* slot 8 */
	uint64_t link;		      /* slot 4, where it is SLOT_LATER */
	uint64_t accepted;	      /* a DELIVERY's */
};

/* Takes over nothing: 'store' outlives it.  The caller fills log, roll and fence from the store. */
MUST_USE bool ledger_init(struct ledger *l, struct store *store, struct err *e);
void ledger_done(struct ledger *l);
MUST_USE bool ledger_begin(struct ledger *l, uint64_t now_us, struct err *e);
MUST_USE bool ledger_append(struct ledger *l, struct record *r, const struct ledger_place *at,
    struct log_out *out, struct err *e);
/* Heads, the second look at what was written (AUDIT 3), then the disk.  A false leaves the batch
 * undone; if it was no benign error (store.h) the store is broken. */
MUST_USE bool ledger_commit(struct ledger *l, const struct store_stamp *now, struct err *e);
void ledger_undo(struct ledger *l);
/* The root as it stands. */
MUST_USE bool ledger_root(struct ledger *l, uint8_t out[32], struct err *e);
