/* Includes, schemas and typed values of the block grammar. */
#include "tests/lib/test.h"

#include "policy/text.h"

static struct arena arena;
static struct text_errors errors;

static int
set_up(void **state)
{
	(void)state;
	arena_init(&arena, 64 << 20);
	text_errors_init(&errors);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	text_errors_done(&errors);
	arena_done(&arena);
	return 0;
}

/* ---- a file system of names and texts ---- */

static const char *const (*disk)[2];

static bool
disk_read(void *context, const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	(void)context;
	(void)a;
	for (size_t i = 0; disk[i][0] != NULL; i++) {
		if (strcmp(disk[i][0], path) == 0) {
			*out = bytes_of(disk[i][1]);
			return true;
		}
	}
	return err_set(e, ERR_NOT_FOUND, "%s: no such file", path);
}

static bool
disk_list(void *context, const char *folder, struct arena *a, struct names *out, struct err *e)
{
	(void)context;
	size_t n = strlen(folder);
	struct bytes *items = arena_zalloc(a, 64, sizeof(*items));
	out->items = items;
	out->count = 0;
	for (size_t i = 0; disk[i][0] != NULL; i++)
		if (strncmp(disk[i][0], folder, n) == 0 && disk[i][0][n] == '/')
			items[out->count++] = bytes_of(disk[i][0] + n + 1);
	return out->count != 0 || err_set(e, ERR_NOT_FOUND, "%s: no such folder", folder);
}

static const struct text_reader reader = { disk_read, disk_list, NULL };

/* The names of the statements that a load gives, in order. */
static const char *
load(const char *const (*files)[2], const char *root)
{
	struct text_block b;
	const char *names = "";
	disk = files;
	if (!text_load(&arena, root, &reader, &errors, &b))
		return text_errors_format(&errors, &arena);
	for (size_t i = 0; i < b.count; i++)
		names = arena_printf(&arena, "%s%.*s ", names, (int)b.items[i].name.len,
		    (const char *)b.items[i].name.data);
	return names;
}

static void
included_statements_stand_in_place_of_the_include(void **state)
{
	(void)state;
	static const char *const files[][2] = {
		{ "p/relto.policy", "one\ninclude \"sub/x.policy\"\ntwo\ninclude-dir agreements.d\n"
				    "three\n" },
		{ "p/sub/x.policy", "x\ninclude ../y.policy\n" },
		{ "p/y.policy", "y" },
		{ "p/agreements.d/b.policy", "b" },
		{ "p/agreements.d/a.policy", "a {\n inner\n}" },
		{ "p/agreements.d/.#a.policy", "hidden" },
		{ "p/agreements.d/notes.txt", "notes" },
		{ "p/agreements.d/B.policy", "B" },
		{ NULL, NULL },
	};
	assert_string_equal(load(files, "p/./relto.policy"), "one x y two B a b three ");
}

static void
paths_are_relative_to_their_file_or_absolute(void **state)
{
	(void)state;
	static const char *const files[][2] = {
		{ "relto.policy", "include a//./b/../x.policy\ninclude /etc/../abs.policy\n"
				  "include ../../up.policy" },
		{ "a/x.policy", "x" },
		{ "/abs.policy", "abs" },
		{ "../../up.policy", "up" },
		{ NULL, NULL },
	};
	assert_string_equal(load(files, "relto.policy"), "x abs up ");
}

static void
a_cycle_is_named(void **state)
{
	(void)state;
	static const char *const files[][2] = {
		{ "a", "include b" },
		{ "b", "one\ninclude sub/../c" },
		{ "c", "include a" },
		{ NULL, NULL },
	};
	assert_string_equal(load(files, "a"), "c:1:9: error: cycle of includes: a -> b -> c -> a\n"
					      "include a\n        ^\n"
					      "help: a file cannot include itself\n");
}

static void
a_file_that_includes_itself_is_a_cycle(void **state)
{
	(void)state;
	static const char *const files[][2] = { { "a", "include a" }, { NULL, NULL } };
	assert_string_equal(load(files, "a"), "a:1:9: error: cycle of includes: a -> a\n"
					      "include a\n        ^\n"
					      "help: a file cannot include itself\n");
}

