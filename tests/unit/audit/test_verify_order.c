#include "tests/lib/test.h"

#include "tests/unit/audit/verify_rig.h"

/* START to INTAKE. */
static uint64_t
accepted(struct small *s)
{
	small_start(s);
	small_policy(s, "policy");
	small_report(s);
	return small_intake(s);
}

static void
a_decision_must_say_what_its_digest_and_outcome_say(void **state)
{
	struct rig *g = *state;
	uint64_t intake = accepted(g->s);
	struct small_decision d = { EVENT_DECISION, "NOR", OUTCOME_REDACT, SMALL_REDACT, 3, intake,
		NULL };
	small_decide(g->s, &d);
	expect_log(g, VERIFY_CONTENT, "are not those that its digest names");
	d = (struct small_decision){ EVENT_DECISION, "KEN", OUTCOME_RELEASE, SMALL_REDACT, 1,
		intake, NULL };
	small_decide(g->s, &d);
	expect_log(g, VERIFY_CONTENT, "its outcome does not follow from its reasons");
	d = (struct small_decision){ EVENT_DECISION, "DEU", OUTCOME_RELEASE,
		"0 release release atlas r\n1 release release atlas r\n2 release release atlas r\n",
		3, intake, NULL };
	small_decide(g->s, &d);
	expect_log(g, VERIFY_CONTENT, "it releases portion 2, which the report does not have");
	d = (struct small_decision){ EVENT_DECISION, "USA", OUTCOME_WITHHOLD, SMALL_WITHHOLD, 1,
		intake, NULL };
	small_decide(g->s, &d);
	expect_log(g, VERIFY_CONTENT, "outcome and what is released (slot 2) do not fit");
}

static void
a_decision_away_from_its_intake_is_a_gap(void **state)
{
	struct rig *g = *state;
	uint64_t intake = accepted(g->s);
	struct small_decision d = { EVENT_DECISION, "NOR", OUTCOME_RELEASE, SMALL_RELEASE, 3,
		intake, NULL };
	small_agreement(g->s, "NOR");
	small_decide(g->s, &d);
	expect_log(g, VERIFY_GAP, "a first decision does not stand with its INTAKE without a gap");
}

static void
one_recipient_is_judged_once(void **state)
{
	struct rig *g = *state;
	uint64_t intake = accepted(g->s);
	struct small_decision d = { EVENT_DECISION, "NOR", OUTCOME_RELEASE, SMALL_RELEASE, 3,
		intake, NULL };
	small_decide(g->s, &d);
	d = (struct small_decision){ EVENT_DECISION, "KEN\nNOR", OUTCOME_WITHHOLD, SMALL_WITHHOLD,
		0, intake, NULL };
	small_decide(g->s, &d);
	expect_log(g, VERIFY_GAP, "one recipient is judged twice");
}

static void
a_report_is_accepted_once(void **state)
{
	struct rig *g = *state;
	accepted(g->s);
	g->s->intake = 0;
	small_intake(g->s);
	expect_log(g, VERIFY_GAP, "the same report was accepted before");
}

static void
a_later_decision_links_and_only_narrows(void **state)
{
	struct rig *g = *state;
	uint64_t intake = accepted(g->s);
	struct small_decision d = { EVENT_DECISION, "NOR", OUTCOME_REDACT, SMALL_REDACT, 1, intake,
		NULL };
	uint64_t first = small_decide(g->s, &d);
	d = (struct small_decision){ EVENT_NARROWED, "NOR", OUTCOME_WITHHOLD, SMALL_WITHHOLD, 0,
		first, NULL };
	uint64_t second = small_decide(g->s, &d);
	small_head(g->s, "GBR");
	expect_log(g, VERIFY_OK, NULL);
	d.link = first;
	small_decide(g->s, &d);
	expect_log(g, VERIFY_GAP, "it does not link to the decision it replaces");
	d = (struct small_decision){ EVENT_NARROWED, "NOR", OUTCOME_RELEASE, SMALL_RELEASE, 3,
		second + 2, NULL };
	small_decide(g->s, &d);
	expect_log(g, VERIFY_GAP, "it widens the decision it replaces");
}

