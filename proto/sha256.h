/*
 * sha256.h - SHA-256, by OpenSSL's block function without the layer above it: a report is some 120
 * digests of 20 to 200 bytes, and half the time of each went into that layer (decision 0005).
 * Plain data on the owner's stack or in its struct; nothing is allocated.
 * Threads: one caller at a time.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"

#include <openssl/sha.h>

enum { SHA256_LEN = 32 };

struct sha256 {
	struct SHA256state_st state;
	bool failed; /* sticks from begin to end */
};

/* ERR_CRYPTO if the library gives a wrong digest for the empty string: no start without it. */
MUST_USE bool sha256_init(struct sha256 *h, struct err *e);
/* Cleanses what was hashed last; NULL and half-built are accepted. */
void sha256_done(struct sha256 *h);

/* begin, add.., end: a failure in any of them is reported by end (ERR_CRYPTO). */
void sha256_begin(struct sha256 *h);
void sha256_add(struct sha256 *h, struct bytes in);
MUST_USE bool sha256_end(struct sha256 *h, uint8_t out[SHA256_LEN], struct err *e);

/* The digest of 'in' at once. */
MUST_USE bool sha256_of(struct sha256 *h, struct bytes in, uint8_t out[SHA256_LEN], struct err *e);
/* The digest of one byte and then 'in': how relto separates its domains. */
MUST_USE bool sha256_tagged(
    struct sha256 *h, uint8_t tag, struct bytes in, uint8_t out[SHA256_LEN], struct err *e);

static inline void
sha256_done_scoped(struct sha256 *h)
{
	sha256_done(h);
}
