/* Decisions for many: who shares rows with whom, under one agreement and under several; and every
 * allocation of every kind of decision failing. */
#include <time.h>

#include "proto/limits.h"
#include "tests/lib/arena_once.h"
#include "tests/unit/policy/policy_rig.h"

enum { MOST = 70 };

/* ---- a policy with the agreements 'a' and 'b', of ORG and P00, P01, .. each ---- */

static const char *
member_text(struct rig *r, unsigned n, bool alike)
{
	bool cleared = alike && n % 2 == 0;
	return arena_printf(&r->arena, "member P%02u {\nmay [ receive ]\n%s}\n", n,
	    cleared || !alike ? "clearance ATLAS up-to SECRET { \"Releasable To\" [ ATLAS ] }\n"
			      : "");
}

static const char *
agreement_text(struct rig *r, const char *name, unsigned count, bool alike)
{
	const char *members = "";
	for (unsigned i = 0; i < count; i++)
		members = arena_printf(&r->arena, "%s%s", members, member_text(r, i, alike));
	return arena_printf(&r->arena,
	    "agreement %s {\nversion 1\nvalid from 2026-01-01 until 2026-%s\n"
	    "state in-force\nmode live\ntopics [ > ]\nonward %s\n"
	    "member ORG {\nmay [ originate ]\n}\n%s"
	    "rule all {\nlabel ATLAS at-most SECRET\nrelease\n}\n"
	    "rule ask {\nlabel ATLAS is SECRET\nhold for-approval-of originator within 1h\n}\n}\n",
	    name,
	    name[0] == 'a'   ? "12-31"
	    : name[0] == 'b' ? "11-30"
			     : "10-31",
	    name[0] == 'a' ? "consent within 1h" : "members", members);
}

static void
load(struct rig *r, unsigned count, bool alike)
{
	const char *text = "vocabulary ATLAS {\nspif \"policy/vocab/atlas.spif.xml\"\n"
			   "releasability \"Releasable To\"\n}\nparty ORG {\n}\nparty SRC {\n}\n";
	for (unsigned i = 0; i < count; i++)
		text = arena_printf(&r->arena, "%sparty P%02u {\n}\n", text, i);
	rig_put(r, "relto.policy",
	    arena_printf(&r->arena, "%s%s%s%s", text, agreement_text(r, "a", count, alike),
		agreement_text(r, "b", count, alike), agreement_text(r, "c", count / 2, alike)));
	if (!rig_load(r, EPOCH_TRUST_OPTIONAL | EPOCH_PARTIAL))
		fail_msg("%s", text_errors_format(&r->errors, &r->arena));
}

/* ---- a report of RESTRICTED portions under 'a', or 'a' and 'b' ---- */

struct report {
	struct bytes releasable[1];
	struct raw_category category;
	struct raw_label label;
	struct fact_portion portions[64];
	struct fact_agreement agreements[3];
	struct fact_approval approvals[MOST];
	struct fact_opened opened[2];
	struct fact_source sources[3];
	struct fact_before before[2];
	struct bytes onward[2];
	struct facts facts;
};

static void
report_init(struct report *p, size_t agreements, size_t portions)
{
	*p = (struct report){ .releasable = { bytes_of("ATLAS") },
		.agreements = { { .name = bytes_of("a") }, { .name = bytes_of("b") },
		    { .name = bytes_of("c") } },
		.onward = { bytes_of("P00"), bytes_of("P01") } };
	p->category = (struct raw_category){ bytes_of("Releasable To"), { p->releasable, 1 } };
	p->label = (struct raw_label){ bytes_of("ATLAS"), bytes_of("RESTRICTED"), &p->category, 1 };
	for (size_t i = 0; i < 64; i++)
		p->portions[i] = (struct fact_portion){ &p->label, 1, bytes_of("text/plain") };
	p->facts = (struct facts){ .originator = bytes_of("ORG"),
		.topic = bytes_of("t"),
		.precedence = PRECEDENCE_ROUTINE,
		.mode = MODE_LIVE,
		.time = UINT64_C(1780000000) * 1000000, /* 2026-05-28 */
		.accepted = UINT64_C(1780000000) * 1000000,
		.signer = SIGNER_GOOD,
		.agreements = p->agreements,
		.agreement_count = agreements,
		.approvals = p->approvals,
		.opened = p->opened,
		.sources = p->sources,
		.before = p->before,
		.portions = p->portions,
		.portion_count = portions };
}

