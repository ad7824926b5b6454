#include "tests/lib/test.h"

#include "daemon/log.h"

static uint64_t now_us = 1780315200123000u; /* 2026-06-01T12:00:00.123Z */
static char lines[256][LOG_LINE_BYTES + 1];
static unsigned line_count;

static uint64_t
the_time(void)
{
	return now_us;
}

static void
collect(const char *line, size_t len)
{
	memcpy(lines[line_count % 256], line, len);
	lines[line_count++ % 256][len] = '\0';
}

static int
begin(void **state)
{
	(void)state;
	log_test_seams(the_time, collect);
	now_us += 10000000u; /* every test begins with a fresh second */
	line_count = 0;
	return 0;
}

static void
set(enum log_level level, enum log_format format)
{
	now_us = now_us / 60000000u * 60000000u + 60000000u;
	log_setup(level, format, 2);
}

static void
each_format_gives_one_line_with_time_level_event_and_pairs(void **state)
{
	(void)state;
	now_us = 1780315200123000u;
	log_setup(LOG_INFO, LOG_TEXT, 2);
	log_info("report.committed", "conn=%d agent=%s", 7, log_quote_text("a b"));
	log_setup(LOG_INFO, LOG_LOGFMT, 2);
	log_warn("report.committed", "conn=%d agent=%s", 7, log_quote_text("a b"));
	log_setup(LOG_INFO, LOG_JSON, 2);
	log_error("report.committed", "conn=%d agent=%s", 7, log_quote_text("a b"));
	assert_string_equal(
	    lines[0], "2026-06-01T12:00:00.123Z info  report.committed conn=7 agent=\"a b\"\n");
	assert_string_equal(lines[1], "time=2026-06-01T12:00:00.123Z level=warn "
				      "event=report.committed conn=7 agent=\"a b\"\n");
	assert_string_equal(lines[2], "{\"time\":\"2026-06-01T12:00:00.123Z\",\"level\":\"error\","
				      "\"event\":\"report.committed\","
				      "\"conn\":\"7\",\"agent\":\"a b\"}\n");
}

static void
lines_above_the_level_are_not_written(void **state)
{
	(void)state;
	set(LOG_WARN, LOG_TEXT);
	log_info("quiet", "a=1");
	log_debug("quiet", "a=1");
	assert_int_equal(line_count, 0);
	log_warn("loud", "a=1");
	assert_int_equal(line_count, 1);
	assert_true(log_wants(LOG_ERROR));
	assert_false(log_wants(LOG_INFO));
}

static void
untrusted_text_cannot_end_a_line_forge_a_pair_or_steer_a_terminal(void **state)
{
	(void)state;
	assert_string_equal(
	    log_quote_text("a\nlevel=error \"x\" \\"), "\"a\\u000alevel=error \\\"x\\\" \\\\\"");
	assert_string_equal(log_quote_text("\x1b[2J\x7f"), "\"\\u001b[2J\\u007f\"");
	assert_string_equal(log_quote_text("\xc2\x9b\xe2\x80\xae\xef\xbb\xbf"),
	    "\"\\u009b\\u202e\\ufeff\""); /* C1, right-to-left override, zero-width */
	assert_string_equal(log_quote_text("\xff\xc0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");
	assert_string_equal(log_quote_text("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");
	assert_string_equal(
	    log_quote_text("Zo\xc3\xab \xf0\x9f\x9a\xa2"), "\"Zo\xc3\xab \xf0\x9f\x9a\xa2\"");
	assert_string_equal(log_quote(bytes_from("a\0b", 3)), "\"a\\u0000b\"");
	assert_string_equal(log_quote(bytes_from(NULL, 0)), "\"\"");
	assert_string_equal(log_quote_text(NULL), "\"\"");
}

static void
quoted_text_at_the_limit_is_whole_and_one_past_it_is_cut(void **state)
{
	(void)state;
	char text[LOG_QUOTED_BYTES + 1] = { 0 };
	memset(text, 'x', LOG_QUOTED_BYTES - 1);
	const char *q = log_quote_text(text);
	assert_int_equal(strlen(q), LOG_QUOTED_BYTES + 1);
	assert_null(strstr(q, "..."));
	text[LOG_QUOTED_BYTES - 1] = 'x';
	q = log_quote_text(text);
	assert_string_equal(q + strlen(q) - 5, "x...\"");
}

static void
eight_quoted_texts_live_at_once(void **state)
{
	(void)state;
	const char *q[8];
	char text[2] = "0";
	for (int i = 0; i < 8; i++, text[0]++)
		q[i] = log_quote_text(text);
	for (int i = 0; i < 8; i++)
		assert_int_equal(q[i][1], '0' + i);
}

static void
a_line_too_long_loses_whole_pairs_and_says_so(void **state)
{
	(void)state;
	set(LOG_INFO, LOG_JSON);
	char text[LOG_QUOTED_BYTES];
	memset(text, 'y', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	const char *q = log_quote_text(text);
	log_info("long", "a=%s b=%s c=%s d=%s e=1", q, q, q, q);
	assert_non_null(strstr(lines[0], "\"c\":"));
	assert_null(strstr(lines[0], "\"d\":"));
	assert_string_equal(lines[0] + strlen(lines[0]) - 15, "\",\"cut\":\"yes\"}\n");
	assert_true(strlen(lines[0]) < LOG_LINE_BYTES);
}

static void
a_flood_of_one_event_is_counted_not_written_and_others_pass(void **state)
{
	(void)state;
	set(LOG_INFO, LOG_TEXT);
	for (unsigned i = 0; i < LOG_BURST + 30; i++)
		log_info("flood", "i=%u", i);
	assert_int_equal(line_count, LOG_BURST);
	log_info("other", "a=1");
	assert_int_equal(line_count, LOG_BURST + 1);
	now_us += 999999;
	log_info("flood", "a=1");
	assert_int_equal(line_count, LOG_BURST + 1);
	now_us += 1;
	log_info("flood", "a=1");
	assert_int_equal(line_count, LOG_BURST + 2);
	assert_non_null(strstr(lines[LOG_BURST + 1], " flood a=1 suppressed=31\n"));
}

static void
errors_are_never_suppressed(void **state)
{
	(void)state;
	set(LOG_INFO, LOG_TEXT);
	for (unsigned i = 0; i < LOG_BURST + 30; i++)
		log_error("bad", "i=%u", i);
	assert_int_equal(line_count, LOG_BURST + 30);
}

static void
hex_is_lower_case(void **state)
{
	(void)state;
	assert_string_equal(log_hex((const uint8_t *)"\x00\xab\xff", 3), "00abff");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
		    each_format_gives_one_line_with_time_level_event_and_pairs, begin),
		cmocka_unit_test_setup(lines_above_the_level_are_not_written, begin),
		cmocka_unit_test_setup(
		    untrusted_text_cannot_end_a_line_forge_a_pair_or_steer_a_terminal, begin),
		cmocka_unit_test_setup(
		    quoted_text_at_the_limit_is_whole_and_one_past_it_is_cut, begin),
		cmocka_unit_test_setup(eight_quoted_texts_live_at_once, begin),
		cmocka_unit_test_setup(a_line_too_long_loses_whole_pairs_and_says_so, begin),
		cmocka_unit_test_setup(
		    a_flood_of_one_event_is_counted_not_written_and_others_pass, begin),
		cmocka_unit_test_setup(errors_are_never_suppressed, begin),
		cmocka_unit_test_setup(hex_is_lower_case, begin),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
