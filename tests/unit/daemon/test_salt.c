/* Salts in advance: fresh, never twice, nothing left behind. */
#include "daemon/salt.h"
#include "tests/lib/test.h"

static void
no_salt_is_given_out_twice(void **state)
{
	(void)state;
	static uint8_t seen[2000][16];
	struct salt_pool p = { .left = 0 };
	struct err e;
	for (size_t i = 0; i < 2000; i++) {
		assert_true(salt_take(&p, seen[i], 16, &e));
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(seen[i], seen[k], 16);
	}
	salt_done(&p);
}

static void
what_was_taken_and_what_is_left_are_wiped(void **state)
{
	(void)state;
	static const uint8_t zero[SALT_POOL];
	struct salt_pool p = { .left = 0 };
	uint8_t taken[128];
	struct err e;
	assert_true(salt_take(&p, taken, sizeof(taken), &e));
	assert_int_equal(p.left, SALT_POOL - sizeof(taken));
	assert_memory_equal(p.bytes + p.left, zero, sizeof(taken));
	salt_done(&p);
	assert_memory_equal(p.bytes, zero, SALT_POOL);
	assert_int_equal(p.left, 0);
}

static void
a_pool_that_has_too_little_left_is_filled_anew(void **state)
{
	(void)state;
	struct salt_pool p = { .left = 0 };
	static uint8_t all[SALT_POOL];
	uint8_t one;
	struct err e;
	assert_true(salt_take(&p, all, SALT_POOL, &e));
	assert_int_equal(p.left, 0);
	assert_true(salt_take(&p, &one, 1, &e));
	assert_true(salt_take(&p, all, SALT_POOL, &e));
	assert_int_equal(p.left, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_salt_is_given_out_twice),
		cmocka_unit_test(what_was_taken_and_what_is_left_are_wiped),
		cmocka_unit_test(a_pool_that_has_too_little_left_is_filled_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
