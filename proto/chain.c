#include "proto/chain_anchors.h"

#include <assert.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#define SECURITY_LEVEL 2 /* 112 bits: RSA 2048, SHA-256 */
#define SECURITY_BITS 112
#define SIGNER_RSA_BITS 3072 /* design section 6 */
#define TLS_RSA_BITS 2048

static const struct {
	const char *token, *alert, *text;
} faults[CHAIN_FAULT_COUNT] = {
	[CHAIN_GOOD] = { "good", "-", "no fault" },
#define F(name, token, alert, text) [CHAIN_##name] = { token, alert, text },
#include "proto/chain.def"
#undef F
};

const char *
chain_fault_token(enum chain_fault fault)
{
	assert(fault < CHAIN_FAULT_COUNT);
	return faults[fault].token;
}

const char *
chain_fault_alert(enum chain_fault fault)
{
	assert(fault < CHAIN_FAULT_COUNT);
	return faults[fault].alert;
}

const char *
chain_fault_text(enum chain_fault fault)
{
	assert(fault < CHAIN_FAULT_COUNT);
	return faults[fault].text;
}

static bool
fault(struct chain_verdict *v, enum chain_fault f, const char *why)
{
	v->fault = f;
	(void)snprintf(v->why, sizeof(v->why), "%.159s", why);
	return false;
}

/* ---- the leaf ---- */

static bool
signs(enum chain_use use)
{
	return use == CHAIN_SIGNER || use == CHAIN_TERMS;
}

static bool
key_is_accepted(const EVP_PKEY *key, enum chain_use use)
{
	char group[32];
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_ED25519:
		return true;
	case EVP_PKEY_EC:
		return EVP_PKEY_get_utf8_string_param(
			   key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group), NULL) == 1 &&
		       (strcmp(group, "prime256v1") == 0 || strcmp(group, "secp384r1") == 0);
	case EVP_PKEY_RSA:
	case EVP_PKEY_RSA_PSS:
		return EVP_PKEY_get_bits(key) >= (signs(use) ? SIGNER_RSA_BITS : TLS_RSA_BITS);
	default:
		return false;
	}
}

static bool
leaf_use(enum chain_use use, struct chain_verdict *v)
{
	const struct cert *c = &v->cert;
	if (c->is_ca)
		return fault(v, CHAIN_CA, "basicConstraints says CA:TRUE");
	if (c->key_cert_sign || c->crl_sign)
		return fault(v, CHAIN_CERT_SIGN, "keyUsage has keyCertSign or cRLSign");
	if (use == CHAIN_CLIENT && !c->eku_client)
		return fault(v, CHAIN_EKU, "no extended key usage clientAuth");
	if (use == CHAIN_SERVER && !c->eku_server)
		return fault(v, CHAIN_EKU, "no extended key usage serverAuth");
	if (use == CHAIN_SIGNER && !c->eku_document)
		return fault(
		    v, CHAIN_EKU, "no extended key usage documentSigning (1.3.6.1.5.5.7.3.36)");
	if (use == CHAIN_TERMS && !c->eku_document && !c->eku_email)
		return fault(v, CHAIN_EKU,
		    "no extended key usage documentSigning (1.3.6.1.5.5.7.3.36) or "
		    "emailProtection");
	bool absent_is_fine = !signs(use) && !c->has_key_usage;
	if (!c->digital_signature && !absent_is_fine)
		return fault(v, CHAIN_KEY_USAGE, "no key usage digitalSignature");
	return true;
}

bool
chain_leaf(X509 *leaf, enum chain_use use, struct chain_verdict *out)
{
	struct err e = { 0 };
	memset(out, 0, sizeof(*out));
	if (!cert_read(leaf, &out->cert, &e)) {
		bool ours = e.code == ERR_NOMEM || e.code == ERR_CRYPTO;
		out->cert.id_text[0] = '\0';
		return fault(out, ours ? CHAIN_INTERNAL : CHAIN_IDENTITY, e.text);
	}
	if (!leaf_use(use, out))
		return false;
	const EVP_PKEY *key = X509_get0_pubkey(leaf);
	if (key == NULL || !key_is_accepted(key, use))
		return fault(out, CHAIN_KEY,
		    signs(use) ? "not P-256, P-384, Ed25519 or RSA from 3072 bits"
			       : "not P-256, P-384, Ed25519 or RSA from 2048 bits");
	int bits = 0;
	if (X509_get_signature_info(leaf, NULL, NULL, &bits, NULL) != 1 || bits < SECURITY_BITS)
		return fault(out, CHAIN_KEY, "signed with a weak algorithm");
	return true;
}

