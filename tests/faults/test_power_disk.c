/* The model of a disk that the power leaves, on records written by hand. */
#include "tests/lib/test.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/faults/power_disk.h"
#include "tests/lib/slurp.h"

enum { DISKS = 200, PATH = 256 };

struct rig {
	char folder[64], base[PATH], record[PATH], out[PATH];
	FILE *f;
	struct arena arena; /* of what is read back */
	unsigned made;
};

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)st;
	(void)flag;
	(void)f;
	return remove(path);
}

static int
setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	assert_non_null(r);
	(void)snprintf(r->folder, sizeof(r->folder), "/tmp/relto-disk.XXXXXX");
	assert_non_null(mkdtemp(r->folder));
	(void)snprintf(r->base, sizeof(r->base), "%s/base", r->folder);
	(void)snprintf(r->record, sizeof(r->record), "%s/record", r->folder);
	assert_int_equal(mkdir(r->base, 0700), 0);
	r->f = fopen(r->record, "wb");
	assert_non_null(r->f);
	arena_init(&r->arena, 64 << 20);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *r = *state;
	(void)fclose(r->f);
	(void)nftw(r->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	arena_done(&r->arena);
	free(r);
	return 0;
}

static void
did(struct rig *r, enum power_kind kind, const char *name, const char *to)
{
	struct power_entry e = { .bytes = sizeof(e) + strlen(name) + strlen(to),
		.name_len = (uint16_t)strlen(name),
		.to_len = (uint16_t)strlen(to),
		.kind = kind };
	assert_int_equal(fwrite(&e, sizeof(e), 1, r->f), 1);
	assert_int_equal(fwrite(name, 1, strlen(name), r->f), strlen(name));
	assert_int_equal(fwrite(to, 1, strlen(to), r->f), strlen(to));
	assert_int_equal(fflush(r->f), 0);
}

/* 'len' bytes 'c' at 'at' of "file". */
static void
wrote(struct rig *r, uint64_t at, char c, size_t len)
{
	struct power_entry e = { .bytes = sizeof(e) + 4 + len,
		.name_len = 4,
		.kind = POWER_WRITE,
		.at = at,
		.data_len = len };
	assert_int_equal(fwrite(&e, sizeof(e), 1, r->f), 1);
	assert_int_equal(fwrite("file", 4, 1, r->f), 1);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(fputc(c, r->f), c);
	assert_int_equal(fflush(r->f), 0);
}

static void
synced(struct rig *r, const char *name)
{
	did(r, POWER_SYNC, name, "");
	did(r, POWER_SYNC_DONE, name, "");
}

/* The disk after all that was recorded, in one of its forms. */
static void
cut(struct rig *r, unsigned number)
{
	struct power_chance chance = { .state = number, .keep = 50, .tear = 30, .tear_bytes = 512 };
	struct power_disk *d = power_disk_new(r->base, r->record, NULL);
	power_disk_run(d, power_disk_entries(d));
	(void)snprintf(r->out, sizeof(r->out), "%s/out-%u", r->folder, r->made++);
	assert_true(power_disk_write(d, &chance, "", r->out));
}

/* A file of that disk; { NULL, 0 } if it is not there. */
static struct bytes
read_back(struct rig *r, const char *name)
{
	char path[2 * PATH];
	(void)snprintf(path, sizeof(path), "%s/%s", r->out, name);
	return slurp(&r->arena, path);
}

static bool
all_are(struct bytes b, char c)
{
	for (size_t i = 0; i < b.len; i++)
		if (b.data[i] != (uint8_t)c)
			return false;
	return true;
}

