/*
 * replay_past.h - what a log says of its reports up to a record: what was decided for whom, what
 * went to whom.
 * Threads: one.
 */
#pragma once
#include "audit/map.h"
#include "proto/arena.h"
#include "proto/facts.h"

/* A decision for one recipient, the newest first: which of the named agreements released or held
 * each portion. */
struct past_decision {
	const struct past_decision *older;
	uint64_t record;
	enum outcome outcome;
	bool known; /* it could be judged again */
	const uint8_t *masks;
	uint8_t opened[32]; /* the obligations that its facts have, and those that it opened */
};
struct past_delivery {
	const struct past_delivery *older;
	uint64_t record;
	const uint8_t *masks; /* NULL: not known */
};
struct past_recipient {
	struct past_recipient *next; /* of the report */
	struct bytes party;
	bool backfilled; /* its first decision is one of backfill */
	const struct past_decision *now;
	const struct past_delivery *went;
};
struct past_report {
	struct past_report *same_id; /* of another publisher */
	struct bytes publisher;
	uint8_t id[16];
	uint64_t intake;
	bool known; /* its facts, and the agreements and sources of its routing, could be read */
	enum mode mode;
	size_t portions;
	struct names agreements, sources; /* sources: 16 bytes each */
	bool asks;			  /* its routing has 'backfill' */
	bool listed_known;		  /* the terms that it names could be read: */
	struct names listed;		  /* agreements that had 'backfill' by them */
	uint8_t core[32];		  /* what its facts say for good */
	const uint8_t *signer;		  /* SHA-256 of the certificate; NULL: not known */
	struct past_recipient *first;
};

struct replay_past {
	struct arena *keep; /* borrowed */
	struct map reports; /* publisher | id -> struct past_report * */
	struct map ids;	    /* id -> struct past_report *: the first of that id */
	struct map given;   /* publisher | id | recipient -> struct past_recipient * */
};
void replay_past_init(struct replay_past *p, struct arena *keep);

/* A report, by publisher and id; NULL: its INTAKE was not seen. */
struct past_report *replay_past_report(
    struct replay_past *p, struct bytes publisher, struct bytes id);
/* An INTAKE: a new one, or NULL without memory. */
struct past_report *replay_past_begin(
    struct replay_past *p, struct bytes publisher, struct bytes id, uint64_t record);
/* For whom something was released or held; NULL: nobody of that name. */
struct past_recipient *replay_past_given(
    struct replay_past *p, const struct past_report *of, struct bytes party);
/* What was decided for a party; 'd' is copied, the masks too.  Made if need be. */
MUST_USE bool replay_past_decided(struct replay_past *p, struct past_report *of, struct bytes party,
    const struct past_decision *d, struct err *e);
MUST_USE bool replay_past_delivered(
    struct replay_past *p, struct past_recipient *to, uint64_t record, struct err *e);
