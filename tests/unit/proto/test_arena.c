#include "proto/arena.h"
#include "tests/lib/test.h"

static void
an_arena_never_takes_more_than_its_cap(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 65536);
	size_t got = 0;
	while (arena_alloc(&a, 1000) != NULL)
		got += 1000;
	assert_true(got > 32768 && got < 65536);
	arena_done(&a);
}

/* What protobuf-c takes for a report of 'count' equal portions, and the second form beside it. */
static bool
holds_twice(size_t count, size_t portion)
{
	struct arena a;
	arena_init(&a, 3 * count * portion + 640 * count + 16384); /* a reader that copies */
	bool ok = true;
	for (size_t i = 0; ok && i < count; i++)
		ok = arena_alloc(&a, 100) != NULL && arena_alloc(&a, portion) != NULL;
	ok = ok && arena_alloc(&a, count * portion) != NULL;
	arena_done(&a);
	return ok;
}

static void
three_times_a_message_hold_it_twice_whatever_its_portions(void **state)
{
	(void)state;
	for (size_t portion = 1024; portion <= 8 << 20; portion += portion / 3)
		for (size_t count = 1; count <= 16 && count * portion <= 16 << 20; count++)
			if (!holds_twice(count, portion))
				fail_msg("%zu portions of %zu bytes", count, portion);
}

static void
a_size_that_would_overflow_is_refused(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, SIZE_MAX);
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_zalloc(&a, SIZE_MAX / 2, 3));
	struct bytes out = { 0 };
	struct err e = { 0 };
	assert_false(arena_copy(&a, (struct bytes){ (const uint8_t *)"", SIZE_MAX }, &out, &e));
	assert_int_equal(e.code, ERR_NOMEM);
	arena_done(&a);
}

static void
allocations_are_aligned_and_apart(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 1 << 20);
	char *last = NULL;
	for (size_t n = 0; n < 200; n++) {
		char *p = arena_alloc(&a, n);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		memset(p, (int)n, n);
		if (last != NULL && n > 1)
			assert_int_equal((unsigned char)*last, n - 1);
		last = p;
	}
	arena_done(&a);
}

static void
copies_and_texts_end_in_nul(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 1 << 20);
	struct bytes b;
	struct err e = { 0 };
	assert_true(arena_copy(&a, bytes_of("abc"), &b, &e));
	assert_string_equal((const char *)b.data, "abc");
	assert_string_equal(arena_printf(&a, "%s-%d", "x", 5), "x-5");
	arena_done(&a);
	assert_null(arena_printf(&a, "x"));
}

static void
an_arena_that_was_reset_begins_anew_with_what_it_held_wiped(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 1 << 20);
	arena_reset(&a, 1 << 20);
	char *first = arena_alloc(&a, 1000);
	assert_non_null(first);
	memset(first, 'x', 1000);
	arena_reset(&a, 1 << 20);
	assert_int_equal(a.used, 0);
	assert_ptr_equal(arena_alloc(&a, 1000), first);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(first[i], 0);
	assert_non_null(arena_alloc(&a, 500000));
	assert_null(arena_alloc(&a, 600000));
	arena_reset(&a, 1 << 20);
	assert_non_null(arena_alloc(&a, 600000)); /* large blocks were given back */
	arena_reset(&a, 16);
	assert_null(arena_alloc(&a, 1));
	arena_done(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_arena_never_takes_more_than_its_cap),
		cmocka_unit_test(three_times_a_message_hold_it_twice_whatever_its_portions),
		cmocka_unit_test(a_size_that_would_overflow_is_refused),
		cmocka_unit_test(allocations_are_aligned_and_apart),
		cmocka_unit_test(an_arena_that_was_reset_begins_anew_with_what_it_held_wiped),
		cmocka_unit_test(copies_and_texts_end_in_nul),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
