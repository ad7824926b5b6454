/*
 * replay_rules.h - which policy a log was under, found again from its records: the export that each
 * POLICY names, and which of its agreements the log had accepted (docs/audit-format.md section 2).
 * Threads: one.
 */
#pragma once
#include "audit/event.h"
#include "audit/map.h"
#include "client/cli/content.h"
#include "policy/epoch.h"

struct replay_rules {
	struct arena *keep; /* borrowed */
	const struct content_reader *reader;
	struct map told; /* name -> what AGREEMENT records said of it */
	bool news;	 /* one came since the last POLICY */
	bool begun;	 /* a POLICY came */
	uint8_t digest[32];
	struct epoch *epoch; /* owned; NULL: why */
	char why[256];
	uint64_t policies; /* loaded */
};
void replay_rules_init(
    struct replay_rules *r, struct arena *keep, const struct content_reader *reader);
void replay_rules_done(struct replay_rules *r);
/* An AGREEMENT record; a POLICY record.  False: no memory, or a file that cannot be read.  A policy
 * that the bundle lacks, or that does not load, is what epoch_of says. */
MUST_USE bool replay_rules_agreement(struct replay_rules *r, const struct body *b, struct err *e);
MUST_USE bool replay_rules_policy(struct replay_rules *r, const struct body *b, struct err *e);
/* The policy of that digest, if it is the one in force; else NULL, and *why. */
const struct epoch *replay_rules_of(
    const struct replay_rules *r, const uint8_t digest[32], const char **why);
