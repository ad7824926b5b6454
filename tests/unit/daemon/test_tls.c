/* Every bad certificate: refused, with which reason for our log and which alert for the peer. */
#include "tests/lib/test.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>

#include "daemon/log.h"
#include "daemon/tls.h"
#include "tests/lib/world.h"

static struct world w;
static struct trust *t;

static void
quiet(const char *line, size_t len)
{
	(void)line;
	(void)len;
}

static int
begin(void **state)
{
	(void)state;
	log_test_seams(NULL, quiet);
	world_make(&w);
	t = world_trust(&w);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	trust_unref(t);
	world_done(&w);
	return 0;
}

/* ---- one handshake over memory ---- */

struct ends {
	SSL *server, *client;
	bool accepted;
	int alert; /* what the client was told; 0: nothing */
	struct trust_peer *peer;
	struct trust_refusal why;
};

static unsigned tickets;

static int
on_ticket(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	(void)session;
	tickets++;
	return 0;
}

static SSL *
client_new(const struct world_id *id, STACK_OF(X509) * chain)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	assert_non_null(ctx);
	SSL_CTX_set_security_level(ctx, 0); /* the client may be as weak as it likes */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(ctx, on_ticket);
	if (id != NULL) {
		assert_int_equal(SSL_CTX_use_certificate(ctx, id->cert), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(ctx, id->key), 1);
	}
	for (int i = 0; i < sk_X509_num(chain); i++)
		assert_int_equal(SSL_CTX_add1_chain_cert(ctx, sk_X509_value(chain, i)), 1);
	SSL *ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	SSL_set_connect_state(ssl);
	SSL_set_alpn_protos(ssl, (const uint8_t *)"\x07relto/1", 8);
	return ssl;
}

static void
join(struct ends *x, SSL *client)
{
	BIO *a = NULL, *b = NULL;
	memset(x, 0, sizeof(*x));
	x->client = client;
	x->server = tls_open(t);
	assert_non_null(x->server);
	assert_int_equal(BIO_new_bio_pair(&a, 65536, &b, 65536), 1);
	SSL_set_bio(x->server, a, a);
	SSL_set_bio(x->client, b, b);
}

static void
shake(struct ends *x)
{
	int r = 0;
	for (int round = 0; round < 10; round++) {
		(void)SSL_do_handshake(x->client);
		ERR_clear_error();
		r = SSL_do_handshake(x->server);
		if (r == 1 || SSL_get_error(x->server, r) != SSL_ERROR_WANT_READ)
			break;
	}
	x->accepted = r == 1 && tls_take_peer(x->server, &x->peer, &x->why);
	if (r != 1)
		tls_refusal(x->server, &x->why);
	char byte;
	ERR_clear_error();
	if (SSL_read(x->client, &byte, 1) <= 0) {
		int reason = ERR_GET_REASON(ERR_peek_last_error());
		x->alert = reason > SSL_AD_REASON_OFFSET ? reason - SSL_AD_REASON_OFFSET : 0;
	}
	ERR_clear_error();
}

static void
part(struct ends *x)
{
	trust_peer_free(x->peer);
	SSL_free(x->server);
	SSL_free(x->client);
}

/* Shows 'id'; it must be refused with this reason and this alert, and nothing else be said. */
static void
refused(const struct world_id *id, STACK_OF(X509) * chain, enum chain_fault fault, int alert)
{
	struct ends x;
	join(&x, client_new(id, chain));
	shake(&x);
	assert_false(x.accepted);
	assert_null(x.peer);
	assert_string_equal(chain_fault_token(x.why.fault), chain_fault_token(fault));
	assert_int_equal(x.alert, alert);
	assert_true(strlen(x.why.why) > 0);
	part(&x);
}

#define GBR (&w.ca[WORLD_GBR])
#define NOR (&w.ca[WORLD_NOR])
#define FROM (WORLD_NOW - WORLD_DAY)
#define UNTIL (WORLD_NOW + WORLD_DAY)

/* ---- the one good certificate ---- */

static void
a_listed_agent_is_let_in_with_party_roles_and_ends(void **state)
{
	(void)state;
	struct ends x;
	uint8_t leaf[32];
	join(&x, client_new(&w.agent, NULL));
	shake(&x);
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
	part(&x);
}

