/*
 * batch.h - the inside of the committer: what one batch gathers while its jobs are applied.
 * committer.c runs it, apply*.c fill it.  Threads: the committer's alone.
 */
#pragma once
#include "audit/checkpoint.h"
#include "daemon/committer.h"
#include "daemon/retention.h"
#include "daemon/role.h"
#include "daemon/salt.h"
#include "proto/limits.h"

#include <openssl/types.h>

enum {
	BATCH_ACKS = LIMIT_BATCH_RECORDS,
	ACK_DELIVERIES = 65536 /* in one ACK: half a mebibyte of an entry's one */
};

/* Acknowledgements of one subscription for one publisher's reports become one record. */
struct ack_group {
	uint32_t subscription, party, publisher;
	uint64_t *deliveries;
	size_t count, room;
};

struct committer {
	struct committer_setup set;
	struct shell *shell;
	struct ledger *ledger;
	struct note_key key; /* its public half, named by the origin */
	pthread_t thread;
	bool running;
	_Atomic bool stopping;
	const char *stop_cause;
	struct err unfinished;			     /* why there is no STOP */
	struct mailbox_item *waiting, *waiting_last; /* taken, for the next batches */
	struct job *stepping; /* new rules that take more steps: each a batch of its own */
	/* rules */
	struct ruleset *rules; /* the last that was committed; a reference */
	struct ruleset *next;  /* the one that this batch commits; borrowed from its job, or NULL */
	struct salt_pool salts;
	/* the batch */
	uint64_t number;
	struct ack_group *acks;
	size_t ack_count;
	struct notice **notices; /* one a worker, NULL: nothing to say */
	bool room_checked, room;
	bool full_told; /* the operator knows that there is none */
	bool culprit;	/* one job was too large: it failed by itself */
	/* heads */
	uint8_t *note; /* the newest signed checkpoint, not stored yet; owned */
	size_t note_len;
	uint64_t note_size;
	bool note_publish;   /* it is to be stored as published.. */
	bool note_published; /* ..and is: tell the workers */
	bool publish_now;    /* an auditor asked for the newest head */
	uint64_t published;  /* size */
	/* boot clock */
	uint64_t next_heads_us, next_party_heads_us, next_sweep_us, next_retention_us;
	bool party_heads_due;
	uint64_t party_heads_round; /* so that who is busy is not told twice before others once */
	uint64_t next_tick_us;
	struct retention_place retention;
	bool clock_watched;		 /* the next two are set */
	int64_t clock_offset_us;	 /* wall less boot clock, at the last look */
	uint64_t next_watch_us;		 /* boot clock */
	bool doubt_told, doubt_in_batch; /* the CLOCK record that says that doubt began */
	bool accepted_in_batch;
	struct store_queue_key sweep_at;
	bool sweep_begun;
	struct store_held due_at; /* the last hold that was told of */
	bool due_begun;
};

/* Applies one job to the open batch.  False: the batch cannot go on (memory, store).  Otherwise the
 * job's fate says what became of it: JOB_PENDING means "done if the batch is". */
MUST_USE bool apply_job(struct committer *c, struct job *j, struct err *e);
MUST_USE bool apply_publish(struct committer *c, struct job *j, struct err *e);
/* Notes whose certificate signed it: what new rules are asked about (rules_step.h). */
MUST_USE bool apply_signers_note(
    struct committer *c, struct roll_party *publisher, const struct job_publish *p, struct err *e);
MUST_USE bool apply_deliver(struct committer *c, struct job *j, struct err *e);
MUST_USE bool apply_again(struct committer *c, struct job *j, struct err *e);
/* One step of it: JOB_UNFINISHED until the POLICY record is written. */
MUST_USE bool apply_rules(struct committer *c, struct job *j, struct err *e);
MUST_USE bool apply_subscribe(struct committer *c, struct job *j, struct err *e);
/* After all jobs: the merged ACK records. */
MUST_USE bool apply_acks(struct committer *c, struct err *e);
/* An ack of what is not under its key any more: held, or back under another (S6). */
MUST_USE bool apply_ack_moved(
    struct committer *c, uint32_t party, const struct job_acked *item, struct err *e);
/* 'owed' of the hold that a decision is, less those that acknowledged meanwhile; that they did is
 * forgotten. */
MUST_USE bool apply_still_owed(
    struct committer *c, uint64_t decision, struct bytes *owed, struct err *e);
MUST_USE bool apply_notes(struct committer *c, struct job *j, struct err *e);
MUST_USE bool apply_clock(struct committer *c, struct job *j, struct err *e);
/* CLOCK records for what happened to the clock since the last look. */
MUST_USE bool apply_clock_watch(struct committer *c, struct err *e);
/* A PARTY_HEAD for every party whose tree grew, as many as the batch takes; party_heads_due stays
 * set while there are more. */
MUST_USE bool apply_party_heads(struct committer *c, struct err *e);
/* What time brings: PARTY_HEADs, expiries, holds that are due, the padding of a published head. */
MUST_USE bool apply_time(struct committer *c, struct err *e);

/* A record of slots 1, 5, 7, appended; of the broker's own doing if 'by' is NULL or nobody, else
 * with slot 6. */
MUST_USE bool apply_own_record(struct committer *c, const struct body *body,
    const struct job_by *by, struct log_out *out, struct err *e);
/* An open record with fresh salts and slots 1 (type, report) and 5 (node) set. */
struct apply_begin {
	enum event_type type;
	const uint8_t *report;	 /* 16 or NULL */
	bool hub;		 /* slot 5 is used by this type */
	const struct job_by *by; /* NULL or nobody: the broker itself */
};
MUST_USE bool apply_record(
    struct committer *c, const struct apply_begin *b, struct record *r, struct err *e);
/* Queues a report in every subscription of the party that matches, and remembers whom to tell. */
struct apply_queue {
	struct store_queued entry; /* subscription is filled in */
	uint8_t mode;
	struct bytes topic;
	struct bytes owed; /* u32 each: only these subscriptions; absent: all that match */
};
MUST_USE bool apply_enqueue(
    struct committer *c, struct roll_party *p, struct apply_queue *q, size_t *count, struct err *e);
void batch_tell(struct committer *c, struct roll_party *p, struct roll_subscription *s);
/* Tells the party's worker of a DELIVERY to it. */
void batch_show(struct committer *c, struct roll_party *p, const struct evidence *v);
struct notice *batch_notice(struct committer *c, unsigned worker);
/* Sets the job's fate and error. */
void job_fail(struct job *j, enum err_code code, const char *why);
