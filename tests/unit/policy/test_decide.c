/* The decision as the daemon sees it: refusals with their field, masks, deadlines, good-until,
 * markings.  Verdicts and reasons are in tests/vectors/policy. */
#include "tests/unit/policy/policy_rig.h"

#define HOUR (UINT64_C(3600) * 1000000)

/* One report that each test changes a little: GBR to all of atlas, one ATLAS SECRET portion. */
struct report {
	struct bytes releasable[2];
	struct raw_category category;
	struct raw_label label;
	struct fact_portion portions[2];
	struct fact_agreement agreements[2];
	struct facts facts;
};

static void
report_init(struct report *p)
{
	*p = (struct report){ 0 };
	p->releasable[0] = bytes_of("ATLAS");
	p->category = (struct raw_category){ bytes_of("Releasable To"), { p->releasable, 1 } };
	p->label = (struct raw_label){ bytes_of("ATLAS"), bytes_of("SECRET"), &p->category, 1 };
	p->portions[0] = (struct fact_portion){ &p->label, 1, bytes_of("text/plain") };
	p->portions[1] = p->portions[0];
	p->agreements[0].name = bytes_of("atlas");
	p->facts = (struct facts){ .originator = bytes_of("GBR"),
		.topic = bytes_of("maritime.piracy"),
		.precedence = PRECEDENCE_ROUTINE,
		.mode = MODE_LIVE,
		.time = UINT64_C(1780000000) * 1000000, /* 2026-05-28 */
		.accepted = UINT64_C(1780000000) * 1000000,
		.signer = SIGNER_GOOD,
		.agreements = p->agreements,
		.agreement_count = 1,
		.portions = p->portions,
		.portion_count = 1 };
}

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

static struct decisions
decide(struct rig *r, const struct facts *f)
{
	struct decisions d;
	struct err e = { 0 };
	assert_true(policy_decide(r->epoch, f, &r->arena, &d, &e));
	return d;
}

static const struct recipient_decision *
row(const struct decisions *d, const char *name)
{
	for (size_t i = 0; i < d->recipient_count; i++)
		if (bytes_is(d->recipients[i].recipient, name))
			return &d->recipients[i];
	fail();
	return NULL;
}

#define assert_bytes(b, text) \
	do { \
		if (!bytes_is((b), (text))) \
			fail_msg( \
			    "'%.*s' is not '%s'", (int)(b).len, (const char *)(b).data, text); \
	} while (0)

/* ---- refusals ---- */

static void
refused(
    struct rig *r, const struct report *p, enum err_code code, const char *field, const char *why)
{
	struct decisions d = decide(r, &p->facts);
	assert_int_equal(d.refusal.code, code);
	assert_bytes(d.refusal.field, field);
	assert_bytes(d.refusal.detail, why);
}

static void
a_refusal_names_the_label_and_the_nearest_value(void **state)
{
	struct report p;
	report_init(&p);
	p.label.classification = bytes_of("SECRETT");
	p.facts.portion_count = 2;
	struct decisions d = decide(*state, &p.facts);
	assert_int_equal(d.refusal.code, ERR_INVALID_LABEL);
	assert_bytes(d.refusal.field, "portions[0].labels[0].classification");
	assert_bytes(d.refusal.nearest, "SECRET");
	assert_bytes(d.refusal.detail,
	    "unknown classification 'SECRETT' in 'ATLAS'; did you mean 'SECRET'?");
	p.label.classification = bytes_of("SECRET");
	p.releasable[0] = bytes_of("ATLES");
	d = decide(*state, &p.facts);
	assert_bytes(d.refusal.field, "portions[0].labels[0].categories[0].values[0]");
	assert_bytes(d.refusal.nearest, "ATLAS");
	p.category.name = bytes_of("Releasable");
	d = decide(*state, &p.facts);
	assert_bytes(d.refusal.field, "portions[0].labels[0].categories[0]");
	p.label.vocabulary = bytes_of("NATO");
	d = decide(*state, &p.facts);
	assert_bytes(d.refusal.field, "portions[0].labels[0].vocabulary");
}

