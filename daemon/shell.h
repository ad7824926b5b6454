/*
 * shell.h - what the threads of reltod share: the ways between them, and a few single words.
 * Threads: pointers are constant once the threads run.  The atomics are the only words that one
 * thread writes and others read; each says who writes it.
 */
#pragma once
#include "daemon/config.h"
#include "daemon/wall.h"
#include "proto/bytes.h"

#include <unistd.h>

struct cosigner;
struct mailbox;
struct note_key;
struct store;
struct worker;

enum { SHELL_STOPS = 4096 };

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
	/* cosigner (main before it runs): leaves covered by a durable head that the quorum of
	 * witnesses signed; 0 without a quorum.. */
	_Atomic uint64_t cosigned_size;
	/* ..and by the newest published one for which no more signatures are awaited;
	 * UINT64_MAX without a quorum */
	_Atomic uint64_t settled_size;
	/* committer: number of the newest rules with a durable POLICY record; under others nothing
	 * leaves any more, whether or not a worker has them yet (S5) */
	_Atomic uint64_t in_force;
	/* committer: how many batches withdrew reports, and by the INTAKE of a report the last of
	 * them that did so; UINT64_MAX while it is being committed.  What was read before leaves no
	 * more (S1).  Reports that share a word are merely read again. */
	_Atomic uint64_t withdrawals, withdrew[SHELL_STOPS];
	/* committer: false once durable work stopped for good; no new work is taken */
	_Atomic bool broken;
	/* committer, once a second: new reports are refused, as there is no room for them */
	_Atomic bool full;
	_Atomic unsigned beats; /* committer: one more each time it looks for work (health.h) */
	_Atomic bool ending;	/* somebody has begun to end the process: shell_end */
	/* the thread of a backup: bytes that it has, and may have in the end */
	_Atomic uint64_t copied, copy_total;
	/* committer (main before it runs): settings in force, for threads that have no rules */
	_Atomic uint64_t heads_ms, signer_wait_ms;
	/* notary: the log's signer does not sign: no intake until it does (AUDIT 5) */
	_Atomic bool signer_away;
	/* by subscription: how many reports its readers take before they acknowledge, 0 without a
	 * reader: so far the DELIVERY goes with its decision (decision 0009).  The worker of its
	 * party sets it. */
	_Atomic uint32_t *credit;
	uint32_t credit_count;
	const struct note_key *log_key;	 /* public half, named by the origin */
	const struct note_key *log_then; /* the key that follows it, or NULL: both sign */
	struct cosigner *cosigner;	 /* asks the witnesses; NULL: there are none */
};

/* Before a thread says why the process ends and ends it.  Two may fail at once of one cause: the
 * exit code and the last words are of the first, the other one waits for its end here. */
static inline void
shell_end(struct shell *s)
{
	while (atomic_exchange(&s->ending, true))
		(void)pause();
}

/* For threads that have no rules: these settings are in force. */
static inline void
shell_take_settings(struct shell *s, const struct config *now)
{
	atomic_store(&s->heads_ms, now->log_heads_every_ms);
	atomic_store(&s->signer_wait_ms, now->log_signer_wait_ms);
}

static inline _Atomic uint64_t *
shell_withdrew(struct shell *s, uint64_t intake)
{
	return &s->withdrew[intake % SHELL_STOPS];
}

static inline uint32_t
shell_credit(const struct shell *s, uint32_t subscription)
{
	return subscription < s->credit_count
		   ? atomic_load_explicit(&s->credit[subscription], memory_order_relaxed)
		   : 0;
}
