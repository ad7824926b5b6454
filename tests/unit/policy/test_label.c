#include "tests/lib/test.h"

#include "tests/unit/policy/spif_rig.h"

#define REL TAGSET("Rel", TAG(PERMISSIVE, VALUE("A", "1") VALUE("B", "2") VALUE("C", "3")))
#define HAND TAGSET("Hand", TAG(RESTRICTIVE, VALUE("X", "1") VALUE("Y", "2")))
#define INFO TAGSET("Info", TAG(INFORMATIVE, VALUE("I", "1") VALUE("J", "2")))
#define MIXED \
	TAGSET("Mixed", TAG(PERMISSIVE, VALUE("P", "1")) TAG(RESTRICTIVE, VALUE("R", "1")) TAG( \
			    "tagType=\"enumerated\" enumType=\"permissive\"", VALUE("Q", "1")))
#define ALL SPIF_OF(REL HAND INFO MIXED)

static struct clearance
clear(const struct vocab *v, const char *class_, const char *held)
{
	struct label l = label_of(v, class_, held);
	struct clearance c;
	struct err e;
	assert_true(clearance_init(&spif_arena, v, &c, &e));
	clearance_add_class(&c, l.classification);
	memcpy(c.values, l.values, v->words * sizeof(*c.values));
	return c;
}

static enum acdf
judge(const struct vocab *v, const char *label, const char *held)
{
	struct label l = label_of(v, "LOW", label);
	struct clearance c = clear(v, "LOW", held);
	return clearance_acdf(&c, &l);
}

/* ---- resolving ---- */

static void
names_fold_white_space_and_ascii_case_and_nothing_else(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{ "Releasable To", " releasable\t\r\n  TO ", true }, { "A B", "AB", false },
		{ "\xc3\x89", "\xc3\xa9", false }, /* E acute, e acute */
		{ "I", "\xc4\xb1", false },	   /* dotless i */
		{ "", " \t", true }, { "a", "", false }, { "a b", "a b c", false },
		{ "a\xc2\xa0"
		  "b",
		    "a b", false }, /* a no-break space is no white space here */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		    vocab_same_name(bytes_of(cases[i].a), bytes_of(cases[i].b)), cases[i].same);
		assert_int_equal(
		    vocab_same_name(bytes_of(cases[i].b), bytes_of(cases[i].a)), cases[i].same);
		struct bytes x;
		struct bytes y;
		assert_true(vocab_fold(&spif_arena, bytes_of(cases[i].a), &x, NULL));
		assert_true(vocab_fold(&spif_arena, bytes_of(cases[i].b), &y, NULL));
		assert_int_equal(bytes_equal(x, y), cases[i].same);
	}
	struct vocab *v = spif_ok(ALL);
	struct label x = label_of(v, "low", "REL: a, b");
	struct label y = label_of(v, " LOW ", "Rel: B, A, a");
	assert_true(label_equal(&x, &y));
}

static void
an_unknown_name_is_refused_with_the_nearest_one(void **state)
{
	(void)state;
	struct vocab *v = spif_shipped("atlas");
	label_is_refused(
	    v, "SECERT", "", "unknown classification 'SECERT' in 'ATLAS'; did you mean 'SECRET'?");
	label_is_refused(v, "SECRET", "Releaseable To: GBR",
	    "unknown category 'Releaseable To' in 'ATLAS'; did you mean 'Releasable To'?");
	label_is_refused(v, "SECRET", "Handling: FINNINT",
	    "unknown value 'FINNINT' in 'Handling'; did you mean 'FININT'?");
	label_is_refused(
	    v, "SECRET", "Handling: qqqqqqqqq", "unknown value 'qqqqqqqqq' in 'Handling'");
	const struct vocab *set[] = { v };
	const struct vocab *out;
	struct err e;
	assert_false(vocab_need(set, 1, bytes_of("ATLS"), &out, &e));
	assert_string_equal(e.text, "unknown vocabulary 'ATLS'; did you mean 'ATLAS'?");
	assert_true(vocab_need(set, 1, bytes_of(" atlas"), &out, &e));
	assert_ptr_equal(out, v);
}