static void
unknown_and_not_yours_are_one_answer(void **state)
{
	struct report p;
	report_init(&p);
	p.agreements[0].name = bytes_of("spare"); /* GBR is no member */
	struct decisions d = decide(*state, &p.facts);
	assert_int_equal(d.refusal.code, ERR_AGREEMENT_NOT_USABLE);
	assert_bytes(d.refusal.detail, "spare: unknown");
	p.agreements[0].name = bytes_of("spree"); /* there is none */
	d = decide(*state, &p.facts);
	assert_bytes(d.refusal.detail, "spree: unknown");
	assert_bytes(d.unusable[0].why, "unknown");
}

static void
a_member_is_told_which_condition_failed(void **state)
{
	struct report p;
	report_init(&p);
	p.facts.topic = bytes_of("air.x");
	assert_bytes(
	    decide(*state, &p.facts).refusal.detail, "atlas: the topic is outside its topics");
	report_init(&p);
	p.facts.originator = bytes_of("KEN");
	assert_bytes(
	    decide(*state, &p.facts).refusal.detail, "atlas: you may not originate under it");
	report_init(&p);
	p.facts.originator = bytes_of("NOR");
	p.facts.precedence = PRECEDENCE_FLASH;
	assert_bytes(
	    decide(*state, &p.facts).refusal.detail, "atlas: the precedence is above your right");
	report_init(&p);
	p.facts.mode = MODE_EXERCISE;
	assert_bytes(decide(*state, &p.facts).refusal.detail, "atlas: it is of the other mode");
	report_init(&p);
	p.facts.time = 0;
	assert_bytes(decide(*state, &p.facts).refusal.detail, "atlas: it is not in force yet");
	p.facts.time = UINT64_MAX;
	assert_bytes(decide(*state, &p.facts).refusal.detail, "atlas: it is no longer in force");
}

static void
what_is_missing_or_has_no_form_is_named(void **state)
{
	struct report p;
	report_init(&p);
	p.facts.topic = bytes_of("a..b");
	refused(*state, &p, ERR_MALFORMED, "topic",
	    "a topic is tokens of A-Z, a-z, 0-9, '_' and '-', joined by dots");
	p.facts.topic = bytes_of("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q");
	refused(*state, &p, ERR_LIMIT, "topic", "a topic has 255 bytes and 16 tokens");
	report_init(&p);
	p.facts.precedence = 0;
	refused(*state, &p, ERR_MALFORMED, "", "a code has no meaning");
	report_init(&p);
	p.facts.portion_count = 0;
	refused(*state, &p, ERR_MALFORMED, "portions", "a report has a portion at least");
	report_init(&p);
	p.facts.agreement_count = 0;
	refused(*state, &p, ERR_NO_AGREEMENT, "agreements", "name an agreement at least");
	report_init(&p);
	p.portions[1].label_count = 0;
	p.facts.portion_count = 2;
	refused(
	    *state, &p, ERR_UNLABELLED, "portions[1].labels", "a portion needs a label at least");
}

static void
stale_terms_are_not_usable(void **state)
{
	struct report p;
	struct rig *r = *state;
	report_init(&p);
	const struct agreement *a = epoch_agreement(r->epoch, bytes_of("atlas"));
	p.agreements[0].has_terms = true;
	memcpy(p.agreements[0].terms, a->terms, sizeof(a->terms));
	assert_int_equal(decide(r, &p.facts).refusal.code, ERR_NONE);
	p.agreements[0].terms[31] ^= 1;
	struct decisions d = decide(r, &p.facts);
	assert_bytes(d.refusal.detail, "atlas: its terms are not those named");
	p.agreements[1] = p.agreements[0]; /* named twice: each mention must be right */
	p.agreements[1].terms[31] ^= 1;
	p.facts.agreement_count = 2;
	assert_int_equal(decide(r, &p.facts).refusal.code, ERR_AGREEMENT_NOT_USABLE);
	p.facts.later = true; /* terms are compared at intake only */
	struct bytes names[] = { bytes_of("atlas") };
	struct fact_before before = { bytes_of("NOR"), 0, { names, 1 } };
	p.facts.before = &before;
	p.facts.before_count = 1;
	d = decide(r, &p.facts);
	assert_int_equal(row(&d, "NOR")->portions->verdict, VERDICT_RELEASE);
}

