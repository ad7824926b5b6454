/* How much may be had a second: at the limit, one past it, and when time jumps. */
#include "tests/lib/test.h"

#include "daemon/bucket.h"

enum { MS = 1000, S = 1000 * MS, NOON = 43200 };
static const uint64_t now = (uint64_t)NOON * S;

/* How many of 'units' each may be had now, one after the other. */
static unsigned
take_all(struct bucket *b, uint64_t units, uint64_t rate, uint64_t at)
{
	unsigned n = 0;
	for (; n < 100000 && bucket_wait_us(b, units, rate, at) == 0; n++)
		bucket_add(b, units, rate, at);
	return n;
}

static void
a_seconds_worth_may_be_had_at_once_and_no_more(void **state)
{
	(void)state;
	static const uint64_t rates[] = { 1, 2, 3, 7, 100, 999, 20000 };
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct bucket b = { 0 };
		assert_true(bucket_is_empty(&b, now));
		assert_int_equal(take_all(&b, 1, rates[i], now), rates[i]);
		assert_false(bucket_is_empty(&b, now));
	}
}

static void
one_past_it_waits_for_just_what_it_takes(void **state)
{
	(void)state;
	struct bucket b = { 0 };
	(void)take_all(&b, 1, 100, now);
	assert_int_equal(bucket_wait_us(&b, 1, 100, now), 10 * MS);
	assert_int_equal(bucket_wait_us(&b, 1, 100, now + 10 * MS - 1), 1);
	assert_int_equal(bucket_wait_us(&b, 1, 100, now + 10 * MS), 0);
	assert_int_equal(take_all(&b, 1, 100, now + 10 * MS), 1);
	assert_int_equal(take_all(&b, 1, 100, now + 60 * MS), 5);
	assert_true(bucket_is_empty(&b, now + 60 * MS + S));
	assert_false(bucket_is_empty(&b, now + 60 * MS + S - 1));
}

static void
over_a_long_time_it_is_the_rate_however_late_it_is_asked(void **state)
{
	(void)state;
	struct bucket b = { 0 };
	uint64_t at = now, had = take_all(&b, 1, 12345, at);
	for (unsigned i = 0; i < 1000; i++) {
		at += 1 + (uint64_t)i * 7919 % (400 * MS); /* from 1 us to 0.4 s */
		had += take_all(&b, 1, 12345, at);
	}
	uint64_t may = 12345 + 12345 * (at - now) / S;
	assert_in_range(had, may - may / 1000, may + may / 1000);
}

static void
what_is_larger_than_a_second_is_had_when_it_is_empty_and_owed(void **state)
{
	(void)state;
	const uint64_t MiB = 1 << 20;
	struct bucket b = { 0 };
	bucket_add(&b, 1, MiB, now);
	assert_int_equal(bucket_wait_us(&b, 17 * MiB, MiB, now), 1);
	assert_int_equal(bucket_wait_us(&b, 17 * MiB, MiB, now + 1), 0);
	bucket_add(&b, 17 * MiB, MiB, now + 1);
	assert_int_equal(bucket_wait_us(&b, MiB, MiB, now + 1), 17 * S);
	assert_int_equal(bucket_wait_us(&b, 17 * MiB, MiB, now + 1), 17 * S);
	assert_int_equal(bucket_wait_us(&b, 0, MiB, now + 1), 16 * S);
	assert_int_equal(bucket_wait_us(&b, MiB, MiB, now + 1 + 17 * S), 0);
}

static void
a_jump_ahead_empties_it_and_saves_nothing_up(void **state)
{
	(void)state;
	struct bucket b = { 0 };
	(void)take_all(&b, 1, 100, now);
	assert_int_equal(take_all(&b, 1, 100, now + 3650ull * 86400 * S), 100);
}

static void
a_step_back_gives_nothing(void **state)
{
	(void)state;
	struct bucket b = { 0 };
	(void)take_all(&b, 1, 100, now);
	assert_int_equal(bucket_wait_us(&b, 1, 100, now - 5 * S), 10 * MS + 5 * S);
	assert_int_equal(take_all(&b, 1, 100, now - 5 * S), 0);
}

static void
the_largest_of_everything_fits(void **state)
{
	(void)state;
	const uint64_t most = (1ull << 34) - 1;
	struct bucket b = { 0 };
	bucket_add(&b, most, 1ull << 40, now);
	assert_true(bucket_wait_us(&b, most, 1ull << 40, now) == 0);
	bucket_add(&b, 17u << 20, 1 << 20, now);
	assert_true(bucket_wait_us(&b, 1, 1 << 20, now) < 20 * S);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_seconds_worth_may_be_had_at_once_and_no_more),
		cmocka_unit_test(one_past_it_waits_for_just_what_it_takes),
		cmocka_unit_test(over_a_long_time_it_is_the_rate_however_late_it_is_asked),
		cmocka_unit_test(what_is_larger_than_a_second_is_had_when_it_is_empty_and_owed),
		cmocka_unit_test(a_jump_ahead_empties_it_and_saves_nothing_up),
		cmocka_unit_test(a_step_back_gives_nothing),
		cmocka_unit_test(the_largest_of_everything_fits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
