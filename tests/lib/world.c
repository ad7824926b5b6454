#include "tests/lib/world.h"

#include "tests/lib/test.h"

#include <openssl/pem.h>

static struct bytes
keep(struct world *w, const void *data, size_t len)
{
	uint8_t *copy = malloc(len + 1);
	assert_non_null(copy);
	memcpy(copy, data, len);
	assert_true(w->kept_count < sizeof(w->kept) / sizeof(w->kept[0]));
	return w->kept[w->kept_count++] = bytes_from(copy, len);
}

static struct bytes
keep_bio(struct world *w, BIO *bio)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);
	struct bytes kept = keep(w, data, (size_t)len);
	BIO_free(bio);
	return kept;
}

struct bytes
world_pem_cert(struct world *w, X509 *x)
{
	BIO *bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_X509(bio, x), 1);
	return keep_bio(w, bio);
}

struct bytes
world_pem_key(struct world *w, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	return keep_bio(w, bio);
}

struct bytes
world_pem_crl(
    struct world *w, const struct world_id *issuer, X509 *revoked, int64_t made_s, int64_t next_s)
{
	struct mint_authority a = { issuer->cert, issuer->key };
	X509_CRL *crl = NULL;
	struct err e = { 0 };
	bool ok = revoked == NULL ? mint_crl(&a, NULL, made_s, next_s, &crl, &e)
				  : mint_crl_more(&a, NULL, revoked, made_s, next_s, &crl, &e);
	if (!ok)
		fail_msg("%s", e.text);
	BIO *bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_X509_CRL(bio, crl), 1);
	X509_CRL_free(crl);
	return keep_bio(w, bio);
}

struct bytes
world_pem_join(struct world *w, struct bytes a, struct bytes b)
{
	uint8_t both[65536];
	assert_true(a.len + b.len <= sizeof(both));
	memcpy(both, a.data, a.len);
	memcpy(both + a.len, b.data, b.len);
	return keep(w, both, a.len + b.len);
}

struct bytes
world_der(struct world *w, X509 *x)
{
	uint8_t *der = NULL;
	int len = i2d_X509(x, &der);
	assert_true(len > 0);
	struct bytes kept = keep(w, der, (size_t)len);
	OPENSSL_free(der);
	return kept;
}

struct world_id
world_issue_spec(const struct world_id *issuer, const struct mint_spec *spec, EVP_PKEY *key)
{
	struct world_id id = { NULL, key };
	struct err e = { 0 };
	assert_non_null(key);
	struct mint_authority a = { issuer == NULL ? NULL : issuer->cert,
		issuer == NULL ? NULL : issuer->key };
	if (!mint_cert(spec, key, issuer == NULL ? NULL : &a, &id.cert, &e))
		fail_msg("%s", e.text);
	return id;
}

struct world_id
world_issue(
    const struct world_id *issuer, const char *uri, unsigned usage, int64_t from_s, int64_t until_s)
{
	struct mint_spec spec = { uri == NULL ? "test" : uri, &uri, uri == NULL ? 0 : 1, usage,
		from_s, until_s };
	if (strlen(spec.name) > 60)
		spec.name = "test";
	return world_issue_spec(issuer, &spec, mint_p256());
}

void
world_id_done(struct world_id *id)
{
	X509_free(id->cert);
	EVP_PKEY_free(id->key);
	*id = (struct world_id){ NULL, NULL };
}

static int64_t
the_time(void *arg)
{
	return ((struct world *)arg)->now;
}

static void
make_setup(struct world *w)
{
	static const char *const names[] = { "GBR", "HUB", "NOR" };
	static const char *const domains[] = { "gbr.example", "hub.example", "nor.example" };
	for (int i = 0; i < WORLD_PARTIES; i++) {
		w->agents[i][0] = (struct trust_agent_setup){ bytes_of("/fusion-desk"), 3 };
		w->agents[i][1] = (struct trust_agent_setup){ bytes_of("/inspector"), 8 };
		w->parties[i] = (struct trust_party_setup){ .name = bytes_of(names[i]),
			.domain = bytes_of(domains[i]),
			.bundle = world_pem_cert(w, w->ca[i].cert),
			.agents = w->agents[i],
			.agent_count = 2 };
	}
	w->crls[0] = world_pem_crl(
	    w, &w->ca[WORLD_GBR], NULL, WORLD_NOW - WORLD_DAY / 2, WORLD_NOW + 30 * WORLD_DAY);
	w->parties[WORLD_GBR].crls = w->crls;
	w->parties[WORLD_GBR].crl_count = 1;
	w->setup = (struct trust_setup){ .parties = w->parties,
		.party_count = WORLD_PARTIES,
		.hub = bytes_of("HUB"),
		.certificate = world_pem_cert(w, w->broker.cert),
		.key = world_pem_key(w, w->broker.key),
		.crl_max_age_s = WORLD_DAY,
		.now = the_time,
		.now_arg = w };
}

void
world_make(struct world *w)
{
	static const char *const names[] = { "GBR CA", "HUB CA", "NOR CA" };
	memset(w, 0, sizeof(*w));
	w->now = WORLD_NOW;
	for (int i = 0; i < WORLD_PARTIES; i++) {
		struct mint_spec spec = { names[i], NULL, 0, MINT_AUTHORITY, WORLD_NOW - WORLD_DAY,
			WORLD_NOW + 100 * WORLD_DAY };
		w->ca[i] = world_issue_spec(NULL, &spec, mint_p256());
	}
	w->broker = world_issue(&w->ca[WORLD_HUB], WORLD_HUB_ID, MINT_SERVER, WORLD_NOW - WORLD_DAY,
	    WORLD_NOW + 20 * WORLD_DAY);
	w->agent = world_issue(&w->ca[WORLD_GBR], WORLD_AGENT, MINT_CLIENT | MINT_SIGNER,
	    WORLD_NOW - WORLD_DAY, WORLD_NOW + 10 * WORLD_DAY);
	make_setup(w);
}

void
world_done(struct world *w)
{
	for (int i = 0; i < WORLD_PARTIES; i++)
		world_id_done(&w->ca[i]);
	world_id_done(&w->broker);
	world_id_done(&w->agent);
	for (unsigned i = 0; i < w->kept_count; i++)
		free((void *)(uintptr_t)w->kept[i].data);
}

struct trust *
world_trust(struct world *w)
{
	struct trust *t = NULL;
	struct err e = { 0 };
	if (!trust_new(&w->setup, &t, &e))
		fail_msg("%s", e.text);
	return t;
}
