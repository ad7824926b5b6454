/* What holds of cells whatever the policies: nothing differs from itself, order is nothing, a rule
 * that withholds or holds only narrows, and what widens one way narrows the other. */
#include "tests/unit/policy/cells_rig.h"

enum { ROUNDS = 60 };

struct seen {
	struct rig keeper;
	struct kept *kept;
	struct choices old;
	struct world world;
};

/* The policy of 'old' and the one of 'text'. */
static bool
load_pair(struct seen *s, const struct choices *old, const struct choices *new, const char *text)
{
	s->world = (struct world){ .kept = s->kept, .until = LATER };
	bool good = load(&s->world.old, &s->keeper, old);
	rig_init(&s->world.new);
	rig_put(&s->world.new, "a.xml", spif_a[new->spif_a]);
	rig_put(&s->world.new, "b.xml", spif_b[0]);
	rig_put(&s->world.new, "c.xml", spif_c[0]);
	rig_put(&s->world.new, "relto.policy", text == NULL ? render(&s->keeper, new) : text);
	good = rig_load(&s->world.new, EPOCH_TRUST_OPTIONAL | EPOCH_PARTIAL) && good;
	s->world.epochs[0] = s->world.old.epoch;
	s->world.epochs[1] = s->world.new.epoch;
	return good;
}

typedef void law(struct seen *s);