static void
what_the_log_refuses_is_no_basis_for_anything(void **state)
{
	struct rig r;
	struct report p;
	(void)state;
	report_init(&p);
	rig_init(&r);
	rig_load_text(&r, rig_base);
	struct fact_source s = {
		.id = bytes_of("a"), .originator = bytes_of("USA"), .agreement = bytes_of("spare")
	};
	p.facts.sources = &s;
	p.facts.source_count = 1;
	struct decisions d = decide(&r, &p.facts);
	assert_int_equal(row(&d, "NOR")->portions->reason, REASON_CONSENT);
	epoch_refuse_agreement(
	    r.epoch, epoch_agreement(r.epoch, bytes_of("spare"))->index, "it is refused");
	d = decide(&r, &p.facts); /* not for what was released under it */
	assert_int_equal(row(&d, "NOR")->portions->reason, REASON_ONWARD);
	p.facts.source_count = 0;
	epoch_refuse_agreement(
	    r.epoch, epoch_agreement(r.epoch, bytes_of("atlas"))->index, "it is refused");
	d = decide(&r, &p.facts); /* not for a report */
	assert_int_equal(d.refusal.code, ERR_AGREEMENT_NOT_USABLE);
	assert_bytes(d.refusal.detail, "atlas: it is refused");
	p.facts.originator = bytes_of("HUB"); /* no member reads no more than before */
	assert_bytes(decide(&r, &p.facts).refusal.detail, "atlas: unknown");
	p.facts.originator = bytes_of("GBR");
	p.facts.later = true; /* not for what waits */
	struct bytes names[] = { bytes_of("atlas") };
	struct fact_before before = { bytes_of("NOR"), 0, { names, 1 } };
	p.facts.before = &before;
	p.facts.before_count = 1;
	d = decide(&r, &p.facts);
	assert_int_equal(row(&d, "NOR")->portions->verdict, VERDICT_WITHHOLD);
	assert_int_equal(row(&d, "NOR")->portions->reason, REASON_AGREEMENT_ENDED);
	rig_done(&r);
}

static void
nothing_goes_on_under_an_agreement_that_lacks_signatures(void **state)
{
	struct rig r;
	struct report p;
	(void)state;
	report_init(&p);
	rig_init(&r);
	rig_load_text(&r, rig_edit(&r, rig_base, "    topics [ x ]\n",
			      "    topics [ x ]\n"
			      "    signatures required [ GBR ]\n"
			      "    member GBR {\n"
			      "        may [ receive ]\n"
			      "    }\n"));
	struct fact_source s = {
		.id = bytes_of("a"), .originator = bytes_of("USA"), .agreement = bytes_of("spare")
	};
	p.facts.sources = &s;
	p.facts.source_count = 1;
	struct decisions d = decide(&r, &p.facts);
	assert_int_equal(row(&d, "NOR")->portions->reason, REASON_ONWARD);
	rig_done(&r);
}

static void
an_unknown_name_in_the_audience_comes_with_the_nearest_member(void **state)
{
	struct report p;
	report_init(&p);
	struct bytes names[] = { bytes_of("KEN"), bytes_of("NOX") };
	p.facts.not_to = (struct names){ names, 2 };
	struct decisions d = decide(*state, &p.facts);
	assert_int_equal(d.refusal.code, ERR_UNKNOWN_AUDIENCE);
	assert_bytes(d.refusal.field, "not_to[1]");
	assert_bytes(d.refusal.detail, "no member of an agreement that can be used");
	assert_bytes(d.refusal.nearest, "NOR");
}

/* ---- what the daemon keeps ---- */

