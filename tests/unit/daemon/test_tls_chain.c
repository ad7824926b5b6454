/* Chains and revocation lists, as a handshake meets them. */
#include "tests/unit/daemon/tls_rig.h"

static struct world_id
intermediate(const struct world_id *issuer, const char *name)
{
	struct mint_spec spec = { name, NULL, 0, MINT_AUTHORITY, FROM, UNTIL };
	return world_issue_spec(issuer, &spec, mint_p256());
}

static void
three_intermediates_pass_and_four_do_not(void **state)
{
	(void)state;
	struct world_id step[4];
	const struct world_id *issuer = NOR;
	STACK_OF(X509) *chain = sk_X509_new_null();
	static const char *const names[] = { "I1", "I2", "I3", "I4" };
	for (int i = 0; i < 4; i++) {
		step[i] = intermediate(issuer, names[i]);
		issuer = &step[i];
	}
	struct ends x;
	struct world_id id =
	    world_issue(&step[2], "spiffe://nor.example/fusion-desk", MINT_CLIENT, FROM, UNTIL);
	for (int i = 2; i >= 0; i--)
		sk_X509_push(chain, step[i].cert);
	rig_join(&x, rig_client(&id, chain));
	rig_shake(&x);
	assert_true(x.accepted);
	assert_int_equal(sk_X509_num(x.peer->certs), 4);
	rig_part(&x);
	world_id_done(&id);
	id = world_issue(&step[3], "spiffe://nor.example/fusion-desk", MINT_CLIENT, FROM, UNTIL);
	sk_X509_unshift(chain, step[3].cert);
	rig_refused(&id, chain, CHAIN_UNTRUSTED, 48);
	world_id_done(&id);
	for (int i = 0; i < 4; i++)
		world_id_done(&step[i]);
	sk_X509_free(chain);
}

static void
an_intermediate_that_is_no_authority_makes_no_chain(void **state)
{
	(void)state;
	struct world_id leafish =
	    world_issue(NOR, "spiffe://nor.example/x", MINT_CERT_SIGN, FROM, UNTIL);
	struct world_id id =
	    world_issue(&leafish, "spiffe://nor.example/fusion-desk", MINT_CLIENT, FROM, UNTIL);
	STACK_OF(X509) *chain = sk_X509_new_null();
	sk_X509_push(chain, leafish.cert);
	rig_refused(&id, chain, CHAIN_UNTRUSTED, 48);
	sk_X509_free(chain);
	world_id_done(&leafish);
	world_id_done(&id);
}

static void
a_certificate_list_that_is_too_long_is_not_read(void **state)
{
	(void)state;
	STACK_OF(X509) *chain = sk_X509_new_null();
	for (int i = 0; i < 60; i++)
		sk_X509_push(chain, w.ca[WORLD_NOR].cert);
	rig_refused(&w.agent, chain, CHAIN_HANDSHAKE, 47); /* illegal parameter */
	sk_X509_free(chain);
}

static void
rebuild(struct bytes crl)
{
	trust_unref(t);
	w.crls[0] = crl;
	t = world_trust(&w);
}

static void
a_revoked_certificate_is_refused_and_told_so(void **state)
{
	(void)state;
	rebuild(world_pem_crl(&w, GBR, w.agent.cert, WORLD_NOW - 60, WORLD_NOW + WORLD_DAY));
	rig_refused(&w.agent, NULL, CHAIN_REVOKED, 44);
}

/* The same certificate with one bit of its signature turned. */
static struct world_id
forged(const struct world_id *id)
{
	uint8_t *der = NULL;
	int len = i2d_X509(id->cert, &der);
	assert_true(len > 0);
	der[len - 1] ^= 1;
	const unsigned char *in = der;
	struct world_id copy = { d2i_X509(NULL, &in, len), id->key };
	OPENSSL_free(der);
	assert_non_null(copy.cert);
	return copy;
}

static void
a_forgery_is_not_told_that_its_model_is_revoked_or_expired(void **state)
{
	(void)state;
	rebuild(world_pem_crl(&w, GBR, w.agent.cert, WORLD_NOW - 60, WORLD_NOW + 30 * WORLD_DAY));
	struct world_id copy = forged(&w.agent);
	rig_refused(&copy, NULL, CHAIN_UNTRUSTED, 48);
	X509_free(copy.cert);
	struct world_id old = world_issue(GBR, WORLD_AGENT, MINT_CLIENT, FROM, WORLD_NOW - 1);
	copy = forged(&old);
	rig_refused(&copy, NULL, CHAIN_UNTRUSTED, 48);
	X509_free(copy.cert);
	world_id_done(&old);
}

