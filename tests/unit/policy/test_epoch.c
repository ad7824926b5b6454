/* An epoch and what the daemon asks of it: identities, agreements, exports, reloads. */
#include "policy/signature.h"
#include "proto/limits.h"
#include "tests/unit/policy/policy_rig.h"

#include "policy/vocab.h"

static int
setup(void **state)
{
	struct rig *r = malloc(sizeof(*r));
	assert_non_null(r);
	rig_init(r);
	rig_load_text(r, rig_base);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	rig_done(*state);
	free(*state);
	return 0;
}

/* ---- identities ---- */

static bool
known(const struct rig *r, const char *id)
{
	const struct party *p = NULL;
	const struct agent *a = NULL;
	bool found = epoch_agent(r->epoch, bytes_of(id), &p, &a);
	assert_true(found == (p != NULL) && found == (a != NULL));
	return found;
}

static void
an_agent_is_its_whole_spiffe_id(void **state)
{
	struct rig *r = *state;
	const struct party *p;
	const struct agent *a;
	assert_true(epoch_agent(r->epoch, bytes_of("spiffe://hub.example/operator"), &p, &a));
	assert_true(bytes_is(p->name, "HUB"));
	assert_true(p->is_hub);
	assert_ptr_equal(epoch_hub(r->epoch), p);
	assert_int_equal(a->roles, ROLE_OPERATE | ROLE_AUDIT);
	assert_true(known(r, "spiffe://gbr.example/desk"));
	assert_false(known(r, "spiffe://gbr.example/desk/"));
	assert_false(known(r, "spiffe://gbr.example/des"));
	assert_false(known(r, "spiffe://gbr.example/"));
	assert_false(known(r, "spiffe://gbr.example"));
	assert_false(known(r, "spiffe://GBR.example/desk"));
	assert_false(known(r, "SPIFFE://gbr.example/desk"));
	assert_false(known(r, "spiffe://nor.example/desk"));
	assert_false(known(r, "https://gbr.example/desk"));
	assert_false(known(r, "spiffe:/"));
	assert_false(known(r, ""));
}

static void
parties_are_found_by_name_and_domain(void **state)
{
	struct rig *r = *state;
	assert_int_equal(epoch_party_count(r->epoch), 4);
	for (size_t i = 0; i < 4; i++) {
		const struct party *p = epoch_party_at(r->epoch, i);
		assert_int_equal(p->index, i);
		assert_ptr_equal(epoch_party(r->epoch, p->name), p);
		assert_ptr_equal(epoch_party_of_domain(r->epoch, p->trust_domain), p);
		assert_int_equal(p->anchor_count, 1);
		assert_true(p->anchors[0].der.len > 0);
	}
	assert_null(epoch_party(r->epoch, bytes_of("GB")));
	assert_null(epoch_party_of_domain(r->epoch, bytes_of("")));
	assert_string_equal(party_role_name(ROLE_SIGN), "sign");
	assert_int_equal(party_role(bytes_of("nothing")), 0);
}

static void
an_agreement_shows_what_its_members_may_know(void **state)
{
	struct rig *r = *state;
	const struct agreement *a = epoch_agreement(r->epoch, bytes_of("atlas"));
	assert_int_equal(a->version, 3);
	assert_int_equal(a->state, STATE_IN_FORCE);
	assert_int_equal(a->member_count, 3);
	const struct member *m = agreement_member(a, bytes_of("KEN"));
	assert_false(m->may_originate);
	assert_true(m->may_receive);
	assert_int_equal(m->at_most, PRECEDENCE_PRIORITY);
	assert_null(agreement_member(a, bytes_of("HUB")));
	assert_true(a->has_terms);
	assert_true(agreement_in_force(a, a->valid_from));
	assert_false(agreement_in_force(a, a->valid_from - 1));
	assert_true(agreement_in_force(a, a->valid_until - 1));
	assert_false(agreement_in_force(a, a->valid_until));
	assert_true(epoch_agreement(r->epoch, bytes_of("spare"))->suspended);
	assert_null(epoch_agreement(r->epoch, bytes_of("atla")));
	uint8_t digest[32];
	for (size_t i = 0; i < epoch_vocab_count(r->epoch); i++) {
		const struct vocab *v = epoch_vocab_at(r->epoch, i);
		assert_ptr_equal(epoch_vocab(r->epoch, v->name), v);
		assert_true(epoch_spif(r->epoch, i, digest).len > 0);
		assert_memory_equal(digest, v->digest, 32);
	}
}

