#include "tests/lib/test.h"

#include <lmdb.h>
#include <openssl/evp.h>

#include "audit/checkpoint.h"
#include "audit/view.h"
#include "daemon/crc32c.h"
#include "daemon/startup.h"
#include "tests/lib/store_rig.h"

#define OK(r, call) \
	do { \
		if (!(call)) \
			fail_msg("%s: %s", #call, (r)->e.text); \
	} while (0)

/* A store with a true log, as the committer writes it. */
struct rig {
	struct store_rig r;
	struct sha256 h;
	struct log log;
	struct merkle gbr, nor;
	uint32_t gbr_id, nor_id;
	struct note_key key;
	EVP_PKEY *pkey;
	uint64_t now;
};

static bool
put_tile(void *ctx, struct tile_id id, const uint8_t data[TILE_BYTES], struct err *e)
{
	struct rig *t = ctx;
	return store_put_tile(t->r.store, (uint8_t)id.level, id.n, data, e);
}

static EVP_PKEY *
key_of(uint8_t byte)
{
	uint8_t seed[32];
	memset(seed, byte, sizeof(seed));
	EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
	assert_non_null(k);
	return k;
}

static void
take_key(struct rig *t, uint8_t byte)
{
	uint8_t public[32];
	size_t len = sizeof(public);
	struct note_name name = { bytes_of("relto.example/g1"), NOTE_ED25519 };
	EVP_PKEY_free(t->pkey);
	t->pkey = key_of(byte);
	assert_int_equal(EVP_PKEY_get_raw_public_key(t->pkey, public, &len), 1);
	OK(&t->r, note_key_make(&t->h, &name, public, &t->key, &t->r.e));
}

static int
open_rig(void **state)
{
	struct rig *t = calloc(1, sizeof(*t));
	assert_non_null(t);
	store_rig_init(&t->r);
	t->r.config.map_bytes = 1u << 30;
	assert_true(store_rig_open(&t->r));
	OK(&t->r, sha256_init(&t->h, &t->r.e));
	log_init(&t->log, &t->h, (struct log_sink){ put_tile, t });
	take_key(t, 1);
	t->now = 1000;
	*state = t;
	return 0;
}

static int
close_rig(void **state)
{
	struct rig *t = *state;
	store_rig_done(&t->r);
	sha256_done(&t->h);
	EVP_PKEY_free(t->pkey);
	free(t);
	return 0;
}

/* PAD for most; every third a NARROWED that stands in the trees of GBR and NOR. */
static void
append(struct rig *t)
{
	static const uint8_t salts[RECORD_SALTS];
	static const uint8_t digest[32];
	struct arena *a = &t->r.scratch;
	struct err *e = &t->r.e;
	struct record rec;
	bool narrowed = t->log.tree.leaf_count % 3 == 1;
	struct slot_common common = { .type = narrowed ? EVENT_NARROWED : EVENT_PAD };
	struct slot_release release = { .recipient = bytes_of("NOR") };
	struct slot_publication pub = {
		.party = bytes_of("GBR"), .manifest = digest, .index = SLOT_LATER
	};
	struct log_in in = { .now = ++t->now };
	OK(&t->r, record_begin(&rec, a, salts, e) && record_set_common(&rec, a, &common, e));
	if (narrowed) {
		OK(&t->r, record_set_release(&rec, a, &release, e) &&
			      record_set_publication(&rec, a, &pub, e));
		in.publication = &t->gbr;
		in.place = &t->nor;
	}
	struct log_out out;
	OK(&t->r, log_append(&t->log, &rec, &in, &out, e));
	size_t size = record_entry_size(&rec);
	uint8_t *entry = arena_alloc(a, size);
	assert_non_null(entry);
	record_entry_write(&rec, out.leaf, entry);
	OK(&t->r, store_put_entry(t->r.store, out.index, bytes_from(entry, size), e));
}

static void
put_head(struct rig *t, uint32_t id, const struct merkle *tree)
{
	struct store_head h = { .tree = id,
		.size = tree->leaf_count,
		.time_us = t->log.time,
		.head_index = STORE_NONE };
	memcpy(h.frontier, tree->frontier, sizeof(h.frontier));
	OK(&t->r, merkle_root(&t->h, tree, h.root, &t->r.e));
	OK(&t->r, store_put_head(t->r.store, &h, &t->r.e));
}

static void
put_checkpoint(struct rig *t, bool published)
{
	struct checkpoint cp = { bytes_of("relto.example/g1"), t->log.tree.leaf_count, { 0 } };
	struct note_signer signer = { .key = t->pkey, .as = &t->key };
	struct store_checkpoint row = { .size = cp.size, .published = published };
	OK(&t->r, merkle_root(&t->h, &t->log.tree, cp.root, &t->r.e));
	OK(&t->r, checkpoint_sign(&t->r.scratch, &signer, &cp, &row.note, &t->r.e));
	OK(&t->r, store_put_checkpoint(t->r.store, &row, &t->r.e));
}

static void
grow(struct rig *t, unsigned records)
{
	OK(&t->r, store_rig_begin(&t->r));
	OK(&t->r, store_name(t->r.store, STORE_NAME_PARTY, bytes_of("GBR"), &t->gbr_id, &t->r.e));
	OK(&t->r, store_name(t->r.store, STORE_NAME_PARTY, bytes_of("NOR"), &t->nor_id, &t->r.e));
	for (unsigned i = 0; i < records; i++)
		append(t);
	put_head(t, STORE_MAIN_TREE, &t->log.tree);
	put_head(t, t->gbr_id, &t->gbr);
	put_head(t, t->nor_id, &t->nor);
	put_checkpoint(t, true);
	OK(&t->r, store_rig_commit(&t->r));
}

static void
reopen(struct rig *t)
{
	store_rig_close(&t->r);
	OK(&t->r, store_rig_open(&t->r));
}

static bool
verify(struct rig *t, bool all, struct startup_found *out)
{
	struct startup s = { .store = t->r.store, .h = &t->h, .key = &t->key, .all = all };
	struct log log;
	log_init(&log, &t->h, (struct log_sink){ put_tile, t });
	store_view_close(t->r.view);
	if (!startup_verify(&s, &log, out, &t->r.e))
		return false;
	t->log = log;
	return true;
}

static void
expect_refused(struct rig *t, bool all, const char *text)
{
	struct startup_found found;
	assert_false(verify(t, all, &found));
	if (strstr(t->r.e.text, text) == NULL)
		fail_msg("'%s' instead of '%s'", t->r.e.text, text);
	assert_int_equal(t->r.e.code, ERR_CORRUPT);
	assert_true(store_is_broken(t->r.store));
}

static void
expect_passed(struct rig *t, bool all)
{
	struct startup_found found;
	OK(&t->r, verify(t, all, &found));
	assert_int_equal(found.size, t->r.fence.log_size);
	assert_int_equal(found.all, all);
}

/* ---- a hand inside the database ---- */

struct raw {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
};

static struct raw
raw_open(struct rig *t, const char *table)
{
	struct raw w;
	store_rig_close(&t->r);
	assert_int_equal(mdb_env_create(&w.env), 0);
	assert_int_equal(mdb_env_set_maxdbs(w.env, 20), 0);
	assert_int_equal(mdb_env_set_mapsize(w.env, 1u << 30), 0);
	assert_int_equal(mdb_env_open(w.env, t->r.path, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(w.env, NULL, 0, &w.txn), 0);
	assert_int_equal(mdb_dbi_open(w.txn, table, 0, &w.dbi), 0);
	return w;
}

static void
raw_close(struct rig *t, struct raw *w)
{
	assert_int_equal(mdb_txn_commit(w->txn), 0);
	mdb_env_close(w->env);
	OK(&t->r, store_rig_open(&t->r));
}

static size_t
raw_get(struct raw *w, struct bytes key, uint8_t *out)
{
	MDB_val k = { key.len, (void *)(uintptr_t)key.data }, v;
	assert_int_equal(mdb_get(w->txn, w->dbi, &k, &v), 0);
	memcpy(out, v.mv_data, v.mv_size);
	return v.mv_size - 4;
}

/* With the checksum that belongs to it. */
static void
raw_put(struct raw *w, struct bytes key, uint8_t *data, size_t len)
{
	MDB_val k = { key.len, (void *)(uintptr_t)key.data }, v = { len + 4, data };
	put_u32(data + len, crc32c(crc32c(0, key), bytes_from(data, len)));
	assert_int_equal(mdb_put(w->txn, w->dbi, &k, &v, 0), 0);
}

static void
raw_del(struct raw *w, struct bytes key)
{
	MDB_val k = { key.len, (void *)(uintptr_t)key.data };
	assert_int_equal(mdb_del(w->txn, w->dbi, &k, NULL), 0);
}

struct spot {
	const char *table;
	uint8_t key[16];
	size_t key_len;
	size_t byte; /* the bit of it that is turned */
};

static void
turn_bit(struct rig *t, const struct spot *at)
{
	uint8_t data[TILE_BYTES + 4];
	struct raw w = raw_open(t, at->table);
	struct bytes key = bytes_from(at->key, at->key_len);
	size_t len = raw_get(&w, key, data);
	data[at->byte < len ? at->byte : len - 1] ^= 1;
	raw_put(&w, key, data, len);
	raw_close(t, &w);
}

static struct spot
entry_at(uint64_t index, size_t byte)
{
	struct spot s = { .table = "entry", .key_len = 8, .byte = byte };
	put_u64(s.key, index);
	return s;
}

/* ---- claims ---- */

static void
an_empty_store_passes(void **state)
{
	expect_passed(*state, false);
	expect_passed(*state, true);
}

static void
a_whole_log_is_restored_and_goes_on(void **state)
{
	struct rig *t = *state;
	static const unsigned steps[] = { 1, 2, 252, 1, 1, 300, 511 };
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		grow(t, steps[i]);
		struct merkle tree = t->log.tree;
		reopen(t);
		expect_passed(t, false);
		assert_int_equal(t->log.tree.leaf_count, tree.leaf_count);
		uint8_t a[32], b[32];
		OK(&t->r, merkle_root(&t->h, &tree, a, &t->r.e));
		OK(&t->r, merkle_root(&t->h, &t->log.tree, b, &t->r.e));
		assert_memory_equal(a, b, 32);
	}
	expect_passed(t, true);
}

static void
the_tail_is_read_again_and_the_rest_when_asked(void **state)
{
	struct rig *t = *state;
	struct startup_found found;
	enum { SIZE = 66000, FROM = (SIZE - STARTUP_TAIL) / 256 * 256 };
	for (unsigned i = 0; i < SIZE / 1000; i++)
		grow(t, 1000);
	reopen(t);
	OK(&t->r, verify(t, false, &found));
	assert_int_equal(found.size, SIZE);
	assert_int_equal(found.from, FROM);
	assert_int_equal(found.signed_size, SIZE);
	assert_int_equal(found.published_size, SIZE);
	assert_string_equal(found.why, "");
	struct spot at = entry_at(FROM - 1, 45);
	turn_bit(t, &at);
	expect_passed(t, false);
	at = entry_at(FROM, 45);
	turn_bit(t, &at);
	expect_refused(t, false, "record 61696: its contents do not give its leaf hash");
	turn_bit(t, &at);
	expect_refused(t, false, "record 61695: "); /* a store that broke is read as a whole */
}

static void
a_changed_byte_anywhere_in_a_record_is_found(void **state)
{
	struct rig *t = *state;
	grow(t, 20);
	size_t len = 0;
	for (size_t byte = 0; byte == 0 || byte < len; byte += 7) {
		uint8_t data[4096];
		struct startup_found found;
		struct spot at = entry_at(10, byte);
		struct raw w = raw_open(t, "entry");
		len = raw_get(&w, bytes_from(at.key, 8), data);
		raw_close(t, &w);
		turn_bit(t, &at);
		assert_false(verify(t, false, &found));
		assert_int_equal(t->r.e.code, ERR_CORRUPT);
		assert_non_null(strstr(t->r.e.text, "record 10: "));
		turn_bit(t, &at);
	}
	struct startup_found found;
	OK(&t->r, verify(t, false, &found));
	assert_true(found.all); /* it was broken before */
}

static void
records_that_changed_places_are_found(void **state)
{
	struct rig *t = *state;
	uint8_t a[4096], b[4096], first[8], second[8];
	grow(t, 20);
	put_u64(first, 6);
	put_u64(second, 9);
	struct raw w = raw_open(t, "entry");
	size_t a_len = raw_get(&w, bytes_from(first, 8), a);
	size_t b_len = raw_get(&w, bytes_from(second, 8), b);
	raw_put(&w, bytes_from(first, 8), b, b_len);
	raw_put(&w, bytes_from(second, 8), a, a_len);
	raw_close(t, &w);
	expect_refused(t, false, "its time is before that of the record before it");
}

static void
a_missing_record_is_found(void **state)
{
	struct rig *t = *state;
	uint8_t key[8];
	grow(t, 20);
	put_u64(key, 6);
	struct raw w = raw_open(t, "entry");
	raw_del(&w, bytes_from(key, 8));
	raw_close(t, &w);
	expect_refused(t, false, "entries before it are missing");
	put_u64(key, 19);
	w = raw_open(t, "entry");
	raw_del(&w, bytes_from(key, 8));
	raw_close(t, &w);
	expect_refused(t, false, "entries before it are missing");
}

static void
a_record_beyond_the_head_is_found(void **state)
{
	struct rig *t = *state;
	uint8_t data[64] = { 0 }, key[8];
	grow(t, 20);
	put_u64(key, 20);
	struct raw w = raw_open(t, "entry");
	raw_put(&w, bytes_from(key, 8), data, 50);
	raw_close(t, &w);
	expect_refused(t, false, "record 20 stands beyond the head");
}

static void
a_changed_or_missing_tile_is_found(void **state)
{
	struct rig *t = *state;
	struct spot at = { .table = "tile", .key_len = 9, .byte = 4000 };
	grow(t, 600);
	at.key[8] = 1;
	turn_bit(t, &at);
	expect_refused(t, false, "tile 0/1 is not that of the records");
	struct raw w = raw_open(t, "tile");
	raw_del(&w, bytes_from(at.key, 9));
	raw_close(t, &w);
	expect_refused(t, false, "tile 0/1 is missing");
}

static void
a_head_that_is_not_that_of_the_records_is_found(void **state)
{
	struct rig *t = *state;
	struct spot at = { .table = "head", .key_len = 4, .byte = 8 };
	grow(t, 20);
	turn_bit(t, &at);
	expect_refused(t, false, "the root of the 20 records is not that of the head");
	turn_bit(t, &at);
	at.byte = 8 + 32 + 8 + 8 + 8; /* the frontier */
	turn_bit(t, &at);
	expect_refused(t, false, "the frontier of the head is not that of the records");
	turn_bit(t, &at);
	at.byte = 8 + 32 + 7; /* the time */
	turn_bit(t, &at);
	expect_refused(t, false, "the head has another time than the last record");
}

static void
a_commit_row_that_tells_another_story_is_found(void **state)
{
	struct rig *t = *state;
	struct spot at = { .table = "meta", .key = "commit", .key_len = 6, .byte = 4 + 8 + 7 };
	grow(t, 20);
	turn_bit(t, &at);
	expect_refused(t, false, "the last commit says 21 records, the head 20");
}

/* The whole tail is gone, consistently; only what was signed knows. */
static void
a_log_that_was_rolled_back_is_found_by_its_checkpoint(void **state)
{
	struct rig *t = *state;
	uint8_t data[600], key[8];
	grow(t, 20);
	grow(t, 20);
	put_u64(key, 40);
	struct raw w = raw_open(t, "checkpoint");
	size_t len = raw_get(&w, bytes_from(key, 8), data);
	raw_close(t, &w);
	store_rig_done(&t->r);
	store_rig_init(&t->r);
	OK(&t->r, store_rig_open(&t->r));
	log_init(&t->log, &t->h, t->log.sink);
	memset(&t->gbr, 0, sizeof(t->gbr));
	memset(&t->nor, 0, sizeof(t->nor));
	t->now = 1000;
	grow(t, 20); /* the same records, as a restored copy has them */
	expect_passed(t, true);
	w = raw_open(t, "checkpoint");
	raw_put(&w, bytes_from(key, 8), data, len);
	raw_close(t, &w);
	expect_refused(t, false, "a signed checkpoint says 40: it was cut or rolled back");
}

static void
a_log_that_was_written_anew_is_found_by_its_checkpoint(void **state)
{
	struct rig *t = *state;
	uint8_t data[600], key[8];
	grow(t, 20);
	put_u64(key, 20);
	struct raw w = raw_open(t, "checkpoint");
	size_t len = raw_get(&w, bytes_from(key, 8), data);
	raw_close(t, &w);
	store_rig_done(&t->r);
	store_rig_init(&t->r);
	OK(&t->r, store_rig_open(&t->r));
	log_init(&t->log, &t->h, t->log.sink);
	memset(&t->gbr, 0, sizeof(t->gbr));
	memset(&t->nor, 0, sizeof(t->nor));
	t->now = 5000; /* other times */
	grow(t, 20);
	w = raw_open(t, "checkpoint");
	raw_put(&w, bytes_from(key, 8), data, len);
	raw_close(t, &w);
	expect_refused(t, false, "the signed checkpoint of 20 has another root than the log");
}

static void
a_checkpoint_under_another_key_is_refused_and_the_store_not_blamed(void **state)
{
	struct rig *t = *state;
	struct startup_found found;
	grow(t, 20);
	take_key(t, 2);
	assert_false(verify(t, false, &found));
	assert_int_equal(t->r.e.code, ERR_BAD_SIGNATURE);
	assert_non_null(strstr(t->r.e.text, "checkpoint of 20"));
	assert_false(store_is_broken(t->r.store));
}

static void
a_published_checkpoint_that_is_gone_is_missed(void **state)
{
	struct rig *t = *state;
	uint8_t key[8];
	grow(t, 20);
	put_u64(key, 20);
	struct raw w = raw_open(t, "checkpoint");
	raw_del(&w, bytes_from(key, 8));
	raw_close(t, &w);
	expect_refused(t, false, "no checkpoint is left, though one of 20 was published");
}

static void
the_tree_of_a_party_must_fit(void **state)
{
	struct rig *t = *state;
	struct spot at = { .table = "head", .key_len = 4, .byte = 7 };
	grow(t, 20);
	/* 20 records: 1, 4, 7, .. 19 stand in the trees, 7 of them */
	put_u32(at.key, t->nor_id);
	uint8_t data[2400];
	struct raw w = raw_open(t, "head");
	size_t len = raw_get(&w, bytes_from(at.key, 4), data);
	data[7] = 11; /* as many bits, another size */
	raw_put(&w, bytes_from(at.key, 4), data, len);
	raw_close(t, &w);
	expect_refused(t, false, "has 7 records, its head says 11");
	data[7] = 7;
	w = raw_open(t, "head");
	raw_put(&w, bytes_from(at.key, 4), data, len);
	raw_close(t, &w);
	at.byte = 8;
	turn_bit(t, &at);
	expect_refused(t, true, "is not that of its records");
}

static void
the_head_of_a_party_without_records_is_found(void **state)
{
	struct rig *t = *state;
	grow(t, 20);
	OK(&t->r, store_rig_begin(&t->r));
	struct store_head h = { .tree = 77, .size = 1 };
	OK(&t->r, store_put_head(t->r.store, &h, &t->r.e));
	OK(&t->r, store_rig_commit(&t->r));
	expect_passed(t, false);
	expect_refused(t, true, "the head of party 77 has no records");
}

static void
a_report_without_its_intake_is_found_by_the_full_check(void **state)
{
	struct rig *t = *state;
	struct store_report rep = { .key = { .originator = 1 }, .intake = 5 };
	grow(t, 20);
	OK(&t->r, store_rig_begin(&t->r));
	OK(&t->r, store_put_report(t->r.store, &rep, &t->r.e));
	OK(&t->r, store_rig_commit(&t->r));
	expect_passed(t, false);
	expect_refused(t, true, "a report stands on record 5, which is not its INTAKE");
}

static void
a_queue_entry_without_its_report_is_found_by_the_full_check(void **state)
{
	struct rig *t = *state;
	struct store_subscription sub = { .party = 1, .mode = 1, .name = bytes_of("inbox") };
	grow(t, 20);
	OK(&t->r, store_rig_begin(&t->r));
	OK(&t->r, store_put_subscription(t->r.store, &sub, &t->r.e));
	struct store_queued q = { .key = { sub.id, 1, 6 }, .intake = 5 };
	OK(&t->r, store_enqueue(t->r.store, &q, &t->r.e));
	OK(&t->r, store_rig_commit(&t->r));
	expect_passed(t, false);
	expect_refused(t, true, "something waits for the report of record 5, which is gone");
}

static void
a_damaged_row_that_nobody_reads_is_found_by_the_full_check(void **state)
{
	struct rig *t = *state;
	grow(t, 20);
	OK(&t->r, store_rig_begin(&t->r));
	OK(&t->r, store_put_note(t->r.store, "x", bytes_of("value"), &t->r.e));
	OK(&t->r, store_rig_commit(&t->r));
	struct raw w = raw_open(t, "meta");
	MDB_val k = { 6, (void *)(uintptr_t) "note/x" }, v = { 9, (void *)(uintptr_t) "valueCRC." };
	assert_int_equal(mdb_put(w.txn, w.dbi, &k, &v, 0), 0);
	raw_close(t, &w);
	expect_passed(t, false);
	expect_refused(t, true, "wrong checksum");
}

static void
a_stop_in_doubt_leads_to_a_full_check_and_then_work_goes_on(void **state)
{
	struct rig *t = *state;
	struct startup_found found;
	grow(t, 300);
	store_break(t->r.store);
	reopen(t);
	assert_false(store_rig_begin(&t->r));
	OK(&t->r, verify(t, false, &found));
	assert_true(found.all);
	assert_int_equal(found.from, 0);
	assert_true(found.rows > 300);
	assert_string_equal(found.why, "the last process did not end well");
	grow(t, 10);
	reopen(t);
	OK(&t->r, verify(t, false, &found));
	assert_false(found.all);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_empty_store_passes),
		T(a_whole_log_is_restored_and_goes_on),
		T(the_tail_is_read_again_and_the_rest_when_asked),
		T(a_changed_byte_anywhere_in_a_record_is_found),
		T(records_that_changed_places_are_found),
		T(a_missing_record_is_found),
		T(a_record_beyond_the_head_is_found),
		T(a_changed_or_missing_tile_is_found),
		T(a_head_that_is_not_that_of_the_records_is_found),
		T(a_commit_row_that_tells_another_story_is_found),
		T(a_log_that_was_rolled_back_is_found_by_its_checkpoint),
		T(a_log_that_was_written_anew_is_found_by_its_checkpoint),
		T(a_checkpoint_under_another_key_is_refused_and_the_store_not_blamed),
		T(a_published_checkpoint_that_is_gone_is_missed),
		T(the_tree_of_a_party_must_fit),
		T(the_head_of_a_party_without_records_is_found),
		T(a_report_without_its_intake_is_found_by_the_full_check),
		T(a_queue_entry_without_its_report_is_found_by_the_full_check),
		T(a_damaged_row_that_nobody_reads_is_found_by_the_full_check),
		T(a_stop_in_doubt_leads_to_a_full_check_and_then_work_goes_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