/* An approval for each of the first 'count' recipients tells them all apart. */
static void
tell_apart(struct rig *r, struct report *p, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		p->approvals[i] =
		    (struct fact_approval){ .what = { OBLIGATION_REVIEW, bytes_of("a"),
						bytes_of("ask"), bytes_of("ORG") },
			    .recipient = bytes_of(arena_printf(&r->arena, "P%02u", i)),
			    .approve = true };
	p->facts.approval_count = count;
}

static struct decisions
decide(struct rig *r, const struct facts *f)
{
	struct decisions d;
	struct err e = { 0 };
	assert_true(policy_decide(r->epoch, f, &r->arena, &d, &e));
	assert_int_equal(d.refusal.code, ERR_NONE);
	return d;
}

/* ---- sharing ---- */

static void
recipients_alike_under_every_agreement_share_what_comes_of_them(void **state)
{
	struct rig r;
	struct report p;
	(void)state;
	rig_init(&r);
	load(&r, 6, true);
	for (size_t agreements = 1; agreements <= 3; agreements++) {
		report_init(&p, agreements, 2);
		struct decisions d = decide(&r, &p.facts);
		assert_int_equal(d.recipient_count, 6);
		for (size_t i = 2; i < 6; i++)
			if (agreements == 3 && i > 2) /* no members of the third */
				assert_ptr_equal(d.recipients[i].portions,
				    d.recipients[i > 4 ? i - 2 : i].portions);
			else
				assert_ptr_equal(
				    d.recipients[i].portions, d.recipients[i % 2].portions);
		assert_ptr_not_equal(d.recipients[0].portions, d.recipients[1].portions);
		assert_int_equal(d.recipients[0].outcome, OUTCOME_RELEASE);
		assert_int_equal(d.recipients[1].outcome, OUTCOME_WITHHOLD);
		assert_int_equal(d.recipients[0].portions[1].mask, (1 << agreements) - 1);
		assert_int_equal(d.recipients[4].portions[1].mask, agreements == 1 ? 1 : 3);
	}
	rig_done(&r);
}

static void
more_kinds_of_recipients_than_are_remembered_get_their_own(void **state)
{
	struct rig r;
	struct report p;
	(void)state;
	rig_init(&r);
	load(&r, MOST, false);
	for (size_t agreements = 1; agreements <= 2; agreements++) {
		report_init(&p, agreements, 3);
		tell_apart(&r, &p, MOST - 2);
		struct decisions d = decide(&r, &p.facts);
		assert_int_equal(d.recipient_count, MOST);
		for (size_t i = 0; i < MOST; i++) {
			assert_int_equal(d.recipients[i].outcome, OUTCOME_RELEASE);
			for (size_t k = 0; k < i && i < MOST - 1; k++)
				assert_ptr_not_equal(
				    d.recipients[i].portions, d.recipients[k].portions);
		}
		if (agreements == 1) /* their own rows, with nothing to merge */
			assert_ptr_equal(
			    d.recipients[MOST - 1].portions, d.recipients[MOST - 2].portions);
	}
	rig_done(&r);
}

static void
whom_the_facts_speak_of_is_judged_alone(void **state)
{
	struct rig r;
	struct report p;
	(void)state;
	rig_init(&r);
	load(&r, 6, false);
	report_init(&p, 1, 1);
	p.label.classification = bytes_of("SECRET");
	struct decisions d = decide(&r, &p.facts);
	assert_ptr_equal(d.recipients[0].portions, d.recipients[5].portions);
	/* an approval */
	tell_apart(&r, &p, 1);
	d = decide(&r, &p.facts);
	assert_int_equal(d.recipients[0].outcome, OUTCOME_RELEASE);
	assert_int_equal(d.recipients[1].outcome, OUTCOME_HOLD);
	/* when it was opened */
	p.facts.approval_count = 0;
	p.opened[0] = (struct fact_opened){ .what = p.approvals[0].what,
		.recipient = bytes_of("P01"),
		.time = p.facts.time - UINT64_C(3600) * 1000000 };
	p.facts.opened_count = 1;
	d = decide(&r, &p.facts);
	assert_int_equal(d.recipients[1].portions->reason, REASON_TIMED_OUT);
	assert_int_equal(d.recipients[2].outcome, OUTCOME_HOLD);
	/* of several times the first */
	p.opened[1] = p.opened[0];
	p.opened[1].time = p.facts.time - 1;
	p.facts.opened_count = 2;
	for (size_t i = 0; i < 2; i++) {
		d = decide(&r, &p.facts);
		assert_int_equal(d.recipients[1].portions->reason, REASON_TIMED_OUT);
		struct fact_opened first = p.opened[0];
		p.opened[0] = p.opened[1];
		p.opened[1] = first;
	}
	rig_done(&r);
}

