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
	/* by subscription: how many reports its readers take before they acknowledge, 0 without a
	 * reader: so far the DELIVERY goes with its decision (decision 0009).  The worker of its
	 * party sets it. */
	_Atomic uint32_t *credit;
	uint32_t credit_count;
	const struct note_key *log_key; /* public half, named by the origin */
};

static inline uint32_t
shell_credit(const struct shell *s, uint32_t subscription)
{
	return subscription < s->credit_count
		   ? atomic_load_explicit(&s->credit[subscription], memory_order_relaxed)
		   : 0;
}
