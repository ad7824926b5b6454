#include "tests/lib/test.h"

#include "tests/lib/store_rig.h"

static struct store_report_key
report_id(uint32_t originator, uint8_t byte)
{
	struct store_report_key k = { .originator = originator };
	memset(k.id, byte, sizeof(k.id));
	return k;
}

/* ---- names, blobs, notes ---- */

static void
a_name_keeps_its_number_for_ever(void **state)
{
	struct store_rig *r = *state;
	uint32_t nor, ken, agent, again;
	struct bytes text;
	bool found;
	BEGIN(r);
	OK(r, store_name(r->store, STORE_NAME_PARTY, bytes_of("NOR"), &nor, &r->e));
	OK(r, store_name(r->store, STORE_NAME_PARTY, bytes_of("KEN"), &ken, &r->e));
	OK(r, store_name(r->store, STORE_NAME_AGENT, bytes_of("NOR"), &agent, &r->e));
	OK(r, store_name(r->store, STORE_NAME_PARTY, bytes_of("NOR"), &again, &r->e));
	COMMIT(r);
	assert_int_equal(nor, 1);
	assert_int_equal(ken, 2);
	assert_int_equal(agent, 3);
	assert_int_equal(again, nor);
	REOPEN(r);
	OK(r, store_name_text(store_rig_look(r), STORE_NAME_PARTY, ken, &text, &found, &r->e));
	assert_true(found && bytes_is(text, "KEN"));
	OK(r, store_name_text(r->view, STORE_NAME_AGENT, ken, &text, &found, &r->e));
	assert_false(found);
}

static void
a_name_has_1_to_480_bytes(void **state)
{
	struct store_rig *r = *state;
	char text[482];
	uint32_t id;
	memset(text, 'x', 481);
	text[481] = 0;
	BEGIN(r);
	OK(r, store_name(r->store, STORE_NAME_AGENT, bytes_from(text, 480), &id, &r->e));
	assert_false(store_name(r->store, STORE_NAME_AGENT, bytes_of(text), &id, &r->e));
	assert_int_equal(r->e.code, ERR_LIMIT);
	assert_non_null(strstr(r->e.text, "a name of 481 bytes"));
	assert_false(store_name(r->store, STORE_NAME_AGENT, bytes_of(""), &id, &r->e));
	COMMIT(r);
}

static void
a_blob_of_any_length_is_found_by_its_digest(void **state)
{
	struct store_rig *r = *state;
	static const size_t lengths[] = { 0, 1, 1899, 1900, 1901, 3800, 500000 };
	uint8_t *data = malloc(500000);
	uint8_t digest[sizeof(lengths) / sizeof(lengths[0])][32];
	assert_non_null(data);
	for (size_t i = 0; i < 500000; i++)
		data[i] = (uint8_t)(i * 31 >> 3);
	BEGIN(r);
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (unsigned twice = 0; twice < 2; twice++)
			OK(r, store_put_blob(r->store, STORE_POLICY, bytes_from(data, lengths[i]),
				  digest[i], &r->e));
	COMMIT(r);
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct bytes out;
		bool found;
		OK(r, store_read_blob(
			  store_rig_look(r), STORE_POLICY, digest[i], &out, &found, &r->e));
		assert_true(found);
		assert_int_equal(out.len, lengths[i]);
		assert_memory_equal(out.data, data, lengths[i]);
		OK(r, store_read_blob(r->view, STORE_CHAIN, digest[i], &out, &found, &r->e));
		assert_false(found);
	}
	free(data);
}

