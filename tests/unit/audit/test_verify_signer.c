/* Whose signature a report of the log carries, and by which certificates. */
#include "tests/lib/test.h"

#include "tests/unit/audit/verify_rig.h"

/* Whoever publishes, KEN alone may receive. */
static int
setup_for_ken(void **state)
{
	int code = setup(state);
	struct rig *g = *state;
	g->s->members = SMALL_MEMBER("KEN", "receive");
	return code;
}

static void
renew_for_ken(struct rig *g)
{
	renew(g);
	g->s->members = SMALL_MEMBER("KEN", "receive");
}

/* An INTAKE, and the decision without which it would be a gap. */
static void
judged_intake(struct small *s)
{
	struct small_decision no = { EVENT_DECISION, "KEN", OUTCOME_WITHHOLD, SMALL_WITHHOLD, 0,
		small_intake(s), NULL };
	small_decide(s, &no);
}

/* A log of one report, made by what the test set in 'by' before. */
static void
one_report(struct small *s)
{
	small_start(s);
	small_policy(s, "policy");
	small_report(s);
	judged_intake(s);
}

/* The finding, and that nobody's signature counts as good. */
static void
refused(struct rig *g, const char *text)
{
	expect_log(g, VERIFY_SIGNATURE, text);
	assert_int_equal(g->result.findings[VERIFY_SIGNATURE], 1);
	assert_int_equal(g->result.signed_reports + g->result.unproved_reports, 0);
}

static void
signed_by(struct rig *g, uint64_t reports, uint64_t signatures)
{
	expect_log(g, VERIFY_OK, NULL);
	assert_int_equal(g->result.signed_reports, reports);
	assert_int_equal(g->result.signatures, signatures);
	assert_int_equal(g->result.unproved_reports, 0);
}

static void
a_report_is_signed_by_the_agent_that_its_record_names(void **state)
{
	struct rig *g = *state;
	one_report(g->s);
	signed_by(g, 1, 1);
}

static void
a_report_that_was_no_part_of_a_batch_has_no_path(void **state)
{
	struct rig *g = *state;
	g->s->signer.by.path_count = 0;
	g->s->signer.by.place = 0;
	one_report(g->s);
	signed_by(g, 1, 1);
}

static void
the_signature_of_another_key_does_not_hold(void **state)
{
	struct rig *g = *state;
	g->s->signer.by.key = g->s->signer.nor.key;
	one_report(g->s);
	refused(g, "it is not signed by its publisher: the signature does not hold");
}

static void
the_signature_over_another_report_does_not_hold(void **state)
{
	struct rig *g = *state;
	static const uint8_t other[32] = { 1 };
	g->s->signer.by.over = other;
	one_report(g->s);
	refused(g, "it is not signed by its publisher: the signature does not hold");
}

static void
a_path_that_leads_to_another_root_does_not_hold(void **state)
{
	struct rig *g = *state;
	g->s->signer.by.spoil = true;
	one_report(g->s);
	refused(g, "it is not signed by its publisher: the signature does not hold");
}

static void
a_chain_that_begins_with_another_leaf_is_not_the_manifests_signer(void **state)
{
	struct rig *g = *state;
	struct small_id other;
	small_issue(&other, &g->s->signer.gbr, SMALL_AGENT, MINT_SIGNER, 10);
	g->s->signer.by.chain = &other;
	one_report(g->s);
	refused(g, "its manifest names another certificate than its chain begins with");
	small_id_done(&other);
}

static void
another_agents_certificate_signs_for_itself_alone(void **state)
{
	struct rig *g = *state;
	struct small_id other;
	small_issue(&other, &g->s->signer.gbr, "spiffe://gbr.example/desk-2", MINT_SIGNER, 10);
	g->s->signer.by.named = g->s->signer.by.chain = &other;
	g->s->signer.by.key = other.key;
	one_report(g->s);
	refused(g, "its certificate is that of another agent");
	small_id_done(&other);
}

static void
the_manifests_originator_is_the_agent_of_the_record(void **state)
{
	struct rig *g = *state;
	small_start(g->s);
	small_policy(g->s, "policy");
	g->s->signer.by.agent = "spiffe://gbr.example/desk-2";
	small_report(g->s);
	g->s->signer.by.agent = SMALL_AGENT;
	judged_intake(g->s);
	refused(g, "its manifest names another agent as originator");
}

