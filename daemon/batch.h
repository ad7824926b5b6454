/*
 * batch.h - the inside of the committer: what one batch gathers while its jobs are applied.
 * committer.c runs it, apply*.c fill it.  Threads: the committer's alone.
 */
#pragma once
#include "audit/checkpoint.h"
#include "daemon/committer.h"
#include "daemon/notary.h"
#include "daemon/retention.h"
#include "daemon/role.h"
#include "daemon/ruleset.h"
#include "daemon/salt.h"
#include "daemon/shell.h"
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

struct archiver;
struct backup;
/* A batch that is durable, and of which nobody hears until its head is signed (AUDIT I2). */
struct unsigned_batch {
	uint64_t size; /* of the log, after it */
	bool at_home;  /* no ask of it is with the notary */
	struct notary_ask ask;
	struct mailbox_item *jobs, **jobs_end; /* done, known or in conflict */
	struct notice **notices;	       /* one a worker, NULL: nothing to say */
	bool heads;			       /* it stored a published head */
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
	struct backup *backup; /* under way, for the job 'backing'; NULL: none */
	struct job *backing;
	struct archiver *archiver; /* under way; NULL: none */
	uint64_t next_archive_us;  /* boot clock */
	struct {
		uint64_t to,
		    at; /* rows below 'to' may go, and those below 'at' are gone; 0: none */
		uint64_t in_batch; /* what 'at' becomes with this batch; 0: as it is */
		uint32_t segment;
		size_t renewed; /* files that were made anew: their notes may go; 0: none */
		struct store_outdated files[STORE_OUTDATED_PAGE];
	} archive;
	bool held_back, behind; /* nothing leaves while rules wait; told that no batch has room */
	struct job *stepping;	/* new rules that take more steps: each a batch of its own */
	/* rules */
	struct ruleset *rules; /* the last that was committed; a reference */
	struct ruleset *next;  /* the one that this batch commits; borrowed from its job, or NULL */
	struct salt_pool salts;
	/* the batch */
	uint64_t number;
	struct ack_group *acks;
	size_t ack_count;
	/* the oldest 'unsigned_count' from 'unsigned_first' on, in a ring; the one after them is
	 * that of the batch */
	struct unsigned_batch unsigned_[NOTARY_ASKS + 1];
	size_t unsigned_first, unsigned_count;
	struct notice **notice_room; /* of all of them */
	bool room_checked, room;
	bool full_told; /* the operator knows that there is none */
	bool culprit;	/* one job cannot be done (too large, or what it needs of
			 * the archive is not to be had): it failed by itself */
	/* heads */
	uint8_t *note; /* the newest signed checkpoint, not stored yet; owned */
	size_t note_len;
	uint64_t note_size;
	bool note_publish;		      /* it is to be stored as published.. */
	bool note_published;		      /* ..and is: tell the workers */
	uint64_t withdraws[SHELL_STOPS / 64]; /* bits of shell.withdrew */
	bool withdrawing;		      /* one is set */
	bool cosigned;	       /* a published head got signatures: tell the cosigner */
	bool heads_untold;     /* there was no memory to tell some worker: with the next batch */
	bool publish_now;      /* an auditor asked for the newest head.. */
	uint64_t publish_from; /* ..of at least this size */
	uint64_t published;    /* size */
	/* boot clock */
	uint64_t next_heads_us, next_party_heads_us, next_sweep_us, next_retention_us;
	bool party_heads_due;
	uint64_t party_heads_round; /* so that who is busy is not told twice before others once */
	uint64_t next_tick_us;
	struct retention_place retention;
	bool clock_watched;	       /* the next two are set */
	int64_t clock_offset_us;       /* wall less boot clock, at the last look */
	bool step_untold, sync_untold; /* seen, and no batch with the CLOCK record was committed */
	uint64_t next_watch_us;	       /* boot clock */
	bool doubt_told, doubt_in_batch; /* the CLOCK record that says that doubt began */
	bool accepted_in_batch;
	struct store_queue_key sweep_at;
	bool sweep_begun;
	struct store_letter_key letters_at; /* where the sweep of dead letters goes on */
	struct store_held due_at;	    /* the last hold that was told of */
	bool due_begun;
};

/* A batch of one job, which it takes. */
void batch_run_one(struct committer *c, struct job *j);
/* Between batches (upkeep.c): a backup begins; what is over is recorded, what is due begins, and at
 * a stop what is under way is ended; without a signer it is ended and nothing recorded. */
void upkeep_backup(struct committer *c, struct job *j);
void upkeep_next(struct committer *c, bool stopping);
void upkeep_give_up(struct committer *c);

/* Applies one job to the open batch.  False: the batch cannot go on (memory, store).  Otherwise the
 * job's fate says what became of it: JOB_PENDING means "done if the batch is". */
