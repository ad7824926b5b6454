/* What holds for every policy and report (S4, S5): the order of the text changes nothing; a rule
 * that withholds or holds, a narrower clearance, a longer not-to only narrow; so does a later
 * decision. */
#include "tests/unit/policy/policy_rig.h"

enum { ROUNDS = 400 };

/* ---- chance, from a seed ---- */

static uint64_t seed;

static void
sow(uint64_t n)
{
	seed = (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static unsigned
chance(unsigned below)
{
	seed ^= seed << 13; /* xorshift64 */
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % below;
}

static struct bytes
one_of(const char *const *list, unsigned count)
{
	return bytes_of(list[chance(count)]);
}
#define ONE_OF(list) one_of(list, sizeof(list) / sizeof(list[0]))

/* ---- random reports over the base policy ---- */

static const char *const classes[] = { "UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "SECRET",
	"TOP SECRET" };
static const char *const releasable[] = { "ATLAS", "GBR", "NOR", "KEN", "USA" };
static const char *const handling[] = { "ORCON", "FININT" };
static const char *const national[] = { "OFFICIAL-SENSITIVE", "SECRET" };
static const char *const eyes[] = { "UK", "UKNOR", "UKUS" };
static const char *const colours[] = { "CLEAR", "GREEN", "AMBER", "RED" };
static const char *const parties[] = { "GBR", "NOR", "KEN" };
static const char *const topics[] = { "maritime.piracy", "maritime.x.y", "cyber.c2" };
static const char *const types[] = { "text/plain", "image/png", "application/pdf; a=b" };
static const char *const ids[] = { "s1", "s2", "s3" };

static void *
zalloc(struct rig *r, size_t count, size_t size)
{
	void *p = arena_zalloc(&r->arena, count, size);
	assert_non_null(p);
	return p;
}

static struct names
some_of(struct rig *r, const char *const *list, unsigned count, unsigned least)
{
	struct bytes *items = zalloc(r, count, sizeof(*items));
	size_t n = 0;
	for (unsigned i = 0; i < count; i++)
		if (chance(2) == 0)
			items[n++] = bytes_of(list[i]);
	if (n < least)
		items[n++] = bytes_of(list[chance(count)]);
	return (struct names){ items, n };
}

static struct raw_label
atlas_label(struct rig *r)
{
	struct raw_category *k = zalloc(r, 2, sizeof(*k));
	size_t n = 0;
	if (chance(8) != 0)
		k[n++] = (struct raw_category){ bytes_of("Releasable To"),
			some_of(r, releasable, 5, 1) };
	if (chance(3) == 0)
		k[n++] = (struct raw_category){ bytes_of("Handling"), some_of(r, handling, 2, 1) };
	return (struct raw_label){ bytes_of("ATLAS"), ONE_OF(classes), k, n };
}

static struct raw_label
national_label(struct rig *r)
{
	struct raw_category *k = zalloc(r, 1, sizeof(*k));
	k[0] = (struct raw_category){ bytes_of("Eyes Only"), some_of(r, eyes, 3, 1) };
	return (struct raw_label){ bytes_of("GBR-NATIONAL"), ONE_OF(national), k, 1 };
}

static struct fact_portion
portion(struct rig *r)
{
	struct raw_label *l = zalloc(r, 3, sizeof(*l));
	size_t n = 0;
	if (chance(6) != 0)
		l[n++] = atlas_label(r);
	if (chance(5) == 0)
		l[n++] = national_label(r);
	if (n == 0 || chance(4) == 0)
		l[n++] = (struct raw_label){ bytes_of("TLP"), ONE_OF(colours), NULL, 0 };
	return (struct fact_portion){ l, n, ONE_OF(types) };
}

static void
add_sources(struct rig *r, struct facts *f)
{
	struct fact_source *s = zalloc(r, 2, sizeof(*s));
	f->sources = s;
	f->source_count = chance(3) == 0 ? 1 + chance(2) : 0;
	for (size_t i = 0; i < f->source_count; i++)
		s[i] = (struct fact_source){ .id = ONE_OF(ids),
			.originator = ONE_OF(releasable),
			.agreement = chance(5) == 0 ? (struct bytes){ NULL, 0 } : bytes_of("atlas"),
			.onward_to = some_of(r, parties, 3, 0) };
}

static struct facts
report(struct rig *r)
{
	struct fact_agreement *a = zalloc(r, 2, sizeof(*a));
	struct fact_portion *p = zalloc(r, 3, sizeof(*p));
	struct facts f = { .originator = ONE_OF(parties),
		.topic = ONE_OF(topics),
		.precedence = 1 + chance(4),
		.mode = MODE_LIVE,
		.time = UINT64_C(1780000000000000),
		.accepted = UINT64_C(1780000000000000),
		.signer = chance(10) == 0 ? SIGNER_REVOKED : SIGNER_GOOD,
		.agreements = a,
		.agreement_count = 2,
		.has_only_to = chance(8) == 0,
		.portions = p,
		.portion_count = 1 + chance(3) };
	a[0].name = bytes_of("atlas");
	a[1].name = bytes_of("spare");
	f.only_to = some_of(r, parties, 3, 0);
	if (chance(8) == 0)
		f.not_to = some_of(r, parties, 3, 0);
	add_sources(r, &f);
	for (size_t i = 0; i < f.portion_count; i++)
		p[i] = portion(r);
	return f;
}

static struct decisions
judge(struct rig *r, const struct facts *f)
{
	struct decisions d;
	struct err e = { 0 };
	assert_true(policy_decide(r->epoch, f, &r->arena, &d, &e));
	return d;
}

static const struct recipient_decision *
row(const struct decisions *d, struct bytes name)
{
	for (size_t i = 0; i < d->recipient_count; i++)
		if (bytes_equal(d->recipients[i].recipient, name))
			return &d->recipients[i];
	return NULL;
}

/* ---- order ---- */

static char *shuffled(struct rig *r, const struct text_block *b, int level);

static char *
value_text(struct rig *r, const struct text_value *v)
{
	if (v->kind != TEXT_LIST)
		return text_quote(&r->arena, v->text);
	char *text = arena_printf(&r->arena, "[");
	unsigned first = v->count == 0 ? 0 : chance((unsigned)v->count);
	for (size_t i = 0; i < v->count; i++) /* turned round */
		text = arena_printf(
		    &r->arena, "%s %s", text, value_text(r, &v->items[(first + i) % v->count]));
	return arena_printf(&r->arena, "%s ]", text);
}

static char *
statement_text(struct rig *r, const struct text_statement *s, int level)
{
	char *text = arena_printf(&r->arena, "%*s%s", level, "", text_quote(&r->arena, s->name));
	for (size_t i = 0; i < s->value_count; i++)
		text = arena_printf(&r->arena, "%s %s", text, value_text(r, &s->values[i]));
	if (!s->has_block)
		return arena_printf(&r->arena, "%s\n", text);
	return arena_printf(
	    &r->arena, "%s {\n%s%*s}\n", text, shuffled(r, &s->block, level + 1), level, "");
}

static char *
shuffled(struct rig *r, const struct text_block *b, int level)
{
	size_t *order = zalloc(r, b->count, sizeof(*order));
	char *text = arena_printf(&r->arena, "%s", "");
	for (size_t i = 0; i < b->count; i++) {
		size_t k = chance((unsigned)i + 1);
		order[i] = order[k];
		order[k] = i;
	}
	for (size_t i = 0; i < b->count; i++)
		text = arena_printf(
		    &r->arena, "%s%s", text, statement_text(r, &b->items[order[i]], level));
	return text;
}

static void
assert_same(const struct decisions *x, const struct decisions *y)
{
	assert_int_equal(x->refusal.code, y->refusal.code);
	assert_int_equal(x->recipient_count, y->recipient_count);
	assert_int_equal(x->good_until, y->good_until);
	for (size_t i = 0; i < x->recipient_count; i++)
		for (size_t p = 0; p < x->portion_count; p++) {
			const struct portion_decision *a = &x->recipients[i].portions[p];
			const struct portion_decision *b = &y->recipients[i].portions[p];
			assert_int_equal(a->verdict, b->verdict);
			assert_int_equal(a->reason, b->reason);
			assert_int_equal(a->open_count, b->open_count);
			assert_true(bytes_equal(a->rule, b->rule));
		}
}

static void
the_order_of_the_text_changes_nothing(void **state)
{
	struct rig base;
	(void)state;
	rig_init(&base);
	rig_load_text(&base, rig_base);
	for (unsigned round = 0; round < 12; round++) {
		struct rig r;
		struct text_block top;
		sow(77 + round);
		rig_init(&r);
		assert_true(text_parse(
		    &r.arena, bytes_of("relto.policy"), bytes_of(rig_base), &r.errors, &top));
		rig_load_text(&r, shuffled(&r, &top, 0));
		struct bytes x = epoch_export(base.epoch), y = epoch_export(r.epoch);
		assert_true(bytes_equal(x, y));
		assert_memory_equal(epoch_digest(base.epoch), epoch_digest(r.epoch), 32);
		for (unsigned i = 0; i < 40; i++) {
			struct facts f = report(&r);
			struct decisions a = judge(&base, &f), b = judge(&r, &f);
			assert_same(&a, &b);
		}
		rig_done(&r);
	}
	rig_done(&base);
}

/* ---- narrowing ---- */

/* Nothing that 'before' withholds is more open in 'after'. */
static void
assert_narrower(const struct decisions *before, const struct decisions *after)
{
	for (size_t i = 0; i < after->recipient_count; i++) {
		const struct recipient_decision *n = &after->recipients[i];
		const struct recipient_decision *o = row(before, n->recipient);
		assert_non_null(o);
		for (size_t p = 0; p < after->portion_count; p++)
			if (n->portions[p].verdict < o->portions[p].verdict)
				fail_msg("portion %zu for %.*s: %s became %s, seed %llu", p,
				    (int)n->recipient.len, (const char *)n->recipient.data,
				    verdict_name(o->portions[p].verdict),
				    verdict_name(n->portions[p].verdict), (unsigned long long)seed);
	}
}

static const char *const conditions[] = { "", "topic maritime.*", "to [ NOR ]", "to [ KEN GBR ]",
	"from [ GBR ]", "label ATLAS at-least CONFIDENTIAL", "label ATLAS lacks Handling",
	"label GBR-NATIONAL is SECRET", "label TLP at-most GREEN", "content-type image/*",
	"precedence at-most PRIORITY", "label ATLAS has \"Releasable To\" ATLAS" };
static const char *const ends[] = { "withhold", "hold for-approval-of recipient within 1h",
	"hold for-approval-of NOR within 1d", "hold for-approval-of originator within 0ms" };

/* The base policy without its expect, and with one more rule that withholds or holds. */
static const char *
one_more_rule(struct rig *r)
{
	const char *text = strstr(rig_base, "    expect release");
	struct bytes a = ONE_OF(conditions), b = ONE_OF(conditions), end = ONE_OF(ends);
	return arena_printf(&r->arena, "%.*s    rule a%u {\n%s\n%s\n%s\n}\n}\n",
	    (int)(text - rig_base), rig_base, chance(9), (const char *)a.data, (const char *)b.data,
	    (const char *)end.data);
}

/* The base policy without its expect and with something taken from a clearance. */
static const char *
less_cleared(struct rig *r)
{
	static const char *const cuts[][2] = { { "[ NOR ATLAS ]", "[ NOR ]" },
		{ "[ KEN ATLAS ]", "[ ]" }, { "[ ORCON FININT ]", "[ ORCON ]" },
		{ "[ UNCLASSIFIED RESTRICTED ]", "[ RESTRICTED ]" },
		{ "clearance TLP up-to AMBER", "clearance TLP [ GREEN ]" },
		{ "up-to SECRET", "up-to RESTRICTED" } };
	const char *end = strstr(rig_base, "    expect release");
	const char *text = arena_printf(&r->arena, "%.*s}\n", (int)(end - rig_base), rig_base);
	unsigned cut = chance(sizeof(cuts) / sizeof(cuts[0]));
	return rig_edit(r, text, cuts[cut][0], cuts[cut][1]);
}

static void
narrower_text_narrows(const char *(*edit)(struct rig *r))
{
	struct rig base;
	rig_init(&base);
	rig_load_text(&base, rig_base);
	for (unsigned round = 0; round < 40; round++) {
		struct rig r;
		sow(1000 + round);
		rig_init(&r);
		rig_load_text(&r, edit(&r));
		for (unsigned i = 0; i < ROUNDS / 8; i++) {
			struct facts f = report(&r);
			struct decisions a = judge(&base, &f), b = judge(&r, &f);
			assert_narrower(&a, &b);
		}
		rig_done(&r);
	}
	rig_done(&base);
}

static void
a_rule_that_withholds_or_holds_only_narrows(void **state)
{
	(void)state;
	narrower_text_narrows(one_more_rule);
}

static void
a_smaller_clearance_only_narrows(void **state)
{
	(void)state;
	narrower_text_narrows(less_cleared);
}

static void
a_longer_list_of_those_left_out_only_narrows(void **state)
{
	struct rig r;
	(void)state;
	rig_init(&r);
	rig_load_text(&r, rig_base);
	for (unsigned i = 0; i < ROUNDS; i++) {
		sow(5000 + i);
		struct facts f = report(&r);
		struct decisions a = judge(&r, &f);
		struct names some = some_of(&r, parties, 3, 1);
		f.not_to = f.not_to.count == 0 ? some : f.not_to;
		struct decisions b = judge(&r, &f);
		assert_narrower(&a, &b);
	}
	rig_done(&r);
}

/* ---- later decisions ---- */

/* What the facts of a later decision say of an earlier one. */
static void
follow(struct rig *r, struct facts *f, const struct decisions *d)
{
	struct fact_before *b = zalloc(r, d->recipient_count * d->portion_count, sizeof(*b));
	size_t n = 0;
	for (size_t i = 0; i < d->recipient_count; i++)
		for (uint32_t p = 0; p < d->portion_count; p++) {
			struct bytes *names = zalloc(r, 8, sizeof(*names));
			size_t count = 0;
			for (unsigned k = 0; k < f->agreement_count; k++)
				if ((d->recipients[i].portions[p].mask >> k & 1) != 0)
					names[count++] = f->agreements[k].name;
			b[n++] =
			    (struct fact_before){ d->recipients[i].recipient, p, { names, count } };
		}
	f->later = true;
	f->before = b;
	f->before_count = n;
}

static void
a_later_decision_under_the_same_policy_says_the_same(void **state)
{
	struct rig r;
	(void)state;
	rig_init(&r);
	rig_load_text(&r, rig_base);
	for (unsigned i = 1; i < ROUNDS; i++) {
		sow(i);
		struct facts f = report(&r);
		struct decisions a = judge(&r, &f);
		if (a.refusal.code != ERR_NONE)
			continue;
		follow(&r, &f, &a);
		struct decisions b = judge(&r, &f);
		assert_int_equal(a.recipient_count, b.recipient_count);
		for (size_t k = 0; k < a.recipient_count; k++)
			for (size_t p = 0; p < a.portion_count; p++) {
				assert_int_equal(a.recipients[k].portions[p].verdict,
				    b.recipients[k].portions[p].verdict);
				assert_int_equal(a.recipients[k].portions[p].mask,
				    b.recipients[k].portions[p].mask);
			}
	}
	rig_done(&r);
}

/* The base policy widened: what was withheld might be released now. */
static const char *
widened(struct rig *r)
{
	const char *text = rig_edit(r, rig_base, "[ UNCLASSIFIED RESTRICTED ]", "up-to SECRET");
	text =
	    rig_edit(r, text, "label ATLAS at-most SECRET", "label ATLAS at-most \"TOP SECRET\"");
	text = rig_edit(r, text, "suspend spare\n", "");
	text = rig_edit(
	    r, text, "version 1\n", "version 1\n    member GBR { may [ originate receive ] }\n");
	return rig_edit(r, text, "to [ KEN ]", "to [ NOR ]");
}

static void
a_later_decision_under_a_wider_policy_does_not_widen(void **state)
{
	struct rig base, wide;
	unsigned narrowed = 0;
	(void)state;
	rig_init(&base);
	rig_init(&wide);
	rig_load_text(&base, rig_base);
	rig_load_text(&wide, widened(&wide));
	for (unsigned i = 1; i < ROUNDS; i++) {
		sow(i);
		struct facts f = report(&base);
		struct decisions a = judge(&base, &f);
		if (a.refusal.code != ERR_NONE)
			continue;
		follow(&base, &f, &a);
		struct decisions b = judge(&wide, &f);
		for (size_t k = 0; k < b.recipient_count; k++)
			for (size_t p = 0; p < b.portion_count; p++) {
				const struct portion_decision *o = &a.recipients[k].portions[p];
				const struct portion_decision *n = &b.recipients[k].portions[p];
				assert_int_equal(n->mask & ~o->mask, 0);
				if (o->verdict == VERDICT_WITHHOLD)
					assert_int_equal(n->verdict, VERDICT_WITHHOLD);
				narrowed += n->verdict > o->verdict;
			}
	}
	assert_true(narrowed > 0); /* the wider policy has one rule that narrows */
	rig_done(&base);
	rig_done(&wide);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_order_of_the_text_changes_nothing),
		cmocka_unit_test(a_rule_that_withholds_or_holds_only_narrows),
		cmocka_unit_test(a_smaller_clearance_only_narrows),
		cmocka_unit_test(a_longer_list_of_those_left_out_only_narrows),
		cmocka_unit_test(a_later_decision_under_the_same_policy_says_the_same),
		cmocka_unit_test(a_later_decision_under_a_wider_policy_does_not_widen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
