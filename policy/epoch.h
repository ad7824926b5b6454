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
	 * not compared, and agreements that require signatures are judged as if they had them;
	 * otherwise they are not usable until epoch_accept_signatures */
	EPOCH_TRUST_OPTIONAL = 1,
	/* eval and other tools that only judge: 'hub', 'trust-domain' and 'trust-bundle' may be
	 * missing from the text too */
	EPOCH_PARTIAL = 4,
	/* reload: a party whose bundle is unusable is shut out; otherwise an error */
	EPOCH_TOLERANT = 2,
	/* explain: the 'expect' and 'never' statements are not judged; no broker loads so */
	EPOCH_NO_EXPECTS = 8,
	/* set by epoch_load_export alone: SPIFs and anchors are named by digest */
	EPOCH_EXPORTED = 16
};

/*
 * Loads the policy whose root file is 'path' (for a directory the caller names DIR/relto.policy).
 * Every error found goes to 'errors' with its place, up to 20 (warnings too); on any, false with
 * ERR_POLICY, 'e' telling the first one.
 */
MUST_USE bool epoch_load(const struct epoch_source *src, const char *path, unsigned flags,
    struct text_errors *errors, struct epoch **out, struct err *e);
/*
 * Loads a policy back from its canonical export, for a replay: 'read' of the source is asked for
 * each SPIF by the hex of its SHA-256; of anchors there are only the digests.  ERR_POLICY with its
 * errors, or ERR_DATA if what was loaded has another export.  As the log knows nothing here,
 * agreements that require signatures are not usable until epoch_accept_signatures.
 */
MUST_USE bool epoch_load_export(const struct epoch_source *src, struct bytes text,
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

/* Before the epoch is shared: agreement 'index', which requires signatures, has them ('lines' as in
 * agreement.signed_by), or lacks them. */
MUST_USE bool epoch_accept_signatures(
    struct epoch *p, size_t index, struct bytes lines, struct err *e);
void epoch_refuse_signatures(struct epoch *p, size_t index);
/* ..or its terms wait for the trust files of a member: no publication can name them. */
void epoch_defer_terms(struct epoch *p, size_t index);

/* The text that the terms digest of 'a' is over; without 'anchors' the same but for these, which a
 * load without trust files does not know.  NULL on shortage. */
const char *epoch_terms(
    const struct epoch *p, const struct agreement *a, bool anchors, struct arena *scratch);

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
