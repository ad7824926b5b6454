/* The parts of rules, asked directly: what they say of values that no policy can have, too. */
#include "tests/lib/test.h"

#include "policy/rules.h"
#include "tests/unit/policy/spif_rig.h"

static void
a_content_type_pattern_has_a_type_and_a_subtype_or_a_star(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{ "text/plain", true },
		{ "text/*", true },
		{ "a/b", true },
		{ "application/stix+json", true },
		{ "", false },
		{ "a", false },
		{ "/", false },
		{ ";", false },
		{ "text", false },
		{ "text/", false },
		{ "/plain", false },
		{ "*/*", false },
		{ "te*t/plain", false },
		{ "text/pl*", false },
		{ "text/*a", false },
		{ "text/**", false },
		{ "text/plain; a=b", false },
		{ "text/*; a=b", false },
		{ " text/plain", false },
		{ "text/plain ", false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (rules_content_pattern(bytes_of(cases[i].text)) != cases[i].good)
			fail_msg("'%s' is %sa pattern", cases[i].text, cases[i].good ? "" : "no ");
	assert_false(rules_content_pattern((struct bytes){ NULL, 0 }));
}

static void
content_types_match_whole_without_case_and_a_star_any_subtype(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *type;
		bool matches;
	} cases[] = {
		{ "text/plain", "text/plain", true },
		{ "TEXT/Zplain", "text/zPLAIN", true },
		{ "text/azAZ", "TEXT/AZaz", true },
		{ "text/plain", "text/plaim", false },
		{ "text/plain", "text/plainx", false },
		{ "text/plain", "text/plai", false },
		{ "text/plain", "text/[lain", false },
		{ "text/@", "text/`", false },
		{ "text/{", "text/[", false },
		{ "text/*", "text/plain", true },
		{ "text/*", "text/", false },
		{ "text/*", "texts/x", false },
		{ "a/*", "a/b", true },
		{ "a/*", "b/b", false },
		{ "a/b", "a/c", false },
		{ "text/*", "", false },
		{ "x", "x", true },
		{ "/*", "/x", true },
		{ "a*", "a*", true },
		{ "a*", "ab", false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct condition c = { .kind = CONDITION_CONTENT_TYPE,
			.pattern = bytes_of(cases[i].pattern) };
		struct rule rule = {
			.conditions = &c, .condition_count = 1, .verdict = VERDICT_RELEASE
		};
		struct view v = { .content_type = bytes_of(cases[i].type) };
		if (rules_portion(&rule, &v) != cases[i].matches)
			fail_msg("'%s' of '%s'", cases[i].pattern, cases[i].type);
	}
}

static void
a_test_without_a_meaning_is_not_satisfied(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(SPIF_OF(TAGSET("Hand", TAG(RESTRICTIVE, VALUE("X", "1")))));
	struct label l = label_of(v, "LOW", "Hand: X");
	struct condition c = { .kind = CONDITION_LABEL, .vocab = v, .classes = 1, .value = 0 };
	assert_false(rules_satisfies(&c, &l));
	c.test = LABEL_TEST_IS;
	assert_true(rules_satisfies(&c, &l));
	c.test = LABEL_TEST_HAS;
	assert_true(rules_satisfies(&c, &l));
	c.test = LABEL_TEST_LACKS;
	assert_false(rules_satisfies(&c, &l));
}

static void
a_clearance_in_another_vocabulary_clears_nothing(void **state)
{
	(void)state;
	struct vocab *v = spif_ok(SPIF_OF("")), *other = spif_ok(SPIF_OF(""));
	struct label l = label_of(v, "LOW", "");
	uint64_t none[1] = { 0 };
	struct clearance c = { other, UINT64_MAX, none };
	const struct clearance *held[] = { &c };
	struct member m = { .clearances = held };
	struct agreement a = { .unmarked_labels = true, .unmarked_portions = true };
	struct seen_label seen = { .written = &l };
	struct view view = { .labels = &seen, .label_count = 1 };
	struct ask q = { .agreement = &a, .recipient = &m, .view = &view };
	struct why why = { 0 };
	assert_int_equal(rules_clearance(&q, &why), VERDICT_WITHHOLD);
	assert_int_equal(why.reason, REASON_NO_CLEARANCE);
	assert_int_equal(q.fault, 1);
	c.vocab = v;
	assert_int_equal(rules_clearance(&q, &why), VERDICT_RELEASE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_content_type_pattern_has_a_type_and_a_subtype_or_a_star),
		cmocka_unit_test(content_types_match_whole_without_case_and_a_star_any_subtype),
		cmocka_unit_test_setup_teardown(
		    a_test_without_a_meaning_is_not_satisfied, spif_set_up, spif_tear_down),
		cmocka_unit_test_setup_teardown(
		    a_clearance_in_another_vocabulary_clears_nothing, spif_set_up, spif_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
