/*
 * epoch.h - one immutable compiled set of all vocabularies, parties and agreements (DESIGN 4).
 * Pure: files come in through callbacks, no clock is read.  What was read is copied; the epoch
 * owns all it gives out.  Threads: built by one; then read by any.  Whoever shares it counts the
 * references.
 */
#pragma once
#include "policy/agreement.h"
#include "policy/party.h"
#include "proto/arena.h"
#include "proto/bytes.h"
#include "proto/err.h"

struct text_errors; /* policy/text.h: up to 20 errors and the warnings, with their places */
struct vocab;	    /* policy/vocab.h */
struct epoch;

/* How files are reached.  'path' is as the policy writes it, joined to the directory of its file;
 * results are allocated in 'a'.  A callback refuses a file by returning false with the reason in
 * 'e' (missing, writable by others, too big) and the path; the loader puts the place before it. */
struct epoch_source {
	bool (*read)(
	    void *ctx, const char *path, struct arena *a, struct bytes *out, struct err *e);
	/* The names (no paths) in a directory that end in ".policy", in any order. */
	bool (*list)(
	    void *ctx, const char *path, struct arena *a, struct names *out, struct err *e);
	void *ctx;
	/* With EPOCH_TOLERANT: where the anchors of a party that is shut out are taken from, so
	 * that the terms of its agreements stay what they were.  May be NULL. */
	const struct epoch *previous;
};

enum epoch_flag { /* bits */
	/* check, eval: a bundle that is missing is a warning; then there are no terms, anchors are
	 * not compared, and agreements that require signatures are judged as if they had them */
	EPOCH_TRUST_OPTIONAL = 1,
	/* eval and other tools that only judge: 'hub', 'trust-domain' and 'trust-bundle' may be
	 * missing from the text too */
	EPOCH_PARTIAL = 4,
	/* reload: a party whose bundle is unusable is shut out; otherwise an error */
	EPOCH_TOLERANT = 2,
	/* explain: the 'expect' statements are not judged; no broker loads so */
	EPOCH_NO_EXPECTS = 8
};

/*
 * Loads the policy whose root file is 'path' (for a directory the caller names DIR/relto.policy).
 * Every error found goes to 'errors' with its place, up to 20 (warnings too); on any, false with
 * ERR_POLICY, 'e' telling the first one.
 */
MUST_USE bool epoch_load(const struct epoch_source *src, const char *path, unsigned flags,
    struct text_errors *errors, struct epoch **out, struct err *e);
void epoch_free(struct epoch *p);
SCOPED_FOR(struct epoch, epoch_free)

/* The canonical export and its SHA-256, the policy digest.  Without trust files the export lacks
 * the anchors and the digest serves to compare such loads with one another only. */
struct bytes epoch_export(const struct epoch *p);
const uint8_t *epoch_digest(const struct epoch *p);
bool epoch_has_trust(const struct epoch *p);

/* Parties and agreements, each list in byte order of the names. */
size_t epoch_party_count(const struct epoch *p);
const struct party *epoch_party_at(const struct epoch *p, size_t index);
const struct party *epoch_party(const struct epoch *p, struct bytes name);
const struct party *epoch_party_of_domain(const struct epoch *p, struct bytes trust_domain);
const struct party *epoch_hub(const struct epoch *p);
size_t epoch_agreement_count(const struct epoch *p);
const struct agreement *epoch_agreement_at(const struct epoch *p, size_t index);
const struct agreement *epoch_agreement(const struct epoch *p, struct bytes name);
/* Before the epoch is shared: agreement 'index' is not usable, and no word of it counts.  'why' is
 * what agreement_takes_back gave.  The export and the digest stay what they are: what the log
 * accepted before tells a replay the same. */
void epoch_refuse_agreement(struct epoch *p, size_t index, const char *why);

/* The vocabularies, in byte order of the (folded) names; names compare as DESIGN 3 says. */
size_t epoch_vocab_count(const struct epoch *p);
const struct vocab *epoch_vocab_at(const struct epoch *p, size_t index);
const struct vocab *epoch_vocab(const struct epoch *p, struct bytes name);
/* The SPIF file that vocabulary 'index' was loaded from, and its SHA-256. */
struct bytes epoch_spif(const struct epoch *p, size_t index, uint8_t digest[32]);

/* A SPIFFE id to party and agent.  False (both untouched) if it is not of the form
 * spiffe://DOMAIN/PATH, the domain is no party's, or the agent is not listed. */
bool epoch_agent(const struct epoch *p, struct bytes spiffe_id, const struct party **party,
    const struct agent **agent);
