/* Limits, clocks and counters of the I/O shell. */
#include "tests/lib/test.h"

#include "daemon/io.h"
#include "daemon/metrics.h"
#include "proto/limits.h"

static void
the_limits_are_those_of_the_one_list(void **state)
{
	(void)state;
	struct io_limits l = io_limits_default();
	assert_int_equal(l.connections, LIMIT_CONNECTIONS);
	assert_int_equal(l.connections_per_party, LIMIT_CONNECTIONS_PER_PARTY);
	assert_int_equal(l.connections_per_address, LIMIT_CONNECTIONS_PER_ADDRESS);
	assert_int_equal(l.half_open, LIMIT_HALF_OPEN);
	assert_int_equal(l.handshake_ms, LIMIT_HANDSHAKE_MS);
	assert_int_equal(l.hello_ms, LIMIT_HELLO_MS);
	assert_int_equal(l.frame_ms, LIMIT_FRAME_MS);
	assert_int_equal(l.idle_ms, LIMIT_IDLE_MS);
	assert_int_equal(l.drain_ms, LIMIT_DRAIN_MS);
	assert_int_equal(l.publish_window, LIMIT_PUBLISH_WINDOW);
	assert_int_equal(l.publish_window_bytes, LIMIT_PUBLISH_WINDOW_BYTES);
	assert_int_equal(l.publish_rate, LIMIT_PUBLISH_RATE);
	assert_int_equal(l.publish_rate_bytes, LIMIT_PUBLISH_RATE_BYTES);
}

static void
the_systems_clocks_go_forward(void **state)
{
	(void)state;
	struct io_clock c = io_clock_system();
	uint64_t ms = c.mono_ms(c.arg);
	assert_true(c.mono_ms(c.arg) >= ms);
	assert_true(c.mono_us(c.arg) / 1000 >= ms);
	assert_true(c.wall_s(c.arg) > 1780000000); /* 2026 */
}

static void
counters_of_several_workers_are_summed(void **state)
{
	(void)state;
	static struct metrics a, b;
	uint64_t sum[METRIC_COUNT] = { 0 };
	for (unsigned i = 0; i < METRIC_COUNT; i++) {
		metrics_add(&a, i, 1);
		metrics_add(&a, i, i);
		metrics_add(&b, i, 100);
	}
	metrics_sum(&a, sum);
	metrics_sum(&b, sum);
	for (unsigned i = 0; i < METRIC_COUNT; i++)
		assert_int_equal(sum[i], 101 + i);
}

static void
every_counter_has_a_name_of_its_own_and_a_text(void **state)
{
	(void)state;
	for (unsigned i = 0; i < METRIC_COUNT; i++) {
		assert_true(strlen(metrics_text(i)) > 5);
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(metrics_name(i), metrics_name(j));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_limits_are_those_of_the_one_list),
		cmocka_unit_test(the_systems_clocks_go_forward),
		cmocka_unit_test(counters_of_several_workers_are_summed),
		cmocka_unit_test(every_counter_has_a_name_of_its_own_and_a_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
