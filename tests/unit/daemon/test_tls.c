/* Every bad certificate: refused, with which reason for our log and which alert for the peer. */
#include "tests/unit/daemon/tls_rig.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

/* ---- the one good certificate ---- */

static void
a_listed_agent_is_let_in_with_party_roles_and_ends(void **state)
{
	(void)state;
	struct ends x;
	uint8_t leaf[32];
	rig_join(&x, rig_client(&w.agent, NULL));
	rig_shake(&x);
	assert_true(x.accepted);
	assert_string_equal(x.peer->party, "GBR");
	assert_string_equal(x.peer->agent, WORLD_AGENT);
	assert_int_equal(x.peer->roles, 3);
	assert_false(x.peer->hub);
	assert_int_equal(X509_digest(w.agent.cert, EVP_sha256(), leaf, NULL), 1);
	assert_memory_equal(x.peer->leaf, leaf, 32);
	assert_int_equal(x.peer->not_after, WORLD_NOW + 10 * WORLD_DAY);
	assert_int_equal(x.peer->crl_until, WORLD_NOW + WORLD_DAY / 2);
	assert_int_equal(trust_peer_until(x.peer), WORLD_NOW + WORLD_DAY / 2);
	rig_part(&x);
}

static void
a_session_ends_with_the_authority_if_that_is_sooner(void **state)
{
	(void)state;
	struct ends x;
	struct world_id id = world_issue(NOR, "spiffe://nor.example/fusion-desk", MINT_CLIENT, FROM,
	    WORLD_NOW + 900 * WORLD_DAY);
	rig_join(&x, rig_client(&id, NULL));
	rig_shake(&x);
	assert_true(x.accepted);
	assert_int_equal(x.peer->not_after, WORLD_NOW + 100 * WORLD_DAY);
	assert_true(x.peer->crl_until == INT64_MAX);
	rig_part(&x);
	world_id_done(&id);
}

static void
no_ticket_no_names_of_authorities_and_tls_1_3_are_what_a_client_gets(void **state)
{
	(void)state;
	struct ends x;
	rig_tickets = 0;
	rig_join(&x, rig_client(&w.agent, NULL));
	rig_shake(&x);
	assert_true(x.accepted);
	assert_int_equal(rig_tickets, 0);
	assert_int_equal(SSL_version(x.client), TLS1_3_VERSION);
	assert_true(sk_X509_NAME_num(SSL_get0_peer_CA_list(x.client)) <= 0);
	assert_int_equal(SSL_SESSION_get_max_early_data(SSL_get0_session(x.client)), 0);
	assert_int_equal(SSL_verify_client_post_handshake(x.server), 0);
	ERR_clear_error();
	assert_true((SSL_get_mode(x.server) & SSL_MODE_AUTO_RETRY) == 0);
	assert_true((SSL_get_mode(x.server) & SSL_MODE_RELEASE_BUFFERS) != 0);
	rig_part(&x);
}

/* ---- who is refused ---- */

static void
no_certificate_is_no_session(void **state)
{
	(void)state;
	rig_refused(NULL, NULL, CHAIN_NO_CERTIFICATE, 116);
}

static void
unknown_domain_bad_chain_and_another_partys_authority_look_the_same(void **state)
{
	(void)state;
	struct world_id cross = world_issue(NOR, WORLD_AGENT, MINT_CLIENT, FROM, UNTIL);
	struct world_id unknown =
	    world_issue(GBR, "spiffe://usa.example/fusion-desk", MINT_CLIENT, FROM, UNTIL);
	struct world_id alone = world_issue(NULL, WORLD_AGENT, MINT_CLIENT, FROM, UNTIL);
	rig_refused(&cross, NULL, CHAIN_UNTRUSTED, 48);
	rig_refused(&unknown, NULL, CHAIN_UNKNOWN_DOMAIN, 48);
	rig_refused(&alone, NULL, CHAIN_UNTRUSTED, 48);
	world_id_done(&cross);
	world_id_done(&unknown);
	world_id_done(&alone);
}

