/*
 * job.h - one unit of durable work, on its way from a worker (or main) to the committer and home
 * again. The sender fills it, posts it, and does not touch it until it is back; the committer
 * writes 'fate', 'err' and the fields marked "out".  A job owns its arena, in which everything else
 * of it lives. Threads: one owner at a time (mailbox.h).
 */
#pragma once
#include "audit/record.h"
#include "daemon/shelf.h"
#include "daemon/store.h"
#include "daemon/withdrawn.h"
#include "daemon/worker.h"
#include "proto/facts.h"

struct ruleset;

enum job_kind {
	JOB_PUBLISH = 1, /* a report, decided */
	JOB_DELIVER,	 /* DELIVERY records that must exist before bytes leave */
	JOB_AGAIN,	 /* a later decision that narrows, or resolves a hold */
	JOB_ACK,	 /* a subscription has these */
	JOB_RETRY,	 /* these were sent and not acknowledged: count, or give up */
	JOB_SUBSCRIBE,	 /* find or create a subscription */
	JOB_RECORDS,	 /* records that stand for themselves: REFUSED, ADMIN, AUDIT_READ */
	JOB_RULES,	 /* main: a new ruleset */
	JOB_CLOCK,	 /* an operator accepts the clock */
	JOB_ERASE,	 /* an operator erases persons */
	JOB_BACKUP,	 /* an operator wants a copy of the store */
	JOB_COSIGNED,	 /* the cosigner: a published head with more signatures */
	JOB_ARCHIVE,	 /* the committer's own: records that stand in files leave the store */
	JOB_ATTEST,	 /* what a client attests of its party's tree */
	JOB_SESSIONS,	 /* from worker to worker: the sessions of one of them */
	JOB_DRAIN,	 /* to main: an operator ends the broker */
	JOB_SAID,	 /* what a recipient says of a report: an answer, feedback */
	JOB_MAILBOX,	 /* subscriptions listed or deleted, dead letters tried again or dropped */
	JOB_BACKFILL	 /* a decision for who was not judged, or how far they were looked for */
};
enum job_fate {
	JOB_PENDING = 0,
	JOB_DONE,	/* durable, and covered by a signed head */
	JOB_KNOWN,	/* PUBLISH: the same manifest is stored already; 'index' says where */
	JOB_CONFLICT,	/* PUBLISH: another manifest has this id */
	JOB_STALE,	/* what it was decided on no longer holds: decide again */
	JOB_UNFINISHED, /* RULES: durable so far; the committer goes on with it */
	JOB_FAILED	/* err says why; nothing of it happened, but for what RULES told parties */
};
/* Parts beside those of store.h (docs/decisions/0004-parts.md). */
enum {
	JOB_PART_OPENED = 6,	/* Facts with what a hold opened, under the record that opened it */
	JOB_PART_OWED = 7,	/* u32 each: the subscriptions that a hold took it from */
	JOB_PART_UNUSABLE = 8,	/* of an INTAKE: what its receipt said of agreements */
	JOB_PART_DELIVERED = 9, /* of a NARROWED: u64, the DELIVERY of what went before */
	JOB_PART_QUEUED = 10,	/* of a NARROWED: u64, the decision in the keys of its queue
				 * entries, if that is an earlier one */
	JOB_PART_WAITS = 11,	/* of what holds: what it waits for (waits.h) */
	JOB_PART_NAMED = 12,	/* of an INTAKE with a Notice: what that names (withdrawn.h) */
	JOB_PART_BACKFILLED = 13 /* of a DECISION of backfill: the one before (backfilled.h) */
};
enum { JOB_HOME_MAIN = 0xffff, JOB_HOME_NOBODY = 0xfffe };

