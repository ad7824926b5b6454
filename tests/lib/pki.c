#include "tests/lib/pki.h"

#include "tests/lib/test.h"

#include "client/cli/mint.h"

#include <openssl/pem.h>
#include <time.h>

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
add(struct pki *p, const char *name, const struct entry *by, const struct mint_spec *spec)
{
	struct err e = { 0 };
	assert_true(p->count < PKI_MAX);
	struct entry *n = &p->entries[p->count++];
	snprintf(n->name, sizeof(n->name), "%s", name);
	n->key = mint_p256();
	const struct mint_authority issuer = { by == NULL ? NULL : by->cert,
		by == NULL ? NULL : by->key };
	if (n->key == NULL || !mint_cert(spec, n->key, by == NULL ? NULL : &issuer, &n->cert, &e))
		fail_msg("certificate '%s': %s", name, e.text);
	n->cert_pem = BIO_new(BIO_s_mem());
	n->key_pem = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_X509(n->cert_pem, n->cert), 1);
	assert_int_equal(
	    PEM_write_bio_PrivateKey(n->key_pem, n->key, NULL, NULL, 0, NULL, NULL), 1);
}

void
pki_ca(struct pki *p, const char *name)
{
	char cn[64];
	int64_t now = time(NULL);
	/* names compare without regard to case: a leaf must not look like its own issuer */
	snprintf(cn, sizeof(cn), "CA %s", name);
	const struct mint_spec spec = {
		.name = cn,
		.usage = MINT_AUTHORITY,
		.from_s = now - DAY_S,
		.until_s = now + DAY_S,
	};
	add(p, name, NULL, &spec);
}

void
pki_leaf(struct pki *p, const char *name, const char *ca, const char *uri, enum pki_use use)
{
	int64_t now = time(NULL);
	const struct mint_spec spec = {
		.name = name,
		.uris = &uri,
		.uri_count = 1,
		.usage = use == PKI_SERVER ? MINT_SERVER : MINT_CLIENT,
		.from_s = now - DAY_S,
		.until_s = now + DAY_S,
	};
	add(p, name, find(p, ca), &spec);
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
