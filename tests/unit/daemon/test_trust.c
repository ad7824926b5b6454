/* The trust set: what it is built from, the sweep after a reload, and who signs reports. */
#include "tests/lib/test.h"

#include "daemon/log.h"
#include "daemon/trust.h"

#include "tests/lib/world.h"
#include <openssl/rsa.h>

static struct world w;
static struct trust *t;
static char said[4096];

static void
listen_in(const char *line, size_t len)
{
	size_t used = strlen(said);
	(void)snprintf(said + used, sizeof(said) - used, "%.*s", (int)len, line);
}

static int
begin(void **state)
{
	(void)state;
	said[0] = '\0';
	log_test_seams(NULL, listen_in);
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

#define GBR (&w.ca[WORLD_GBR])
#define NOR (&w.ca[WORLD_NOR])
#define HUB (&w.ca[WORLD_HUB])
#define FROM (WORLD_NOW - WORLD_DAY)
#define UNTIL (WORLD_NOW + WORLD_DAY)

static void
rebuild(void)
{
	trust_unref(t);
	t = world_trust(&w);
}

static struct trust_peer *
admitted(void)
{
	struct trust_peer *p = NULL;
	struct trust_refusal why;
	if (!trust_admit(t, w.agent.cert, NULL, &p, &why))
		fail_msg("%s", why.why);
	return p;
}

/* ---- building ---- */

static void
cannot_be_built(const char *story)
{
	struct trust *none = NULL;
	struct err e = { 0 };
	assert_false(trust_new(&w.setup, &none, &e));
	assert_null(none);
	assert_string_equal(e.text, story);
	assert_int_equal(e.code, ERR_CONFIG);
}

static void
the_brokers_own_certificate_must_be_what_clients_pin(void **state)
{
	(void)state;
	struct world_id other =
	    world_issue(GBR, "spiffe://gbr.example/relto", MINT_SERVER, FROM, UNTIL);
	struct world_id client = world_issue(HUB, WORLD_HUB_ID, MINT_CLIENT, FROM, UNTIL);
	struct world_id alone = world_issue(NULL, WORLD_HUB_ID, MINT_SERVER, FROM, UNTIL);
	struct bytes good = w.setup.certificate, key = w.setup.key;
	w.setup.certificate = world_pem_cert(&w, other.cert);
	cannot_be_built("identity: the key is not that of the certificate");
	w.setup.key = world_pem_key(&w, other.key);
	cannot_be_built("identity: the certificate names spiffe://gbr.example/relto, the trust "
			"domain of the hub party is hub.example");
	w.setup.certificate = world_pem_cert(&w, client.cert);
	w.setup.key = world_pem_key(&w, client.key);
	cannot_be_built(
	    "identity: the certificate lacks the extended key usage that this needs: no "
	    "extended key usage serverAuth");
	w.setup.certificate = world_pem_cert(&w, alone.cert);
	w.setup.key = world_pem_key(&w, alone.key);
	cannot_be_built(
	    "identity: the chain does not end in the party's bundle: self-signed certificate "
	    "(certificate 0 of the chain, from 0)");
	w.setup.key = bytes_of("-----BEGIN NOTHING-----\n");
	cannot_be_built("identity: the key cannot be read as an unencrypted PEM private key");
	w.setup.certificate = bytes_of("");
	cannot_be_built("identity: the certificate file cannot be read as PEM");
	w.setup.certificate = good;
	w.setup.key = key;
	world_id_done(&other);
	world_id_done(&client);
	world_id_done(&alone);
}

static void
an_expired_certificate_of_ours_stops_a_start_but_no_reload(void **state)
{
	(void)state;
	w.now = WORLD_NOW + 30 * WORLD_DAY;
	cannot_be_built("identity: a certificate of the chain has expired: certificate has expired "
			"(certificate 0 of the chain, from 0)");
	w.setup.reload = true;
	rebuild();
	assert_non_null(strstr(said, "error trust.own-certificate fault=expired"));
	assert_int_equal(trust_hub_not_after(t), WORLD_NOW + 20 * WORLD_DAY);
}

static void
the_hub_is_named_by_its_certificate(void **state)
{
	(void)state;
	assert_string_equal(trust_hub_id(t), WORLD_HUB_ID);
	assert_int_equal(trust_hub_not_after(t), WORLD_NOW + 20 * WORLD_DAY);
	w.setup.hub = bytes_of("USA");
	cannot_be_built("there is no hub party");
}

static void
two_parties_with_one_trust_domain_are_an_error(void **state)
{
	(void)state;
	w.parties[WORLD_NOR].domain = bytes_of("gbr.example");
	cannot_be_built("two parties have the trust domain gbr.example");
}

/* The party is shut out for this reason; the others are not. */
static void
shut_out(const char *reason)
{
	const char *why = NULL;
	said[0] = '\0';
	rebuild();
	assert_true(trust_party_usable(t, bytes_of("GBR"), &why));
	assert_string_equal(why, reason);
	assert_non_null(strstr(said, "error trust.party-shut-out party=\"GBR\" why="));
	assert_true(trust_party_usable(t, bytes_of("NOR"), &why));
	assert_string_equal(why, "");
	struct trust_peer *p = NULL;
	struct trust_refusal refusal;
	assert_false(trust_admit(t, w.agent.cert, NULL, &p, &refusal));
	assert_int_equal(refusal.fault, CHAIN_SHUT_OUT);
	assert_string_equal(refusal.party, "");
	assert_string_equal(refusal.agent, WORLD_AGENT);
}

static void
unusable_files_of_a_party_shut_out_that_party_alone(void **state)
{
	(void)state;
	struct bytes bundle = w.parties[WORLD_GBR].bundle, list = w.crls[0];
	w.parties[WORLD_GBR].bundle = bytes_of("");
	shut_out("the bundle holds no certificate");
	w.parties[WORLD_GBR].bundle = world_pem_cert(&w, w.agent.cert);
	shut_out("certificate 1 of the bundle is not that of a certification authority");
	w.parties[WORLD_GBR].bundle = world_pem_join(&w, bundle,
	    bytes_of("-----BEGIN CERTIFICATE-----\nAAAA\n"
		     "-----END CERTIFICATE-----\n"));
	shut_out("certificate 2 of the bundle cannot be read");
	w.parties[WORLD_GBR].bundle = world_pem_join(&w, bundle, world_pem_key(&w, w.agent.key));
	shut_out(
	    "the bundle holds something beside its 1 certificate, or a broken BEGIN or END line");
	w.parties[WORLD_GBR].bundle = bundle;
	w.crls[0] = bytes_of("not a list");
	shut_out("revocation list 1 cannot be read");
	w.crls[0] = bytes_from(list.data, list.len / 2);
	shut_out("revocation list 1 cannot be read");
	w.crls[0] = world_pem_join(&w, list, bytes_from(list.data, list.len / 2));
	shut_out("revocation list 1 cannot be read");
	w.crls[0] = world_pem_join(&w, list, bytes_from(list.data + 1, list.len - 1));
	shut_out("revocation list 1 holds something beside lists, or a broken BEGIN or END line");
	w.crls[0] = world_pem_join(&w, list, world_pem_cert(&w, w.agent.cert));
	shut_out("revocation list 1 holds something beside lists, or a broken BEGIN or END line");
	w.crls[0] = list;
	w.parties[WORLD_GBR].unusable = bytes_of("gbr.crl: No such file or directory");
	shut_out("gbr.crl: No such file or directory");
}

static void
an_unknown_party_is_none(void **state)
{
	(void)state;
	const char *why;
	assert_false(trust_party_usable(t, bytes_of("USA"), &why));
}

/* ---- the sweep ---- */

static void
swept(struct trust_peer *p, enum chain_fault fault, const char *party)
{
	struct trust_refusal why;
	assert_false(trust_still_allowed(t, p, &why));
	assert_string_equal(chain_fault_token(why.fault), chain_fault_token(fault));
	assert_string_equal(why.party, party);
	assert_string_equal(why.agent, WORLD_AGENT);
	assert_memory_equal(why.leaf, p->leaf, 32);
}

static void
a_session_that_is_still_allowed_gets_the_new_roles_and_ends(void **state)
{
	(void)state;
	struct trust_refusal why;
	SCOPED(trust_peer_free) struct trust_peer *p = admitted();
	w.agents[WORLD_GBR][0].roles = 1;
	w.crls[0] = world_pem_crl(&w, GBR, NULL, WORLD_NOW, WORLD_NOW + 30 * WORLD_DAY);
	rebuild();
	assert_true(trust_still_allowed(t, p, &why));
	assert_int_equal(p->roles, 1);
	assert_int_equal(p->crl_until, WORLD_NOW + WORLD_DAY);
	assert_int_equal(p->not_after, WORLD_NOW + 10 * WORLD_DAY);
}

static void
a_session_whose_agent_left_the_policy_is_closed(void **state)
{
	(void)state;
	SCOPED(trust_peer_free) struct trust_peer *p = admitted();
	w.agents[WORLD_GBR][0].path = bytes_of("/other-desk");
	rebuild();
	swept(p, CHAIN_UNLISTED, "GBR");
}

static void
a_session_whose_party_left_the_policy_is_closed(void **state)
{
	(void)state;
	SCOPED(trust_peer_free) struct trust_peer *p = admitted();
	w.setup.parties = &w.parties[WORLD_HUB];
	w.setup.party_count = 2;
	rebuild();
	swept(p, CHAIN_UNKNOWN_DOMAIN, "");
}

static void
a_session_whose_certificate_was_revoked_is_closed(void **state)
{
	(void)state;
	SCOPED(trust_peer_free) struct trust_peer *p = admitted();
	w.crls[0] =
	    world_pem_crl(&w, GBR, w.agent.cert, WORLD_NOW - 60, WORLD_NOW + 30 * WORLD_DAY);
	rebuild();
	swept(p, CHAIN_REVOKED, "GBR");
}

static void
every_list_of_a_file_counts_whatever_their_order(void **state)
{
	(void)state;
	struct bytes old = w.crls[0];
	struct bytes new =
	    world_pem_crl(&w, GBR, w.agent.cert, WORLD_NOW - 60, WORLD_NOW + 30 * WORLD_DAY);
	SCOPED(trust_peer_free) struct trust_peer *p = admitted();
	w.crls[0] = world_pem_join(&w, old, new);
	rebuild();
	swept(p, CHAIN_REVOKED, "GBR");
	w.crls[0] = world_pem_join(&w, new, old);
	rebuild();
	swept(p, CHAIN_REVOKED, "GBR");
}

/* A new key of an authority, under the old name: each list speaks for its own key. */
static void
lists_of_an_authority_that_changed_its_key_stand_side_by_side(void **state)
{
	(void)state;
	const struct mint_spec spec = { .name = "GBR CA",
		.usage = MINT_AUTHORITY,
		.from_s = WORLD_NOW - WORLD_DAY,
		.until_s = WORLD_NOW + 300 * WORLD_DAY };
	struct world_id next = world_issue_spec(NULL, &spec, mint_p256());
	struct bytes mine = w.crls[0];
	struct bytes theirs =
	    world_pem_crl(&w, &next, NULL, WORLD_NOW - 60, WORLD_NOW + 30 * WORLD_DAY);
	w.parties[WORLD_GBR].bundle =
	    world_pem_join(&w, w.parties[WORLD_GBR].bundle, world_pem_cert(&w, next.cert));
	w.crls[0] = world_pem_join(&w, mine, theirs);
	rebuild();
	SCOPED(trust_peer_free) struct trust_peer *p = admitted();
	w.crls[0] = theirs;
	rebuild();
	swept(p, CHAIN_NO_CRL, "GBR");
	world_id_done(&next);
}

static void
a_session_whose_authority_was_replaced_is_closed(void **state)
{
	(void)state;
	SCOPED(trust_peer_free) struct trust_peer *p = admitted();
	w.parties[WORLD_GBR].bundle = w.parties[WORLD_NOR].bundle;
	rebuild();
	swept(p, CHAIN_UNTRUSTED, "");
}

static void
a_session_whose_trust_domain_is_now_another_partys_is_closed(void **state)
{
	(void)state;
	SCOPED(trust_peer_free) struct trust_peer *p = admitted();
	w.parties[WORLD_GBR].name = bytes_of("GBX");
	rebuild();
	swept(p, CHAIN_UNLISTED, "GBX");
}

static void
a_session_is_closed_when_its_certificate_or_list_runs_out(void **state)
{
	(void)state;
	SCOPED(trust_peer_free) struct trust_peer *p = admitted();
	w.now = trust_peer_until(p) - 1;
	struct trust_refusal why;
	assert_true(trust_still_allowed(t, p, &why));
	w.now++;
	swept(p, CHAIN_CRL_STALE, "GBR");
	w.now = p->not_after + 1;
	swept(p, CHAIN_EXPIRED, "GBR");
}

static void
a_sweep_over_unchanged_files_asks_for_agent_and_dates_all_the_same(void **state)
{
	(void)state;
	struct trust_refusal why;
	SCOPED(trust_peer_free) struct trust_peer *p = admitted();
	uint8_t before[32];
	memcpy(before, p->material, sizeof(before));
	w.agents[WORLD_GBR][0].roles = 2;
	rebuild();
	assert_true(trust_still_allowed(t, p, &why));
	assert_memory_equal(p->material, before, sizeof(before));
	assert_int_equal(p->roles, 2);
	/* the shorter way must not be taken once a list has changed by anything */
	w.crls[0] = world_pem_crl(&w, GBR, NULL, WORLD_NOW - 60, WORLD_NOW + 30 * WORLD_DAY);
	rebuild();
	assert_true(trust_still_allowed(t, p, &why));
	assert_memory_not_equal(p->material, before, sizeof(before));
	w.agents[WORLD_GBR][0].path = bytes_of("/other-desk");
	rebuild();
	swept(p, CHAIN_UNLISTED, "GBR");
}

static void
a_set_lives_as_long_as_somebody_holds_it(void **state)
{
	(void)state;
	struct trust *held = trust_ref(t);
	trust_unref(t);
	t = held;
	SCOPED(trust_peer_free) struct trust_peer *p = admitted();
	assert_string_equal(p->party, "GBR");
}

/* ---- signers ---- */

static void
not_a_signer(X509 *leaf, const char *originator, enum chain_fault fault)
{
	struct bytes der = world_der(&w, leaf);
	struct trust_signer *s = NULL;
	struct trust_refusal why;
	assert_false(trust_signer_new(t, &der, 1, bytes_of(originator), w.now, &s, &why));
	assert_null(s);
	assert_string_equal(chain_fault_token(why.fault), chain_fault_token(fault));
}

static void
a_signer_is_known_by_party_agent_key_and_anchor(void **state)
{
	(void)state;
	struct bytes der = world_der(&w, w.agent.cert);
	struct trust_signer *s = NULL;
	struct trust_refusal why;
	uint8_t digest[32];
	assert_true(trust_signer_new(t, &der, 1, bytes_of(WORLD_AGENT), w.now, &s, &why));
	assert_string_equal(s->party, "GBR");
	assert_string_equal(s->agent, WORLD_AGENT);
	assert_int_equal(EVP_PKEY_eq(s->key, w.agent.key), 1);
	assert_int_equal(X509_digest(w.agent.cert, EVP_sha256(), digest, NULL), 1);
	assert_memory_equal(s->leaf, digest, 32);
	assert_memory_equal(s->chain, digest, 32); /* a chain of one */
	assert_int_equal(X509_digest(GBR->cert, EVP_sha256(), digest, NULL), 1);
	assert_memory_equal(s->anchor, digest, 32);
	assert_int_equal(s->not_after, WORLD_NOW + 10 * WORLD_DAY);
	assert_int_equal(s->crl_until, WORLD_NOW + WORLD_DAY / 2);
	trust_signer_free(s);
}

static void
a_signer_is_judged_at_the_time_of_its_record_whatever_the_clock_says(void **state)
{
	(void)state;
	struct bytes der = world_der(&w, w.agent.cert);
	struct trust_signer *s = NULL;
	struct trust_refusal why;
	w.now = FROM - WORLD_DAY; /* a clock that was put back */
	assert_true(trust_signer_new(t, &der, 1, bytes_of(WORLD_AGENT), WORLD_NOW, &s, &why));
	trust_signer_free(s);
	w.now = WORLD_NOW;
	assert_false(trust_signer_new(t, &der, 1, bytes_of(WORLD_AGENT), FROM - 1, &s, &why));
	assert_int_equal(why.fault, CHAIN_NO_CRL);
}

static void
what_may_not_sign_does_not(void **state)
{
	(void)state;
	static const char *const uri = WORLD_AGENT;
	struct mint_spec spec = { "rsa", &uri, 1, MINT_SIGNER, FROM, UNTIL };
	struct world_id client = world_issue(GBR, WORLD_AGENT, MINT_CLIENT, FROM, UNTIL);
	struct world_id cross = world_issue(NOR, WORLD_AGENT, MINT_SIGNER, FROM, UNTIL);
	struct world_id nobody =
	    world_issue(GBR, "spiffe://gbr.example/nobody", MINT_SIGNER, FROM, UNTIL);
	struct world_id old = world_issue(GBR, WORLD_AGENT, MINT_SIGNER, FROM, WORLD_NOW - 1);
	struct world_id small = world_issue_spec(GBR, &spec, EVP_RSA_gen(2048));
	not_a_signer(client.cert, WORLD_AGENT, CHAIN_EKU);
	not_a_signer(cross.cert, WORLD_AGENT, CHAIN_UNTRUSTED);
	not_a_signer(nobody.cert, "spiffe://gbr.example/nobody", CHAIN_UNLISTED);
	not_a_signer(old.cert, WORLD_AGENT, CHAIN_EXPIRED);
	not_a_signer(small.cert, WORLD_AGENT, CHAIN_KEY);
	not_a_signer(w.agent.cert, "spiffe://gbr.example/inspector", CHAIN_OTHER_ID);
	not_a_signer(w.agent.cert, "spiffe://gbr.example/fusion-des", CHAIN_OTHER_ID);
	world_id_done(&client);
	world_id_done(&cross);
	world_id_done(&nobody);
	world_id_done(&old);
	world_id_done(&small);
}

static void
a_chain_of_four_is_read_and_one_of_five_is_not(void **state)
{
	(void)state;
	struct trust_signer *s = NULL;
	struct trust_refusal why;
	struct bytes chain[5];
	for (int i = 0; i < 5; i++)
		chain[i] = world_der(&w, i == 0 ? w.agent.cert : GBR->cert);
	assert_true(trust_signer_new(t, chain, 4, bytes_of(WORLD_AGENT), w.now, &s, &why));
	trust_signer_free(s);
	s = NULL;
	assert_false(trust_signer_new(t, chain, 5, bytes_of(WORLD_AGENT), w.now, &s, &why));
	assert_string_equal(why.why, "a chain of 5 certificates");
	assert_false(trust_signer_new(t, chain, 0, bytes_of(WORLD_AGENT), w.now, &s, &why));
	chain[0].len--;
	assert_false(trust_signer_new(t, chain, 1, bytes_of(WORLD_AGENT), w.now, &s, &why));
	assert_int_equal(why.fault, CHAIN_IDENTITY);
	uint8_t longer[4096] = { 0 };
	memcpy(longer, chain[0].data, chain[0].len + 1);
	chain[0] = bytes_from(longer, chain[0].len + 2);
	assert_false(trust_signer_new(t, chain, 1, bytes_of(WORLD_AGENT), w.now, &s, &why));
	assert_null(s);
}

static void
an_intermediate_that_names_other_usages_cannot_vouch_for_a_signer(void **state)
{
	(void)state;
	struct mint_spec spec = { "clients only", NULL, 0, MINT_AUTHORITY | MINT_CLIENT, FROM,
		UNTIL };
	struct world_id middle = world_issue_spec(NOR, &spec, mint_p256());
	struct world_id leaf = world_issue(
	    &middle, "spiffe://nor.example/fusion-desk", MINT_CLIENT | MINT_SIGNER, FROM, UNTIL);
	struct bytes chain[2] = { world_der(&w, leaf.cert), world_der(&w, middle.cert) };
	struct trust_signer *s = NULL;
	struct trust_refusal why;
	assert_false(trust_signer_new(
	    t, chain, 2, bytes_of("spiffe://nor.example/fusion-desk"), w.now, &s, &why));
	assert_string_equal(why.why, "an issuer may not sign for signers");
	world_id_done(&middle);
	world_id_done(&leaf);
}

static bool
stands(int64_t accepted, struct trust_refusal *why)
{
	struct bytes der = world_der(&w, w.agent.cert);
	return trust_signer_stands(t, &der, 1, bytes_of(WORLD_AGENT), accepted, why);
}

static void
a_signer_whose_certificate_only_expired_still_stands(void **state)
{
	(void)state;
	struct trust_refusal why;
	w.setup.reload = true;
	w.now = WORLD_NOW + 50 * WORLD_DAY; /* the list is too old by now as well */
	rebuild();
	assert_true(stands(WORLD_NOW, &why));
	assert_false(stands(WORLD_NOW + 11 * WORLD_DAY, &why));
	assert_int_equal(why.fault, CHAIN_EXPIRED);
}

static void
a_signer_that_was_revoked_later_does_not_stand(void **state)
{
	(void)state;
	struct trust_refusal why;
	w.crls[0] =
	    world_pem_crl(&w, GBR, w.agent.cert, WORLD_NOW + WORLD_DAY, WORLD_NOW + 30 * WORLD_DAY);
	w.now = WORLD_NOW + 2 * WORLD_DAY;
	rebuild();
	assert_false(stands(WORLD_NOW, &why));
	assert_int_equal(why.fault, CHAIN_REVOKED);
	assert_string_equal(why.party, "GBR");
}

static void
a_signer_does_not_stand_on_a_list_that_somebody_else_signed(void **state)
{
	(void)state;
	struct trust_refusal why;
	struct mint_spec spec = { "GBR CA", NULL, 0, MINT_AUTHORITY, FROM, UNTIL };
	struct world_id fake = world_issue_spec(NULL, &spec, mint_p256());
	w.crls[0] = world_pem_crl(&w, &fake, NULL, WORLD_NOW, WORLD_NOW + 30 * WORLD_DAY);
	rebuild();
	assert_false(stands(WORLD_NOW, &why));
	assert_int_equal(why.fault, CHAIN_NO_CRL);
	world_id_done(&fake);
}

static void
a_signer_whose_agent_party_or_authority_is_gone_does_not_stand(void **state)
{
	(void)state;
	struct trust_refusal why;
	struct bytes bundle = w.parties[WORLD_GBR].bundle;
	w.agents[WORLD_GBR][0].path = bytes_of("/other-desk");
	rebuild();
	assert_false(stands(WORLD_NOW, &why));
	assert_int_equal(why.fault, CHAIN_UNLISTED);
	w.agents[WORLD_GBR][0].path = bytes_of("/fusion-desk");
	w.parties[WORLD_GBR].bundle = w.parties[WORLD_NOR].bundle;
	rebuild();
	assert_false(stands(WORLD_NOW, &why));
	assert_int_equal(why.fault, CHAIN_UNTRUSTED);
	w.parties[WORLD_GBR].bundle = bytes_of("");
	rebuild();
	assert_false(stands(WORLD_NOW, &why));
	assert_int_equal(why.fault, CHAIN_SHUT_OUT);
	w.parties[WORLD_GBR].bundle = bundle;
	w.parties[WORLD_GBR].domain = bytes_of("gbx.example");
	rebuild();
	assert_false(stands(WORLD_NOW, &why));
	assert_int_equal(why.fault, CHAIN_UNKNOWN_DOMAIN);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		T(the_brokers_own_certificate_must_be_what_clients_pin),
		T(an_expired_certificate_of_ours_stops_a_start_but_no_reload),
		T(the_hub_is_named_by_its_certificate),
		T(two_parties_with_one_trust_domain_are_an_error),
		T(unusable_files_of_a_party_shut_out_that_party_alone),
		T(an_unknown_party_is_none),
		T(a_session_that_is_still_allowed_gets_the_new_roles_and_ends),
		T(a_session_whose_agent_left_the_policy_is_closed),
		T(a_session_whose_party_left_the_policy_is_closed),
		T(a_session_whose_certificate_was_revoked_is_closed),
		T(every_list_of_a_file_counts_whatever_their_order),
		T(lists_of_an_authority_that_changed_its_key_stand_side_by_side),
		T(a_session_whose_authority_was_replaced_is_closed),
		T(a_session_whose_trust_domain_is_now_another_partys_is_closed),
		T(a_session_is_closed_when_its_certificate_or_list_runs_out),
		T(a_sweep_over_unchanged_files_asks_for_agent_and_dates_all_the_same),
		T(a_set_lives_as_long_as_somebody_holds_it),
		T(a_signer_is_known_by_party_agent_key_and_anchor),
		T(a_signer_is_judged_at_the_time_of_its_record_whatever_the_clock_says),
		T(what_may_not_sign_does_not),
		T(a_chain_of_four_is_read_and_one_of_five_is_not),
		T(an_intermediate_that_names_other_usages_cannot_vouch_for_a_signer),
		T(a_signer_whose_certificate_only_expired_still_stands),
		T(a_signer_that_was_revoked_later_does_not_stand),
		T(a_signer_does_not_stand_on_a_list_that_somebody_else_signed),
		T(a_signer_whose_agent_party_or_authority_is_gone_does_not_stand),
	};
#undef T
	return cmocka_run_group_tests(tests, NULL, NULL);
}
