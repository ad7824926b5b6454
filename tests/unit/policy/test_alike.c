/* Which members nothing tells apart: those, and only those, whom every question answers alike. */
#include "tests/unit/policy/policy_rig.h"

#include "policy/alike.h"
#include "policy/compile.h"

enum { MOST = 130, QUESTIONS = 12 };

static uint64_t seed;

static unsigned
chance(unsigned below)
{
	seed ^= seed << 13; /* xorshift64 */
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % below;
}

static const char *const classes[] = { "UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "SECRET" };
static const char *const releasable[] = { "ATLAS", "GBR", "NOR", "KEN", "USA" };
static const char *const handling[] = { "ORCON", "FININT" };

/* ---- policies of many members ---- */

static const char *
some(struct rig *r, const char *const *list, unsigned count)
{
	const char *text = "";
	for (unsigned i = 0; i < count; i++)
		if (chance(2) == 0)
			text = arena_printf(&r->arena, "%s %s", text, list[i]);
	return text;
}

static const char *
member(struct rig *r, unsigned n)
{
	const char *may = n == 0 ? "originate receive" : "receive";
	if (n > 0 && chance(6) == 0)
		return arena_printf(&r->arena, "member P%03u { may [ %s ] }\n", n, may);
	return arena_printf(&r->arena,
	    "member P%03u {\nmay [ %s ]\nclearance ATLAS [ %s ] {\n\"Releasable To\" [ %s ]\n"
	    "Handling [ %s ]\n}\n}\n",
	    n, may, some(r, classes, 4), some(r, releasable, 5), some(r, handling, 2));
}

/* 'count' members, whom two rules tell apart by name. */
static void
load(struct rig *r, unsigned count)
{
	const char *text = "vocabulary ATLAS {\nspif \"policy/vocab/atlas.spif.xml\"\n"
			   "releasability \"Releasable To\"\n}\n"
			   "vocabulary TLP { spif \"policy/vocab/tlp-2.0.spif.xml\" }\n";
	const char *members = "", *one = "", *two = "";
	for (unsigned i = 0; i < count; i++) {
		text = arena_printf(&r->arena, "%sparty P%03u {\n}\n", text, i);
		members = arena_printf(&r->arena, "%s%s", members, member(r, i));
		if (i > 0 && chance(2) == 0)
			one = arena_printf(&r->arena, "%s P%03u", one, i);
		if (i > 0 && chance(4) == 0)
			two = arena_printf(&r->arena, "%s P%03u", two, i);
	}
	text = arena_printf(&r->arena,
	    "%sagreement many {\nversion 1\nvalid from 2026-01-01 until 2026-12-31\n"
	    "state in-force\nmode live\ntopics [ > ]\n%s"
	    "rule a {\nto [ P000%s ]\nwithhold\n}\nrule b {\nto [ P000%s ]\nwithhold\n}\n}\n",
	    text, members, one, two);
	rig_put(r, "relto.policy", text);
	if (!rig_load(r, EPOCH_TRUST_OPTIONAL | EPOCH_PARTIAL))
		fail_msg("%s", text_errors_format(&r->errors, &r->arena));
}

/* ---- questions, and each member's answers to them ---- */

struct answers {
	unsigned to[QUESTIONS];
	unsigned count;
};
struct questions {
	const struct agreement *of;
	struct alike alike;
	struct answers answers[MOST];
	bool left_out[MOST];
};

static void
answer(struct questions *q, size_t m, unsigned what)
{
	struct answers *a = &q->answers[m];
	assert_true(a->count < QUESTIONS);
	a->to[a->count++] = q->left_out[m] ? 0 : what; /* check 1 comes first */
}

static bool
on(const struct names *list, struct bytes name)
{
	for (size_t i = 0; i < list->count; i++)
		if (bytes_equal(list->items[i], name))
			return true;
	return false;
}

static struct names
some_parties(struct rig *r, unsigned one_in)
{
	struct bytes *items = arena_zalloc(&r->arena, MOST + 1, sizeof(*items));
	size_t n = 0;
	assert_non_null(items);
	for (unsigned i = 0; i < MOST; i++)
		if (chance(one_in) == 0)
			items[n++] = bytes_of(arena_printf(&r->arena, "P%03u", i));
	items[n++] = bytes_of("nobody");
	return (struct names){ items, n };
}

static void
begin(struct rig *r, struct questions *q)
{
	struct facts f = { .has_only_to = chance(3) == 0 };
	q->of = epoch_agreement_at(r->epoch, 0);
	f.only_to = f.has_only_to ? some_parties(r, 2) : (struct names){ NULL, 0 };
	f.not_to = chance(2) == 0 ? some_parties(r, 8) : (struct names){ NULL, 0 };
	assert_true(alike_init(&q->alike, q->of, &f, &r->arena));
	for (size_t m = 0; m < q->of->member_count; m++) {
		struct bytes name = q->of->members[m].party->name;
		q->left_out[m] = (f.has_only_to && !on(&f.only_to, name)) || on(&f.not_to, name);
		q->answers[m] = (struct answers){ { q->left_out[m] }, 1 };
		answer(q, m, rules_to(&q->of->rules[0], name));
		answer(q, m, rules_to(&q->of->rules[1], name));
	}
}

static void
ask_label(struct rig *r, struct questions *q)
{
	const struct vocab *v = epoch_vocab_at(r->epoch, 0);
	uint64_t *values = arena_zalloc(&r->arena, v->words, sizeof(*values));
	assert_non_null(values);
	for (uint32_t i = 0; i < v->value_count; i++)
		if (chance(4) == 0)
			vocab_put(values, i);
	struct label l = { v, chance(v->class_count), values };
	alike_by_label(&q->alike, &l, 0);
	for (size_t m = 0; m < q->of->member_count; m++) {
		const struct clearance *c = q->of->members[m].clearances[0];
		answer(q, m, c == NULL ? 0u : (unsigned)clearance_acdf(c, &l));
	}
}

static void
ask_names(struct rig *r, struct questions *q)
{
	struct names list = some_parties(r, 1 + chance(5));
	alike_by_names(&q->alike, &list);
	for (size_t m = 0; m < q->of->member_count; m++)
		answer(q, m, on(&list, q->of->members[m].party->name));
}

static void
ask_name(struct rig *r, struct questions *q)
{
	struct bytes name = bytes_of(arena_printf(&r->arena, "P%03u", chance(MOST)));
	alike_by_name(&q->alike, name);
	for (size_t m = 0; m < q->of->member_count; m++)
		answer(q, m, bytes_equal(name, q->of->members[m].party->name));
}

static void
assert_parts(const struct questions *q)
{
	const struct member *members = q->of->members;
	assert_true(q->alike.count <= 2 * q->of->member_count + 1);
	for (size_t x = 0; x < q->of->member_count; x++)
		for (size_t y = 0; y < x; y++) {
			bool same =
			    memcmp(&q->answers[x], &q->answers[y], sizeof(struct answers)) == 0;
			bool part = alike_part(&q->alike, &members[x]) ==
				    alike_part(&q->alike, &members[y]);
			if (same != part)
				fail_msg(
				    "members %zu and %zu: alike %d, one part %d", x, y, same, part);
		}
}

/* ---- the tests ---- */

static void
members_are_in_one_part_exactly_if_every_answer_is_the_same(void **state)
{
	static const unsigned sizes[] = { 1, 2, 63, 64, 65, 128, MOST };
	(void)state;
	for (unsigned round = 0; round < 7 * 12; round++) {
		struct rig r;
		struct questions *q = test_calloc(1, sizeof(*q));
		seed = (round + 1) * UINT64_C(0x9e3779b97f4a7c15);
		rig_init(&r);
		load(&r, sizes[round % 7]);
		begin(&r, q);
		assert_parts(q);
		for (unsigned i = 0; i < 3; i++) {
			ask_label(&r, q);
			assert_parts(q);
			ask_names(&r, q);
			ask_name(&r, q);
			assert_parts(q);
		}
		test_free(q);
		rig_done(&r);
	}
}

static void
a_vocabulary_in_which_nobody_is_cleared_tells_nobody_apart(void **state)
{
	struct rig r;
	struct facts f = { 0 };
	struct alike k;
	(void)state;
	seed = 7;
	rig_init(&r);
	load(&r, 65);
	const struct agreement *of = epoch_agreement_at(r.epoch, 0);
	const struct vocab *tlp = epoch_vocab_at(r.epoch, 1);
	struct label l = { tlp, 0, NULL };
	assert_true(alike_init(&k, of, &f, &r.arena));
	uint32_t parts = k.count;
	alike_by_clearance(&k, 1);
	alike_by_label(&k, &l, 1);
	assert_int_equal(k.count, parts);
	rig_done(&r);
}

static void
without_memory_there_is_no_partition_and_no_policy(void **state)
{
	struct rig r;
	struct facts f = { 0 };
	unsigned failed = 0;
	(void)state;
	seed = 9;
	rig_init(&r);
	load(&r, 65);
	const struct agreement *of = epoch_agreement_at(r.epoch, 0);
	for (size_t cap = 0; cap < 65536; cap += 64) {
		struct arena a;
		struct alike k;
		const struct holders *h;
		arena_init(&a, cap);
		bool made = holders_make(&a, of, r.epoch->vocabs, r.epoch->vocab_count, &h);
		bool told = made && alike_init(&k, of, &f, &a);
		failed += !told;
		assert_true(told || cap < 32768);
		arena_done(&a);
	}
	assert_true(failed > 0);
	rig_done(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_in_one_part_exactly_if_every_answer_is_the_same),
		cmocka_unit_test(a_vocabulary_in_which_nobody_is_cleared_tells_nobody_apart),
		cmocka_unit_test(without_memory_there_is_no_partition_and_no_policy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
