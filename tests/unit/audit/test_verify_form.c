/* What a cheating operator could leave out of a log that he signs himself. */
#include "tests/lib/test.h"

#include "audit/form.h"
#include "tests/unit/audit/verify_rig.h"

static const struct small_decision to_nor = { EVENT_DECISION, "NOR", OUTCOME_RELEASE, SMALL_RELEASE,
	3, 0, NULL };

static struct small_decision
linked(struct small_decision d, uint64_t link)
{
	d.link = link;
	return d;
}

/* START to the decision that releases to NOR; its index. */
static uint64_t
released(struct small *s)
{
	small_start(s);
	small_policy(s, "policy");
	small_report(s);
	struct small_decision d = linked(to_nor, small_intake(s));
	return small_decide(s, &d);
}

static uint64_t
narrow(struct small *s, uint64_t link, const char *place)
{
	struct small_decision d = { EVENT_NARROWED, "NOR", OUTCOME_REDACT, SMALL_REDACT, 1, link,
		place };
	return small_decide(s, &d);
}

static uint64_t
add_one(struct small *s, enum event_type type, uint64_t last)
{
	struct small_decision d = linked(to_nor, last);
	switch ((int)type) {
	case EVENT_AGREEMENT:
		return small_agreement(s, "NOR");
	case EVENT_KEY:
		return small_key(s, "NOR");
	case EVENT_INTAKE:
		small_report(s);
		return small_intake(s);
	case EVENT_DECISION:
		return small_decide(s, &d);
	case EVENT_DELIVERY:
		return small_deliver(s, "NOR", last, 3);
	case EVENT_ACK:
		return small_ack(s, "NOR", last);
	case EVENT_NARROWED:
		return narrow(s, last - 2, "NOR");
	case EVENT_EXPIRE:
		return small_expire(s, "NOR", last, NULL);
	default:
		fail();
		return 0;
	}
}

/* A log up to the record of 'type', of which 'drop' is left out. */
static void
up_to(struct small *s, enum event_type type, struct small_drop drop)
{
	static const enum event_type story[] = { EVENT_AGREEMENT, EVENT_KEY, EVENT_INTAKE,
		EVENT_DECISION, EVENT_DELIVERY, EVENT_ACK, EVENT_NARROWED, EVENT_EXPIRE };
	uint64_t last = 0;
	small_start(s);
	small_policy(s, "policy");
	for (size_t i = 0; i == 0 || story[i - 1] != type; i++) {
		if (story[i] == type)
			s->drop = drop;
		last = add_one(s, story[i], last);
	}
}

