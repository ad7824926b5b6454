/* "No label is so": held against every label of small vocabularies, one by one. */
#include "tests/lib/test.h"

#include "policy/space.h"
#include "tests/unit/policy/spif_rig.h"

#define REQUIRES(how, refs) "<requiredCategory operation=\"" how "\">" refs "</requiredCategory>"
#define REF(set, type, lacv) \
	"<categoryGroup tagSetRef=\"" set "\" tagType=\"" type "\" lacv=\"" lacv "\"/>"
#define REF_ALL(set, type) \
	"<categoryGroup tagSetRef=\"" set "\" tagType=\"" type "\" all=\"true\"/>"

/* Requirements that need one another, exclusions, counts, an obsolete value and one with dates. */
static const char spif[] = SPIF_OF(TAGSET("A",
    TAG(RESTRICTIVE,
	VALUE_WITH(
	    "a1", "1", REQUIRES("onlyOne", REF("B", "permissive", "1") REF("B", "permissive", "2")))
	    VALUE_WITH("a2", "2", "<excludedClass>LOW</excludedClass>") VALUE_WITH("a3", "3",
		REQUIRES(
		    "all", REF("A", "restrictive", "2") REF("C", "tagType7", "1"))))) TAGSET("B",
    TAG(PERMISSIVE " maxSelection=\"2\"",
	VALUE("b1", "1") VALUE("b2", "2") VALUE_WITH("b3", "3",
	    REQUIRES("oneOrMore",
		REF("A", "restrictive", "1") REF("C", "tagType7", "2"))))) TAGSET("C",
    TAG(INFORMATIVE " minSelection=\"1\"",
	VALUE("c1",
	    "1") "<tagCategory name=\"c2\" lacv=\"2\" obsolete=\"true\"/>"
		 "<tagCategory name=\"c3\" lacv=\"3\" notBefore=\"2026-05-01T00:00:00Z\"/>")));

enum { VALUES = 9, CLASSES = 3, QUESTIONS = 20000 };
static const uint64_t before_may = UINT64_C(1767225600000000); /* 2026-01-01 */
static const uint64_t in_june = UINT64_C(1780272000000000);    /* 2026-06-01 */

static uint32_t seed = 20261129;

static uint32_t
pick(uint32_t of)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % of;
}

static struct condition
any_condition(const struct vocab *v)
{
	struct condition c = { .kind = CONDITION_LABEL,
		.vocab = v,
		.test = (enum label_test)(LABEL_TEST_AT_MOST + pick(5)) };
	c.class_ = pick(CLASSES);
	c.classes = c.test == LABEL_TEST_AT_MOST    ? vocab_up_to(v, c.class_)
		    : c.test == LABEL_TEST_AT_LEAST ? vocab_from(v, c.class_)
						    : UINT64_C(1) << c.class_;
	c.value = pick(VALUES);
	c.tagset = v->values[c.value].tagset;
	if (pick(3) == 0)
		c.value = VOCAB_NONE;
	return c;
}

static bool
fits(const struct space_query *q, const struct label *l, uint64_t time)
{
	struct err e;
	for (size_t i = 0; i < q->must.count; i++)
		if (!rules_satisfies(q->must.items[i], l))
			return false;
	for (size_t i = 0; i < q->not_all_count; i++) {
		bool all = true;
		for (size_t k = 0; k < q->not_all[i].count; k++)
			all = all && rules_satisfies(q->not_all[i].items[k], l);
		if (all)
			return false;
	}
	return (q->clearance == NULL || clearance_acdf(q->clearance, l) == ACDF_PERMIT) &&
	       (!q->releasability || label_has_releasability(l)) &&
	       (!q->accepted || label_check(l, time, &e));
}

/* The answer by looking at every label there is, at the times at which something changes. */
static enum space_answer
by_hand(const struct space_query *q)
{
	const uint64_t times[] = { q->from, in_june };
	for (size_t t = 0; t < (q->until > in_june ? 2u : 1u); t++)
		for (uint32_t c = 0; c < CLASSES; c++)
			for (uint64_t set = 0; set < 1u << VALUES; set++) {
				struct label l = { q->vocab, c, &set };
				if (fits(q, &l, times[t]))
					return SPACE_SOME;
			}
	return SPACE_NONE;
}

static void
the_answer_is_that_of_looking_at_every_label(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(spif);
	struct err e;
	size_t none = 0;
	assert_int_equal(v->value_count, VALUES);
	assert_int_equal(v->class_count, CLASSES);
	assert_true(vocab_set_releasability(v, bytes_of("B"), &e));
	for (size_t n = 0; n < QUESTIONS; n++) {
		struct condition c[8];
		uint64_t held = pick(1u << VALUES);
		struct clearance k = { v, 1 + pick(7), &held };
		struct space_query q = { .vocab = v,
			.clearance = pick(2) == 0 ? NULL : &k,
			.releasability = pick(2) == 0,
			.accepted = pick(4) != 0,
			.from = before_may,
			.until = pick(2) == 0 ? before_may + 1 : in_june + 1 };
		for (size_t i = 0; i < 8; i++)
			c[i] = any_condition(v);
		size_t used = 0;
		for (size_t i = pick(3); i > 0; i--)
			space_must(&q, &c[used++]);
		for (size_t i = pick(4); i > 0; i--) {
			struct space_group *g = space_not_all(&q);
			for (size_t j = pick(3); j > 0 && used < 8; j--)
				space_add(&q, g, &c[used++]);
		}
		enum space_answer expected = by_hand(&q);
		assert_int_equal(space_ask(&q), expected);
		none += expected == SPACE_NONE;
	}
	assert_in_range(none, QUESTIONS / 10, QUESTIONS * 9 / 10); /* both answers are tried */
}

