/* What the store does when LMDB, the disk or the map says no.  The calls are wrapped by the linker
 * (meson.build lists them); fdatasync is LMDB's own call into libc. */
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "daemon/role.h"
#include "proto/facts.h"
#include "proto/limits.h"
#include "tests/unit/daemon/store_batch.h"

static unsigned fault_in; /* the call that fails, counted down; 0: none */
static int fault_code;
static bool fault_fired;
static int sync_code; /* of the next fdatasync that is not the mark's */
static bool disk_full;
static bool panic; /* after a failed commit LMDB refuses everything */

static void
fault_arm(unsigned step, int code)
{
	fault_in = step;
	fault_code = code;
	fault_fired = false;
}

static bool
fault_now(void)
{
	if (fault_in == 0 || --fault_in > 0)
		return false;
	fault_fired = true;
	return true;
}

#define WRAP(name, parameters, arguments) \
	int __real_##name parameters; \
	int __wrap_##name parameters; \
	int __wrap_##name parameters \
	{ \
		return fault_now() ? fault_code : __real_##name arguments; \
	}
WRAP(mdb_put, (MDB_txn * t, MDB_dbi d, MDB_val *k, MDB_val *v, unsigned f), (t, d, k, v, f))
WRAP(mdb_get, (MDB_txn * t, MDB_dbi d, MDB_val *k, MDB_val *v), (t, d, k, v))
WRAP(mdb_del, (MDB_txn * t, MDB_dbi d, MDB_val *k, MDB_val *v), (t, d, k, v))
WRAP(mdb_txn_begin, (MDB_env * n, MDB_txn *p, unsigned f, MDB_txn **t), (n, p, f, t))
WRAP(mdb_txn_renew, (MDB_txn * t), (t))
WRAP(mdb_cursor_open, (MDB_txn * t, MDB_dbi d, MDB_cursor **c), (t, d, c))
WRAP(mdb_cursor_get, (MDB_cursor * c, MDB_val *k, MDB_val *v, MDB_cursor_op o), (c, k, v, o))
WRAP(mdb_cursor_del, (MDB_cursor * c, unsigned f), (c, f))

int __real_mdb_txn_commit(MDB_txn *t);
int __wrap_mdb_txn_commit(MDB_txn *t);
int
__wrap_mdb_txn_commit(MDB_txn *t)
{
	if (!fault_now())
		return __real_mdb_txn_commit(t);
	mdb_txn_abort(t); /* a commit that fails frees the transaction */
	int code = fault_code;
	if (panic)
		fault_arm(1, MDB_PANIC);
	return code;
}

int __real_fallocate64(int fd, int mode, off_t from, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t from, off_t len);
int
__wrap_fallocate64(int fd, int mode, off_t from, off_t len)
{
	errno = ENOSPC;
	return disk_full ? -1 : __real_fallocate64(fd, mode, from, len);
}

int __real_fstatvfs64(int fd, struct statvfs *out);
int __wrap_fstatvfs64(int fd, struct statvfs *out);
int
__wrap_fstatvfs64(int fd, struct statvfs *out)
{
	int code = __real_fstatvfs64(fd, out);
	out->f_frsize = 4096;
	out->f_blocks = 1000;
	out->f_bavail = disk_full ? 99 : 500;
	return code;
}