MUST_USE bool apply_job(struct committer *c, struct job *j, struct err *e);
/* Disk and map have room for new reports (asked once a batch, for all that a batch may bring), and
 * the signer signs.
 * False: the job has failed for it. */
bool apply_has_room(struct committer *c, struct job *j);
/* The POLICY record of new rules is durable: from here on decisions of other rules are stale. */
void apply_take_rules(struct committer *c);
/* Once in a batch; what changed is told. */
void apply_look_for_room(struct committer *c);
MUST_USE bool apply_publish(struct committer *c, struct job *j, struct err *e);
/* Those of the rules in force; before the first, those of the start. */
static inline const struct config *
committer_settings(const struct committer *c)
{
	return c->rules != NULL && c->rules->settings != NULL ? c->rules->settings
							      : c->shell->config;
}

/* Notes whose certificate signed it: what new rules are asked about (rules_step.h). */
MUST_USE bool apply_signers_note(
    struct committer *c, struct roll_party *publisher, const struct job_publish *p, struct err *e);
MUST_USE bool apply_deliver(struct committer *c, struct job *j, struct err *e);
MUST_USE bool apply_again(struct committer *c, struct job *j, struct err *e);
/* One step of it: JOB_UNFINISHED until the POLICY record is written. */
MUST_USE bool apply_rules(struct committer *c, struct job *j, struct err *e);
MUST_USE bool apply_subscribe(struct committer *c, struct job *j, struct err *e);
/* A report with a Notice was accepted: what a recall withdraws, and who is told of it. */
MUST_USE bool apply_recall(struct committer *c, struct job *j, struct err *e);
/* The recipient of a recall has it. */
MUST_USE bool apply_recall_read(
    struct committer *c, uint32_t party, const struct job_acked *item, struct err *e);
/* A newer report, with this INTAKE, is released to a party: what it supersedes is withdrawn. */
MUST_USE bool apply_superseded(struct committer *c, const struct store_report_key *newer,
    uint64_t intake, struct roll_party *party, struct err *e);
/* An answer to a recall, or feedback on a report. */
MUST_USE bool apply_said(struct committer *c, struct job *j, struct err *e);
/* After a batch, whether it came to anything or not: what it withdrew may be read again. */
void batch_withdrew(struct committer *c);
MUST_USE bool apply_ack(struct committer *c, struct job *j, struct err *e);
/* After all jobs: the merged ACK records. */
MUST_USE bool apply_acks(struct committer *c, struct err *e);
/* An ack of what is not under its key any more: held, or back under another (S6). */
MUST_USE bool apply_ack_moved(
    struct committer *c, uint32_t party, const struct job_acked *item, struct err *e);
/* 'owed' of the hold that a decision is, less those that acknowledged meanwhile; that they did is
 * forgotten. */
MUST_USE bool apply_still_owed(
    struct committer *c, uint64_t decision, struct bytes *owed, struct err *e);
/* A hold with what it waits for (JOB_PART_WAITS, which the caller puts), and its end: with them
 * come and go the notes by which approvers find it. */
MUST_USE bool apply_hold_put(
    struct committer *c, const struct store_held *h, struct bytes waits, struct err *e);
MUST_USE bool apply_hold_drop(
    struct committer *c, uint64_t deadline_us, uint64_t decision, struct err *e);
MUST_USE bool apply_notes(struct committer *c, struct job *j, struct err *e);
MUST_USE bool apply_attest(struct committer *c, struct job *j, struct err *e);
/* Whether decisions made under 'rules' at 'decided' still hold at the time of the record. */
bool apply_still_holds(
    const struct committer *c, uint64_t rules, uint64_t decided, uint64_t good_until);
MUST_USE bool apply_erase(struct committer *c, struct job *j, struct err *e);
/* Between batches: the newest head is stored, and the copy begins.  False: j->backup.why says why
 * not, and nothing is under way for 'j'. */
MUST_USE bool apply_backup_start(struct committer *c, struct job *j);
/* The job of a backup that is over, or with 'now' given up; NULL: there is none. */
struct job *apply_backup_end(struct committer *c, bool now);
/* Looks after the archive between batches: begins and ends its thread.  A job for rows that may go;
 * NULL: nothing now.  With 'stopping' the thread is ended. */
struct job *apply_archive_next(struct committer *c, bool stopping);
/* After the batch of such a job, good or not. */
void apply_archive_done(struct committer *c, uint64_t before);
/* Some rows; with the last of them the ADMIN record. */
MUST_USE bool apply_archive(struct committer *c, struct job *j, struct err *e);
/* Whether a record stands in files, or may before long (*soon): then it is not changed. */
MUST_USE bool apply_archive_has(
    struct committer *c, uint64_t index, bool *has, bool *soon, struct err *e);