/* ---- the path ---- */

enum path_checks { PATH_ALL, PATH_NO_CRL, PATH_NO_CRL_NO_TIME };

static void
path_params(X509_STORE_CTX *ctx, const struct chain_anchors *a, enum chain_use use, int64_t at,
    enum path_checks checks)
{
	X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(ctx);
	/* every certificate of the bundle is an anchor, self-signed or not */
	unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN;
	/* CRL_CHECK_ALL without CRL_CHECK checks nothing (FACTS 27) */
	if (checks == PATH_ALL && sk_X509_CRL_num(a->crls) > 0)
		flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
	if (checks == PATH_NO_CRL_NO_TIME)
		flags |= X509_V_FLAG_NO_CHECK_TIME;
	else
		X509_VERIFY_PARAM_set_time(p, (time_t)at);
	(void)X509_VERIFY_PARAM_set_flags(p, flags);
	X509_VERIFY_PARAM_set_depth(p, LIMIT_CHAIN_DEPTH);
	X509_VERIFY_PARAM_set_auth_level(p, SECURITY_LEVEL);
	/* OpenSSL 3.0 has no purpose for documentSigning: leaf_use and path_authorities look */
	int purpose = use == CHAIN_CLIENT   ? X509_PURPOSE_SSL_CLIENT
		      : use == CHAIN_SERVER ? X509_PURPOSE_SSL_SERVER
					    : X509_PURPOSE_ANY;
	(void)X509_VERIFY_PARAM_set_purpose(p, purpose);
}

/* An issuer whose certificate names extended key usages must have that which the leaf uses. */
static bool
issuer_may_sign(X509 *x, const struct cert *leaf, enum chain_use use)
{
	EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
	if (eku == NULL)
		return X509_get_ext_by_NID(x, NID_ext_key_usage, -1) < 0;
	bool may = false;
	char oid[64];
	for (int i = 0; i < sk_ASN1_OBJECT_num(eku); i++) {
		(void)OBJ_obj2txt(oid, sizeof(oid), sk_ASN1_OBJECT_value(eku, i), 1);
		may |= strcmp(oid, "2.5.29.37.0") == 0 ||
		       (leaf->eku_document && strcmp(oid, "1.3.6.1.5.5.7.3.36") == 0) ||
		       (use == CHAIN_TERMS && leaf->eku_email &&
			   strcmp(oid, "1.3.6.1.5.5.7.3.4") == 0);
	}
	EXTENDED_KEY_USAGE_free(eku);
	return may;
}

static bool
path_found(X509_STORE_CTX *ctx, enum chain_use use, struct chain_verdict *v)
{
	STACK_OF(X509) *path = X509_STORE_CTX_get0_chain(ctx);
	int count = sk_X509_num(path);
	v->not_after = v->own_after = v->cert.not_after_s;
	v->not_before = v->cert.not_before_s;
	for (int i = 1; i < count; i++) {
		X509 *x = sk_X509_value(path, i);
		/* OpenSSL also takes version 1 roots and keyUsage alone for a CA */
		if (X509_check_ca(x) != 1)
			return fault(v, CHAIN_UNTRUSTED, "an issuer is no certification authority");
		if (signs(use) && !issuer_may_sign(x, &v->cert, use))
			return fault(v, CHAIN_UNTRUSTED, "an issuer may not sign for signers");
		int64_t end = cert_time(X509_get0_notAfter(x));
		int64_t begin = cert_time(X509_get0_notBefore(x));
		v->own_after = v->not_after;
		v->not_after = end < v->not_after ? end : v->not_after;
		v->not_before = begin > v->not_before ? begin : v->not_before;
	}
	if (count < 2) /* a leaf that is its own anchor: anchors are CAs, leaves are not */
		return fault(v, CHAIN_UNTRUSTED, "no issuer");
	if (X509_digest(sk_X509_value(path, count - 1), EVP_sha256(), v->anchor, NULL) != 1)
		return fault(v, CHAIN_INTERNAL, "digest of the anchor");
	return true;
}

static enum chain_fault
fault_of(int code)
{
	switch (code) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return CHAIN_EXPIRED;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return CHAIN_NOT_YET_VALID;
	case X509_V_ERR_CERT_REVOKED:
		return CHAIN_REVOKED;
	case X509_V_ERR_CRL_HAS_EXPIRED:
		return CHAIN_CRL_STALE;
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
	case X509_V_ERR_CRL_SIGNATURE_FAILURE:
	case X509_V_ERR_CRL_NOT_YET_VALID:
	case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
	case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
	case X509_V_ERR_DIFFERENT_CRL_SCOPE:
		return CHAIN_NO_CRL;
	case X509_V_ERR_OUT_OF_MEM:
	case X509_V_ERR_UNSPECIFIED:
		return CHAIN_INTERNAL;
	default:
		return CHAIN_UNTRUSTED;
	}
}

