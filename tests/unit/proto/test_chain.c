/* Chains as they are stored, and single anchors: what an auditor judges signers by. */
#include "tests/lib/test.h"

#include "proto/chain.h"
#include "tests/lib/slurp.h"

#define CHAIN RELTO_SOURCE "/tests/vectors/golden/wire/chain.der"
enum { JUNE_2026 = 1780272000, IN_2025 = 1750000000 };

/* The golden chain: GBR's /fusion-desk and its authority. */
struct rig {
	struct arena a;
	struct bytes whole, certs[LIMIT_CHAIN_CERTS];
	size_t count;
};

static int
setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	arena_init(&r->a, 1 << 16);
	r->whole = slurp(&r->a, CHAIN);
	assert_true(chain_split(r->whole, r->certs, &r->count, NULL));
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *r = *state;
	arena_done(&r->a);
	free(r);
	return 0;
}

static void
a_stored_chain_is_its_certificates_leaf_first(void **state)
{
	struct rig *r = *state;
	X509 *leaf;
	struct chain_verdict v;
	assert_int_equal(r->count, 2);
	assert_int_equal(r->certs[0].len + r->certs[1].len, r->whole.len);
	assert_true(cert_from_der(r->certs[0], &leaf, NULL));
	assert_true(chain_leaf(leaf, CHAIN_SIGNER, &v));
	assert_string_equal(v.cert.id_text, "spiffe://gbr.example/fusion-desk");
	X509_free(leaf);
}

static void
what_is_no_row_of_certificates_does_not_split(void **state)
{
	struct rig *r = *state;
	struct bytes out[LIMIT_CHAIN_CERTS];
	struct err e;
	size_t n;
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = { { "\x31\x00", 2 }, { "\x30", 1 }, { "\x30\x02\x01", 3 },
		{ "\x30\x84\x00\x00\x00\x00", 6 }, { "\x30\x83\xff\xff\xff", 5 } };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(chain_split(bytes_from(bad[i].bytes, bad[i].len), out, &n, &e));
		assert_string_equal(e.text, "no row of certificates");
	}
	assert_false(chain_split(bytes_from(r->whole.data, r->whole.len - 1), out, &n, &e));
	assert_true(chain_split(bytes_from("0\0000\0000\0000\0", 8), out, &n, &e) && n == 4);
	assert_false(chain_split(bytes_from("0\0000\0000\0000\0000\0", 10), out, &n, &e));
	assert_string_equal(e.text, "more than 4 certificates");
}

static void
single_anchors_judge_as_a_bundle_does_at_the_time_asked_for(void **state)
{
	struct rig *r = *state;
	SCOPED(chain_anchors_free) struct chain_anchors *a = NULL;
	STACK_OF(X509) * certs;
	struct chain_verdict v;
	assert_true(chain_anchors_from_der(&r->certs[1], 1, &a, NULL));
	assert_true(chain_certs_new(r->certs, r->count, &certs, NULL));
	X509 *leaf = sk_X509_value(certs, 0);
	assert_true(chain_judge(a, leaf, certs, CHAIN_SIGNER, JUNE_2026, &v));
	assert_memory_equal(v.anchor, chain_anchors_digest(a, 0), 32);
	assert_false(chain_judge(a, leaf, certs, CHAIN_SIGNER, IN_2025, &v));
	assert_int_equal(v.fault, CHAIN_NOT_YET_VALID);
	chain_certs_free(certs);
}

static void
an_anchor_is_one_whole_certificate_of_an_authority(void **state)
{
	struct rig *r = *state;
	struct chain_anchors *a = NULL;
	struct err e;
	assert_false(chain_anchors_from_der(r->certs, 2, &a, &e));
	assert_string_equal(
	    e.text, "certificate 1 of the bundle is not that of a certification authority");
	assert_false(chain_anchors_from_der(&r->whole, 1, &a, &e));
	assert_int_equal(e.code, ERR_CERTIFICATE);
	assert_null(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_stored_chain_is_its_certificates_leaf_first, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_is_no_row_of_certificates_does_not_split, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    single_anchors_judge_as_a_bundle_does_at_the_time_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    an_anchor_is_one_whole_certificate_of_an_authority, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