static void
a_delivery_without_a_decision_that_releases_is_a_gap(void **state)
{
	struct rig *g = *state;
	uint64_t intake = accepted(g->s);
	struct small_decision no = { EVENT_DECISION, "KEN", OUTCOME_WITHHOLD, SMALL_WITHHOLD, 0,
		intake, NULL },
			      yes = { EVENT_DECISION, "NOR", OUTCOME_REDACT, SMALL_REDACT, 1,
				      intake, NULL };
	uint64_t withheld = small_decide(g->s, &no), redacted = small_decide(g->s, &yes);
	small_deliver(g->s, "KEN", withheld, 3);
	expect_log(g, VERIFY_GAP, "a delivery of what is not released");
	small_deliver(g->s, "NOR", redacted, 3);
	expect_log(g, VERIFY_GAP, "a delivery of other portions than are released");
	small_deliver(g->s, "NOR", withheld, 1);
	expect_log(g, VERIFY_GAP, "a delivery that does not follow the current decision");
}

static void
a_delivery_says_what_its_decision_says(void **state)
{
	struct rig *g = *state;
	struct small_decision yes = { EVENT_DECISION, "NOR", OUTCOME_RELEASE, SMALL_RELEASE, 3,
		accepted(g->s), NULL };
	uint64_t nor = small_decide(g->s, &yes);
	yes.recipients = "KEN";
	uint64_t ken = small_decide(g->s, &yes);
	g->s->marking = "ATLAS UNCLASSIFIED";
	small_deliver(g->s, "NOR", nor, 3);
	static const char why[] = "under other agreements or another marking than its decision";
	expect_log(g, VERIFY_GAP, why);
	assert_int_equal(g->result.findings[VERIFY_GAP], 1);
	g->s->marking = "ATLAS SECRET";
	g->s->agreements = "atlas@4";
	small_deliver(g->s, "KEN", ken, 3);
	expect_log(g, VERIFY_GAP, why);
	assert_int_equal(g->result.findings[VERIFY_GAP], 2);
}

static void
a_decision_released_by_agreements_of_its_reasons_as_the_export_has_them(void **state)
{
	static const struct {
		const char *agreements, *reasons, *why;
	} rows[] = {
		{ "atlas@3", SMALL_RELEASE, NULL },
		{ "atlas@4", SMALL_RELEASE, "which its policy has in another version" },
		{ "atlas", SMALL_RELEASE, "which its policy has in another version" },
		{ "atlas@3\nnordic@1", SMALL_RELEASE, "are not those of its reasons" },
		{ "atlas@3\natlas@3", SMALL_RELEASE, "are not those of its reasons" },
		{ "atlas@3", "0 release no-rule atlas -\n1 release no-rule nordic -\n",
		    "are not those of its reasons" },
	};
	struct rig *g = *state;
	struct small_decision d = { EVENT_DECISION, "NOR", OUTCOME_RELEASE, NULL, 3, accepted(g->s),
		NULL };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		g->s->agreements = rows[i].agreements;
		d.reasons = rows[i].reasons;
		d.link = small_decide(g->s, &d);
		expect_log(g, i == 0 ? VERIFY_OK : VERIFY_CONTENT, rows[i].why);
		assert_true(g->result.findings[VERIFY_CONTENT] >= i);
	}
}

static void
a_report_expires_when_its_facts_say_and_not_before(void **state)
{
	struct rig *g = *state;
	struct small_decision yes = { EVENT_DECISION, "NOR", OUTCOME_RELEASE, SMALL_RELEASE, 3,
		accepted(g->s), NULL };
	uint64_t released = small_decide(g->s, &yes);
	g->s->expires -= 1;
	small_expire(g->s, "NOR", released, NULL);
	expect_log(g, VERIFY_TIME, "another expiry than the facts of the decision that it ends");
	assert_int_equal(g->result.findings[VERIFY_TIME], 1);
	g->s->expires = g->s->now + 3600000000;
	small_expire(g->s, "NOR", released, NULL);
	expect_log(g, VERIFY_TIME, "it stands before the expiry that it states");
	assert_int_equal(g->result.findings[VERIFY_TIME], 3);
}

static void
a_delivery_after_the_report_expired_is_a_gap(void **state)
{
	struct rig *g = *state;
	uint64_t intake = accepted(g->s);
	struct small_decision d = { EVENT_DECISION, "NOR", OUTCOME_RELEASE, SMALL_RELEASE, 3,
		intake, NULL };
	uint64_t released = small_decide(g->s, &d);
	small_expire(g->s, "NOR", released, NULL);
	expect_log(g, VERIFY_OK, NULL);
	small_deliver(g->s, "NOR", released, 3);
	expect_log(g, VERIFY_GAP, "a delivery of what is not released");
	small_expire(g->s, "NOR", intake, NULL);
	expect_log(g, VERIFY_GAP, "it does not name the current decision for its recipient");
}