/* The ADMIN record of a backup that is over. */
MUST_USE bool apply_backup(struct committer *c, struct job *j, struct err *e);
MUST_USE bool apply_clock(struct committer *c, struct job *j, struct err *e);
/* Adds cosignatures to a published head; the text that was signed stays. */
MUST_USE bool apply_cosigned(struct committer *c, struct job *j, struct err *e);
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
/* Counts an attempt; what was delivered as often as may be becomes a dead letter. */
MUST_USE bool apply_retry(struct committer *c, struct job *j, struct err *e);
/* Whether the party's queues take a report of that size. */
bool apply_mailbox_takes(const struct committer *c, uint32_t party, uint32_t bytes);
/* ..or so many of what is not urgent: half of it stays free for what comes, unless it is empty. */
bool apply_mailbox_spares(
    const struct committer *c, uint32_t party, size_t entries, uint32_t bytes);
struct apply_dead {
	struct roll_party *party;
	const struct store_queued *entry; /* subscription 0: there is none */
	uint8_t mode;
	enum store_dead why;
	uint64_t record; /* in/out: its DEAD_LETTER; STORE_NONE: a new one */
};
/* The record, and the dead letter if the party's list has room for it. */
MUST_USE bool apply_dead_letter(struct committer *c, struct apply_dead *d, struct err *e);
/* Subscriptions listed or deleted, dead letters tried again or dropped. */
MUST_USE bool apply_mailbox(struct committer *c, struct job *j, struct err *e);
/* The note that says how far the search of a subscription came: read, and put with the batch (NULL:
 * it is over, and goes). */
MUST_USE bool apply_place_read(
    struct committer *c, const char *name, bool *found, struct store_report_key *at, struct err *e);
MUST_USE bool apply_place_put(
    struct committer *c, const char *name, const struct store_report_key *at, struct err *e);
/* A subscription that is to be filled (fill.h): where that stands; that it begins, or came on. */
MUST_USE bool apply_fill_look(struct committer *c, struct job_subscribe *s, struct err *e);
MUST_USE bool apply_fill_note(struct committer *c, const struct job_subscribe *s, struct err *e);
/* What its party was not judged for (backfill.h): how far a subscription came in looking for it;
 * that it begins (at NULL: that it is through); one decision of it, or how far it came. */
MUST_USE bool apply_backfill_look(struct committer *c, struct job_subscribe *s, struct err *e);
MUST_USE bool apply_backfill_note(
    struct committer *c, uint32_t subscription, const struct store_report_key *at, struct err *e);
MUST_USE bool apply_backfill(struct committer *c, struct job *j, struct err *e);
/* The record of a subscription that came or went. */
struct apply_subscription {
	const struct roll_party *party;
	const struct store_subscription *is;
	const struct job_by *by;
	bool deleted;
};
MUST_USE bool apply_subscription_record(
    struct committer *c, const struct apply_subscription *a, uint64_t *index, struct err *e);
/* All dead letters of a report for a party go: it ended. */
MUST_USE bool apply_dead_forget(
    struct committer *c, uint32_t party, const struct store_report_key *report, struct err *e);
/* Where a report stands for a party now. */
struct apply_standing {
	bool known;	      /* false: its record stands in a file that cannot be reached now */
	enum outcome outcome; /* of its newest decision */
	uint64_t decision;    /* in the keys of its queue entries, where it has any */
};
MUST_USE bool apply_standing(
    struct committer *c, const struct store_given *g, struct apply_standing *out, struct err *e);
/* Queues a report in every subscription of the party that matches, and remembers whom to tell; what
 * the party's mailbox does not take, or no subscription, becomes a dead letter. */
struct apply_queue {
	struct store_queued entry; /* subscription is filled in */
	uint8_t mode;
	struct bytes topic;
	struct bytes owed; /* u32 each: only these subscriptions; absent: all that match */
	bool recall;	   /* goes in, however full the mailbox is */
};
MUST_USE bool apply_enqueue(
    struct committer *c, struct roll_party *p, struct apply_queue *q, size_t *count, struct err *e);
void batch_tell(struct committer *c, struct roll_party *p, struct roll_subscription *s);
/* The same of an entry whose place in the queue is an old one, which its worker may have passed. */
MUST_USE bool batch_back(
    struct committer *c, struct roll_party *p, const struct store_queued *q, struct err *e);
/* Tells the party's worker of a DELIVERY to it. */
void batch_show(struct committer *c, struct roll_party *p, const struct evidence *v);
struct notice *batch_notice(struct committer *c, unsigned worker);
/* What a commit now would say of the time. */
struct store_stamp committer_stamp(struct committer *c);
/* Sets the job's fate and error. */
void job_fail(struct job *j, enum err_code code, const char *why);
