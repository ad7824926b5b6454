/* What is read off a canonical export or the terms of an agreement. */
#include "tests/lib/test.h"

#include "audit/export.h"

static bool
has(const char *terms)
{
	return export_terms_backfill(bytes_of(terms), bytes_of("atlas"));
}

static void
terms_have_backfill_if_they_are_the_agreements_own_and_say_so(void **state)
{
	(void)state;
	assert_true(has("agreement atlas {\n    backfill\n    mode live\n}\nvocabulary X\n"));
	assert_false(has("agreement atlas {\n    mode live\n}\n"));
	assert_false(has("agreement atlas2 {\n    backfill\n}\n"));
	assert_false(
	    has("agreement other {\n    backfill\n}\nagreement atlas {\n    backfill\n}\n"));
	assert_false(has("hub HUB\nagreement atlas {\n    backfill\n}\n"));
	assert_false(has("agreement atlas {\n    mode live\n}\nagreement b {\n    backfill\n}\n"));
	assert_false(has("agreement atlas {\n        backfill\n}\n"));
	assert_false(has("agreement atlas {\n    backfill"));
	assert_false(has("    backfill\n"));
	assert_false(has(""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terms_have_backfill_if_they_are_the_agreements_own_and_say_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