/* Who asked, for slots 5 and 6 of records that the committer makes: a session, as it was. */
struct job_by {
	uint64_t conn;	      /* 0: nobody, the broker itself */
	uint8_t leaf[32];     /* SHA-256 of its certificate */
	struct bytes actor;   /* the certificate's subject */
	struct bytes because; /* in the person's words; mostly absent */
};
struct job_part {
	uint16_t number; /* enum store_part */
	struct bytes bytes;
};
struct job_recipient {
	uint32_t party;
	uint32_t draft; /* which of 'decisions' is its record */
	enum outcome outcome;
	struct bytes masks;	   /* per portion */
	uint64_t hold_deadline_us; /* if held */
	struct bytes
	    opened;	    /* if held: Facts with the obligations that this opened; absent: none */
	struct bytes waits; /* if held: JOB_PART_WAITS */
	struct record *delivery; /* if it may be delivered: the DELIVERY, prepared.. */
	struct bytes agreements; /* ..and of its slot 2 */
	uint64_t delivery_index; /* out; STORE_NONE */
};
struct job_publish {
	struct store_report report;   /* 'intake' is out */
	struct bytes chain;	      /* DER certificates, one after the other */
	uint8_t signer[32];	      /* SHA-256 of the first of them */
	const struct job_part *parts; /* by rising number */
	size_t part_count;
	struct record intake;
	struct record *decisions;
	size_t decision_count;
	struct job_recipient *recipients; /* with outcome other than withhold */
	size_t recipient_count;
	uint8_t precedence;
	uint8_t mode;
	struct bytes topic;
	uint64_t not_before_ms;
	uint64_t decided_us, good_until_us; /* the facts' time; UINT64_MAX: for ever */
	uint64_t signer_until_us;	    /* so long the signer's chain is valid */
	struct named named;		    /* by its Notice */
	/* out */
	uint64_t accepted_us;
	uint64_t party_index;
	uint8_t leaf[32];
	/* for the answer, untouched by the committer */
	uint32_t released, redacted, held, withheld;
	const struct msg_unusable *unusable;
	size_t unusable_count;
	struct bytes unusable_bytes; /* the same, as JOB_PART_UNUSABLE */
};
struct job_delivery {
	struct store_given given;      /* as read; if another one now, there is no record.. */
	struct store_queue_key queued; /* ..nor if the entry that waits is gone or expired */
	struct record record;
	struct bytes agreements;  /* of its slot 2 */
	uint64_t good_until_us;	  /* 0: no end */
	void *flight;		  /* the outlet's; opaque here */
	struct evidence evidence; /* out: of the record, if it was made */
};
enum { JOB_DELIVERIES = 64 };
struct job_deliver {
	struct job_delivery **items; /* room for JOB_DELIVERIES */
	size_t count;
};
struct job_again {
	struct store_given given; /* as read */
	struct store_queue_key
	    queued;		   /* where it waits; decision STORE_NONE: nowhere (it was held) */
	uint64_t held_deadline_us; /* of the hold that this ends; UINT64_MAX: it had none */
	struct record record;	   /* NARROWED, or APPROVAL.. */
	uint32_t approver;	   /* ..of this party; 0: it is none.. */
	uint64_t before_us;	   /* ..before whose deadline it has to be durable */
	uint32_t publisher;
	enum outcome outcome;
	struct bytes masks;
	struct bytes facts;	    /* part 4 of the new record */
	struct bytes opened, waits; /* as in job_recipient */
	uint64_t hold_deadline_us;
	uint64_t decided_us, good_until_us, not_before_ms;
	struct bytes topic;
	uint8_t precedence, mode;
	void *flight;
	uint64_t index; /* out */
	/* BACKFILL; without 'facts' it only says how far it came */
	uint32_t subscription;
	struct store_report_key looked_at;
	bool more; /* there may be more behind it */
};
struct job_said {
	uint32_t party;
	struct store_report_key report; /* that it was given; of an answer: the recall */
	bool answer;			/* else feedback */
	struct bytes code;
	uint64_t sighted_us; /* 0: none */
};
struct job_acked {
	struct store_queue_key key; /* when it was sent */
	struct store_report_key report;
	uint64_t delivery;
	uint32_t publisher;
	bool recall; /* it has no DELIVERY, and no ACK */
};
struct job_ack {
	uint32_t party;
	struct job_acked *items;
	size_t count;
	uint64_t answer; /* request that a Pong answers; 0: none */
};
struct job_retry {
	uint32_t party;
	uint8_t mode;
	struct store_queued *items;
	size_t count;
	void **flights; /* those that wait for it, as many; NULL: none */
};
struct job_subscribe {
	struct store_subscription want; /* id is out; an empty pattern: as it is */
	struct bytes party_name;
	uint32_t credit;
	bool proof; /* every Deliver is to bring its proof */
	bool from_start;
	bool created;			 /* out */
	bool filling;			 /* out: it begins from start, and is not filled yet.. */
	struct store_report_key fill_at; /* ..behind this */
	bool backfilling; /* out: what its party was not judged for is looked for.. */
	struct store_report_key backfill_at; /* ..behind this */
};
enum mailbox_act { MAILBOX_LIST = 1, MAILBOX_DELETE, MAILBOX_RETRY, MAILBOX_DROP, MAILBOX_FILL };
struct job_mailbox {
	enum mailbox_act act;
	uint32_t party;
	struct record *admin; /* of an operator; NULL: none */
	uint8_t mode;	      /* DELETE: of the subscription.. */
	struct bytes name;    /* ..likewise */
	uint32_t id;	      /* ..out */
	bool more;	      /* out: LIST: there are more; DELETE: its queue is not empty yet */
	size_t from, count, room; /* LIST: in, and out: how many */
	struct job_mailbox_row {
		char name[65], pattern[256];
		uint8_t mode;
		uint64_t waiting; /* for an operator; else those that came back (decision 0038) */
	} * rows;
	/* RETRY, DROP */
	struct job_letter {
		struct store_letter_key key;
		struct bytes topic;
	} * letters;
	size_t letter_count, done; /* out: how many went */
	/* FILL: of subscription 'id'; 'more': there are more behind these */
	struct job_fill {
		struct store_report_key report;
		uint8_t precedence;
		uint64_t not_before_ms;
	} * fills;
	size_t fill_count;
	struct store_report_key fill_at; /* what was looked at */
};
struct job_records {
	struct record *records;
	size_t count;
	bool publish;		     /* the head that covers them is given out at once (AUDIT 5) */
	uint64_t index;		     /* out: of the last one */
	int errand;		     /* the sender's: enum desk_errand.. */
	uint64_t from, span, wanted; /* ..and what it is about */
};
struct job_erase {
	const uint64_t *records; /* rising */
	size_t count;
	uint64_t index; /* out: of the ERASE record */
};
struct job_backup {
	char name[65];
	/* out, and kept by the committer while it is made */
	uint64_t records, bytes; /* of the copy */
	struct err why;		 /* ERR_NONE: it is made */
};
struct job_attest {
	struct record record; /* ACK */
	struct bytes chain;   /* of the session: DER certificates, one after the other */
	uint64_t until_us;    /* so long it is valid */
	uint64_t size;	      /* for the way home.. */
	uint8_t agent[32];    /* ..SHA-256 of party and SPIFFE id */
};
struct job_sessions {
	uint64_t from;
	bool looked;
	uint64_t next;	   /* out: where the next page begins; 0: this was the last */
	struct bytes json; /* out, in the arena */
};
/* How far the records of new rules have come: they may take many batches (rules_step.h). */
struct job_rules_at {
	unsigned stage;
	size_t item, inner;
	char note[128]; /* the name of the last one looked at; more than the store takes */
};
struct job_rules {
	struct ruleset *rules; /* a reference */
	struct job_rules_at at;
	bool at_start;
	bool given;		     /* main has handed them round.. */
	_Atomic unsigned untold;     /* ..and so many workers have not taken them yet */
	struct bytes crls, shut_out; /* fields of the POLICY body */
	struct record *admin;	     /* the ADMIN record of who asked; NULL: a signal */
	uint64_t asked_conn, asked_request;
	unsigned asked_home;
};