static void
what_cannot_be_read_is_said_where_it_was_named(void **state)
{
	(void)state;
	static const char *const files[][2] = {
		{ "a", "include b\ninclude-dir d\ninclude [ x ]\ninclude\nq {\n include z\n}" },
		{ NULL, NULL },
	};
	assert_string_equal(load(files, "a"),
	    "a:1:9: error: b: no such file\ninclude b\n        ^\n"
	    "a:2:13: error: d: no such folder\ninclude-dir d\n            ^\n"
	    "a:3:1: error: 'include' takes one path\ninclude [ x ]\n^\n"
	    "help: include \"PATH\"\n"
	    "a:4:1: error: 'include' takes one path\ninclude\n^\n"
	    "help: include \"PATH\"\n"
	    "a:6:2: error: an include inside a block\n include z\n ^\n"
	    "help: move it out of the block\n");
	text_errors_done(&errors);
	text_errors_init(&errors);
	assert_string_equal(load(files, "nowhere"), "error: nowhere: no such file\n");
}

static void
includes_nest_to_a_depth_and_no_deeper(void **state)
{
	(void)state;
	static const char *const files[][2] = {
		{ "x", "include 0" },
		{ "0", "include 1" },
		{ "1", "include 2" },
		{ "2", "include 3" },
		{ "3", "include 4" },
		{ "4", "include 5" },
		{ "5", "include 6" },
		{ "6", "include 7" },
		{ "7", "include 8" },
		{ "8", "end" },
		{ NULL, NULL },
	};
	assert_string_equal(load(files, "0"), "end ");
	assert_string_equal(load(files, "x"),
	    "7:1:9: error: includes are nested deeper than 8\ninclude 8\n        ^\n");
}

static void
a_text_alone_does_not_include(void **state)
{
	(void)state;
	struct text_block b;
	assert_true(text_parse(&arena, bytes_of("a"), bytes_of("include b"), &errors, &b));
	assert_true(bytes_is(b.items[0].name, "include"));
}

/* ---- schemas ---- */

static const struct text_setting settings[] = {
	{ "hub", "v", TEXT_BLOCK_NONE, false, true, "hub PARTY" },
	{ "roles", "l", TEXT_BLOCK_NONE, false, false, "roles [ ROLE .. ]" },
	{ "party", "v", TEXT_BLOCK_REQUIRED, true, false, "party NAME { .. }" },
	{ "clearance", "a*", TEXT_BLOCK_OPTIONAL, true, false, NULL },
	{ "onward", "v?vv", TEXT_BLOCK_NONE, false, false, "onward WORD [within DURATION]" },
	{ "any", NULL, TEXT_BLOCK_OPTIONAL, true, false, NULL },
};

static const char *
check(const char *text, const char *of)
{
	struct text_block b;
	text_errors_done(&errors);
	text_errors_init(&errors);
	assert_true(text_parse(&arena, bytes_of("a"), bytes_of(text), &errors, &b));
	bool ok = text_check(&errors, of, &b, settings, sizeof(settings) / sizeof(settings[0]));
	const char *page = text_errors_format(&errors, &arena);
	assert_int_equal(ok, page[0] == 0);
	return page;
}

static void
a_schema_knows_names_values_blocks_and_repetition(void **state)
{
	(void)state;
	assert_string_equal(check("hub H\nroles [ a ]\nparty A {\n}\nparty B { x }\n"
				  "clearance X up-to Y\nclearance [ a ] { b }\nonward members\n"
				  "any\nany a [ b ] { c }",
				"x"),
	    "");
	assert_string_equal(check("onward consent within 2h\nhub H", ""), "");
	assert_string_equal(check("hub H\nhbu I\nmystery", ""),
	    "a:2:1: error: unknown setting 'hbu'\nhbu I\n^\nhelp: did you mean 'hub'?\n"
	    "a:3:1: error: unknown setting 'mystery'\nmystery\n^\n"
	    "help: known here: hub roles party clearance onward any\n");
	assert_string_equal(check("hub H\nhub I", "party A"),
	    "a:2:1: error: 'hub' is set twice in party A\nhub I\n^\nhelp: first in 'a' line 1\n");
	assert_string_equal(check("\n", "party A"),
	    "a:2:1: error: 'hub' is missing in party A\n\n^\nhelp: usage: hub PARTY\n");
	assert_string_equal(check("hub [ H ]\nroles a\nonward a within", ""),
	    "a:1:1: error: 'hub' takes one value\nhub [ H ]\n^\nhelp: usage: hub PARTY\n"
	    "a:2:1: error: 'roles' takes a list in [ ]\nroles a\n^\n"
	    "help: usage: roles [ ROLE .. ]\n");
	assert_string_equal(check("hub H { }\nparty A\nonward\nparty A B { }", ""),
	    "a:1:1: error: 'hub' takes no block\nhub H { }\n^\nhelp: usage: hub PARTY\n"
	    "a:2:1: error: 'party' needs a block { }\nparty A\n^\nhelp: usage: party NAME { .. }\n"
	    "a:3:1: error: these are not the values that 'onward' takes\nonward\n^\n"
	    "help: usage: onward WORD [within DURATION]\n"
	    "a:4:1: error: 'party' takes one value\nparty A B { }\n^\n"
	    "help: usage: party NAME { .. }\n");
}

