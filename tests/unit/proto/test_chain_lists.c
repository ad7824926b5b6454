/* Revocation lists that say less than everything about their authority are refused. */
#include "tests/lib/test.h"

#include "client/cli/mint.h"
#include "proto/chain.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum { MADE = 1780000000, DAY = 86400 };

static struct mint_authority ca;
static struct bytes bundle;
static BIO *bundle_bio;

static struct bytes
contents(BIO *bio)
{
	char *data;
	size_t len = (size_t)BIO_get_mem_data(bio, &data);
	return bytes_from(data, len);
}

static int
begin(void **state)
{
	const struct mint_spec spec = {
		.name = "CA", .usage = MINT_AUTHORITY, .from_s = MADE, .until_s = MADE + DAY
	};
	struct err e = { 0 };
	(void)state;
	ca.key = mint_p256();
	assert_true(mint_cert(&spec, ca.key, NULL, &ca.cert, &e));
	bundle_bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_X509(bundle_bio, ca.cert), 1);
	bundle = contents(bundle_bio);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	BIO_free(bundle_bio);
	X509_free(ca.cert);
	EVP_PKEY_free(ca.key);
	return 0;
}

/* ---- what a list may have ---- */

static void
nothing_more(X509_CRL *crl)
{
	(void)crl;
}

static void
a_number(X509_CRL *crl)
{
	ASN1_INTEGER *n = ASN1_INTEGER_new();
	assert_int_equal(ASN1_INTEGER_set(n, 7), 1);
	assert_int_equal(X509_CRL_add1_ext_i2d(crl, NID_crl_number, n, 0, 0), 1);
	ASN1_INTEGER_free(n);
}

static void
add_delta(X509_CRL *crl, int critical)
{
	ASN1_INTEGER *base = ASN1_INTEGER_new();
	assert_int_equal(ASN1_INTEGER_set(base, 1), 1);
	assert_int_equal(X509_CRL_add1_ext_i2d(crl, NID_delta_crl, base, critical, 0), 1);
	ASN1_INTEGER_free(base);
}

static void
a_delta(X509_CRL *crl)
{
	add_delta(crl, 1);
}

static void
a_delta_that_is_not_critical(X509_CRL *crl)
{
	add_delta(crl, 0);
}

static void
users_only(X509_CRL *crl)
{
	ISSUING_DIST_POINT *point = ISSUING_DIST_POINT_new();
	point->onlyuser = 0xff;
	assert_int_equal(
	    X509_CRL_add1_ext_i2d(crl, NID_issuing_distribution_point, point, 1, 0), 1);
	ISSUING_DIST_POINT_free(point);
}

/* A list as PEM or DER; 'until' 0: without nextUpdate. */
static BIO *
list(void (*add)(X509_CRL *crl), int64_t until, bool pem)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *made = ASN1_TIME_set(NULL, MADE), *next = ASN1_TIME_set(NULL, (time_t)until);
	assert_int_equal(X509_CRL_set_version(crl, 1), 1);
	assert_int_equal(X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca.cert)), 1);
	assert_int_equal(X509_CRL_set1_lastUpdate(crl, made), 1);
	if (until != 0)
		assert_int_equal(X509_CRL_set1_nextUpdate(crl, next), 1);
	add(crl);
	assert_true(X509_CRL_sign(crl, ca.key, EVP_sha256()) > 0);
	BIO *out = BIO_new(BIO_s_mem());
	assert_int_equal(pem ? PEM_write_bio_X509_CRL(out, crl) : i2d_X509_CRL_bio(out, crl), 1);
	ASN1_TIME_free(made);
	ASN1_TIME_free(next);
	X509_CRL_free(crl);
	return out;
}

static const char partial[] = "revocation list 1 is partial (a critical extension or a delta)";
static const struct {
	void (*add)(X509_CRL *crl);
	int64_t until;
	const char *fault; /* NULL: it is taken */
} lists[] = {
	{ nothing_more, MADE + DAY, NULL },
	{ a_number, MADE + DAY, NULL },
	{ nothing_more, 0, "revocation list 1 has no nextUpdate" },
	{ a_delta, MADE + DAY, partial },
	{ a_delta_that_is_not_critical, MADE + DAY, partial },
	{ users_only, MADE + DAY, partial },
};

static void
a_list_without_an_end_or_for_a_part_only_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * sizeof(lists) / sizeof(lists[0]); i++) {
		const char *fault = lists[i / 2].fault;
		BIO *bio = list(lists[i / 2].add, lists[i / 2].until, i % 2 == 0);
		struct bytes crl = contents(bio);
		struct chain_anchors *a = NULL;
		struct err e = { 0 };
		bool taken = chain_anchors_new(bundle, &crl, 1, &a, &e);
		assert_string_equal(taken ? "taken" : e.text, fault == NULL ? "taken" : fault);
		if (taken) {
			assert_int_equal(chain_crl_made(a), MADE);
			assert_int_equal(chain_crl_next(a), MADE + DAY);
		} else {
			assert_int_equal(e.code, ERR_DATA);
			assert_null(a);
		}
		chain_anchors_free(a);
		BIO_free(bio);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_without_an_end_or_for_a_part_only_is_refused),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