static void
a_decision_names_rule_place_and_mask(void **state)
{
	struct report p;
	report_init(&p);
	p.agreements[1] = p.agreements[0];
	p.agreements[0].name = bytes_of("spare");
	p.facts.agreement_count = 2;
	struct decisions d = decide(*state, &p.facts);
	assert_int_equal(d.unusable_count, 1);
	assert_bytes(d.unusable[0].agreement, "spare");
	const struct portion_decision *n = row(&d, "NOR")->portions;
	assert_int_equal(n->verdict, VERDICT_RELEASE);
	assert_bytes(n->rule, "maritime");
	assert_bytes(n->place, "relto.policy:78");
	assert_int_equal(n->mask, 2); /* the second one named */
	const struct portion_decision *k = row(&d, "KEN")->portions;
	assert_int_equal(k->reason, REASON_CLASSIFICATION);
	assert_int_equal(k->mask, 0);
	assert_null(k->rule.data);
}

static void
good_until_is_the_earliest_of_what_may_narrow(void **state)
{
	struct report p;
	report_init(&p);
	uint64_t end = UINT64_C(1861920000) * 1000000; /* 2029-01-01, the day after the last */
	assert_int_equal(decide(*state, &p.facts).good_until, end);
	p.facts.expires = p.facts.time + HOUR;
	assert_int_equal(decide(*state, &p.facts).good_until, p.facts.expires);
	p.facts.expires = p.facts.time; /* it has passed: nothing is left to narrow */
	assert_int_equal(decide(*state, &p.facts).good_until, end);
	p.facts.expires = p.facts.time + 9 * HOUR;
	p.facts.precedence = PRECEDENCE_FLASH;
	struct decisions d = decide(*state, &p.facts);
	assert_int_equal(d.good_until, p.facts.time + 2 * HOUR); /* the review's deadline */
}

static void
a_deadline_counts_from_the_first_opening(void **state)
{
	struct report p;
	report_init(&p);
	p.facts.precedence = PRECEDENCE_FLASH;
	struct decisions d = decide(*state, &p.facts);
	const struct portion_decision *n = row(&d, "NOR")->portions;
	assert_int_equal(n->open_count, 1);
	assert_true(n->open[0].fresh);
	assert_false(n->open[0].indirect);
	assert_int_equal(n->open[0].deadline, p.facts.time + 2 * HOUR);
	struct fact_opened opened[2] = { { n->open[0].what, bytes_of("NOR"), 0, p.facts.time },
		{ n->open[0].what, bytes_of("NOR"), 0, p.facts.time - HOUR } };
	p.facts.opened = opened;
	p.facts.opened_count = 2;
	d = decide(*state, &p.facts);
	n = row(&d, "NOR")->portions;
	assert_false(n->open[0].fresh);
	assert_int_equal(n->open[0].deadline, p.facts.time + HOUR);
	assert_int_equal(d.good_until, p.facts.time + HOUR);
}

static void
consent_for_a_hidden_source_is_indirect(void **state)
{
	struct report p;
	report_init(&p);
	struct fact_source s[] = {
		{ .id = bytes_of("a"),
		    .originator = bytes_of("USA"),
		    .agreement = bytes_of("atlas"),
		    .via = bytes_of("b") },
		{ .id = bytes_of("b"),
		    .originator = bytes_of("USA"),
		    .agreement = bytes_of("atlas") },
		{ .id = bytes_of("b"),
		    .originator = bytes_of("USA"),
		    .agreement = bytes_of("atlas"),
		    .via = bytes_of("a") },
	};
	p.facts.sources = s;
	p.facts.source_count = 3;
	struct decisions d = decide(*state, &p.facts);
	const struct portion_decision *n = row(&d, "NOR")->portions;
	assert_int_equal(n->open_count, 2);
	assert_bytes(n->open[0].what.subject, "a");
	assert_true(n->open[0].indirect);
	assert_false(n->open[1].indirect);
	assert_int_equal(n->open[0].deadline, p.facts.time + 72 * HOUR);
}

