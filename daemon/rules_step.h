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

enum key_purpose { KEY_LOG = 1, KEY_ANCHOR, KEY_SIGNER, KEY_BROKER };
enum key_act { KEY_ADDED = 1, KEY_REMOVED, KEY_REVOKED };
struct rules_key {
	enum key_purpose purpose;
	enum key_act act;
	const char *key; /* as the body has it */
};
/* A digest as bodies and the names of notes have it. */
void apply_keys_hex(const uint8_t digest[32], char out[65]);
/* A KEY record to the party that it concerns. */
MUST_USE bool apply_keys_put(
    struct rules_step *s, struct roll_party *p, const struct rules_key *k, struct err *e);
/* Which of its anchors a party is no longer believed by, and the broker's certificate of before;
 * then what is new. */
MUST_USE bool apply_keys_gone(struct rules_step *s, struct err *e);
MUST_USE bool apply_keys_told(struct rules_step *s, struct err *e);
/* Which certificates that signed for a party stand no more, or stand again. */
MUST_USE bool apply_signers_judge(struct rules_step *s, struct err *e);

/* The notes below 'root' ("key/"), one after the other. */
MUST_USE bool apply_rules_notes(struct rules_step *s, const char *root,
    bool (*each)(struct rules_step *, const struct store_note *, struct err *), struct err *e);