static void
an_acknowledgement_names_deliveries_to_the_same_party(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_ack(g->s, "KEN", 6);
	expect_log(g, VERIFY_GAP, "it acknowledges record 6, another's delivery");
	small_ack(g->s, "NOR", 5);
	expect_log(g, VERIFY_GAP, "it acknowledges record 5, which is no delivery");
}

static void
a_decision_under_another_policy_than_the_last_is_a_gap(void **state)
{
	struct rig *g = *state;
	uint8_t old[32], later[32];
	small_start(g->s);
	small_policy(g->s, "policy");
	memcpy(old, g->s->policy, 32);
	small_policy(g->s, "policy two");
	memcpy(later, g->s->policy, 32);
	small_report(g->s);
	memcpy(g->s->policy, old, 32);
	small_intake(g->s);
	expect_log(g, VERIFY_GAP, "a policy that is not the last POLICY record's");
	small_policy(g->s, "policy three");
	expect_log(g, VERIFY_GAP, "it does not name the policy before it");
}

static void
a_record_left_out_of_a_partys_tree_is_a_gap(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	struct merkle saved = g->s->nor;
	small_agreement(g->s, "NOR");
	g->s->nor = saved;
	small_agreement(g->s, "NOR");
	small_bundle(g->s, "NOR", 0);
	expect(g, VERIFY_GAP, "it is number 3 of NOR, but 4 are before it");
	small_head(g->s, "NOR");
	expect_log(g, VERIFY_GAP, "it states 4 records of NOR; there are 5");
}

static void
heads_of_parties_state_the_tree_and_the_head_before(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_head_of(g->s, "NOR", SLOT_ABSENT, true);
	expect_log(g, VERIFY_GAP, "it does not name the head before it");
	small_agreement(g->s, "KEN");
	g->s->ken.frontier[0][0] ^= 1;
	small_head(g->s, "KEN");
	expect_log(g, VERIFY_GAP, "it states another tree of KEN");
}

static void
start_and_stop_state_the_tree_they_found(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	struct merkle saved = g->s->log.tree;
	g->s->log.tree.leaf_count--;
	struct record r;
	struct body b;
	uint8_t root[32];
	assert_true(merkle_root(&g->s->h, &g->s->log.tree, root, NULL));
	g->s->log.tree = saved;
	small_begin(g->s, &r, EVENT_STOP, false);
	small_by_hub(g->s, &r);
	event_body_begin(&b, EVENT_STOP);
	event_body_uint(&b, BODY_STOP_SIZE, saved.leaf_count);
	event_body_bytes(&b, BODY_STOP_ROOT, bytes_from(root, 32));
	event_body_bytes(&b, BODY_STOP_CAUSE, bytes_of("signal"));
	small_body(g->s, &r, &b);
	small_add(g->s, &r, NULL, NULL, 0);
	expect_log(g, VERIFY_CONSISTENCY, "it states another tree than the records before it");
}

static void
an_erased_person_needs_a_record_of_its_erasure(void **state)
{
	struct rig *g = *state;
	struct record r;
	uint8_t leaf[32], index[8];
	struct body b;
	small_usual(g->s);
	assert_true(record_entry_parse(g->s->entries[3], &r, leaf, NULL));
	assert_true(record_leaf(&g->s->h, &r, (uint8_t[32]){ 0 }, NULL));
	RECORD_SLOT(&r, 6)->open = false;
	uint8_t *entry = arena_alloc(&g->s->a, record_entry_size(&r));
	record_entry_write(&r, leaf, entry);
	struct bytes before = g->s->entries[3];
	g->s->entries[3] = bytes_from(entry, record_entry_size(&r));
	expect_log(g, VERIFY_GAP, "its person is erased, but no ERASE says so");
	put_u64(index, 3);
	small_begin(g->s, &r, EVENT_ERASE, false);
	small_by_hub(g->s, &r);
	event_body_begin(&b, EVENT_ERASE);
	event_body_bytes(&b, BODY_ERASE_RECORDS, bytes_from(index, 8));
	small_body(g->s, &r, &b);
	small_add(g->s, &r, NULL, NULL, 0);
	expect_log(g, VERIFY_OK, NULL);
	assert_int_equal(g->result.erased, 1);
	g->s->entries[3] = before;
	expect_log(g, VERIFY_GAP, "an ERASE names it, but its person is not erased");
}

