#include "tests/lib/test.h"

#include "daemon/archive_files.h"
#include "tests/lib/store_rig.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEGMENT = STORE_ARCHIVE_FILE, RECORDS = 2 * SEGMENT + 300 };

struct rig {
	struct store_rig r;
	char archive[96], file[256];
};

/* An opening of the record: its bytes tell which it is. */
static struct bytes
opening(uint64_t index, uint8_t to[64])
{
	memset(to, (int)(index % 251), 64);
	put_u64(to, index);
	return bytes_from(to, 20 + index % 40);
}

static void
fill(struct store_rig *r)
{
	uint8_t entry[96], tile[STORE_TILE_BYTES], body[64];
	for (uint64_t i = 0; i < RECORDS;) {
		OK(r, store_rig_begin(r));
		struct store_head h = { .tree = STORE_MAIN_TREE };
		for (unsigned k = 0; k < 500 && i < RECORDS; k++, i++) {
			struct bytes b = opening(i, body);
			memset(entry, 0, 32);
			put_u64(entry + 24, i);
			memcpy(entry + 32, b.data, b.len);
			OK(r, store_put_entry(r->store, i, bytes_from(entry, 32 + b.len), &r->e));
			memcpy(tile + i % 256 * 32, entry, 32);
			if (i % 256 == 255)
				OK(r, store_put_tile(r->store, 0, i / 256, tile, &r->e));
		}
		h.size = i;
		OK(r, store_put_head(r->store, &h, &r->e));
		OK(r, store_rig_commit(r));
	}
}

static void
write_segment(struct rig *t, uint64_t from)
{
	struct store_rig *r = &t->r;
	struct archive_files *f;
	struct archive_pair *p;
	char folder[STORE_ARCHIVE_PATH];
	uint8_t body[64];
	bool there = true;
	store_archive_folder(1, from, from + SEGMENT, folder);
	OK(r, archive_files_open(t->archive, folder, &there, &f, &r->e));
	assert_false(there);
	OK(r, archive_pair_begin(f, from, &p, &r->e));
	for (uint64_t i = from; i < from + SEGMENT; i++)
		OK(r, archive_pair_add(p, i, opening(i, body), &r->e));
	OK(r, archive_pair_end(p, true, &r->e));
	OK(r, archive_files_keep(f, &r->e));
	archive_files_free(f);
}

static int
setup(void **state)
{
	struct rig *t = calloc(1, sizeof(*t));
	store_rig_init(&t->r);
	(void)snprintf(t->archive, sizeof(t->archive), "%s/archive", t->r.path);
	assert_int_equal(mkdir(t->archive, 0700), 0);
	t->r.config.archive = t->archive;
	*state = t;
	assert_true(store_rig_open(&t->r));
	fill(&t->r);
	return 0;
}

static int
teardown(void **state)
{
	struct rig *t = *state;
	char command[256];
	(void)snprintf(
	    command, sizeof(command), "chmod -R u+w '%s' && rm -r '%s'", t->archive, t->archive);
	assert_int_equal(system(command), 0); /* NOLINT: our own folder */
	store_rig_done(&t->r);
	free(t);
	return 0;
}
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static bool
drop(struct rig *t, uint64_t to, uint32_t segment)
{
	struct store_rig *r = &t->r;
	OK(r, store_rig_begin(r));
	if (store_archive_entries(r->store, to, segment, &r->e))
		return store_rig_commit(r);
	store_abort(r->store);
	return false;
}

/* All records, one by one and in pages, are what they were. */
static void
expect_all(struct rig *t)
{
	struct store_rig *r = &t->r;
	uint8_t body[64];
	for (uint64_t i = 0; i < RECORDS;) {
		struct bytes page[50], one;
		size_t count = 50;
		bool found = false;
		struct store_view *v = store_rig_look(r);
		OK(r, store_read_entries(v, i, SIZE_MAX, page, &count, &r->e));
		OK(r, store_read_entry(v, i, &one, &found, &r->e));
		assert_true(found && count > 0 && bytes_equal(one, page[0]));
		for (size_t k = 0; k < count; k++, i++) {
			struct bytes b = opening(i, body);
			assert_int_equal(page[k].len, 32 + b.len);
			assert_memory_equal(page[k].data + 32, b.data, b.len);
			assert_int_equal(page[k].data[31], i & 255);
		}
	}
	struct bytes beyond;
	bool found = true;
	OK(r, store_read_entry(store_rig_look(r), RECORDS, &beyond, &found, &r->e));
	assert_false(found);
}

