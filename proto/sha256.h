/*
 * sha256.h - SHA-256 through one reusable OpenSSL context.
 * Re-initialising one context costs a third of a one-shot (AUDIT section 4), so each thread keeps a
 * struct sha256 and passes it down; the pure layers have no globals to keep one in.
 * Threads: one caller at a time.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"

enum { SHA256_LEN = 32 };

struct evp_md_ctx_st;
struct sha256 {
	struct evp_md_ctx_st *ctx; /* owned */
	bool failed;		   /* sticks from begin to end */
};

/* ERR_CRYPTO if the library has no SHA-256, ERR_NOMEM. */
MUST_USE bool sha256_init(struct sha256 *h, struct err *e);
/* Frees the context; NULL and half-built are accepted. */
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
