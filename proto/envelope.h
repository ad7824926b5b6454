/*
 * envelope.h - the report on the wire (design section 6): its parts, their commitments, the batch
 * signature, redaction that can be proved; opening, verifying and building.
 * Every part is serialised once by its originator; those bytes are what is hashed, kept and
 * forwarded, so each struct comes with the bytes that it was read from and is never encoded again.
 * Views borrow from the message's bytes; arrays live in the arena.
 * Pure: randomness comes in as a callback, keys as EVP_PKEY.  Threads: no shared state; an
 * envelope_verifier has one owner.
 */
#pragma once
#include "proto/msg.h"
#include "proto/seal.h"

enum envelope_act { ENVELOPE_SUPERSEDE = 1, ENVELOPE_RECALL, ENVELOPE_ABOUT };

struct envelope_manifest {
	uint32_t version;	      /* 1 */
	struct bytes id;	      /* 16, UUIDv7 */
	struct bytes hub, originator; /* SPIFFE ids */
	struct bytes signer;	      /* 32: SHA-256 of the signing leaf, DER */
	struct bytes topic;
	enum precedence precedence;
	enum mode mode;
	uint64_t created, not_before, expires; /* ms since 1970 UTC; the last two: 0 = none */
	struct bytes routing, notice;	       /* 32 each */
	struct names commitments;	       /* 4, 16, 64 or 256 of 32, strictly ascending */
};
struct envelope_agreement {
	struct bytes name;
	struct bytes terms; /* 32 */
};
struct envelope_routing {
	struct bytes salt;			     /* 16; envelope_build makes its own */
	const struct envelope_agreement *agreements; /* 0..8; none is `no-agreement` later */
	size_t agreement_count;
	bool has_only_to; /* false: no restriction; true with no names: nobody */
	struct names only_to, not_to;
	struct names sources; /* 16 each */
	bool backfill;
};
struct envelope_notice {
	struct bytes salt; /* 16; envelope_build makes its own */
	enum envelope_act act;
	struct bytes report; /* 16 */
	struct bytes reason; /* text: a closed code */
};
struct envelope_portion {
	struct bytes head_bytes, body_bytes;
	uint64_t order;			/* 63 bits */
	const struct raw_label *labels; /* 0..4; none is `unlabelled` later */
	size_t label_count;
	struct bytes content_type;
	uint64_t body_length;
	struct bytes body_digest; /* 32 */
	struct bytes title, content;
};
struct envelope {
	struct bytes manifest_bytes, routing_bytes, notice_bytes,
	    seal_bytes; /* absent: not there */
	struct envelope_manifest manifest;
	bool has_routing; /* false for a recipient */
	struct envelope_routing routing;
	bool has_notice;
	struct envelope_notice notice;
	struct seal seal;
	const struct envelope_portion *portions; /* in reading order */
	size_t portion_count;
};

/*
 * Opens what a publisher sent: every part canonical, every field in its range, the parts' shape
 * (portions only if the notice is no recall, the class of commitments no smaller than the number of
 * portions, orders strictly ascending).  Nothing is hashed yet.
 * ERR_MALFORMED or ERR_LIMIT with the field in *f (may be NULL), as refusals of the report;
 * ERR_NOMEM.
 */
MUST_USE bool envelope_open(const struct msg_publish *p, struct arena *a, struct envelope *out,
    struct fault *f, struct err *e);
/* The same for what a recipient was given: no routing, perhaps a notice, some of the portions. */
MUST_USE bool envelope_open_delivery(const struct msg_deliver *d, struct arena *a,
    struct envelope *out, struct fault *f, struct err *e);
/* Parts alone, for the auditor and for reports read back from the store.  ERR_MALFORMED, ERR_LIMIT.
 */
MUST_USE bool envelope_manifest_decode(
    struct bytes in, struct arena *a, struct envelope_manifest *out, struct err *e);
MUST_USE bool envelope_routing_decode(
    struct bytes in, struct arena *a, struct envelope_routing *out, struct err *e);
MUST_USE bool envelope_notice_decode(
    struct bytes in, struct arena *a, struct envelope_notice *out, struct err *e);
MUST_USE bool envelope_seal_decode(
    struct bytes in, struct arena *a, struct seal *out, struct err *e);
/* Head and body; an absent body leaves title and content absent. */
MUST_USE bool envelope_portion_decode(struct bytes head, struct bytes body, struct arena *a,
    struct envelope_portion *out, struct err *e);