static void
a_record_that_does_not_say_what_it_must_is_found(void **state)
{
	enum { ALL = SMALL_WHOLE, BAD = VERIFY_MALFORMED, GAP = VERIFY_GAP };
	static const struct {
		enum event_type type;
		struct small_drop drop;
		int code;
		const char *text;
	} cases[] = {
		{ EVENT_AGREEMENT, { 8, 1 }, GAP, "agreement: slot 8 has no index" },
		{ EVENT_KEY, { 8, 1 }, GAP, "key: slot 8 has no index" },
		{ EVENT_INTAKE, { 3, 5 }, GAP, "intake: slot 3 has no index" },
		{ EVENT_INTAKE, { 3, ALL }, BAD, "intake: slot 3 has no agent" },
		{ EVENT_INTAKE, { 3, 3 }, BAD, "intake: slot 3 has no manifest" },
		{ EVENT_INTAKE, { 4, 3 }, GAP, "intake: slot 4 has no policy" },
		{ EVENT_INTAKE, { 4, 4 }, BAD, "intake: slot 4 has no facts" },
		{ EVENT_INTAKE, { 5, ALL }, BAD, "intake: slot 5 has no node" },
		{ EVENT_DECISION, { 2, 1 }, BAD, "decision: slot 2 has no recipient" },
		{ EVENT_DECISION, { 2, 2 }, VERIFY_CONTENT, "outcome and what is released" },
		{ EVENT_DECISION, { 2, 3 }, VERIFY_CONTENT, "outcome and what is released" },
		{ EVENT_DECISION, { 2, 4 }, VERIFY_CONTENT, "outcome and what is released" },
		{ EVENT_DECISION, { 3, 5 }, GAP, "decision: slot 3 has no index" },
		{ EVENT_DECISION, { 3, ALL }, BAD, "decision: slot 3 has no agent" },
		{ EVENT_DECISION, { 4, 1 }, BAD, "decision: slot 4 has no outcome" },
		{ EVENT_DECISION, { 4, 2 }, BAD, "decision: slot 4 has no reasons" },
		{ EVENT_DECISION, { 4, 3 }, GAP, "decision: slot 4 has no policy" },
		{ EVENT_DECISION, { 4, 4 }, BAD, "decision: slot 4 has no facts" },
		{ EVENT_DECISION, { 4, 5 }, GAP, "decision: slot 4 has no link" },
		{ EVENT_DELIVERY, { 2, 4 }, BAD, "delivery: slot 2 has no released digest" },
		{ EVENT_DELIVERY, { 3, ALL }, GAP, "delivery: slot 3 has no party" },
		{ EVENT_DELIVERY, { 4, 5 }, GAP, "delivery: slot 4 has no link" },
		{ EVENT_DELIVERY, { 8, 1 }, GAP, "delivery: slot 8 has no index" },
		{ EVENT_ACK, { 2, 1 }, BAD, "ack: slot 2 has no recipient" },
		{ EVENT_ACK, { 3, 5 }, GAP, "ack: slot 3 has no index" },
		{ EVENT_ACK, { 8, 1 }, GAP, "ack: slot 8 has no index" },
		{ EVENT_NARROWED, { 3, ALL }, BAD, "narrowed: slot 3 has no agent" },
		{ EVENT_NARROWED, { 4, 2 }, BAD, "narrowed: slot 4 has no reasons" },
		{ EVENT_NARROWED, { 4, 4 }, BAD, "narrowed: slot 4 has no facts" },
		{ EVENT_NARROWED, { 8, 1 }, GAP, "it follows a delivery, but is left out" },
		{ EVENT_EXPIRE, { 3, ALL }, GAP, "expire: slot 3 has no party" },
		{ EVENT_EXPIRE, { 3, 5 }, GAP, "expire: slot 3 has no index" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rig *g = *state;
		up_to(g->s, cases[i].type, cases[i].drop);
		expect_log(g, (enum verify_code)cases[i].code, cases[i].text);
		renew(g);
	}
	struct rig *g = *state;
	up_to(g->s, EVENT_EXPIRE, (struct small_drop){ 0, 0 });
	expect_log(g, VERIFY_OK, NULL);
}

static void
fields_that_a_type_does_not_have_are_refused(void **state)
{
	struct rig *g = *state;
	struct record r;
	struct err why;
	uint64_t decision = released(g->s);
	struct slot_person person = { bytes_of("CN=alice"), { NULL, 0 } };
	struct record_said said;
	small_begin(g->s, &r, EVENT_NARROWED, true);
	assert_true(record_take_apart(&r, &said, NULL));
	assert_int_equal(form_check(&r, &said, NULL), FORM_WRONG);
	said.common.type = EVENT_ADMIN;
	said.person = person;
	assert_int_equal(form_check(&r, &said, &why), FORM_WRONG);
	assert_string_equal(why.text, "admin: slot 1 should have no report id");
	said.common.report.len = 0;
	said.person.actor.len = 0;
	said.common.type = EVENT_AGREEMENT;
	RECORD_SLOT(&r, 8)->open = false;
	assert_int_equal(form_check(&r, &said, &why), FORM_GOOD);
	small_deliver(g->s, "NOR", decision, 3);
	expect_log(g, VERIFY_OK, NULL);
}

static void
one_decision_is_delivered_once(void **state)
{
	struct rig *g = *state;
	uint64_t decision = released(g->s);
	small_deliver(g->s, "NOR", decision, 3);
	uint64_t narrowed = narrow(g->s, decision, "NOR");
	small_deliver(g->s, "NOR", narrowed, 1);
	expect_log(g, VERIFY_OK, NULL);
	small_deliver(g->s, "NOR", narrowed, 1);
	expect_log(g, VERIFY_GAP, "it was delivered under the same decision before");
}

static void
what_stops_a_delivery_is_in_its_recipients_history_and_nothing_else_is(void **state)
{
	struct rig *g = *state;
	uint64_t decision = released(g->s);
	small_deliver(g->s, "NOR", decision, 3);
	small_expire(g->s, "NOR", decision, NULL);
	expect_log(g, VERIFY_GAP, "it follows a delivery, but is left out of its recipient's");
	renew(g);
	decision = released(g->s);
	uint64_t narrowed = narrow(g->s, decision, NULL);
	expect_log(g, VERIFY_OK, NULL);
	narrowed = narrow(g->s, narrowed, "NOR");
	expect_log(g, VERIFY_GAP, "in the history of a recipient to whom nothing was delivered");
	small_expire(g->s, "NOR", narrowed, "NOR");
	expect_log(g, VERIFY_GAP, "in the history of a recipient to whom nothing was delivered");
}

static void
a_later_decision_that_hides_from_its_recipient_is_a_gap(void **state)
{
	struct rig *g = *state;
	uint64_t decision = released(g->s);
	struct small_decision d = { EVENT_DECISION, "NOR", OUTCOME_REDACT, SMALL_REDACT, 1,
		decision, NULL };
	small_deliver(g->s, "NOR", decision, 3);
	small_decide(g->s, &d);
	expect_log(g, VERIFY_GAP, "it follows a delivery, but is left out of its recipient's");
}

static void
several_recipients_share_only_a_decision_that_withholds(void **state)
{
	struct rig *g = *state;
	small_start(g->s);
	small_policy(g->s, "policy");
	small_report(g->s);
	struct small_decision d = { EVENT_DECISION, "KEN\nNOR", OUTCOME_WITHHOLD, SMALL_WITHHOLD, 0,
		small_intake(g->s), NULL };
	small_decide(g->s, &d);
	expect_log(g, VERIFY_OK, NULL);
	d.recipients = "USA\nFRA";
	small_decide(g->s, &d);
	expect_log(g, VERIFY_MALFORMED, "only a first decision that withholds may name several");
	renew(g);
	small_start(g->s);
	small_policy(g->s, "policy");
	small_report(g->s);
	d = linked(to_nor, small_intake(g->s));
	d.recipients = "KEN\nNOR";
	small_decide(g->s, &d);
	expect_log(g, VERIFY_MALFORMED, "only a first decision that withholds may name several");
}

static void
a_recipient_verifies_what_stopped_its_delivery(void **state)
{
	struct rig *g = *state;
	uint64_t decision = released(g->s);
	small_deliver(g->s, "NOR", decision, 3);
	decision = narrow(g->s, decision, "NOR");
	small_deliver(g->s, "NOR", decision, 1);
	small_expire(g->s, "NOR", decision, "NOR");
	small_head(g->s, "NOR");
	expect_log(g, VERIFY_OK, NULL);
	small_bundle(g->s, "NOR", 0);
	expect(g, VERIFY_OK, NULL);
	assert_int_equal(g->result.opened, 5);
}

/* Closes slot 'slot' of the only opened record of 'type' in the bundle. */
static void
close_slot(struct rig *g, enum event_type want, unsigned slot)
{
	struct small_file *f = small_file(g->s, "record/000000");
	struct cursor c = cursor_over(bytes_from(f->data, f->len));
	/* a closed slot may take more room than an open one */
	uint8_t *to = arena_alloc(&g->s->a, f->len + 64), *at = to, leaf[32];
	struct bytes opening;
	while (c.left != 0) {
		struct record r;
		enum event_type type = EVENT_NONE;
		assert_true(bundle_record_next(&c, &opening, NULL));
		size_t len = opening.len;
		if (len != 0) {
			assert_true(record_opening_parse(opening, &r, NULL));
			assert_true(record_leaf(&g->s->h, &r, leaf, NULL));
			assert_true(record_check(&r, &type, NULL));
			unsigned mask = type == want ? 0x1feu & ~(1u << slot) : 0x1feu;
			len = record_opening_size(&r, mask);
			record_opening_write(&r, mask, at + 4);
		}
		put_u32(at, (uint32_t)len);
		at += 4 + len;
	}
	f->data = to;
	f->len = (size_t)(at - to);
}

static void
a_partys_bundle_opens_all_that_the_party_may_see_of_a_record(void **state)
{
	struct rig *g = *state;
	static const unsigned recipient[] = { 2, 7 }, publisher[] = { 2, 4, 7 };
	small_deliver(g->s, "NOR", released(g->s), 3);
	for (size_t i = 0; i < 5; i++) {
		bool nor = i < 2;
		small_bundle(g->s, nor ? "NOR" : "GBR", 0);
		expect(g, VERIFY_OK, NULL);
		close_slot(g, EVENT_DELIVERY, nor ? recipient[i] : publisher[i - 2]);
		expect(g, VERIFY_GAP, "which the party may open, is not opened");
	}
	small_head(g->s, "NOR");
	small_bundle(g->s, "NOR", 0);
	close_slot(g, EVENT_PARTY_HEAD, 7);
	expect(g, VERIFY_GAP, "slot 7, which the party may open, is not opened");
}

/* What a closed slot would have said is held against nobody. */
static void
a_slot_that_the_hubs_auditor_should_see_is_a_gap_and_no_more(void **state)
{
	struct rig *g = *state;
	static const struct {
		enum event_type type;
		unsigned slot;
	} cases[] = { { EVENT_INTAKE, 3 }, { EVENT_INTAKE, 4 }, { EVENT_INTAKE, 7 },
		{ EVENT_DELIVERY, 2 }, { EVENT_DELIVERY, 4 }, { EVENT_DELIVERY, 8 } };
	small_deliver(g->s, "NOR", released(g->s), 3);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		small_bundle(g->s, "", 0);
		close_slot(g, cases[i].type, cases[i].slot);
		expect(g, VERIFY_GAP, "is not opened");
	}
}

