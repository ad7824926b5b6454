/*
 * cms.h - detached CMS signatures (RFC 5652) over the terms of an agreement (design section 7), as
 * `openssl cms -sign -binary -outform DER` makes them.  Accepted is one shape only: DER, nothing
 * attached, one signer with signed attributes, his certificate inside and at most three others,
 * SHA-256, -384 or -512, a key of design section 6 (no Ed25519: OpenSSL 3.0 has no CMS for it).
 * Whose certificate it is, and whether it is believed, says chain.h (CHAIN_TERMS).
 * Pure.  Threads: nothing is kept.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"

#include <openssl/x509.h>

/*
 * The certificates inside, the signer's first, of a signature that holds over 'content'; the caller
 * frees them with chain_certs_free.  Errors: ERR_LIMIT, ERR_DATA (the shape), ERR_BAD_SIGNATURE (it
 * does not hold), each for people; ERR_NOMEM.
 */
MUST_USE bool cms_open(
    struct bytes signature, struct bytes content, STACK_OF(X509) * *out, struct err *e);