static void
a_note_is_kept_until_it_is_emptied(void **state)
{
	struct store_rig *r = *state;
	uint8_t data[1025] = { 1 };
	char name[98] = { 0 };
	struct bytes out;
	bool found;
	memset(name, 'n', 97);
	BEGIN(r);
	assert_false(store_put_note(r->store, name, bytes_of("x"), &r->e));
	assert_int_equal(r->e.code, ERR_LIMIT);
	OK(r, store_put_note(r->store, name + 1, bytes_of("x"), &r->e));
	OK(r, store_put_note(r->store, "clock", bytes_from(data, 1024), &r->e));
	assert_false(store_put_note(r->store, "clock", bytes_from(data, 1025), &r->e));
	assert_int_equal(r->e.code, ERR_LIMIT);
	COMMIT(r);
	OK(r, store_read_note(store_rig_look(r), "clock", &out, &found, &r->e));
	assert_true(found && out.len == 1024);
	BEGIN(r);
	OK(r, store_put_note(r->store, "clock", bytes_of(""), &r->e));
	COMMIT(r);
	OK(r, store_read_note(store_rig_look(r), "clock", &out, &found, &r->e));
	assert_false(found);
}

static void
notes_are_read_in_pages_up_to_the_first_slash(void **state)
{
	struct store_rig *r = *state;
	static const char *const names[] = { "a", "a/1", "a/1/x", "a/2", "a0", "b/1" };
	struct store_note page[2];
	struct bytes after = bytes_of("a/");
	char seen[64] = "";
	size_t count = 2;
	BEGIN(r);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		OK(r, store_put_note(r->store, names[i], bytes_of(names[i]), &r->e));
	COMMIT(r);
	struct store_view *v = store_rig_look(r);
	for (unsigned pages = 0; count == 2 && pages < 9; pages++) {
		OK(r, store_read_notes(v, after, page, &count, &r->e));
		for (size_t i = 0; i < count; i++) {
			assert_true(bytes_equal(page[i].name, page[i].value));
			(void)strcat(strcat(seen, (const char *)page[i].name.data), " ");
			after = page[i].name;
		}
	}
	assert_string_equal(seen, "a/1 a/1/x a/2 ");
}

/* ---- reports ---- */

static void
put_whole_report(struct store_rig *r, const struct store_report *rep, size_t body)
{
	uint8_t *data = calloc(1, body + 1);
	assert_non_null(data);
	memset(data, 'b', body);
	OK(r, store_put_part(
		  r->store, rep->intake, STORE_PART_MANIFEST, bytes_of("manifest"), &r->e));
	OK(r, store_put_part(r->store, rep->intake, STORE_PART_FACTS, bytes_of("facts"), &r->e));
	OK(r, store_put_report(r->store, rep, &r->e));
	for (unsigned k = 0; k < 3; k++) {
		OK(r, store_put_part(
			  r->store, rep->intake, STORE_PART_HEAD(k), bytes_of("head"), &r->e));
		OK(r, store_put_part(r->store, rep->intake, STORE_PART_BODY(k),
			  bytes_from(data, body), &r->e));
	}
	free(data);
}

static struct store_report
some_report(uint8_t byte, uint64_t intake)
{
	struct store_report rep = { .key = report_id(1, byte),
		.intake = intake,
		.manifest = { byte },
		.decisions = 3,
		.chain = { 5 },
		.accepted_us = 1000 + intake,
		.expires_us = 2000,
		.body_bytes = 77 };
	return rep;
}

