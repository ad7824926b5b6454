#include "tests/lib/test.h"

#include "tests/unit/audit/small_bundle.h"

static int
setup(void **state)
{
	*state = small_new();
	return 0;
}

static int
teardown(void **state)
{
	small_free(*state);
	return 0;
}

static void
an_entry_that_does_not_give_its_leaf_goes_into_no_bundle(void **state)
{
	struct small *s = *state;
	struct bundle_writer *w;
	struct err e;
	struct bundle_about about = { bytes_of(s->vkey.name), 1, { NULL, 0 }, 0 };
	small_start(s);
	assert_true(
	    bundle_writer_new(&s->h, &about, (struct bundle_sink){ small_emit, s }, &w, NULL));
	uint8_t *entry = arena_alloc(&s->a, s->entries[0].len);
	memcpy(entry, s->entries[0].data, s->entries[0].len);
	entry[0] ^= 1;
	assert_false(bundle_add(w, bytes_from(entry, s->entries[0].len), NULL, &e));
	assert_int_equal(e.code, ERR_CORRUPT);
	assert_string_equal(e.text, "record 0 does not give its leaf hash");
	bundle_writer_free(w);
}

static void
a_bundle_of_another_tree_is_not_finished(void **state)
{
	struct small *s = *state;
	struct bundle_writer *w;
	struct err e;
	uint8_t root[32] = { 0 };
	struct bundle_about about = { bytes_of(s->vkey.name), 1, { NULL, 0 }, 0 };
	small_start(s);
	assert_true(
	    bundle_writer_new(&s->h, &about, (struct bundle_sink){ small_emit, s }, &w, NULL));
	assert_true(bundle_add(w, s->entries[0], NULL, NULL));
	assert_false(bundle_finish(w, bytes_of("note"), &s->vkey, root, &e));
	assert_string_equal(e.text, "the 1 records given are not the tree of 1");
	bundle_writer_free(w);
}

static bool
no_room(void *ctx, const char *path, struct bytes data, struct err *e)
{
	(void)ctx;
	(void)path;
	(void)data;
	return err_set(e, ERR_FULL, "no room");
}

static void
the_failure_of_the_receiver_is_the_writers(void **state)
{
	struct small *s = *state;
	struct bundle_writer *w;
	struct err e;
	struct bundle_about about = { bytes_of(s->vkey.name), 0, { NULL, 0 }, 0 };
	assert_true(
	    bundle_writer_new(&s->h, &about, (struct bundle_sink){ no_room, NULL }, &w, NULL));
	assert_false(bundle_add_content(w, BUNDLE_SEAL, bytes_of("seal"), &e));
	assert_int_equal(e.code, ERR_FULL);
	assert_non_null(strstr(e.text, "seal/"));
	bundle_writer_free(w);
}

static void
openings_larger_than_the_buffer_go_through(void **state)
{
	struct small *s = *state;
	struct record r;
	uint8_t salts[RECORD_SALTS] = { 0 };
	struct slot_common common = { .type = EVENT_PAD };
	char *text = malloc(200001);
	memset(text, 'x', 200000);
	text[200000] = '\0';
	struct slot_person person = { bytes_of(text), { NULL, 0 } };
	small_start(s);
	assert_true(record_begin(&r, &s->a, salts, NULL));
	assert_true(record_set_common(&r, &s->a, &common, NULL));
	assert_true(record_set_person(&r, &s->a, &person, NULL));
	small_add(s, &r, NULL, NULL, 0);
	small_stop(s);
	small_bundle(s, "", 0);
	free(text);
	struct small_file *f = small_file(s, "record/000000");
	struct cursor c = cursor_over(bytes_from(f->data, f->len));
	struct bytes opening;
	for (unsigned i = 0; i < 3; i++) {
		assert_true(bundle_record_next(&c, &opening, NULL));
		assert_int_equal(opening.len > 200000, i == 1);
	}
	assert_true(cursor_finished(&c));
}

