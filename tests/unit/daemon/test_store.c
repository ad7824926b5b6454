#include "tests/lib/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/store_rig.h"

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
	OK(r, store_check(r->view, NULL, &counts, &r->e));
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
	REOPEN(r);
	assert_false(store_is_broken(r->store));
	assert_true(store_needs_full_check(r->store, boot));
	assert_false(store_rig_begin(r));
	assert_non_null(strstr(r->e.text, "it must be verified as a whole first"));
	OK(r, store_verified(r->store, &r->e));
	BEGIN(r);
	store_abort(r->store);
	REOPEN(r);
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
	REOPEN(r);
	assert_false(store_needs_full_check(r->store, boot));
	assert_true(store_needs_full_check(r->store, next_boot));
	BEGIN(r);
	store_say_goodbye(r->store);
	COMMIT(r);
	REOPEN(r);
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
	REOPEN(r);
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
	REOPEN(r);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_new_store_is_empty_and_says_so),
		STORE_TEST(a_second_process_is_refused),
		STORE_TEST(another_generation_is_refused),
		cmocka_unit_test(a_crash_before_the_first_store_was_in_place_is_no_obstacle),
		STORE_TEST(a_store_whose_file_is_gone_is_not_made_anew),
		STORE_TEST(a_store_that_was_cut_is_refused),
		STORE_TEST(a_broken_store_stays_closed_until_it_was_verified),
		STORE_TEST(a_power_cut_asks_for_a_full_check_and_a_goodbye_does_not),
		STORE_TEST(the_data_file_is_not_inherited),
		STORE_TEST(more_views_than_asked_for_are_refused),
		STORE_TEST(an_aborted_batch_leaves_nothing_and_a_commit_all),
		STORE_TEST(a_view_sees_what_was_committed_when_it_was_opened),
		STORE_TEST(a_commit_with_another_fence_is_refused),
		STORE_TEST(a_policy_epoch_moves_the_fence_and_never_goes_back),
		STORE_TEST(entries_without_their_head_are_refused),
		STORE_TEST(a_head_without_its_entries_is_refused),
		STORE_TEST(entries_out_of_order_are_refused),
		STORE_TEST(the_longest_entry_is_a_mebibyte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