static void
an_issuer_that_does_not_say_that_it_is_an_authority_is_none(void **state)
{
	(void)state;
	/* OpenSSL takes keyCertSign without basicConstraints for a CA */
	struct world_id middle = intermediate(NOR, "NOR I1");
	X509_EXTENSION *constraints = X509_delete_ext(
	    middle.cert, X509_get_ext_by_NID(middle.cert, NID_basic_constraints, -1));
	assert_non_null(constraints);
	X509_EXTENSION_free(constraints);
	assert_true(X509_sign(middle.cert, NOR->key, EVP_sha256()) > 0);
	struct world_id id =
	    world_issue(&middle, "spiffe://nor.example/fusion-desk", MINT_CLIENT, FROM, UNTIL);
	STACK_OF(X509) *chain = sk_X509_new_null();
	sk_X509_push(chain, middle.cert);
	rig_refused(&id, chain, CHAIN_UNTRUSTED, 48);
	sk_X509_free(chain);
	world_id_done(&middle);
	world_id_done(&id);
}

static void
an_issuer_without_a_list_is_refused_where_lists_are_configured(void **state)
{
	(void)state;
	struct world_id middle = intermediate(GBR, "GBR I1");
	struct world_id id = world_issue(&middle, WORLD_AGENT, MINT_CLIENT, FROM, UNTIL);
	STACK_OF(X509) *chain = sk_X509_new_null();
	sk_X509_push(chain, middle.cert);
	rig_refused(&id, chain, CHAIN_NO_CRL, 46);
	/* with its own list it is let in, and a revoked intermediate takes all it issued with it */
	w.crls[1] = world_pem_crl(&w, &middle, NULL, WORLD_NOW - 60, WORLD_NOW + WORLD_DAY);
	w.parties[WORLD_GBR].crl_count = 2;
	rebuild(w.crls[0]);
	struct ends x;
	rig_join(&x, rig_client(&id, chain));
	rig_shake(&x);
	assert_true(x.accepted);
	rig_part(&x);
	rebuild(world_pem_crl(&w, GBR, middle.cert, WORLD_NOW - 60, WORLD_NOW + WORLD_DAY));
	rig_refused(&id, chain, CHAIN_REVOKED, 44);
	sk_X509_free(chain);
	world_id_done(&middle);
	world_id_done(&id);
}

static void
a_list_signed_by_somebody_else_is_none(void **state)
{
	(void)state;
	struct mint_spec spec = { "GBR CA", NULL, 0, MINT_AUTHORITY, FROM, UNTIL };
	struct world_id fake = world_issue_spec(NULL, &spec, mint_p256());
	rebuild(world_pem_crl(&w, &fake, NULL, WORLD_NOW - 60, WORLD_NOW + WORLD_DAY));
	rig_refused(&w.agent, NULL, CHAIN_NO_CRL, 46);
	world_id_done(&fake);
}

static void
a_list_at_its_hard_age_shuts_the_party_out(void **state)
{
	(void)state;
	struct ends x;
	w.now = WORLD_NOW + WORLD_DAY / 2 - 1;
	rig_join(&x, rig_client(&w.agent, NULL));
	rig_shake(&x);
	assert_true(x.accepted);
	rig_part(&x);
	w.now = WORLD_NOW + WORLD_DAY / 2;
	rig_refused(&w.agent, NULL, CHAIN_CRL_STALE, 46);
	const char *why;
	assert_true(trust_party_usable(t, bytes_of("GBR"), &why));
	assert_string_equal(why, "the party's revocation list is too old");
}

static void
a_list_past_its_own_next_update_is_too_old_whatever_the_setting(void **state)
{
	(void)state;
	rebuild(world_pem_crl(&w, GBR, NULL, WORLD_NOW - 60, WORLD_NOW - 1));
	rig_refused(&w.agent, NULL, CHAIN_CRL_STALE, 46);
}

static void
the_newer_of_two_lists_wins_in_either_order(void **state)
{
	(void)state;
	struct bytes old = world_pem_crl(&w, GBR, NULL, WORLD_NOW - 600, WORLD_NOW + WORLD_DAY);
	struct bytes new =
	    world_pem_crl(&w, GBR, w.agent.cert, WORLD_NOW - 60, WORLD_NOW + WORLD_DAY);
	w.parties[WORLD_GBR].crl_count = 2;
	w.crls[1] = new;
	rebuild(old);
	rig_refused(&w.agent, NULL, CHAIN_REVOKED, 44);
	w.crls[1] = old;
	rebuild(new);
	rig_refused(&w.agent, NULL, CHAIN_REVOKED, 44);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rig_begin, rig_end)
	const struct CMUnitTest tests[] = {
		T(three_intermediates_pass_and_four_do_not),
		T(an_intermediate_that_is_no_authority_makes_no_chain),
		T(a_certificate_list_that_is_too_long_is_not_read),
		T(a_revoked_certificate_is_refused_and_told_so),
		T(a_forgery_is_not_told_that_its_model_is_revoked_or_expired),
		T(an_issuer_that_does_not_say_that_it_is_an_authority_is_none),
		T(an_issuer_without_a_list_is_refused_where_lists_are_configured),
		T(a_list_signed_by_somebody_else_is_none),
		T(a_list_at_its_hard_age_shuts_the_party_out),
		T(a_list_past_its_own_next_update_is_too_old_whatever_the_setting),
		T(the_newer_of_two_lists_wins_in_either_order),
	};
#undef T
	return cmocka_run_group_tests(tests, NULL, NULL);
}