struct path_ask {
	const struct chain_anchors *anchors;
	X509 *leaf;
	STACK_OF(X509) * others;
	enum chain_use use;
	int64_t at;
	X509_STORE_CTX *ctx; /* after path_verify: the path; the asker's to free */
};

static bool
path_verify(struct path_ask *ask, enum path_checks checks, struct chain_verdict *v)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_STORE_CTX_free(ask->ctx);
	ask->ctx = ctx;
	if (ctx == NULL ||
	    X509_STORE_CTX_init(ctx, ask->anchors->store, ask->leaf, ask->others) != 1)
		return fault(v, CHAIN_INTERNAL, "out of memory");
	path_params(ctx, ask->anchors, ask->use, ask->at, checks);
	int found = X509_verify_cert(ctx);
	ERR_clear_error();
	if (found == 1)
		return path_found(ctx, ask->use, v);
	int code = X509_STORE_CTX_get_error(ctx);
	v->fault = found < 0 || code == X509_V_OK ? CHAIN_INTERNAL : fault_of(code);
	(void)snprintf(v->why, sizeof(v->why), "%.100s (certificate %d of the chain, from 0)",
	    X509_verify_cert_error_string(code), X509_STORE_CTX_get_error_depth(ctx));
	return false;
}

bool
chain_path(const struct chain_anchors *a, X509 *leaf, STACK_OF(X509) * others, enum chain_use use,
    int64_t at, struct chain_verdict *v)
{
	struct path_ask ask = { a, leaf, others, use, at, NULL };
	bool good = path_verify(&ask, PATH_ALL, v);
	/* "expired" and "revoked" are said only to whom the party's CA did issue a certificate:
	 * OpenSSL looks at dates and lists before it has checked every signature */
	if (!good && v->fault != CHAIN_UNTRUSTED && v->fault != CHAIN_INTERNAL) {
		enum chain_fault first = v->fault;
		char why[sizeof(v->why)];
		memcpy(why, v->why, sizeof(why));
		if (path_verify(&ask, PATH_NO_CRL_NO_TIME, v))
			(void)fault(v, first, why);
	}
	X509_STORE_CTX_free(ask.ctx);
	return good;
}

bool
chain_judge(const struct chain_anchors *a, X509 *leaf, STACK_OF(X509) * others, enum chain_use use,
    int64_t at, struct chain_verdict *out)
{
	return chain_leaf(leaf, use, out) && chain_path(a, leaf, others, use, at, out);
}

/* ---- again, later ---- */

/* Whether 'x', issued by 'issuer', is on the issuer's list as it is now. */
static bool
still_unrevoked(
    const struct chain_anchors *a, X509 *x, X509 *issuer, bool must, struct chain_verdict *v)
{
	for (int i = 0; i < sk_X509_CRL_num(a->crls); i++) {
		X509_CRL *crl = sk_X509_CRL_value(a->crls, i);
		X509_REVOKED *entry = NULL;
		if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_issuer_name(x)) != 0 ||
		    X509_CRL_verify(crl, X509_get0_pubkey(issuer)) != 1)
			continue;
		if (X509_CRL_get0_by_cert(crl, &entry, x) == 1)
			return fault(v, CHAIN_REVOKED, "on the present revocation list");
		return true;
	}
	return !must || fault(v, CHAIN_NO_CRL, "no present revocation list of an issuer");
}

bool
chain_judge_again(const struct chain_anchors *a, X509 *leaf, STACK_OF(X509) * others, int64_t then,
    struct chain_verdict *out)
{
	if (!chain_leaf(leaf, CHAIN_SIGNER, out))
		return false;
	struct path_ask ask = { a, leaf, others, CHAIN_SIGNER, then, NULL };
	bool good = path_verify(&ask, PATH_NO_CRL, out);
	STACK_OF(X509) *path = good ? X509_STORE_CTX_get0_chain(ask.ctx) : NULL;
	int last = sk_X509_num(path) - 1;
	for (int i = 0; good && i <= last && sk_X509_CRL_num(a->crls) > 0; i++) {
		/* an anchor is revoked by taking it out of the bundle */
		X509 *issuer = sk_X509_value(path, i == last ? i : i + 1);
		good = still_unrevoked(a, sk_X509_value(path, i), issuer, i != last, out);
	}
	ERR_clear_error();
	X509_STORE_CTX_free(ask.ctx);
	return good;
}
