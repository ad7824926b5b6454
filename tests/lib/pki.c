#include "tests/lib/pki.h"

#include "tests/lib/test.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum { PKI_MAX = 16, DAY_S = 86400 };

struct entry {
	char name[32];
	EVP_PKEY *key;
	X509 *cert;
	BIO *cert_pem, *key_pem;
};
struct pki {
	struct entry entries[PKI_MAX];
	size_t count;
	long serial;
};

struct pki *
pki_new(void)
{
	struct pki *p = calloc(1, sizeof(*p));
	assert_non_null(p);
	return p;
}

void
pki_free(struct pki *p)
{
	for (size_t i = 0; p != NULL && i < p->count; i++) {
		EVP_PKEY_free(p->entries[i].key);
		X509_free(p->entries[i].cert);
		BIO_free(p->entries[i].cert_pem);
		BIO_free(p->entries[i].key_pem);
	}
	free(p);
}

static struct entry *
find(struct pki *p, const char *name)
{
	for (size_t i = 0; i < p->count; i++) {
		if (strcmp(p->entries[i].name, name) == 0)
			return &p->entries[i];
	}
	fail_msg("no certificate '%s'", name);
	return NULL;
}

static void
extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(ext);
	assert_int_equal(X509_add_ext(cert, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

/* Everything but extensions and signature. */
static struct entry *
add(struct pki *p, const char *name, const char *what)
{
	char cn[64];
	assert_true(p->count < PKI_MAX);
	struct entry *n = &p->entries[p->count++];
	snprintf(n->name, sizeof(n->name), "%s", name);
	n->key = EVP_EC_gen("P-256");
	n->cert = X509_new();
	assert_true(n->key != NULL && n->cert != NULL);
	X509_set_version(n->cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(n->cert), ++p->serial);
	X509_gmtime_adj(X509_getm_notBefore(n->cert), -DAY_S);
	X509_gmtime_adj(X509_getm_notAfter(n->cert), DAY_S);
	X509_set_pubkey(n->cert, n->key);
	/* names compare without regard to case: a leaf must not look like its own issuer */
	snprintf(cn, sizeof(cn), "%s %s", what, name);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(n->cert), "CN", MBSTRING_UTF8,
	    (const unsigned char *)cn, -1, -1, 0);
	return n;
}

static void
sign(struct entry *n, const struct entry *by)
{
	assert_true(X509_sign(n->cert, by->key, EVP_sha256()) > 0);
	n->cert_pem = BIO_new(BIO_s_mem());
	n->key_pem = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_X509(n->cert_pem, n->cert), 1);
	assert_int_equal(
	    PEM_write_bio_PrivateKey(n->key_pem, n->key, NULL, NULL, 0, NULL, NULL), 1);
}

void
pki_ca(struct pki *p, const char *name)
{
	struct entry *n = add(p, name, "CA");
	X509_set_issuer_name(n->cert, X509_get_subject_name(n->cert));
	extend(n->cert, n->cert, NID_basic_constraints, "critical,CA:TRUE");
	extend(n->cert, n->cert, NID_key_usage, "critical,keyCertSign,cRLSign");
	extend(n->cert, n->cert, NID_subject_key_identifier, "hash");
	sign(n, n);
}

void
pki_leaf(struct pki *p, const char *name, const char *ca, const char *uri, enum pki_use use)
{
	char san[512];
	const struct entry *by = find(p, ca);
	struct entry *n = add(p, name, "agent");
	X509_set_issuer_name(n->cert, X509_get_subject_name(by->cert));
	snprintf(san, sizeof(san), "URI:%s", uri);
	extend(n->cert, by->cert, NID_basic_constraints, "critical,CA:FALSE");
	extend(n->cert, by->cert, NID_key_usage, "critical,digitalSignature");
	extend(
	    n->cert, by->cert, NID_ext_key_usage, use == PKI_SERVER ? "serverAuth" : "clientAuth");
	extend(n->cert, by->cert, NID_subject_alt_name, san);
	extend(n->cert, by->cert, NID_authority_key_identifier, "keyid");
	sign(n, by);
}

static struct bytes
contents(BIO *b)
{
	char *data;
	long len = BIO_get_mem_data(b, &data);
	return bytes_from(data, (size_t)len);
}

struct bytes
pki_ca_pem(struct pki *p, const char *name)
{
	return contents(find(p, name)->cert_pem);
}

struct bytes
pki_cert_pem(struct pki *p, const char *name)
{
	return contents(find(p, name)->cert_pem);
}

struct bytes
pki_key_pem(struct pki *p, const char *name)
{
	return contents(find(p, name)->key_pem);
}

SSL *
pki_client(struct pki *p, const char *leaf, const char *ca)
{
	const struct entry *mine = find(p, leaf);
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	assert_non_null(ctx);
	assert_int_equal(SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION), 1);
	assert_int_equal(SSL_CTX_use_certificate(ctx, mine->cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, mine->key), 1);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), find(p, ca)->cert);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	assert_int_equal(SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)"\x07relto/1", 8), 0);
	SSL *ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	assert_non_null(ssl);
	SSL_set_connect_state(ssl);
	return ssl;
}