static void
what_stands_in_files_is_read_as_before(void **state)
{
	struct rig *t = *state;
	struct store_archive a;
	write_segment(t, 0);
	write_segment(t, SEGMENT);
	static const uint64_t steps[] = { 1, 700, SEGMENT, SEGMENT + 1, 2 * SEGMENT };
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		OK(&t->r, drop(t, steps[i], SEGMENT));
		OK(&t->r, store_read_archive(store_rig_look(&t->r), &a, &t->r.e));
		assert_int_equal(a.end, steps[i]);
		assert_int_equal(a.segment, SEGMENT);
		expect_all(t);
	}
}

static void
rows_go_in_order_once_and_never_beyond_the_log(void **state)
{
	static const struct {
		uint64_t to;
		uint32_t segment;
	} bad[] = { { 700, SEGMENT }, { 699, SEGMENT }, { 800, 2 * SEGMENT },
		{ RECORDS + 1, SEGMENT }, { 800, 0 } };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct rig *t = *state;
		if (i > 0)
			setup(state);
		t = *state;
		write_segment(t, 0);
		OK(&t->r, drop(t, 700, SEGMENT));
		assert_false(drop(t, bad[i].to, bad[i].segment));
		assert_int_equal(t->r.e.code, ERR_STORE);
		assert_true(store_is_broken(t->r.store));
		if (i + 1 < sizeof(bad) / sizeof(bad[0]))
			teardown(state);
	}
}

static void
expect_unread(struct rig *t, uint64_t index, enum err_code code, const char *why)
{
	struct bytes out;
	bool found;
	assert_false(store_read_entry(store_rig_look(&t->r), index, &out, &found, &t->r.e));
	assert_int_equal(t->r.e.code, code);
	if (strstr(t->r.e.text, why) == NULL)
		fail_msg("'%s' instead of '%s'", t->r.e.text, why);
	assert_false(store_is_broken(t->r.store));
}

