/*
 * again.h - a decision made again for the present time and the present rules (S5), because a hold
 * came to its deadline, or because a person decided.  It only narrows: the facts say what was
 * released or held before.
 * Threads: the recipient's worker; for an answer the approver's.
 */
#pragma once
#include "daemon/desk.h"

enum again_result {
	AGAIN_SAME = 1, /* what was decided still holds, until *good_until */
	AGAIN_JOB,	/* it does not: a job is on its way, the bytes wait */
	AGAIN_GONE,	/* the report expired, or its recipient left: nothing to send */
	AGAIN_FAILED	/* 'e'; try later */
};
struct again {
	struct store_given given;      /* as read */
	struct store_queue_key queued; /* of the entry; decision STORE_NONE: it is held */
	uint64_t held_deadline_us;     /* of the hold; UINT64_MAX: it has none, or it is queued */
	void *flight;		       /* comes back with the job */
};
enum again_result again_decide(
    struct desk *d, const struct again *a, uint64_t *good_until_us, struct err *e);
/*
 * What a person decided of one obligation of one portion, judged with all the rest for the present
 * time: an APPROVAL, whatever comes of it.  AGAIN_GONE: by the present rules it is not open, or not
 * any more.  'a' is held.  The job, whose arena the scene takes, is
 * posted (AGAIN_JOB) or the caller's still.
 */
struct again_answer {
	struct obligation what;
	uint32_t portion;
	bool approve;
	struct bytes because;
	uint32_t approver; /* its party */
	struct slot_hub hub;
	struct bytes actor; /* who: the session */
};
enum again_result again_answer(struct desk *d, const struct again *a, const struct again_answer *v,
    struct job **j, struct err *e);
/*
 * A report for a party that was not judged when it came: under 'listed', the agreements of its
 * routing part that had 'backfill' then, for the present time and rules.  AGAIN_JOB: it releases,
 * and a JOB_BACKFILL is on its way.  AGAIN_GONE: it does not, and nothing is to be done.
 */
struct again_missed {
	uint32_t party;
	struct store_report_key report;
	uint64_t intake;
	struct names listed;
	uint32_t subscription; /* it goes into this one */
};
enum again_result again_backfill(struct desk *d, const struct again_missed *m, struct err *e);
/* A hold that is due, or may be after new rules: found by its key and judged again. */
void again_hold(struct desk *d, uint64_t deadline_us, uint64_t decision);
/* Its job came home: what failed is tried again, what is stale is looked at anew. */
void again_hold_home(struct desk *d, const struct job *j);
/* After new rules: a round over every hold of a party that lives on this worker, a few at a time.
 * If something could not be judged d->holds_due stays set for the next round. */
void again_all_holds(struct desk *d);
