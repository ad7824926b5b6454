#include "tests/lib/test.h"

#include "audit/base64.h"
#include "audit/tile.h"

static void
paths_are_those_of_tlog_tiles(void **state)
{
	static const struct {
		unsigned level, width;
		uint64_t n;
		const char *path;
	} cases[] = {
		{ 0, 256, 0, "tile/0/000" },
		{ 1, 256, 999, "tile/1/999" },
		{ 0, 256, 1000, "tile/0/x001/000" },
		{ 7, 1, 1234067, "tile/7/x001/x234/067.p/1" },
		{ TILE_ENTRIES, 255, 5, "tile/entries/005.p/255" },
		{ 0, 256, UINT64_MAX, "tile/0/x018/x446/x744/x073/x709/x551/615" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char path[TILE_PATH_MAX];
		unsigned level, width;
		uint64_t n;
		tile_path(cases[i].level, cases[i].n, cases[i].width, path);
		assert_string_equal(path, cases[i].path);
		assert_true(tile_path_parse(bytes_of(path), &level, &n, &width, NULL));
		assert_true(level == cases[i].level && n == cases[i].n && width == cases[i].width);
	}
}

static void
every_other_spelling_of_a_path_is_refused(void **state)
{
	static const char *const bad[] = { "", "tile/", "tile/0", "tile/0/", "tile/8/000",
		"tile/00/000", "tile/0/0000", "tile/0/00", "tile/0/x000/001", "tile/0/x001/1",
		"tile/0/001/002", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01",
		"tile/0/000.p/", "tile/0/000/", "tile/entries000", "tile/entry/000",
		"tile/0/x018/x446/x744/x073/x709/x551/616",
		"tile/0/x001/x018/x446/x744/x073/x709/x551/615", "../tile/0/000" };
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		unsigned level, width;
		uint64_t n;
		struct err e;
		if (tile_path_parse(bytes_of(bad[i]), &level, &n, &width, &e))
			fail_msg("'%s' was read", bad[i]);
		assert_string_equal(e.text, "no path of a tile");
	}
}

static void
base64_has_one_spelling(void **state)
{
	static const struct {
		const char *plain, *text;
	} good[] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" } };
	static const char *const bad[] = { "Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zm8",
		"====", "Z===", "Zg==Zg==", "Zm9v\n", "Zm-v", " m9v" };
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		char text[16] = { 0 };
		uint8_t plain[16];
		size_t len;
		base64_write(bytes_of(good[i].plain), text);
		assert_string_equal(text, good[i].text);
		assert_true(base64_read(bytes_of(text), plain, &len));
		assert_true(bytes_is(bytes_from(plain, len), good[i].plain));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		uint8_t plain[16];
		size_t len;
		assert_false(base64_read(bytes_of(bad[i]), plain, &len));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_those_of_tlog_tiles),
		cmocka_unit_test(every_other_spelling_of_a_path_is_refused),
		cmocka_unit_test(base64_has_one_spelling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