static void
whoever_our_bundle_does_not_reach_is_not_told_what_else_is_wrong(void **state)
{
	(void)state;
	/* an authority of the same name as GBR's, with another key */
	struct mint_spec spec = { "GBR CA", NULL, 0, MINT_AUTHORITY, FROM, UNTIL };
	struct world_id fake = world_issue_spec(NULL, &spec, mint_p256());
	struct world_id expired = world_issue(&fake, WORLD_AGENT, MINT_CLIENT, FROM, WORLD_NOW - 1);
	struct world_id unlisted =
	    world_issue(&fake, "spiffe://gbr.example/nobody", MINT_CLIENT, FROM, UNTIL);
	rig_refused(&expired, NULL, CHAIN_UNTRUSTED, 48);
	rig_refused(&unlisted, NULL, CHAIN_UNTRUSTED, 48);
	world_id_done(&fake);
	world_id_done(&expired);
	world_id_done(&unlisted);
}

static void
a_leaf_must_name_exactly_one_spiffe_id(void **state)
{
	(void)state;
	static const char *const two[] = { WORLD_AGENT, "spiffe://nor.example/fusion-desk" };
	static const char *const twice[] = { WORLD_AGENT, WORLD_AGENT };
	struct mint_spec spec = { "two", two, 2, MINT_CLIENT, FROM, UNTIL };
	struct world_id id = world_issue_spec(GBR, &spec, mint_p256());
	rig_refused(&id, NULL, CHAIN_IDENTITY, 42);
	world_id_done(&id);
	spec.uris = twice;
	id = world_issue_spec(GBR, &spec, mint_p256());
	rig_refused(&id, NULL, CHAIN_IDENTITY, 42);
	world_id_done(&id);
	id = world_issue(GBR, NULL, MINT_CLIENT, FROM, UNTIL);
	rig_refused(&id, NULL, CHAIN_IDENTITY, 42);
	world_id_done(&id);
}

static void
a_name_that_is_almost_a_spiffe_id_is_none(void **state)
{
	(void)state;
	static const char *const bad[] = { "https://gbr.example/fusion-desk",
		"spiffe://GBR.example/fusion-desk", "spiffe://gbr.example/fusion%2ddesk",
		"spiffe://gbr.example/fusion-desk/", "spiffe://gbr.example.",
		"spiffe://gbr.example", "spiffe://gbr.example/",
		"spiffe://gbr.example/a/../fusion-desk", "spiffe://gbr.example:443/fusion-desk",
		"spiffe://u@gbr.example/fusion-desk", "spiffe://gbr.example/fusion-desk?x",
		"SPIFFE://gbr.example/fusion-desk" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct world_id id = world_issue(GBR, bad[i], MINT_CLIENT, FROM, UNTIL);
		rig_refused(&id, NULL, CHAIN_IDENTITY, 42);
		world_id_done(&id);
	}
}

static void
a_name_with_a_nul_inside_is_not_cut_to_a_good_one(void **state)
{
	(void)state;
	static const char *const uri = WORLD_AGENT "Xevil";
	struct mint_spec spec = { "nul", &uri, 1, MINT_CLIENT, FROM, UNTIL };
	struct world_id id = world_issue_spec(GBR, &spec, mint_p256());
	uint8_t *der = NULL;
	int len = i2d_X509(id.cert, &der);
	uint8_t *at = memmem(der, (size_t)len, "deskXevil", 9);
	assert_non_null(at);
	at[4] = '\0'; /* the signature no longer holds; the name is read before it is looked at */
	const unsigned char *in = der;
	X509_free(id.cert);
	id.cert = d2i_X509(NULL, &in, len);
	OPENSSL_free(der);
	assert_non_null(id.cert);
	rig_refused(&id, NULL, CHAIN_IDENTITY, 42);
	world_id_done(&id);
}

static void
the_extended_key_usage_must_say_client(void **state)
{
	(void)state;
	static const unsigned usages[] = { 0, MINT_SERVER, MINT_SIGNER, MINT_SERVER | MINT_SIGNER };
	for (size_t i = 0; i < sizeof(usages) / sizeof(usages[0]); i++) {
		struct world_id id = world_issue(GBR, WORLD_AGENT, usages[i], FROM, UNTIL);
		rig_refused(&id, NULL, CHAIN_EKU, 43);
		world_id_done(&id);
	}
}

static void
an_authority_is_no_agent(void **state)
{
	(void)state;
	struct world_id id =
	    world_issue(GBR, WORLD_AGENT, MINT_CLIENT | MINT_AUTHORITY, FROM, UNTIL);
	rig_refused(&id, NULL, CHAIN_CA, 42);
	world_id_done(&id);
	id = world_issue(GBR, WORLD_AGENT, MINT_CLIENT | MINT_CERT_SIGN, FROM, UNTIL);
	rig_refused(&id, NULL, CHAIN_CERT_SIGN, 42);
	world_id_done(&id);
}

