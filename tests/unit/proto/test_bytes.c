#include "proto/bytes.h"
#include "tests/lib/test.h"

static void
a_cursor_reads_big_endian_and_knows_when_it_is_finished(void **state)
{
	(void)state;
	uint8_t buf[15] = { 7 };
	put_u16(buf + 1, 0x0102);
	put_u32(buf + 3, 0x03040506);
	put_u64(buf + 7, 0x0708090a0b0c0d0e);
	struct cursor c = cursor_over(bytes_from(buf, sizeof(buf)));
	assert_int_equal(cursor_u8(&c), 7);
	assert_int_equal(cursor_u16(&c), 0x0102);
	assert_false(cursor_finished(&c));
	assert_int_equal(cursor_u32(&c), 0x03040506);
	assert_int_equal(cursor_u64(&c), 0x0708090a0b0c0d0e);
	assert_true(cursor_finished(&c));
}

static void
a_cursor_that_failed_once_stays_failed_and_gives_zeroes(void **state)
{
	(void)state;
	uint8_t out[4] = { 9, 9, 9, 9 };
	struct cursor c = cursor_over(bytes_of("abc"));
	cursor_copy(&c, out, 4);
	assert_int_equal(out[0] | out[1] | out[2] | out[3], 0);
	assert_int_equal(cursor_u8(&c), 0);
	assert_null(cursor_take(&c, 0).data);
	assert_false(cursor_finished(&c));
}

static void
a_length_near_the_top_of_size_t_is_only_too_long(void **state)
{
	(void)state;
	struct cursor c = cursor_over(bytes_of("abc"));
	assert_null(cursor_take(&c, SIZE_MAX).data);
	assert_true(c.failed);
}

static void
comparison_is_byte_order_with_the_shorter_prefix_first(void **state)
{
	(void)state;
	assert_true(bytes_compare(bytes_of("a"), bytes_of("b")) < 0);
	assert_true(bytes_compare(bytes_of("a"), bytes_of("aa")) < 0);
	assert_true(bytes_compare(bytes_of("\xff"), bytes_of("a")) > 0);
	assert_int_equal(bytes_compare(bytes_of(""), bytes_from(NULL, 0)), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cursor_reads_big_endian_and_knows_when_it_is_finished),
		cmocka_unit_test(a_cursor_that_failed_once_stays_failed_and_gives_zeroes),
		cmocka_unit_test(a_length_near_the_top_of_size_t_is_only_too_long),
		cmocka_unit_test(comparison_is_byte_order_with_the_shorter_prefix_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
