#include "tests/lib/test.h"

#include "tests/lib/store_rig.h"

static void
entries_are_read_in_runs(void **state)
{
	struct store_rig *r = *state;
	struct bytes page[10];
	size_t count = 10;
	BEGIN(r);
	for (unsigned i = 0; i < 10; i++)
		OK(r, store_rig_log(r, 100));
	COMMIT(r);
	OK(r, store_read_entries(store_rig_look(r), 4, 1000, page, &count, &r->e));
	assert_int_equal(count, 6);
	assert_int_equal(page[0].data[7], 4);
	count = 10;
	OK(r, store_read_entries(r->view, 0, 150, page, &count, &r->e));
	assert_int_equal(count, 2);
	count = 10;
	OK(r, store_read_entries(r->view, 0, 1, page, &count, &r->e));
	assert_int_equal(count, 1);
	count = 10;
	OK(r, store_read_entries(r->view, 10, 1000, page, &count, &r->e));
	assert_int_equal(count, 0);
}

static void
erasing_keeps_the_leaf(void **state)
{
	struct store_rig *r = *state;
	uint8_t entry[64] = { 0 };
	struct bytes out;
	bool found;
	BEGIN(r);
	OK(r, store_rig_log(r, 100));
	COMMIT(r);
	BEGIN(r);
	OK(r, store_erase_entry(r->store, 0, bytes_from(entry, 50), &r->e));
	COMMIT(r);
	OK(r, store_read_entry(store_rig_look(r), 0, &out, &found, &r->e));
	assert_true(found && out.len == 50);
	BEGIN(r);
	entry[31] = 1;
	assert_false(store_erase_entry(r->store, 0, bytes_from(entry, 50), &r->e));
	assert_non_null(strstr(r->e.text, "erasing would change the leaf of log entry 0"));
}

static void
a_tile_is_written_once(void **state)
{
	struct store_rig *r = *state;
	static uint8_t tile[STORE_TILE_BYTES], got[STORE_TILE_BYTES];
	bool found;
	tile[8191] = 5;
	BEGIN(r);
	OK(r, store_put_tile(r->store, 1, 7, tile, &r->e));
	OK(r, store_put_tile(r->store, 0, 9, tile, &r->e));
	COMMIT(r);
	OK(r, store_read_tile(store_rig_look(r), 1, 7, got, &found, &r->e));
	assert_true(found);
	assert_memory_equal(tile, got, sizeof(tile));
	OK(r, store_read_tile(r->view, 1, 8, got, &found, &r->e));
	assert_false(found);
	BEGIN(r);
	assert_false(store_put_tile(r->store, 1, 7, tile, &r->e));
	assert_int_equal(r->e.code, ERR_STORE);
}

static void
a_head_keeps_the_frontier_of_its_size(void **state)
{
	struct store_rig *r = *state;
	struct store_head h = {
		.tree = 5, .size = 5, .time_us = 6, .head_index = 7, .head_size = 4
	};
	struct store_head got, page[4];
	size_t count = 4;
	bool found;
	memset(h.root, 1, 32);
	memset(h.frontier[0], 2, 32);
	memset(h.frontier[1], 99, 32); /* not of its size */
	memset(h.frontier[2], 3, 32);
	BEGIN(r);
	OK(r, store_put_head(r->store, &h, &r->e));
	h.tree = 9;
	OK(r, store_put_head(r->store, &h, &r->e));
	OK(r, store_rig_log(r, 64));
	COMMIT(r);
	OK(r, store_read_head(store_rig_look(r), 5, &got, &found, &r->e));
	assert_true(found);
	memset(h.frontier[1], 0, 32);
	h.tree = 5;
	assert_memory_equal(&got, &h, sizeof(h));
	OK(r, store_read_heads(r->view, 0, page, &count, &r->e));
	assert_int_equal(count, 2);
	assert_int_equal(page[1].tree, 9);
	OK(r, store_read_head(r->view, 6, &got, &found, &r->e));
	assert_false(found);
	assert_true(got.size == 0 && got.head_index == STORE_NONE);
}

static void
put_checkpoint(struct store_rig *r, uint64_t size, bool published, const char *note)
{
	struct store_checkpoint c = { size, published, bytes_of(note) };
	OK(r, store_put_checkpoint(r->store, &c, &r->e));
}

