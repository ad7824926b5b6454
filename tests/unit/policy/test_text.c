/* The block grammar: what it reads, and the exact words with which it refuses the rest. */
#include "tests/lib/test.h"

#include "policy/text.h"
#include "tests/lib/slurp.h"

#define QUOTE_HELP \
	"help: a word is of letters, digits and _.:/+@*%=<>~|- ; put anything else in " \
	"quotes\n"

static struct arena arena;

static int
set_up(void **state)
{
	(void)state;
	arena_init(&arena, 256 << 20);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	arena_done(&arena);
	return 0;
}

static struct text_block
parse_ok(const char *text)
{
	struct text_errors l;
	struct text_block b;
	text_errors_init(&l);
	bool ok = text_parse(&arena, bytes_of("a.policy"), bytes_of(text), &l, &b);
	if (!ok)
		print_message("%s", text_errors_format(&l, &arena));
	assert_true(ok);
	assert_int_equal(l.error_count, 0);
	text_errors_done(&l);
	return b;
}

/* The whole of what is printed for a text. */
static void
prints(const char *text, const char *expected)
{
	struct text_errors l;
	struct text_block b;
	text_errors_init(&l);
	assert_false(text_parse(&arena, bytes_of("a.policy"), bytes_of(text), &l, &b));
	assert_string_equal(text_errors_format(&l, &arena), expected);
	text_errors_done(&l);
}

/* ---- what it reads ---- */

static void
a_statement_is_a_name_with_values_and_perhaps_a_block(void **state)
{
	(void)state;
	struct text_block b = parse_ok("# a comment\n"
				       "hub HUB   # another\n"
				       "\n"
				       "party \"N O R\" [ a \"b c\"\n\n d ] x {\n"
				       "\tname \"say \\\"hi\\\" \\\\ there\"\n"
				       "}\r\n"
				       "limits { connections 10000 }\n"
				       "empty { }");
	assert_int_equal(b.count, 4);
	assert_true(bytes_is(b.items[0].name, "hub"));
	assert_int_equal(b.items[0].value_count, 1);
	assert_int_equal(b.items[0].values[0].kind, TEXT_WORD);
	const struct text_statement *party = &b.items[1];
	assert_int_equal(party->value_count, 3);
	assert_int_equal(party->values[0].kind, TEXT_STRING);
	assert_true(bytes_is(party->values[0].text, "N O R"));
	assert_int_equal(party->values[1].kind, TEXT_LIST);
	assert_int_equal(party->values[1].count, 3);
	assert_true(bytes_is(party->values[1].items[1].text, "b c"));
	assert_true(party->has_block);
	assert_int_equal(party->block.count, 1);
	assert_true(bytes_is(party->block.items[0].values[0].text, "say \"hi\" \\ there"));
	assert_int_equal(b.items[2].block.count, 1);
	assert_true(b.items[3].has_block);
	assert_int_equal(b.items[3].block.count, 0);
	assert_int_equal(parse_ok("").count, 0);
	assert_int_equal(parse_ok("\n # only a comment").count, 0);
}

static void
everything_has_its_position(void **state)
{
	(void)state;
	struct text_block b = parse_ok("\n  a \"\xc3\xa9\" [ b\n\tc ] {\n\t}\n");
	const struct text_statement *s = &b.items[0];
	assert_int_equal(s->pos.line, 2);
	assert_int_equal(s->pos.col, 3);
	assert_int_equal(s->values[0].pos.col, 5);
	assert_int_equal(s->values[1].pos.col, 9); /* characters, not bytes */
	assert_int_equal(s->values[1].items[1].pos.line, 3);
	assert_int_equal(s->values[1].items[1].pos.col, 2);
	assert_int_equal(s->block.end.line, 4);
	assert_int_equal(b.end.line, 5);
}

static void
every_character_of_a_word_may_stand_without_quotes(void **state)
{
	(void)state;
	struct text_block b = parse_ok("w azAZ09_.:/+@*%=<>~|-");
	assert_int_equal(b.items[0].value_count, 1);
	assert_true(text_is_word(bytes_of("azAZ09_.:/+@*%=<>~|-")));
	assert_false(text_is_word(bytes_of("a,b")));
	assert_false(text_is_word(bytes_of("")));
}