struct job_cosigned {
	uint64_t size;
	struct bytes note; /* the stored one and further lines */
};

struct job {
	struct letter letter;
	enum job_kind kind;
	unsigned home; /* index of a worker, or JOB_HOME_* */
	uint64_t conn, request;
	bool owed;	   /* the connection counts its answer among what it owes (conn_owes).. */
	size_t owed_bytes; /* ..as so many */
	struct arena *arena;
	uint64_t rules;	       /* number of the ruleset that it was decided under */
	size_t records, bytes; /* what it adds to a batch */
	struct job_by by;      /* what it leads to, in the records */
	enum job_fate fate;
	struct err err;
	void *sender;		 /* the sender's own, in the arena */
	struct job *parked_next; /* while it waits for rules (desk_park) */
	union {
		struct job_publish publish;
		struct job_deliver deliver;
		struct job_again again;
		struct job_ack ack;
		struct job_said said;
		struct job_retry retry;
		struct job_subscribe subscribe;
		struct job_mailbox mailbox;
		struct job_records notes;
		struct job_rules policy;
		struct job_erase erase;
		struct job_backup backup;
		struct job_cosigned cosigned;
		struct job_attest attest;
		struct job_sessions sessions;
	};
};

/* A job that takes over 'arena' (NULL: a new one of 'cap' bytes).  NULL: out of memory, the arena
 * is untouched. */
struct job *job_new(enum job_kind kind, struct arena **arena, size_t cap);
/* Frees the job and its arena.  NULL is accepted. */
void job_free(struct job *j);
SCOPED_FOR(struct job, job_free)

/* What the committer tells a worker: subscriptions that have something new, or that heads were
 * published. */
enum { NOTICE_ROOM = 512 };
struct notice {
	struct letter letter;
	bool heads; /* a head was published */
	bool all;   /* every subscription: there were too many to name */
	size_t count;
	uint32_t subscriptions[NOTICE_ROOM];
	struct notice_hold { /* holds whose deadline has come, for the worker of their recipient */
		uint64_t deadline_us, decision;
	} holds[128];
	size_t hold_count;
	struct notice_back { /* entries that came back to the place that they had; owned */
		struct store_queue_key key;
		uint32_t originator;
	} * backs;
	size_t back_count, back_room;
	struct notice *next; /* of the desk's, while there is no memory for what came back */
	struct evidence
	    *deliveries; /* that were recorded, for the worker of their recipient; owned */
	size_t delivery_count, delivery_room;
};
/* NULL is accepted. */
void notice_free(struct notice *n);
/* A ruleset on its way to a worker. */
struct rules_letter {
	struct letter letter;
	struct ruleset *rules; /* a reference */
	struct job *job;       /* goes back to main with whoever takes them last */
};
