/*
 * cert.h - what relto reads from a certificate: who it names and what it may be used for (design
 * section 7).  Nothing is judged here; chain.h does that.
 * Pure: no clock, no store.  Threads: the X509 is only read.
 */
#pragma once
#include "proto/limits.h"
#include "proto/spiffe.h"

#include <openssl/types.h>

struct cert {
	uint8_t digest[32];  /* SHA-256 of the DER */
	struct spiffe_id id; /* of the one URI SAN; views into id_text */
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
 * itself, so do not assign it), the digest first: it is there even when the rest cannot be read.
 */
MUST_USE bool cert_read(X509 *x, struct cert *out, struct err *e);

/* s since 1970; 0, long past, for what cannot be read. */
int64_t cert_time(const ASN1_TIME *t);

/* One certificate of exactly these DER bytes; the caller frees it with X509_free. */
MUST_USE bool cert_from_der(struct bytes der, X509 **out, struct err *e);
