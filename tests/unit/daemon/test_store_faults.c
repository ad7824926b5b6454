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

#include "proto/facts.h"
#include "proto/limits.h"
#include "tests/lib/store_rig.h"

static unsigned fault_in; /* the call that fails, counted down; 0: none */
static int fault_code;
static bool fault_fired;
static int sync_code; /* of the next fdatasync that is not the mark's */
static bool disk_full;

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
	return fault_code;
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

#define OK(r, call) \
	do { \
		if (!(call)) \
			fail_msg("%s: %s", #call, (r)->e.text); \
	} while (0)

static int
open_rig(void **state)
{
	struct store_rig *r = malloc(sizeof(*r));
	assert_non_null(r);
	fault_arm(0, 0);
	disk_full = false;
	store_rig_init(r);
	assert_true(store_rig_open(r));
	*state = r;
	return 0;
}

static int
close_rig(void **state)
{
	fault_arm(0, 0);
	store_rig_done(*state);
	free(*state);
	return 0;
}

static struct store_report
report(uint8_t byte, uint64_t intake)
{
	struct store_report rep = { .key = { .originator = 1 }, .intake = intake, .decisions = 1 };
	memset(rep.key.id, byte, sizeof(rep.key.id));
	return rep;
}

/* One batch with every kind of write, on top of what 'prepare' put. */
static bool
whole_batch(struct store_rig *r, uint8_t byte)
{
	static const uint8_t tile[STORE_TILE_BYTES];
	struct store *s = r->store;
	struct store_report rep = report(byte, byte);
	struct store_subscription sub = { .party = 1, .mode = 1, .name = bytes_of("inbox") };
	struct store_given g = { .party = 1, .report = rep.key, .masks = bytes_of("m") };
	struct store_held h = { .deadline_us = byte, .decision = byte, .report = rep.key };
	struct store_checkpoint c = { byte, false, bytes_of("note") };
	struct store_head party = { .tree = 1, .size = byte };
	struct store_queue_key old = { 1, PRECEDENCE_FLASH, (uint64_t)byte - 1 };
	char name[2] = { (char)byte, 0 };
	uint8_t digest[32];
	uint32_t id;
	if (!store_name(s, STORE_NAME_AGENT, bytes_of(name), &id, &r->e) ||
	    !store_put_part(s, byte, STORE_PART_MANIFEST, bytes_of("manifest"), &r->e) ||
	    !store_put_report(s, &rep, &r->e) ||
	    !store_put_part(s, byte, STORE_PART_BODY(0), bytes_of("body"), &r->e) ||
	    !store_put_given(s, &g, &r->e) || !store_put_hold(s, &h, &r->e) ||
	    !store_put_subscription(s, &sub, &r->e))
		return false;
	struct store_queued q = { .key = { sub.id, PRECEDENCE_FLASH, byte }, .bytes = 10 };
	return store_enqueue(s, &q, &r->e) && store_dequeue(s, &old, NULL, &r->e) &&
	       store_drop_bodies(s, (uint64_t)byte - 1, &r->e) && store_rig_log(r, 64) &&
	       store_put_tile(s, 0, byte, tile, &r->e) && store_put_head(s, &party, &r->e) &&
	       store_put_checkpoint(s, &c, &r->e) &&
	       store_put_blob(s, STORE_CHAIN, bytes_of(name), digest, &r->e) &&
	       store_put_note(s, "note", bytes_of(name), &r->e) &&
	       store_drop_subscription(s, sub.id + 1, &r->e);
}

static bool
one_commit(struct store_rig *r, uint8_t byte)
{
	if (!store_rig_begin(r))
		return false;
	if (!whole_batch(r, byte)) {
		store_abort(r->store);
		return false;
	}
	return store_commit(r->store, &r->fence, &r->stamp, &r->e);
}

static struct store_counts
count_all(struct store_rig *r)
{
	struct store_counts n;
	OK(r, store_check(store_rig_look(r), &n, &r->e));
	return n;
}

static void
put_first(struct store_rig *r)
{
	OK(r, one_commit(r, 1));
	struct store_state st;
	OK(r, store_read_state(store_rig_look(r), &st, &r->e));
	r->fence = st.fence;
}

static void
each_failure(struct store_rig *r, int code, bool breaks)
{
	put_first(r);
	unsigned step = 0;
	for (;;) {
		struct store_counts before = count_all(r);
		struct store_usage usage = store_usage(r->store, 1);
		fault_arm(++step, code);
		bool ok = one_commit(r, 2);
		bool fired = fault_fired;
		fault_arm(0, 0);
		assert_true(ok != fired);
		if (!fired)
			break;
		assert_int_equal(store_is_broken(r->store), breaks);
		if (breaks) {
			assert_int_equal(r->e.code, ERR_STORE);
			assert_false(one_commit(r, 2));
			store_rig_close(r);
			OK(r, store_rig_open(r));
			OK(r, store_verified(r->store, &r->e));
		} else {
			assert_int_equal(r->e.code, ERR_FULL);
		}
		struct store_counts after = count_all(r);
		assert_int_equal(before.rows, after.rows);
		assert_int_equal(before.bytes, after.bytes);
		assert_int_equal(store_usage(r->store, 1).reports, usage.reports);
		assert_int_equal(store_usage(r->store, 1).bytes, usage.bytes);
	}
	assert_true(step > 40);
	assert_true(count_all(r).rows > 20);
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
	put_first(r);
	struct store_counts before = count_all(r);
	OK(r, store_rig_begin(r));
	OK(r, whole_batch(r, 2));
	sync_code = EIO;
	assert_false(store_commit(r->store, &r->fence, &r->stamp, &r->e));
	assert_int_equal(r->e.code, ERR_STORE);
	assert_non_null(strstr(r->e.text, "commit: Input/output error"));
	assert_int_equal(sync_code, 0);
	assert_true(store_is_broken(r->store));
	store_rig_close(r);
	OK(r, store_rig_open(r));
	assert_true(store_needs_full_check(r->store, boot));
	assert_int_equal(count_all(r).rows, before.rows);
}

static void
a_reader_that_fails_stops_the_store(void **state)
{
	struct store_rig *r = *state;
	struct bytes out;
	bool found = true;
	put_first(r);
	store_view_close(r->view);
	fault_arm(1, MDB_CORRUPTED);
	assert_false(store_view_open(r->view, &r->read, &r->e));
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
	OK(r, one_commit(r, 1)); /* the log goes on */
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
	assert_int_equal(count_all(r).rows, put + 1);
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
	assert_int_equal(count_all(r).rows, 101);
	OK(r, put_bodies(r, 100, 10));
	assert_int_equal(count_all(r).rows, 111);
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

/* ---- damage ---- */

/* Turns one bit in the last value of a table, as a bad disk (or a hand) would. */
static void
damage(struct store_rig *r, const char *table, size_t byte)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_cursor *c;
	MDB_val k, v;
	uint8_t copy[10000];
	store_rig_close(r);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 20), 0);
	assert_int_equal(mdb_env_open(env, r->path, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, table, 0, &dbi), 0);
	assert_int_equal(mdb_cursor_open(txn, dbi, &c), 0);
	assert_int_equal(mdb_cursor_get(c, &k, &v, MDB_LAST), 0);
	assert_true(v.mv_size <= sizeof(copy) && byte < v.mv_size);
	memcpy(copy, v.mv_data, v.mv_size);
	copy[byte] ^= 0x10;
	v.mv_data = copy;
	assert_int_equal(mdb_cursor_put(c, &k, &v, MDB_CURRENT), 0);
	mdb_cursor_close(c);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void