static void
quoting_gives_what_reads_back(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "word", "word" },
		{ "", "\"\"" },
		{ "two words", "\"two words\"" },
		{ "a\"b\\c", "\"a\\\"b\\\\c\"" },
		{ "caf\xc3\xa9", "\"caf\xc3\xa9\"" },
		{ "tab\t", "\"tab\t\"" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *quoted = text_quote(&arena, bytes_of(cases[i][0]));
		assert_string_equal(quoted, cases[i][1]);
		struct text_block b = parse_ok(arena_printf(&arena, "x %s", quoted));
		assert_true(bytes_is(b.items[0].values[0].text, cases[i][0]));
	}
	assert_null(text_quote(&arena, bytes_of("a\nb")));
	assert_null(text_quote(&arena, bytes_of("a\x01")));
	assert_null(text_quote(&arena, bytes_of("\xff")));
}

/* ---- what it refuses ---- */

static void
an_error_has_line_caret_and_help(void **state)
{
	(void)state;
	prints("hub HUB\n\tparty NOR { x , }\n", "a.policy:2:16: error: ',' must be quoted\n"
						 "\tparty NOR { x , }\n"
						 "\t              ^\n" QUOTE_HELP);
}

static void
each_fault_of_form_has_its_words(void **state)
{
	(void)state;
	prints("a \"b\nc", "a.policy:1:3: error: the string is not closed\n"
			   "a \"b\n  ^\n"
			   "help: a string ends on the line where it begins\n");
	prints("a \"b\\n\"", "a.policy:1:5: error: unknown escape\n"
			     "a \"b\\n\"\n    ^\n"
			     "help: \\\" and \\\\ are the only escapes\n");
	prints("a \"b\"c", "a.policy:1:6: error: a blank is missing\n"
			   "a \"b\"c\n     ^\n"
			   "help: put a blank between two values\n");
	prints("a b\"c\"", "a.policy:1:4: error: a blank is missing\n"
			   "a b\"c\"\n   ^\n"
			   "help: put a blank between two values\n");
	prints("a [ b [ c ] ]", "a.policy:1:7: error: a list inside a list\n"
				"a [ b [ c ] ]\n      ^\n"
				"help: a list holds words and strings\n");
	prints("a [ b\nc", "a.policy:1:3: error: the list is not closed\n"
			   "a [ b\n  ^\n"
			   "help: close it with ']'\n");
	prints("a [ b c b ]", "a.policy:1:9: error: 'b' is twice in this list\n"
			      "a [ b c b ]\n        ^\n"
			      "help: name it once\n");
	prints("a ]", "a.policy:1:3: error: ']' without '['\n"
		      "a ]\n  ^\n"
		      "help: a list begins with '['\n");
	prints("a {\nb", "a.policy:1:3: error: the block is not closed\n"
			 "a {\n  ^\n"
			 "help: close it with '}'\n");
	prints("a\n}\nb", "a.policy:2:1: error: '}' without '{'\n}\n^\n");
	prints("{ a }", "a.policy:1:1: error: '{' where a statement should begin\n"
			"{ a }\n^\n"
			"help: a statement begins with its name\n");
	prints("[ a ]", "a.policy:1:1: error: '[' where a statement should begin\n"
			"[ a ]\n^\n"
			"help: a statement begins with its name\n");
	prints("a { b } c", "a.policy:1:9: error: 'c' follows on the same line\n"
			    "a { b } c\n        ^\n"
			    "help: begin a new line\n");
}

static void
characters_that_deceive_are_refused_anywhere(void **state)
{
	(void)state;
	static const char help[] =
	    "help: remove it: it could make the text look other than it is\n";
	prints("# \xe2\x80\xae evil",
	    arena_printf(&arena,
		"a.policy:1:3: error: bidirectional control character U+202E is not allowed\n"
		"# ? evil\n  ^\n%s",
		help));
	prints("a \"b\xe2\x80\x8b\"",
	    arena_printf(&arena,
		"a.policy:1:5: error: invisible character U+200B is not allowed\n"
		"a \"b?\"\n    ^\n%s",
		help));
	prints("\xef\xbb\xbf"
	       "a",
	    arena_printf(&arena,
		"a.policy:1:1: error: invisible character U+FEFF is not allowed\n?a\n^\n%s", help));
	prints("a\rb",
	    arena_printf(&arena,
		"a.policy:1:2: error: control character U+000D is not allowed\na?b\n ^\n%s", help));
	prints("a \x1b[2J",
	    arena_printf(&arena,
		"a.policy:1:3: error: control character U+001B is not allowed\na ?[2J\n  ^\n%s",
		help));
	prints("a \xc2\x85",
	    arena_printf(&arena,
		"a.policy:1:3: error: control character U+0085 is not allowed\na ?\n  ^\n%s",
		help));
}

