/* The spellings of foreign text: UTF-8, names, topics, patterns, paths, SPIFFE ids, UUIDs. */
#include "proto/limits.h"
#include "proto/spiffe.h"
#include "proto/syntax.h"
#include "proto/uuid.h"
#include "tests/lib/test.h"

static void
utf8_is_what_unicode_says_without_nul(void **state)
{
	(void)state;
	static const char *const good[] = { "", "plain", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
		"\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
		"\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2 ",
		"\xe0\x9f\xbf", "\xe0\xa0", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf",
		"\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xfe" };
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(syntax_is_utf8(bytes_of(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(syntax_is_utf8(bytes_of(bad[i])));
	assert_false(syntax_is_utf8(bytes_from("a\0b", 3)));
}

/* Texts are read eight bytes at once where they are plain: no byte of such a word is passed over.
 */
static void
one_byte_decides_wherever_it_stands(void **state)
{
	(void)state;
	for (size_t len = 1; len <= 24; len++)
		for (size_t at = 0; at < len; at++)
			for (unsigned c = 0; c < 256; c++) {
				uint8_t text[24];
				memset(text, 'a', sizeof(text));
				text[at] = (uint8_t)c;
				bool good = syntax_is_utf8(bytes_from(text, len));
				assert_int_equal(good, c != 0 && c < 0x80);
			}
	static const char euro[] = "aaaaa\xe2\x82\xac"
				   "aaaaaaaaaaaa";
	for (size_t from = 0; from < 6; from++)
		assert_true(syntax_is_utf8(bytes_of(euro + from)));
	assert_false(syntax_is_utf8(bytes_of(euro + 6)));
	assert_false(syntax_is_utf8(bytes_from(euro, 7)));
}

static void
a_name_has_64_characters_and_not_one_more(void **state)
{
	(void)state;
	char name[66];
	struct err e;
	memset(name, 'a', sizeof(name));
	assert_true(syntax_name(bytes_from(name, LIMIT_PARTY_NAME_BYTES), &e));
	assert_false(syntax_name(bytes_from(name, LIMIT_PARTY_NAME_BYTES + 1), &e));
	assert_int_equal(e.code, ERR_LIMIT);
	assert_string_equal(e.text, "a name of 65 bytes, not at most 64");
	assert_true(syntax_is_name(bytes_of("9-_x")));
	static const char *const bad[] = { "", "-a", "_a", "a.b", "a b", "\xc3\xa9", "a/" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(syntax_name(bytes_of(bad[i]), &e));
		assert_int_equal(e.code, ERR_MALFORMED);
		assert_string_equal(e.text,
		    "not a name: letters, digits, '-' and '_', beginning with a letter or digit");
	}
}

static void
a_topic_has_16_tokens_in_255_bytes(void **state)
{
	(void)state;
	char topic[300];
	struct err e;
	assert_true(syntax_topic(bytes_of("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p"), &e));
	assert_false(syntax_topic(bytes_of("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q"), &e));
	assert_int_equal(e.code, ERR_LIMIT);
	assert_string_equal(e.text, "a topic of more than 16 tokens");
	memset(topic, 'x', sizeof(topic));
	assert_true(syntax_topic(bytes_from(topic, 255), &e));
	assert_false(syntax_topic(bytes_from(topic, 256), &e));
	assert_int_equal(e.code, ERR_LIMIT);
	assert_string_equal(e.text, "a topic of 256 bytes, not at most 255");
	static const char *const bad[] = { "", ".", "a.", ".a", "a..b", "a b", "*", "a.>", "a/b",
		"\xc3\xa9" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(syntax_topic(bytes_of(bad[i]), &e));
		assert_int_equal(e.code, ERR_MALFORMED);
	}
	assert_false(syntax_topic(bytes_of("a.b c"), &e));
	assert_string_equal(
	    e.text, "token 2 of the topic is not made of letters, digits, '-' and '_'");
}

static void
a_pattern_may_end_in_anything_and_have_any_token(void **state)
{
	(void)state;
	static const char *const good[] = { ">", "*", "a.*", "a.>", "*.b.*", "a.*.>", "a.b" };
	static const char *const bad[] = { "", "a.>.b", ">.a", "a*", "a.**", "a.>>", "a..>" };
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(syntax_pattern(bytes_of(good[i]), NULL));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(syntax_pattern(bytes_of(bad[i]), NULL));
}

static void
a_path_stays_below_its_folder(void **state)
{
	(void)state;
	struct err e;
	static const char *const good[] = { "a", "tile/0/x001/067", "log.vkey", "a/..b", "a.b/c" };
	static const char *const bad[] = { "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b",
		"a/./b", "a b", "a\\b", "~/a" };
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(syntax_path(bytes_of(good[i]), &e));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(syntax_path(bytes_of(bad[i]), &e));
		assert_string_equal(e.text, "not a plain relative path");
	}
}

static void
a_spiffe_id_has_a_domain_and_a_path_in_one_spelling(void **state)
{
	(void)state;
	struct spiffe_id id;
	struct err e;
	assert_true(spiffe_parse(bytes_of("spiffe://gbr.example/fusion-desk/A_1.x"), &id, &e));
	assert_true(bytes_is(id.domain, "gbr.example"));
	assert_true(bytes_is(id.path, "/fusion-desk/A_1.x"));
	static const char *const bad[] = { "", "spiffe:/a/b", "SPIFFE://a/b", "https://a/b",
		"spiffe://", "spiffe:///b", "spiffe://a", "spiffe://a/", "spiffe://a/b/",
		"spiffe://A/b", "spiffe://a/./b", "spiffe://a/../b", "spiffe://a//b",
		"spiffe://a/b%20c", "spiffe://a:1/b", "spiffe://u@a/b", "spiffe://a/b?c",
		"spiffe://a/b#c", "spiffe://a/\xc3\xa9" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(spiffe_parse(bytes_of(bad[i]), &id, &e));
		assert_int_equal(e.code, ERR_MALFORMED);
	}
	assert_false(spiffe_parse(bytes_from("spiffe://a/b\0c", 14), &id, &e));
	assert_true(bytes_is(id.domain, "gbr.example")); /* untouched */
}

static void
a_spiffe_id_has_2048_bytes_and_its_domain_255(void **state)
{
	(void)state;
	static char text[2100];
	struct spiffe_id id;
	struct err e;
	memset(text, 'a', sizeof(text));
	memcpy(text, "spiffe://", 9);
	text[9 + 255] = '/';
	assert_true(spiffe_parse(bytes_from(text, LIMIT_SPIFFE_ID_BYTES), &id, &e));
	assert_false(spiffe_parse(bytes_from(text, LIMIT_SPIFFE_ID_BYTES + 1), &id, &e));
	assert_string_equal(e.text, "a SPIFFE id of 2049 bytes, not at most 2048");
	text[9 + 255] = 'a';
	text[9 + 256] = '/';
	assert_false(spiffe_parse(bytes_from(text, 1000), &id, &e));
	assert_string_equal(
	    e.text, "the trust domain of a SPIFFE id is 1..255 of a-z, 0-9, '.', '-', '_'");
	assert_false(spiffe_is_domain(bytes_of("")));
	assert_false(spiffe_is_domain(bytes_of("a/b")));
}

static void
a_content_type_is_type_and_subtype_whatever_follows(void **state)
{
	(void)state;
	static const struct {
		const char *in, *type;
	} good[] = { { "text/plain", "text/plain" }, { "text/plain; charset=utf-8", "text/plain" },
		{ "a/b \t;x/y", "a/b" },
		{ "application/stix+json;version=2.1", "application/stix+json" },
		{ "A/*", "A/*" } };
	static const char *const bad[] = { "", "/", "text", "text/", "/plain", "a/b/c", "a b/c",
		"a/b c", ";text/plain", " text/plain", "t\xc3\xa9xt/plain", "a/(b)" };
	struct bytes type;
	struct err e;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(syntax_media_type(bytes_of(good[i].in), &type));
		assert_true(bytes_is(type, good[i].type));
		assert_true(syntax_content_type(bytes_of(good[i].in), &e));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(syntax_content_type(bytes_of(bad[i]), &e));
		assert_int_equal(e.code, ERR_MALFORMED);
		assert_string_equal(e.text, "a content type is type/subtype");
	}
}

static void
a_report_id_prints_and_reads_back(void **state)
{
	(void)state;
	uint8_t id[UUID_BYTES], back[UUID_BYTES] = { 0 };
	char text[UUID_TEXT + 1];
	for (size_t i = 0; i < sizeof(id); i++)
		id[i] = (uint8_t)(i * 17);
	uuid_print(id, text);
	assert_string_equal(text, "00112233-4455-6677-8899-aabbccddeeff");
	assert_true(uuid_parse(bytes_of(text), back));
	assert_memory_equal(id, back, sizeof(id));
	assert_true(uuid_parse(bytes_of("00112233-4455-6677-8899-AABBCCDDEEFF"), back));
	static const char *const bad[] = { "", "00112233-4455-6677-8899-aabbccddeef",
		"00112233-4455-6677-8899-aabbccddeeff0", "00112233x4455-6677-8899-aabbccddeeff",
		"0011223344-55-6677-8899-aabbccddeeff", "g0112233-4455-6677-8899-aabbccddeeff" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(uuid_parse(bytes_of(bad[i]), back));
	assert_memory_equal(id, back, sizeof(id));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_is_what_unicode_says_without_nul),
		cmocka_unit_test(one_byte_decides_wherever_it_stands),
		cmocka_unit_test(a_name_has_64_characters_and_not_one_more),
		cmocka_unit_test(a_topic_has_16_tokens_in_255_bytes),
		cmocka_unit_test(a_pattern_may_end_in_anything_and_have_any_token),
		cmocka_unit_test(a_path_stays_below_its_folder),
		cmocka_unit_test(a_spiffe_id_has_a_domain_and_a_path_in_one_spelling),
		cmocka_unit_test(a_spiffe_id_has_2048_bytes_and_its_domain_255),
		cmocka_unit_test(a_content_type_is_type_and_subtype_whatever_follows),
		cmocka_unit_test(a_report_id_prints_and_reads_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
