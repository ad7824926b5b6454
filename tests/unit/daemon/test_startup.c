#include "tests/lib/test.h"

#include "daemon/log.h"
#include "daemon/startup.h"
#include "daemon/startup_said.h"
#include "proto/dry.h"
#include "tests/unit/daemon/log_rig.h"

#include <openssl/evp.h>

static bool no_memory; /* for libcrypto, as a signature is verified */

int __real_EVP_DigestVerify(EVP_MD_CTX *ctx, const unsigned char *sig, size_t sig_len,
    const unsigned char *text, size_t len);
int __wrap_EVP_DigestVerify(EVP_MD_CTX *ctx, const unsigned char *sig, size_t sig_len,
    const unsigned char *text, size_t len);

int
__wrap_EVP_DigestVerify(EVP_MD_CTX *ctx, const unsigned char *sig, size_t sig_len,
    const unsigned char *text, size_t len)
{
	if (!no_memory)
		return __real_EVP_DigestVerify(ctx, sig, sig_len, text, len);
	dry_note();
	return 0;
}

static bool
verify(struct log_rig *t, bool all, struct startup_found *out)
{
	struct startup s = { .store = t->r.store, .h = &t->h, .key = &t->key, .all = all };
	struct log log;
	log_init(&log, &t->h, (struct log_sink){ log_rig_tile, t });
	store_view_close(t->r.view);
	if (!startup_verify(&s, &log, out, &t->r.e))
		return false;
	t->log = log;
	return true;
}

static void
expect_refused(struct log_rig *t, bool all, const char *text)
{
	struct startup_found found;
	assert_false(verify(t, all, &found));
	if (strstr(t->r.e.text, text) == NULL)
		fail_msg("'%s' instead of '%s'", t->r.e.text, text);
	assert_int_equal(t->r.e.code, ERR_CORRUPT);
	assert_true(store_is_broken(t->r.store));
}

static void
expect_passed(struct log_rig *t, bool all)
{
	struct startup_found found;
	OK(&t->r, verify(t, all, &found));
	assert_int_equal(found.size, t->r.fence.log_size);
	assert_int_equal(found.all, all);
}

/* ---- how far it has come ---- */

static uint64_t clock_ms, told[64][2];
static size_t told_count;
static char line[512];

static uint64_t
the_clock(void)
{
	return clock_ms;
}

static void
note_progress(void *arg, uint64_t done, uint64_t of)
{
	assert_ptr_equal(arg, told);
	assert_true(told_count < 64);
	told[told_count][0] = done;
	told[told_count++][1] = of;
}

static void
keep_line(const char *text, size_t len)
{
	(void)snprintf(line, sizeof(line), "%.*s", (int)len, text);
}

static void
a_verification_says_how_many_records_it_has_read(void **state)
{
	struct log_rig *t = *state;
	struct startup_found found;
	struct log log;
	for (unsigned i = 0; i < 3; i++) /* pages of 256 */
		log_rig_grow(t, 200);
	struct startup s = { .store = t->r.store,
		.h = &t->h,
		.key = &t->key,
		.all = true,
		.progress = note_progress,
		.arg = told };
	told_count = 0;
	log_init(&log, &t->h, (struct log_sink){ log_rig_tile, t });
	store_view_close(t->r.view);
	OK(&t->r, startup_verify(&s, &log, &found, &t->r.e));
	t->log = log;
	assert_true(told_count >= 3);
	for (size_t i = 0; i < told_count; i++) {
		assert_int_equal(told[i][1], found.size);
		assert_true(told[i][0] > (i == 0 ? 0 : told[i - 1][0]));
	}
	assert_int_equal(told[told_count - 1][0], found.size);
}

static void
the_operator_hears_of_it_every_five_seconds(void **state)
{
	struct startup_said said;
	(void)state;
	log_test_seams(NULL, keep_line);
	clock_ms = 1000;
	startup_said_begin(&said, the_clock);
	clock_ms += STARTUP_SAID_MS - 1;
	startup_said_more(&said, 1, 3);
	assert_string_equal(line, "");
	clock_ms++;
	startup_said_more(&said, 2, 3);
	assert_non_null(strstr(line, "log.verifying done=2 of=3 percent=66"));
	line[0] = 0;
	startup_said_more(&said, 3, 3);
	assert_string_equal(line, "");
	log_test_seams(NULL, NULL);
}