/* ---- typed values ---- */

static const struct text_value *
value(const char *text)
{
	struct text_block b;
	text_errors_done(&errors);
	text_errors_init(&errors);
	assert_true(text_parse(
	    &arena, bytes_of("a"), bytes_of(arena_printf(&arena, "x %s", text)), &errors, &b));
	return &b.items[0].values[0];
}

static void
says(const char *text)
{
	assert_int_equal(errors.error_count, 1);
	assert_string_equal(errors.errors[0].text, text);
	assert_int_equal(errors.errors[0].col, 3);
}

static void
integers_durations_and_sizes_are_exact(void **state)
{
	(void)state;
	uint64_t n;
	assert_true(text_integer(&errors, value("0"), 0, 5, &n));
	assert_true(text_integer(&errors, value("18446744073709551615"), 0, UINT64_MAX, &n));
	assert_true(n == UINT64_MAX);
	static const char *const bad[] = { "18446744073709551616", "007", "-1", "+1", "1.0", "1e3",
		"\"\"", "6" };
	for (size_t i = 0; i < 7; i++)
		assert_false(text_integer(&errors, value(bad[i]), 0, UINT64_MAX, &n));
	assert_false(text_integer(&errors, value("6"), 1, 5, &n));
	says("'6' is not an integer from 1 to 5");
	assert_false(text_integer(&errors, value("[ 6 ]"), 1, 5, &n));
	says("a list where one value belongs");

	static const struct {
		const char *text;
		uint64_t ms;
	} durations[] = { { "1ms", 1 }, { "2s", 2000 }, { "3m", 180000 }, { "72h", 259200000 },
		{ "400d", UINT64_C(34560000000) }, { "0s", 0 } };
	for (size_t i = 0; i < 6; i++) {
		assert_true(text_duration(&errors, value(durations[i].text), 0, UINT64_MAX, &n));
		assert_true(n == durations[i].ms);
	}
	static const char *const no_durations[] = { "72", "h", "1.5h", "1h30m", "1H", "-1h", "01h",
		"213503982335d" };
	for (size_t i = 0; i < 8; i++)
		assert_false(text_duration(&errors, value(no_durations[i]), 0, UINT64_MAX, &n));
	says("'213503982335d' is not a duration"); /* overflows */
	assert_false(text_duration(&errors, value("1s"), 2000, 3000, &n));
	says("'1s' is not from 2000ms to 3000ms");

	assert_true(text_size(&errors, value("16KiB"), 0, UINT64_MAX, &n) && n == 16384);
	assert_true(text_size(&errors, value("1MiB"), 0, UINT64_MAX, &n) && n == 1 << 20);
	assert_true(text_size(&errors, value("256GiB"), 0, UINT64_MAX, &n));
	assert_true(n == UINT64_C(256) << 30);
	static const char *const no_sizes[] = { "16", "16KB", "16kib", "17179869184GiB" };
	for (size_t i = 0; i < 4; i++)
		assert_false(text_size(&errors, value(no_sizes[i]), 0, UINT64_MAX, &n));
	says("'17179869184GiB' is not a size");
	assert_false(text_size(&errors, value("1KiB"), 0, 1023, &n));
	says("'1KiB' is not from 0 to 1023 bytes");
}

