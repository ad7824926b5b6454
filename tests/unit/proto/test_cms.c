/* Detached CMS signatures: one shape is accepted, and every other is told what is wrong with it. */
#include "tests/lib/test.h"

#include "client/cli/mint.h"
#include "proto/arena.h"
#include "proto/chain.h"
#include "proto/cms.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

enum { MADE = 1780000000, DAY = 86400 };
enum { PLAIN = CMS_BINARY | CMS_DETACHED | CMS_NOSMIMECAP | CMS_PARTIAL };
static const char terms[] = "agreement atlas {\n}\n";

static struct issued {
	X509 *cert;
	EVP_PKEY *key;
} ca, leaf, other;
static struct arena arena;

static void
issue(struct issued *out, EVP_PKEY *key, unsigned usage, const struct issued *by)
{
	static const char *const uri = "spiffe://nor.example/minister";
	struct mint_authority issuer = { by == NULL ? NULL : by->cert,
		by == NULL ? NULL : by->key };
	const struct mint_spec spec = { "x", &uri, 1, usage, MADE, MADE + DAY };
	out->key = key;
	assert_true(mint_cert(&spec, key, by == NULL ? NULL : &issuer, &out->cert, NULL));
}

static int
begin(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20);
	issue(&ca, mint_p256(), MINT_AUTHORITY, NULL);
	issue(&leaf, mint_p256(), MINT_SIGNER, &ca);
	issue(&other, mint_p256(), MINT_SIGNER, &ca);
	return 0;
}

static void
drop(struct issued *i)
{
	X509_free(i->cert);
	EVP_PKEY_free(i->key);
}

static int
end(void **state)
{
	(void)state;
	drop(&ca);
	drop(&leaf);
	drop(&other);
	arena_done(&arena);
	return 0;
}

/* ---- making them ---- */

static BIO *
text_bio(void)
{
	return BIO_new_mem_buf(terms, sizeof(terms) - 1);
}

static struct bytes
as_der(CMS_ContentInfo *cms)
{
	unsigned char *der = NULL;
	struct bytes out;
	int len = i2d_CMS_ContentInfo(cms, &der);
	assert_true(len > 0);
	assert_true(arena_copy(&arena, bytes_from(der, (size_t)len), &out, NULL));
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	return out;
}

static struct bytes
finish(CMS_ContentInfo *cms, unsigned flags)
{
	BIO *text = text_bio();
	assert_int_equal(CMS_final(cms, text, NULL, flags), 1);
	BIO_free(text);
	return as_der(cms);
}

static CMS_ContentInfo *
start(unsigned flags)
{
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
	assert_non_null(cms);
	return cms;
}

static CMS_SignerInfo *
add(CMS_ContentInfo *cms, const struct issued *by, const EVP_MD *hash, unsigned flags)
{
	CMS_SignerInfo *s = CMS_add1_signer(cms, by->cert, by->key, hash, flags);
	assert_non_null(s);
	return s;
}

static struct bytes
sign(const struct issued *by, const EVP_MD *hash, unsigned flags)
{
	CMS_ContentInfo *cms = start(flags);
	(void)add(cms, by, hash, flags);
	return finish(cms, flags);
}

/* ---- judging them ---- */

static void
opens(struct bytes signature, const struct issued *by, int certs)
{
	STACK_OF(X509) *got = NULL;
	struct err e = { 0 };
	if (!cms_open(signature, bytes_of(terms), &got, &e))
		fail_msg("%s", e.text);
	assert_int_equal(sk_X509_num(got), certs);
	assert_int_equal(X509_cmp(sk_X509_value(got, 0), by->cert), 0);
	chain_certs_free(got);
}

static void
refused(struct bytes signature, enum err_code code, const char *why)
{
	STACK_OF(X509) *got = NULL;
	struct err e = { 0 };
	assert_false(cms_open(signature, bytes_of(terms), &got, &e));
	assert_null(got);
	assert_string_equal(e.text, why);
	assert_int_equal(e.code, code);
	assert_int_equal(ERR_peek_error(), 0);
}

static void
a_signature_opens_to_its_signers_certificate(void **state)
{
	(void)state;
	opens(sign(&leaf, EVP_sha256(), PLAIN), &leaf, 1);
	opens(sign(&leaf, EVP_sha384(), PLAIN), &leaf, 1);
	opens(sign(&leaf, EVP_sha512(), PLAIN), &leaf, 1);
}