static void
shared_contents_come_once(void **state)
{
	struct small *s = *state;
	struct bundle_writer *w;
	struct bundle_about about = { bytes_of(s->vkey.name), 0, { NULL, 0 }, 0 };
	assert_true(
	    bundle_writer_new(&s->h, &about, (struct bundle_sink){ small_emit, s }, &w, NULL));
	for (unsigned i = 0; i < 3; i++) {
		assert_true(bundle_add_content(w, BUNDLE_CHAIN, bytes_of("one"), NULL));
		assert_true(bundle_add_content(w, BUNDLE_CHAIN, bytes_of("two"), NULL));
		assert_true(bundle_add_content(w, BUNDLE_ANCHOR, bytes_of("one"), NULL));
	}
	assert_int_equal(s->file_count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(s->files[i].len, 3);
	bundle_writer_free(w);
}

static void
the_description_has_one_spelling(void **state)
{
	struct small *s = *state;
	static const char *const bad[] = { "",
		"relto-bundle 2\norigin o\nsize 1\nview hub\nfirst 0\n",
		"relto-bundle 1\norigin \nsize 1\nview hub\nfirst 0\n",
		"relto-bundle 1\norigin o\nsize 01\nview hub\nfirst 0\n",
		"relto-bundle 1\norigin o\nsize 1\nview hubs\nfirst 0\n",
		"relto-bundle 1\norigin o\nsize 1\nview party a b\nfirst 0\n",
		"relto-bundle 1\norigin o\nsize 1\nview hub\nfirst 0\n\n",
		"relto-bundle 1\norigin o\nsize 1\nview hub\nfirst 0" };
	struct bundle_about v;
	struct err e;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_false(bundle_about_parse(bytes_of(bad[i]), &v, &e));
		assert_string_equal(e.text, "bundle: not a description of version 1");
	}
	struct bundle_about in = { bytes_of("o"), 7, bytes_of("NOR"), 3 };
	struct bytes text;
	assert_true(bundle_about_write(&s->a, &in, &text, NULL));
	assert_true(bytes_is(text, "relto-bundle 1\norigin o\nsize 7\nview party NOR\nfirst 3\n"));
	assert_true(bundle_about_parse(text, &v, NULL));
	assert_true(v.size == 7 && v.first == 3 && bytes_is(v.party, "NOR"));
}

static void
lines_of_reports_have_at_most_256_heads(void **state)
{
	(void)state;
	char *text = malloc(21 + 260 * 65), digest[66];
	uint8_t heads[256][32];
	struct bundle_report v;
	struct err e;
	memset(digest, 'a', 64);
	digest[64] = '\0';
	size_t n = (size_t)sprintf(text, "12 %s %s -", digest, digest);
	for (unsigned i = 0; i <= 256; i++) {
		struct bytes file = bytes_from(text, n + 1);
		text[n] = '\n';
		assert_true(bundle_report_next(&file, heads, &v, NULL));
		assert_int_equal(v.head_count, i);
		assert_int_equal(v.index, 12);
		assert_false(v.has_notice);
		assert_int_equal(file.len, 0);
		n += (size_t)sprintf(text + n, " %s", digest);
	}
	struct bytes file = bytes_from(text, n + 1);
	text[n] = '\n';
	assert_false(bundle_report_next(&file, heads, &v, &e));
	assert_string_equal(e.text, "not a line of a report");
	free(text);
}

static void
a_file_of_records_that_is_cut_says_so(void **state)
{
	static const uint8_t file[] = { 0, 0, 0, 2, 'a' };
	struct cursor c = cursor_over(bytes_from(file, sizeof(file)));
	struct bytes opening;
	struct err e;
	(void)state;
	assert_false(bundle_record_next(&c, &opening, &e));
	assert_string_equal(e.text, "an opening of 2 bytes is cut");
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(an_entry_that_does_not_give_its_leaf_goes_into_no_bundle),
		T(a_bundle_of_another_tree_is_not_finished),
		T(the_failure_of_the_receiver_is_the_writers),
		T(openings_larger_than_the_buffer_go_through),
		T(shared_contents_come_once),
		T(the_description_has_one_spelling),
		T(lines_of_reports_have_at_most_256_heads),
		T(a_file_of_records_that_is_cut_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