static void
a_session_ends_with_the_authority_if_that_is_sooner(void **state)
{
	(void)state;
	struct ends x;
	struct world_id id = world_issue(NOR, "spiffe://nor.example/fusion-desk", MINT_CLIENT, FROM,
	    WORLD_NOW + 900 * WORLD_DAY);
	join(&x, client_new(&id, NULL));
	shake(&x);
	assert_true(x.accepted);
	assert_int_equal(x.peer->not_after, WORLD_NOW + 100 * WORLD_DAY);
	assert_true(x.peer->crl_until == INT64_MAX);
	part(&x);
	world_id_done(&id);
}

static void
no_ticket_no_names_of_authorities_and_tls_1_3_are_what_a_client_gets(void **state)
{
	(void)state;
	struct ends x;
	tickets = 0;
	join(&x, client_new(&w.agent, NULL));
	shake(&x);
	assert_true(x.accepted);
	assert_int_equal(tickets, 0);
	assert_int_equal(SSL_version(x.client), TLS1_3_VERSION);
	assert_true(sk_X509_NAME_num(SSL_get0_peer_CA_list(x.client)) <= 0);
	assert_int_equal(SSL_SESSION_get_max_early_data(SSL_get0_session(x.client)), 0);
	assert_int_equal(SSL_verify_client_post_handshake(x.server), 0);
	ERR_clear_error();
	assert_true((SSL_get_mode(x.server) & SSL_MODE_AUTO_RETRY) == 0);
	assert_true((SSL_get_mode(x.server) & SSL_MODE_RELEASE_BUFFERS) != 0);
	part(&x);
}

/* ---- who is refused ---- */

static void
no_certificate_is_no_session(void **state)
{
	(void)state;
	refused(NULL, NULL, CHAIN_NO_CERTIFICATE, 116);
}

static void
unknown_domain_bad_chain_and_another_partys_authority_look_the_same(void **state)
{
	(void)state;
	struct world_id cross = world_issue(NOR, WORLD_AGENT, MINT_CLIENT, FROM, UNTIL);
	struct world_id unknown =
	    world_issue(GBR, "spiffe://usa.example/fusion-desk", MINT_CLIENT, FROM, UNTIL);
	struct world_id alone = world_issue(NULL, WORLD_AGENT, MINT_CLIENT, FROM, UNTIL);
	refused(&cross, NULL, CHAIN_UNTRUSTED, 48);
	refused(&unknown, NULL, CHAIN_UNKNOWN_DOMAIN, 48);
	refused(&alone, NULL, CHAIN_UNTRUSTED, 48);
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
	refused(&expired, NULL, CHAIN_UNTRUSTED, 48);
	refused(&unlisted, NULL, CHAIN_UNTRUSTED, 48);
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
	refused(&id, NULL, CHAIN_IDENTITY, 42);
	world_id_done(&id);
	spec.uris = twice;
	id = world_issue_spec(GBR, &spec, mint_p256());
	refused(&id, NULL, CHAIN_IDENTITY, 42);
	world_id_done(&id);
	id = world_issue(GBR, NULL, MINT_CLIENT, FROM, UNTIL);
	refused(&id, NULL, CHAIN_IDENTITY, 42);
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
		refused(&id, NULL, CHAIN_IDENTITY, 42);
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
	refused(&id, NULL, CHAIN_IDENTITY, 42);
	world_id_done(&id);
}

static void
the_extended_key_usage_must_say_client(void **state)
{
	(void)state;
	static const unsigned usages[] = { 0, MINT_SERVER, MINT_SIGNER, MINT_SERVER | MINT_SIGNER };
	for (size_t i = 0; i < sizeof(usages) / sizeof(usages[0]); i++) {
		struct world_id id = world_issue(GBR, WORLD_AGENT, usages[i], FROM, UNTIL);
		refused(&id, NULL, CHAIN_EKU, 43);
		world_id_done(&id);
	}
}

static void
an_authority_is_no_agent(void **state)
{
	(void)state;
	struct world_id id =
	    world_issue(GBR, WORLD_AGENT, MINT_CLIENT | MINT_AUTHORITY, FROM, UNTIL);
	refused(&id, NULL, CHAIN_CA, 42);
	world_id_done(&id);
	id = world_issue(GBR, WORLD_AGENT, MINT_CLIENT | MINT_CERT_SIGN, FROM, UNTIL);
	refused(&id, NULL, CHAIN_CERT_SIGN, 42);
	world_id_done(&id);
}