static void
recipients_alike_share_their_rows(void **state)
{
	struct rig r;
	struct report p;
	(void)state;
	report_init(&p);
	rig_init(&r);
	rig_load_text(&r, rig_edit(&r, rig_base, "    member KEN {",
			      "    member HUB {\n"
			      "        may [ receive ]\n"
			      "        clearance ATLAS up-to SECRET {\n"
			      "            \"Releasable To\" [ NOR ATLAS ]\n"
			      "            Handling [ FININT ORCON ]\n"
			      "        }\n"
			      "        clearance TLP [ GREEN CLEAR AMBER ]\n"
			      "    }\n"
			      "    member KEN {"));
	struct decisions d = decide(&r, &p.facts);
	assert_ptr_equal(row(&d, "HUB")->portions, row(&d, "NOR")->portions);
	assert_ptr_not_equal(row(&d, "KEN")->portions, row(&d, "NOR")->portions);
	struct bytes names[] = { bytes_of("HUB") };
	p.facts.not_to = (struct names){ names, 1 };
	d = decide(&r, &p.facts);
	assert_int_equal(row(&d, "HUB")->portions->reason, REASON_AUDIENCE);
	assert_int_equal(row(&d, "NOR")->portions->verdict, VERDICT_RELEASE);
	rig_done(&r);
}

static void
recipients_who_approve_for_themselves_share_nothing(void **state)
{
	struct rig r;
	struct report p;
	(void)state;
	report_init(&p);
	p.facts.precedence = PRECEDENCE_FLASH;
	rig_init(&r);
	const char *text = rig_edit(&r, rig_base, "    member KEN {",
	    "    member HUB {\n"
	    "        may [ receive ]\n"
	    "        clearance ATLAS up-to SECRET { \"Releasable To\" [ ATLAS ] }\n"
	    "    }\n"
	    "    member KEN {");
	text = rig_edit(&r, text,
	    "\"Releasable To\" [ NOR ATLAS ]\n            Handling [ ORCON FININT ]",
	    "\"Releasable To\" [ ATLAS ]");
	text = rig_edit(&r, text, "clearance TLP up-to AMBER", "");
	text = rig_edit(&r, text,
	    "    expect release from GBR to NOR topic maritime.piracy "
	    "[ \"ATLAS SECRET//REL TO NOR\" ]\n",
	    "");
	rig_load_text(&r, rig_edit(&r, text, "of originator", "of recipient"));
	struct decisions d = decide(&r, &p.facts);
	assert_bytes(row(&d, "HUB")->portions->open[0].what.approver, "HUB");
	assert_bytes(row(&d, "NOR")->portions->open[0].what.approver, "NOR");
	rig_done(&r);
}

static void
without_memory_nothing_is_decided(void **state)
{
	struct rig *r = *state;
	struct report p;
	report_init(&p);
	p.facts.precedence = PRECEDENCE_FLASH;
	bool decided = false;
	unsigned failed = 0;
	for (size_t cap = 0; cap < (1 << 20) && !decided; cap += 1024) {
		struct arena a;
		struct decisions d = { .recipient_count = 77 };
		struct err e = { 0 };
		arena_init(&a, cap);
		decided = policy_decide(r->epoch, &p.facts, &a, &d, &e);
		if (!decided) {
			assert_int_equal(e.code, ERR_NOMEM);
			assert_int_equal(d.recipient_count, 77);
			failed++;
		}
		arena_done(&a);
	}
	assert_true(decided);
	assert_true(failed > 0);
}

static void
codes_without_a_meaning_are_malformed(void **state)
{
	struct report p;
	report_init(&p);
	p.facts.precedence = 0;
	assert_int_equal(decide(*state, &p.facts).refusal.code, ERR_MALFORMED);
	report_init(&p);
	p.facts.mode = 0;
	assert_int_equal(decide(*state, &p.facts).refusal.code, ERR_MALFORMED);
	report_init(&p);
	p.facts.signer = 0;
	assert_int_equal(decide(*state, &p.facts).refusal.code, ERR_MALFORMED);
	report_init(&p);
	p.facts.portion_count = 0;
	struct decisions d = decide(*state, &p.facts);
	assert_int_equal(d.refusal.code, ERR_MALFORMED);
	assert_bytes(d.refusal.field, "portions");
	assert_int_equal(d.recipient_count, 0);
}