static void
whose_source_it_is_and_who_had_it_counts_for_each(void **state)
{
	struct rig r;
	struct report p;
	(void)state;
	rig_init(&r);
	load(&r, 6, false);
	report_init(&p, 1, 1);
	p.sources[0] = (struct fact_source){ .id = bytes_of("s"),
		.originator = bytes_of("P02"),
		.agreement = bytes_of("b"),
		.onward_to = { p.onward, 2 } };
	p.facts.source_count = 1;
	struct decisions d = decide(&r, &p.facts);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(
		    d.recipients[i].outcome, i < 3 ? OUTCOME_RELEASE : OUTCOME_WITHHOLD);
	/* until the first end of an agreement that lets it go on */
	assert_int_equal(d.good_until, epoch_agreement(r.epoch, bytes_of("b"))->valid_until);
	p.sources[1] = p.sources[0];
	p.facts.source_count = 2;
	for (size_t i = 0; i < 2; i++) {
		p.sources[i].agreement = bytes_of("c");
		p.sources[1 - i].agreement = bytes_of("b");
		d = decide(&r, &p.facts);
		assert_int_equal(d.recipients[0].outcome, OUTCOME_RELEASE);
		assert_int_equal(
		    d.good_until, epoch_agreement(r.epoch, bytes_of("c"))->valid_until);
	}
	p.facts.source_count = 1;
	p.sources[0].agreement = bytes_of("b");
	/* and where the agreement says nothing that has a meaning, to nobody */
	struct agreement *b =
	    (struct agreement *)(uintptr_t)epoch_agreement(r.epoch, bytes_of("b"));
	b->onward = 0;
	d = decide(&r, &p.facts);
	assert_int_equal(d.recipients[0].portions->reason, REASON_ONWARD);
	rig_done(&r);
}

static void
a_later_decision_shares_what_is_judged_and_not_what_it_concludes(void **state)
{
	struct rig r;
	struct report p;
	struct bytes both[] = { bytes_of("a"), bytes_of("b") };
	(void)state;
	rig_init(&r);
	load(&r, 6, false);
	report_init(&p, 2, 2);
	p.before[0] = (struct fact_before){ bytes_of("P03"), 0, { both, 2 } };
	p.before[1] = (struct fact_before){ bytes_of("P01"), 1, { both + 1, 1 } };
	p.facts.before_count = 2;
	p.facts.later = true;
	struct decisions d = decide(&r, &p.facts);
	assert_int_equal(d.recipient_count, 2);
	assert_true(bytes_is(d.recipients[0].recipient, "P01"));
	assert_int_equal(d.recipients[0].outcome, OUTCOME_REDACT);
	assert_int_equal(d.recipients[0].portions[0].reason, REASON_NOT_RELEASED_BEFORE);
	assert_int_equal(d.recipients[0].portions[1].mask, 2);
	assert_int_equal(d.recipients[1].portions[0].mask, 3);
	assert_int_equal(d.recipients[1].portions[1].reason, REASON_NOT_RELEASED_BEFORE);
	rig_done(&r);
}

static void
rows_of_one_agreement_are_not_copied(void **state)
{
	struct rig r;
	struct report p;
	struct arena a;
	struct decisions d;
	struct err e;
	(void)state;
	rig_init(&r);
	load(&r, 6, true);
	report_init(&p, 1, 64);
	arena_init(&a, SIZE_MAX);
	assert_true(policy_decide(r.epoch, &p.facts, &a, &d, &e));
	size_t once = a.used;
	arena_done(&a);
	report_init(&p, 2, 64);
	arena_init(&a, SIZE_MAX);
	assert_true(policy_decide(r.epoch, &p.facts, &a, &d, &e));
	/* two kinds of recipients, 64 rows each: as many again for the second agreement, and as
	 * many for what comes of both */
	assert_true(a.used - once > 4 * 64 * sizeof(struct portion_decision));
	assert_true(once < 5 * 64 * sizeof(struct portion_decision) + 8192);
	arena_done(&a);
	rig_done(&r);
}

