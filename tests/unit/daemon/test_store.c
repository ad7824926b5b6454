#include "tests/lib/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/facts.h"
#include "proto/limits.h"
#include "tests/lib/store_rig.h"

static int
open_rig(void **state)
{
	struct store_rig *r = malloc(sizeof(*r));
	assert_non_null(r);
	store_rig_init(r);
	assert_true(store_rig_open(r));
	*state = r;
	return 0;
}

static int
close_rig(void **state)
{
	store_rig_done(*state);
	free(*state);
	return 0;
}

#define BEGIN(r) assert_true(store_rig_begin(r))
#define OK(r, call) \
	do { \
		if (!(call)) \
			fail_msg("%s: %s", #call, (r)->e.text); \
	} while (0)
#define COMMIT(r) OK(r, store_rig_commit(r))

static void
reopen(struct store_rig *r)
{
	store_rig_close(r);
	OK(r, store_rig_open(r));
}

static struct store_report_key
report_id(uint32_t originator, uint8_t byte)
{
	struct store_report_key k = { .originator = originator };
	memset(k.id, byte, sizeof(k.id));
	return k;
}

static uint32_t
subscribe(struct store_rig *r, uint32_t party, const char *name)
{
	struct store_subscription sub = { .party = party,
		.mode = MODE_LIVE,
		.created = 7,
		.name = bytes_of(name),
		.pattern = bytes_of("maritime.>") };
	OK(r, store_put_subscription(r->store, &sub, &r->e));
	return sub.id;
}

/* ---- opening ---- */

static void
a_new_store_is_empty_and_says_so(void **state)
{
	struct store_rig *r = *state;
	struct store_state st;
	struct store_counts counts;
	OK(r, store_read_state(store_rig_look(r), &st, &r->e));
	assert_int_equal(st.fence.generation, 1);
	assert_int_equal(st.fence.log_size, 0);
	assert_true(st.fence.epoch == STORE_NONE);
	assert_int_equal(st.commits, 0);
	OK(r, store_check(r->view, &counts, &r->e));
	assert_int_equal(counts.rows, 1);
}

static void
a_second_process_is_refused(void **state)
{
	struct store_rig *r = *state;
	pid_t child = fork();
	if (child == 0) { /* only opens the folder; LMDB is not touched */
		struct store *s;
		struct err e;
		bool refused = !store_open(&r->config, &s, &e) &&
			       strstr(e.text, "another process has") != NULL;
		_exit(refused ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
another_generation_is_refused(void **state)
{
	struct store_rig *r = *state;
	store_rig_close(r);
	r->config.generation = 2;
	assert_false(store_rig_open(r));
	assert_int_equal(r->e.code, ERR_STORE);
	assert_non_null(strstr(r->e.text, "it is of generation 1, not 2"));
	r->config.generation = 1;
	OK(r, store_rig_open(r));
}

static void
a_crash_before_the_first_store_was_in_place_is_no_obstacle(void **state)
{
	(void)state;
	struct store_rig r;
	char path[160];
	store_rig_init(&r);
	assert_int_equal(mkdir(store_rig_file(&r, "new"), 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/data.mdb", store_rig_file(&r, "new"));
	int fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, "half", 4), 4);
	(void)close(fd);
	OK(&r, store_rig_open(&r));
	assert_int_not_equal(access(path, F_OK), 0);
	store_rig_done(&r);
}

static void
a_store_whose_file_is_gone_is_not_made_anew(void **state)
{
	struct store_rig *r = *state;
	store_rig_close(r);
	assert_int_equal(remove(store_rig_file(r, "data.mdb")), 0);
	assert_false(store_rig_open(r));
	assert_int_equal(r->e.code, ERR_STORE);
	assert_non_null(strstr(r->e.text, "data.mdb is gone from a folder that held a store"));
}

static void
a_store_that_was_cut_is_refused(void **state)
{
	struct store_rig *r = *state;
	BEGIN(r);
	OK(r, store_rig_log(r, 100));
	COMMIT(r);
	store_rig_close(r);
	assert_int_equal(truncate(store_rig_file(r, "data.mdb"), 16384), 0);
	assert_false(store_rig_open(r));
	assert_int_equal(r->e.code, ERR_CORRUPT);
	assert_int_equal(truncate(store_rig_file(r, "data.mdb"), 0), 0);
	store_rig_close(r);
	assert_false(store_rig_open(r));
	assert_int_equal(r->e.code, ERR_CORRUPT);
	assert_non_null(strstr(r->e.text, "data.mdb is cut to 0 bytes"));
}

static void
a_broken_store_stays_closed_until_it_was_verified(void **state)
{
	struct store_rig *r = *state;
	uint8_t boot[16] = { 1 };
	store_break(r->store);
	assert_true(store_is_broken(r->store));
	assert_false(store_rig_begin(r));
	assert_int_equal(r->e.code, ERR_STORE);
	assert_false(store_verified(r->store, &r->e));
	reopen(r);
	assert_false(store_is_broken(r->store));
	assert_true(store_needs_full_check(r->store, boot));
	assert_false(store_rig_begin(r));
	assert_non_null(strstr(r->e.text, "it must be verified as a whole first"));
	OK(r, store_verified(r->store, &r->e));
	BEGIN(r);
	store_abort(r->store);
	reopen(r);
	assert_false(store_needs_full_check(r->store, boot));
}

static void
a_power_cut_asks_for_a_full_check_and_a_goodbye_does_not(void **state)
{
	struct store_rig *r = *state;
	uint8_t boot[16] = { 1 }, next_boot[16] = { 2 };
	memcpy(r->stamp.boot_id, boot, 16);
	BEGIN(r);
	COMMIT(r);
	reopen(r);
	assert_false(store_needs_full_check(r->store, boot));
	assert_true(store_needs_full_check(r->store, next_boot));
	BEGIN(r);
	store_say_goodbye(r->store);
	COMMIT(r);
	reopen(r);
	assert_false(store_needs_full_check(r->store, next_boot));
}

static void
the_data_file_is_not_inherited(void **state)
{
	(void)state;
	char path[64], target[128];
	unsigned seen = 0;
	for (int fd = 3; fd < 64; fd++) {
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = 0;
		if (strstr(target, "relto-store-") == NULL)
			continue;
		assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
		seen++;
	}
	assert_true(seen >= 4); /* folder, data, lock, mark */
}

static void
more_views_than_asked_for_are_refused(void **state)
{
	struct store_rig *r = *state;
	struct store_view *v[4] = { 0 };
	for (unsigned i = 0; i < 3; i++)
		OK(r, store_view_new(r->store, &v[i], &r->e));
	assert_false(store_view_new(r->store, &v[3], &r->e));
	assert_false(store_is_broken(r->store));
	for (unsigned i = 0; i < 3; i++)
		store_view_free(v[i]);
}

/* ---- batches ---- */

static void
an_aborted_batch_leaves_nothing_and_a_commit_all(void **state)
{
	struct store_rig *r = *state;
	struct store_state st;
	uint32_t id = 0;
	bool found;
	BEGIN(r);
	OK(r, store_name(r->store, STORE_NAME_PARTY, bytes_of("NOR"), &id, &r->e));
	OK(r, store_rig_log(r, 64));
	store_abort(r->store);
	store_abort(r->store);
	OK(r, store_find_name(
		  store_rig_look(r), STORE_NAME_PARTY, bytes_of("NOR"), &id, &found, &r->e));
	assert_false(found);
	BEGIN(r);
	OK(r, store_name(r->store, STORE_NAME_PARTY, bytes_of("NOR"), &id, &r->e));
	OK(r, store_rig_log(r, 64));
	r->stamp = (struct store_stamp){ .time_us = 41, .boot_us = 5, .boot_id = { 9 } };
	COMMIT(r);
	reopen(r);
	OK(r, store_read_state(store_rig_look(r), &st, &r->e));
	assert_int_equal(st.fence.log_size, 1);
	assert_int_equal(st.commits, 1);
	assert_int_equal(st.stamp.time_us, 42);
	assert_int_equal(st.stamp.boot_us, 5);
	assert_int_equal(st.stamp.boot_id[0], 9);
	OK(r, store_find_name(r->view, STORE_NAME_PARTY, bytes_of("NOR"), &id, &found, &r->e));
	assert_true(found);
}

static void
a_view_sees_what_was_committed_when_it_was_opened(void **state)
{
	struct store_rig *r = *state;
	struct bytes entry;
	bool found;
	struct store_view *v = store_rig_look(r);
	BEGIN(r);
	OK(r, store_rig_log(r, 64));
	OK(r, store_read_entry(store_batch_view(r->store), 0, &entry, &found, &r->e));
	assert_true(found);
	OK(r, store_read_entry(v, 0, &entry, &found, &r->e));
	assert_false(found);
	struct store_fence before = r->fence;
	OK(r, store_commit(r->store, &before, &r->stamp, &r->e));
	OK(r, store_read_entry(v, 0, &entry, &found, &r->e));
	assert_false(found);
	OK(r, store_read_entry(store_rig_look(r), 0, &entry, &found, &r->e));
	assert_true(found);
	assert_int_equal(entry.len, 64);
}

static void
expect_fence_refused(struct store_rig *r, struct store_fence f)
{
	BEGIN(r);
	OK(r, store_rig_log(r, 64));
	assert_false(store_commit(r->store, &f, &r->stamp, &r->e));
	assert_int_equal(r->e.code, ERR_STORE);
	assert_non_null(strstr(r->e.text, "the fence is"));
	assert_true(store_is_broken(r->store));
	reopen(r);
	OK(r, store_verified(r->store, &r->e));
	assert_int_equal(r->fence.log_size, 0);
}

static void
a_commit_with_another_fence_is_refused(void **state)
{
	struct store_rig *r = *state;
	struct store_fence f = r->fence;
	f.generation++;
	expect_fence_refused(r, f);
	f = r->fence;
	f.log_size++;
	expect_fence_refused(r, f);
	f = r->fence;
	f.epoch = 3;
	expect_fence_refused(r, f);
	f = r->fence;
	f.policy[31] = 1;
	expect_fence_refused(r, f);
}

static void
a_policy_epoch_moves_the_fence_and_never_goes_back(void **state)
{
	struct store_rig *r = *state;
	uint8_t digest[32] = { 7 };
	BEGIN(r);
	OK(r, store_rig_log(r, 64));
	OK(r, store_put_epoch(r->store, 0, digest, &r->e));
	COMMIT(r);
	assert_int_equal(r->fence.epoch, 0);
	assert_memory_equal(r->fence.policy, digest, 32);
	BEGIN(r);
	assert_false(store_put_epoch(r->store, 0, digest, &r->e));
	assert_non_null(strstr(r->e.text, "the policy epoch would go back"));
}

static void
entries_without_their_head_are_refused(void **state)
{
	struct store_rig *r = *state;
	uint8_t entry[40] = { 0 };
	BEGIN(r);
	OK(r, store_put_entry(r->store, 0, bytes_from(entry, 40), &r->e));
	assert_false(store_rig_commit(r));
	assert_non_null(strstr(r->e.text, "the log has 1 entries, its head says 0"));
}

static void
a_head_without_its_entries_is_refused(void **state)
{
	struct store_rig *r = *state;
	struct store_head h = { .size = 1 };
	BEGIN(r);
	OK(r, store_put_head(r->store, &h, &r->e));
	assert_false(store_rig_commit(r));
	assert_non_null(strstr(r->e.text, "the log has 0 entries, its head says 1"));
}

static void
entries_out_of_order_are_refused(void **state)
{
	struct store_rig *r = *state;
	uint8_t entry[40] = { 0 };
	BEGIN(r);
	assert_false(store_put_entry(r->store, 1, bytes_from(entry, 40), &r->e));
	assert_int_equal(r->e.code, ERR_STORE);
	assert_non_null(strstr(r->e.text, "out of order: log entry 1"));
	assert_true(store_is_broken(r->store));
}

static void
the_longest_entry_is_a_mebibyte(void **state)
{
	struct store_rig *r = *state;
	BEGIN(r);
	OK(r, store_rig_log(r, 1 << 20));
	assert_false(store_rig_log(r, (1 << 20) + 1));
	assert_int_equal(r->e.code, ERR_LIMIT);
	assert_non_null(strstr(r->e.text, "a log entry of 1048577 bytes"));
	assert_false(store_rig_log(r, 31));
	COMMIT(r);
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
	reopen(r);
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
	struct bytes out;
	bool found;
	BEGIN(r);
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

/* ---- queues ---- */

static struct store_queued
entry_for(uint32_t subscription, uint8_t precedence, uint64_t decision)
{
	struct store_queued q = { .key = { subscription, precedence, decision },
		.epoch = 1,
		.good_until_us = 2,
		.expires_us = 3,
		.intake = 4,
		.report = report_id(1, 6),
		.bytes = 100 };
	return q;
}

static void
a_queue_is_read_by_precedence_in_order(void **state)
{
	struct store_rig *r = *state;
	BEGIN(r);
	uint32_t inbox = subscribe(r, 2, "inbox"), other = subscribe(r, 2, "other");
	for (uint64_t d = 1; d <= 3; d++) {
		struct store_queued q = entry_for(inbox, PRECEDENCE_ROUTINE, d);
		OK(r, store_enqueue(r->store, &q, &r->e));
		q.key.precedence = PRECEDENCE_FLASH;
		q.key.decision = d + 10;
		OK(r, store_enqueue(r->store, &q, &r->e));
		q.key.subscription = other;
		OK(r, store_enqueue(r->store, &q, &r->e));
	}
	COMMIT(r);
	struct store_queued page[8];
	size_t count = 8;
	struct store_queue_key at = { inbox, PRECEDENCE_ROUTINE, STORE_QUEUE_START };
	OK(r, store_read_queue(store_rig_look(r), &at, page, &count, &r->e));
	assert_int_equal(count, 3);
	assert_int_equal(page[2].key.decision, 3);
	at.decision = 1;
	count = 1;
	OK(r, store_read_queue(r->view, &at, page, &count, &r->e));
	assert_int_equal(count, 1);
	assert_int_equal(page[0].key.decision, 2);
	assert_int_equal(page[0].intake, 4);
	assert_int_equal(page[0].bytes, 100);
	assert_int_equal(page[0].expires_us, 3);
	at = (struct store_queue_key){ inbox, PRECEDENCE_FLASH, STORE_QUEUE_START };
	count = 8;
	OK(r, store_read_queue(r->view, &at, page, &count, &r->e));
	assert_int_equal(count, 3);
	assert_int_equal(page[0].key.decision, 11);
	at.precedence = PRECEDENCE_PRIORITY;
	count = 8;
	OK(r, store_read_queue(r->view, &at, page, &count, &r->e));
	assert_int_equal(count, 0);
	count = 8;
	OK(r, store_read_queues(r->view, NULL, page, &count, &r->e));
	assert_int_equal(count, 8);
	assert_int_equal(page[0].key.precedence, PRECEDENCE_FLASH);
	count = 8;
	OK(r, store_read_queues(r->view, &page[7].key, page, &count, &r->e));
	assert_int_equal(count, 1);
}

static void
what_waits_for_a_party_is_counted_through_aborts_and_starts(void **state)
{
	struct store_rig *r = *state;
	bool dropped;
	BEGIN(r);
	uint32_t inbox = subscribe(r, 2, "inbox");
	struct store_queued q = entry_for(inbox, PRECEDENCE_FLASH, 1);
	OK(r, store_enqueue(r->store, &q, &r->e));
	q.key.decision = 2;
	OK(r, store_enqueue(r->store, &q, &r->e));
	q.attempts = 1;
	OK(r, store_enqueue(r->store, &q, &r->e));
	COMMIT(r);
	assert_int_equal(store_usage(r->store, 2).reports, 2);
	assert_int_equal(store_usage(r->store, 2).bytes, 200);
	BEGIN(r);
	OK(r, store_dequeue(r->store, &q.key, &dropped, &r->e));
	assert_true(dropped);
	OK(r, store_dequeue(r->store, &q.key, &dropped, &r->e));
	assert_false(dropped);
	assert_int_equal(store_usage(r->store, 2).reports, 1);
	(void)subscribe(r, 3, "inbox");
	store_abort(r->store);
	assert_int_equal(store_usage(r->store, 2).reports, 2);
	assert_int_equal(store_usage(r->store, 2).bytes, 200);
	BEGIN(r);
	OK(r, store_dequeue(r->store, &q.key, NULL, &r->e));
	COMMIT(r);
	reopen(r);
	assert_int_equal(store_usage(r->store, 2).reports, 1);
	assert_int_equal(store_usage(r->store, 2).bytes, 100);
	assert_int_equal(store_usage(r->store, 4000).reports, 0);
}

static void
a_queue_entry_is_found_and_replaced(void **state)
{
	struct store_rig *r = *state;
	bool found;
	BEGIN(r);
	struct store_queued q = entry_for(subscribe(r, 2, "inbox"), PRECEDENCE_FLASH, 1), got;
	OK(r, store_enqueue(r->store, &q, &r->e));
	q.attempts = 3;
	q.not_before_ms = 12345;
	OK(r, store_enqueue(r->store, &q, &r->e));
	COMMIT(r);
	OK(r, store_find_queued(store_rig_look(r), &q.key, &got, &found, &r->e));
	assert_true(found && got.attempts == 3 && got.not_before_ms == 12345);
	q.key.decision = 9;
	OK(r, store_find_queued(r->view, &q.key, &got, &found, &r->e));
	assert_false(found);
}

static void
a_queue_without_a_subscription_is_refused(void **state)
{
	struct store_rig *r = *state;
	struct store_queued q = entry_for(5, PRECEDENCE_FLASH, 1);
	BEGIN(r);
	assert_false(store_enqueue(r->store, &q, &r->e));
	assert_int_equal(r->e.code, ERR_STORE);
	assert_non_null(strstr(r->e.text, "there is no subscription 5"));
}

static void
a_subscription_with_a_queue_is_not_dropped(void **state)
{
	struct store_rig *r = *state;
	struct store_subscription page[4];
	size_t count = 4;
	BEGIN(r);
	uint32_t first = subscribe(r, 2, "inbox"), second = subscribe(r, 2, "second");
	struct store_queued q = entry_for(second, PRECEDENCE_FLASH, 1);
	OK(r, store_enqueue(r->store, &q, &r->e));
	COMMIT(r);
	BEGIN(r);
	OK(r, store_drop_subscription(r->store, first, &r->e));
	COMMIT(r);
	OK(r, store_read_subscriptions(store_rig_look(r), 0, page, &count, &r->e));
	assert_int_equal(count, 1);
	assert_int_equal(page[0].id, second);
	assert_int_equal(page[0].mode, MODE_LIVE);
	assert_int_equal(page[0].created, 7);
	assert_true(bytes_is(page[0].name, "second") && bytes_is(page[0].pattern, "maritime.>"));
	BEGIN(r);
	assert_int_equal(subscribe(r, 2, "third"), second + 1);
	assert_false(store_drop_subscription(r->store, second, &r->e));
	assert_int_equal(r->e.code, ERR_STORE);
	assert_non_null(strstr(r->e.text, "subscription 2 still has a queue"));
}

static void
holds_come_by_deadline(void **state)
{
	struct store_rig *r = *state;
	BEGIN(r);
	for (uint64_t d = 5; d > 0; d--) {
		struct store_held h = { .deadline_us = d * 10,
			.decision = 7,
			.intake = d,
			.party = 3,
			.report = report_id(1, 8) };
		OK(r, store_put_hold(r->store, &h, &r->e));
	}
	OK(r, store_drop_hold(r->store, 20, 7, &r->e));
	COMMIT(r);
	struct store_held page[4];
	size_t count = 2;
	OK(r, store_read_holds(store_rig_look(r), NULL, page, &count, &r->e));
	assert_int_equal(count, 2);
	assert_int_equal(page[0].deadline_us, 10);
	assert_int_equal(page[1].deadline_us, 30);
	assert_int_equal(page[1].intake, 3);
	assert_int_equal(page[1].report.id[0], 8);
	count = 4;
	OK(r, store_read_holds(r->view, &page[1], page, &count, &r->e));
	assert_int_equal(count, 2);
	assert_int_equal(page[0].deadline_us, 40);
}

static void
a_hundred_thousand_entries_are_paged_and_counted(void **state)
{
	struct store_rig *r = *state;
	enum { ALL = 100000, PAGE = 256 };
	store_rig_close(r);
	r->config.map_bytes = 256u << 20;
	OK(r, store_rig_open(r));
	BEGIN(r);
	uint32_t inbox = subscribe(r, 2, "inbox");
	for (uint64_t d = 0; d < ALL; d++) {
		struct store_queued q = entry_for(inbox, PRECEDENCE_ROUTINE, d);
		OK(r, store_enqueue(r->store, &q, &r->e));
	}
	COMMIT(r);
	reopen(r);
	assert_int_equal(store_usage(r->store, 2).reports, ALL);
	struct store_queued *page = calloc(PAGE, sizeof(*page));
	struct store_queue_key at = { inbox, PRECEDENCE_ROUTINE, STORE_QUEUE_START };
	size_t count = PAGE, sum = 0;
	assert_non_null(page);
	OK(r, store_read_queue(store_rig_look(r), &at, page, &count, &r->e));
	while (count > 0) {
		assert_int_equal(page[0].key.decision, sum);
		sum += count;
		at = page[count - 1].key;
		count = PAGE;
		OK(r, store_read_queue(r->view, &at, page, &count, &r->e));
	}
	assert_int_equal(sum, ALL);
	free(page);
}

/* ---- the log ---- */

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

#define T(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_new_store_is_empty_and_says_so),
		T(a_second_process_is_refused),
		T(another_generation_is_refused),
		cmocka_unit_test(a_crash_before_the_first_store_was_in_place_is_no_obstacle),
		T(a_store_whose_file_is_gone_is_not_made_anew),
		T(a_store_that_was_cut_is_refused),
		T(a_broken_store_stays_closed_until_it_was_verified),
		T(a_power_cut_asks_for_a_full_check_and_a_goodbye_does_not),
		T(the_data_file_is_not_inherited),
		T(more_views_than_asked_for_are_refused),
		T(an_aborted_batch_leaves_nothing_and_a_commit_all),
		T(a_view_sees_what_was_committed_when_it_was_opened),
		T(a_commit_with_another_fence_is_refused),
		T(a_policy_epoch_moves_the_fence_and_never_goes_back),
		T(entries_without_their_head_are_refused),
		T(a_head_without_its_entries_is_refused),
		T(entries_out_of_order_are_refused),
		T(the_longest_entry_is_a_mebibyte),
		T(a_name_keeps_its_number_for_ever),
		T(a_name_has_1_to_480_bytes),
		T(a_blob_of_any_length_is_found_by_its_digest),
		T(a_note_is_kept_until_it_is_emptied),
		T(a_report_comes_back_as_it_was_put),
		T(a_report_that_is_there_is_not_put_again),
		T(parts_out_of_order_are_refused),
		T(retention_takes_the_bodies_and_leaves_the_evidence),
		T(reports_are_read_in_pages),
		T(what_a_party_was_given_is_kept_per_originator),
		T(a_queue_is_read_by_precedence_in_order),
		T(what_waits_for_a_party_is_counted_through_aborts_and_starts),
		T(a_queue_entry_is_found_and_replaced),
		T(a_queue_without_a_subscription_is_refused),
		T(a_subscription_with_a_queue_is_not_dropped),
		T(holds_come_by_deadline),
		T(a_hundred_thousand_entries_are_paged_and_counted),
		T(entries_are_read_in_runs),
		T(erasing_keeps_the_leaf),
		T(a_tile_is_written_once),
		T(a_head_keeps_the_frontier_of_its_size),
		T(published_checkpoints_stay_and_others_give_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