a_damaged_value_is_found_in_every_table(void **state)
{
	static const char *const tables[] = { "name", "report", "part", "given", "chain", "entry",
		"tile", "head", "checkpoint" };
	struct store_rig *r = *state;
	for (unsigned t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		struct store_counts n;
		char want[64];
		store_rig_done(r);
		store_rig_init(r);
		OK(r, store_rig_open(r));
		put_first(r);
		damage(r, tables[t], 3);
		OK(r, store_rig_open(r));
		assert_false(store_check(store_rig_look(r), &n, &r->e));
		assert_int_equal(r->e.code, ERR_CORRUPT);
		(void)snprintf(want, sizeof(want), "table %s, key ", tables[t]);
		assert_non_null(strstr(r->e.text, want));
		assert_non_null(strstr(r->e.text, "wrong checksum"));
		assert_true(store_is_broken(r->store));
	}
}

static void
a_damaged_value_is_never_given_out(void **state)
{
	struct store_rig *r = *state;
	struct store_report got;
	struct store_report rep = report(1, 1);
	bool found = false;
	put_first(r);
	damage(r, "report", 0);
	OK(r, store_rig_open(r));
	assert_false(store_find_report(store_rig_look(r), &rep.key, &got, &found, &r->e));
	assert_int_equal(r->e.code, ERR_CORRUPT);
	assert_false(found);
}

