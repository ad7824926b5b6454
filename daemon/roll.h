/*
 * roll.h - what the committer keeps of each party in memory: its tree, its worker, its
 * subscriptions. Rebuilt from the store at start. Threads: the committer's alone.
 */
#pragma once
#include "daemon/store.h"
#include "daemon/table.h"
#include "proto/merkle.h"

struct roll_subscription {
	uint32_t id;
	uint8_t mode;
	char name[65];
	char pattern[256];
	uint64_t created; /* its SUBSCRIPTION record */
	bool gone;	  /* deleted in this batch: it leaves when that is durable */
	uint64_t told;	  /* number of the batch whose notice names it already */
};
struct roll_party {
	uint32_t id; /* name id */
	char name[65];
	unsigned worker; /* on which its connections live */
	struct merkle tree;
	uint64_t head_index, head_size; /* of the last PARTY_HEAD; STORE_NONE, 0 */
	uint64_t head_round;		/* the last in which it was looked at */
	uint8_t signer[32];		/* whose note is in the store for sure; zeros: nobody's */
	uint8_t chain[32];		/* likewise, digest of a signer's chain */
	struct roll_subscription *subs;
	size_t sub_count;
	size_t new_subs; /* of this batch.. */
	bool lost_subs;	 /* ..and some are gone */
	/* savepoint of the present batch */
	bool touched;
	bool fresh; /* named first in this batch: gone again if it fails */
	struct merkle before;
	uint64_t head_index_before, head_size_before;
	struct roll_party *next_touched;
	UT_hash_handle hh;
};
struct roll {
	struct roll_party *parties; /* by id */
	struct roll_party *touched; /* in this batch */
};

void roll_done(struct roll *r);
/* The party; NULL if it was never named. */
struct roll_party *roll_find(struct roll *r, uint32_t id);
/* Adds one with an empty tree, or gives the one that is there.  NULL: out of memory. */
struct roll_party *roll_add(struct roll *r, uint32_t id, struct bytes name);
/* Adds a subscription; false when out of memory. */
MUST_USE bool roll_subscribe(struct roll_party *p, const struct store_subscription *s);
struct roll_subscription *roll_subscription(struct roll_party *p, uint8_t mode, struct bytes name);
/* The tree will change in this batch: its savepoint is taken, once. */
void roll_touch(struct roll *r, struct roll_party *p);
/* The batch is durable: savepoints go.  Or it failed: they come back. */
void roll_keep(struct roll *r);
void roll_undo(struct roll *r);
