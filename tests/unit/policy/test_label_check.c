/* Every constraint that a SPIF can put on a label, met and broken. */
#include "tests/lib/test.h"

#include "tests/unit/policy/spif_rig.h"

#define REF(set, attributes) " tagSetRef=\"" set "\" " attributes "/>"
#define GROUP(set, attributes) "<categoryGroup" REF(set, attributes)
#define REQUIRED(operation, groups) \
	"<requiredCategory operation=\"" operation "\">" groups "</requiredCategory>"
#define EXCLUDED(set, attributes) "<excludedCategory" REF(set, attributes)
#define REL TAGSET("Rel", TAG(PERMISSIVE, VALUE("A", "1") VALUE("B", "2") VALUE("C", "3")))

static struct vocab *
with_value(const char *inner)
{
	return spif_ok(arena_printf(&spif_arena, "%s%s%s",
	    SPIF_HEAD SPIF_POLICY SPIF_CLASSES
	    "<securityCategoryTagSets>" REL
	    "<securityCategoryTagSet name='Hand' id='2'><securityCategoryTag name='t' "
	    "tagType='restrictive'><tagCategory name='X' lacv='1'>",
	    inner,
	    "</tagCategory><tagCategory name='Y' lacv='2'/></securityCategoryTag>"
	    "</securityCategoryTagSet></securityCategoryTagSets></SPIF>"));
}

static void
an_obsolete_class_or_value_is_refused(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(SPIF_OF(TAGSET(
	    "Rel", TAG(PERMISSIVE,
		       "<tagCategory name=\"A\" lacv=\"1\" obsolete=\"true\"/>" VALUE("B", "2")))));
	label_breaks(v, "OLD", "", "classification 'OLD' is obsolete");
	label_breaks(v, "LOW", "Rel: A", "value 'A' of 'Rel' is obsolete");
	label_is_valid(v, "LOW", "Rel: B");
}

static void
a_value_outside_its_dates_counts_as_obsolete(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(SPIF_OF(TAGSET("Rel",
	    TAG(PERMISSIVE, "<tagCategory name=\"A\" lacv=\"1\" notBefore=\"20260101000000Z\" "
			    "notAfter=\"2026-12-31\"/>"))));
	uint64_t begin;
	uint64_t end;
	struct err e = { 0 };
	struct label l = label_of(v, "LOW", "Rel: A");
	assert_true(text_to_time(bytes_of("2026-01-01T00:00:00Z"), &begin));
	assert_true(text_to_time(bytes_of("2026-12-31T23:59:59.999999Z"), &end));
	assert_true(label_check(&l, begin, &e));
	assert_true(label_check(&l, end, &e));
	assert_false(label_check(&l, begin - 1, &e));
	assert_string_equal(e.text, "value 'A' of 'Rel' is not valid yet");
	assert_false(label_check(&l, end + 1, &e));
	assert_string_equal(e.text, "value 'A' of 'Rel' is no longer valid");
}