static void
what_is_past_the_bounds_is_undecided_and_never_none(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(spif);
	struct condition c = any_condition(v);
	struct space_query q = { .vocab = v };
	c.test = LABEL_TEST_LACKS;
	for (size_t i = 0; i < SPACE_CONDITIONS; i++)
		space_must(&q, &c);
	assert_int_equal(space_ask(&q), SPACE_SOME);
	space_must(&q, &c);
	assert_int_equal(space_ask(&q), SPACE_UNDECIDED);
	struct space_query groups = { .vocab = v };
	for (size_t i = 0; i < SPACE_GROUPS; i++)
		space_add(&groups, space_not_all(&groups), &c);
	assert_int_equal(space_ask(&groups), SPACE_SOME);
	space_add(&groups, space_not_all(&groups), &c);
	assert_int_equal(space_ask(&groups), SPACE_UNDECIDED);
}

/* Each group can be left in two ways, and none of them helps: 2^20 ways are too many. */
static void
a_search_that_would_not_end_is_undecided(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(spif);
	struct space_query q = { .vocab = v };
	struct condition c[20][2], b3, no_b3;
	b3 = (struct condition){ .kind = CONDITION_LABEL,
		.vocab = v,
		.test = LABEL_TEST_HAS,
		.value = vocab_value(v, vocab_tagset(v, bytes_of("B")), bytes_of("b3")) };
	no_b3 = b3;
	no_b3.test = LABEL_TEST_LACKS;
	for (size_t i = 0; i < 20; i++) {
		struct space_group *g = space_not_all(&q);
		for (uint32_t k = 0; k < 2; k++) {
			c[i][k] = b3;
			c[i][k].value = k;
			space_add(&q, g, &c[i][k]);
		}
	}
	space_add(&q, space_not_all(&q), &b3);
	assert_int_equal(space_ask(&q), SPACE_SOME);
	space_add(&q, space_not_all(&q), &no_b3);
	assert_int_equal(space_ask(&q), SPACE_UNDECIDED);
}

/* A class that requires one of each of three sets of 'n' values, the last of which exclude it. */
static enum space_answer
ask_of_three_sets(unsigned n)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	assert_non_null(f);
	(void)fputs(SPIF_HEAD SPIF_POLICY "<securityClassifications><securityClassification "
					  "name=\"K\" lacv=\"1\" hierarchy=\"1\">",
	    f);
	for (unsigned set = 0; set < 3; set++)
		(void)fprintf(f,
		    REQUIRES("oneOrMore", "<categoryGroup tagSetRef=\"S%u\" tagType=\"tagType7\" "
					  "all=\"true\"/>"),
		    set);
	(void)fputs(
	    "</securityClassification></securityClassifications><securityCategoryTagSets>", f);
	for (unsigned set = 0; set < 3; set++) {
		(void)fprintf(f,
		    "<securityCategoryTagSet name=\"S%u\" id=\"1\"><securityCategoryTag name=\"t\" "
		    "tagType=\"tagType7\">",
		    set);
		for (unsigned i = 0; i < n; i++)
			(void)fprintf(f, "<tagCategory name=\"v%u\" lacv=\"%u\">%s</tagCategory>",
			    i, i + 1, set == 2 ? "<excludedClass>K</excludedClass>" : "");
		(void)fputs("</securityCategoryTag></securityCategoryTagSet>", f);
	}
	(void)fputs("</securityCategoryTagSets></SPIF>", f);
	assert_int_equal(fclose(f), 0);
	struct space_query q = { .vocab = spif_ok(text), .accepted = true, .until = 1 };
	enum space_answer answer = space_ask(&q);
	free(text);
	return answer;
}

static void
requirements_that_cannot_be_met_are_none_or_undecided_if_there_are_too_many(void **state)
{
	(void)state;
	assert_int_equal(ask_of_three_sets(5), SPACE_NONE);
	assert_int_equal(ask_of_three_sets(40), SPACE_UNDECIDED);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, spif_set_up, spif_tear_down)
	const struct CMUnitTest tests[] = {
		T(the_answer_is_that_of_looking_at_every_label),
		T(what_is_past_the_bounds_is_undecided_and_never_none),
		T(a_search_that_would_not_end_is_undecided),
		T(requirements_that_cannot_be_met_are_none_or_undecided_if_there_are_too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