static void
what_is_not_utf8_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "\xff", "\xc0\xaf", "\xe2\x80", "\xed\xa0\x80",
		"\xf4\x90\x80\x80", "\x80", "\xf8\x88\x80\x80\x80" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct text_errors l;
		struct text_block b;
		text_errors_init(&l);
		assert_false(text_parse(&arena, bytes_of("a"), bytes_of(bad[i]), &l, &b));
		assert_string_equal(l.errors[0].text,
		    arena_printf(&arena, "byte 0x%02x is not UTF-8", (uint8_t)bad[i][0]));
		text_errors_done(&l);
	}
	static const char nul[] = "a\0b";
	struct text_errors l;
	struct text_block b;
	text_errors_init(&l);
	assert_false(text_parse(&arena, bytes_of("a"), bytes_from(nul, 3), &l, &b));
	assert_string_equal(l.errors[0].text, "control character U+0000 is not allowed");
	text_errors_done(&l);
}

static void
parsing_goes_on_after_an_error(void **state)
{
	(void)state;
	prints("a ,\nb {\n  c ;\n  d\n}\ne !\n",
	    "a.policy:1:3: error: ',' must be quoted\na ,\n  ^\n" QUOTE_HELP
	    "a.policy:3:5: error: ';' must be quoted\n  c ;\n    ^\n" QUOTE_HELP
	    "a.policy:6:3: error: '!' must be quoted\ne !\n  ^\n" QUOTE_HELP);
}

static void
a_block_after_a_fault_on_its_line_is_not_read_as_the_outer_one(void **state)
{
	(void)state;
	prints("a , {\n  b\n}\nc\n",
	    "a.policy:1:3: error: ',' must be quoted\na , {\n  ^\n" QUOTE_HELP);
}

/* ---- limits ---- */

static void
up_to_twenty_errors_are_shown_and_all_are_counted(void **state)
{
	(void)state;
	for (unsigned n = LIMIT_POLICY_ERRORS; n <= LIMIT_POLICY_ERRORS + 2; n++) {
		char text[512] = "";
		struct text_errors l;
		struct text_block b;
		for (unsigned i = 0; i < n; i++)
			strcat(text, "a ,\n");
		text_errors_init(&l);
		assert_false(text_parse(&arena, bytes_of("a"), bytes_of(text), &l, &b));
		assert_int_equal(l.error_count, n);
		const char *page = text_errors_format(&l, &arena);
		const char *more = strstr(page, "and ");
		for (const char *next = more; next != NULL; next = strstr(next + 1, "and "))
			more = next;
		if (n == LIMIT_POLICY_ERRORS)
			assert_null(strstr(page, " more error"));
		else
			assert_string_equal(more, n == LIMIT_POLICY_ERRORS + 1
						      ? "and 1 more error\n"
						      : "and 2 more errors\n");
		text_errors_done(&l);
	}
}

static void
blocks_nest_to_a_depth_and_no_deeper(void **state)
{
	(void)state;
	char text[512] = "";
	for (unsigned i = 0; i < LIMIT_POLICY_DEPTH; i++)
		strcat(text, "a {\n");
	for (unsigned i = 0; i < LIMIT_POLICY_DEPTH; i++)
		strcat(text, "}\n");
	(void)parse_ok(text);
	prints(arena_printf(&arena, "x {\n%s}\n", text),
	    "a.policy:9:3: error: blocks are nested deeper than 8\na {\n  ^\n");
}

static void
a_file_has_a_limit(void **state)
{
	(void)state;
	char *text = arena_alloc(&arena, LIMIT_POLICY_FILE_BYTES + 2);
	memset(text, '\n', LIMIT_POLICY_FILE_BYTES + 1);
	text[LIMIT_POLICY_FILE_BYTES + 1] = 0;
	prints(text, "a.policy: error: larger than 1048576 bytes\n");
	(void)parse_ok(text + 1);
}

static void
a_policy_that_does_not_fit_the_arena_is_an_error(void **state)
{
	(void)state;
	SCOPED(arena_done) struct arena small;
	struct text_errors l;
	struct text_block b;
	char text[8192];
	for (size_t i = 0; i + 1 < sizeof(text); i++)
		text[i] = i % 2 == 0 ? 'a' : '\n';
	text[sizeof(text) - 1] = 0;
	text_errors_init(&l);
	arena_init(&small, 20000);
	assert_false(text_parse(&small, bytes_of("a"), bytes_of(text), &l, &b));
	assert_int_equal(l.error_count, 1);
	assert_string_equal(l.errors[0].text, "out of memory: the policy is too large");
	text_errors_done(&l);
}