static void
dates_of_a_value_are_read_in_four_ways(void **state)
{
	(void)state;
	static const struct {
		const char *text, *last;
	} cases[] = {
		{ "20261231235959Z", "2026-12-31T23:59:59Z" },
		{ "20261231235959.5Z", "2026-12-31T23:59:59.5Z" },
		{ "2026-12-31T23:59:59Z", "2026-12-31T23:59:59Z" },
		{ "2026-12-31T23:59:59+01:30", "2026-12-31T22:29:59Z" },
		{ "2026-12-31T23:59:59-02:00", "2027-01-01T01:59:59Z" },
		{ "2026-12-31T23:59:59", "2026-12-31T23:59:59Z" },
		{ "1970-01-01T00:00:00+14:00", "1970-01-01T00:00:00Z" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t last;
		struct err e;
		struct vocab *v = spif_ok(arena_printf(&spif_arena,
		    "%s<tagCategory name='A' lacv='1' notAfter='%s'/></securityCategoryTag>"
		    "</securityCategoryTagSet></securityCategoryTagSets></SPIF>",
		    SPIF_HEAD SPIF_POLICY SPIF_CLASSES
		    "<securityCategoryTagSets><securityCategoryTagSet name='Rel' id='1'>"
		    "<securityCategoryTag name='t' tagType='permissive'>",
		    cases[i].text));
		struct label l = label_of(v, "LOW", "Rel: A");
		assert_true(text_to_time(bytes_of(cases[i].last), &last));
		assert_true(label_check(&l, last, &e));
		assert_false(label_check(&l, last + 1, &e));
	}
}

static void
an_excluded_class_cannot_stand_with_the_value(void **state)
{
	(void)state;
	struct vocab *v = with_value("<excludedClass> low </excludedClass>");
	label_breaks(v, "LOW", "Hand: X", "'X' cannot stand with classification 'LOW'");
	label_is_valid(v, "HIGH", "Hand: X");
	label_is_valid(v, "LOW", "Hand: Y");
}

static void
a_required_class_must_stand_with_the_value(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(SPIF_OF(TAGSET("Rel",
	    TAG(PERMISSIVE, "<tagCategory name=\"A\" lacv=\"1\" requiredClass=\"HIGH\"/>"))));
	label_breaks(v, "LOW", "Rel: A", "'A' stands with classification 'HIGH' only");
	label_is_valid(v, "HIGH", "Rel: A");
	v = with_value("<requiredClass>high</requiredClass><requiredClass>OLD</requiredClass>");
	label_breaks(v, "LOW", "Hand: X", "'X' stands with classification 'HIGH' only");
	label_is_valid(v, "HIGH", "Hand: X");
}

static void
one_or_more_of_several_may_be_required(void **state)
{
	(void)state;
	struct vocab *v = with_value(REQUIRED("oneOrMore",
	    GROUP("Rel", PERMISSIVE " lacv=\"1\"") GROUP("Rel", PERMISSIVE " lacv=\"2\"")));
	label_breaks(v, "LOW", "Hand: X", "'X' requires one of several values, such as 'A'");
	label_breaks(
	    v, "LOW", "Hand: X; Rel: C", "'X' requires one of several values, such as 'A'");
	label_is_valid(v, "LOW", "Hand: X; Rel: A");
	label_is_valid(v, "LOW", "Hand: X; Rel: A, B");
	label_is_valid(v, "LOW", "");
}

static void
exactly_one_of_several_may_be_required(void **state)
{
	(void)state;
	struct vocab *v = with_value(REQUIRED("onlyOne",
	    GROUP("Rel", PERMISSIVE " lacv=\"1\"") GROUP("Rel", PERMISSIVE " lacv=\"2\"")));
	label_breaks(
	    v, "LOW", "Hand: X", "'X' requires exactly one of several values, and the label has 0");
	label_breaks(v, "LOW", "Hand: X; Rel: A, B",
	    "'X' requires exactly one of several values, and the label has 2");
	label_is_valid(v, "LOW", "Hand: X; Rel: B, C");
}

static void
all_of_several_may_be_required(void **state)
{
	(void)state;
	struct vocab *v = with_value(REQUIRED(
	    "all", GROUP("Rel", PERMISSIVE " lacv=\"1\"") GROUP("Rel", PERMISSIVE " lacv=\"2\"")));
	label_breaks(v, "LOW", "Hand: X; Rel: A", "'X' requires the value 'B', too");
	label_is_valid(v, "LOW", "Hand: X; Rel: A, B");
}

static void
a_reference_without_lacv_is_every_value_of_set_and_type(void **state)
{
	(void)state;
	static const char *const whole[] = { PERMISSIVE, PERMISSIVE " all=\"true\"",
		PERMISSIVE " all=\"true\" lacv=\"1\"" };
	for (size_t i = 0; i < 3; i++) {
		struct vocab *v = with_value(arena_printf(&spif_arena,
		    "<requiredCategory operation='oneOrMore'><categoryGroup tagSetRef='Rel' "
		    "%s/></requiredCategory>",
		    whole[i]));
		label_breaks(
		    v, "LOW", "Hand: X", "'X' requires one of several values, such as 'A'");
		label_is_valid(v, "LOW", "Hand: X; Rel: C");
		v = with_value(arena_printf(&spif_arena,
		    "<requiredCategory operation='all'><categoryGroup tagSetRef='Rel' "
		    "%s/></requiredCategory>",
		    whole[i]));
		label_breaks(v, "LOW", "Hand: X; Rel: A, B", "'X' requires the value 'C', too");
		label_is_valid(v, "LOW", "Hand: X; Rel: A, B, C");
	}
}

static void
a_class_may_require_a_category(void **state)
{
	(void)state;
	struct vocab *v = spif_shipped("gbr-national");
	label_breaks(
	    v, "TOP SECRET", "", "'TOP SECRET' requires one of several values, such as 'UK'");
	label_is_valid(v, "TOP SECRET", "Eyes Only: UKNOR");
}

static void
an_excluded_category_cannot_stand_with_the_value(void **state)
{
	(void)state;
	struct vocab *v = with_value(EXCLUDED("Rel", PERMISSIVE " lacv=\"2\""));
	label_breaks(v, "LOW", "Hand: X; Rel: A, B", "'X' and 'B' exclude each other");
	label_is_valid(v, "LOW", "Hand: X; Rel: A, C");
	v = with_value(EXCLUDED("Rel", PERMISSIVE " all=\"true\""));
	label_breaks(v, "LOW", "Hand: X; Rel: C", "'X' and 'C' exclude each other");
}

static void
excluding_a_whole_set_is_every_other_value(void **state)
{
	(void)state;
	struct vocab *v = with_value(EXCLUDED("Hand", RESTRICTIVE));
	label_is_valid(v, "LOW", "Hand: X");
	label_breaks(v, "LOW", "Hand: X, Y", "'X' and 'Y' exclude each other");
}

static void
a_requirement_that_matches_nothing_can_never_be_met(void **state)
{
	(void)state;
	struct vocab *v = with_value(REQUIRED("all", GROUP("Rel", PERMISSIVE " lacv=\"9\"")));
	label_breaks(v, "LOW", "Hand: X; Rel: A, B, C", "'X' requires the value '-', too");
	size_t told = 0;
	for (size_t i = 0; i < spif_errors.warning_count; i++)
		told += strcmp(spif_errors.warnings[i].text,
			    "the reference to 'Rel' matches no value") == 0;
	assert_int_equal(told, 1);
}

static void
lacv_count_from_anew_in_each_encoding(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(SPIF_OF(TAGSET("Mix",
	    TAG(PERMISSIVE, VALUE("A", "1")) TAG(
		"tagType=\"enumerated\" enumType=\"permissive\"", VALUE("B", "01"))) TAGSET("Hand",
	    TAG(RESTRICTIVE, VALUE_WITH("X", "1",
				 EXCLUDED("Mix", "tagType=\"enumerated\" enumType=\"permissive\" "
						 "lacv=\"1\""))))));
	label_breaks(v, "LOW", "Hand: X; Mix: B", "'X' and 'B' exclude each other");
	label_is_valid(v, "LOW", "Hand: X; Mix: A");
}

static struct vocab *
with_counts(const char *attributes)
{
	return spif_ok(arena_printf(&spif_arena, "%s%s%s",
	    SPIF_HEAD SPIF_POLICY SPIF_CLASSES
	    "<securityCategoryTagSets><securityCategoryTagSet name='Rel' id='2'>"
	    "<securityCategoryTag name='t' tagType='permissive' ",
	    attributes,
	    "><tagCategory name='A' lacv='1'/><tagCategory name='B' lacv='2'/>"
	    "<tagCategory name='C' lacv='3'/></securityCategoryTag>"
	    "<securityCategoryTag name='u' tagType='permissive'>"
	    "<tagCategory name='D' lacv='4'/></securityCategoryTag>"
	    "</securityCategoryTagSet></securityCategoryTagSets></SPIF>"));
}

static void
selection_counts_are_those_of_each_tag(void **state)
{
	(void)state;
	struct vocab *v = with_counts("minSelection='2'");
	label_breaks(v, "LOW", "", "'Rel' needs at least 2 values, and the label has 0");
	label_breaks(v, "LOW", "Rel: A, D", "'Rel' needs at least 2 values, and the label has 1");
	label_is_valid(v, "LOW", "Rel: A, B");
	v = with_counts("maxSelection='2'");
	label_is_valid(v, "LOW", "Rel: A, B, D");
	label_breaks(v, "LOW", "Rel: A, B, C", "'Rel' takes at most 2 values, and the label has 3");
	v = with_counts("singleSelection='true' maxSelection='3'");
	label_is_valid(v, "LOW", "Rel: A, D");
	label_breaks(v, "LOW", "Rel: A, B", "'Rel' takes at most 1 value, and the label has 2");
	v = with_counts("minSelection='1'");
	label_breaks(v, "LOW", "Rel: D", "'Rel' needs at least 1 value, and the label has 0");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, spif_set_up, spif_tear_down)
	const struct CMUnitTest tests[] = {
		T(an_obsolete_class_or_value_is_refused),
		T(a_value_outside_its_dates_counts_as_obsolete),
		T(dates_of_a_value_are_read_in_four_ways),
		T(an_excluded_class_cannot_stand_with_the_value),
		T(a_required_class_must_stand_with_the_value),
		T(one_or_more_of_several_may_be_required),
		T(exactly_one_of_several_may_be_required),
		T(all_of_several_may_be_required),
		T(a_reference_without_lacv_is_every_value_of_set_and_type),
		T(a_class_may_require_a_category),
		T(an_excluded_category_cannot_stand_with_the_value),
		T(excluding_a_whole_set_is_every_other_value),
		T(a_requirement_that_matches_nothing_can_never_be_met),
		T(lacv_count_from_anew_in_each_encoding),
		T(selection_counts_are_those_of_each_tag),
	};
	return cmocka_run_group_tests_name("constraints", tests, NULL, NULL);
}