static void
the_last_second_of_a_certificate_counts_and_the_next_does_not(void **state)
{
	(void)state;
	struct ends x;
	struct world_id id = world_issue(GBR, WORLD_AGENT, MINT_CLIENT, WORLD_NOW, WORLD_NOW + 100);
	w.now = WORLD_NOW + 99;
	join(&x, client_new(&id, NULL));
	shake(&x);
	assert_true(x.accepted);
	part(&x);
	w.now = WORLD_NOW + 101;
	refused(&id, NULL, CHAIN_EXPIRED, 45);
	w.now = WORLD_NOW - 1;
	refused(&id, NULL, CHAIN_NOT_YET_VALID, 45);
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
		refused(&id, NULL, CHAIN_UNLISTED, 46);
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
	refused(&id, NULL, CHAIN_KEY, 42);
	world_id_done(&id);
	id = world_issue_spec(GBR, &spec, EVP_EC_gen("P-521"));
	refused(&id, NULL, CHAIN_KEY, 42);
	world_id_done(&id);
	struct ends x;
	id = world_issue_spec(GBR, &spec, EVP_RSA_gen(2048));
	join(&x, client_new(&id, NULL));
	shake(&x);
	assert_true(x.accepted);
	part(&x);
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
	refused(&w.agent, NULL, CHAIN_SHUT_OUT, 48);
	assert_true(trust_party_usable(t, bytes_of("GBR"), &why));
	assert_string_equal(why, "the bundle holds no certificate");
	assert_true(trust_party_usable(t, bytes_of("NOR"), &why));
	assert_string_equal(why, "");
	struct ends x;
	struct world_id id =
	    world_issue(NOR, "spiffe://nor.example/fusion-desk", MINT_CLIENT, FROM, UNTIL);
	join(&x, client_new(&id, NULL));
	shake(&x);
	assert_true(x.accepted);
	part(&x);
	world_id_done(&id);
}

/* ---- chains and lists ---- */

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
	join(&x, client_new(&id, chain));
	shake(&x);
	assert_true(x.accepted);
	assert_int_equal(sk_X509_num(x.peer->certs), 4);
	part(&x);
	world_id_done(&id);
	id = world_issue(&step[3], "spiffe://nor.example/fusion-desk", MINT_CLIENT, FROM, UNTIL);
	sk_X509_unshift(chain, step[3].cert);
	refused(&id, chain, CHAIN_UNTRUSTED, 48);
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
	refused(&id, chain, CHAIN_UNTRUSTED, 48);
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
	refused(&w.agent, chain, CHAIN_HANDSHAKE, 47); /* illegal parameter */
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
	refused(&w.agent, NULL, CHAIN_REVOKED, 44);
}

static void
an_issuer_without_a_list_is_refused_where_lists_are_configured(void **state)
{
	(void)state;
	struct world_id middle = intermediate(GBR, "GBR I1");
	struct world_id id = world_issue(&middle, WORLD_AGENT, MINT_CLIENT, FROM, UNTIL);
	STACK_OF(X509) *chain = sk_X509_new_null();
	sk_X509_push(chain, middle.cert);
	refused(&id, chain, CHAIN_NO_CRL, 46);
	/* with its own list it is let in, and a revoked intermediate takes all it issued with it */
	w.crls[1] = world_pem_crl(&w, &middle, NULL, WORLD_NOW - 60, WORLD_NOW + WORLD_DAY);
	w.parties[WORLD_GBR].crl_count = 2;
	rebuild(w.crls[0]);
	struct ends x;
	join(&x, client_new(&id, chain));
	shake(&x);
	assert_true(x.accepted);
	part(&x);
	rebuild(world_pem_crl(&w, GBR, middle.cert, WORLD_NOW - 60, WORLD_NOW + WORLD_DAY));
	refused(&id, chain, CHAIN_REVOKED, 44);
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
	refused(&w.agent, NULL, CHAIN_NO_CRL, 46);
	world_id_done(&fake);
}