static void
times_and_dates_are_those_of_the_calendar_in_utc(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t us;
	} times[] = {
		/* date -u -d TEXT +%s */
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-06-01T00:00:00Z", UINT64_C(1780272000000000) },
		{ "2000-02-29T23:59:59.5Z", UINT64_C(951868799500000) },
		{ "2024-03-01T00:00:00.000001Z", UINT64_C(1709251200000001) },
		{ "2100-03-01T00:00:00Z", UINT64_C(4107542400000000) },
		{ "9999-12-31T23:59:59Z", UINT64_C(253402300799000000) },
	};
	uint64_t us;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		assert_true(text_time(&errors, value(times[i].text), &us));
		assert_true(us == times[i].us);
	}
	static const char *const bad[] = { "2026-06-01", "2026-06-01T00:00:00", "2026-6-1T0:0:0Z",
		"2026-06-01T00:00:00+00:00", "2026-06-01t00:00:00z", "2026-02-29T00:00:00Z",
		"2100-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
		"2026-01-00T00:00:00Z", "2026-04-31T00:00:00Z", "2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z", "1969-12-31T00:00:00Z",
		"2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234567Z", "2026-01-01T00:00:00Zx" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(text_time(&errors, value(bad[i]), &us));
		says(arena_printf(&arena, "'%s' is not a time", bad[i]));
	}
	assert_true(text_date(&errors, value("2028-12-31"), &us));
	assert_true(us == UINT64_C(1861833600000000));
	assert_false(text_date(&errors, value("2028-12-32"), &us));
	says("'2028-12-32' is not a date");
}

static void
names_choices_strings_and_lists_are_checked(void **state)
{
	(void)state;
	static const char *const roles[] = { "publish", "subscribe" };
	char name[67];
	struct bytes out;
	struct names list;
	size_t index = 9;
	memset(name, 'n', sizeof(name));
	name[65] = 0;
	assert_false(text_name(&errors, value(name), "a party", &out));
	says(arena_printf(&arena, "'%s' cannot be the name of a party", name));
	assert_true(text_name(&errors, value(name + 1), "a party", &out));
	assert_int_equal(out.len, LIMIT_PARTY_NAME_BYTES);
	assert_false(text_name(&errors, value("-a"), "a party", &out));
	assert_false(text_name(&errors, value("a.b"), "a party", &out));
	assert_false(text_name(&errors, value("\"\""), "a party", &out));
	assert_true(text_name(&errors, value("0_-"), "a party", &out));

	assert_true(text_choice(&errors, value("subscribe"), roles, 2, &index));
	assert_int_equal(index, 1);
	assert_false(text_choice(&errors, value("subscrib"), roles, 2, &index));
	says("'subscrib' is not known here");
	assert_string_equal(errors.errors[0].help, "did you mean 'subscribe'?");
	assert_false(text_choice(&errors, value("qqq"), roles, 2, &index));
	assert_string_equal(errors.errors[0].help, "one of publish | subscribe");
	assert_true(text_keyword(&errors, value("from"), "from"));
	assert_false(text_keyword(&errors, value("form"), "from"));
	says("'form' where 'from' belongs");
	assert_false(text_keyword(&errors, value("[ from ]"), "from"));
	says("a list where 'from' belongs");

	assert_true(text_string(&errors, value("\"a b\""), 3, &out));
	assert_false(text_string(&errors, value("\"a b\""), 2, &out));
	says("longer than 2 bytes");
	assert_false(text_string(&errors, value("\"\""), 2, &out));
	says("the text is empty");

	assert_true(text_list(&errors, value("[ a b ]"), &arena, false, &list));
	assert_int_equal(list.count, 2);
	assert_false(text_list(&errors, value("a"), &arena, false, &list));
	says("'a' where a list in [ ] belongs");
	assert_false(text_list(&errors, value("[ ]"), &arena, false, &list));
	says("the list is empty");
	assert_true(text_list(&errors, value("[ ]"), &arena, true, &list));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(included_statements_stand_in_place_of_the_include),
		T(paths_are_relative_to_their_file_or_absolute),
		T(a_cycle_is_named),
		T(a_file_that_includes_itself_is_a_cycle),
		T(what_cannot_be_read_is_said_where_it_was_named),
		T(includes_nest_to_a_depth_and_no_deeper),
		T(a_text_alone_does_not_include),
		T(a_schema_knows_names_values_blocks_and_repetition),
		T(integers_durations_and_sizes_are_exact),
		T(times_and_dates_are_those_of_the_calendar_in_utc),
		T(names_choices_strings_and_lists_are_checked),
	};
	return cmocka_run_group_tests_name("policy files", tests, NULL, NULL);
}