static void
every_agreement_that_cannot_be_used_is_told(void **state)
{
	struct rig r;
	struct report p;
	struct decisions d;
	struct err e = { 0 };
	struct fact_agreement eight[LIMIT_AGREEMENTS_PER_REPORT] = { 0 };
	(void)state;
	rig_init(&r);
	load(&r, 2, false);
	report_init(&p, 1, 1);
	for (size_t i = 0; i < LIMIT_AGREEMENTS_PER_REPORT; i++)
		eight[i].name = bytes_of(arena_printf(&r.arena, "none-%zu", i));
	p.facts.agreements = eight;
	p.facts.agreement_count = LIMIT_AGREEMENTS_PER_REPORT;
	assert_true(policy_decide(r.epoch, &p.facts, &r.arena, &d, &e));
	assert_int_equal(d.refusal.code, ERR_AGREEMENT_NOT_USABLE);
	assert_int_equal(d.unusable_count, LIMIT_AGREEMENTS_PER_REPORT);
	for (size_t i = 0; i < d.unusable_count; i++)
		assert_true(bytes_equal(d.unusable[i].agreement, eight[i].name));
	rig_done(&r);
}

/* ---- time ---- */

static double
seconds(void)
{
	struct timespec t;
	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Each of 256 portions waits for the consent of 256 sources: a duty asks only what was opened of
 * its own portion, or this took a quarter of a minute. */
static void
what_was_opened_of_other_portions_is_not_asked(void **state)
{
	enum { SOURCES = 256, PORTIONS = 256 };
	struct rig r;
	struct report p;
	(void)state;
	rig_init(&r);
	load(&r, 3, false);
	report_init(&p, 1, PORTIONS);
	struct fact_portion *portions = calloc(PORTIONS, sizeof(*portions));
	struct fact_source *sources = calloc(SOURCES, sizeof(*sources));
	struct fact_opened *opened = calloc((size_t)SOURCES * PORTIONS, sizeof(*opened));
	struct fact_before *before = calloc(PORTIONS, sizeof(*before));
	struct bytes a = bytes_of("a");
	for (unsigned i = 0; i < SOURCES; i++)
		sources[i] =
		    (struct fact_source){ .id = bytes_of(arena_printf(&r.arena, "s%03u", i)),
			    .originator = bytes_of("SRC"),
			    .agreement = a };
	for (unsigned k = 0; k < PORTIONS; k++) {
		portions[k] = p.portions[0];
		before[k] = (struct fact_before){ bytes_of("P00"), k, { &a, 1 } };
		for (unsigned i = 0; i < SOURCES; i++)
			opened[i * PORTIONS + k] = (struct fact_opened){
				{ OBLIGATION_CONSENT, a, sources[i].id, bytes_of("SRC") },
				bytes_of("P00"), k, p.facts.time
			};
	}
	p.facts.portions = portions;
	p.facts.sources = sources;
	p.facts.source_count = SOURCES;
	p.facts.opened = opened;
	p.facts.opened_count = (size_t)SOURCES * PORTIONS;
	p.facts.before = before;
	p.facts.before_count = PORTIONS;
	p.facts.later = true;
	double began = seconds();
	struct decisions d = decide(&r, &p.facts);
	assert_true(seconds() - began < 5);
	assert_int_equal(d.recipients[0].outcome, OUTCOME_HOLD);
	for (unsigned k = 0; k < PORTIONS; k++) {
		assert_int_equal(d.recipients[0].portions[k].open_count, SOURCES);
		assert_false(d.recipients[0].portions[k].open[0].fresh);
	}
	free(portions);
	free(sources);
	free(opened);
	free(before);
	rig_done(&r);
}

/* ---- memory ---- */

static void
is_the_same(const struct decisions *d, const struct decisions *whole)
{
	assert_int_equal(d->refusal.code, whole->refusal.code);
	assert_true(bytes_equal(d->refusal.field, whole->refusal.field));
	assert_true(bytes_equal(d->refusal.detail, whole->refusal.detail));
	assert_int_equal(d->unusable_count, whole->unusable_count);
	assert_int_equal(d->recipient_count, whole->recipient_count);
	assert_int_equal(d->good_until, whole->good_until);
	for (size_t i = 0; i < d->recipient_count; i++)
		assert_int_equal(d->recipients[i].outcome, whole->recipients[i].outcome);
}

/* Decides, with so much memory and the failure that was asked for; whether it could. */
static bool
decides_whole_or_not(
    struct rig *r, const struct facts *f, size_t cap, const struct decisions *whole)
{
	struct arena a;
	struct decisions d = { .recipient_count = 77 };
	struct err e = { 0 };
	arena_init(&a, cap);
	bool decided = policy_decide(r->epoch, f, &a, &d, &e);
	if (decided) {
		is_the_same(&d, whole);
	} else {
		assert_int_equal(e.code, ERR_NOMEM);
		assert_int_equal(d.recipient_count, 77);
	}
	arena_done(&a);
	return decided;
}

/* Memory ends everywhere, or one allocation fails and the next would not: nothing is decided, and
 * nothing is touched. */
static void
fails_closed(struct rig *r, const struct facts *f)
{
	struct decisions whole;
	struct err none = { 0 };
	bool decided = false;
	size_t failed = 0, n = 0;
	assert_true(policy_decide(r->epoch, f, &r->arena, &whole, &none));
	for (size_t cap = 0; cap < (1 << 18) && !decided; cap += 8) {
		decided = decides_whole_or_not(r, f, cap, &whole);
		failed += !decided;
	}
	assert_true(decided);
	assert_true(failed > 0);
	do {
		arena_once_fails = ++n;
		decided = decides_whole_or_not(r, f, 1 << 20, &whole);
		if (arena_once_fails == 0 && decided) /* only a refusal's hint may be left out */
			assert_int_not_equal(whole.refusal.code, ERR_NONE);
	} while (arena_once_fails == 0);
	assert_true(decided);
	arena_once_fails = 0;
	assert_true(n > 1);
}

static void
without_memory_no_kind_of_decision_is_made(void **state)
{
	struct rig r;
	struct report p;
	struct bytes both[] = { bytes_of("a"), bytes_of("b") }, nobody[] = { bytes_of("XXX") };
	(void)state;
	rig_init(&r);
	load(&r, 3, false);
	report_init(&p, 2, 3);
	tell_apart(&r, &p, 2);
	fails_closed(&r, &p.facts);
	p.label.classification = bytes_of("SECRET"); /* obligations */
	p.facts.signer = SIGNER_REVOKED;
	p.sources[0] = (struct fact_source){ .id = bytes_of("s"),
		.originator = bytes_of("SRC"),
		.agreement = bytes_of("b"),
		.onward_to = { p.onward, 2 } };
	p.sources[1] = (struct fact_source){ .id = bytes_of("t"),
		.originator = bytes_of("SRC"),
		.agreement = bytes_of("a"),
		.via = bytes_of("s") };
	p.facts.source_count = 2;
	fails_closed(&r, &p.facts);
	p.before[0] = (struct fact_before){ bytes_of("P00"), 0, { both, 2 } };
	p.before[1] = (struct fact_before){ bytes_of("P01"), 1, { both, 2 } };
	p.facts.before_count = 2;
	p.facts.later = true;
	fails_closed(&r, &p.facts);
	p.facts.later = false;
	/* and none is refused */
	p.facts.not_to = (struct names){ nobody, 1 };
	fails_closed(&r, &p.facts);
	p.facts.not_to.count = 0;
	p.facts.only_to = (struct names){ nobody, 1 };
	p.facts.has_only_to = true;
	fails_closed(&r, &p.facts);
	p.facts.has_only_to = false;
	p.portions[1].label_count = 0;
	fails_closed(&r, &p.facts);
	p.portions[1].label_count = 1;
	p.label.classification = bytes_of("SECRETT");
	fails_closed(&r, &p.facts);
	p.label.classification = bytes_of("SECRET");
	p.releasable[0] = bytes_of("ATLASS");
	fails_closed(&r, &p.facts);
	p.category.name = bytes_of("Releasible To");
	fails_closed(&r, &p.facts);
	p.label.vocabulary = bytes_of("ATLASS");
	fails_closed(&r, &p.facts);
	p.facts.originator = bytes_of("XXX");
	fails_closed(&r, &p.facts);
	rig_done(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recipients_alike_under_every_agreement_share_what_comes_of_them),
		cmocka_unit_test(more_kinds_of_recipients_than_are_remembered_get_their_own),
		cmocka_unit_test(whom_the_facts_speak_of_is_judged_alone),
		cmocka_unit_test(whose_source_it_is_and_who_had_it_counts_for_each),
		cmocka_unit_test(a_later_decision_shares_what_is_judged_and_not_what_it_concludes),
		cmocka_unit_test(every_agreement_that_cannot_be_used_is_told),
		cmocka_unit_test(rows_of_one_agreement_are_not_copied),
		cmocka_unit_test(what_was_opened_of_other_portions_is_not_asked),
		cmocka_unit_test(without_memory_no_kind_of_decision_is_made),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