/* LMDB's call and ours. */
int
fdatasync(int fd)
{
	if (sync_code != 0) {
		errno = sync_code;
		sync_code = 0;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

static int
open_rig(void **state)
{
	fault_arm(0, 0);
	disk_full = panic = false;
	return store_rig_setup(state);
}

static int
close_rig(void **state)
{
	fault_arm(0, 0);
	return store_rig_teardown(state);
}

static void
each_failure(struct store_rig *r, int code, bool breaks)
{
	batch_first(r);
	unsigned step = 0;
	for (;;) {
		struct store_counts before = batch_count(r);
		struct store_usage usage = store_usage(r->store, 1);
		fault_arm(++step, code);
		bool ok = batch_commit(r, 2);
		bool fired = fault_fired;
		fault_arm(0, 0);
		assert_true(ok != fired);
		if (!fired)
			break;
		assert_int_equal(store_is_broken(r->store), breaks);
		if (breaks) {
			assert_int_equal(r->e.code, ERR_STORE);
			assert_false(batch_commit(r, 2));
			store_rig_close(r);
			OK(r, store_rig_open(r));
			OK(r, store_verified(r->store, &r->e));
		} else {
			assert_int_equal(r->e.code, ERR_FULL);
		}
		struct store_counts after = batch_count(r);
		assert_int_equal(before.rows, after.rows);
		assert_int_equal(before.bytes, after.bytes);
		assert_int_equal(store_usage(r->store, 1).reports, usage.reports);
		assert_int_equal(store_usage(r->store, 1).bytes, usage.bytes);
	}
	assert_true(step > 40);
	assert_true(batch_count(r).rows > 20);
}

static void
a_commit_that_fails_anywhere_leaves_nothing_behind_and_stops_the_store(void **state)
{
	each_failure(*state, EIO, true);
}

static void
a_full_map_anywhere_leaves_nothing_behind_and_the_store_goes_on(void **state)
{
	each_failure(*state, MDB_MAP_FULL, false);
}

static void
a_full_disk_anywhere_leaves_nothing_behind_and_the_store_goes_on(void **state)
{
	each_failure(*state, ENOSPC, false);
}

static void
a_failed_flush_stops_the_store_and_the_next_start_verifies(void **state)
{
	struct store_rig *r = *state;
	uint8_t boot[16] = { 0 };
	batch_first(r);
	struct store_counts before = batch_count(r);
	OK(r, store_rig_begin(r));
	OK(r, batch_put(r, 2));
	sync_code = EIO;
	assert_false(store_commit(r->store, &r->fence, &r->stamp, &r->e));
	assert_int_equal(r->e.code, ERR_STORE);
	assert_non_null(strstr(r->e.text, "commit: Input/output error"));
	assert_int_equal(sync_code, 0);
	assert_true(store_is_broken(r->store));
	store_rig_close(r);
	OK(r, store_rig_open(r));
	assert_true(store_needs_full_check(r->store, boot));
	assert_int_equal(batch_count(r).rows, before.rows);
}

/* ENOSPC from the meta page: nobody knows what the disk has. */
static void
a_full_disk_is_not_benign_where_it_hit_the_meta_page(void **state)
{
	struct store_rig *r = *state;
	batch_first(r);
	BEGIN(r);
	panic = true;
	fault_arm(2, ENOSPC); /* the commit row, then the commit */
	assert_false(store_commit(r->store, &r->fence, &r->stamp, &r->e));
	assert_int_equal(r->e.code, ERR_STORE);
	assert_non_null(strstr(r->e.text, "MDB_PANIC"));
	assert_true(store_is_broken(r->store));
}

/* Every thread reads, and whichever meets it latches it. */
static void
a_reader_that_fails_stops_the_store(void **state)
{
	struct store_rig *r = *state;
	struct bytes out;
	bool found = true;
	batch_first(r);
	store_view_close(r->view);
	role_set(ROLE_WORKER);
	fault_arm(1, MDB_CORRUPTED);
	assert_false(store_view_open(r->view, &r->read, &r->e));
	role_set(ROLE_NONE);
	assert_int_equal(r->e.code, ERR_STORE);
	assert_true(store_is_broken(r->store));
	(void)store_rig_look(r);
	fault_arm(1, MDB_PAGE_NOTFOUND);
	assert_false(store_read_entry(r->view, 0, &out, &found, &r->e));
	assert_int_equal(r->e.code, ERR_STORE);
	assert_true(found);
}

static void
intake_stops_at_the_reserve_of_the_disk(void **state)
{
	struct store_rig *r = *state;
	store_rig_close(r);
	r->config.reserve_percent = 10; /* of 1000 pages */
	OK(r, store_rig_open(r));
	OK(r, store_headroom(r->store, 400 * 4096, &r->e));
	assert_false(store_headroom(r->store, 400 * 4096 + 1, &r->e));
	assert_int_equal(r->e.code, ERR_FULL);
	assert_non_null(strstr(r->e.text, "bytes of disk are free"));
	disk_full = true;
	assert_false(store_headroom(r->store, 0, &r->e));
	OK(r, batch_commit(r, 1)); /* the log goes on */
	assert_false(store_is_broken(r->store));
	store_rig_close(r);
	r->config.reserve_percent = 0;
	r->config.reserve_bytes = 99 * 4096;
	OK(r, store_rig_open(r));
	OK(r, store_headroom(r->store, 0, &r->e));
	assert_false(store_headroom(r->store, 1, &r->e));
}

/* Fills the store with reports as intake does; true if the batch went in. */
static bool
put_bodies(struct store_rig *r, uint64_t from, unsigned count)
{
	static const uint8_t body[1800];
	if (!store_rig_begin(r))
		return false;
	for (uint64_t i = from; i < from + count; i++)
		if (!store_put_part(
			r->store, i, STORE_PART_BODY(0), bytes_from(body, sizeof(body)), &r->e)) {
			store_abort(r->store);
			return false;
		}
	return store_rig_commit(r);
}

static void
small_map(struct store_rig *r)
{
	store_rig_close(r);
	store_rig_done(r);
	store_rig_init(r);
	r->config.map_bytes = 1u << 20;
	OK(r, store_rig_open(r));
}

static void
a_map_that_fills_up_refuses_new_reports_and_loses_nothing(void **state)
{
	struct store_rig *r = *state;
	small_map(r);
	uint64_t put = 0;
	while (store_headroom(r->store, 40000, &r->e)) {
		OK(r, put_bodies(r, put, 8));
		put += 8;
		assert_true(put < 1000);
	}
	assert_int_equal(r->e.code, ERR_FULL);
	assert_non_null(strstr(r->e.text, "of the map are in use"));
	assert_true(put > 100);
	assert_int_equal(batch_count(r).rows, put + 1);
	OK(r, store_rig_begin(r)); /* the log and the deletes go on */
	OK(r, store_rig_log(r, 500));
	for (uint64_t i = 0; i < put; i++)
		OK(r, store_drop_bodies(r->store, i, &r->e));
	OK(r, store_rig_commit(r));
	OK(r, store_rig_begin(r));
	OK(r, store_rig_commit(r));
	for (unsigned i = 0; i < 40 && !store_headroom(r->store, 40000, &r->e); i++)
		continue; /* free pages are counted now and then */
	OK(r, store_headroom(r->store, 40000, &r->e));
	OK(r, put_bodies(r, put, 8));
}

static void
a_map_that_is_full_inside_a_batch_costs_that_batch_alone(void **state)
{
	struct store_rig *r = *state;
	small_map(r);
	OK(r, put_bodies(r, 0, 100));
	assert_false(put_bodies(r, 100, 800));
	assert_int_equal(r->e.code, ERR_FULL);
	assert_non_null(strstr(r->e.text, "MDB_MAP_FULL"));
	assert_false(store_is_broken(r->store));
	assert_int_equal(batch_count(r).rows, 101);
	OK(r, put_bodies(r, 100, 10));
	assert_int_equal(batch_count(r).rows, 111);
}

static void
a_full_disk_is_met_before_the_batch(void **state)
{
	struct store_rig *r = *state;
	small_map(r);
	disk_full = true;
	uint64_t put = 0;
	while (put_bodies(r, put, 8)) {
		put += 8;
		assert_true(put < 1000);
	}
	assert_int_equal(r->e.code, ERR_FULL);
	assert_non_null(strstr(r->e.text, "allocate data.mdb"));
	assert_false(store_is_broken(r->store));
	assert_true(put > 0);
	disk_full = false;
	OK(r, put_bodies(r, put, 8));
}

/* ---- speed, for the eye ---- */

static void
a_batch_of_1024_records_is_one_commit(void **state)
{
	struct store_rig *r = *state;
	struct timespec from, to;
	store_rig_close(r);
	r->config.map_bytes = 64u << 20;
	OK(r, store_rig_open(r));
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	OK(r, store_rig_begin(r));
	for (unsigned i = 0; i < LIMIT_BATCH_RECORDS; i++)
		OK(r, store_rig_log(r, 800));
	OK(r, store_rig_commit(r));
	(void)clock_gettime(CLOCK_MONOTONIC, &to);
	long us = (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000;
	print_message("1,024 records of 800 bytes and their heads: %ld us\n", us);
	assert_int_equal(r->fence.log_size, LIMIT_BATCH_RECORDS);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_commit_that_fails_anywhere_leaves_nothing_behind_and_stops_the_store),
		T(a_full_map_anywhere_leaves_nothing_behind_and_the_store_goes_on),
		T(a_full_disk_anywhere_leaves_nothing_behind_and_the_store_goes_on),
		T(a_failed_flush_stops_the_store_and_the_next_start_verifies),
		T(a_full_disk_is_not_benign_where_it_hit_the_meta_page),
		T(a_reader_that_fails_stops_the_store),
		T(intake_stops_at_the_reserve_of_the_disk),
		T(a_map_that_fills_up_refuses_new_reports_and_loses_nothing),
		T(a_map_that_is_full_inside_a_batch_costs_that_batch_alone),
		T(a_full_disk_is_met_before_the_batch),
		T(a_batch_of_1024_records_is_one_commit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
