/* The verifier's table: every key finds its own value, whatever the keys are like. */
#include "audit/map.h"

#include "tests/lib/test.h"

enum { MANY = 20000 };

static void
each_index_has_a_value_of_its_own_that_stays_where_it_is(void **state)
{
	(void)state;
	struct arena a;
	struct map m;
	static uint64_t *at[MANY];
	uint8_t key[8];
	arena_init(&a, (size_t)1 << 26);
	map_init(&m, &a, sizeof(uint64_t));
	put_u64(key, 0);
	assert_null(map_find(&m, bytes_from(key, 8)));
	for (uint64_t i = 0; i < MANY; i++) {
		put_u64(key, i);
		at[i] = map_at(&m, bytes_from(key, 8), NULL);
		assert_non_null(at[i]);
		assert_int_equal(*at[i], 0);
		*at[i] = i + 1;
	}
	assert_int_equal(m.count, MANY);
	for (uint64_t i = 0; i < MANY; i++) {
		put_u64(key, i);
		assert_ptr_equal(map_find(&m, bytes_from(key, 8)), at[i]);
		assert_ptr_equal(map_at(&m, bytes_from(key, 8), NULL), at[i]);
		assert_int_equal(*at[i], i + 1);
	}
	put_u64(key, MANY);
	assert_null(map_find(&m, bytes_from(key, 8)));
	assert_int_equal(m.count, MANY);
	arena_done(&a);
}

/* Keys that are alike are spread: a search looks at a few slots, not at all of them. */
static void
keys_that_differ_in_one_byte_lie_apart(void **state)
{
	(void)state;
	for (size_t place = 0; place < 40; place++) {
		struct arena a;
		struct map m;
		size_t run = 0, longest = 0;
		uint8_t key[40] = { 0 };
		arena_init(&a, (size_t)1 << 22);
		map_init(&m, &a, 1);
		for (unsigned i = 0; i < 256; i++) {
			key[place] = (uint8_t)i;
			assert_non_null(map_at(&m, bytes_from(key, sizeof(key)), NULL));
		}
		assert_int_equal(m.count, 256);
		for (size_t i = 0; i < m.room; i++) {
			run = m.slots[i].node == NULL ? 0 : run + 1;
			longest = run > longest ? run : longest;
		}
		assert_in_range(longest, 1, 32);
		arena_done(&a);
	}
}

static void
keys_of_any_length_are_told_apart(void **state)
{
	(void)state;
	struct arena a;
	struct map m;
	struct bytes stored;
	static const uint8_t zeros[300];
	arena_init(&a, (size_t)1 << 22);
	map_init(&m, &a, sizeof(size_t));
	for (size_t n = 0; n <= sizeof(zeros); n++) {
		size_t *value = map_at(&m, bytes_from(zeros, n), &stored);
		assert_non_null(value);
		assert_int_equal(*value, 0);
		*value = n + 1;
		assert_true(bytes_equal(stored, bytes_from(zeros, n)));
		assert_true(n == 0 || stored.data != zeros);
	}
	for (size_t n = 0; n <= sizeof(zeros); n++)
		assert_int_equal(*(size_t *)map_find(&m, bytes_from(zeros, n)), n + 1);
	arena_done(&a);
}

static void
next_number(void *ctx, struct bytes key, void *value)
{
	uint8_t want[8];
	uint64_t *next = ctx;
	put_u64(want, *next);
	assert_true(bytes_equal(key, bytes_from(want, 8)));
	assert_int_equal(*(uint8_t *)value, *next % 251);
	(*next)++;
}

static void
values_are_met_in_the_order_in_which_they_came(void **state)
{
	(void)state;
	struct arena a;
	struct map m;
	uint64_t next = 0;
	arena_init(&a, (size_t)1 << 22);
	map_init(&m, &a, 1);
	map_each(&m, next_number, &next);
	assert_int_equal(next, 0);
	for (uint64_t i = 0; i < 1000; i++) {
		uint8_t key[8];
		put_u64(key, i);
		*(uint8_t *)map_at(&m, bytes_from(key, 8), NULL) = (uint8_t)(i % 251);
	}
	map_each(&m, next_number, &next);
	assert_int_equal(next, 1000);
	arena_done(&a);
}

static void
without_memory_nothing_is_made_and_nothing_lost(void **state)
{
	(void)state;
	struct arena a;
	struct map m;
	uint64_t made = 0;
	uint8_t key[8];
	arena_init(&a, 65536);
	map_init(&m, &a, 8);
	for (void *at = &m; at != NULL; made += at != NULL) {
		put_u64(key, made);
		at = map_at(&m, bytes_from(key, 8), NULL);
	}
	assert_in_range(made, 64, 65536 / 24);
	assert_int_equal(m.count, made);
	for (uint64_t i = 0; i <= made; i++) {
		put_u64(key, i);
		assert_true((map_find(&m, bytes_from(key, 8)) != NULL) == (i < made));
	}
	arena_done(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_index_has_a_value_of_its_own_that_stays_where_it_is),
		cmocka_unit_test(keys_that_differ_in_one_byte_lie_apart),
		cmocka_unit_test(keys_of_any_length_are_told_apart),
		cmocka_unit_test(values_are_met_in_the_order_in_which_they_came),
		cmocka_unit_test(without_memory_nothing_is_made_and_nothing_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