static void
what_was_flushed_is_there_and_nothing_else_has_to_be(void **state)
{
	struct rig *r = *state;
	unsigned kept = 0, torn = 0;
	did(r, POWER_MAKE, "file", "");
	wrote(r, 0, 'a', 4096);
	synced(r, "file");
	synced(r, "");
	wrote(r, 4096, 'b', 4096);
	for (unsigned i = 0; i < DISKS; i++) {
		cut(r, i);
		struct bytes b = read_back(r, "file");
		assert_true(b.len == 4096 || (b.len > 4096 && b.len <= 8192));
		assert_true(all_are(bytes_from(b.data, 4096), 'a'));
		struct bytes rest = bytes_from(b.data + 4096, b.len - 4096);
		bool whole = rest.len == 4096 && all_are(rest, 'b');
		kept += whole;
		torn += !whole && !all_are(rest, 0);
		for (size_t at = 0; at < rest.len; at += 512) {
			struct bytes sector = bytes_from(rest.data + at, 512);
			assert_true(all_are(sector, 'b') || all_are(sector, 0));
		}
	}
	assert_true(kept > DISKS / 10 && torn > DISKS / 20 && kept + torn < DISKS * 9 / 10);
}

static void
what_was_written_while_a_flush_ran_is_not_flushed_by_it(void **state)
{
	struct rig *r = *state;
	unsigned lost = 0;
	did(r, POWER_MAKE, "file", "");
	synced(r, "");
	did(r, POWER_SYNC, "file", "");
	wrote(r, 0, 'a', 512);
	did(r, POWER_SYNC_DONE, "file", "");
	for (unsigned i = 0; i < DISKS; i++) {
		cut(r, i);
		lost += !all_are(read_back(r, "file"), 'a') || read_back(r, "file").len == 0;
	}
	assert_true(lost > DISKS / 10);
}

static void
a_write_that_was_flushed_on_its_way_is_there_when_it_returned(void **state)
{
	struct rig *r = *state;
	did(r, POWER_MAKE, "file", "");
	wrote(r, 0, 'a', 1024);
	synced(r, "");
	wrote(r, 512, 'b', 512);
	did(r, POWER_WRITE_DONE, "file", "");
	for (unsigned i = 0; i < DISKS; i++) {
		cut(r, i);
		struct bytes b = read_back(r, "file");
		assert_int_equal(b.len, 1024);
		assert_true(all_are(bytes_from(b.data + 512, 512), 'b'));
	}
}

static void
a_name_is_durable_with_its_folder_and_not_with_its_file(void **state)
{
	struct rig *r = *state;
	unsigned lost = 0;
	did(r, POWER_MAKE_DIR, "folder", "");
	did(r, POWER_MAKE, "file", "");
	wrote(r, 0, 'a', 512);
	synced(r, "file");
	for (unsigned i = 0; i < DISKS; i++) {
		cut(r, i);
		lost += read_back(r, "file").data == NULL;
	}
	assert_true(lost > DISKS / 10 && lost < DISKS * 9 / 10);
	synced(r, "");
	for (unsigned i = 0; i < DISKS; i++) {
		cut(r, i);
		assert_int_equal(read_back(r, "file").len, 512);
	}
}

static void
a_file_that_is_moved_never_loses_both_its_names(void **state)
{
	struct rig *r = *state;
	unsigned old = 0, new = 0;
	did(r, POWER_MAKE_DIR, "folder", "");
	did(r, POWER_MAKE, "file", "");
	wrote(r, 0, 'a', 512);
	synced(r, "file");
	synced(r, "");
	did(r, POWER_MOVE, "file", "folder/moved");
	for (unsigned i = 0; i < DISKS; i++) {
		cut(r, i);
		bool is_old = read_back(r, "file").len == 512;
		bool is_new = read_back(r, "folder/moved").len == 512;
		assert_true(is_old || is_new);
		old += is_old;
		new += is_new;
	}
	assert_true(old > DISKS / 10 && new > DISKS / 10);
	synced(r, ""); /* the folder it left, and not the one it went to */
	cut(r, 1);
	assert_null(read_back(r, "file").data);
	assert_int_equal(read_back(r, "folder/moved").len, 512);
}

int
main(void)
{
#define DISK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		DISK_TEST(what_was_flushed_is_there_and_nothing_else_has_to_be),
		DISK_TEST(what_was_written_while_a_flush_ran_is_not_flushed_by_it),
		DISK_TEST(a_write_that_was_flushed_on_its_way_is_there_when_it_returned),
		DISK_TEST(a_name_is_durable_with_its_folder_and_not_with_its_file),
		DISK_TEST(a_file_that_is_moved_never_loses_both_its_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