static void
a_list_at_its_hard_age_shuts_the_party_out(void **state)
{
	(void)state;
	struct ends x;
	w.now = WORLD_NOW + WORLD_DAY / 2 - 1;
	join(&x, client_new(&w.agent, NULL));
	shake(&x);
	assert_true(x.accepted);
	part(&x);
	w.now = WORLD_NOW + WORLD_DAY / 2;
	refused(&w.agent, NULL, CHAIN_CRL_STALE, 46);
	const char *why;
	assert_true(trust_party_usable(t, bytes_of("GBR"), &why));
	assert_string_equal(why, "the party's revocation list is too old");
}

static void
a_list_past_its_own_next_update_is_too_old_whatever_the_setting(void **state)
{
	(void)state;
	rebuild(world_pem_crl(&w, GBR, NULL, WORLD_NOW - 60, WORLD_NOW - 1));
	refused(&w.agent, NULL, CHAIN_CRL_STALE, 46);
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
	refused(&w.agent, NULL, CHAIN_REVOKED, 44);
	w.crls[1] = old;
	rebuild(new);
	refused(&w.agent, NULL, CHAIN_REVOKED, 44);
}

/* ---- the protocol ---- */

static void
handshake_fails(SSL *client, int alert)
{
	struct ends x;
	join(&x, client);
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
	part(&x);
}

static void
older_tls_other_protocols_and_other_ciphers_are_refused(void **state)
{
	(void)state;
	SSL *old = client_new(&w.agent, NULL);
	assert_int_equal(SSL_set_max_proto_version(old, TLS1_2_VERSION), 1);
	handshake_fails(old, 70); /* protocol version */
	SSL *none = client_new(&w.agent, NULL);
	SSL_set_alpn_protos(none, NULL, 0);
	handshake_fails(none, 120); /* no application protocol */
	SSL *other = client_new(&w.agent, NULL);
	SSL_set_alpn_protos(other, (const uint8_t *)"\x07relto/2", 8);
	handshake_fails(other, 120);
	SSL *weak = client_new(&w.agent, NULL);
	assert_int_equal(SSL_set_ciphersuites(weak, "TLS_AES_128_GCM_SHA256"), 1);
	handshake_fails(weak, 40); /* handshake failure */
}

static void
a_peer_is_given_out_once_and_never_before_the_handshake(void **state)
{
	(void)state;
	struct ends x;
	struct trust_peer *peer = NULL;
	join(&x, client_new(&w.agent, NULL));
	assert_false(tls_take_peer(x.server, &peer, &x.why));
	shake(&x);
	assert_true(x.accepted);
	assert_false(tls_take_peer(x.server, &peer, &x.why));
	assert_null(peer);
	assert_int_equal(x.why.fault, CHAIN_HANDSHAKE);
	part(&x);
}

static void
key_updates_are_counted_until_data_comes(void **state)
{
	(void)state;
	struct ends x;
	char byte = 'x';
	join(&x, client_new(&w.agent, NULL));
	shake(&x);
	assert_true(x.accepted);
	for (unsigned i = 1; i <= LIMIT_KEY_UPDATES + 1; i++) {
		assert_int_equal(SSL_key_update(x.client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(x.client), 1);
		assert_int_equal(SSL_read(x.server, &byte, 1), -1);
		assert_int_equal(tls_key_updates(x.server), i);
	}
	assert_int_equal(SSL_write(x.client, "y", 1), 1);
	assert_int_equal(SSL_read(x.server, &byte, 1), 1);
	tls_saw_data(x.server);
	assert_int_equal(tls_key_updates(x.server), 0);
	part(&x);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
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
		T(three_intermediates_pass_and_four_do_not),
		T(an_intermediate_that_is_no_authority_makes_no_chain),
		T(a_certificate_list_that_is_too_long_is_not_read),
		T(a_revoked_certificate_is_refused_and_told_so),
		T(an_issuer_without_a_list_is_refused_where_lists_are_configured),
		T(a_list_signed_by_somebody_else_is_none),
		T(a_list_at_its_hard_age_shuts_the_party_out),
		T(a_list_past_its_own_next_update_is_too_old_whatever_the_setting),
		T(the_newer_of_two_lists_wins_in_either_order),
		T(older_tls_other_protocols_and_other_ciphers_are_refused),
		T(a_peer_is_given_out_once_and_never_before_the_handshake),
		T(key_updates_are_counted_until_data_comes),
	};
#undef T
	return cmocka_run_group_tests(tests, NULL, NULL);
}
