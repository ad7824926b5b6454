/*
 * verify_story.h - what a report about a log tells one by one: what was held and how that ended,
 * what was stopped or called back, and what changed of agreements and policy; made record by record
 * while the log is walked.  Texts are copied: they outlive the records.
 */
#pragma once
#include "audit/map.h"
#include "audit/verify.h"

/* A decision that held, and what ended it. */
struct story_hold {
	struct story_hold *next;
	struct bytes report, publisher, recipient;
	uint64_t record, since_us;
	uint64_t approvals, rejections; /* APPROVAL records meanwhile */
	bool ended;
	uint64_t end_record, end_us;
	enum event_type by;   /* APPROVAL, NARROWED, EXPIRE.. */
	enum outcome outcome; /* of the decision that ended it; 0: none */
	struct bytes reason;  /* of the first portion that it withholds; absent: none */
};
/* What stopped or called back something after it was decided. */
struct story_stop {
	struct story_stop *next;
	uint64_t record, time_us;
	enum event_type type; /* NARROWED, RECALL, SUPERSEDE, EXPIRE, DEAD_LETTER */
	struct bytes report, publisher, recipient;
	enum outcome outcome; /* of a NARROWED */
	struct bytes what;    /* the reason of the first portion withheld or held; an act, a code */
	bool delivered;	      /* before, as far as slot 8 says */
};
/* What changed: of AGREEMENT records that say alike, one. */
struct story_change {
	struct story_change *next;
	uint64_t record, time_us;
	enum event_type
	    type;	   /* AGREEMENT, POLICY, START, STOP, KEY, CLOCK, RECOVER, CLOSE, ERASE */
	struct bytes name; /* of the agreement; of a policy its digest in hex */
	uint64_t version;
	struct bytes what; /* "in-force", "reload".. */
	bool suspended;
	struct bytes parties; /* who was told, "GBR, NOR" */
	uint64_t told;	      /* how many */
};

enum { STORY_ROWS = 10000 }; /* told of each kind; all are counted */
struct story {
	struct arena *a;
	struct story_hold *holds, **last_hold;
	struct story_stop *stops, **last_stop;
	struct story_change *changes, **last_change, *agreement;
	uint64_t hold_count, stop_count, change_count;
	struct map open; /* publisher | report | recipient -> struct story_hold * */
	bool dry;	 /* memory ran out: nothing here counts */
};
void story_init(struct story *s, struct arena *a);
void story_record(struct story *s, const struct verify_record *r);
