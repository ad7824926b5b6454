/*
 * drafts.h - a report's decision, turned into the records and rows that one job carries.
 * Runs on the publisher's (or, later, the recipient's) worker; what depends on the place in the log
 * is left to the committer.
 * Threads: values; the arena's owner.
 */
#pragma once
#include "daemon/desk.h"
#include "policy/decide.h"

/* All that the drafts of one report are made from. */
struct drafts {
	struct desk *desk;
	struct arena *a;
	const struct facts *facts;
	const struct decisions *decided;
	const struct envelope *report;
	struct bytes party, agent; /* who published */
	uint8_t manifest[32];	   /* leaf hash */
	uint8_t facts_digest[32];
	uint8_t secret[32]; /* facts digest of the INTAKE: what waits are named by */
	struct bytes banner;
	struct slot_hub hub;
	struct bytes actor;   /* empty: nobody */
	struct bytes because; /* what that person said; empty: nothing */
};

/* The Facts bytes with a fresh salt, and their digest. */
MUST_USE bool drafts_facts(struct drafts *d, struct bytes *bytes, struct err *e);
/* INTAKE. */
struct drafts_intake {
	uint8_t seal[32], chain[32], anchor[32];
};
MUST_USE bool drafts_intake(
    struct drafts *d, const struct drafts_intake *v, struct record *out, struct err *e);
/* DECISIONs, one a recipient, those withheld for the same reasons together; and for each recipient
 * that may have something the row of it, with its DELIVERY prepared. */
MUST_USE bool drafts_decisions(struct drafts *d, struct job *j, struct err *e);
/* NARROWED for one recipient. */
MUST_USE bool drafts_narrowed(
    struct drafts *d, const struct recipient_decision *r, struct record *out, struct err *e);
/* DECISION for one recipient who was not judged when the report came. */
MUST_USE bool drafts_backfill(
    struct drafts *d, const struct recipient_decision *r, struct record *out, struct err *e);
/* APPROVAL for one recipient: what was decided of which obligation. */
struct drafts_answer {
	const struct obligation *what;
	uint32_t portion;
	bool approve;
};
MUST_USE bool drafts_approval(struct drafts *d, const struct recipient_decision *r,
    const struct drafts_answer *v, struct record *out, struct err *e);
/* name@version of the agreements that release something, as slot 2 has them. */
MUST_USE bool drafts_agreements(
    struct drafts *d, const struct recipient_decision *r, struct bytes *text, struct err *e);
/* The masks of a recipient, and the earliest deadline of what is open (UINT64_MAX: none). */
MUST_USE bool drafts_masks(
    struct drafts *d, const struct recipient_decision *r, struct bytes *masks, struct err *e);
uint64_t drafts_deadline(const struct drafts *d, const struct recipient_decision *r);
/* Facts that hold only the obligations that this decision opened; absent: none. */
MUST_USE bool drafts_opened(
    struct drafts *d, const struct recipient_decision *r, struct bytes *bytes, struct err *e);
/* All that are open, as JOB_PART_WAITS. */
MUST_USE bool drafts_waits(
    struct drafts *d, const struct recipient_decision *r, struct bytes *bytes, struct err *e);
