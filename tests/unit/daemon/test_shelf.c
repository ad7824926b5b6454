#include "tests/lib/test.h"

#include "daemon/shelf.h"
#include "tests/lib/store_rig.h"

#include <stdlib.h>

enum { REPORTS = 1500, BODY = 1500 };

static struct store_queued
entry_of(uint64_t intake)
{
	struct store_queued q = { .intake = intake, .report.originator = 1 };
	put_u64(q.report.id, intake);
	return q;
}

/* A report whose body tells which one it is. */
static void
put(struct store_rig *r, uint64_t intake, size_t len)
{
	static uint8_t body[5000];
	memset(body, (int)(intake & 0xff), len);
	put_u64(body, intake);
	struct store_report row = {
		.key = entry_of(intake).report, .intake = intake, .accepted_us = 1000 + intake
	};
	OK(r, store_put_report(r->store, &row, &r->e));
	OK(r, store_put_part(r->store, intake, STORE_PART_BODY(0), bytes_from(body, len), &r->e));
}

static void
read_body(struct shelf *s, struct store_rig *r, uint64_t intake, size_t len)
{
	struct bytes out;
	OK(r, shelf_part(s, r->view, intake, STORE_PART_BODY(0), &r->read, &out, &r->e));
	assert_int_equal(out.len, len);
	struct cursor c = cursor_over(out);
	assert_int_equal(cursor_u64(&c), intake);
	assert_int_equal(out.data[len - 1], intake & 0xff);
}

static void
what_was_read_once_is_known_until_the_shelf_is_wiped(void **state)
{
	struct store_rig *r = *state;
	struct shelf *s = calloc(1, sizeof(*s));
	struct store_queued q = entry_of(7);
	struct store_report row;
	struct bytes out;
	bool found = false;
	BEGIN(r);
	put(r, 7, 100);
	COMMIT(r);
	(void)store_rig_look(r);
	read_body(s, r, 7, 100);
	OK(r, shelf_report(s, r->view, &q, &row, &found, &r->e));
	assert_true(found);
	BEGIN(r);
	OK(r, store_drop_bodies(r->store, 7, &r->e));
	OK(r, store_drop_report(r->store, &q.report, &r->e));
	COMMIT(r);
	(void)store_rig_look(r);
	read_body(s, r, 7, 100);
	OK(r, shelf_report(s, r->view, &q, &row, &found, &r->e));
	assert_true(found && row.accepted_us == 1007);
	shelf_wipe(s);
	for (size_t i = 0; i < sizeof(s->ring); i++)
		assert_int_equal(s->ring[i], 0);
	assert_false(shelf_part(s, r->view, 7, STORE_PART_BODY(0), &r->read, &out, &r->e));
	assert_int_equal(r->e.code, ERR_CORRUPT);
	OK(r, shelf_report(s, r->view, &q, &row, &found, &r->e));
	assert_false(found);
	free(s);
}

static void
a_full_shelf_gives_what_the_store_has(void **state)
{
	struct store_rig *r = *state;
	struct shelf *s = calloc(1, sizeof(*s));
	BEGIN(r);
	for (uint64_t i = 0; i < REPORTS; i++)
		put(r, i, BODY);
	put(r, REPORTS, 5000); /* more than an item may have */
	COMMIT(r);
	for (unsigned round = 0; round < 3; round++) {
		(void)store_rig_look(r);
		for (uint64_t i = 0; i < REPORTS; i++) {
			read_body(s, r, i, BODY);
			read_body(s, r, i * 7 % REPORTS, BODY);
		}
		read_body(s, r, REPORTS, 5000);
	}
	assert_true(s->end > 2 * SHELF_BYTES);
	free(s);
}

static void
what_the_committer_said_of_a_delivery_is_known_by_its_index(void **state)
{
	(void)state;
	struct shelf *s = calloc(1, sizeof(*s));
	struct evidence v = {
		.delivery = 5, .place = 3, .leaf = { 9 }, .len = 1, .agreements = "a"
	};
	struct evidence out;
	assert_false(shelf_find_evidence(s, 5, &out));
	shelf_put_evidence(s, &v);
	v.delivery = STORE_NONE;
	shelf_put_evidence(s, &v);
	assert_true(shelf_find_evidence(s, 5, &out));
	assert_true(out.place == 3 && out.leaf[0] == 9 && out.len == 1 && out.agreements[0] == 'a');
	assert_false(shelf_find_evidence(s, 6, &out));
	assert_false(shelf_find_evidence(s, STORE_NONE, &out));
	free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(what_was_read_once_is_known_until_the_shelf_is_wiped),
		cmocka_unit_test(what_the_committer_said_of_a_delivery_is_known_by_its_index),
		STORE_TEST(a_full_shelf_gives_what_the_store_has),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