/* A KEY: purpose and act as audit/body.def has them. */
static void
tell_key(struct rig *g, const char *party, unsigned purpose, unsigned act, const char *key)
{
	struct record r;
	struct body b;
	small_begin(g->s, &r, EVENT_KEY, false);
	event_body_begin(&b, EVENT_KEY);
	event_body_bytes(&b, BODY_KEY_PARTY, bytes_of(party));
	event_body_enum(&b, BODY_KEY_PURPOSE, purpose);
	event_body_enum(&b, BODY_KEY_ACT, act);
	event_body_bytes(&b, BODY_KEY_KEY, bytes_of(key));
	small_body(g->s, &r, &b);
	small_add(g->s, &r, NULL, party, 0);
}

static void
add_key(struct rig *g, unsigned purpose, unsigned act, const char *key)
{
	tell_key(g, "NOR", purpose, act, key);
}

static void
keys_come_and_go_in_turn(void **state)
{
	static const char key[] =
	    "00000000000000000000000000000000000000000000000000000000000000ff";
	/* purpose: 1 log, 2 anchor, 3 signer, 4 broker; act: 1 added, 2 removed, 3 revoked */
	static const unsigned good[][2] = { { 2, 1 }, { 4, 1 }, { 2, 2 }, { 2, 1 }, { 4, 2 },
		{ 3, 3 }, { 3, 1 }, { 3, 2 }, { 3, 3 } };
	static const unsigned bad[][2] = { { 2, 1 }, { 4, 2 }, { 4, 3 }, { 3, 3 } };
	struct rig *g = *state;
	small_start(g->s);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		add_key(g, good[i][0], good[i][1], key);
	small_key(g->s, "NOR");
	expect_log(g, VERIFY_OK, NULL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		add_key(g, bad[i][0], bad[i][1], key);
		expect_log(g, VERIFY_GAP, "what the record before it told, or what cannot follow");
		assert_int_equal(g->result.findings[VERIFY_GAP], i + 1);
	}
}

static void
the_logs_key_is_the_one_that_signed_and_is_told_once(void **state)
{
	struct rig *g = *state;
	small_start(g->s);
	small_key(g->s, "NOR");
	expect_log(g, VERIFY_OK, NULL);
	small_key(g->s, "NOR");
	expect_log(g, VERIFY_GAP, "what the record before it told, or what cannot follow");
	add_key(g, 1, 1, "hub.example/relto/g1+00000000+AQ==");
	expect_log(g, VERIFY_MALFORMED, "its key is no vkey of this log");
}

/* Another key of the same log, as a vkey. */
static void
other_key(struct rig *g, char vkey[NOTE_VKEY_MAX])
{
	struct note_key other;
	uint8_t public[32] = "another key, of thirty-two bytes";
	struct note_name name = { bytes_of(g->s->vkey.name), NOTE_ED25519 };
	assert_true(note_key_make(&g->s->h, &name, public, &other, NULL));
	note_key_print(&other, vkey);
}

static void
one_key_of_the_log_follows_another(void **state)
{
	struct rig *g = *state;
	char next[NOTE_VKEY_MAX];
	other_key(g, next);
	small_start(g->s);
	small_key(g->s, "NOR");
	add_key(g, 1, 1, next);
	expect_log(g, VERIFY_OK, NULL);
	add_key(g, 1, 2, next);
	expect_log(g, VERIFY_OK, NULL);
	add_key(g, 1, 3, next);
	expect_log(g, VERIFY_CONTENT, "or revokes one");
}

static void
the_key_that_signed_is_not_taken_back(void **state)
{
	struct rig *g = *state;
	char ours[NOTE_VKEY_MAX];
	note_key_print(&g->s->vkey, ours);
	small_start(g->s);
	small_key(g->s, "NOR");
	add_key(g, 1, 2, ours);
	expect_log(g, VERIFY_CONTENT, "it takes back the key of the log that signed");
}

static void
whoever_was_told_of_a_key_of_the_log_was_told_of_the_one_that_signed(void **state)
{
	struct rig *g = *state;
	char next[NOTE_VKEY_MAX];
	other_key(g, next);
	small_start(g->s);
	add_key(g, 1, 1, next);
	expect_log(g, VERIFY_CONTENT,
	    "1 parties were told of a key of the log, and 0 of the one that signed");
}

