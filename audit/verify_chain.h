/*
 * verify_chain.h - chains that are judged and remembered: of who signed a report (verify_signer)
 * and of who attested what a party has (verify_attest).  Parsing a certificate takes longer than a
 * signature: a verdict is kept as long as it holds.
 */
#pragma once
#include "audit/verify_run.h"
#include "proto/chain.h"

/* A chain that is good for somebody under one policy. */
struct verify_chain {
	EVP_PKEY *key; /* owned; NULL: not judged yet, or not good */
	uint8_t leaf[32];
	int64_t from, until; /* s: judged at 'from'; no certificate of it ends before 'until' */
};

void verify_chains_init(struct verify_chains *all);
void verify_chains_done(struct verify_chains *all);
/* The entry of what a verdict depends on, but for the time, which is 'at'.  If *out has no key it
 * is to be judged. */
struct verify_chain_name {
	const struct bytes *parts;
	size_t count;
	int64_t at;
};
MUST_USE bool verify_chains_find(struct verify *v, struct verify_chains *all,
    const struct verify_chain_name *name, struct verify_chain **out, struct err *e);

/* One judgement, in two steps: the leaf, of which the caller says whether it is the right one, and
 * the way to the anchors.  What is wrong is told; false is for what ends the run. */
struct verify_chain_case {
	const struct verify_slots *s; /* the record, at whose time it is judged */
	const char *whose;
	enum chain_use use;
	struct bytes chain;
	const struct bytes *anchors; /* DER */
	size_t anchor_count;
	struct stack_st_X509 *certs; /* owned */
	struct chain_verdict found;  /* of the leaf, then of the way */
};
int64_t verify_chain_time(const struct verify_slots *s);
MUST_USE bool verify_chain_leaf(
    struct verify *v, struct verify_chain_case *c, bool *good, struct err *e);
MUST_USE bool verify_chain_path(
    struct verify *v, struct verify_chain_case *c, struct verify_chain *by, struct err *e);
void verify_chain_case_done(struct verify_chain_case *c);
bool verify_chain_bad(struct verify *v, const struct verify_chain_case *c, const char *why);
