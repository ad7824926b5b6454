/*
 * shell.h - what the threads of reltod share: the ways between them, and a few single words.
 * Threads: pointers are constant once the threads run.  The atomics are the only words that one
 * thread writes and others read; each says who writes it.
 */
#pragma once
#include "daemon/wall.h"
#include "proto/bytes.h"

struct config;
struct mailbox;
struct note_key;
struct store;
struct worker;

struct shell {
	const struct config *config;
	struct store *store;
	struct mailbox *committer; /* jobs go in here */
	struct mailbox *main;	   /* orders to main: reload, and rules that were committed */
	struct worker **workers;
	unsigned worker_count;
	struct bytes node;   /* name of this broker, for records */
	struct bytes origin; /* of the log */
	struct wall wall;
	/* committer: leaves covered by a signed head; nothing beyond it leaves (S1) */
	_Atomic uint64_t signed_size;
	/* committer: number of the newest rules with a durable POLICY record; under others nothing
	 * leaves any more, whether or not a worker has them yet (S5) */
	_Atomic uint64_t in_force;
	/* committer: false once durable work stopped for good; no new work is taken */
	_Atomic bool broken;
	/* by subscription: how many more reports its readers have credit for, beyond all that waits
	 * in it, so that their DELIVERY may go into the decision's own transaction (decision 0007).
	 * The worker of its party sets it, the committer counts down. */
	_Atomic uint32_t *eager;
	uint32_t eager_count;
	const struct note_key *log_key; /* public half, named by the origin */
};

static inline bool
shell_is_eager(const struct shell *s, uint32_t subscription)
{
	return subscription < s->eager_count &&
	       atomic_load_explicit(&s->eager[subscription], memory_order_relaxed) > 0;
}

/* One more waits in it.  A worker that sets it anew in between makes it too large by one: then a
 * DELIVERY is recorded a little before there is credit for its bytes. */
static inline void
shell_count_down(const struct shell *s, uint32_t subscription)
{
	if (!shell_is_eager(s, subscription))
		return;
	_Atomic uint32_t *at = &s->eager[subscription];
	uint32_t left = atomic_load_explicit(at, memory_order_relaxed);
	while (left > 0 && !atomic_compare_exchange_weak_explicit(
			       at, &left, left - 1, memory_order_relaxed, memory_order_relaxed))
		continue;
}