static void
a_closed_slot_is_a_gap_and_judges_nothing(void **state)
{
	struct rig *g = *state;
	small_deliver(g->s, "NOR", released(g->s), 3);
	for (unsigned slot = 2; slot <= 8; slot++) {
		small_bundle(g->s, "", 0);
		close_slot(g, EVENT_DECISION, slot);
		expect(g, VERIFY_GAP, slot == 6 ? "its person is erased" : "is not opened");
	}
}

static void
an_intake_is_followed_by_a_decision(void **state)
{
	struct rig *g = *state;
	small_start(g->s);
	small_policy(g->s, "policy");
	small_report(g->s);
	small_intake(g->s);
	expect_log(g, VERIFY_GAP, "no decision follows, and nothing here shows");
	small_stop(g->s);
	expect_log(g, VERIFY_GAP, "no decision follows, and nothing here shows");
}

static void
an_intake_that_nobody_may_receive_needs_no_decision(void **state)
{
	struct rig *g = *state;
	g->s->members = SMALL_MEMBER("GBR", "originate receive") SMALL_MEMBER("NOR", "originate");
	small_start(g->s);
	small_policy(g->s, "policy");
	small_report(g->s);
	small_intake(g->s);
	expect_log(g, VERIFY_OK, NULL);
	for (size_t i = 0; i < g->s->file_count; i++)
		if (strncmp(g->s->files[i].path, "policy/", 7) == 0)
			g->s->files[i].path[0] = 'x';
	expect(g, VERIFY_GAP, "no decision follows, and nothing here shows");
}