static void
damage_to_what_is_read_at_the_start_refuses_it(void **state)
{
	static const char *const tables[] = { "meta", "queue", "subscription", "hold" };
	struct store_rig *r = *state;
	for (unsigned t = 0; t < 4; t++) {
		store_rig_done(r);
		store_rig_init(r);
		OK(r, store_rig_open(r));
		put_first(r);
		/* the last row of meta is a counter; the commit row is read first */
		damage(r, tables[t], 2);
		bool ok = store_rig_open(r);
		if (strcmp(tables[t], "meta") == 0) {
			assert_false(ok && store_check(store_rig_look(r),
					       &(struct store_counts){ 0 }, &r->e));
			assert_int_equal(r->e.code, ERR_CORRUPT);
			continue;
		}
		assert_false(ok);
		assert_int_equal(r->e.code, ERR_CORRUPT);
		assert_non_null(strstr(r->e.text, tables[t]));
	}
}

/* Writes a commit row with another format and a right checksum. */
static void
another_format_is_refused(void **state)
{
	struct store_rig *r = *state;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	store_rig_close(r);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 20), 0);
	assert_int_equal(mdb_env_open(env, r->path, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "meta", 0, &dbi), 0);
	/* format 2; CRC-32C of "commit" 00000002, by hand */
	uint8_t row[8] = { 0, 0, 0, 2, 0, 0, 0, 0 };
	uint32_t crc = 0xffffffff;
	const uint8_t covered[10] = { 'c', 'o', 'm', 'm', 'i', 't', 0, 0, 0, 2 };
	for (unsigned i = 0; i < 80; i++) {
		uint32_t bit = (crc ^ (uint32_t)(covered[i / 8] >> (i % 8))) & 1;
		crc = crc >> 1 ^ (bit ? 0x82f63b78 : 0);
	}
	put_u32(row + 4, ~crc);
	MDB_val k = { 6, (void *)(uintptr_t) "commit" }, v = { sizeof(row), row };
	assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	assert_false(store_rig_open(r));
	assert_int_equal(r->e.code, ERR_STORE);
	assert_non_null(strstr(r->e.text, "format 2, not 1"));
}

static void
a_value_that_lost_its_tail_is_found(void **state)
{
	struct store_rig *r = *state;
	static const uint8_t body[LIMIT_CHUNK_BYTES * 2];
	struct bytes out;
	bool found;
	OK(r, store_rig_begin(r));
	OK(r,
	    store_put_part(r->store, 1, STORE_PART_BODY(0), bytes_from(body, sizeof(body)), &r->e));
	OK(r, store_rig_commit(r));
	store_rig_close(r);
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_cursor *c;
	MDB_val k, v;
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 20), 0);
	assert_int_equal(mdb_env_open(env, r->path, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "part", 0, &dbi), 0);
	assert_int_equal(mdb_cursor_open(txn, dbi, &c), 0);
	assert_int_equal(mdb_cursor_get(c, &k, &v, MDB_LAST), 0);
	assert_int_equal(mdb_cursor_del(c, 0), 0);
	mdb_cursor_close(c);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	OK(r, store_rig_open(r));
	assert_false(
	    store_read_part(store_rig_look(r), 1, STORE_PART_BODY(0), &out, &found, &r->e));
	assert_int_equal(r->e.code, ERR_CORRUPT);
	assert_non_null(strstr(r->e.text, "the end is missing"));
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
		T(a_reader_that_fails_stops_the_store),
		T(intake_stops_at_the_reserve_of_the_disk),
		T(a_map_that_fills_up_refuses_new_reports_and_loses_nothing),
		T(a_map_that_is_full_inside_a_batch_costs_that_batch_alone),
		T(a_full_disk_is_met_before_the_batch),
		T(a_damaged_value_is_found_in_every_table),
		T(a_damaged_value_is_never_given_out),
		T(damage_to_what_is_read_at_the_start_refuses_it),
		T(another_format_is_refused),
		T(a_value_that_lost_its_tail_is_found),
		T(a_batch_of_1024_records_is_one_commit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