static void
a_record_has_the_marking_of_what_was_released(void **state)
{
	struct rig *r = *state;
	struct report p;
	struct err e = { 0 };
	struct bytes text;
	report_init(&p);
	struct bytes two[] = { bytes_of("KEN"), bytes_of("NOR") };
	struct raw_category other = { bytes_of("Releasable To"), { two, 2 } };
	struct raw_label second = { bytes_of("ATLAS"), bytes_of("RESTRICTED"), &other, 1 };
	p.portions[1].labels = &second;
	p.facts.portion_count = 2;
	struct decisions d = decide(r, &p.facts);
	assert_int_equal(row(&d, "KEN")->outcome, OUTCOME_REDACT);
	assert_true(policy_marking(r->epoch, &p.facts, row(&d, "KEN"), &r->arena, &text, &e));
	assert_bytes(text, "ATLAS RESTRICTED//REL TO KEN, NOR");
	assert_true(policy_banner(r->epoch, &p.facts, &r->arena, &text, &e));
	assert_bytes(
	    text, "ATLAS SECRET (originator only)"); /* ATLAS and KEN, NOR: no value in common */
}

static void
tokens_and_texts_have_names(void **state)
{
	(void)state;
	assert_string_equal(verdict_name(VERDICT_HOLD), "hold");
	assert_string_equal(verdict_name(0), "none");
	assert_string_equal(outcome_name(OUTCOME_REDACT), "redact");
	assert_string_equal(reason_token(REASON_TIMED_OUT), "timed-out");
	assert_string_equal(reason_text(REASON_TIMED_OUT), "an approval did not come in time");
	assert_string_equal(reason_token(REASON_COUNT), "none");
	assert_string_equal(reason_text(REASON_COUNT), "no decision");
	assert_string_equal(verdict_name(VERDICT_WITHHOLD), "withhold");
	assert_string_equal(verdict_name(VERDICT_WITHHOLD + 1), "none");
	assert_string_equal(outcome_name(OUTCOME_WITHHOLD), "withhold");
	assert_string_equal(outcome_name(OUTCOME_WITHHOLD + 1), "none");
	assert_string_equal(precedence_name(PRECEDENCE_FLASH + 1), "none");
	assert_string_equal(mode_name(MODE_LIVE), "live");
	assert_string_equal(mode_name(0), "none");
	assert_string_equal(obligation_name(OBLIGATION_SIGNER + 1), "none");
	assert_string_equal(precedence_name(PRECEDENCE_FLASH), "FLASH");
	assert_string_equal(mode_name(MODE_EXERCISE), "exercise");
	assert_string_equal(obligation_name(OBLIGATION_SIGNER), "signer");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refusal_names_the_label_and_the_nearest_value),
		cmocka_unit_test(unknown_and_not_yours_are_one_answer),
		cmocka_unit_test(a_member_is_told_which_condition_failed),
		cmocka_unit_test(what_is_missing_or_has_no_form_is_named),
		cmocka_unit_test(stale_terms_are_not_usable),
		cmocka_unit_test(what_the_log_refuses_is_no_basis_for_anything),
		cmocka_unit_test(nothing_goes_on_under_an_agreement_that_lacks_signatures),
		cmocka_unit_test(an_unknown_name_in_the_audience_comes_with_the_nearest_member),
		cmocka_unit_test(a_decision_names_rule_place_and_mask),
		cmocka_unit_test(good_until_is_the_earliest_of_what_may_narrow),
		cmocka_unit_test(a_deadline_counts_from_the_first_opening),
		cmocka_unit_test(consent_for_a_hidden_source_is_indirect),
		cmocka_unit_test(recipients_alike_share_their_rows),
		cmocka_unit_test(recipients_who_approve_for_themselves_share_nothing),
		cmocka_unit_test(without_memory_nothing_is_decided),
		cmocka_unit_test(codes_without_a_meaning_are_malformed),
		cmocka_unit_test(a_record_has_the_marking_of_what_was_released),
		cmocka_unit_test(tokens_and_texts_have_names),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
