#include "proto/cert.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

int64_t
cert_time(const ASN1_TIME *t)
{
	int days = 0, seconds = 0;
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	bool ok = t != NULL && epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, t) == 1;
	ASN1_TIME_free(epoch);
	ERR_clear_error();
	return ok ? (int64_t)days * 86400 + seconds : 0;
}

/* An extension, NULL if absent.  One that stands twice or cannot be read is an error. */
static bool
extension(X509 *x, int nid, void **out, struct err *e)
{
	int found = 0; /* -1: absent, -2: twice, else whether it is critical */
	*out = X509_get_ext_d2i(x, nid, &found, NULL);
	ERR_clear_error();
	if (*out != NULL || found == -1)
		return true;
	return err_set(e, ERR_CERTIFICATE, "the extension %s %s", OBJ_nid2ln(nid),
	    found == -2 ? "stands twice" : "cannot be read");
}

static bool
read_names(const GENERAL_NAMES *names, struct cert *out, struct err *e)
{
	int uris = 0;
	struct bytes id = { 0 };
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type != GEN_URI)
			continue;
		uris++;
		id = bytes_from(ASN1_STRING_get0_data(name->d.uniformResourceIdentifier),
		    (size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier));
	}
	if (uris != 1)
		return err_set(e, ERR_CERTIFICATE,
		    "%d URIs as subject alternative name, not exactly one", uris);
	if (id.len == 0 || id.len > LIMIT_SPIFFE_ID_BYTES)
		return err_set(e, ERR_CERTIFICATE, "a SPIFFE id of %zu bytes", id.len);
	memcpy(out->id_text, id.data, id.len);
	out->id_text[id.len] = '\0';
	struct err why = { 0 };
	if (spiffe_parse(bytes_from(out->id_text, id.len), &out->id, &why))
		return true;
	out->id_text[0] = '\0'; /* nobody is to take it for an id */
	return err_set(e, ERR_CERTIFICATE, "%s", why.text);
}

static bool
read_id(X509 *x, struct cert *out, struct err *e)
{
	void *names;
	if (!extension(x, NID_subject_alt_name, &names, e))
		return false;
	bool ok = read_names(names, out, e);
	GENERAL_NAMES_free(names);
	return ok;
}

static bool
read_constraints(X509 *x, struct cert *out, struct err *e)
{
	void *found;
	if (!extension(x, NID_basic_constraints, &found, e))
		return false;
	out->is_ca = found != NULL && ((BASIC_CONSTRAINTS *)found)->ca != 0;
	BASIC_CONSTRAINTS_free(found);
	return true;
}

static bool
read_key_usage(X509 *x, struct cert *out, struct err *e)
{
	void *found;
	if (!extension(x, NID_key_usage, &found, e))
		return false;
	const ASN1_BIT_STRING *bits = found;
	out->has_key_usage = bits != NULL;
	if (bits != NULL) { /* RFC 5280, 4.2.1.3: digitalSignature 0, keyCertSign 5, cRLSign 6 */
		out->digital_signature = ASN1_BIT_STRING_get_bit(bits, 0) != 0;
		out->key_cert_sign = ASN1_BIT_STRING_get_bit(bits, 5) != 0;
		out->crl_sign = ASN1_BIT_STRING_get_bit(bits, 6) != 0;
	}
	ASN1_BIT_STRING_free(found);
	return true;
}

static bool
read_extended(X509 *x, struct cert *out, struct err *e)
{
	void *found;
	if (!extension(x, NID_ext_key_usage, &found, e))
		return false;
	const EXTENDED_KEY_USAGE *list = found;
	for (int i = 0; i < sk_ASN1_OBJECT_num(list); i++) {
		char oid[64];
		(void)OBJ_obj2txt(oid, sizeof(oid), sk_ASN1_OBJECT_value(list, i), 1);
		out->eku_server |= strcmp(oid, "1.3.6.1.5.5.7.3.1") == 0;
		out->eku_client |= strcmp(oid, "1.3.6.1.5.5.7.3.2") == 0;
		out->eku_email |= strcmp(oid, "1.3.6.1.5.5.7.3.4") == 0;
		out->eku_document |= strcmp(oid, "1.3.6.1.5.5.7.3.36") == 0;
	}
	EXTENDED_KEY_USAGE_free(found);
	return true;
}

bool
cert_read(X509 *x, struct cert *out, struct err *e)
{
	memset(out, 0, sizeof(*out));
	if (X509_digest(x, EVP_sha256(), out->digest, NULL) != 1)
		return err_set(e, ERR_CRYPTO, "digest of a certificate");
	out->not_before_s = cert_time(X509_get0_notBefore(x));
	out->not_after_s = cert_time(X509_get0_notAfter(x));
	return read_id(x, out, e) && read_constraints(x, out, e) && read_key_usage(x, out, e) &&
	       read_extended(x, out, e);
}

bool
cert_from_der(struct bytes der, X509 **out, struct err *e)
{
	const unsigned char *at = der.data;
	X509 *x = der.len == 0 || der.len > LONG_MAX ? NULL : d2i_X509(NULL, &at, (long)der.len);
	ERR_clear_error();
	if (x == NULL || at != der.data + der.len) {
		X509_free(x);
		return err_set(
		    e, ERR_CERTIFICATE, "%zu bytes are not exactly one certificate", der.len);
	}
	*out = x;
	return true;
}