static void
a_category_without_values_or_named_twice_is_refused(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(ALL);
	label_is_refused(v, "LOW", "Rel: ", "category 'Rel' has no value");
	label_is_refused(v, "LOW", "Rel: A; rel: B", "category 'rel' is named twice");
	label_is_refused(v, "LOW", "Rel: A; Hand: X; hand: Y", "category 'hand' is named twice");
}

static void
each_fault_of_a_label_has_its_code(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(ALL);
	static const struct {
		const char *text;
		enum err_code code;
	} cases[] = {
		{ "Rel: ", ERR_INVALID_LABEL },
		{ "Rel: A; rel: B", ERR_INVALID_LABEL },
		{ "Rel: Z", ERR_INVALID_LABEL },
		{ "None: A", ERR_INVALID_LABEL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct raw_label raw = raw_of(v, "LOW", cases[i].text);
		struct label l;
		struct err e = { 0 };
		assert_false(label_resolve(&spif_arena, v, &raw, &l, &e));
		assert_int_equal(e.code, cases[i].code);
	}
	struct bytes many[LIMIT_VALUES_PER_CATEGORY + 1];
	struct raw_category categories[LIMIT_CATEGORIES_PER_LABEL + 1];
	for (size_t i = 0; i <= LIMIT_VALUES_PER_CATEGORY; i++)
		many[i] = bytes_of("A");
	for (size_t i = 0; i <= LIMIT_CATEGORIES_PER_LABEL; i++)
		categories[i] = (struct raw_category){ bytes_of("Rel"),
			{ many, LIMIT_VALUES_PER_CATEGORY + 1 } };
	for (size_t count = 1; count <= LIMIT_CATEGORIES_PER_LABEL + 1;
	     count += LIMIT_CATEGORIES_PER_LABEL) {
		struct raw_label raw = { v->name, bytes_of("LOW"), categories, count };
		struct label l;
		struct err e = { 0 };
		assert_false(label_resolve(&spif_arena, v, &raw, &l, &e));
		assert_int_equal(e.code, ERR_LIMIT);
	}
}

static void
a_long_name_is_told_in_part(void **state)
{
	(void)state;
#define LONG10 "0123456789"
#define LONG100 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10
#define LONG LONG100 "end"
#define LONG_CLASS "<securityClassification name=\"" LONG "\" lacv=\"1\" hierarchy=\"1\"/>"
#define LONG_SET TAGSET(LONG, TAG(RESTRICTIVE, VALUE(LONG, "1")))
	struct vocab *v = spif_ok(
	    SPIF_HEAD SPIF_POLICY "<securityClassifications>" LONG_CLASS
				  "</securityClassifications><securityCategoryTagSets>" LONG_SET
				  "</securityCategoryTagSets></SPIF>");
	label_is_refused(v, LONG, LONG ": ", "category '" LONG100 "' has no value");
	label_is_refused(
	    v, LONG, LONG ": " LONG "; " LONG ": " LONG, "category '" LONG100 "' is named twice");
	struct label l = label_of(v, LONG, LONG ": " LONG), out;
	struct bytes many[LIMIT_VALUES_PER_CATEGORY + 1];
	for (size_t i = 0; i <= LIMIT_VALUES_PER_CATEGORY; i++)
		many[i] = bytes_of(LONG);
	struct raw_category c = { bytes_of(LONG), { many, LIMIT_VALUES_PER_CATEGORY + 1 } };
	struct raw_label raw = { v->name, bytes_of(LONG), &c, 1 };
	struct label_map m;
	struct err e = { 0 };
	assert_false(label_resolve(&spif_arena, v, &raw, &out, &e));
	assert_string_equal(e.text, "category '" LONG100 "' has more than 256 values");
	assert_true(label_map_init(&spif_arena, v, v, &m, &e));
	assert_false(label_map_apply(&spif_arena, &m, &l, &out, &e));
	assert_string_equal(e.text, "classification '" LONG100 "' has no equivalent");
	m.classes[0] = 0;
	assert_false(label_map_apply(&spif_arena, &m, &l, &out, &e));
	assert_string_equal(e.text, "value '" LONG100 "' has no equivalent");
}

static void
without_memory_no_label_comes_of_it(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(ALL);
	struct raw_label raw = raw_of(v, "LOW", "Rel: A");
	struct label l = label_of(v, "LOW", "Rel: A");
	const struct label *one = &l;
	struct label_map m;
	struct err e = { 0 };
	assert_true(label_map_init(&spif_arena, v, v, &m, &e));
	m.classes[0] = 0;
	for (unsigned what = 0; what < 4; what++) {
		bool done = false;
		unsigned failed = 0;
		for (size_t cap = 0; cap < 16384 && !done; cap += 16) {
			struct arena a;
			struct label out;
			struct label_map map;
			struct banner b;
			arena_init(&a, cap);
			e = (struct err){ 0 };
			done = what == 0   ? label_resolve(&a, v, &raw, &out, &e)
			       : what == 1 ? label_map_init(&a, v, v, &map, &e)
			       : what == 2 ? label_rollup(&a, &one, 1, &b, &e)
					   : label_map_apply(&a, &m, &l, &out, &e) ||
						 e.code == ERR_INVALID_LABEL;
			if (!done)
				assert_int_equal(e.code, ERR_NOMEM);
			failed += !done;
			arena_done(&a);
		}
		assert_true(done);
		assert_true(failed > 0);
	}
	/* room for the classes of a map and none for its values */
	struct arena a;
	arena_init(&a, SIZE_MAX);
	assert_non_null(arena_alloc(&a, 4000));
	a.cap = 0;
	struct vocab wide = *v;
	struct label_map map;
	wide.value_count = 100000;
	assert_false(label_map_init(&a, &wide, v, &map, &e));
	assert_int_equal(e.code, ERR_NOMEM);
	arena_done(&a);
}

static void
limits_of_a_label_hold_at_and_past_them(void **state)
{
	(void)state;
	char spif[LIMIT_CATEGORIES_PER_LABEL * 300 + 400 * 64 + 4096];
	char text[16384];
	size_t n = (size_t)snprintf(spif, sizeof(spif), "%s",
	    SPIF_HEAD SPIF_POLICY SPIF_CLASSES "<securityCategoryTagSets>");
	for (unsigned i = 0; i <= LIMIT_CATEGORIES_PER_LABEL; i++)
		n += (size_t)snprintf(spif + n, sizeof(spif) - n,
		    "<securityCategoryTagSet name='S%u' id='1'><securityCategoryTag name='t' "
		    "tagType='restrictive'><tagCategory name='V' lacv='1'/></securityCategoryTag>"
		    "</securityCategoryTagSet>",
		    i);
	n += (size_t)snprintf(spif + n, sizeof(spif) - n, "</securityCategoryTagSets></SPIF>");
	assert_in_range(n, 1, sizeof(spif) - 1);
	struct vocab *v = spif_ok(spif);
	size_t len = 0;
	for (unsigned i = 0; i < LIMIT_CATEGORIES_PER_LABEL; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "S%u: V;", i);
	(void)label_of(v, "LOW", text);
	(void)snprintf(text + len, sizeof(text) - len, "S%u: V", LIMIT_CATEGORIES_PER_LABEL);
	label_is_refused(v, "LOW", text, "a label with more than 32 categories");

	len = (size_t)snprintf(text, sizeof(text), "S0: ");
	for (unsigned i = 0; i < LIMIT_VALUES_PER_CATEGORY; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "V,");
	(void)label_of(v, "LOW", text); /* twice counts once, but counts against the limit */
	(void)snprintf(text + len, sizeof(text) - len, "V");
	label_is_refused(v, "LOW", text, "category 'S0' has more than 256 values");
}

/* ---- the access decision ---- */

static void
classification_is_membership_and_not_rank(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(ALL);
	struct label low = label_of(v, "LOW", "");
	struct label high = label_of(v, "HIGH", "");
	struct clearance c = clear(v, "HIGH", "");
	assert_int_equal(clearance_acdf(&c, &high), ACDF_PERMIT);
	assert_int_equal(clearance_acdf(&c, &low), ACDF_CLASSIFICATION);
	struct clearance up = clear(v, "LOW", "");
	up.classes = 0;
	clearance_add_up_to(&up, vocab_class(v, bytes_of("HIGH")));
	assert_int_equal(up.classes, 7); /* OLD, too: it may stand in clearances */
	up.classes = 0;
	clearance_add_up_to(&up, vocab_class(v, bytes_of("OLD")));
	assert_int_equal(up.classes, 5); /* by hierarchy, whatever the order in the SPIF */
}

static void
every_restrictive_value_must_be_held(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(ALL);
	assert_int_equal(judge(v, "Hand: X, Y", "Hand: X, Y"), ACDF_PERMIT);
	assert_int_equal(judge(v, "Hand: X", "Hand: X, Y"), ACDF_PERMIT);
	assert_int_equal(judge(v, "Hand: X, Y", "Hand: X"), ACDF_RESTRICTIVE);
	assert_int_equal(judge(v, "Hand: X", ""), ACDF_RESTRICTIVE);
}

static void
one_permissive_value_of_each_category_must_be_held(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(ALL);
	assert_int_equal(judge(v, "Rel: A, B", "Rel: B, C"), ACDF_PERMIT);
	assert_int_equal(judge(v, "Rel: A, B", "Rel: C"), ACDF_PERMISSIVE);
	assert_int_equal(judge(v, "Rel: A; Mixed: P", "Rel: A"), ACDF_PERMISSIVE);
	assert_int_equal(judge(v, "Rel: A; Mixed: P", "Rel: A; Mixed: P"), ACDF_PERMIT);
	assert_int_equal(judge(v, "", ""), ACDF_PERMIT); /* trap 1: closed by the caller */
}

static void
tags_of_one_type_in_a_set_are_one_category_and_of_two_types_two(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(ALL);
	/* P and the enumerated Q are one permissive category: either will do */
	assert_int_equal(judge(v, "Mixed: P, Q", "Mixed: Q"), ACDF_PERMIT);
	/* R is restrictive although it shares the name */
	assert_int_equal(judge(v, "Mixed: P, R", "Mixed: P"), ACDF_RESTRICTIVE);
	assert_int_equal(judge(v, "Mixed: P, R", "Mixed: R"), ACDF_PERMISSIVE);
	assert_int_equal(judge(v, "Mixed: P, R", "Mixed: R, Q"), ACDF_PERMISSIVE);
	assert_int_equal(judge(v, "Mixed: P, R", "Mixed: R, P"), ACDF_PERMIT);
}

static void
informative_values_never_decide(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(ALL);
	assert_int_equal(judge(v, "Info: I, J", ""), ACDF_PERMIT);
}

static void
the_first_reason_in_the_order_of_the_rules_is_given(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(ALL);
	struct vocab *other = spif_ok(ALL);
	struct label l = label_of(v, "HIGH", "Hand: X; Rel: A");
	struct clearance c = clear(v, "LOW", "");
	assert_int_equal(clearance_acdf(&c, &l), ACDF_CLASSIFICATION);
	clearance_add_class(&c, l.classification);
	assert_int_equal(clearance_acdf(&c, &l), ACDF_RESTRICTIVE);
	memcpy(c.values, label_of(v, "LOW", "Hand: X").values, sizeof(uint64_t));
	assert_int_equal(clearance_acdf(&c, &l), ACDF_PERMISSIVE);
	c.vocab = other;
	assert_int_equal(clearance_acdf(&c, &l), ACDF_VOCABULARY);
}

/* ---- trap 1 ---- */

static void
only_a_permissive_value_of_the_named_set_is_releasability(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(ALL);
	struct err e;
	struct label mixed = label_of(v, "LOW", "Mixed: R");
	struct label q = label_of(v, "LOW", "Mixed: Q");
	assert_false(label_has_releasability(&q)); /* none is named yet */
	assert_true(vocab_set_releasability(v, bytes_of(" mixed "), &e));
	assert_false(label_has_releasability(&mixed));
	assert_true(label_has_releasability(&q));
	struct label rel = label_of(v, "LOW", "Rel: A");
	assert_false(label_has_releasability(&rel));
}

static void
a_releasability_category_must_exist_and_be_permissive(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(ALL);
	struct err e = { 0 };
	assert_false(vocab_set_releasability(v, bytes_of("Hand"), &e));
	assert_int_equal(e.code, ERR_POLICY);
	assert_string_equal(e.text, "category 'Hand' of 'P' has no permissive tag");
	assert_false(vocab_set_releasability(v, bytes_of("Real"), &e));
	assert_int_equal(e.code, ERR_POLICY);
	assert_string_equal(e.text, "unknown category 'Real' in 'P'; did you mean 'Rel'?");
	assert_int_equal(v->releasability, VOCAB_NONE);
}

static void
rules_can_ask_what_a_label_has(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(ALL);
	struct label l = label_of(v, "LOW", "Mixed: R; Info: I");
	assert_true(label_has_tagset(&l, vocab_tagset(v, bytes_of("Mixed"))));
	assert_true(label_has_tagset(&l, vocab_tagset(v, bytes_of("Info"))));
	assert_false(label_has_tagset(&l, vocab_tagset(v, bytes_of("Rel"))));
	uint32_t mixed = vocab_tagset(v, bytes_of("Mixed"));
	assert_true(label_has_value(&l, vocab_value(v, mixed, bytes_of("R"))));
	assert_false(label_has_value(&l, vocab_value(v, mixed, bytes_of("P"))));
}

/* ---- roll-up ---- */

static struct banner
roll(const struct vocab *v, const char *const *texts)
{
	struct label labels[8];
	const struct label *list[8];
	size_t n = 0;
	for (; texts[n] != NULL; n++) {
		labels[n] = label_of(v, n == 1 ? "HIGH" : "LOW", texts[n]);
		list[n] = &labels[n];
	}
	struct banner b;
	struct err e;
	assert_true(label_rollup(&spif_arena, list, n, &b, &e));
	return b;
}

/* Two tag sets of 100 values each: sets of values are several words. */
static struct vocab *
of_many_values(void)
{
	static const char *const sets[][2] = { { "Rel", PERMISSIVE }, { "Hand", RESTRICTIVE } };
	size_t room = 65536, n = 0;
	char *text = arena_alloc(&spif_arena, room);
	assert_non_null(text);
	n += (size_t)snprintf(text + n, room - n, "%s",
	    SPIF_HEAD SPIF_POLICY SPIF_CLASSES "<securityCategoryTagSets>");
	for (size_t s = 0; s < 2; s++) {
		n += (size_t)snprintf(text + n, room - n,
		    "<securityCategoryTagSet name='%s' id='1'><securityCategoryTag name='t' %s>",
		    sets[s][0], sets[s][1]);
		for (unsigned i = 0; i < 100; i++)
			n += (size_t)snprintf(
			    text + n, room - n, "<tagCategory name='V%u' lacv='%u'/>", i, i + 1);
		n += (size_t)snprintf(
		    text + n, room - n, "</securityCategoryTag></securityCategoryTagSet>");
	}
	n += (size_t)snprintf(text + n, room - n, "</securityCategoryTagSets></SPIF>");
	assert_in_range(n, 1, room - 1);
	return spif_ok(text);
}

#define ROLL(v, ...) roll(v, (const char *const[]){ __VA_ARGS__, NULL })

static void
a_roll_up_takes_the_highest_class_unites_and_intersects(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(ALL);
	struct banner b = ROLL(v, "Rel: A, B; Hand: X; Info: I", "Rel: B, C; Hand: Y; Info: J");
	struct label expected = label_of(v, "HIGH", "Rel: B; Hand: X, Y; Info: I, J");
	assert_true(label_equal(&b.label, &expected));
	assert_false(b.originator_only);
}

static void
an_empty_intersection_is_for_the_originator_alone(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(ALL);
	struct banner b = ROLL(v, "Rel: A", "Rel: B");
	assert_true(b.originator_only);
	assert_false(label_has_tagset(&b.label, vocab_tagset(v, bytes_of("Rel"))));
}

static void
a_portion_without_the_category_counts_as_empty_only_for_releasability(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(ALL);
	struct err e;
	struct banner b = ROLL(v, "Rel: A", "");
	struct label expected = label_of(v, "HIGH", "Rel: A");
	assert_true(label_equal(&b.label, &expected)); /* an ordinary one: as all values */
	assert_false(b.originator_only);
	assert_true(vocab_set_releasability(v, bytes_of("Rel"), &e));
	b = ROLL(v, "Rel: A", "");
	assert_true(b.originator_only);
	b = ROLL(v, "Hand: X");
	assert_true(b.originator_only);
	b = ROLL(v, "Rel: A", "Rel: A, B");
	assert_false(b.originator_only);
}

static void
of_equal_ranks_the_first_of_the_spif_is_the_banner(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(SPIF_HEAD SPIF_POLICY
	    "<securityClassifications>"
	    "<securityClassification name=\"ONE\" lacv=\"1\" hierarchy=\"10\"/>"
	    "<securityClassification name=\"TWO\" lacv=\"2\" hierarchy=\"10\"/>"
	    "</securityClassifications></SPIF>");
	struct label one = label_of(v, "ONE", ""), two = label_of(v, "TWO", "");
	const struct label *lists[][2] = { { &one, &two }, { &two, &one } };
	for (size_t i = 0; i < 2; i++) {
		struct banner b;
		struct err e;
		assert_true(label_rollup(&spif_arena, lists[i], 2, &b, &e));
		assert_int_equal(b.label.classification, one.classification);
	}
}

static void
a_category_that_only_a_later_label_has_is_in_the_banner(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(ALL);
	struct banner b = ROLL(v, "", "", "Rel: A");
	struct label expected = label_of(v, "HIGH", "Rel: A");
	assert_true(label_equal(&b.label, &expected));
}

static void
values_of_every_word_count(void **state)
{
	(void)state;
	struct vocab *v = of_many_values();
	struct label_map m;
	struct label out;
	struct err e;
	assert_true(v->words > 3);
	for (unsigned i = 0; i < 100; i++) {
		char *text = arena_printf(&spif_arena, "Rel: V%u; Hand: V%u", i, i);
		struct label l = label_of(v, "LOW", text);
		assert_true(label_has_tagset(&l, vocab_tagset(v, bytes_of("Rel"))));
		assert_true(label_has_tagset(&l, vocab_tagset(v, bytes_of("Hand"))));
		struct banner b = ROLL(v, text, text);
		struct label high = label_of(v, "HIGH", text);
		assert_true(label_equal(&b.label, &high));
		assert_false(label_equal(&b.label, &l));
		assert_true(label_map_init(&spif_arena, v, v, &m, &e));
		m.classes[0] = 0;
		assert_false(label_map_apply(&spif_arena, &m, &l, &out, &e));
		assert_int_equal(e.code, ERR_INVALID_LABEL);
		for (uint32_t k = 0; k < v->value_count; k++)
			m.values[k] = k;
		assert_true(label_map_apply(&spif_arena, &m, &l, &out, &e));
		assert_true(label_equal(&out, &l));
	}
}

static void
labels_are_equal_only_in_all_three(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(ALL), *other = spif_ok(ALL);
	struct label l = label_of(v, "LOW", "Rel: A"), same = label_of(v, "LOW", "Rel: A");
	struct label class_ = label_of(v, "HIGH", "Rel: A"), value = label_of(v, "LOW", "Rel: B");
	struct label foreign = label_of(other, "LOW", "Rel: A");
	assert_true(label_equal(&l, &same));
	assert_false(label_equal(&l, &class_));
	assert_false(label_equal(&l, &value));
	assert_false(label_equal(&l, &foreign));
}

/* ---- equivalence ---- */

static void
a_map_needs_the_class_and_every_value_but_informative_ones(void **state)
{
	(void)state;
	struct vocab *from = spif_ok(ALL);
	struct vocab *to = spif_shipped("atlas");
	struct label_map m;
	struct label out;
	struct err e = { 0 };
	assert_true(label_map_init(&spif_arena, from, to, &m, &e));
	struct label l = label_of(from, "LOW", "Rel: A; Info: I");
	assert_false(label_map_apply(&spif_arena, &m, &l, &out, &e));
	assert_string_equal(e.text, "classification 'LOW' has no equivalent");
	assert_int_equal(e.code, ERR_INVALID_LABEL);
	m.classes[l.classification] = vocab_class(to, bytes_of("SECRET"));
	assert_false(label_map_apply(&spif_arena, &m, &l, &out, &e));
	assert_string_equal(e.text, "value 'A' has no equivalent");
	uint32_t rel = vocab_tagset(to, bytes_of("Releasable To"));
	m.values[vocab_value(from, vocab_tagset(from, bytes_of("Rel")), bytes_of("A"))] =
	    vocab_value(to, rel, bytes_of("GBR"));
	assert_true(label_map_apply(&spif_arena, &m, &l, &out, &e));
	struct label expected = label_of(to, "SECRET", "Releasable To: GBR");
	assert_true(label_equal(&out, &expected));
	assert_false(label_map_apply(&spif_arena, &m, &out, &out, &e));
	assert_int_equal(e.code, ERR_INTERNAL);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, spif_set_up, spif_tear_down)
	const struct CMUnitTest tests[] = {
		T(names_fold_white_space_and_ascii_case_and_nothing_else),
		T(an_unknown_name_is_refused_with_the_nearest_one),
		T(a_category_without_values_or_named_twice_is_refused),
		T(each_fault_of_a_label_has_its_code),
		T(a_long_name_is_told_in_part),
		T(without_memory_no_label_comes_of_it),
		T(limits_of_a_label_hold_at_and_past_them),
		T(of_equal_ranks_the_first_of_the_spif_is_the_banner),
		T(a_category_that_only_a_later_label_has_is_in_the_banner),
		T(values_of_every_word_count),
		T(labels_are_equal_only_in_all_three),
		T(classification_is_membership_and_not_rank),
		T(every_restrictive_value_must_be_held),
		T(one_permissive_value_of_each_category_must_be_held),
		T(tags_of_one_type_in_a_set_are_one_category_and_of_two_types_two),
		T(informative_values_never_decide),
		T(the_first_reason_in_the_order_of_the_rules_is_given),
		T(only_a_permissive_value_of_the_named_set_is_releasability),
		T(a_releasability_category_must_exist_and_be_permissive),
		T(rules_can_ask_what_a_label_has),
		T(a_roll_up_takes_the_highest_class_unites_and_intersects),
		T(an_empty_intersection_is_for_the_originator_alone),
		T(a_portion_without_the_category_counts_as_empty_only_for_releasability),
		T(a_map_needs_the_class_and_every_value_but_informative_ones),
	};
	return cmocka_run_group_tests_name("labels", tests, NULL, NULL);
}