/* NOR's agent under NOR's anchor signs as NOR, not as GBR. */
static void
a_leaf_of_another_partys_domain_does_not_sign_for_a_party(void **state)
{
	struct rig *g = *state;
	struct small_id watch;
	small_issue(&watch, &g->s->signer.nor, "spiffe://nor.example/watch", MINT_SIGNER, 10);
	g->s->signer.by.agent = "spiffe://nor.example/watch";
	g->s->signer.by.named = g->s->signer.by.chain = &watch;
	g->s->signer.by.anchor = &g->s->signer.nor;
	g->s->signer.by.key = watch.key;
	one_report(g->s);
	refused(g, "the trust domain of its signer, nor.example, is not that of GBR");
	small_id_done(&watch);
}

static void
the_same_leaf_signs_for_its_own_party(void **state)
{
	struct rig *g = *state;
	struct small_id watch;
	small_issue(&watch, &g->s->signer.nor, "spiffe://nor.example/watch", MINT_SIGNER, 10);
	g->s->signer.by.party = "NOR";
	g->s->signer.by.agent = "spiffe://nor.example/watch";
	g->s->signer.by.named = g->s->signer.by.chain = &watch;
	g->s->signer.by.anchor = &g->s->signer.nor;
	g->s->signer.by.key = watch.key;
	one_report(g->s);
	signed_by(g, 1, 1);
	small_id_done(&watch);
}

/* S8: whatever URI NOR's authority writes into a certificate. */
static void
one_partys_authority_does_not_speak_for_another(void **state)
{
	struct rig *g = *state;
	struct small_id fake;
	small_issue(&fake, &g->s->signer.nor, SMALL_AGENT, MINT_SIGNER, 10);
	g->s->signer.by.named = g->s->signer.by.chain = &fake;
	g->s->signer.by.anchor = &g->s->signer.nor;
	g->s->signer.by.key = fake.key;
	one_report(g->s);
	refused(g, "is none that the policy has for GBR");
	small_id_done(&fake);
}

/* What an operator could make up alone. */
static void
a_whole_chain_that_the_policy_does_not_know_is_refused(void **state)
{
	struct rig *g = *state;
	struct small_id ca, leaf;
	small_issue(&ca, NULL, NULL, MINT_AUTHORITY, 10);
	small_issue(&leaf, &ca, SMALL_AGENT, MINT_SIGNER, 10);
	g->s->signer.by.named = g->s->signer.by.chain = &leaf;
	g->s->signer.by.anchor = &ca;
	g->s->signer.by.key = leaf.key;
	one_report(g->s);
	refused(g, "is none that the policy has for GBR");
	/* and under the right anchor's name it does not end there */
	renew_for_ken(g);
	g->s->signer.by.named = g->s->signer.by.chain = &leaf;
	g->s->signer.by.key = leaf.key;
	one_report(g->s);
	refused(g, "the chain of its signer: unable to get local issuer certificate");
	small_id_done(&ca);
	small_id_done(&leaf);
}

static void
a_certificate_that_may_not_sign_reports_is_refused(void **state)
{
	struct rig *g = *state;
	struct small_id session;
	small_issue(&session, &g->s->signer.gbr, SMALL_AGENT, MINT_CLIENT, 10);
	g->s->signer.by.named = g->s->signer.by.chain = &session;
	g->s->signer.by.key = session.key;
	one_report(g->s);
	refused(g, "no extended key usage documentSigning");
	small_id_done(&session);
}

static void
a_chain_or_anchor_that_is_none_is_refused(void **state)
{
	struct rig *g = *state;
	static const struct small_id text = { .der = { (const uint8_t *)"text", 4 } };
	g->s->signer.by.chain = &text;
	one_report(g->s);
	refused(g, "the chain of its signer: no row of certificates");
	renew_for_ken(g);
	g->s->signer.by.anchor = g->s->signer.by.policy = &text;
	one_report(g->s);
	refused(g, "the chain of its signer: 4 bytes are not exactly one certificate");
}

/* The first report is good, and its verdict is kept; it does not outlive the certificate. */
static void
a_certificate_signs_only_while_it_is_valid(void **state)
{
	struct rig *g = *state;
	struct small_id brief;
	small_issue(&brief, &g->s->signer.gbr, SMALL_AGENT, MINT_SIGNER, 1);
	g->s->signer.by.named = g->s->signer.by.chain = &brief;
	g->s->signer.by.key = brief.key;
	one_report(g->s);
	signed_by(g, 1, 1);
	for (uint8_t i = 1; i <= 2; i++) {
		uint64_t last = (uint64_t)(SMALL_START_S + SMALL_DAY_S) * 1000000 - 1;
		memset(g->s->id, i, sizeof(g->s->id));
		g->s->now = i == 1 ? last : last + 1;
		small_report(g->s);
		judged_intake(g->s);
	}
	g->ask.now_s = SMALL_START_S + 2 * SMALL_DAY_S;
	expect_log(g, VERIFY_SIGNATURE, "the chain of its signer: certificate has expired");
	assert_int_equal(g->result.signed_reports, 2);
	assert_int_equal(g->result.findings[VERIFY_SIGNATURE], 1);
	small_id_done(&brief);
}

