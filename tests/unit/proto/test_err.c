#include "proto/err.h"
#include "tests/lib/test.h"

static void
every_code_has_a_token_of_its_own_a_text_and_an_exit_status(void **state)
{
	(void)state;
	for (unsigned c = 1; c < ERR_COUNT; c++) {
		enum err_code code = (enum err_code)c;
		assert_int_equal(err_from_token(err_token(code), strlen(err_token(code))), code);
		assert_true(strlen(err_text(code)) > 0);
		assert_true(err_exit(code) >= 64 && err_exit(code) <= 78);
	}
}

static void
an_unknown_token_is_our_own_fault(void **state)
{
	(void)state;
	assert_int_equal(err_from_token("no-such-token", 13), ERR_INTERNAL);
	assert_int_equal(err_from_token("io-", 3), ERR_INTERNAL);
}

static void
wrapping_puts_the_place_before_the_story(void **state)
{
	(void)state;
	struct err e = { 0 };
	assert_false(err_set(&e, ERR_IO, "disk %d", 7));
	assert_false(err_wrap(&e, "store '%s'", "spool"));
	assert_int_equal(e.code, ERR_IO);
	assert_string_equal(e.text, "store 'spool': disk 7");
}

static void
a_story_too_long_is_cut_not_overrun(void **state)
{
	(void)state;
	struct err e = { 0 };
	err_set(&e, ERR_IO, "%2000d", 1);
	for (int i = 0; i < 3; i++)
		err_wrap(&e, "%600d", 2);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_has_a_token_of_its_own_a_text_and_an_exit_status),
		cmocka_unit_test(an_unknown_token_is_our_own_fault),
		cmocka_unit_test(wrapping_puts_the_place_before_the_story),
		cmocka_unit_test(a_story_too_long_is_cut_not_overrun),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
