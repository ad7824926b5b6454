/*
 * startup_walk.h - the part of start-up verification that reads records again: every leaf from its
 * contents, every finished tile, the time, and the place of each record in the trees of parties.
 * Threads: startup.c's.
 */
#pragma once
#include "audit/log.h"
#include "daemon/store.h"
#include "proto/arena.h"

struct startup_party;

struct startup_walk {
	struct store_view *view; /* closed between calls */
	struct sha256 *h;
	uint64_t size;		  /* of the log */
	bool all;		  /* from record 0: party trees are rebuilt */
	const _Atomic bool *stop; /* NULL, or once it is set: ERR_BUSY */
	void (*progress)(void *arg, uint64_t done, uint64_t of); /* as startup.h says */
	void *arg;
	struct merkle tree;
	uint64_t time; /* of the last record read, 0 before */
	struct arena page;
	struct startup_tile *tiles;	/* one a level */
	struct startup_party **parties; /* by name id */
	size_t party_room;
	struct tile_reader reader; /* tiles as stored, leaves hashed again */
};

/* Begins at record 'from', with the tree that the stored tiles give for what is before it. */
MUST_USE bool startup_walk_begin(struct startup_walk *w, uint64_t from, struct err *e);
/* Reads to the end. */
MUST_USE bool startup_walk_run(struct startup_walk *w, struct err *e);
/* The heads of the parties that were met; of all of them if everything was read. */
MUST_USE bool startup_walk_parties(struct startup_walk *w, struct err *e);
/* The hashes that count for this size are the head's. */
bool startup_walk_same_frontier(const struct merkle *tree, const struct store_head *head);
void startup_walk_done(struct startup_walk *w);
static inline void
startup_walk_done_scoped(struct startup_walk *w)
{
	startup_walk_done(w);
}
