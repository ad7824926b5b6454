/* What relto-verify shows of text that others wrote. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "audit/verify_print.h"

static void
shown(void (*print)(FILE *to, struct bytes text), const char *text, const char *want)
{
	char *out = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&out, &len);
	assert_non_null(to);
	print(to, bytes_of(text));
	assert_int_equal(fclose(to), 0);
	assert_string_equal(out, want);
	free(out);
}

static void
nothing_that_moves_a_terminal_or_hides_is_printed(void **state)
{
	(void)state;
	shown(verify_print_plain, "CN=Zo\xc3\xab", "CN=Zo\xc3\xab");
	shown(verify_print_plain, "a\nb\tc\x1b[2J\x7f", "a; b\\x09c\\x1b[2J\\x7f");
	shown(verify_print_plain,
	    "\xc2\x9b"
	    "2J",
	    "\\u009b2J"); /* CSI of C1 */
	shown(verify_print_plain,
	    "\xe2\x80\xae"
	    "abc\xe2\x80\x8b",
	    "\\u202eabc\\u200b");
	shown(verify_print_plain, "\xff\xc0\x80", "\\xff\\xc0\\x80");
}

static void
json_is_ascii_where_text_could_deceive(void **state)
{
	(void)state;
	shown(verify_print_json, "a\"\\\n\x1b", "\"a\\\"\\\\\\n\\u001b\"");
	shown(verify_print_json, "\xc2\x9b\xe2\x80\xae", "\"\\u009b\\u202e\"");
	shown(verify_print_json, "\xf3\xa0\x80\x81\xff", "\"\\udb40\\udc01\\ufffd\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_that_moves_a_terminal_or_hides_is_printed),
		cmocka_unit_test(json_is_ascii_where_text_could_deceive),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
