/*
 * seal.h - the batch signature of a report (design section 6): from the manifest's leaf hash to the
 * root that is signed, and the signature over it.  Publishers, the broker, recipients and auditors
 * judge by the same code; nothing here knows the schema.
 * Pure.  Threads: no shared state.
 */
#pragma once
#include "proto/err.h"
#include "proto/facts.h"

#include <openssl/types.h>

struct arena;
struct sha256;

enum { SEAL_BATCH_MAX = 64, SEAL_PATH = 6, SEAL_MESSAGE_MAX = 128 };

struct seal {
	uint32_t place;	   /* 0..63 in the batch */
	struct names path; /* none, or 6 of 32 */
	struct bytes signature;
};

/* Whether place and path fit together.  ERR_MALFORMED. */
MUST_USE bool seal_check(const struct seal *s, struct err *e);
/* The root that the signature is over; 'leaf' is SHA-256(0x00 || manifest). */
MUST_USE bool seal_root(
    struct sha256 *h, const uint8_t leaf[32], const struct seal *s, uint8_t out[32], struct err *e);
/*
 * Verifies by the kind of key that the certificate has: ECDSA P-256 or P-384 in DER, Ed25519,
 * RSA-PSS (SHA-256, salt 32) with 3,072 bits or more; any other key is ERR_BAD_SIGNATURE.
 */
MUST_USE bool seal_signature(
    EVP_PKEY *key, const uint8_t root[32], struct bytes signature, struct err *e);

/* The same over any message: what an agent's key signs besides begins with another word. */
MUST_USE bool seal_holds(
    EVP_PKEY *key, struct bytes message, struct bytes signature, struct err *e);
/* Signs, into 'a'.  ERR_BAD_SIGNATURE: a key of a kind that does not sign; ERR_CRYPTO, ERR_NOMEM.
 */
MUST_USE bool seal_sign(
    EVP_PKEY *key, struct bytes message, struct arena *a, struct bytes *out, struct err *e);

/* What is signed: 64 spaces, "relto/1 batch", NUL, the root.  Returns the length. */
size_t seal_message(const uint8_t root[32], uint8_t out[SEAL_MESSAGE_MAX]);
