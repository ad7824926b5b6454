/* How much of the log a session may be shown by its last AUDIT_READ, and how many a party may
 * cause. */
#include "tests/lib/test.h"

#include "daemon/readings.h"
#include "proto/limits.h"

enum { NOW = 5000000 };

static unsigned
taken(struct reading_rates *r, uint32_t party, uint64_t now, unsigned tries)
{
	unsigned n = 0;
	uint32_t wait;
	for (unsigned i = 0; i < tries; i++)
		n += readings_take(r, party, now, &wait);
	return n;
}

static void
a_party_takes_so_many_at_once_and_then_one_by_one(void **state)
{
	struct reading_rates r = { 0 };
	uint32_t wait = 0;
	(void)state;
	assert_int_equal(taken(&r, 7, NOW, LIMIT_AUDIT_READS), LIMIT_AUDIT_READS);
	assert_false(readings_take(&r, 7, NOW, &wait));
	assert_int_equal(wait, LIMIT_AUDIT_READ_MS);
	assert_false(readings_take(&r, 7, NOW + LIMIT_AUDIT_READ_MS - 1, &wait));
	assert_int_equal(wait, 1);
	assert_true(readings_take(&r, 7, NOW + LIMIT_AUDIT_READ_MS, &wait));
	assert_false(readings_take(&r, 7, NOW + LIMIT_AUDIT_READ_MS, &wait));
	/* after a long rest no more than before */
	assert_int_equal(taken(&r, 7, NOW * 2, 1000), LIMIT_AUDIT_READS);
}

static void
what_one_party_takes_no_other_misses(void **state)
{
	struct reading_rates r = { 0 };
	(void)state;
	for (uint32_t party = 1; party <= READING_PARTIES; party++)
		assert_int_equal(taken(&r, party, NOW, 1000), LIMIT_AUDIT_READS);
}

static void
who_finds_every_place_used_up_waits_and_nobody_is_forgotten_for_him(void **state)
{
	struct reading_rates r = { 0 };
	uint32_t wait = 0;
	(void)state;
	for (uint32_t party = 1; party <= READING_PARTIES; party++)
		assert_int_equal(taken(&r, party, NOW, 1000), LIMIT_AUDIT_READS);
	assert_false(readings_take(&r, 99, NOW, &wait));
	assert_int_equal(wait, LIMIT_AUDIT_READ_MS);
	assert_int_equal(taken(&r, 1, NOW, 1), 0);
	assert_int_equal(taken(&r, 99, NOW + LIMIT_AUDIT_READ_MS, 1000), 1);
	assert_int_equal(
	    taken(&r, 1, NOW + LIMIT_AUDIT_READ_MS, 1000), 1); /* as if it had rested */
}

static void
more_parties_than_places_read_and_together_take_no_more(void **state)
{
	enum { PARTIES = 4 * READING_PARTIES };
	struct reading_rates r = { 0 };
	unsigned sum = 0;
	(void)state;
	for (uint32_t party = 1; party <= PARTIES; party++)
		assert_int_equal(taken(&r, party, NOW, 1), 1); /* nobody is shut out */
	for (uint32_t party = 1; party <= PARTIES; party++)
		sum += taken(&r, party, NOW, 1000);
	assert_int_equal(sum + PARTIES, READING_PARTIES * LIMIT_AUDIT_READS);
}

static void
after_a_rest_a_place_is_anybody_s(void **state)
{
	struct reading_rates r = { 0 };
	(void)state;
	for (uint32_t party = 1; party <= READING_PARTIES; party++)
		assert_int_equal(taken(&r, party, NOW, 1000), LIMIT_AUDIT_READS);
	uint64_t rested = NOW + (uint64_t)LIMIT_AUDIT_READS * LIMIT_AUDIT_READ_MS;
	assert_int_equal(taken(&r, 99, rested, 1000), LIMIT_AUDIT_READS);
}

static void
a_record_covers_what_it_says_and_reading_on_is_one_more(void **state)
{
	struct reading none = { 0 }, r = { 100, 200 };
	(void)state;
	assert_false(reading_covers(&none, 0));
	assert_false(reading_covers(&r, 99));
	assert_true(reading_covers(&r, 100));
	assert_true(reading_covers(&r, 199));
	assert_false(reading_covers(&r, 200));
	assert_int_equal(reading_span(&none, 0, 1000), 1000);
	assert_int_equal(reading_span(&r, 201, 1000), 1000);
	assert_int_equal(reading_span(&r, 200, 1000), 65536);
	reading_add(&r, 200, 65536); /* what it says, and what was said before it */
	assert_true(reading_covers(&r, 100) && reading_covers(&r, 65735));
	assert_false(reading_covers(&r, 65736));
	reading_add(&r, 7, 10); /* elsewhere: that alone */
	assert_true(reading_covers(&r, 7) && reading_covers(&r, 16));
	assert_false(reading_covers(&r, 17) || reading_covers(&r, 100));
	reading_add(&none, 0, 10);
	assert_true(reading_covers(&none, 9));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_party_takes_so_many_at_once_and_then_one_by_one),
		cmocka_unit_test(what_one_party_takes_no_other_misses),
		cmocka_unit_test(
		    who_finds_every_place_used_up_waits_and_nobody_is_forgotten_for_him),
		cmocka_unit_test(more_parties_than_places_read_and_together_take_no_more),
		cmocka_unit_test(after_a_rest_a_place_is_anybody_s),
		cmocka_unit_test(a_record_covers_what_it_says_and_reading_on_is_one_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
