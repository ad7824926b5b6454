/*
 * cert.h - what relto reads from a certificate: who it names and what it may be used for (design
 * section 7).  No chain is judged here: the caller verifies it against the bundle of the trust
 * domain that the certificate names, then asks cert_check_*.  FACTS: OpenSSL's own checks accept a
 * leaf with no EKU, with two URI SANs, with CA:TRUE; these do not.
 * Pure: no clock, no store.  Threads: the X509 is only read.
 */
#pragma once
#include "proto/limits.h"
#include "proto/spiffe.h"
#include <openssl/types.h>

struct cert {
	uint8_t digest[32];  /* SHA-256 of the DER */
	struct spiffe_id id; /* of the one URI SAN; views into id_text (a copy must be re-parsed) */
	char id_text[LIMIT_SPIFFE_ID_BYTES + 1];
	int64_t not_before_s, not_after_s; /* s since 1970 UTC */
	bool is_ca;			   /* basicConstraints CA:TRUE */
	bool has_key_usage;
	bool digital_signature, key_cert_sign, crl_sign;      /* false without keyUsage */
	bool eku_client, eku_server, eku_document, eku_email; /* false without EKU */
};

/*
 * Reads a leaf.  ERR_CERTIFICATE if it does not have exactly one URI SAN, if that is no SPIFFE id,
 * or if an extension cannot be read or stands twice.  'out' is filled in place (it holds views into
 * itself, so do not assign it).
 */
MUST_USE bool cert_read(X509 *x, struct cert *out, struct err *e);
/* CA:FALSE, no keyCertSign, no cRLSign, and EKU clientAuth: may open a connection. */
MUST_USE bool cert_check_client(const struct cert *c, struct err *e);
/* The same with serverAuth: may be a hub. */
MUST_USE bool cert_check_server(const struct cert *c, struct err *e);
/* CA:FALSE, no keyCertSign, keyUsage digitalSignature, EKU documentSigning: may sign reports. */
MUST_USE bool cert_check_signer(const struct cert *c, struct err *e);

/* One certificate of exactly these DER bytes; the caller frees it with X509_free. */
MUST_USE bool cert_from_der(struct bytes der, X509 **out, struct err *e);
/* SHA-256 over the DER certificates one after the other: how Signer and Deliver name a chain. */
MUST_USE bool cert_chain_digest(
    const struct bytes *ders, size_t count, uint8_t out[32], struct err *e);
