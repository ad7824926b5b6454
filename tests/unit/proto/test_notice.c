/* test_notice.c - only codes of the list cross to another party (design S13). */
#include "proto/notice.h"
#include "tests/lib/test.h"

static void
a_code_is_one_of_its_own_act_and_no_other(void **state)
{
	(void)state;
	const char *code;
	for (unsigned list = NOTICE_SUPERSEDE; list <= NOTICE_FEEDBACK; list++) {
		size_t n = 0;
		while ((code = notice_code((enum notice_list)list, n)) != NULL) {
			for (unsigned other = NOTICE_SUPERSEDE; other <= NOTICE_FEEDBACK; other++)
				assert_int_equal(
				    notice_is_code((enum notice_list)other, bytes_of(code)),
				    other == list);
			n++;
		}
		assert_true(n > 0);
	}
	assert_false(notice_is_code(NOTICE_RECALL, bytes_of("")));
	assert_false(notice_is_code(NOTICE_RECALL, bytes_of("wrong-labe")));
	assert_false(notice_is_code(NOTICE_RECALL, bytes_from((const uint8_t *)"legal\0", 6)));
	assert_null(notice_code((enum notice_list)0, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_code_is_one_of_its_own_act_and_no_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
