#include "client/keep.h"

#include "proto/arena.h"
#include "tests/lib/test.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char origin_text[] = "hub.example/relto/g1";
static char folder[64];

static int
setup(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/relto-keep.XXXXXX");
	return mkdtemp(folder) == NULL ? -1 : 0;
}

/* The files in the folder whose name begins so. */
static unsigned
files(const char *prefix, bool remove)
{
	char path[512];
	unsigned count = 0;
	const struct dirent *entry;
	DIR *d = opendir(folder);
	assert_non_null(d);
	while ((entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.' || strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		count++;
		(void)snprintf(path, sizeof(path), "%s/%.200s", folder, entry->d_name);
		if (remove)
			(void)unlink(path);
	}
	(void)closedir(d);
	return count;
}

static int
teardown(void **state)
{
	(void)state;
	(void)files("", true);
	return rmdir(folder);
}

static struct keep *
opened(bool in_memory)
{
	struct keep *k = NULL;
	struct err e;
	if (!keep_new(in_memory ? NULL : folder, &k, &e))
		fail_msg("%s", e.text);
	return k;
}

static bool
store(struct keep *k, struct arena *a, const char *before, const char *note, struct bytes *now)
{
	struct err e;
	struct keep_change c = { bytes_of(origin_text), bytes_of(before), bytes_of(note) };
	if (!keep_store(k, &c, a, now, &e))
		fail_msg("%s", e.text);
	return bytes_is(*now, note);
}

static void
what_was_kept_is_replaced_only_from_where_it_stood(void **state)
{
	(void)state;
	for (int in_memory = 0; in_memory < 2; in_memory++) {
		SCOPED(arena_done) struct arena a;
		SCOPED(keep_free) struct keep *k = opened(in_memory != 0);
		struct bytes note, now;
		struct err e;
		arena_init(&a, 1 << 20);
		assert_true(keep_load(k, bytes_of(origin_text), &a, &note, &e));
		assert_null(note.data);
		assert_true(store(k, &a, NULL, "one", &now));
		assert_true(store(k, &a, "one", "two", &now));
		/* another process went on from "one" too: nothing is written, and it is told */
		assert_false(store(k, &a, "one", "other", &now));
		assert_true(bytes_is(now, "two"));
		assert_true(keep_load(k, bytes_of(origin_text), &a, &note, &e));
		assert_true(bytes_is(note, "two"));
		assert_true(keep_load(k, bytes_of("hub.example/relto/g2"), &a, &note, &e));
		assert_null(note.data);
	}
}

static void
a_folder_outlives_the_process_and_nothing_is_left_beside(void **state)
{
	(void)state;
	SCOPED(arena_done) struct arena a;
	struct bytes note, now;
	struct stat s;
	struct err e;
	arena_init(&a, 1 << 20);
	struct keep *k = opened(false);
	assert_true(store(k, &a, NULL, "one", &now));
	keep_free(k);
	k = opened(false);
	assert_true(keep_load(k, bytes_of(origin_text), &a, &note, &e));
	assert_true(bytes_is(note, "one"));
	keep_free(k);
	assert_int_equal(files("checkpoint-hub.example_relto_g1-", false), 1);
	assert_int_equal(files("", false), 2); /* and the lock */
	assert_int_equal(stat(folder, &s), 0);
}

static void
evidence_is_added_and_forks_have_files_of_their_own(void **state)
{
	(void)state;
	char path[512];
	struct err e;
	SCOPED(keep_free) struct keep *k = opened(false);
	struct bytes origin = bytes_of(origin_text);
	assert_true(keep_evidence(k, origin, bytes_of("a\n"), &e));
	assert_true(keep_evidence(k, origin, bytes_of("b\n"), &e));
	assert_int_equal(files("evidence-", false), 1);
	assert_true(keep_fork(k, origin, bytes_of("proof"), path, &e));
	assert_int_equal(access(path, R_OK), 0);
	assert_int_equal(files("fork-", false), 1);
	SCOPED(keep_free) struct keep *memory = opened(true);
	assert_true(keep_fork(memory, origin, bytes_of("proof"), path, &e));
	assert_string_equal(path, "");
}

/* On its way to the kernel: what was flushed. */
static char flushed[4][512];
static unsigned flushes;

int
fsync(int fd)
{
	char link[64];
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, flushed[flushes % 4], sizeof(flushed[0]) - 1);
	flushed[flushes++ % 4][n < 0 ? 0 : n] = 0;
	return (int)syscall(SYS_fsync, fd);
}

/* A power cut must not take the folder with all that is in it: then a broker that was rolled back
 * would be believed. */
static void
a_checkpoint_is_durable_by_name_and_so_is_its_folder(void **state)
{
	(void)state;
	SCOPED(arena_done) struct arena a;
	SCOPED(keep_free) struct keep *k = opened(false); /* made by somebody before */
	struct bytes now;
	arena_init(&a, 1 << 20);
	flushes = 0;
	assert_true(store(k, &a, NULL, "one", &now));
	assert_int_equal(flushes, 3);
	assert_non_null(strstr(flushed[0], "/checkpoint-hub.example_relto_g1-"));
	assert_string_equal(flushed[1], folder);
	assert_string_equal(flushed[2], "/tmp");
}

static void
a_folder_that_cannot_be_is_said_so(void **state)
{
	(void)state;
	struct keep *k = NULL;
	struct err e;
	assert_false(keep_new("/proc/no/such", &k, &e));
	assert_int_equal(e.code, ERR_IO);
	assert_non_null(strstr(e.text, "state folder '/proc/no/such'"));
	assert_null(k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    what_was_kept_is_replaced_only_from_where_it_stood, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_folder_outlives_the_process_and_nothing_is_left_beside, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    evidence_is_added_and_forks_have_files_of_their_own, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_checkpoint_is_durable_by_name_and_so_is_its_folder, setup, teardown),
		cmocka_unit_test(a_folder_that_cannot_be_is_said_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