static void
each_policy(law *holds)
{
	struct seen s = { .kept = calloc(1, sizeof(struct kept)) };
	size_t rounds = is_full() ? 20 * ROUNDS : ROUNDS;
	assert_non_null(s.kept);
	rig_init(&s.keeper);
	for (size_t n = 0; n < rounds; n++) {
		seed = (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
		s.old = (struct choices){ 0 };
		roll(&s.keeper, &s.old, 0);
		holds(&s);
	}
	rig_done(&s.keeper);
	free(s.kept);
}

static void
same(struct seen *s)
{
	if (load_pair(s, &s->old, &s->old, NULL)) {
		compare(&s->world, false, false);
		assert_int_equal(s->kept->count, 0);
	}
	done_world(&s->world);
}

static void
a_policy_does_not_differ_from_itself(void **state)
{
	(void)state;
	each_policy(same);
}

/* Rules change places and names, members their order. */
static void
reordered(struct seen *s)
{
	struct choices other = s->old;
	for (size_t i = 0; i < RULES; i++)
		other.rules[i] = s->old.rules[RULES - 1 - i];
	if (load_pair(s, &s->old, &other, NULL)) {
		compare(&s->world, false, false);
		assert_int_equal(s->kept->count, 0);
	}
	done_world(&s->world);
}

static void
the_order_of_rules_is_no_difference(void **state)
{
	(void)state;
	each_policy(reordered);
}

static size_t narrowed;

static void
stricter(struct seen *s)
{
	static const char *const guards[] = { "withhold\n",
		"hold for-approval-of recipient within 1h\n" };
	const char *text = render(&s->keeper, &s->old);
	const char *guard = arena_printf(&s->keeper.arena, "rule guard {\n%s\n%s\n%s}\n",
	    ONE_OF(conditions), ONE_OF(conditions), ONE_OF(guards));
	text = arena_printf(&s->keeper.arena, "%.*s%s}\n", (int)strlen(text) - 2, text, guard);
	if (load_pair(s, &s->old, &s->old, text)) {
		compare(&s->world, false, true);
		for (size_t i = 0; i < s->kept->count; i++)
			assert_true(
			    s->kept->items[i].said[0].verdict < s->kept->items[i].said[1].verdict);
		narrowed += s->kept->count;
	}
	done_world(&s->world);
}

static void
a_rule_that_withholds_or_holds_never_widens(void **state)
{
	(void)state;
	narrowed = 0;
	each_policy(stricter);
	assert_true(narrowed > 0);
}

/* What a cell says, but for its example. */
static const char *
line_of(struct arena *a, const struct cell *c, bool turned)
{
	const struct occasion *o = &c->scene->occasions[0];
	const char *text =
	    arena_printf(a, "%.*s %.*s %.*s %d %zu | %zu %d %d |", (int)o->from->people[0].name.len,
		(const char *)o->from->people[0].name.data, (int)o->topic->witness.len,
		(const char *)o->topic->witness.data, (int)o->content->witness.len,
		(const char *)o->content->witness.data, (int)o->precedence, c->scene->count,
		c->own_count, (int)c->said[turned].verdict, (int)c->said[!turned].verdict);
	text = arena_printf(a, "%s %.*s", text, (int)c->to->people[0].name.len,
	    (const char *)c->to->people[0].name.data);
	for (size_t i = 0; i < c->own_count; i++)
		text = arena_printf(a, "%s %.*s:%.*s", text, (int)c->labels[i].vocabulary.len,
		    (const char *)c->labels[i].vocabulary.data,
		    (int)c->labels[i].classification.len,
		    (const char *)c->labels[i].classification.data);
	return text;
}

static int
by_text(const void *x, const void *y)
{
	return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static size_t
lines_of(struct seen *s, bool turned, const char **out)
{
	size_t n = 0;
	compare(&s->world, turned, false);
	for (size_t i = 0; i < s->kept->count; i++)
		out[i] = line_of(&s->keeper.arena, &s->kept->items[i], turned);
	qsort(out, s->kept->count, sizeof(*out), by_text);
	for (size_t i = 0; i < s->kept->count; i++)
		if (n == 0 || strcmp(out[n - 1], out[i]) != 0)
			out[n++] = out[i];
	return n;
}

static void
turned(struct seen *s)
{
	static const char *there[CELLS], *back[CELLS];
	struct choices other = s->old;
	roll(&s->keeper, &other, 4);
	if (load_pair(s, &s->old, &other, NULL)) {
		size_t n = lines_of(s, false, there), m = lines_of(s, true, back);
		for (size_t i = 0; i < n && i < m; i++)
			assert_string_equal(there[i], back[i]);
		assert_int_equal(n, m);
		narrowed += n;
	}
	done_world(&s->world);
}

static void
what_widens_one_way_narrows_the_other(void **state)
{
	(void)state;
	narrowed = 0;
	each_policy(turned);
	assert_true(narrowed > 0);
}

/* The value W of the third A comes into use in 2027; a guard on it changes nothing before. */
static void
a_value_that_comes_into_use_later_is_looked_at_from_then_on(void **state)
{
	struct seen s = { .kept = calloc(1, sizeof(struct kept)) };
	(void)state;
	assert_non_null(s.kept);
	rig_init(&s.keeper);
	s.old = (struct choices){ .spif_a = 2, .a = { 1, 1, 1 } };
	for (size_t i = 0; i < RULES; i++)
		s.old.rules[i] = "label A at-most HIGH\nrelease\n";
	struct choices other = s.old;
	other.rules[1] = "label A has Rel W\nwithhold\n";
	if (!load_pair(&s, &s.old, &other, NULL))
		fail_msg("%s / %s", s.world.old.err.text, s.world.new.err.text);
	compare(&s.world, false, false);
	assert_true(s.kept->count > 0);
	for (size_t i = 0; i < s.kept->count; i++)
		assert_true(s.kept->items[i].time == UINT64_C(1798761600) * 1000000);
	s.world.until = UINT64_C(1798761600) * 1000000; /* 2027-01-01 */
	compare(&s.world, false, false);
	assert_int_equal(s.kept->count, 0);
	done_world(&s.world);
	rig_done(&s.keeper);
	free(s.kept);
}

static void
more_cells_than_are_looked_at_are_not_decided(void **state)
{
	struct seen s = { .kept = calloc(1, sizeof(struct kept)) };
	struct err e = { 0 };
	uint64_t least = 0;
	bool good = false;
	(void)state;
	assert_non_null(s.kept);
	rig_init(&s.keeper);
	seed = UINT64_C(0x9e3779b97f4a7c15);
	while (!good) {
		struct choices other;
		roll(&s.keeper, &s.old, 0);
		other = s.old;
		other.a[1] = (other.a[1] + 1) % 6;
		good = load_pair(&s, &s.old, &other, NULL);
		if (good)
			compare(&s.world, false, false);
		good = good && s.kept->count > 0;
		if (!good)
			done_world(&s.world);
	}
	for (bool decided = false; !decided; least += !decided) {
		struct cells_ask ask = { .from = TIME, .until = LATER, .most = least };
		for (size_t i = 0; i < 2; i++)
			ask.side[i] = (struct cells_side){ s.world.epochs[i],
				epoch_agreement(s.world.epochs[i], bytes_of("g")) };
		s.kept->count = 0;
		decided = cells_compare(&ask, &s.world.old.arena, keep, s.kept, &e);
		if (decided)
			break;
		assert_int_equal(e.code, ERR_INTERNAL);
		assert_string_equal(e.text, "not decided: too many classes of labels");
	}
	assert_true(least > 1 && s.kept->count > 0);
	done_world(&s.world);
	rig_done(&s.keeper);
	free(s.kept);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_policy_does_not_differ_from_itself),
		cmocka_unit_test(the_order_of_rules_is_no_difference),
		cmocka_unit_test(a_rule_that_withholds_or_holds_never_widens),
		cmocka_unit_test(what_widens_one_way_narrows_the_other),
		cmocka_unit_test(a_value_that_comes_into_use_later_is_looked_at_from_then_on),
		cmocka_unit_test(more_cells_than_are_looked_at_are_not_decided),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