/*
 * What a thread keeps for verifying: its hashing context, and which signatures it has seen hold, by
 * (root, signature, signer), so that a batch costs one.  Zero it and set 'hash'.
 */
struct envelope_verifier {
	struct sha256 *hash; /* borrowed */
	uint8_t good[16][32];
	unsigned next;
};

/* Whom the session or the chain says the signer is. */
struct envelope_signer {
	EVP_PKEY *key;		 /* of the leaf; borrowed */
	struct bytes digest;	 /* 32: SHA-256 of the leaf */
	struct bytes originator; /* SPIFFE id: the leaf's, and the session's agent */
};

/*
 * What the broker demands of an opened publication: originator and signer are 'who', routing and
 * notice match their commitments, every portion's head is committed to, bodies match length and
 * digest, the signature holds.  ERR_BAD_SIGNATURE with the field in the story; ERR_CRYPTO.
 * hub, id and time are the caller's to compare.
 */
MUST_USE bool envelope_verify(struct envelope_verifier *by, const struct envelope *v,
    const struct envelope_signer *who, struct err *e);

struct envelope_times {
	uint64_t accepted_us; /* as Deliver says */
	uint64_t now_ms;
};
/*
 * The same for a recipient, who has no routing, perhaps no notice, and some of the portions.
 * Acceptance must not be before created - 5 min nor after now + 5 min (ERR_UNVERIFIED).
 */
MUST_USE bool envelope_verify_delivery(struct envelope_verifier *by, const struct envelope *v,
    const struct envelope_signer *who, const struct envelope_times *t, struct err *e);

/* SHA-256(0x00 || manifest): what records and the batch tree call the manifest's leaf hash. */
MUST_USE bool envelope_leaf(
    struct sha256 *h, struct bytes manifest, uint8_t out[32], struct err *e);
enum envelope_kind { ENVELOPE_ROUTING = 0x10, ENVELOPE_HEAD = 0x11, ENVELOPE_NOTICE = 0x12 };
struct envelope_part {
	enum envelope_kind kind;
	struct bytes id; /* 16: of the report */
	struct bytes bytes;
};
/* The commitment of a part: SHA-256(kind || id || bytes). */
MUST_USE bool envelope_commit(
    struct sha256 *h, const struct envelope_part *p, uint8_t out[32], struct err *e);
/* SHA-256(0x13 || body): what a head says of its body. */
MUST_USE bool envelope_body_digest(
    struct sha256 *h, struct bytes body, uint8_t out[32], struct err *e);
/* SHA-256 over DER certificates one after the other: how Signer and Deliver name a chain. */
MUST_USE bool envelope_chain_digest(
    struct sha256 *h, const struct names *chain, uint8_t out[32], struct err *e);

/* ---- building, for publishers ---- */

/* What a publisher builds with.  fill: n random bytes into 'to', false if it cannot. */
struct envelope_maker {
	struct sha256 *hash; /* borrowed */
	bool (*fill)(void *ctx, void *to, size_t n);
	void *ctx;
};

struct envelope_draft_portion {
	const struct raw_label *labels;
	size_t label_count;
	struct bytes content_type, title, content;
};
/* What the publisher says; the rest (salts, orders, padding, id if absent) is made. */
struct envelope_draft {
	struct bytes id; /* 16, or absent: a UUIDv7 of 'created' */
	struct bytes hub, originator, signer, topic;
	enum precedence precedence;
	enum mode mode;
	uint64_t created, not_before, expires;
	struct envelope_routing routing;
	bool has_notice;
	struct envelope_notice notice;
	const struct envelope_draft_portion *portions;
	size_t portion_count;
};
/*
 * Serialises all parts but the seal into 'a'; out->seal stays empty until envelope_seal.  The same
 * checks as in envelope_open, with the field in the story.
 */
MUST_USE bool envelope_build(const struct envelope_maker *by, const struct envelope_draft *d,
    struct arena *a, struct msg_publish *out, struct err *e);
/* 1..64 reports for one signature. */
struct envelope_batch {
	struct msg_publish **reports;
	size_t count;
	bool single; /* an agent that never batches: no path; then count must be 1 */
};
/* Signs and sets the seal of each; places and missing siblings are random.  Seals live in 'a'. */
MUST_USE bool envelope_seal(const struct envelope_maker *by, const struct envelope_batch *b,
    EVP_PKEY *key, struct arena *a, struct err *e);