/* ---- topics ---- */

static void
topics_are_tokens_and_patterns_subjects(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *topic;
		bool matches;
	} rows[] = {
		{ "a", "a", true },
		{ "a", "b", false },
		{ "a", "a.b", false },
		{ "*", "a", true },
		{ "*", "a.b", false },
		{ "a.*", "a", false },
		{ "*.b", "a.b", true },
		{ ">", "a", true },
		{ ">", "a.b.c", true },
		{ "a.>", "a", false },
		{ "a.>", "a.b", true },
		{ "a.*.>", "a.b", false },
		{ "a.b", "a", false },
		{ "aa", "a", false },
		{ "A", "a", false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_true(topic_matches(bytes_of(rows[i].pattern), bytes_of(rows[i].topic)) ==
			    rows[i].matches);
	assert_int_equal(topic_check(bytes_of("a-B_9.x")), TOPIC_GOOD);
	static const char *const bad[] = { "", ".", "a.", ".a", "a..b", "a b", "a.*", ">",
		"\xc3\xa9", "a/b" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(topic_check(bytes_of(bad[i])), TOPIC_BAD);
	assert_int_equal(topic_check((struct bytes){ NULL, 0 }), TOPIC_BAD);
	assert_int_equal(topic_check_pattern(bytes_of("a.*.>")), TOPIC_GOOD);
	assert_int_equal(topic_check_pattern(bytes_of(">.a")), TOPIC_BAD);
	assert_int_equal(topic_check_pattern(bytes_of("a*")), TOPIC_BAD);
}

static void
a_topic_has_255_bytes_and_16_tokens(void **state)
{
	(void)state;
	char text[300];
	memset(text, 'a', sizeof(text));
	assert_int_equal(topic_check(bytes_from(text, 255)), TOPIC_GOOD);
	assert_int_equal(topic_check(bytes_from(text, 256)), TOPIC_TOO_LONG);
	assert_int_equal(topic_check(bytes_of("1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6")), TOPIC_GOOD);
	assert_int_equal(
	    topic_check(bytes_of("1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7")), TOPIC_TOO_LONG);
}

/* ---- exports ---- */

#define GOLDEN "tests/vectors/golden/policy/"

static bool
golden_read(void *ctx, const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	(void)ctx;
	return rig_disk(path, a, out, e);
}

static bool
golden_list(void *ctx, const char *path, struct arena *a, struct names *out, struct err *e)
{
	static const struct bytes files[] = { { (const uint8_t *)"nordic.policy", 13 },
		{ (const uint8_t *)"atlas.policy", 12 } };
	(void)ctx, (void)path, (void)a, (void)e;
	*out = (struct names){ files, 2 };
	return true;
}

static void
assert_file(struct rig *r, const char *path, struct bytes text)
{
	struct bytes want = { 0 };
	struct err e;
	assert_true(rig_disk(path, &r->arena, &want, &e));
	assert_true(bytes_equal(want, text));
}

static void
exports_and_terms_are_the_golden_ones(void **state)
{
	struct epoch_source source = { .read = golden_read, .list = golden_list };
	struct rig r;
	(void)state;
	rig_init(&r);
	assert_true(epoch_load(&source, GOLDEN "in/relto.policy", 0, &r.errors, &r.epoch, &r.err));
	assert_file(&r, GOLDEN "export.txt", epoch_export(r.epoch));
	const struct agreement *a = epoch_agreement(r.epoch, bytes_of("atlas"));
	assert_file(&r, GOLDEN "atlas.terms", a->terms_text);
	a = epoch_agreement(r.epoch, bytes_of("nordic-cti"));
	assert_file(&r, GOLDEN "nordic-cti.terms", a->terms_text);
	rig_done(&r);
}

static void
the_state_is_no_part_of_the_terms(void **state)
{
	struct rig *base = *state, r;
	rig_init(&r);
	rig_load_text(&r, rig_edit(&r, rig_base, "state in-force", "state terminated"));
	const struct agreement *a = epoch_agreement(base->epoch, bytes_of("atlas"));
	const struct agreement *b = epoch_agreement(r.epoch, bytes_of("atlas"));
	assert_memory_equal(a->terms, b->terms, 32);
	assert_memory_not_equal(epoch_digest(base->epoch), epoch_digest(r.epoch), 32);
	rig_done(&r);
}

static void
an_anchor_is_part_of_the_terms(void **state)
{
	struct rig *base = *state, r;
	rig_init(&r);
	const char *text = rig_edit(&r, rig_base, "trust/ken-ca.pem", "trust/X");
	text = rig_edit(&r, text, "trust/hub-ca.pem", "trust/ken-ca.pem");
	rig_load_text(
	    &r, rig_edit(&r, text, "trust/X", "trust/hub-ca.pem")); /* two changed places */
	const struct agreement *a = epoch_agreement(base->epoch, bytes_of("atlas"));
	const struct agreement *b = epoch_agreement(r.epoch, bytes_of("atlas"));
	assert_memory_not_equal(a->terms, b->terms, 32);
	rig_done(&r);
}

/* ---- what may follow what was accepted ---- */

static void
versions_rise_and_one_version_has_one_digest(void **state)
{
	struct rig *r = *state;
	struct agreement a = *epoch_agreement(r->epoch, bytes_of("atlas")); /* version 3 */
	struct agreement was = a;
	assert_null(agreement_takes_back(&a, &was));
	was.terms[31] ^= 1;
	assert_string_equal(
	    agreement_takes_back(&a, &was), "its version was used before with other terms");
	a.version = 2;
	assert_string_equal(agreement_takes_back(&a, &was), "its version is lower than one before");
	a.version = 4;
	assert_null(agreement_takes_back(&a, &was));
	was.version = UINT64_MAX; /* no number is too large to compare */
	assert_non_null(agreement_takes_back(&a, &was));
}

static void
a_state_only_falls_until_the_version_rises(void **state)
{
	struct rig *r = *state;
	struct agreement a = *epoch_agreement(r->epoch, bytes_of("atlas"));
	struct agreement was = a;
	for (was.state = STATE_DRAFT; was.state <= STATE_TERMINATED; was.state++)
		for (a.state = STATE_DRAFT; a.state <= STATE_TERMINATED; a.state++) {
			a.version = 3;
			const char *why = agreement_takes_back(&a, &was);
			assert_int_equal(why != NULL, a.state < was.state);
			if (why != NULL)
				assert_string_equal(
				    why, "its state is an earlier one than its version had");
			a.version = 4;
			assert_null(agreement_takes_back(&a, &was));
		}
}

/* ---- trust files that are missing or damaged ---- */

static void
a_party_with_a_damaged_bundle_is_shut_out_at_a_reload(void **state)
{
	struct rig *base = *state, r;
	rig_init(&r);
	rig_put(&r, "relto.policy", rig_base);
	rig_put(&r, "tests/policy-sample/trust/ken-ca.pem",
	    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	assert_false(rig_load(&r, 0));
	assert_string_equal(r.errors.errors[0].text, "certificate 1 is damaged");
	text_errors_done(&r.errors);
	text_errors_init(&r.errors);
	struct epoch_source source = {
		.read = rig_read, .list = rig_list, .ctx = &r, .previous = base->epoch
	};
	assert_true(
	    epoch_load(&source, "relto.policy", EPOCH_TOLERANT, &r.errors, &r.epoch, &r.err));
	assert_int_equal(r.errors.warning_count, 1);
	assert_string_equal(
	    r.errors.warnings[0].text, "party 'KEN' is shut out: certificate 1 is damaged");
	assert_true(epoch_party(r.epoch, bytes_of("KEN"))->shut_out);
	assert_false(epoch_party(r.epoch, bytes_of("NOR"))->shut_out);
	/* what the others agreed to is what it was */
	assert_memory_equal(epoch_digest(base->epoch), epoch_digest(r.epoch), 32);
	rig_done(&r);
}

static void
a_new_member_whose_bundle_was_never_read_leaves_its_agreement_without_terms(void **state)
{
	struct rig r;
	(void)state;
	rig_init(&r);
	rig_put(&r, "relto.policy", rig_base);
	rig_put(&r, "tests/policy-sample/trust/ken-ca.pem", "nothing");
	struct epoch_source source = { .read = rig_read, .list = rig_list, .ctx = &r };
	assert_true(
	    epoch_load(&source, "relto.policy", EPOCH_TOLERANT, &r.errors, &r.epoch, &r.err));
	const struct agreement *a = epoch_agreement(r.epoch, bytes_of("atlas"));
	assert_false(a->has_terms); /* else they would change when the file is mended */
	assert_int_equal(a->terms_text.len, 0);
	rig_done(&r);
}

static void
new_terms_wait_for_the_bundle_of_a_member(void **state)
{
	struct rig *base = *state, r;
	rig_init(&r);
	rig_put(&r, "relto.policy", rig_edit(&r, rig_base, "version 3", "version 4"));
	rig_put(&r, "tests/policy-sample/trust/ken-ca.pem", "nothing");
	struct epoch_source source = {
		.read = rig_read, .list = rig_list, .ctx = &r, .previous = base->epoch
	};
	assert_true(
	    epoch_load(&source, "relto.policy", EPOCH_TOLERANT, &r.errors, &r.epoch, &r.err));
	/* with KEN's anchors of before they would be version 4 with a digest of its own */
	assert_false(epoch_agreement(r.epoch, bytes_of("atlas"))->has_terms);
	assert_true(epoch_agreement(r.epoch, bytes_of("spare"))->has_terms);
	rig_done(&r);
}

static void
the_export_is_the_same_however_a_rule_is_spelt(void **state)
{
	static const char *const spelt[] = { "topic cyber.x\n content-type text/plain\n",
		"content-type TEXT/Plain\n topic cyber.x\n content-type text/plain\n"
		" topic cyber.x\n" };
	uint8_t digest[2][32];
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct rig r;
		rig_init(&r);
		const char *rule = arena_printf(
		    &r.arena, "    rule said {\n %s withhold\n }\n    onward", spelt[i]);
		rig_load_text(&r, rig_edit(&r, rig_base, "    onward", rule));
		memcpy(digest[i], epoch_digest(r.epoch), 32);
		rig_done(&r);
	}
	assert_memory_equal(digest[0], digest[1], 32);
}

static void
the_tools_do_without_trust_files_and_say_so(void **state)
{
	struct rig r;
	(void)state;
	rig_init(&r);
	rig_put(&r, "relto.policy", rig_edit(&r, rig_base, "trust/ken-ca.pem", "trust/none.pem"));
	assert_true(rig_load(&r, EPOCH_TRUST_OPTIONAL));
	assert_false(epoch_has_trust(r.epoch));
	assert_string_equal(r.errors.warnings[0].text,
	    "anchors not compared: cannot read 'tests/policy-sample/trust/none.pem'");
	assert_false(epoch_agreement(r.epoch, bytes_of("atlas"))->has_terms);
	rig_done(&r);
}

static void
an_agreement_without_its_signatures_is_not_usable(void **state)
{
	struct rig r;
	(void)state;
	rig_init(&r);
	rig_load_text(&r, rig_edit(&r, rig_base, "    onward",
			      "    signatures required [ NOR GBR ]\n    onward"));
	const struct agreement *a = epoch_agreement(r.epoch, bytes_of("atlas"));
	assert_true(a->unsigned_);
	assert_string_equal(a->signatures[1].path, "signatures/atlas@3.NOR.p7s");
	assert_string_equal(a->signatures[1].why, "there is no signatures/atlas@3.NOR.p7s");
	signature_warn(r.epoch, "DIR", &r.errors);
	assert_int_equal(r.errors.warning_count, 2);
	assert_string_equal(r.errors.warnings[1].text,
	    "agreement 'atlas' lacks the signature of NOR: there is no "
	    "signatures/atlas@3.NOR.p7s");
	assert_string_equal(r.errors.warnings[1].help,
	    "NOR makes it: relto policy terms DIR atlas | openssl cms -sign -binary -outform DER "
	    "-signer CERT.pem -inkey KEY.pem -out signatures/atlas@3.NOR.p7s");
	assert_int_equal(a->signers.count, 2);
	assert_true(bytes_is(a->signers.items[0], "GBR"));
	struct fact_agreement named = { .name = bytes_of("atlas") };
	struct raw_label label = { bytes_of("TLP"), bytes_of("CLEAR"), NULL, 0 };
	struct fact_portion portion = { &label, 1, bytes_of("text/plain") };
	struct facts f = { .originator = bytes_of("GBR"),
		.topic = bytes_of("cyber.x"),
		.precedence = PRECEDENCE_ROUTINE,
		.mode = MODE_LIVE,
		.time = a->valid_from,
		.signer = SIGNER_GOOD,
		.agreements = &named,
		.agreement_count = 1,
		.portions = &portion,
		.portion_count = 1 };
	struct decisions d;
	assert_true(policy_decide(r.epoch, &f, &r.arena, &d, &r.err));
	assert_int_equal(d.refusal.code, ERR_AGREEMENT_NOT_USABLE);
	rig_done(&r);
}

/* Of a file, what the loader says before anybody judges it. */
static const char *
file_of(struct rig *r, const char *text)
{
	rig_init(r);
	rig_put(r, "signatures/atlas@3.NOR.p7s", text);
	rig_load_text(
	    r, rig_edit(r, rig_base, "    onward", "    signatures required [ NOR ]\n    onward"));
	return epoch_agreement(r->epoch, bytes_of("atlas"))->signatures[0].why;
}

static void
a_signature_file_has_65536_bytes_at_most(void **state)
{
	struct rig r;
	char *text = malloc(LIMIT_TERMS_SIGNATURE_BYTES + 2);
	(void)state;
	memset(text, 'x', LIMIT_TERMS_SIGNATURE_BYTES + 1);
	text[LIMIT_TERMS_SIGNATURE_BYTES + 1] = '\0';
	assert_string_equal(
	    file_of(&r, text), "signatures/atlas@3.NOR.p7s: 65537 bytes, more than 65536");
	rig_done(&r);
	text[LIMIT_TERMS_SIGNATURE_BYTES] = '\0';
	assert_string_equal(file_of(&r, text), "it was not judged");
	const struct agreement *a = epoch_agreement(r.epoch, bytes_of("atlas"));
	assert_int_equal(a->signatures[0].file.len, LIMIT_TERMS_SIGNATURE_BYTES);
	assert_true(a->unsigned_);
	rig_done(&r);
	free(text);
}

static const struct chain_anchors *
no_anchors(void *ctx, const struct party *p, int64_t *until, const char **why)
{
	(void)ctx;
	(void)until;
	*why = p->is_hub ? "it is the hub" : "they are gone";
	return NULL;
}

static void
judging_alone_makes_nothing_usable(void **state)
{
	struct rig r;
	struct signature_judge by = { no_anchors, NULL, 1 };
	(void)state;
	(void)file_of(&r, "no signature");
	assert_true(signature_judge_all(r.epoch, &by, &r.err));
	const struct agreement *a = epoch_agreement(r.epoch, bytes_of("atlas"));
	assert_string_equal(a->signatures[0].why,
	    "signatures/atlas@3.NOR.p7s: 12 bytes are not exactly one CMS message in DER");
	assert_true(a->unsigned_ && a->signed_by.len == 0);
	assert_true(epoch_accept_signatures(r.epoch, a->index, bytes_of("NOR 00\n"), &r.err));
	assert_false(a->unsigned_);
	epoch_refuse_signatures(r.epoch, a->index);
	assert_true(a->unsigned_);
	rig_done(&r);
}

static void
sixty_four_parties_may_have_to_sign_and_one_more_may_not(void **state)
{
	(void)state;
	for (size_t count = LIMIT_TERMS_SIGNERS; count <= LIMIT_TERMS_SIGNERS + 1; count++) {
		struct rig r;
		rig_init(&r);
		const char *parties = "", *members = "", *names = "";
		for (size_t i = 0; i < count; i++) {
			parties = arena_printf(&r.arena, "%sparty P%zu {\n}\n", parties, i);
			members = arena_printf(
			    &r.arena, "%smember P%zu {\nmay [ receive ]\n}\n", members, i);
			names = arena_printf(&r.arena, "%s P%zu", names, i);
		}
		rig_put(&r, "relto.policy",
		    arena_printf(&r.arena,
			"%sagreement a {\nversion 1\nvalid from 2026-01-01 until 2026-12-31\n"
			"state draft\nmode live\ntopics [ x ]\n%ssignatures required [%s ]\n}\n",
			parties, members, names));
		bool good = rig_load(&r, EPOCH_TRUST_OPTIONAL | EPOCH_PARTIAL);
		assert_int_equal(good, count == LIMIT_TERMS_SIGNERS);
		if (!good)
			assert_string_equal(r.errors.errors[0].text, "more than 64 must sign");
		rig_done(&r);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_agent_is_its_whole_spiffe_id),
		cmocka_unit_test(parties_are_found_by_name_and_domain),
		cmocka_unit_test(an_agreement_shows_what_its_members_may_know),
		cmocka_unit_test(topics_are_tokens_and_patterns_subjects),
		cmocka_unit_test(a_topic_has_255_bytes_and_16_tokens),
		cmocka_unit_test(exports_and_terms_are_the_golden_ones),
		cmocka_unit_test(the_state_is_no_part_of_the_terms),
		cmocka_unit_test(an_anchor_is_part_of_the_terms),
		cmocka_unit_test(versions_rise_and_one_version_has_one_digest),
		cmocka_unit_test(a_state_only_falls_until_the_version_rises),
		cmocka_unit_test(a_party_with_a_damaged_bundle_is_shut_out_at_a_reload),
		cmocka_unit_test(
		    a_new_member_whose_bundle_was_never_read_leaves_its_agreement_without_terms),
		cmocka_unit_test(new_terms_wait_for_the_bundle_of_a_member),
		cmocka_unit_test(the_export_is_the_same_however_a_rule_is_spelt),
		cmocka_unit_test(the_tools_do_without_trust_files_and_say_so),
		cmocka_unit_test(an_agreement_without_its_signatures_is_not_usable),
		cmocka_unit_test(a_signature_file_has_65536_bytes_at_most),
		cmocka_unit_test(judging_alone_makes_nothing_usable),
		cmocka_unit_test(sixty_four_parties_may_have_to_sign_and_one_more_may_not),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