static void
anchors_are_told_before_the_policy_that_has_them(void **state)
{
	struct rig *g = *state;
	char gbr[65], nor[65];
	uint8_t digest[32];
	struct small_signer *s = &g->s->signer;
	assert_true(sha256_of(&g->s->h, s->by.policy->der, digest, NULL));
	golden_hex(digest, 32, gbr);
	assert_true(sha256_of(&g->s->h, s->nor.der, digest, NULL));
	golden_hex(digest, 32, nor);
	small_start(g->s);
	small_policy(g->s, "a build that told nobody");
	tell_key(g, "GBR", 2, 1, gbr);
	tell_key(g, "NOR", 2, 1, nor);
	small_policy(g->s, "both");
	expect_log(g, VERIFY_OK, NULL);
	static const char why[] = "the anchors that parties were told before it are not those";
	tell_key(g, "NOR", 2, 2, nor);
	small_policy(g->s, "one too few");
	expect_log(g, VERIFY_GAP, why);
	tell_key(g, "KEN", 2, 1, nor);
	small_policy(g->s, "another's");
	expect_log(g, VERIFY_GAP, why);
	assert_int_equal(g->result.findings[VERIFY_GAP], 2);
	tell_key(g, "NOR", 2, 1, nor);
	small_policy(g->s, "one too many");
	expect_log(g, VERIFY_GAP, why);
	assert_int_equal(g->result.findings[VERIFY_GAP], 3);
	tell_key(g, "KEN", 2, 2, nor);
	small_policy(g->s, "both again");
	expect_log(g, VERIFY_GAP, why);
	assert_int_equal(g->result.findings[VERIFY_GAP], 3);
}

static void
a_signer_is_believed_before_a_key_says_so(void **state)
{
	static const char key[] =
	    "ff00000000000000000000000000000000000000000000000000000000000000";
	struct rig *g = *state;
	small_start(g->s);
	add_key(g, 3, 1, key);
	expect_log(g, VERIFY_GAP, "what the record before it told, or what cannot follow");
}

static void
a_certificate_is_named_by_a_digest(void **state)
{
	struct rig *g = *state;
	small_start(g->s);
	add_key(g, 2, 1, "FF00000000000000000000000000000000000000000000000000000000000000");
	expect_log(g, VERIFY_MALFORMED, "its key is no SHA-256 in hex");
}

static void
times_that_fall_or_lie_ahead_are_anomalies(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	g->ask.now_s = SMALL_START_S - 300;
	expect(g, VERIFY_OK, NULL);
	g->ask.now_s = SMALL_START_S - 301;
	expect(g, VERIFY_TIME, "its time is in the future");
	g->ask.now_s = 0;
	expect(g, VERIFY_OK, NULL);
	g->s->log.time = 0;
	g->s->now = 1000000;
	small_agreement(g->s, "NOR");
	expect_log(g, VERIFY_TIME, "its time is before that of a record before it");
}

static void
facts_lie_between_acceptance_and_record(void **state)
{
	struct rig *g = *state;
	small_start(g->s);
	small_policy(g->s, "policy");
	g->s->now += 1000000;
	small_report(g->s);
	g->s->now -= 1000000;
	struct small_decision no = { EVENT_DECISION, "NOR", OUTCOME_WITHHOLD, SMALL_WITHHOLD, 0,
		small_intake(g->s), NULL };
	small_decide(g->s, &no);
	expect_log(g, VERIFY_TIME, "do not follow one another in time");
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_decision_must_say_what_its_digest_and_outcome_say),
		T(a_decision_away_from_its_intake_is_a_gap),
		T(one_recipient_is_judged_once),
		T(a_report_is_accepted_once),
		T(a_later_decision_links_and_only_narrows),
		T(a_delivery_without_a_decision_that_releases_is_a_gap),
		T(a_delivery_after_the_report_expired_is_a_gap),
		T(an_acknowledgement_names_deliveries_to_the_same_party),
		T(a_decision_under_another_policy_than_the_last_is_a_gap),
		T(a_record_left_out_of_a_partys_tree_is_a_gap),
		T(heads_of_parties_state_the_tree_and_the_head_before),
		T(start_and_stop_state_the_tree_they_found),
		T(an_erased_person_needs_a_record_of_its_erasure),
		T(keys_come_and_go_in_turn),
		T(the_logs_key_is_the_one_that_signed_and_is_told_once),
		T(one_key_of_the_log_follows_another),
		T(the_key_that_signed_is_not_taken_back),
		T(whoever_was_told_of_a_key_of_the_log_was_told_of_the_one_that_signed),
		T(anchors_are_told_before_the_policy_that_has_them),
		T(a_delivery_says_what_its_decision_says),
		T(a_report_expires_when_its_facts_say_and_not_before),
		T(a_decision_released_by_agreements_of_its_reasons_as_the_export_has_them),
		T(a_signer_is_believed_before_a_key_says_so),
		T(a_certificate_is_named_by_a_digest),
		T(times_that_fall_or_lie_ahead_are_anomalies),
		T(facts_lie_between_acceptance_and_record),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
