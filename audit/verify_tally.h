/*
 * verify_tally.h - what became of every report for every recipient, as far as the records of a
 * bundle show it; made record by record while the log is walked.  `gaps` and `stats` print it.
 */
#pragma once
#include "audit/map.h"
#include "audit/verify.h"

/* How a report's way to one recipient ended. */
enum tally_end {
	TALLY_OPEN = 0,
	TALLY_EXPIRED,
	TALLY_RECALLED,
	TALLY_SUPERSEDED,
	TALLY_DEAD,	/* a dead letter */
	TALLY_NARROWED, /* what was on its way was stopped; its recipient is not told why */
	TALLY_ENDS
};
struct tally_case {
	struct tally_case *next; /* in the order in which they were first decided or delivered */
	struct bytes report;	 /* 16 */
	struct bytes publisher, recipient; /* publisher: absent where the bundle does not show it */
	enum outcome outcome;		   /* of the last decision; 0: the bundle shows none */
	uint64_t decided;		   /* its record, SLOT_ABSENT.. */
	uint64_t decided_us;
	uint64_t delivered; /* ..its DELIVERY's.. */
	uint64_t delivered_us;
	bool acknowledged; /* ..and whether an ACK names that */
	enum tally_end end;
};
struct tally_pair {
	struct bytes publisher, recipient;
	uint64_t outcomes[OUTCOME_WITHHOLD + 1]; /* by enum outcome */
	uint64_t delivered, acknowledged, ended;
};
struct tally_day {
	uint64_t day; /* since 1970 */
	uint64_t accepted, delivered, acknowledged, refused;
};
struct tally_reason {
	struct bytes verdict, reason; /* of a portion for a recipient; or "refused" and its code */
	uint64_t count;
};

struct tally {
	struct arena *a;
	struct bytes own; /* the party whose bundle it is; absent: a hub auditor's */
	struct tally_case *first, **last;
	struct map cases;      /* report | recipient -> struct tally_case */
	struct map deliveries; /* index -> struct tally_case * */
	struct map days;       /* day -> struct tally_day */
	struct map reasons;    /* verdict | reason -> struct tally_reason */
	uint64_t records;      /* all that were given.. */
	uint64_t by_type[EVENT_END];
	bool dry; /* memory ran out: nothing here counts */
};

void tally_init(struct tally *t, struct arena *a, struct bytes own);
/* The next record. */
void tally_record(struct tally *t, const struct verify_record *r);
/* Whether an accepted report still waits: to be decided, to leave, or to be acknowledged.  A word
 * for it, or NULL. */
const char *tally_gap(const struct tally_case *c);
const char *tally_end_word(enum tally_end end);

/* For printing, sorted: who to whom by names, days by date, reasons by words.  False without
 * memory. */
bool tally_pairs(struct tally *t, struct tally_pair ***out, size_t *count);
bool tally_days(struct tally *t, struct tally_day ***out, size_t *count);
bool tally_reasons(struct tally *t, struct tally_reason ***out, size_t *count);
