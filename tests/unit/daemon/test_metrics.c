/* Waits in steps: what counts where. */
#include "tests/lib/test.h"

#include "daemon/metrics.h"

static void
a_wait_at_a_bound_is_in_its_step_and_one_past_it_in_the_next(void **state)
{
	(void)state;
	static const uint64_t bound[METRIC_WAIT_STEPS] = METRIC_WAIT_MS;
	for (unsigned i = 0; i < METRIC_WAIT_STEPS; i++) {
		struct metrics m = { 0 };
		struct metric_waits sum = { 0 };
		metrics_wait(&m, 2, bound[i], false);
		metrics_wait(&m, 2, bound[i] + 1, true);
		metrics_sum_waits(&m, 2, &sum);
		assert_int_equal(sum.step[i], 1);
		if (i + 1 < METRIC_WAIT_STEPS)
			assert_int_equal(sum.step[i + 1], 1);
		assert_int_equal(sum.count, 2);
		assert_int_equal(sum.ms, 2 * bound[i] + 1);
		assert_int_equal(sum.late, 1);
	}
}

static void
sums_are_of_one_lane_and_of_all_workers(void **state)
{
	(void)state;
	struct metrics m[2] = { 0 };
	struct metric_waits sum = { 0 }, other = { 0 };
	metrics_wait(&m[0], 0, 0, false);
	metrics_wait(&m[1], 0, 5, true);
	for (unsigned i = 0; i < 2; i++) {
		metrics_sum_waits(&m[i], 0, &sum);
		metrics_sum_waits(&m[i], 3, &other);
	}
	assert_int_equal(sum.count, 2);
	assert_int_equal(sum.ms, 5);
	assert_int_equal(sum.late, 1);
	assert_int_equal(other.count, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wait_at_a_bound_is_in_its_step_and_one_past_it_in_the_next),
		cmocka_unit_test(sums_are_of_one_lane_and_of_all_workers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
