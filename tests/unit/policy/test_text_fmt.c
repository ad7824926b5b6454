/* The one layout: what it makes of a text, and that it is done after once. */
#include "tests/lib/test.h"

#include "policy/text_fmt.h"

static void
lays_out(const char *text, const char *expected)
{
	SCOPED(arena_done) struct arena a;
	SCOPED(text_errors_done) struct text_errors l;
	struct bytes out, again;
	arena_init(&a, 64 << 20);
	text_errors_init(&l);
	assert_true(text_fmt(&a, bytes_of("a.policy"), bytes_of(text), &l, &out));
	assert_string_equal((const char *)out.data, expected);
	assert_true(text_fmt(&a, bytes_of("a.policy"), out, &l, &again));
	assert_true(bytes_equal(out, again));
}

static void
refuses(struct bytes text, const char *expected)
{
	SCOPED(arena_done) struct arena a;
	SCOPED(text_errors_done) struct text_errors l;
	struct bytes out = { NULL, 0 };
	arena_init(&a, 256 << 20);
	text_errors_init(&l);
	assert_false(text_fmt(&a, bytes_of("a.policy"), text, &l, &out));
	assert_null(out.data);
	assert_int_equal(l.error_count, 1);
	assert_string_equal(l.errors[0].text, expected);
}

static void
blanks_are_one_between_values_and_four_an_indent(void **state)
{
	(void)state;
	lays_out("a\tb   [c   \"d  e\" ]{\nf{\n\tg\n}\n}", "a b [ c \"d  e\" ] {\n"
							   "    f {\n"
							   "        g\n"
							   "    }\n"
							   "}\n");
	lays_out("a b\r\n\r\nc\r\n", "a b\n\nc\n");
}

static void
what_stood_on_one_line_stays_on_one_and_else_brackets_end_lines(void **state)
{
	(void)state;
	lays_out("a { b [ c ] }\n", "a { b [ c ] }\n");
	lays_out("a { b [ c ]\n}\n", "a {\n    b [ c ]\n}\n");
	lays_out("a { b { c [ d\n] } }\n", "a {\n"
					   "    b {\n"
					   "        c [\n"
					   "            d\n"
					   "        ]\n"
					   "    }\n"
					   "}\n");
	lays_out("a [ b c\n d ] e {\n f\n}", "a [\n    b c\n    d\n] e {\n    f\n}\n");
}

static void
empty_brackets_are_closed_at_once(void **state)
{
	(void)state;
	lays_out("a {\n\n}\nb [\n] {\n \n c {}}\n", "a { }\nb [ ] {\n    c { }\n}\n");
}

static void
comments_stay_where_they_were(void **state)
{
	(void)state;
	lays_out("#x\na{#  y \t\n b #z\n\n #last\n}#end\n# tail", "#x\n"
								  "a {  #  y\n"
								  "    b  #z\n"
								  "\n"
								  "    #last\n"
								  "}  #end\n"
								  "# tail\n");
	lays_out("a [ # of the list\n # of b\n b # too\n ]\n",
	    "a [  # of the list\n    # of b\n    b  # too\n]\n");
	lays_out("a \"# no comment\" # one\n", "a \"# no comment\"  # one\n");
}

static void
empty_lines_are_one_at_most_and_none_at_an_edge(void **state)
{
	(void)state;
	lays_out("\n\n# a\n\n\n\nb {\n\n c\n\n\n d\n\n}\n\n\n", "# a\n\nb {\n    c\n\n    d\n}\n");
	lays_out("a { # x\n\n\n b\n}\n", "a {  # x\n    b\n}\n");
	lays_out("a [\n\n b\n\n]\n", "a [\n    b\n]\n");
	lays_out("", "");
	lays_out(" \n\n\t", "");
}

static void
quotes_and_escapes_are_left_as_written(void **state)
{
	(void)state;
	lays_out("\"a\"  \"word\"  \"\\\"\\\\\"", "\"a\" \"word\" \"\\\"\\\\\"\n");
}

static void
what_does_not_parse_is_not_laid_out(void **state)
{
	(void)state;
	refuses(bytes_of("a {\n"), "the block is not closed");
	refuses(bytes_of("a [ b b ]\n"), "'b' is twice in this list");
}

static void
what_would_be_too_large_to_load_is_refused(void **state)
{
	(void)state;
	enum { LINES = 150000 }; /* of 4 bytes, 8 when indented */
	char *text = malloc(LINES * 4 + 16);
	assert_non_null(text);
	size_t n = (size_t)sprintf(text, "a{\n");
	for (int i = 0; i < LINES; i++)
		n += (size_t)sprintf(text + n, "b c\n");
	n += (size_t)sprintf(text + n, "}\n");
	refuses(bytes_from(text, n), "laid out it would be larger than 1048576 bytes");
	free(text);
}

static void
a_shortage_anywhere_is_an_error_and_no_layout(void **state)
{
	(void)state;
	static const char text[] = "a [ # x\n \"\\\\\"\n ] {\n b { c }\n}\n";
	bool done = false;
	for (size_t cap = 0; !done; cap += 64) {
		SCOPED(arena_done) struct arena a;
		SCOPED(text_errors_done) struct text_errors l;
		struct bytes out = { NULL, 0 };
		arena_init(&a, cap);
		text_errors_init(&l);
		done = text_fmt(&a, bytes_of("a.policy"), bytes_of(text), &l, &out);
		assert_true(done == (l.error_count == 0));
		assert_true(done == (out.data != NULL));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blanks_are_one_between_values_and_four_an_indent),
		cmocka_unit_test(what_stood_on_one_line_stays_on_one_and_else_brackets_end_lines),
		cmocka_unit_test(empty_brackets_are_closed_at_once),
		cmocka_unit_test(comments_stay_where_they_were),
		cmocka_unit_test(empty_lines_are_one_at_most_and_none_at_an_edge),
		cmocka_unit_test(quotes_and_escapes_are_left_as_written),
		cmocka_unit_test(what_does_not_parse_is_not_laid_out),
		cmocka_unit_test(what_would_be_too_large_to_load_is_refused),
		cmocka_unit_test(a_shortage_anywhere_is_an_error_and_no_layout),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
