/* Who was not judged when a report came: three conditions, and not one of them less. */
#include "tests/unit/policy/policy_rig.h"

#define assert_bytes(b, text) assert_true(bytes_is(b, text))

static const char has_it[] = "    title \"Atlas\"\n    backfill\n",
		  has_not[] = "    title \"Atlas\"\n";

struct report {
	struct bytes releasable[1], listed[1], before_names[1];
	struct raw_category category;
	struct raw_label label;
	struct fact_portion portions[1];
	struct fact_agreement agreements[1];
	struct fact_before before;
	struct facts facts;
};

/* GBR's report to atlas, for NOR, who came later; all that it takes is there. */
static void
report_init(struct report *p)
{
	*p = (struct report){ .releasable = { bytes_of("ATLAS") },
		.listed = { bytes_of("atlas") },
		.before_names = { bytes_of("atlas") } };
	p->category = (struct raw_category){ bytes_of("Releasable To"), { p->releasable, 1 } };
	p->label = (struct raw_label){ bytes_of("ATLAS"), bytes_of("SECRET"), &p->category, 1 };
	p->portions[0] = (struct fact_portion){ &p->label, 1, bytes_of("text/plain") };
	p->agreements[0].name = bytes_of("atlas");
	p->before = (struct fact_before){ bytes_of("NOR"), 0, { p->before_names, 1 } };
	p->facts = (struct facts){ .originator = bytes_of("GBR"),
		.topic = bytes_of("maritime.piracy"),
		.precedence = PRECEDENCE_ROUTINE,
		.mode = MODE_LIVE,
		.time = UINT64_C(1780000000) * 1000000, /* 2026-05-28 */
		.accepted = UINT64_C(1779000000) * 1000000,
		.signer = SIGNER_GOOD,
		.agreements = p->agreements,
		.agreement_count = 1,
		.portions = p->portions,
		.portion_count = 1,
		.later = true,
		.has_backfill = true,
		.backfill = { bytes_of("NOR"), true, { p->listed, 1 } } };
}

/* The outcome for NOR, who alone may be judged; 0: nobody is. */
static enum outcome
outcome_of(struct rig *r, const struct facts *f, struct portion_decision *first)
{
	struct decisions d;
	struct err e;
	if (!policy_decide(r->epoch, f, &r->arena, &d, &e))
		fail_msg("%s", e.text);
	assert_int_equal(d.refusal.code, ERR_NONE);
	if (d.recipient_count == 0)
		return (enum outcome)0;
	assert_int_equal(d.recipient_count, 1);
	assert_bytes(d.recipients[0].recipient, "NOR");
	if (first != NULL)
		*first = d.recipients[0].portions[0];
	return d.recipients[0].outcome;
}

static void
load(struct rig *r, const char *setting)
{
	rig_init(r);
	rig_load_text(r, rig_edit(r, rig_base, "    title \"Atlas\"\n", setting));
}

static void
it_takes_all_three(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		struct rig r;
		struct report p;
		report_init(&p);
		load(&r, (i & 1) != 0 ? has_it : has_not);
		p.facts.backfill.agreements.count = (i & 2) != 0 ? 1 : 0;
		p.facts.backfill.asked = (i & 4) != 0;
		assert_int_equal(
		    outcome_of(&r, &p.facts, NULL), i == 7 ? OUTCOME_RELEASE : (enum outcome)0);
		/* and so it is when it is judged again */
		p.facts.before = &p.before;
		p.facts.before_count = 1;
		assert_int_equal(
		    outcome_of(&r, &p.facts, NULL), i == 7 ? OUTCOME_RELEASE : OUTCOME_WITHHOLD);
		rig_done(&r);
	}
}

static void
what_is_judged_is_judged_by_every_rule(void **state)
{
	(void)state;
	struct rig r;
	struct report p;
	struct portion_decision d;
	load(&r, has_it);
	report_init(&p);
	assert_int_equal(outcome_of(&r, &p.facts, &d), OUTCOME_RELEASE);
	assert_int_equal(d.mask, 1);
	assert_bytes(d.agreement->name, "atlas");
	p.label.classification = bytes_of("TOP SECRET"); /* more than NOR is cleared for */
	assert_int_equal(outcome_of(&r, &p.facts, NULL), OUTCOME_WITHHOLD);
	report_init(&p);
	p.facts.signer = SIGNER_REVOKED;
	assert_int_equal(outcome_of(&r, &p.facts, NULL), OUTCOME_HOLD);
	report_init(&p);
	struct bytes left_out = bytes_of("NOR");
	p.facts.not_to = (struct names){ &left_out, 1 };
	assert_int_equal(outcome_of(&r, &p.facts, NULL), OUTCOME_WITHHOLD);
	rig_done(&r);
}

static void
under_what_is_not_in_force_nobody_is_judged(void **state)
{
	(void)state;
	static const char *const edits[][2] = {
		{ "suspend spare\n", "suspend spare\nsuspend atlas\n" },
		{ "    state in-force\n", "    state draft\n" },
		{ "    mode live\n    topics [ maritime.> cyber.* ]\n",
		    "    mode exercise\n    topics [ maritime.> cyber.* ]\n" },
		{ "until 2028-12-31", "until 2026-04-30" },
		{ "        may [ originate receive ]\n        clearance ATLAS up-to SECRET {\n"
		  "            \"Releasable To\" [ NOR",
		    "        may [ originate ]\n        clearance ATLAS up-to SECRET {\n"
		    "            \"Releasable To\" [ NOR" },
	};
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		struct rig r;
		struct report p;
		report_init(&p);
		rig_init(&r);
		const char *text = rig_edit(&r, rig_base, "    title \"Atlas\"\n", has_it);
		text = rig_edit(&r, text,
		    "    expect release from GBR to NOR topic maritime.piracy [ \"ATLAS "
		    "SECRET//REL TO NOR\" ]\n",
		    "");
		rig_load_text(&r, rig_edit(&r, text, edits[i][0], edits[i][1]));
		assert_int_equal(outcome_of(&r, &p.facts, NULL), 0);
		rig_done(&r);
	}
}

static void
only_its_recipient_and_never_the_originator(void **state)
{
	(void)state;
	struct rig r;
	struct report p;
	load(&r, has_it);
	report_init(&p);
	p.facts.backfill.recipient = bytes_of("GBR");
	assert_int_equal(outcome_of(&r, &p.facts, NULL), 0);
	p.facts.backfill.recipient = bytes_of("XXX");
	assert_int_equal(outcome_of(&r, &p.facts, NULL), 0);
	rig_done(&r);
}

static void
a_first_decision_backfills_nothing(void **state)
{
	(void)state;
	struct rig r;
	struct report p;
	struct decisions d;
	struct err e;
	load(&r, has_it);
	report_init(&p);
	p.facts.later = false;
	assert_true(policy_decide(r.epoch, &p.facts, &r.arena, &d, &e));
	assert_int_equal(d.refusal.code, ERR_MALFORMED);
	assert_bytes(d.refusal.detail, "a first decision backfills nothing");
	rig_done(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_takes_all_three),
		cmocka_unit_test(what_is_judged_is_judged_by_every_rule),
		cmocka_unit_test(under_what_is_not_in_force_nobody_is_judged),
		cmocka_unit_test(only_its_recipient_and_never_the_originator),
		cmocka_unit_test(a_first_decision_backfills_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