static void
nobody_who_may_receive_is_passed_over(void **state)
{
	struct rig *g = *state;
	g->s->members = SMALL_MEMBER("GBR", "originate receive") SMALL_MEMBER("KEN", "receive")
	    SMALL_MEMBER("NOR", "receive");
	uint64_t released_to_nor = released(g->s);
	expect_log(g, VERIFY_GAP, "KEN may receive under atlas, but no decision speaks of it");
	struct small_decision no = { EVENT_DECISION, "KEN", OUTCOME_WITHHOLD, SMALL_WITHHOLD, 0,
		released_to_nor - 1, NULL };
	small_decide(g->s, &no);
	expect_log(g, VERIFY_OK, NULL);
}

static void
a_decision_rests_on_an_agreement_of_its_policy(void **state)
{
	struct rig *g = *state;
	small_start(g->s);
	small_policy(g->s, "policy");
	small_report(g->s);
	struct small_decision d = { EVENT_DECISION, "NOR", OUTCOME_WITHHOLD,
		"0 withhold no-rule other -\n1 withhold no-rule other -\n", 0, small_intake(g->s),
		NULL };
	small_decide(g->s, &d);
	expect_log(g, VERIFY_CONTENT, "it was judged under other, which its policy does not have");
	renew(g);
	small_start(g->s);
	small_policy(g->s, "policy");
	small_report(g->s);
	d.reasons = "0 withhold no-rule atlas -\n1 withhold no-rule - -\n";
	d.link = small_intake(g->s);
	small_decide(g->s, &d);
	expect_log(g, VERIFY_GAP, "a reason of its first decisions names no agreement");
}

