/*
 * replay_judge.h - one record of a replay judged: for replay_walk.c alone.
 */
#pragma once
#include "client/cli/replay_walk.h"

MUST_USE bool replay_judge_intake(
    struct replay_walk *r, const struct replay_record *v, struct err *e);
/* A DECISION of the run. */
MUST_USE bool replay_judge_decision(
    struct replay_walk *r, const struct replay_record *v, struct err *e);
/* The run is over: was anybody passed over? */
MUST_USE bool replay_judge_end(struct replay_walk *r, struct err *e);
/* A decision that replaces another. */
MUST_USE bool replay_judge_later(
    struct replay_walk *r, const struct replay_record *v, struct err *e);
MUST_USE bool replay_judge_delivery(
    struct replay_walk *r, const struct replay_record *v, struct err *e);
/* A record that decides and cannot be read. */
MUST_USE bool replay_judge_unread(
    struct replay_walk *r, const struct verify_record *v, struct err *e);

/* What is known of a certificate; made if need be, NULL without memory. */
struct replay_signer *replay_judge_signer(
    struct replay_walk *r, struct bytes party, struct bytes hex);

/* ---- what replay_compare.c does for it ---- */

/* A fault; what it points to is copied, but for 'what'. */
MUST_USE bool replay_compare_tell(
    struct replay_walk *r, const struct replay_found *f, struct err *e);
/* A fault of a record as a whole. */
struct replay_fault {
	enum replay_kind kind;
	const char *what;
	struct bytes recorded, now;
};
MUST_USE bool replay_compare_fault(struct replay_walk *r, const struct replay_record *v,
    const struct replay_fault *f, struct err *e);
/* What is recorded for one recipient against what is decided. */
struct replay_pair {
	const struct epoch *epoch;
	const struct facts *facts;
	const struct decisions *decided;
	const struct recipient_decision *now;
};
MUST_USE bool replay_compare(struct replay_walk *r, const struct replay_record *v,
    const struct replay_pair *p, struct err *e);