static void
an_empty_store_passes(void **state)
{
	expect_passed(*state, false);
	expect_passed(*state, true);
}

static void
a_whole_log_is_restored_and_goes_on(void **state)
{
	struct log_rig *t = *state;
	static const unsigned steps[] = { 1, 2, 252, 1, 1, 300, 511 };
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		log_rig_grow(t, steps[i]);
		struct merkle tree = t->log.tree;
		log_rig_reopen(t);
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
a_record_that_does_not_say_what_it_must_is_refused(void **state)
{
	struct log_rig *t = *state;
	log_rig_grow(t, 3);
	OK(&t->r, store_rig_begin(&t->r));
	log_rig_bare(t);
	log_rig_heads(t);
	OK(&t->r, store_rig_commit(&t->r));
	log_rig_reopen(t);
	expect_refused(t, false, "record 3: pad: slot 5 has no node");
}

static void
the_tail_is_read_again_and_the_rest_when_asked(void **state)
{
	struct log_rig *t = *state;
	struct startup_found found;
	enum { SIZE = 66000, FROM = (SIZE - STARTUP_TAIL) / 256 * 256 };
	for (unsigned i = 0; i < SIZE / 1000; i++)
		log_rig_grow(t, 1000);
	log_rig_reopen(t);
	OK(&t->r, verify(t, false, &found));
	assert_int_equal(found.size, SIZE);
	assert_int_equal(found.from, FROM);
	assert_int_equal(found.signed_size, SIZE);
	assert_int_equal(found.published_size, SIZE);
	assert_string_equal(found.why, "");
	struct spot at = log_rig_entry(FROM - 1, 45);
	log_rig_turn(t, &at);
	expect_passed(t, false);
	at = log_rig_entry(FROM, 45);
	log_rig_turn(t, &at);
	expect_refused(t, false, "record 61696: its contents do not give its leaf hash");
	log_rig_turn(t, &at);
	expect_refused(t, false, "record 61695: "); /* a store that broke is read as a whole */
}

static void
a_changed_byte_anywhere_in_a_record_is_found(void **state)
{
	struct log_rig *t = *state;
	log_rig_grow(t, 20);
	size_t len = 0;
	for (size_t byte = 0; byte == 0 || byte < len; byte += 7) {
		uint8_t data[4096];
		struct startup_found found;
		struct spot at = log_rig_entry(10, byte);
		struct raw w = log_rig_raw(t, "entry");
		len = log_rig_get(&w, bytes_from(at.key, 8), data);
		log_rig_unraw(t, &w);
		log_rig_turn(t, &at);
		assert_false(verify(t, false, &found));
		assert_int_equal(t->r.e.code, ERR_CORRUPT);
		assert_non_null(strstr(t->r.e.text, "record 10: "));
		log_rig_turn(t, &at);
	}
	struct startup_found found;
	OK(&t->r, verify(t, false, &found));
	assert_true(found.all); /* it was broken before */
}

static void
records_that_changed_places_are_found(void **state)
{
	struct log_rig *t = *state;
	uint8_t a[4096], b[4096], first[8], second[8];
	log_rig_grow(t, 20);
	put_u64(first, 6);
	put_u64(second, 9);
	struct raw w = log_rig_raw(t, "entry");
	size_t a_len = log_rig_get(&w, bytes_from(first, 8), a);
	size_t b_len = log_rig_get(&w, bytes_from(second, 8), b);
	log_rig_put(&w, bytes_from(first, 8), b, b_len);
	log_rig_put(&w, bytes_from(second, 8), a, a_len);
	log_rig_unraw(t, &w);
	expect_refused(t, false, "its time is before that of the record before it");
}

static void
a_missing_record_is_found(void **state)
{
	struct log_rig *t = *state;
	uint8_t key[8];
	log_rig_grow(t, 20);
	put_u64(key, 6);
	struct raw w = log_rig_raw(t, "entry");
	log_rig_del(&w, bytes_from(key, 8));
	log_rig_unraw(t, &w);
	expect_refused(t, false, "entries before it are missing");
	put_u64(key, 19);
	w = log_rig_raw(t, "entry");
	log_rig_del(&w, bytes_from(key, 8));
	log_rig_unraw(t, &w);
	expect_refused(t, false, "entries before it are missing");
}

static void
a_record_beyond_the_head_is_found(void **state)
{
	struct log_rig *t = *state;
	uint8_t data[64] = { 0 }, key[8];
	log_rig_grow(t, 20);
	put_u64(key, 20);
	struct raw w = log_rig_raw(t, "entry");
	log_rig_put(&w, bytes_from(key, 8), data, 50);
	log_rig_unraw(t, &w);
	expect_refused(t, false, "record 20 stands beyond the head");
}

static void
a_changed_or_missing_tile_is_found(void **state)
{
	struct log_rig *t = *state;
	struct spot at = { .table = "tile", .key_len = 9, .byte = 4000 };
	log_rig_grow(t, 600);
	at.key[8] = 1;
	log_rig_turn(t, &at);
	expect_refused(t, false, "tile 0/1 is not that of the records");
	struct raw w = log_rig_raw(t, "tile");
	log_rig_del(&w, bytes_from(at.key, 9));
	log_rig_unraw(t, &w);
	expect_refused(t, false, "tile 0/1 is missing");
}

static void
a_head_that_is_not_that_of_the_records_is_found(void **state)
{
	struct log_rig *t = *state;
	struct spot at = { .table = "head", .key_len = 4, .byte = 8 };
	log_rig_grow(t, 20);
	log_rig_turn(t, &at);
	expect_refused(t, false, "the root of the 20 records is not that of the head");
	log_rig_turn(t, &at);
	at.byte = 8 + 32 + 8 + 8 + 8; /* the frontier */
	log_rig_turn(t, &at);
	expect_refused(t, false, "the frontier of the head is not that of the records");
	log_rig_turn(t, &at);
	at.byte = 8 + 32 + 7; /* the time */
	log_rig_turn(t, &at);
	expect_refused(t, false, "the head has another time than the last record");
}

static void
a_commit_row_that_tells_another_story_is_found(void **state)
{
	struct log_rig *t = *state;
	struct spot at = { .table = "meta", .key = "commit", .key_len = 6, .byte = 4 + 8 + 7 };
	log_rig_grow(t, 20);
	log_rig_turn(t, &at);
	expect_refused(t, false, "the last commit says 21 records, the head 20");
}

/* The whole tail is gone, consistently; only what was signed knows. */
static void
a_log_that_was_rolled_back_is_found_by_its_checkpoint(void **state)
{
	struct log_rig *t = *state;
	uint8_t data[600], key[8];
	log_rig_grow(t, 20);
	log_rig_grow(t, 20);
	put_u64(key, 40);
	struct raw w = log_rig_raw(t, "checkpoint");
	size_t len = log_rig_get(&w, bytes_from(key, 8), data);
	log_rig_unraw(t, &w);
	log_rig_anew(t, 1000);
	log_rig_grow(t, 20); /* the same records, as a restored copy has them */
	expect_passed(t, true);
	w = log_rig_raw(t, "checkpoint");
	log_rig_put(&w, bytes_from(key, 8), data, len);
	log_rig_unraw(t, &w);
	expect_refused(t, false, "a signed checkpoint says 40: it was cut or rolled back");
}

static void
a_log_that_was_written_anew_is_found_by_its_checkpoint(void **state)
{
	struct log_rig *t = *state;
	uint8_t data[600], key[8];
	log_rig_grow(t, 20);
	put_u64(key, 20);
	struct raw w = log_rig_raw(t, "checkpoint");
	size_t len = log_rig_get(&w, bytes_from(key, 8), data);
	log_rig_unraw(t, &w);
	log_rig_anew(t, 5000); /* other times */
	log_rig_grow(t, 20);
	w = log_rig_raw(t, "checkpoint");
	log_rig_put(&w, bytes_from(key, 8), data, len);
	log_rig_unraw(t, &w);
	expect_refused(t, false, "the signed checkpoint of 20 has another root than the log");
}

static void
a_checkpoint_under_another_key_is_refused_and_the_store_not_blamed(void **state)
{
	struct log_rig *t = *state;
	struct startup_found found;
	log_rig_grow(t, 20);
	log_rig_key(t, 2);
	assert_false(verify(t, false, &found));
	assert_int_equal(t->r.e.code, ERR_BAD_SIGNATURE);
	assert_non_null(strstr(t->r.e.text, "checkpoint of 20"));
	assert_false(store_is_broken(t->r.store));
}

static void
a_published_checkpoint_that_is_gone_is_missed(void **state)
{
	struct log_rig *t = *state;
	uint8_t key[8];
	log_rig_grow(t, 20);
	put_u64(key, 20);
	struct raw w = log_rig_raw(t, "checkpoint");
	log_rig_del(&w, bytes_from(key, 8));
	log_rig_unraw(t, &w);
	expect_refused(t, false, "no checkpoint is left, though one of 20 was published");
}

static void
the_tree_of_a_party_must_fit(void **state)
{
	struct log_rig *t = *state;
	struct spot at = { .table = "head", .key_len = 4, .byte = 7 };
	log_rig_grow(t, 20);
	/* 20 records: 1, 4, 7, .. 19 stand in the trees, 7 of them */
	put_u32(at.key, t->nor_id);
	uint8_t data[2400];
	struct raw w = log_rig_raw(t, "head");
	size_t len = log_rig_get(&w, bytes_from(at.key, 4), data);
	data[7] = 11; /* as many bits, another size */
	log_rig_put(&w, bytes_from(at.key, 4), data, len);
	log_rig_unraw(t, &w);
	expect_refused(t, false, "has 7 records, its head says 11");
	data[7] = 7;
	w = log_rig_raw(t, "head");
	log_rig_put(&w, bytes_from(at.key, 4), data, len);
	log_rig_unraw(t, &w);
	at.byte = 8;
	log_rig_turn(t, &at);
	expect_refused(t, true, "is not that of its records");
}

static void
the_tree_of_a_party_begins_at_0(void **state)
{
	struct log_rig *t = *state;
	struct merkle other = { .leaf_count = 2 };
	t->nor = other; /* two records are kept from NOR's history */
	log_rig_grow(t, 20);
	expect_passed(t, false);
	expect_refused(t, true, "record 1: place 2 in the tree of NOR, where 0 comes next");
}

static void
the_head_of_a_party_without_records_is_found(void **state)
{
	struct log_rig *t = *state;
	log_rig_grow(t, 20);
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
	struct log_rig *t = *state;
	struct store_report rep = { .key = { .originator = 1 }, .intake = 5 };
	log_rig_grow(t, 20);
	OK(&t->r, store_rig_begin(&t->r));
	OK(&t->r, store_put_report(t->r.store, &rep, &t->r.e));
	OK(&t->r, store_rig_commit(&t->r));
	expect_passed(t, false);
	expect_refused(t, true, "a report stands on record 5, which is not its INTAKE");
}

static void
a_queue_entry_without_its_report_is_found_by_the_full_check(void **state)
{
	struct log_rig *t = *state;
	struct store_subscription sub = { .party = 1, .mode = 1, .name = bytes_of("inbox") };
	log_rig_grow(t, 20);
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
	struct log_rig *t = *state;
	log_rig_grow(t, 20);
	OK(&t->r, store_rig_begin(&t->r));
	OK(&t->r, store_put_note(t->r.store, "x", bytes_of("value"), &t->r.e));
	OK(&t->r, store_rig_commit(&t->r));
	struct raw w = log_rig_raw(t, "meta");
	MDB_val k = { 6, (void *)(uintptr_t) "note/x" }, v = { 9, (void *)(uintptr_t) "valueCRC." };
	assert_int_equal(mdb_put(w.txn, w.dbi, &k, &v, 0), 0);
	log_rig_unraw(t, &w);
	expect_passed(t, false);
	expect_refused(t, true, "wrong checksum");
}

static void
a_stop_in_doubt_leads_to_a_full_check_and_then_work_goes_on(void **state)
{
	struct log_rig *t = *state;
	struct startup_found found;
	log_rig_grow(t, 300);
	store_break(t->r.store);
	log_rig_reopen(t);
	assert_false(store_rig_begin(&t->r));
	OK(&t->r, verify(t, false, &found));
	assert_true(found.all);
	assert_int_equal(found.from, 0);
	assert_true(found.rows > 300);
	assert_string_equal(found.why, "the last process did not end well");
	log_rig_grow(t, 10);
	log_rig_reopen(t);
	OK(&t->r, verify(t, false, &found));
	assert_false(found.all);
}

/* A broker that is told to stop does not wait for the backup that it verifies. */
static void
a_verification_is_given_up_when_told_wherever_it_is(void **state)
{
	struct log_rig *t = *state;
	struct startup_found found;
	struct store_counts n;
	const _Atomic bool stop = true;
	struct startup s = {
		.store = t->r.store, .h = &t->h, .key = &t->key, .all = true, .stop = &stop
	};
	struct log log;
	for (unsigned i = 0; i < 2; i++) { /* without records there are heads and rows alone */
		log_init(&log, &t->h, (struct log_sink){ log_rig_tile, t });
		store_view_close(t->r.view);
		assert_false(startup_verify(&s, &log, &found, &t->r.e));
		assert_int_equal(t->r.e.code, ERR_BUSY);
		log_rig_grow(t, 3);
		assert_false(store_check(store_rig_look(&t->r), &stop, &n, &t->r.e));
		assert_int_equal(t->r.e.code, ERR_BUSY);
	}
	assert_false(store_is_broken(t->r.store));
}

static void
a_verification_without_memory_blames_nobody(void **state)
{
	struct log_rig *t = *state;
	struct startup_found found;
	log_rig_grow(t, 3);
	log_rig_reopen(t);
	no_memory = true;
	bool ok = verify(t, false, &found);
	no_memory = false;
	assert_false(ok);
	assert_int_equal(t->r.e.code, ERR_NOMEM);
	assert_false(store_is_broken(t->r.store));
	t->r.e = (struct err){ 0 };
	expect_passed(t, false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(an_empty_store_passes),
		LOG_TEST(a_whole_log_is_restored_and_goes_on),
		LOG_TEST(a_record_that_does_not_say_what_it_must_is_refused),
		LOG_TEST(the_tail_is_read_again_and_the_rest_when_asked),
		LOG_TEST(a_changed_byte_anywhere_in_a_record_is_found),
		LOG_TEST(records_that_changed_places_are_found),
		LOG_TEST(a_missing_record_is_found),
		LOG_TEST(a_record_beyond_the_head_is_found),
		LOG_TEST(a_changed_or_missing_tile_is_found),
		LOG_TEST(a_head_that_is_not_that_of_the_records_is_found),
		LOG_TEST(a_commit_row_that_tells_another_story_is_found),
		LOG_TEST(a_log_that_was_rolled_back_is_found_by_its_checkpoint),
		LOG_TEST(a_log_that_was_written_anew_is_found_by_its_checkpoint),
		LOG_TEST(a_verification_without_memory_blames_nobody),
		LOG_TEST(a_checkpoint_under_another_key_is_refused_and_the_store_not_blamed),
		LOG_TEST(a_published_checkpoint_that_is_gone_is_missed),
		LOG_TEST(the_tree_of_a_party_must_fit),
		LOG_TEST(the_tree_of_a_party_begins_at_0),
		LOG_TEST(the_head_of_a_party_without_records_is_found),
		LOG_TEST(a_report_without_its_intake_is_found_by_the_full_check),
		LOG_TEST(a_queue_entry_without_its_report_is_found_by_the_full_check),
		LOG_TEST(a_damaged_row_that_nobody_reads_is_found_by_the_full_check),
		LOG_TEST(a_stop_in_doubt_leads_to_a_full_check_and_then_work_goes_on),
		LOG_TEST(a_verification_is_given_up_when_told_wherever_it_is),
		LOG_TEST(a_verification_says_how_many_records_it_has_read),
		cmocka_unit_test(the_operator_hears_of_it_every_five_seconds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
