#include "client/cli/mint.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define SERIAL_BYTES 16

EVP_PKEY *
mint_p256(void)
{
	return EVP_EC_gen("P-256");
}

EVP_PKEY *
mint_ed25519(void)
{
	return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static bool
failed(struct err *e, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	ERR_clear_error();
	return err_set(e, ERR_CRYPTO, "%s: %s", what, reason == NULL ? "failed" : reason);
}

static bool
set_serial(X509 *x)
{
	uint8_t random[SERIAL_BYTES];
	if (RAND_bytes(random, sizeof(random)) != 1)
		return false;
	random[0] = (random[0] & 0x7f) | 0x40; /* positive, and of one length */
	BIGNUM *n = BN_bin2bn(random, sizeof(random), NULL);
	bool ok = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;
	BN_free(n);
	return ok;
}

static bool
set_name(X509 *x, const char *name)
{
	X509_NAME *to = X509_get_subject_name(x);
	return X509_NAME_add_entry_by_txt(
		   to, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) == 1;
}

static bool
add_extension(X509 *x, X509V3_CTX *ctx, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
	bool ok = ext != NULL && X509_add_ext(x, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

static bool
add_usage(X509 *x, X509V3_CTX *ctx, unsigned usage)
{
	bool ca = (usage & MINT_AUTHORITY) != 0;
	const char *keys = ca				   ? "critical,keyCertSign,cRLSign"
			   : (usage & MINT_CERT_SIGN) != 0 ? "critical,digitalSignature,keyCertSign"
							   : "critical,digitalSignature";
	char extended[128] = "";
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = { { MINT_CLIENT, "clientAuth" }, { MINT_SERVER, "serverAuth" },
		{ MINT_SIGNER, "1.3.6.1.5.5.7.3.36" }, { MINT_EMAIL, "emailProtection" } };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t used = strlen(extended);
		if ((usage & names[i].bit) != 0)
			(void)snprintf(extended + used, sizeof(extended) - used, "%s%s",
			    used > 0 ? "," : "", names[i].name);
	}
	return add_extension(
		   x, ctx, NID_basic_constraints, ca ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
	       add_extension(x, ctx, NID_key_usage, keys) &&
	       (extended[0] == '\0' || add_extension(x, ctx, NID_ext_key_usage, extended));
}

static bool
add_names(X509 *x, const struct mint_spec *spec)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	bool ok = names != NULL;
	for (size_t i = 0; ok && i < spec->uri_count; i++) {
		GENERAL_NAME *one = GENERAL_NAME_new();
		ASN1_IA5STRING *uri = ASN1_IA5STRING_new();
		ok = one != NULL && uri != NULL && ASN1_STRING_set(uri, spec->uris[i], -1) == 1;
		if (ok)
			GENERAL_NAME_set0_value(one, GEN_URI, uri);
		else
			ASN1_IA5STRING_free(uri);
		ok = ok && sk_GENERAL_NAME_push(names, one) > 0;
		if (!ok)
			GENERAL_NAME_free(one);
	}
	if (ok && spec->uri_count > 0)
		ok = X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND) == 1;
	GENERAL_NAMES_free(names);
	return ok;
}

/* Ed25519 hashes by itself and wants no digest named. */
static const EVP_MD *
digest_for(const EVP_PKEY *key)
{
	return EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();
}

static bool
fill(X509 *x, const struct mint_spec *spec, EVP_PKEY *key, const struct mint_authority *issuer)
{
	X509 *signer = issuer == NULL ? x : issuer->cert;
	if (X509_set_version(x, X509_VERSION_3) != 1 || !set_serial(x) ||
	    !set_name(x, spec->name) ||
	    X509_set_issuer_name(x, X509_get_subject_name(signer)) != 1 ||
	    ASN1_TIME_set(X509_getm_notBefore(x), (time_t)spec->from_s) == NULL ||
	    ASN1_TIME_set(X509_getm_notAfter(x), (time_t)spec->until_s) == NULL ||
	    X509_set_pubkey(x, key) != 1)
		return false;
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, signer, x, NULL, NULL, 0);
	EVP_PKEY *with = issuer == NULL ? key : issuer->key;
	return add_usage(x, &ctx, spec->usage) &&
	       add_extension(x, &ctx, NID_subject_key_identifier, "hash") &&
	       add_extension(x, &ctx, NID_authority_key_identifier, "keyid") &&
	       add_names(x, spec) && X509_sign(x, with, digest_for(with)) > 0;
}