static void
a_certificate_does_not_sign_before_it_is_valid(void **state)
{
	struct rig *g = *state;
	g->s->now -= 2ull * SMALL_DAY_S * 1000000;
	one_report(g->s);
	refused(g, "the chain of its signer: certificate is not yet valid");
	/* nor where times fall in a log, whatever was judged before */
	renew_for_ken(g);
	one_report(g->s);
	g->s->log.time = 0;
	g->s->now -= 2ull * SMALL_DAY_S * 1000000;
	memset(g->s->id, 1, sizeof(g->s->id));
	small_report(g->s);
	judged_intake(g->s);
	expect_log(g, VERIFY_SIGNATURE, "the chain of its signer: certificate is not yet valid");
	assert_int_equal(g->result.signed_reports, 1);
}

static void
each_policy_says_anew_whose_anchors_count(void **state)
{
	struct rig *g = *state;
	one_report(g->s);
	g->s->signer.by.policy = &g->s->signer.nor;
	small_policy(g->s, "policy without GBR's anchor");
	memset(g->s->id, 1, sizeof(g->s->id));
	small_report(g->s);
	judged_intake(g->s);
	expect_log(g, VERIFY_SIGNATURE, "is none that the policy has for GBR");
	assert_int_equal(g->result.signed_reports, 1);
}

static void
a_seal_that_is_none_is_refused(void **state)
{
	struct rig *g = *state;
	enum { PLACE = 2, HASH = 34, CASES = 8 };
	uint8_t good[512], bad[600];
	for (size_t i = 0; i < CASES; i++) {
		renew_for_ken(g);
		small_start(g->s);
		small_policy(g->s, "policy");
		small_report(g->s);
		size_t n = small_seal(&g->s->h, &g->s->signer, g->s->manifest_leaf, good);
		memcpy(bad, good, n);
		switch (i) {
		case 0: /* text */
			memcpy(bad, "seal", n = 4);
			break;
		case 1: /* a place outside of any batch */
			bad[1] = 64;
			break;
		case 2: /* the right one, and 2^32 */
			memcpy(bad, "\x08\xa5\x80\x80\x80\x10", 6);
			memcpy(bad + 6, good + PLACE, n - PLACE);
			n += 4;
			break;
		case 3: /* a path of five */
			memcpy(bad + PLACE, good + PLACE + HASH, n - PLACE - HASH);
			n -= HASH;
			break;
		case 4: /* the place twice */
			memcpy(bad + PLACE, good, n);
			n += PLACE;
			break;
		case 5: /* and last */
			memcpy(bad, good + PLACE, n - PLACE);
			memcpy(bad + n - PLACE, good, PLACE);
			break;
		case 6: /* a field that there is not */
			memcpy(bad + n, "\x20\x01", 2);
			n += 2;
			break;
		case 7: /* cut */
			n--;
			break;
		}
		g->s->signer.by.seal = bytes_from(bad, n);
		judged_intake(g->s);
		refused(g, "its seal cannot be read");
	}
}

static void
a_good_signature_says_nothing_of_the_next_report(void **state)
{
	struct rig *g = *state;
	one_report(g->s);
	memset(g->s->id, 1, sizeof(g->s->id));
	g->s->signer.by.key = g->s->signer.nor.key;
	small_report(g->s);
	judged_intake(g->s);
	expect_log(
	    g, VERIFY_SIGNATURE, "it is not signed by its publisher: the signature does not hold");
	assert_int_equal(g->result.signed_reports, 1);
	assert_int_equal(g->result.findings[VERIFY_SIGNATURE], 1);
}

static void
what_is_not_in_the_bundle_leaves_the_signature_unproved(void **state)
{
	struct rig *g = *state;
	static const enum bundle_dir needed[] = { BUNDLE_SEAL, BUNDLE_CHAIN, BUNDLE_ANCHOR,
		BUNDLE_POLICY, BUNDLE_MANIFEST };
	one_report(g->s);
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		small_bundle(g->s, "", 0);
		for (size_t k = 0; k < g->s->file_count; k++)
			if (strncmp(g->s->files[k].path, bundle_dir(needed[i]), 4) == 0)
				g->s->files[k].path[0] = 'x';
		expect(g, VERIFY_OK, NULL);
		assert_int_equal(g->result.signed_reports, 0);
		assert_int_equal(g->result.unproved_reports, 1);
	}
}