static void
turn(struct rig *t, const char *kind, off_t at)
{
	uint8_t byte = 0;
	(void)snprintf(t->file, sizeof(t->file), "%s/g1/000000000000-000000001024/%s/000000",
	    t->archive, kind);
	assert_int_equal(chmod(t->file, 0600), 0);
	int fd = open(t->file, O_RDWR);
	assert_true(fd >= 0 && pread(fd, &byte, 1, at) == 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	(void)close(fd);
}

static void
damage_and_absence_are_told_and_are_no_absence_of_a_record(void **state)
{
	struct rig *t = *state;
	write_segment(t, 0);
	OK(&t->r, drop(t, SEGMENT, SEGMENT));
	turn(t, "record", 30); /* of record 1 */
	expect_unread(t, 1, ERR_IO, "archived record 1: its checksum is wrong");
	turn(t, "record", 30);
	turn(t, "index", 8 + 3); /* where record 1 begins: it is found behind record 0 */
	expect_all(t);
	turn(t, "index", 8 + 3);
	turn(t, "index", 8 + 7);
	expect_unread(t, 1, ERR_IO, "archived record 1: its checksum is wrong");
	turn(t, "index", 8 + 7);
	expect_all(t);
	assert_int_equal(truncate(t->file, 100), 0);
	expect_unread(t, 500, ERR_IO, "archived record 500: its file is cut off");
	assert_int_equal(chmod(t->archive, 0700), 0);
	char away[128], folder[128];
	(void)snprintf(folder, sizeof(folder), "%s/g1", t->archive);
	(void)snprintf(away, sizeof(away), "%s/g2", t->archive);
	assert_int_equal(rename(folder, away), 0);
	expect_unread(t, 500, ERR_IO, "archived record 500 cannot be read: No such file");
}

/* The entry of a record, with its leaf hash and other contents, shorter and told apart. */
static struct bytes
other_entry(uint64_t index, uint8_t to[40])
{
	memset(to, 0, 40);
	put_u64(to + 24, index);
	to[39] = 0xee;
	return bytes_from(to, 40);
}

static bool
erase(struct rig *t, uint64_t index, uint8_t leaf_of)
{
	struct store_rig *r = &t->r;
	uint8_t entry[40];
	struct bytes b = other_entry(index, entry);
	entry[31] = (uint8_t)(entry[31] + leaf_of);
	OK(r, store_rig_begin(r));
	if (store_erase_archived(r->store, index, b, &r->e))
		return store_rig_commit(r);
	store_abort(r->store);
	return false;
}

static bool
renewed(struct rig *t, struct store_outdated file)
{
	OK(&t->r, store_rig_begin(&t->r));
	OK(&t->r, store_renewed(t->r.store, &file, &t->r.e));
	return store_rig_commit(&t->r);
}

static size_t
outdated(struct rig *t, const struct store_outdated *after, struct store_outdated out[8])
{
	size_t count = 8;
	OK(&t->r, store_read_outdated(store_rig_look(&t->r), after, out, &count, &t->r.e));
	return count;
}

static void
what_was_erased_is_read_from_its_row_whatever_its_file_has(void **state)
{
	struct rig *t = *state;
	struct store_rig *r = &t->r;
	static const uint64_t gone[] = { 0, 3, 4, SEGMENT - 1, SEGMENT + 7 };
	struct store_outdated o[8], later[8];
	uint8_t entry[40];
	write_segment(t, 0);
	write_segment(t, SEGMENT);
	OK(r, drop(t, 2 * SEGMENT, SEGMENT));
	assert_int_equal(outdated(t, NULL, o), 0);
	for (size_t i = 0; i < 5; i++)
		OK(r, erase(t, gone[i], 0));
	for (uint64_t from = 0, at = 0; from < 2 * SEGMENT; at = 0) {
		struct bytes page[50], one;
		size_t count = 50;
		bool found = false;
		struct store_view *v = store_rig_look(r);
		OK(r, store_read_entries(v, from, SIZE_MAX, page, &count, &r->e));
		for (; at < count; at++, from++) {
			bool erased = false;
			for (size_t i = 0; i < 5; i++)
				erased |= gone[i] == from;
			assert_int_equal(bytes_equal(page[at], other_entry(from, entry)), erased);
			OK(r, store_read_entry(v, from, &one, &found, &r->e));
			assert_true(found && bytes_equal(one, page[at]));
		}
	}
	/* a file is done with only if nothing was erased in it since */
	assert_int_equal(outdated(t, NULL, o), 2);
	assert_true(o[0].file == 0 && o[1].file == 1);
	assert_int_equal(outdated(t, &o[0], later), 1);
	assert_int_equal(later[0].file, 1);
	OK(r, renewed(t, (struct store_outdated){ 0, o[0].mark + 1 }));
	assert_int_equal(outdated(t, NULL, later), 2);
	OK(r, renewed(t, o[0]));
	assert_int_equal(outdated(t, NULL, later), 1);
	OK(r, renewed(t, o[0]));
}

static void
erasing_never_changes_a_leaf_nor_what_stands_in_no_file(void **state)
{
	static const struct {
		uint64_t index;
		uint8_t leaf;
	} bad[] = { { 5, 1 }, { SEGMENT, 0 }, { RECORDS, 0 } };
	for (size_t i = 0; i < 3; i++) {
		if (i > 0)
			setup(state);
		struct rig *t = *state;
		write_segment(t, 0);
		OK(&t->r, drop(t, SEGMENT, SEGMENT));
		assert_false(erase(t, bad[i].index, bad[i].leaf));
		assert_non_null(strstr(t->r.e.text, "erasing would change the leaf of archived"));
		assert_true(store_is_broken(t->r.store));
		if (i < 2)
			teardown(state);
	}
}

/* Each of the two files may be the old one: what was not erased is read all the same. */
static void
a_file_and_its_index_may_be_replaced_one_after_the_other(void **state)
{
	struct rig *t = *state;
	struct store_rig *r = &t->r;
	struct archive_files *f;
	struct archive_pair *p;
	char folder[STORE_ARCHIVE_PATH], aside[512];
	uint8_t body[64], entry[40];
	bool there = false, found;
	struct bytes one;
	write_segment(t, 0);
	OK(r, drop(t, SEGMENT, SEGMENT));
	OK(r, erase(t, 3, 0));
	turn(t, "record", 0); /* names it */
	turn(t, "record", 0);
	(void)snprintf(aside, sizeof(aside), "cp '%s' '%s/old'", t->file, t->archive);
	assert_int_equal(system(aside), 0); /* NOLINT: our own folder */
	store_archive_folder(1, 0, SEGMENT, folder);
	OK(r, archive_files_open(t->archive, folder, &there, &f, &r->e));
	assert_true(there);
	OK(r, archive_pair_renew(f, 0, &r->e));
	OK(r, archive_pair_begin(f, 0, &p, &r->e));
	for (uint64_t i = 0; i < SEGMENT; i++) {
		struct bytes b =
		    i == 3 ? bytes_from(other_entry(3, entry).data + 32, 8) : opening(i, body);
		OK(r, archive_pair_add(p, i, b, &r->e));
	}
	OK(r, archive_pair_end(p, true, &r->e));
	OK(r, archive_pair_replace(f, 0, &r->e));
	archive_files_free(f);
	for (int old = 0; old < 2; old++) {
		for (uint64_t i = 0; i < SEGMENT; i++) {
			OK(r, store_read_entry(store_rig_look(r), i, &one, &found, &r->e));
			struct bytes b = opening(i, body);
			if (i == 3)
				assert_true(bytes_equal(one, other_entry(3, entry)));
			else
				assert_true(
				    bytes_equal(bytes_from(one.data + 32, one.len - 32), b));
		}
		/* the new index beside the old records */
		(void)snprintf(aside, sizeof(aside), "cp -f '%s/old' '%s'", t->archive, t->file);
		assert_int_equal(system(aside), 0); /* NOLINT */
	}
}

static void
a_store_whose_records_are_elsewhere_is_not_opened_without_them(void **state)
{
	struct rig *t = *state;
	write_segment(t, 0);
	OK(&t->r, drop(t, SEGMENT, SEGMENT));
	store_rig_close(&t->r);
	t->r.config.archive = "";
	assert_false(store_rig_open(&t->r));
	assert_int_equal(t->r.e.code, ERR_CONFIG);
	assert_non_null(strstr(t->r.e.text, "its first 1024 records are in files"));
	t->r.config.archive = "/nowhere";
	assert_false(store_rig_open(&t->r));
	assert_non_null(strstr(t->r.e.text, "archive '/nowhere': No such file"));
	t->r.config.archive = t->archive;
	assert_true(store_rig_open(&t->r));
	expect_all(t);
}

struct seen {
	uint64_t next;
};
static bool
on_record(void *ctx, uint64_t index, struct bytes in, struct err *e)
{
	struct seen *s = ctx;
	uint8_t body[64];
	(void)e;
	assert_int_equal(index, s->next++);
	assert_true(bytes_equal(in, opening(index, body)));
	return true;
}

static void
a_segment_is_read_to_its_last_byte(void **state)
{
	struct rig *t = *state;
	struct archive_files *f;
	struct seen s = { 0 };
	const struct archive_reader reader = { on_record, &s };
	char folder[STORE_ARCHIVE_PATH];
	bool there = false;
	write_segment(t, 0);
	store_archive_folder(1, 0, SEGMENT, folder);
	OK(&t->r, archive_files_open(t->archive, folder, &there, &f, &t->r.e));
	assert_true(there);
	OK(&t->r, archive_read(f, 0, SEGMENT, &reader, &t->r.e));
	assert_int_equal(s.next, SEGMENT);
	turn(t, "record", 0);
	turn(t, "record", 0);
	int fd = open(t->file, O_WRONLY | O_APPEND);
	assert_true(fd >= 0 && write(fd, "x", 1) == 1);
	(void)close(fd);
	s.next = 0;
	assert_false(archive_read(f, 0, SEGMENT, &reader, &t->r.e));
	assert_non_null(strstr(t->r.e.text, "its file has something behind"));
	OK(&t->r, archive_room(f, &(struct archive_reserve){ 1, 0 }, &t->r.e));
	assert_false(archive_room(f, &(struct archive_reserve){ UINT64_MAX, 0 }, &t->r.e));
	assert_int_equal(t->r.e.code, ERR_FULL);
	assert_false(archive_room(f, &(struct archive_reserve){ 0, 100 }, &t->r.e));
	assert_int_equal(t->r.e.code, ERR_FULL);
	archive_files_free(f);
	assert_int_equal(chmod(t->archive, 0777), 0);
	assert_false(archive_files_open(t->archive, folder, &there, &f, &t->r.e));
	assert_int_equal(t->r.e.code, ERR_CONFIG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_stands_in_files_is_read_as_before),
		TEST(rows_go_in_order_once_and_never_beyond_the_log),
		TEST(damage_and_absence_are_told_and_are_no_absence_of_a_record),
		TEST(what_was_erased_is_read_from_its_row_whatever_its_file_has),
		TEST(erasing_never_changes_a_leaf_nor_what_stands_in_no_file),
		TEST(a_file_and_its_index_may_be_replaced_one_after_the_other),
		TEST(a_store_whose_records_are_elsewhere_is_not_opened_without_them),
		TEST(a_segment_is_read_to_its_last_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
