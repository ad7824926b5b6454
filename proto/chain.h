/*
 * chain.h - certificate chains judged against the anchors of one party (design section 7, S8).
 * One `struct chain_anchors` holds one party's bundle and revocation lists and nothing else, so
 * that no CA can ever speak for another party.  Broker and clients judge by the same code: the
 * broker a client's session and a report's signer, the client the broker and a report's signer.
 * The time is an input; no files, no clock.
 * Threads: anchors are immutable once made and may be shared; nothing else is kept.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/cert.h"
#include "proto/err.h"
#include "proto/limits.h"

#include <openssl/x509.h>

enum chain_use {
	CHAIN_CLIENT = 1, /* a TLS client: EKU clientAuth */
	CHAIN_SERVER,	  /* a broker: EKU serverAuth */
	CHAIN_SIGNER,	  /* signs reports: EKU documentSigning, keyUsage digitalSignature */
	CHAIN_TERMS	  /* signs terms: EKU documentSigning or emailProtection, the same usage */
};
enum chain_fault {
	CHAIN_GOOD = 0,
#define F(name, token, alert, text) CHAIN_##name,
#include "proto/chain.def"
#undef F
	CHAIN_FAULT_COUNT
};
/* The stable token ("unlisted-agent"), the name of the TLS alert and a text.  Never NULL. */
const char *chain_fault_token(enum chain_fault fault);
const char *chain_fault_alert(enum chain_fault fault);
const char *chain_fault_text(enum chain_fault fault);

/* What a judgement found.  On a fault only 'fault' and 'why' mean something. */
struct chain_verdict {
	enum chain_fault fault;
	char why[160];	   /* for our own log: which certificate, what OpenSSL said */
	struct cert cert;  /* the leaf, as far as it could be read (not to be copied: cert.h) */
	int64_t not_after; /* s since 1970: the earliest of the verified chain, anchor included.. */
	int64_t not_before; /* ..and the latest */
	int64_t own_after;  /* the same as not_after, of what lies below the anchor alone */
	uint8_t anchor[32]; /* SHA-256 of the certificate of the bundle that the chain ended in */
};

/*
 * Reads and checks what concerns the leaf alone: exactly one URI SAN, a SPIFFE id with a path,
 * CA:FALSE, no keyCertSign, the EKU of 'use', a key of a kind that is accepted.  Fills 'cert'.
 * True: no fault.
 */
MUST_USE bool chain_leaf(X509 *leaf, enum chain_use use, struct chain_verdict *out);

struct chain_anchors;
/*
 * One party's anchors: every certificate in 'bundle' (PEM, at least one, each a CA) and, of each
 * authority (name and key), the newest of the lists in 'crls' (each a list in DER, or lists in PEM;
 * a file with anything else in it is refused).  With count > 0 every certificate of a
 * chain must be covered by a list; with 0 nothing is checked for revocation.
 * Errors: ERR_DATA with what is wrong; ERR_NOMEM.
 */
MUST_USE bool chain_anchors_new(struct bytes bundle, const struct bytes *crls, size_t count,
    struct chain_anchors **out, struct err *e);
/* The same of single certificates (DER, each a CA), without lists: nothing is checked for
 * revocation.  ERR_DATA, ERR_CERTIFICATE, ERR_NOMEM. */
MUST_USE bool chain_anchors_from_der(
    const struct bytes *der, size_t count, struct chain_anchors **out, struct err *e);
void chain_anchors_free(struct chain_anchors *a);
SCOPED_FOR(struct chain_anchors, chain_anchors_free)

/* SHA-256 (DER) of each certificate of the bundle, ascending; borrowed. */
size_t chain_anchors_count(const struct chain_anchors *a);
const uint8_t *chain_anchors_digest(const struct chain_anchors *a, size_t i);
/* Its end (s since 1970); 0 if it cannot be read. */
int64_t chain_anchors_until(const struct chain_anchors *a, size_t i);
/* thisUpdate and nextUpdate (s since 1970), the earliest over the lists; INT64_MAX if there are
 * none. */
int64_t chain_crl_made(const struct chain_anchors *a);
int64_t chain_crl_next(const struct chain_anchors *a);

/*
 * Judges a leaf that chain_leaf has passed into 'v', with its chain, against one party's anchors at
 * the time 'at' (s since 1970): the path (depth LIMIT_CHAIN_DEPTH, security level 2), validity,
 * revocation.  'others' (intermediates as sent, may hold the leaf too) may be NULL.  True: no
 * fault. That the leaf's trust domain is the party's is the caller's to check: he chose the anchors
 * by it. EXPIRED, NOT_YET_VALID, REVOKED, NO_CRL and CRL_STALE are found only where the signatures
 * hold.
 */
MUST_USE bool chain_path(const struct chain_anchors *a, X509 *leaf, STACK_OF(X509) * others,
    enum chain_use use, int64_t at, struct chain_verdict *v);
/* chain_leaf and chain_path in one. */
MUST_USE bool chain_judge(const struct chain_anchors *a, X509 *leaf, STACK_OF(X509) * others,
    enum chain_use use, int64_t at, struct chain_verdict *out);
/*
 * A signer judged once before, again: the path and the validity at the time 'then' at which it was
 * accepted, but the revocation lists as they are at present, however old.  True: it still stands.
 */
MUST_USE bool chain_judge_again(const struct chain_anchors *a, X509 *leaf, STACK_OF(X509) * others,
    int64_t then, struct chain_verdict *out);

/*
 * A chain of DER certificates, leaf first, at most LIMIT_CHAIN_CERTS, as Hello and Signer carry it.
 * The caller frees with chain_certs_free.  Errors: ERR_DATA, ERR_NOMEM.
 */
MUST_USE bool chain_certs_new(
    const struct bytes *der, size_t count, STACK_OF(X509) * *out, struct err *e);
void chain_certs_free(STACK_OF(X509) * certs);
/* The certificates of a chain that is stored as DER certificates one after the other: views into
 * 'in'.  ERR_DATA. */
MUST_USE bool chain_split(
    struct bytes in, struct bytes out[LIMIT_CHAIN_CERTS], size_t *count, struct err *e);
/* SHA-256 over the DER certificates one after the other, as Signer.digest and the table chain name
 * a chain.  False: the library failed. */
MUST_USE bool chain_digest(const struct bytes *der, size_t count, uint8_t out[32]);