static void
keys_of_every_kind_that_openssl_has_for_it_sign(void **state)
{
	struct issued p384, rsa;
	(void)state;
	issue(&p384, EVP_EC_gen("P-384"), MINT_SIGNER, &ca);
	issue(&rsa, EVP_RSA_gen(3072), MINT_SIGNER, &ca);
	opens(sign(&p384, EVP_sha384(), PLAIN), &p384, 1);
	opens(sign(&rsa, EVP_sha256(), PLAIN), &rsa, 1);
	static const struct {
		int salt;
		const char *why;
	} pss[] = { { 32, NULL }, { 20, "RSA-PSS, but not with SHA-256 and a salt of 32 bytes" } };
	for (size_t i = 0; i < 2; i++) {
		CMS_ContentInfo *cms = start(PLAIN);
		CMS_SignerInfo *s = add(cms, &rsa, EVP_sha256(), PLAIN | CMS_KEY_PARAM);
		EVP_PKEY_CTX *ctx = CMS_SignerInfo_get0_pkey_ctx(s);
		assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0);
		assert_true(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, pss[i].salt) > 0);
		struct bytes made = finish(cms, PLAIN);
		if (pss[i].why == NULL)
			opens(made, &rsa, 1);
		else
			refused(made, ERR_DATA, pss[i].why);
	}
	drop(&p384);
	drop(&rsa);
}

static void
what_signs_another_text_is_told_so(void **state)
{
	struct bytes good = sign(&leaf, EVP_sha256(), PLAIN);
	STACK_OF(X509) *got = NULL;
	struct err e = { 0 };
	(void)state;
	assert_false(cms_open(good, bytes_of("agreement atlas {\n}"), &got, &e));
	assert_string_equal(e.text, "it signs another text");
	assert_int_equal(e.code, ERR_BAD_SIGNATURE);
	uint8_t *last = arena_alloc(&arena, good.len);
	memcpy(last, good.data, good.len);
	last[good.len - 1] ^= 1;
	refused(bytes_from(last, good.len), ERR_BAD_SIGNATURE, "it does not hold");
}

static void
other_shapes_are_refused_by_name(void **state)
{
	CMS_ContentInfo *none = start(PLAIN);
	BIO *text = text_bio();
	(void)state;
	refused(sign(&leaf, EVP_sha256(), PLAIN & ~(unsigned)CMS_DETACHED), ERR_DATA,
	    "the text is attached (-nodetach); the signature must stand alone");
	refused(sign(&leaf, EVP_sha256(), PLAIN | CMS_NOATTR), ERR_DATA,
	    "no signed attributes (it was made with -noattr)");
	refused(sign(&leaf, EVP_sha256(), PLAIN | CMS_NOCERTS), ERR_BAD_SIGNATURE,
	    "the signer's certificate is not inside (it was made with -nocerts)");
	refused(sign(&leaf, EVP_sha1(), PLAIN), ERR_DATA,
	    "its hash is SHA1, not SHA-256, SHA-384 or SHA-512");
	refused(sign(&leaf, EVP_sha224(), PLAIN), ERR_DATA,
	    "its hash is SHA224, not SHA-256, SHA-384 or SHA-512");
	CMS_ContentInfo *two = start(PLAIN);
	(void)add(two, &leaf, EVP_sha256(), PLAIN);
	(void)add(two, &other, EVP_sha256(), PLAIN);
	refused(finish(two, PLAIN), ERR_DATA, "2 signers, not exactly one");
	refused(as_der(none), ERR_DATA, "0 signers, not exactly one");
	CMS_ContentInfo *typed = start(PLAIN);
	assert_int_equal(CMS_set1_eContentType(typed, OBJ_nid2obj(NID_id_smime_ct_TSTInfo)), 1);
	(void)add(typed, &leaf, EVP_sha256(), PLAIN);
	refused(finish(typed, PLAIN), ERR_DATA, "it signs a content of another type than data");
	refused(
	    as_der(CMS_data_create(text, CMS_BINARY)), ERR_DATA, "a CMS message, but no signature");
	BIO_free(text);
}

static void
a_signature_of_another_hash_than_the_attributes_is_refused(void **state)
{
	static const uint8_t ecdsa_sha256[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2 };
	struct bytes good = sign(&leaf, EVP_sha256(), PLAIN);
	uint8_t *with = arena_alloc(&arena, good.len);
	(void)state;
	memcpy(with, good.data, good.len);
	/* the last one is the signer's, those before it are in the certificate */
	for (size_t i = good.len - 8;; i--)
		if (memcmp(with + i, ecdsa_sha256, 8) == 0) {
			with[i + 7] = 4;
			break;
		}
	refused(bytes_from(with, good.len), ERR_DATA, "a signature of the kind ecdsa-with-SHA512");
}

