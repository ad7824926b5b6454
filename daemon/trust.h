/*
 * trust.h - who may connect and sign: one immutable set per reload (DESIGN section 7, S8, S9).
 * A set holds, for each party, its trust domain, its anchors and CRLs (a fresh store every time,
 * FACTS 27), its agents and their roles; and the broker's own certificate in an SSL_CTX.  It is
 * built, tried by handshakes with itself and only then given out (FACTS 30).  A party whose bundle
 * or CRL is unusable is in the set but shut out.
 * Threads: immutable but for the reference count; ref and unref from any thread.  A peer belongs
 * to one thread.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/chain.h"
#include "proto/err.h"

#include <openssl/ssl.h>

struct trust;

/* What a set is made of; everything is copied. */
struct trust_agent_setup {
	struct bytes path; /* "/fusion-desk" */
	uint32_t roles;	   /* bits of policy/party.h */
};
struct trust_party_setup {
	struct bytes name;
	struct bytes domain; /* "gbr.example" */
	struct bytes bundle; /* PEM */
	const struct bytes *crls;
	size_t crl_count;
	struct bytes unusable; /* not absent: the files could not be read, and why: shut out */
	const struct trust_agent_setup *agents;
	size_t agent_count;
};
struct trust_setup {
	const struct trust_party_setup *parties;
	size_t party_count;
	struct bytes hub;	  /* name of the hub party */
	struct bytes certificate; /* the broker's: PEM, leaf first, then intermediates */
	struct bytes key;	  /* PEM, not encrypted */
	bool reload;		  /* an expired certificate of ours is then logged, not an error */
	int64_t crl_max_age_s;	  /* hard age of a CRL, from its thisUpdate */
	int64_t (*now)(void *);	  /* s since 1970; called on the threads that use the set */
	void *now_arg;
};

/*
 * Builds and tries a set.  Shut-out parties are logged (trust.party-shut-out), not an error.
 * Errors: ERR_CONFIG (the broker's certificate or key, with the reason), ERR_CRYPTO, ERR_NOMEM.
 */
MUST_USE bool trust_new(const struct trust_setup *setup, struct trust **out, struct err *e);
struct trust *trust_ref(struct trust *t);
void trust_unref(struct trust *t);
SCOPED_FOR(struct trust, trust_unref)

/* The broker's SPIFFE id (Manifest.hub must equal it) and the end of its certificate chain, s. */
const char *trust_hub_id(const struct trust *t);
int64_t trust_hub_not_after(const struct trust *t);
/* SHA-256 of the broker's own certificate, DER. */
const uint8_t *trust_hub_leaf(const struct trust *t);
/* The context inside; tls_open alone makes connections from it. */
SSL_CTX *trust_context(const struct trust *t);
/* SHA-256 over the ascending SHA-256 of all revocation lists given; false if there were none. */
bool trust_lists_digest(const struct trust *t, uint8_t out[32]);
/* For `admin status`: false if there is no such party; *why is "" or why it is shut out. */
bool trust_party_usable(const struct trust *t, struct bytes party, const char **why);
/* The parties one after the other, NULL at the end; *why as above. */
const char *trust_party_at(const struct trust *t, size_t i, const char **why);
/* A party's anchors with its lists, and until when the lists say anything (s); NULL if it is shut
 * out or none, *why says it. */
const struct chain_anchors *trust_party_anchors(
    const struct trust *t, struct bytes party, int64_t *until, const char **why);

/* What of a set ends by itself, one after the other: the broker's own chain, then of each party
 * that is not shut out the certificates of its bundle, and the list that is over first. */
enum trust_end_kind { TRUST_END_BROKER, TRUST_END_CA, TRUST_END_LIST, TRUST_END_KINDS };
struct trust_end {
	enum trust_end_kind kind;
	const char *party;     /* of the hub for the broker's own */
	const uint8_t *digest; /* of the certificate, SHA-256; NULL for a list */
	int64_t began;	       /* s since 1970; INT64_MIN where it does not matter.. */
	int64_t at;	       /* ..and when nothing rests on it any more */
};
struct trust_ends { /* where one stands; {0} before the first */
	bool begun;
	size_t party, place;
};
/* False past the last one. */
bool trust_end_next(const struct trust *t, struct trust_ends *at, struct trust_end *out);

