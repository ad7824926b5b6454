#include "tests/lib/test.h"

#include <lmdb.h>

#include "proto/facts.h"
#include "proto/limits.h"
#include "tests/unit/daemon/store_batch.h"

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
		batch_first(r);
		damage(r, tables[t], 3);
		OK(r, store_rig_open(r));
		assert_false(store_check(store_rig_look(r), NULL, &n, &r->e));
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
	struct store_report rep = batch_report(1, 1);
	bool found = false;
	batch_first(r);
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
		batch_first(r);
		/* the last row of meta is a counter; the commit row is read first */
		damage(r, tables[t], 2);
		bool ok = store_rig_open(r);
		if (strcmp(tables[t], "meta") == 0) {
			assert_false(ok && store_check(store_rig_look(r), NULL,
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

/* As a version from before decision 0028 left it. */
static void
take_the_table_of_dead_letters(struct store_rig *r)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 20), 0);
	assert_int_equal(mdb_env_open(env, r->path, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "dead", 0, &dbi), 0);
	assert_int_equal(mdb_drop(txn, dbi, 1), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void
a_store_without_the_table_of_dead_letters_gets_one(void **state)
{
	struct store_rig *r = *state;
	struct store_letter l = { .key = { .party = 2, .subscription = 1 },
		.why = STORE_DEAD_MAILBOX_FULL,
		.precedence = PRECEDENCE_FLASH };
	struct store_counts counts;
	size_t count = 1;
	store_rig_close(r);
	take_the_table_of_dead_letters(r);
	OK(r, store_rig_open(r));
	BEGIN(r);
	OK(r, store_put_letter(r->store, &l, &r->e));
	COMMIT(r);
	REOPEN(r);
	OK(r, store_read_letters(store_rig_look(r), NULL, &l, &count, &r->e));
	assert_int_equal(count, 1);
	OK(r, store_check(r->view, NULL, &counts, &r->e));
}

/* Nothing is written before it was verified, and verified it was not as this version would. */
static void
an_older_store_that_must_be_verified_is_for_the_version_that_made_it(void **state)
{
	struct store_rig *r = *state;
	store_break(r->store);
	store_rig_close(r);
	take_the_table_of_dead_letters(r);
	assert_false(store_rig_open(r));
	assert_int_equal(r->e.code, ERR_STORE);
	assert_non_null(strstr(r->e.text, "an older version has to verify it first"));
}

static void
a_copy_of_an_older_store_is_read_and_has_no_dead_letters(void **state)
{
	struct store_rig *r = *state;
	struct store_letter l;
	struct store_counts counts;
	size_t count = 1;
	store_rig_close(r);
	take_the_table_of_dead_letters(r);
	OK(r, store_open_copy(&r->config, &r->store, &r->e));
	OK(r, store_view_new(r->store, &r->view, &r->e));
	OK(r, store_read_letters(store_rig_look(r), NULL, &l, &count, &r->e));
	assert_int_equal(count, 0);
	OK(r, store_check(r->view, NULL, &counts, &r->e));
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_damaged_value_is_found_in_every_table),
		STORE_TEST(a_damaged_value_is_never_given_out),
		STORE_TEST(damage_to_what_is_read_at_the_start_refuses_it),
		STORE_TEST(another_format_is_refused),
		STORE_TEST(a_store_without_the_table_of_dead_letters_gets_one),
		STORE_TEST(an_older_store_that_must_be_verified_is_for_the_version_that_made_it),
		STORE_TEST(a_copy_of_an_older_store_is_read_and_has_no_dead_letters),
		STORE_TEST(a_value_that_lost_its_tail_is_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
