/*
 * policy_load.h - a policy for the commands that ask questions of it: its files are read once and
 * kept, so that a change of their text can be tried.
 * Threads: one.
 */
#pragma once
#include "policy/edit.h"

enum { POLICY_LOAD_FLAGS = EPOCH_TRUST_OPTIONAL | EPOCH_PARTIAL };

struct policy_load {
	struct arena arena;
	struct epoch_source disk;
	struct overlay overlay;
	const char *root;
	struct text_errors errors;
	struct epoch *epoch; /* NULL: it did not load, .. */
	struct err err;	     /* ..for this */
	struct edit_text text;
};

/* Loads it with these flags of epoch_load and says nothing yet. */
bool policy_load_epoch(struct policy_load *l, const char *path, unsigned flags);
/* What the loader has to say, on stderr.  The exit status: 0 if it loaded. */
int policy_load_tell(struct policy_load *l);
/* Loads it to be asked, its text too; warnings are not told, relto policy check does.  Otherwise
 * says why on stderr, and the exit status is not 0. */
int policy_load(struct policy_load *l, const char *path);
void policy_load_done(struct policy_load *l);
static inline void
policy_load_done_scoped(struct policy_load *l)
{
	policy_load_done(l);
}

/* The agreements, parties, times and labels that options name; each says what there is instead. */
MUST_USE bool policy_load_agreement(
    struct policy_load *l, const char *name, const struct agreement **out, struct err *e);
MUST_USE bool policy_load_party(struct policy_load *l, const char *name, struct err *e);
/* RFC 3339 UTC, or a day (its beginning); NULL is now. */
MUST_USE bool policy_load_time(const char *text, uint64_t *us, struct err *e);
MUST_USE bool policy_load_label(
    struct policy_load *l, const char *text, struct raw_label *out, struct err *e);
/* The marking of a label, or its names where it has none. */
const char *policy_load_marking(struct policy_load *l, const struct raw_label *raw);
/* "2026-06-01T12:00:00Z" */
const char *policy_load_moment(struct policy_load *l, uint64_t us);
