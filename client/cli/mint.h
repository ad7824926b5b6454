/*
 * mint.h - keys, certificates and revocation lists for the lab (and for tests): a throwaway public
 * key infrastructure, made with OpenSSL's own calls.  Real parties bring their own.
 * Threads: one caller at a time.
 */
#pragma once
#include "proto/err.h"

#include <openssl/x509.h>
#include <stdint.h>

enum mint_usage {	     /* bits */
	MINT_AUTHORITY = 1,  /* CA:TRUE, keyCertSign, cRLSign */
	MINT_CLIENT = 2,     /* EKU clientAuth */
	MINT_SERVER = 4,     /* EKU serverAuth */
	MINT_SIGNER = 8,     /* EKU documentSigning */
	MINT_CERT_SIGN = 16, /* keyCertSign without CA:TRUE: no leaf should have it */
	MINT_EMAIL = 32	     /* EKU emailProtection */
};

struct mint_spec {
	const char *name;	 /* common name */
	const char *const *uris; /* subject alternative names */
	size_t uri_count;
	unsigned usage;
	int64_t from_s, until_s; /* s since 1970 */
};

struct mint_authority { /* borrowed */
	X509 *cert;
	EVP_PKEY *key;
};

/* Private keys; NULL if OpenSSL has none to give.  The caller frees them. */
EVP_PKEY *mint_p256(void);
EVP_PKEY *mint_ed25519(void);

/*
 * A certificate for 'key' (its public half), issued by 'issuer' or, without one, self-signed.  The
 * serial number is random, 127 bits.  Errors: ERR_CRYPTO.
 */
MUST_USE bool mint_cert(const struct mint_spec *spec, EVP_PKEY *key,
    const struct mint_authority *issuer, X509 **out, struct err *e);
/* A revocation list; 'revoked' may be NULL.  Errors: ERR_CRYPTO. */
MUST_USE bool mint_crl(const struct mint_authority *issuer, STACK_OF(X509) * revoked,
    int64_t made_s, int64_t next_s, X509_CRL **out, struct err *e);
/* Adds to what 'old' (may be NULL) lists already: a certificate once revoked stays so. */
MUST_USE bool mint_crl_more(const struct mint_authority *issuer, X509_CRL *old, X509 *revoked,
    int64_t made_s, int64_t next_s, X509_CRL **out, struct err *e);