static void
four_certificates_fit_and_five_do_not(void **state)
{
	(void)state;
	for (int more = 3; more <= 4; more++) {
		CMS_ContentInfo *cms = start(PLAIN);
		(void)add(cms, &leaf, EVP_sha256(), PLAIN);
		for (int i = 0; i < more; i++) {
			struct issued x;
			issue(&x, mint_p256(), MINT_SIGNER, &ca);
			assert_int_equal(CMS_add1_cert(cms, x.cert), 1);
			drop(&x);
		}
		struct bytes made = finish(cms, PLAIN);
		if (more == 3)
			opens(made, &leaf, 4);
		else
			refused(made, ERR_DATA, "5 certificates inside, more than 4");
	}
}

static void
what_is_cut_or_goes_on_is_refused(void **state)
{
	struct bytes good = sign(&leaf, EVP_sha256(), PLAIN);
	uint8_t *more = arena_zalloc(&arena, 1, good.len + 1);
	char why[80];
	(void)state;
	memcpy(more, good.data, good.len);
	for (size_t len = 0; len <= good.len + 1; len++) {
		if (len == good.len)
			continue;
		(void)snprintf(
		    why, sizeof(why), "%zu bytes are not exactly one CMS message in DER", len);
		refused(bytes_from(more, len), ERR_DATA, why);
	}
}

static void
one_byte_more_than_the_limit_is_not_looked_at(void **state)
{
	uint8_t *big = arena_zalloc(&arena, 1, LIMIT_TERMS_SIGNATURE_BYTES + 1);
	(void)state;
	refused(bytes_from(big, LIMIT_TERMS_SIGNATURE_BYTES), ERR_DATA,
	    "65536 bytes are not exactly one CMS message in DER");
	refused(bytes_from(big, LIMIT_TERMS_SIGNATURE_BYTES + 1), ERR_LIMIT,
	    "65537 bytes, more than 65536");
}

/* The same in BER: an indefinite length around it, and the end marked by two zeros. */
static void
another_spelling_is_refused(void **state)
{
	struct bytes good = sign(&leaf, EVP_sha256(), PLAIN);
	uint8_t *ber = arena_zalloc(&arena, 1, good.len + 2);
	(void)state;
	assert_int_equal(good.data[1], 0x82);
	ber[0] = 0x30;
	ber[1] = 0x80;
	memcpy(ber + 2, good.data + 4, good.len - 4);
	refused(bytes_from(ber, good.len), ERR_DATA, "not DER (-outform DER, without -stream)");
}

/* ---- whom it believes ---- */

static void
a_signer_of_terms_has_the_usage_of_documents_or_of_mail(void **state)
{
	static const struct {
		unsigned usage;
		bool good;
	} cases[] = { { MINT_SIGNER, true }, { MINT_EMAIL, true }, { MINT_CLIENT, false },
		{ MINT_CLIENT | MINT_EMAIL, true }, { 0, false } };
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct issued x;
		struct chain_verdict v;
		issue(&x, mint_p256(), cases[i].usage, &ca);
		assert_int_equal(chain_leaf(x.cert, CHAIN_TERMS, &v), cases[i].good);
		if (!cases[i].good)
			assert_string_equal(v.why, "no extended key usage documentSigning "
						   "(1.3.6.1.5.5.7.3.36) or emailProtection");
		assert_int_equal(
		    chain_leaf(x.cert, CHAIN_SIGNER, &v), (cases[i].usage & MINT_SIGNER) != 0);
		drop(&x);
	}
}

static void
a_chain_says_from_when_to_when_it_holds(void **state)
{
	SCOPED(chain_anchors_free) struct chain_anchors *a = NULL;
	struct chain_verdict v;
	unsigned char *der = NULL;
	int len = i2d_X509(ca.cert, &der);
	struct bytes one = bytes_from(der, (size_t)len);
	(void)state;
	assert_true(chain_anchors_from_der(&one, 1, &a, NULL));
	assert_true(chain_judge(a, leaf.cert, NULL, CHAIN_TERMS, MADE + 1, &v));
	assert_int_equal(v.not_before, MADE);
	assert_int_equal(v.not_after, MADE + DAY);
	assert_false(chain_judge(a, leaf.cert, NULL, CHAIN_TERMS, MADE + DAY + 1, &v));
	assert_int_equal(v.fault, CHAIN_EXPIRED);
	OPENSSL_free(der);
}

#define T(name) cmocka_unit_test(name)
int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_signature_opens_to_its_signers_certificate),
		T(keys_of_every_kind_that_openssl_has_for_it_sign),
		T(what_signs_another_text_is_told_so),
		T(other_shapes_are_refused_by_name),
		T(a_signature_of_another_hash_than_the_attributes_is_refused),
		T(four_certificates_fit_and_five_do_not),
		T(what_is_cut_or_goes_on_is_refused),
		T(one_byte_more_than_the_limit_is_not_looked_at),
		T(another_spelling_is_refused),
		T(a_signer_of_terms_has_the_usage_of_documents_or_of_mail),
		T(a_chain_says_from_when_to_when_it_holds),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