static void
a_report_comes_back_as_it_was_put(void **state)
{
	struct store_rig *r = *state;
	struct store_report rep = some_report(9, 4), got;
	struct store_report_key key;
	struct bytes part;
	bool found;
	BEGIN(r);
	put_whole_report(r, &rep, 1900 * 3);
	OK(r, store_put_part(r->store, 6, STORE_PART_FACTS, bytes_of("later facts"), &r->e));
	COMMIT(r);
	OK(r, store_find_report(store_rig_look(r), &rep.key, &got, &found, &r->e));
	assert_true(found);
	assert_int_equal(got.intake, 4);
	assert_int_equal(got.decisions, 3);
	assert_int_equal(got.accepted_us, 1004);
	assert_int_equal(got.expires_us, 2000);
	assert_int_equal(got.body_bytes, 77);
	assert_memory_equal(got.manifest, rep.manifest, 32);
	assert_memory_equal(got.chain, rep.chain, 32);
	OK(r, store_find_intake(r->view, 4, &key, &found, &r->e));
	assert_true(found && memcmp(&key, &rep.key, sizeof(key)) == 0);
	OK(r, store_find_intake(r->view, 6, &key, &found, &r->e));
	assert_false(found);
	OK(r, store_read_part(r->view, 4, STORE_PART_BODY(2), &part, &found, &r->e));
	assert_true(found && part.len == 1900 * 3 && part.data[1900 * 3 - 1] == 'b');
	OK(r, store_read_part(r->view, 4, STORE_PART_ROUTING, &part, &found, &r->e));
	assert_false(found);
	OK(r, store_read_part(r->view, 6, STORE_PART_FACTS, &part, &found, &r->e));
	assert_true(found && bytes_is(part, "later facts"));
	key = report_id(2, 9);
	OK(r, store_find_report(r->view, &key, &got, &found, &r->e));
	assert_false(found);
}

static void
a_report_that_is_there_is_not_put_again(void **state)
{
	struct store_rig *r = *state;
	struct store_report rep = some_report(9, 4);
	BEGIN(r);
	OK(r, store_put_report(r->store, &rep, &r->e));
	rep.intake = 5;
	assert_false(store_put_report(r->store, &rep, &r->e));
	assert_int_equal(r->e.code, ERR_STORE);
}

static void
parts_out_of_order_are_refused(void **state)
{
	struct store_rig *r = *state;
	BEGIN(r);
	OK(r, store_put_part(r->store, 4, STORE_PART_SEAL, bytes_of("seal"), &r->e));
	assert_false(store_put_part(r->store, 4, STORE_PART_ROUTING, bytes_of("late"), &r->e));
	assert_int_equal(r->e.code, ERR_STORE);
}

static void
retention_takes_the_bodies_and_leaves_the_evidence(void **state)
{
	struct store_rig *r = *state;
	struct bytes part;
	uint64_t intake;
	bool found;
	struct store_report a = some_report(1, 4), b = some_report(2, 8);
	BEGIN(r);
	put_whole_report(r, &a, 5000);
	OK(r, store_put_part(r->store, 6, STORE_PART_FACTS, bytes_of("later facts"), &r->e));
	put_whole_report(r, &b, 0);
	COMMIT(r);
	OK(r, store_next_bodies(store_rig_look(r), 0, &intake, &found, &r->e));
	assert_true(found && intake == 4);
	OK(r, store_next_bodies(r->view, 5, &intake, &found, &r->e));
	assert_true(found && intake == 8);
	OK(r, store_next_bodies(r->view, 9, &intake, &found, &r->e));
	assert_false(found);
	BEGIN(r);
	OK(r, store_drop_bodies(r->store, 4, &r->e));
	COMMIT(r);
	OK(r, store_next_bodies(store_rig_look(r), 0, &intake, &found, &r->e));
	assert_true(found && intake == 8);
	for (unsigned k = 0; k < 3; k++) {
		OK(r, store_read_part(r->view, 4, STORE_PART_BODY(k), &part, &found, &r->e));
		assert_false(found);
		OK(r, store_read_part(r->view, 4, STORE_PART_HEAD(k), &part, &found, &r->e));
		assert_true(found);
		OK(r, store_read_part(r->view, 8, STORE_PART_BODY(k), &part, &found, &r->e));
		assert_true(found && part.len == 0);
	}
	OK(r, store_read_part(r->view, 4, STORE_PART_FACTS, &part, &found, &r->e));
	assert_true(found);
	BEGIN(r);
	OK(r, store_drop_bodies(r->store, 8, &r->e));
	OK(r, store_drop_report(r->store, &a.key, &r->e));
	COMMIT(r);
	OK(r, store_next_bodies(store_rig_look(r), 0, &intake, &found, &r->e));
	assert_false(found);
	OK(r, store_find_report(r->view, &a.key, &a, &found, &r->e));
	assert_false(found);
}