static void
a_bundle_that_begins_later_proves_the_signatures_in_it(void **state)
{
	struct rig *g = *state;
	one_report(g->s);
	small_bundle(g->s, "", 2);
	expect(g, VERIFY_OK, NULL);
	assert_int_equal(g->result.signed_reports, 1);
	small_bundle(g->s, "", 3);
	expect(g, VERIFY_OK, NULL);
	assert_int_equal(g->result.signed_reports + g->result.unproved_reports, 0);
}

/* The tree of 64 manifests; 'level' 0 are their leaf hashes. */
static void
path_of(struct small *s, uint8_t level[7][64][32], uint32_t place)
{
	for (size_t l = 0; l < SEAL_PATH; l++)
		memcpy(s->signer.by.path[l], level[l][place >> l ^ 1], 32);
	s->signer.by.place = place;
}

static void
a_batch_of_64_reports_is_one_signature(void **state)
{
	struct rig *g = *state;
	static uint8_t level[7][64][32];
	uint8_t signature[128];
	small_start(g->s);
	small_policy(g->s, "policy");
	for (uint8_t i = 0; i < 64; i++) {
		memset(g->s->id, i + 1, sizeof(g->s->id));
		small_report(g->s);
		memcpy(level[0][i], g->s->manifest_leaf, 32);
	}
	for (size_t l = 0; l < SEAL_PATH; l++)
		for (size_t i = 0; i < 32u >> l; i++)
			assert_true(merkle_node(
			    &g->s->h, level[l][2 * i], level[l][2 * i + 1], level[l + 1][i], NULL));
	for (uint8_t i = 0; i < 64; i++) {
		memset(g->s->id, i + 1, sizeof(g->s->id));
		small_report(g->s);
		path_of(g->s, level, i);
		if (i == 0)
			g->s->signer.by.signature =
			    small_sign(&g->s->h, &g->s->signer, level[0][0], signature);
		judged_intake(g->s);
	}
	signed_by(g, 64, 1);
}

/* More verdicts than are kept at once: under each of these policies the chain is judged anew. */
static void
verdicts_that_were_forgotten_are_made_again(void **state)
{
	struct rig *g = *state;
	enum { POLICIES = 1030 };
	uint8_t seal[512];
	small_start(g->s);
	small_report(g->s);
	g->s->signer.by.seal =
	    bytes_from(seal, small_seal(&g->s->h, &g->s->signer, g->s->manifest_leaf, seal));
	for (unsigned i = 0; i < POLICIES; i++) {
		char text[32];
		(void)snprintf(text, sizeof(text), "policy %u", i);
		small_policy(g->s, text);
		judged_intake(g->s);
	}
	expect_log(g, VERIFY_GAP, "the same report was accepted before");
	assert_int_equal(g->result.findings[VERIFY_SIGNATURE], 0);
	assert_int_equal(g->result.signed_reports, POLICIES);
	assert_int_equal(g->result.signatures, 1);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup_for_ken, teardown)
	const struct CMUnitTest tests[] = {
		T(a_report_is_signed_by_the_agent_that_its_record_names),
		T(a_report_that_was_no_part_of_a_batch_has_no_path),
		T(the_signature_of_another_key_does_not_hold),
		T(the_signature_over_another_report_does_not_hold),
		T(a_path_that_leads_to_another_root_does_not_hold),
		T(a_chain_that_begins_with_another_leaf_is_not_the_manifests_signer),
		T(another_agents_certificate_signs_for_itself_alone),
		T(the_manifests_originator_is_the_agent_of_the_record),
		T(a_leaf_of_another_partys_domain_does_not_sign_for_a_party),
		T(the_same_leaf_signs_for_its_own_party),
		T(one_partys_authority_does_not_speak_for_another),
		T(a_whole_chain_that_the_policy_does_not_know_is_refused),
		T(a_certificate_that_may_not_sign_reports_is_refused),
		T(a_chain_or_anchor_that_is_none_is_refused),
		T(a_certificate_signs_only_while_it_is_valid),
		T(a_certificate_does_not_sign_before_it_is_valid),
		T(each_policy_says_anew_whose_anchors_count),
		T(a_seal_that_is_none_is_refused),
		T(a_good_signature_says_nothing_of_the_next_report),
		T(what_is_not_in_the_bundle_leaves_the_signature_unproved),
		T(a_bundle_that_begins_later_proves_the_signatures_in_it),
		T(a_batch_of_64_reports_is_one_signature),
		T(verdicts_that_were_forgotten_are_made_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