static void
a_decision_speaks_of_the_report_of_its_intake(void **state)
{
	struct rig *g = *state;
	small_start(g->s);
	small_policy(g->s, "policy");
	small_report(g->s);
	struct small_decision d = linked(to_nor, small_intake(g->s));
	g->s->manifest_leaf[0] ^= 1;
	small_decide(g->s, &d);
	expect_log(g, VERIFY_CONTENT, "its manifest is not that of its report's INTAKE");
	g->s->manifest_leaf[0] ^= 1;
	g->s->banner = "ATLAS RESTRICTED";
	small_decide(g->s, &d);
	expect_log(g, VERIFY_CONTENT, "its agent or banner is not that of its report's INTAKE");
	g->s->id[0] ^= 1;
	small_decide(g->s, &d);
	expect_log(g, VERIFY_CONTENT, NULL);
	assert_true(g->result.findings[VERIFY_GAP] > 0);
}

static void
reasons_are_one_line_for_each_portion(void **state)
{
	struct rig *g = *state;
	small_start(g->s);
	small_policy(g->s, "policy");
	small_report(g->s);
	struct small_decision d = { EVENT_DECISION, "NOR", OUTCOME_RELEASE,
		"0 release release atlas r\n0 release release atlas r\n", 3, small_intake(g->s),
		NULL };
	small_decide(g->s, &d);
	expect_log(g, VERIFY_MALFORMED, "its reasons are not one line for each portion, from 0");
}

static void
an_attestation_names_a_head_of_its_party(void **state)
{
	struct rig *g = *state;
	uint8_t root[32];
	small_usual(g->s);
	assert_true(merkle_root(&g->s->h, &g->s->nor, root, NULL));
	small_attest(g->s, "NOR", 3, root);
	expect_log(g, VERIFY_OK, NULL);
	root[0] ^= 1;
	small_attest(g->s, "NOR", 2, root);
	expect_log(g, VERIFY_GAP, "it attests 2 records of NOR, which no head before it states");
	small_attest(g->s, "NOR", 3, root);
	expect_log(
	    g, VERIFY_CONSISTENCY, "it attests another tree of NOR than the head of 3 records");
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_record_that_does_not_say_what_it_must_is_found),
		T(fields_that_a_type_does_not_have_are_refused),
		T(one_decision_is_delivered_once),
		T(what_stops_a_delivery_is_in_its_recipients_history_and_nothing_else_is),
		T(a_later_decision_that_hides_from_its_recipient_is_a_gap),
		T(several_recipients_share_only_a_decision_that_withholds),
		T(a_recipient_verifies_what_stopped_its_delivery),
		T(a_partys_bundle_opens_all_that_the_party_may_see_of_a_record),
		T(a_slot_that_the_hubs_auditor_should_see_is_a_gap_and_no_more),
		T(a_closed_slot_is_a_gap_and_judges_nothing),
		T(an_intake_is_followed_by_a_decision),
		T(an_intake_that_nobody_may_receive_needs_no_decision),
		T(nobody_who_may_receive_is_passed_over),
		T(a_decision_rests_on_an_agreement_of_its_policy),
		T(a_decision_speaks_of_the_report_of_its_intake),
		T(reasons_are_one_line_for_each_portion),
		T(an_attestation_names_a_head_of_its_party),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
