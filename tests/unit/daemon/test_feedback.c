/* What recipients said of a report, as a note keeps it. */
#include "tests/lib/test.h"

#include "daemon/feedback.h"

static const struct store_report_key report = { .originator = 7, .id = { 0xab, 1 } };

static struct feedback_said
useful(uint64_t n)
{
	return (struct feedback_said){ n, 1000 + n, 0, bytes_of("useful") };
}

static void
the_last_of_it_are_kept_and_all_are_counted(void **state)
{
	struct feedback f = { .count = 0 }, back;
	uint8_t row[FEEDBACK_BYTES];
	struct err e = { 0 };
	(void)state;
	for (uint64_t n = 0; n <= LIMIT_FEEDBACK_KEPT; n++) {
		struct feedback_said said = useful(n);
		feedback_add(&f, &said);
		assert_true(feedback_read(feedback_write(&f, row), &back, &e));
		assert_int_equal(back.count, n + 1);
		assert_int_equal(back.kept, n < LIMIT_FEEDBACK_KEPT ? n + 1 : LIMIT_FEEDBACK_KEPT);
		assert_int_equal(back.said[0].record, n < LIMIT_FEEDBACK_KEPT ? 0 : 1);
		const struct feedback_said *last = &back.said[back.kept - 1];
		assert_int_equal(last->record, n);
		assert_int_equal(last->time_us, 1000 + n);
		assert_int_equal(last->sighted_us, 0);
		assert_true(bytes_is(last->code, "useful"));
	}
}

static void
a_note_that_is_cut_or_has_bytes_to_spare_or_says_too_little_is_corrupt(void **state)
{
	struct feedback f = { .count = 0 }, back;
	uint8_t row[FEEDBACK_BYTES];
	struct err e = { 0 };
	struct feedback_said said = useful(1);
	(void)state;
	feedback_add(&f, &said);
	struct bytes good = feedback_write(&f, row);
	for (size_t len = 0; len < good.len; len++) {
		assert_false(feedback_read(bytes_from(row, len), &back, &e));
		assert_int_equal(e.code, ERR_CORRUPT);
		assert_string_equal(e.text, "a note of feedback");
	}
	row[good.len] = 0;
	assert_false(feedback_read(bytes_from(row, good.len + 1), &back, &e));
	put_u64(row, 0); /* fewer than there are */
	assert_false(feedback_read(good, &back, &e));
}

static void
a_note_is_called_by_its_report_and_party_and_says_which(void **state)
{
	char name[FEEDBACK_NAME], root[FEEDBACK_NAME];
	uint32_t party = 0;
	struct err e = { 0 };
	(void)state;
	feedback_name(&report, 0xfe10, name);
	feedback_name(&report, 0, root);
	assert_string_equal(name, "feedback.00000007ab010000000000000000000000000000/0000fe10");
	assert_memory_equal(name, root, strlen(root));
	assert_int_equal(root[strlen(root) - 1], '/');
	assert_true(feedback_party(bytes_of(name), &party, &e));
	assert_int_equal(party, 0xfe10);
	const char *bad[] = { "", "0000fe10", "x0000fe10", "/0000fe1", "/0000fe1g", "/0000FE10",
		"/00000000" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(feedback_party(bytes_of(bad[i]), &party, &e));
		assert_string_equal(e.text, "a note of feedback without its party");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_of_it_are_kept_and_all_are_counted),
		cmocka_unit_test(
		    a_note_that_is_cut_or_has_bytes_to_spare_or_says_too_little_is_corrupt),
		cmocka_unit_test(a_note_is_called_by_its_report_and_party_and_says_which),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