static void
a_long_line_is_shown_around_the_fault(void **state)
{
	(void)state;
	char text[1000];
	struct text_errors l;
	struct text_block b;
	memset(text, 'w', 900);
	strcpy(text + 900, " ,");
	text_errors_init(&l);
	assert_false(text_parse(&arena, bytes_of("a"), bytes_of(text), &l, &b));
	assert_int_equal(l.errors[0].col, 902);
	assert_int_equal(l.errors[0].caret, 100);
	assert_int_equal(l.errors[0].source[100], ',');
	text_errors_done(&l);
}

/* ---- warnings, errors of others ---- */

static void
warnings_stop_nothing_and_errors_become_an_err(void **state)
{
	(void)state;
	struct text_errors l;
	struct err e = { 0 };
	struct text_file f = { bytes_of("f"), bytes_of("x y\n") };
	struct text_pos pos = { &f, 1, 3 };
	text_errors_init(&l);
	text_warning(&l, &pos, NULL, "careful with %s", "y");
	assert_int_equal(l.error_count, 0);
	assert_false(text_error(&l, &pos, "help", "bad"));
	assert_false(text_errors_to_err(&l, ERR_POLICY, &e));
	assert_string_equal(e.text, "f:1:3: bad");
	assert_int_equal(e.code, ERR_POLICY);
	(void)err_set(&e, ERR_IO, "story");
	assert_false(text_error_from(&l, NULL, &e));
	assert_false(text_errors_to_err(&l, ERR_POLICY, &e));
	assert_string_equal(e.text, "2 errors, the first: f:1:3: bad");
	assert_string_equal(text_errors_format(&l, &arena),
	    "f:1:3: warning: careful with y\nx y\n  ^\n"
	    "f:1:3: error: bad\nx y\n  ^\nhelp: help\n"
	    "error: story\n");
	text_errors_done(&l);
}

static void
did_you_mean_takes_the_nearest_and_nothing_far(void **state)
{
	(void)state;
	const struct bytes known[] = { bytes_of("clearance"), bytes_of("member"),
		bytes_of("equivalence"), bytes_of("to") };
	static const struct {
		const char *name;
		ptrdiff_t index;
	} cases[] = {
		{ "clearence", 0 },
		{ "Clearance", 0 },
		{ "claerance", 0 },
		{ "memebr", 1 },
		{ "equivalent", 2 },
		{ "ot", 3 },
		{ "xyz", -1 },
		{ "", -1 },
		{ "q", -1 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(text_nearest(bytes_of(cases[i].name), known, 4), cases[i].index);
}

/* Each block of a policy has a note of its name, in case that something is wrong in it. */
static void
an_error_has_its_words_however_large_the_policy_is(void **state)
{
	struct text_errors l;
	(void)state;
	text_errors_init(&l);
	for (unsigned i = 0; i < 100000; i++)
		(void)text_note(&l, "agreement 'a%u'", i);
	assert_false(text_error(&l, NULL, NULL, "more than %u agreements", 4096));
	assert_string_equal(l.errors[0].text, "more than 4096 agreements");
	text_errors_done(&l);
}

static void
a_list_of_errors_that_is_full_lets_no_character_pass(void **state)
{
	(void)state;
	SCOPED(text_errors_done) struct text_errors l;
	struct text_block b;
	text_errors_init(&l);
	for (size_t i = 0; i < LIMIT_POLICY_ERRORS + 5; i++)
		text_error(&l, NULL, NULL, "of a file before");
	size_t before = l.error_count;
	assert_false(text_parse(&arena, bytes_of("a"), bytes_of("a \"\xff\"\n"), &l, &b));
	assert_int_equal(l.error_count, before + 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_list_of_errors_that_is_full_lets_no_character_pass),
		T(a_statement_is_a_name_with_values_and_perhaps_a_block),
		T(everything_has_its_position),
		T(every_character_of_a_word_may_stand_without_quotes),
		T(quoting_gives_what_reads_back),
		T(an_error_has_line_caret_and_help),
		T(each_fault_of_form_has_its_words),
		T(characters_that_deceive_are_refused_anywhere),
		T(what_is_not_utf8_is_refused),
		T(parsing_goes_on_after_an_error),
		T(a_block_after_a_fault_on_its_line_is_not_read_as_the_outer_one),
		T(up_to_twenty_errors_are_shown_and_all_are_counted),
		T(blocks_nest_to_a_depth_and_no_deeper),
		T(a_file_has_a_limit),
		T(a_policy_that_does_not_fit_the_arena_is_an_error),
		T(a_long_line_is_shown_around_the_fault),
		T(an_error_has_its_words_however_large_the_policy_is),
		T(warnings_stop_nothing_and_errors_become_an_err),
		T(did_you_mean_takes_the_nearest_and_nothing_far),
	};
	return cmocka_run_group_tests_name("block grammar", tests, NULL, NULL);
}
