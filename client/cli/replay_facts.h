/*
 * replay_facts.h - whether the facts of a decision are those that the log before it gives: the
 * report as its publisher signed it, its sources, what was released or held before, what was
 * opened.  For replay_judge.c alone.
 */
#pragma once
#include "client/cli/replay_judge.h"

/* Those of the INTAKE that r->run has just read; fills in r->run.report. */
MUST_USE bool replay_facts_intake(
    struct replay_walk *r, const struct replay_record *v, struct err *e);
/* Under which of its agreements the report, now decided anew, may be backfilled. */
MUST_USE bool replay_facts_listed(struct replay_walk *r, struct err *e);
/* Those of a decision that replaces another, or of one of backfill, for the one recipient of slot
 * 2. */
struct replay_later {
	const struct facts *facts;
	const struct past_report *report;
	bool backfill;
};
MUST_USE bool replay_facts_later(struct replay_walk *r, const struct replay_record *v,
    const struct replay_later *l, struct err *e);

/* Keeps what was decided in record 'index', for the facts of those that follow. */
MUST_USE bool replay_facts_decided(struct replay_walk *r, struct past_report *report,
    uint64_t index, const struct replay_pair *p, struct err *e);
/* ..or that it is not known. */
MUST_USE bool replay_facts_unknown(struct replay_walk *r, struct past_report *report,
    const struct replay_record *v, struct err *e);
