/*
 * rules_step.h - the inside of apply_rules: the records of new rules, a step at a time.
 * A policy may tell millions of things; each step is one batch that nobody waits for long
 * (docs/decisions/0006-rules-in-steps.md).  A stage does what is next and stops when the step is
 * spent; not spent means that the stage is over.
 * Threads: the committer's alone.
 */
#pragma once
#include "daemon/batch.h"
#include "daemon/ruleset.h"

enum { /* in looks into the store, which take some microseconds each */
	STEP_WORK = 4096,
	STEP_RECORD = 8, /* so that a step writes at most half of what a batch may */
	STEP_BYTES = 512 /* of a text, hashed and perhaps written, for one */
};
struct rules_step {
	struct committer *c;
	struct ruleset *rules;
	struct job_rules_at *at;
	size_t work;
};

static inline bool
step_spent(const struct rules_step *s)
{
	return s->work >= STEP_WORK;
}

/* Refuses the agreements of new rules that take back what the log accepted. */
MUST_USE bool apply_agreements_judge(struct rules_step *s, struct err *e);
/* Then tells the parties what they have lost, and after that what changed. */
MUST_USE bool apply_agreements_lost(struct rules_step *s, struct err *e);
MUST_USE bool apply_agreements_told(struct rules_step *s, struct err *e);
