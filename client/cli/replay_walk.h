/*
 * replay_walk.h - every decision of a log judged again from its facts, under the policy and the
 * SPIFs of its day (AUDIT section 7): record by record, as the verifier walks the log. Threads:
 * one.
 */
#pragma once
#include "audit/verify.h"
#include "client/cli/replay_past.h"
#include "client/cli/replay_report.h"
#include "client/cli/replay_rules.h"
#include "policy/decide.h"

enum replay_kind {
	REPLAY_DIFFERS = 1, /* it is judged otherwise now */
	REPLAY_FACTS,	    /* its facts are not what the log says */
	REPLAY_UNJUDGED	    /* it could not be judged, or its facts not be held against the log */
};
#define REPLAY_ALL UINT32_MAX
enum { REPLAY_KEEP = 1024, REPLAY_COURT_MAX = 256 << 20, REPLAY_RECENT = 4096 };
struct replay_found { /* a fault; texts live as long as the replay */
	enum replay_kind kind;
	uint64_t record;
	enum event_type type;
	uint8_t report[16];
	struct bytes publisher, recipient; /* recipient: absent, if it is of all */
	uint32_t portion;		   /* REPLAY_ALL: of none alone */
	const char *what;		   /* "verdict", "outcome", "topic".. */
	struct bytes recorded, now;	   /* absent where there is nothing to compare */
};

/* The facts that were judged last: an INTAKE and the DECISIONs behind it share them. */
struct replay_run {
	bool judged;
	uint64_t intake, last;
	uint8_t facts_digest[32];
	const struct epoch *epoch; /* NULL: it could not be judged */
	struct facts facts;
	struct decisions decided;
	bool *seen; /* by recipient */
	struct past_report *report;
};

/* What KEY records say of a certificate that signs reports. */
struct replay_signer {
	bool gone;	   /* removed or revoked: so it stood.. */
	bool next_gone;	   /* ..until the POLICY record after.. */
	uint64_t policies; /* ..so many of them */
};
/* A record with its slots taken apart; what is closed is all absent. */
struct replay_record {
	const struct verify_record *of;
	struct slot_release release;
	struct slot_publication publication;
	struct slot_decision decision;
	struct body body;
};

struct replay_walk {
	struct arena *keep; /* borrowed */
	struct arena one;   /* of the run */
	const struct content_reader *reader;
	struct replay_rules rules;
	struct replay_past past;
	struct replay_report parts;
	struct map signers; /* party, certificate -> struct replay_signer */
	uint64_t policies;  /* POLICY records so far */
	struct replay_run run;
	bool in_run;
	/* times of records, for what the broker may not have seen yet when it wrote facts */
	uint64_t recent[REPLAY_RECENT];
	uint64_t reports, decisions; /* that were judged; decisions: for one recipient each */
	uint64_t counts[REPLAY_UNJUDGED + 1];
	struct replay_found *found; /* the first REPLAY_KEEP */
	size_t found_count;
	bool failed;
	struct err err;
};

void replay_walk_init(
    struct replay_walk *r, struct arena *keep, const struct content_reader *reader);
void replay_walk_done(struct replay_walk *r);
/* The next record; 'failed' says that it could not be done at all. */
void replay_walk_record(struct replay_walk *r, const struct verify_record *record);
/* After the last. */
void replay_walk_end(struct replay_walk *r);