bool
mint_cert(const struct mint_spec *spec, EVP_PKEY *key, const struct mint_authority *issuer,
    X509 **out, struct err *e)
{
	X509 *x = X509_new();
	if (x == NULL || !fill(x, spec, key, issuer)) {
		X509_free(x);
		return failed(e, "certificate");
	}
	*out = x;
	return true;
}

/* ---- revocation lists ---- */

static bool
crl_begin(X509_CRL *crl, const struct mint_authority *issuer, int64_t made_s, int64_t next_s)
{
	ASN1_TIME *made = ASN1_TIME_set(NULL, (time_t)made_s);
	ASN1_TIME *next = ASN1_TIME_set(NULL, (time_t)next_s);
	bool ok = made != NULL && next != NULL && X509_CRL_set_version(crl, 1) == 1 &&
		  X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->cert)) == 1 &&
		  X509_CRL_set1_lastUpdate(crl, made) == 1 &&
		  X509_CRL_set1_nextUpdate(crl, next) == 1;
	ASN1_TIME_free(made);
	ASN1_TIME_free(next);
	return ok;
}

static bool
crl_add(X509_CRL *crl, const ASN1_INTEGER *serial, int64_t when_s)
{
	X509_REVOKED *entry = X509_REVOKED_new();
	ASN1_INTEGER *number = ASN1_INTEGER_dup(serial);
	ASN1_TIME *when = ASN1_TIME_set(NULL, (time_t)when_s);
	bool ok = entry != NULL && number != NULL && when != NULL &&
		  X509_REVOKED_set_serialNumber(entry, number) == 1 &&
		  X509_REVOKED_set_revocationDate(entry, when) == 1 &&
		  X509_CRL_add0_revoked(crl, entry) == 1;
	if (!ok)
		X509_REVOKED_free(entry);
	ASN1_INTEGER_free(number);
	ASN1_TIME_free(when);
	return ok;
}

static bool
crl_end(X509_CRL *crl, const struct mint_authority *issuer)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer->cert, NULL, NULL, crl, 0);
	X509_EXTENSION *ext =
	    X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid");
	bool ok = ext != NULL && X509_CRL_add_ext(crl, ext, -1) == 1 && X509_CRL_sort(crl) == 1 &&
		  X509_CRL_sign(crl, issuer->key, digest_for(issuer->key)) > 0;
	X509_EXTENSION_free(ext);
	return ok;
}

bool
mint_crl(const struct mint_authority *issuer, STACK_OF(X509) * revoked, int64_t made_s,
    int64_t next_s, X509_CRL **out, struct err *e)
{
	X509_CRL *crl = X509_CRL_new();
	bool ok = crl != NULL && crl_begin(crl, issuer, made_s, next_s);
	for (int i = 0; ok && i < sk_X509_num(revoked); i++)
		ok = crl_add(crl, X509_get0_serialNumber(sk_X509_value(revoked, i)), made_s);
	if (!ok || !crl_end(crl, issuer)) {
		X509_CRL_free(crl);
		return failed(e, "revocation list");
	}
	*out = crl;
	return true;
}

bool
mint_crl_more(const struct mint_authority *issuer, X509_CRL *old, X509 *revoked, int64_t made_s,
    int64_t next_s, X509_CRL **out, struct err *e)
{
	STACK_OF(X509_REVOKED) *had = old == NULL ? NULL : X509_CRL_get_REVOKED(old);
	const ASN1_INTEGER *added = X509_get0_serialNumber(revoked);
	bool known = false;
	X509_CRL *crl = X509_CRL_new();
	bool ok = crl != NULL && crl_begin(crl, issuer, made_s, next_s);
	for (int i = 0; ok && i < sk_X509_REVOKED_num(had); i++) {
		const ASN1_INTEGER *serial =
		    X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(had, i));
		known |= ASN1_INTEGER_cmp(serial, added) == 0;
		ok = crl_add(crl, serial, made_s);
	}
	ok = ok && (known || crl_add(crl, added, made_s));
	if (!ok || !crl_end(crl, issuer)) {
		X509_CRL_free(crl);
		return failed(e, "revocation list");
	}
	*out = crl;
	return true;
}