static void
reports_are_read_in_pages(void **state)
{
	struct store_rig *r = *state;
	BEGIN(r);
	for (uint8_t i = 1; i <= 5; i++) {
		struct store_report rep = some_report(i, i);
		OK(r, store_put_report(r->store, &rep, &r->e));
	}
	COMMIT(r);
	struct store_report page[2];
	size_t count = 2, sum = 0;
	OK(r, store_read_reports(store_rig_look(r), NULL, page, &count, &r->e));
	while (count > 0) {
		assert_int_equal(page[0].key.id[0], sum + 1);
		sum += count;
		struct store_report_key after = page[count - 1].key;
		count = 2;
		OK(r, store_read_reports(r->view, &after, page, &count, &r->e));
	}
	assert_int_equal(sum, 5);
}

static void
what_a_party_was_given_is_kept_per_originator(void **state)
{
	struct store_rig *r = *state;
	uint8_t masks[257] = { 1, 0, 3 };
	struct store_given g = { .party = 2,
		.report = report_id(1, 7),
		.intake = 3,
		.decision = 4,
		.delivery = STORE_NONE,
		.epoch = 0,
		.good_until_us = 99,
		.masks = bytes_from(masks, 256) };
	struct store_given got;
	bool found;
	BEGIN(r);
	OK(r, store_put_given(r->store, &g, &r->e));
	g.report.originator = 5;
	g.delivery = 6;
	g.masks.len = 0;
	OK(r, store_put_given(r->store, &g, &r->e));
	g.masks.len = 257;
	assert_false(store_put_given(r->store, &g, &r->e));
	assert_int_equal(r->e.code, ERR_LIMIT);
	COMMIT(r);
	struct store_report_key key = report_id(1, 7);
	OK(r, store_find_given(store_rig_look(r), 2, &key, &got, &found, &r->e));
	assert_true(found && got.masks.len == 256 && got.masks.data[2] == 3);
	assert_true(got.delivery == STORE_NONE && got.decision == 4 && got.good_until_us == 99);
	assert_int_equal(got.intake, 3);
	key.originator = 0;
	OK(r, store_next_given(r->view, 2, &key, &got, &found, &r->e));
	assert_true(found && got.report.originator == 1);
	OK(r, store_next_given(r->view, 2, &got.report, &got, &found, &r->e));
	assert_true(found && got.report.originator == 5 && got.delivery == 6);
	OK(r, store_next_given(r->view, 2, &got.report, &got, &found, &r->e));
	assert_false(found);
	key = report_id(0, 6);
	OK(r, store_next_given(r->view, 2, &key, &got, &found, &r->e));
	assert_false(found);
	key = report_id(1, 7);
	BEGIN(r);
	OK(r, store_drop_given(r->store, 2, &key, &r->e));
	COMMIT(r);
	OK(r, store_find_given(store_rig_look(r), 2, &key, &got, &found, &r->e));
	assert_false(found);
	struct store_given page[4];
	size_t count = 4;
	OK(r, store_read_given(r->view, NULL, page, &count, &r->e));
	assert_int_equal(count, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_name_keeps_its_number_for_ever),
		STORE_TEST(a_name_has_1_to_480_bytes),
		STORE_TEST(a_blob_of_any_length_is_found_by_its_digest),
		STORE_TEST(a_note_is_kept_until_it_is_emptied),
		STORE_TEST(notes_are_read_in_pages_up_to_the_first_slash),
		STORE_TEST(a_report_comes_back_as_it_was_put),
		STORE_TEST(a_report_that_is_there_is_not_put_again),
		STORE_TEST(parts_out_of_order_are_refused),
		STORE_TEST(retention_takes_the_bodies_and_leaves_the_evidence),
		STORE_TEST(reports_are_read_in_pages),
		STORE_TEST(what_a_party_was_given_is_kept_per_originator),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