/* ---- sessions ---- */

/* Who is at the other end; all that S9 needs to ask again. */
struct trust_peer {
	char *party;
	char *agent; /* SPIFFE id */
	uint32_t roles;
	bool hub;	      /* the party is the hub party */
	uint8_t leaf[32];     /* SHA-256 of the certificate, DER */
	uint8_t material[32]; /* SHA-256 of the bundle and lists that the chain was judged by */
	int64_t not_after;    /* s: earliest of the verified chain.. */
	int64_t own_after;    /* ..of what the agent has of it, without its party's anchor.. */
	int64_t began;	      /* ..and from when on its own certificate is valid */
	uint8_t ends_told;    /* how near its end was told to be: leaves.h */
	int64_t crl_until;    /* s: the party's CRL passes its hard age; INT64_MAX without CRL */
	STACK_OF(X509) *
	    certs; /* as sent, leaf first: parsed once (FACTS 37), judged again by S9 */
};
void trust_peer_free(struct trust_peer *p);
SCOPED_FOR(struct trust_peer, trust_peer_free)
/* s since 1970: the session must be closed then: min(not_after, crl_until). */
int64_t trust_peer_until(const struct trust_peer *p);

/* Why somebody was refused: for our log and the REFUSED record.  Only the alert goes to him. */
struct trust_refusal {
	enum chain_fault fault;
	char why[160];
	char party[LIMIT_PARTY_NAME_BYTES +
		   1]; /* "" unless the chain was good: never from a claim alone */
	char agent[LIMIT_SPIFFE_ID_BYTES + 1]; /* as the leaf claims; "" if it has none */
	uint8_t leaf[32];		       /* zeros if there was none */
};

/* Judges a certificate and the others sent with it; on success *out is the caller's. */
MUST_USE bool trust_admit(const struct trust *t, X509 *leaf, STACK_OF(X509) * others,
    struct trust_peer **out, struct trust_refusal *why);
/*
 * S9, after a reload: the same judgement of an open session's peer under the new set.  True: it may
 * stay, and roles, not_after, crl_until are those of the new set.  False: close it.
 */
MUST_USE bool trust_still_allowed(
    const struct trust *t, struct trust_peer *p, struct trust_refusal *why);

/* ---- who signs reports ---- */

struct trust_signer {
	EVP_PKEY *key; /* of the leaf; owned by the signer */
	char *party;
	char *agent;	    /* SPIFFE id: must equal Manifest.originator */
	uint8_t leaf[32];   /* SHA-256: must equal Manifest.signer */
	uint8_t chain[32];  /* SHA-256 of the DER certificates one after the other (table chain,
			       Signer.digest) */
	uint8_t anchor[32]; /* SHA-256 of the anchor that the chain ended in (INTAKE slot 7) */
	int64_t not_after;  /* s: the verdict holds no longer than this.. */
	int64_t crl_until;  /* ..nor this */
};
void trust_signer_free(struct trust_signer *s);
SCOPED_FOR(struct trust_signer, trust_signer_free)
/*
 * Judges a signer's chain (DER, leaf first) at 'now_s', the time that the report's record would
 * have (wall.h: a clock that was put back does not move it): EKU documentSigning,
 * digitalSignature, one URI SAN equal to 'originator' (a SPIFFE id), an agent that the policy
 * lists, a chain to the bundle of that agent's party.  Once per session and trust set; cache the
 * result.
 */
MUST_USE bool trust_signer_new(const struct trust *t, const struct bytes *chain, size_t count,
    struct bytes originator, int64_t now_s, struct trust_signer **out, struct trust_refusal *why);
/*
 * DESIGN 7 and S5: does a signer accepted at 'accepted_s' still stand?  False (signer = revoked)
 * when a certificate of its chain is on a list, its anchor or its agent left the policy, its party
 * is shut out, or it cannot be judged.  That it expired since does not matter.
 */
MUST_USE bool trust_signer_stands(const struct trust *t, const struct bytes *chain, size_t count,
    struct bytes originator, int64_t accepted_s, struct trust_refusal *why);