static void
the_last_second_of_a_certificate_counts_and_the_next_does_not(void **state)
{
	(void)state;
	struct ends x;
	struct world_id id = world_issue(GBR, WORLD_AGENT, MINT_CLIENT, WORLD_NOW, WORLD_NOW + 100);
	w.now = WORLD_NOW + 99;
	rig_join(&x, rig_client(&id, NULL));
	rig_shake(&x);
	assert_true(x.accepted);
	rig_part(&x);
	w.now = WORLD_NOW + 101;
	rig_refused(&id, NULL, CHAIN_EXPIRED, 45);
	w.now = WORLD_NOW - 1;
	rig_refused(&id, NULL, CHAIN_NOT_YET_VALID, 45);
	w.now = WORLD_NOW;
	world_id_done(&id);
}

static void
an_agent_that_the_policy_does_not_list_is_refused(void **state)
{
	(void)state;
	static const char *const ids[] = { "spiffe://gbr.example/nobody",
		"spiffe://gbr.example/fusion-desk2", "spiffe://gbr.example/fusion",
		"spiffe://gbr.example/Fusion-desk", "spiffe://gbr.example/a/fusion-desk" };
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct world_id id = world_issue(GBR, ids[i], MINT_CLIENT, FROM, UNTIL);
		rig_refused(&id, NULL, CHAIN_UNLISTED, 46);
		world_id_done(&id);
	}
}

static void
weak_and_unusual_keys_are_refused(void **state)
{
	(void)state;
	static const char *const uri = WORLD_AGENT;
	struct mint_spec spec = { "weak", &uri, 1, MINT_CLIENT, FROM, UNTIL };
	struct world_id id = world_issue_spec(GBR, &spec, EVP_RSA_gen(1024));
	rig_refused(&id, NULL, CHAIN_KEY, 42);
	world_id_done(&id);
	id = world_issue_spec(GBR, &spec, EVP_EC_gen("P-521"));
	rig_refused(&id, NULL, CHAIN_KEY, 42);
	world_id_done(&id);
	id = world_issue_spec(GBR, &spec, mint_p256());
	assert_true(X509_sign(id.cert, GBR->key, EVP_sha1()) > 0);
	rig_refused(&id, NULL, CHAIN_KEY, 42);
	world_id_done(&id);
	struct ends x;
	id = world_issue_spec(GBR, &spec, EVP_RSA_gen(2048));
	rig_join(&x, rig_client(&id, NULL));
	rig_shake(&x);
	assert_true(x.accepted);
	rig_part(&x);
	world_id_done(&id);
}

static void
a_party_that_is_shut_out_looks_like_an_unknown_one(void **state)
{
	(void)state;
	trust_unref(t);
	w.parties[WORLD_GBR].bundle = bytes_of("no certificate");
	t = world_trust(&w);
	const char *why;
	rig_refused(&w.agent, NULL, CHAIN_SHUT_OUT, 48);
	assert_true(trust_party_usable(t, bytes_of("GBR"), &why));
	assert_string_equal(why, "the bundle holds no certificate");
	assert_true(trust_party_usable(t, bytes_of("NOR"), &why));
	assert_string_equal(why, "");
	struct ends x;
	struct world_id id =
	    world_issue(NOR, "spiffe://nor.example/fusion-desk", MINT_CLIENT, FROM, UNTIL);
	rig_join(&x, rig_client(&id, NULL));
	rig_shake(&x);
	assert_true(x.accepted);
	rig_part(&x);
	world_id_done(&id);
}

/* ---- the protocol ---- */

static void
handshake_fails(SSL *client, int alert)
{
	struct ends x;
	rig_join(&x, client);
	int r = 0, error = 0;
	for (int round = 0; round < 10 && error == 0; round++) {
		ERR_clear_error();
		(void)SSL_do_handshake(client);
		int reason = ERR_GET_REASON(ERR_peek_last_error());
		if (reason > SSL_AD_REASON_OFFSET)
			error = reason - SSL_AD_REASON_OFFSET;
		ERR_clear_error();
		r = SSL_do_handshake(x.server);
	}
	assert_int_not_equal(r, 1);
	assert_int_equal(error, alert);
	tls_refusal(x.server, &x.why);
	assert_int_equal(x.why.fault, CHAIN_HANDSHAKE);
	rig_part(&x);
}

