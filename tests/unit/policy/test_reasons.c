/* The trace of the kernel: it says what every check says, and changes no decision. */
#include "tests/unit/policy/policy_rig.h"

#include "policy/rules.h"

enum { CHECKS = 7 };

struct question {
	struct bytes releasable[2], handling;
	struct raw_category categories[2];
	struct raw_label labels[2];
	struct fact_portion portions[2];
	struct fact_agreement named;
	struct facts facts;
};

static void
ask(struct question *q, const char *from, const char *class_, const char *handling,
    enum precedence precedence)
{
	*q = (struct question){ 0 };
	q->releasable[0] = bytes_of("ATLAS");
	q->handling = bytes_of(handling);
	q->categories[0] = (struct raw_category){ bytes_of("Releasable To"), { q->releasable, 1 } };
	q->categories[1] = (struct raw_category){ bytes_of("Handling"), { &q->handling, 1 } };
	q->labels[0] = (struct raw_label){ bytes_of("ATLAS"), bytes_of(class_), q->categories,
		*handling == 0 ? 1 : 2 };
	q->labels[1] = (struct raw_label){ bytes_of("TLP"), bytes_of("AMBER"), NULL, 0 };
	q->portions[0] = (struct fact_portion){ q->labels, 1, bytes_of("text/plain") };
	q->portions[1] = (struct fact_portion){ q->labels, 2, bytes_of("text/plain") };
	q->named.name = bytes_of("atlas");
	q->facts = (struct facts){ .originator = bytes_of(from),
		.topic = bytes_of("maritime.piracy"),
		.precedence = precedence,
		.mode = MODE_LIVE,
		.time = UINT64_C(1780000000) * 1000000,
		.accepted = UINT64_C(1780000000) * 1000000,
		.signer = SIGNER_GOOD,
		.agreements = &q->named,
		.agreement_count = 1,
		.portions = q->portions,
		.portion_count = 2 };
}

/* What was told, by recipient (GBR, KEN, NOR by their first letter), portion and check. */
struct told {
	struct check_said said[128][2][CHECKS];
	size_t count[128][2];
};

static void
listen(void *ctx, const struct member *m, uint32_t portion, const struct check_said *s)
{
	struct told *t = ctx;
	unsigned who = m->party->name.data[0];
	assert_true(portion < 2 && t->count[who][portion] < CHECKS);
	t->said[who][portion][t->count[who][portion]++] = *s;
}

static void
same_rows(const struct decisions *x, const struct decisions *y)
{
	assert_int_equal(x->refusal.code, y->refusal.code);
	assert_int_equal(x->recipient_count, y->recipient_count);
	assert_true(x->good_until == y->good_until);
	for (size_t i = 0; i < x->recipient_count; i++)
		for (size_t k = 0; k < x->portion_count; k++) {
			const struct portion_decision *a = &x->recipients[i].portions[k];
			const struct portion_decision *b = &y->recipients[i].portions[k];
			assert_int_equal(a->verdict, b->verdict);
			assert_int_equal(a->reason, b->reason);
			assert_true(bytes_equal(a->rule, b->rule));
			assert_int_equal(a->mask, b->mask);
			assert_int_equal(a->open_count, b->open_count);
		}
}

/* Of one recipient and portion: all checks, and the strictest of them is the decision. */
static void
all_checks_told(const struct told *t, const struct recipient_decision *r, size_t portion)
{
	static const char *const order[] = {
#define CHECK(name, source) #name,
#include "policy/rules.def"
	};
	unsigned who = r->recipient.data[0];
	enum verdict strictest = VERDICT_RELEASE;
	enum reason reason = REASON_RELEASE;
	assert_int_equal(t->count[who][portion], CHECKS);
	for (size_t i = 0; i < CHECKS; i++) {
		const struct check_said *s = &t->said[who][portion][i];
		assert_string_equal(s->name, order[i]);
		assert_true((s->reason == REASON_NONE) == (s->verdict == VERDICT_RELEASE));
		if (s->verdict > strictest) {
			strictest = s->verdict;
			reason = s->reason;
		}
	}
	assert_int_equal(strictest, r->portions[portion].verdict);
	assert_int_equal(reason, r->portions[portion].reason);
}

static void
compare(struct rig *r, const struct facts *f)
{
	struct told t = { 0 };
	struct decide_trace trace = { listen, &t };
	struct decisions plain, traced;
	struct err e = { 0 };
	assert_true(policy_decide(r->epoch, f, &r->arena, &plain, &e));
	assert_true(decide_traced(r->epoch, &trace, f, &r->arena, &traced, &e));
	same_rows(&plain, &traced);
	for (size_t i = 0; i < traced.recipient_count; i++)
		for (size_t k = 0; k < traced.portion_count; k++)
			all_checks_told(&t, &traced.recipients[i], k);
}

static void
a_trace_tells_every_check_of_everybody_and_changes_nothing(void **state)
{
	static const char *const from[] = { "GBR", "NOR", "KEN" };
	static const char *const classes[] = { "UNCLASSIFIED", "RESTRICTED", "SECRET", "TOP SECRET",
		"SECRETT" };
	static const char *const handling[] = { "", "FININT", "HUMINT" };
	struct rig r;
	(void)state;
	rig_init(&r);
	rig_load_text(&r, rig_base);
	for (size_t i = 0; i < 3 * 5 * 3 * 4; i++) {
		struct question q;
		ask(&q, from[i % 3], classes[i / 3 % 5], handling[i / 15 % 3],
		    (enum precedence)(1 + i / 45));
		compare(&r, &q.facts);
	}
	rig_done(&r);
}

static void
a_trace_names_the_label_at_fault_and_the_rule(void **state)
{
	struct rig r;
	struct question q;
	struct told t = { 0 };
	struct decide_trace trace = { listen, &t };
	struct decisions d;
	struct err e = { 0 };
	(void)state;
	rig_init(&r);
	rig_load_text(&r, rig_base);
	ask(&q, "GBR", "RESTRICTED", "FININT", PRECEDENCE_ROUTINE);
	assert_true(decide_traced(r.epoch, &trace, &q.facts, &r.arena, &d, &e));
	const struct check_said *ken = t.said['K'][1];
	assert_int_equal(ken[2].reason, REASON_NO_CLEARANCE); /* in TLP */
	assert_int_equal(ken[2].label, 1);
	assert_int_equal(ken[3].verdict, VERDICT_RELEASE);
	assert_true(bytes_is(ken[3].rule->name, "maritime"));
	assert_int_equal(ken[3].label, UINT32_MAX);
	assert_int_equal(ken[4].reason, REASON_FORBIDDEN);
	assert_true(bytes_is(ken[4].rule->name, "never"));
	assert_memory_equal(ken[4].rule->place.data, "relto.policy:", strlen("relto.policy:"));
	rig_done(&r);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trace_tells_every_check_of_everybody_and_changes_nothing),
		cmocka_unit_test(a_trace_names_the_label_at_fault_and_the_rule),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
