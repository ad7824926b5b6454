/* test_retry.c - what is tried again, and when. */
#include "client/retry.h"
#include "tests/lib/test.h"

static void
what_a_person_has_to_judge_is_not_tried_again(void **state)
{
	(void)state;
	static const enum err_code again[] = { ERR_UNREACHABLE, ERR_TIMEOUT, ERR_IO, ERR_BUSY,
		ERR_DRAINING, ERR_CLOCK, ERR_SIGNER, ERR_QUOTA };
	static const enum err_code never[] = { ERR_TLS, ERR_CERTIFICATE, ERR_FORK, ERR_ROLLBACK,
		ERR_VERSION, ERR_PROTOCOL, ERR_ROLE, ERR_SHUT_OUT, ERR_UNVERIFIED, ERR_CONFIG,
		ERR_USAGE, ERR_CORRUPT, ERR_NOMEM, ERR_INTERRUPTED, ERR_LIMIT, ERR_INTERNAL,
		ERR_SUBSCRIPTION_DIFFERS };
	for (size_t i = 0; i < sizeof(again) / sizeof(again[0]); i++)
		assert_true(retry_may_help(again[i], err_may_retry(again[i])));
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		assert_false(retry_may_help(never[i], err_may_retry(never[i])));
	/* the broker may say so of any code */
	assert_true(retry_may_help(ERR_INTERNAL, true));
}

static void
delays_are_anything_up_to_a_bound_that_doubles(void **state)
{
	(void)state;
	static const int64_t bounds[] = { 200, 400, 800, 1600, 3200, 5000, 5000 };
	for (unsigned round = 0; round < 7; round++) {
		int64_t bound = bounds[round];
		assert_int_equal(retry_delay_ms(round, 5000, 0), 0);
		assert_int_equal(retry_delay_ms(round, 5000, (uint32_t)bound), bound);
		assert_int_equal(retry_delay_ms(round, 5000, (uint32_t)bound + 1), 0);
		assert_int_equal(retry_delay_ms(round, 5000, (uint32_t)bound - 1), bound - 1);
	}
	/* the longest there is, and rounds without end */
	assert_int_equal(retry_delay_ms(UINT32_MAX, UINT32_MAX, UINT32_MAX), UINT32_MAX);
	assert_int_equal(retry_delay_ms(UINT32_MAX, 1, UINT32_MAX), 1);
	assert_int_equal(retry_delay_ms(0, 0, 7), 0);
}

static void
a_session_that_ends_at_once_does_not_make_the_next_delay_shorter(void **state)
{
	(void)state;
	assert_int_equal(retry_tries(7, 0), 7);
	assert_int_equal(retry_tries(7, RETRY_CALM_MS - 1), 7);
	assert_int_equal(retry_tries(7, RETRY_CALM_MS), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_person_has_to_judge_is_not_tried_again),
		cmocka_unit_test(a_session_that_ends_at_once_does_not_make_the_next_delay_shorter),
		cmocka_unit_test(delays_are_anything_up_to_a_bound_that_doubles),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