static void
older_tls_other_protocols_and_other_ciphers_are_refused(void **state)
{
	(void)state;
	SSL *old = rig_client(&w.agent, NULL);
	assert_int_equal(SSL_set_max_proto_version(old, TLS1_2_VERSION), 1);
	handshake_fails(old, 70); /* protocol version */
	SSL *none = rig_client(&w.agent, NULL);
	SSL_set_alpn_protos(none, NULL, 0);
	handshake_fails(none, 120); /* no application protocol */
	SSL *other = rig_client(&w.agent, NULL);
	SSL_set_alpn_protos(other, (const uint8_t *)"\x07relto/2", 8);
	handshake_fails(other, 120);
	SSL *weak = rig_client(&w.agent, NULL);
	assert_int_equal(SSL_set_ciphersuites(weak, "TLS_AES_128_GCM_SHA256"), 1);
	handshake_fails(weak, 40); /* handshake failure */
}

static void
a_peer_is_given_out_once_and_never_before_the_handshake(void **state)
{
	(void)state;
	struct ends x;
	struct trust_peer *peer = NULL;
	rig_join(&x, rig_client(&w.agent, NULL));
	assert_false(tls_take_peer(x.server, &peer, &x.why));
	rig_shake(&x);
	assert_true(x.accepted);
	assert_false(tls_take_peer(x.server, &peer, &x.why));
	assert_null(peer);
	assert_int_equal(x.why.fault, CHAIN_HANDSHAKE);
	rig_part(&x);
}

static void
key_updates_are_counted_until_data_comes(void **state)
{
	(void)state;
	struct ends x;
	char byte = 'x';
	rig_join(&x, rig_client(&w.agent, NULL));
	rig_shake(&x);
	assert_true(x.accepted);
	for (unsigned i = 1; i <= LIMIT_KEY_UPDATES; i++) {
		assert_int_equal(SSL_key_update(x.client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(x.client), 1);
		assert_int_equal(SSL_read(x.server, &byte, 1), -1);
		assert_int_equal(tls_key_updates(x.server), i);
	}
	assert_int_equal(SSL_write(x.client, "y", 1), 1);
	assert_int_equal(SSL_read(x.server, &byte, 1), 1);
	tls_saw_data(x.server);
	assert_int_equal(tls_key_updates(x.server), 0);
	rig_part(&x);
}

/* OpenSSL would work off all that it has read ahead in one call, 20 us each. */
static void
of_a_flood_of_key_updates_one_more_than_is_legal_is_looked_at(void **state)
{
	(void)state;
	struct ends x;
	char byte = 'x';
	rig_join(&x, rig_client(&w.agent, NULL));
	rig_shake(&x);
	for (unsigned i = 0; i < 500; i++) {
		assert_int_equal(SSL_key_update(x.client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(x.client), 1);
	}
	for (unsigned i = 0; i < 3; i++) {
		assert_true(SSL_read(x.server, &byte, 1) <= 0);
		assert_true(tls_key_updates(x.server) <= LIMIT_KEY_UPDATES + 1);
	}
	assert_int_equal(tls_key_updates(x.server), LIMIT_KEY_UPDATES + 1);
	rig_part(&x);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rig_begin, rig_end)
	const struct CMUnitTest tests[] = {
		T(a_listed_agent_is_let_in_with_party_roles_and_ends),
		T(a_session_ends_with_the_authority_if_that_is_sooner),
		T(no_ticket_no_names_of_authorities_and_tls_1_3_are_what_a_client_gets),
		T(no_certificate_is_no_session),
		T(unknown_domain_bad_chain_and_another_partys_authority_look_the_same),
		T(whoever_our_bundle_does_not_reach_is_not_told_what_else_is_wrong),
		T(a_leaf_must_name_exactly_one_spiffe_id),
		T(a_name_that_is_almost_a_spiffe_id_is_none),
		T(a_name_with_a_nul_inside_is_not_cut_to_a_good_one),
		T(the_extended_key_usage_must_say_client),
		T(an_authority_is_no_agent),
		T(the_last_second_of_a_certificate_counts_and_the_next_does_not),
		T(an_agent_that_the_policy_does_not_list_is_refused),
		T(weak_and_unusual_keys_are_refused),
		T(a_party_that_is_shut_out_looks_like_an_unknown_one),
		T(older_tls_other_protocols_and_other_ciphers_are_refused),
		T(a_peer_is_given_out_once_and_never_before_the_handshake),
		T(key_updates_are_counted_until_data_comes),
		T(of_a_flood_of_key_updates_one_more_than_is_legal_is_looked_at),
	};
#undef T
	return cmocka_run_group_tests(tests, NULL, NULL);
}