static void
published_checkpoints_stay_and_others_give_way(void **state)
{
	struct store_rig *r = *state;
	struct store_checkpoint c;
	struct store_state st;
	bool found;
	BEGIN(r);
	OK(r, store_read_checkpoint(
		  store_batch_view(r->store), UINT64_MAX, false, &c, &found, &r->e));
	assert_false(found);
	put_checkpoint(r, 10, true, "ten");
	put_checkpoint(r, 20, false, "twenty");
	put_checkpoint(r, 30, false, "thirty");
	OK(r, store_read_checkpoint(store_batch_view(r->store), 40, true, &c, &found, &r->e));
	assert_true(found && c.size == 10);
	COMMIT(r);
	OK(r, store_read_checkpoint(store_rig_look(r), UINT64_MAX, false, &c, &found, &r->e));
	assert_true(found && c.size == 30 && !c.published && bytes_is(c.note, "thirty"));
	OK(r, store_read_checkpoint(r->view, 29, false, &c, &found, &r->e));
	assert_true(found && c.size == 10 && c.published);
	OK(r, store_read_checkpoint(r->view, UINT64_MAX, true, &c, &found, &r->e));
	assert_true(found && c.size == 10);
	OK(r, store_read_checkpoint(r->view, 9, false, &c, &found, &r->e));
	assert_false(found);
	BEGIN(r);
	put_checkpoint(r, 30, true, "thirty, cosigned");
	put_checkpoint(r, 40, false, "forty");
	COMMIT(r);
	OK(r, store_read_checkpoint(store_rig_look(r), UINT64_MAX, true, &c, &found, &r->e));
	assert_true(found && c.size == 30 && bytes_is(c.note, "thirty, cosigned"));
	OK(r, store_read_state(r->view, &st, &r->e));
	assert_int_equal(st.published, 30);
	BEGIN(r);
	struct store_checkpoint back = { 39, false, bytes_of("back") };
	assert_false(store_put_checkpoint(r->store, &back, &r->e));
	assert_non_null(strstr(r->e.text, "the log would go back: checkpoint of 39"));
}

static void
a_published_head_takes_signatures_and_nothing_else(void **state)
{
	struct store_rig *r = *state;
	struct store_checkpoint c;
	struct store_state st;
	bool found;
	BEGIN(r);
	put_checkpoint(r, 10, true, "ten");
	put_checkpoint(r, 20, true, "twenty");
	put_checkpoint(r, 30, false, "thirty");
	COMMIT(r);
	BEGIN(r);
	OK(r, store_put_cosigned(r->store, 10, bytes_of("ten, signed"), &r->e));
	OK(r, store_put_cosigned(r->store, 10, bytes_of("ten, signed twice"), &r->e));
	assert_false(store_put_cosigned(r->store, 10, bytes_of("ten"), &r->e)); /* fewer */
	assert_int_equal(r->e.code, ERR_DATA);
	assert_false(store_put_cosigned(r->store, 20, bytes_of("tWenty, signed"), &r->e));
	assert_int_equal(r->e.code, ERR_DATA);
	assert_false(store_put_cosigned(r->store, 30, bytes_of("thirty, signed"), &r->e));
	assert_int_equal(r->e.code, ERR_NOT_FOUND); /* it was not published */
	assert_false(store_put_cosigned(r->store, 15, bytes_of("fifteen"), &r->e));
	assert_int_equal(r->e.code, ERR_NOT_FOUND);
	COMMIT(r);
	OK(r, store_read_checkpoint(store_rig_look(r), 10, true, &c, &found, &r->e));
	assert_true(found && c.size == 10 && bytes_is(c.note, "ten, signed twice"));
	OK(r, store_read_checkpoint(r->view, UINT64_MAX, true, &c, &found, &r->e));
	assert_true(found && c.size == 20 && bytes_is(c.note, "twenty"));
	OK(r, store_read_state(r->view, &st, &r->e));
	assert_int_equal(st.published, 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(entries_are_read_in_runs),
		STORE_TEST(erasing_keeps_the_leaf),
		STORE_TEST(a_tile_is_written_once),
		STORE_TEST(a_head_keeps_the_frontier_of_its_size),
		STORE_TEST(published_checkpoints_stay_and_others_give_way),
		STORE_TEST(a_published_head_takes_signatures_and_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
