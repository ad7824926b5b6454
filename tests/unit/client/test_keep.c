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

/* A file, or a folder of files. */
static void
discard(const char *path)
{
	char name[1024];
	const struct dirent *entry;
	DIR *d = opendir(path);
	while (d != NULL && (entry = readdir(d)) != NULL) {
		(void)snprintf(name, sizeof(name), "%s/%.200s", path, entry->d_name);
		(void)unlink(name);
	}
	if (d != NULL)
		(void)closedir(d);
	(void)remove(path);
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
			discard(path);
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

/* Replaces 'before' by 'note', or adds it if that is not there. */
struct replacing {
	const char *before, *note;
};

static bool
replace(void *arg, struct keep_notes *notes, struct err *e)
{
	struct replacing *r = arg;
	(void)e;
	size_t at = 0;
	while (at < notes->count && (r->before == NULL || !bytes_is(notes->note[at], r->before)))
		at++;
	notes->count += at == notes->count;
	notes->note[at] = bytes_of(r->note);
	return true;
}

static struct keep_notes
loaded(struct keep *k, struct arena *a, const char *origin)
{
	struct err e;
	struct keep_notes notes;
	if (!keep_load(k, bytes_of(origin), a, &notes, &e))
		fail_msg("%s", e.text);
	return notes;
}

/* *now: what was added last. */
static bool
store(struct keep *k, struct arena *a, const char *before, const char *note, struct bytes *now)
{
	struct err e;
	struct replacing r = { before, note };
	struct keep_edit edit = { replace, &r };
	if (!keep_update(k, bytes_of(origin_text), &edit, a, &e))
		fail_msg("%s", e.text);
	struct keep_notes notes = loaded(k, a, origin_text);
	assert_true(notes.count > 0);
	*now = notes.note[notes.count - 1];
	return bytes_is(*now, note);
}

static bool
refuse(void *arg, struct keep_notes *notes, struct err *e)
{
	(void)arg;
	notes->count = 0;
	return err_set(e, ERR_FORK, "no");
}

static void
the_heads_of_several_processes_are_kept_until_one_takes_the_others_place(void **state)
{
	(void)state;
	for (int in_memory = 0; in_memory < 2; in_memory++) {
		SCOPED(arena_done) struct arena a;
		SCOPED(keep_free) struct keep *k = opened(in_memory != 0);
		struct bytes now;
		struct err e;
		arena_init(&a, 1 << 20);
		assert_int_equal(loaded(k, &a, origin_text).count, 0);
		assert_true(store(k, &a, NULL, "one", &now));
		assert_true(store(k, &a, "one", "two", &now));
		assert_true(store(
		    k, &a, "one", "other", &now)); /* another process went on from "one" too */
		struct keep_notes notes = loaded(k, &a, origin_text);
		assert_int_equal(notes.count, 2);
		assert_true(bytes_is(notes.note[0], "two"));
		assert_true(bytes_is(notes.note[1], "other"));
		struct keep_edit no = { refuse, NULL };
		assert_false(keep_update(k, bytes_of(origin_text), &no, &a, &e));
		assert_int_equal(loaded(k, &a, origin_text).count, 2);
		assert_int_equal(loaded(k, &a, "hub.example/relto/g2").count, 0);
	}
}

static struct keep_trees
tree(struct keep *k, uint64_t record, uint64_t size, uint8_t root)
{
	SCOPED(arena_done) struct arena a;
	struct err e;
	struct keep_trees t = { .now = { record, size, { root } } };
	arena_init(&a, 1 << 20);
	if (!keep_tree(k, bytes_of("hub.example/relto/g1 NOR"), &t, &a, &e))
		fail_msg("%s", e.text);
	return t;
}

static void
a_partys_tree_only_grows_in_whatever_order_it_is_heard_of(void **state)
{
	(void)state;
	for (int in_memory = 0; in_memory < 2; in_memory++) {
		SCOPED(keep_free) struct keep *k = opened(in_memory != 0);
		assert_false(tree(k, 10, 5, 1).known);
		struct keep_trees t = tree(k, 20, 8, 2);
		assert_true(t.known && t.agree);
		assert_int_equal(t.was.size, 5);
		assert_true(tree(k, 10, 5, 1).agree); /* late, from another connection */
		assert_true(tree(k, 25, 8, 2).agree);
		assert_false(tree(k, 30, 7, 3).agree); /* it shrank */
		assert_false(tree(k, 30, 8, 9).agree); /* it changed */
		assert_false(tree(k, 25, 9, 2).agree); /* two for one record */
		assert_false(tree(k, 9, 9, 3).agree);  /* it was larger before */
		t = tree(k, 40, 9, 4);
		assert_true(t.agree);
		assert_int_equal(t.was.record, 25);
	}
	assert_int_equal(files("party-", false), 1);
}

static struct keep_watch
watch(struct keep *k, struct keep_watch w)
{
	SCOPED(arena_done) struct arena a;
	struct err e;
	arena_init(&a, 1 << 20);
	if (!keep_watch(k, bytes_of("hub.example/relto/g1 NOR"), &w, &a, &e))
		fail_msg("%s", e.text);
	return w;
}

static void
one_record_is_watched_until_the_tree_has_it(void **state)
{
	(void)state;
	struct keep_watch look = { 0 }, seven = { .now = 7, .has_now = true },
			  nine = { .now = 9, .has_now = true };
	for (int in_memory = 0; in_memory < 2; in_memory++) {
		SCOPED(keep_free) struct keep *k = opened(in_memory != 0);
		assert_false(watch(k, look).has_was);
		seven.covered = 8; /* already */
		assert_false(watch(k, seven).has_was);
		seven.covered = 7;
		assert_true(watch(k, seven).has_was);
		assert_int_equal(watch(k, nine).was.index, 7); /* the first counts */
		assert_int_equal(watch(k, look).was.since_s, 0);
		struct keep_watch head = { .covered = 7, .head_s = 100 };
		assert_int_equal(watch(k, head).was.since_s, 100);
		head.head_s = 200; /* not the first */
		assert_int_equal(watch(k, head).was.since_s, 100);
		nine.covered = 8;
		assert_int_equal(watch(k, nine).was.index, 9);
		assert_int_equal(watch(k, look).was.since_s, 0);
		head.covered = 10;
		assert_false(watch(k, head).has_was);
		nine.covered = 0;
	}
	assert_int_equal(files("watched-", false), 0);
}

static void
a_folder_outlives_the_process_and_nothing_is_left_beside(void **state)
{
	(void)state;
	SCOPED(arena_done) struct arena a;
	struct bytes now;
	struct stat s;
	arena_init(&a, 1 << 20);
	struct keep *k = opened(false);
	assert_true(store(k, &a, NULL, "one", &now));
	keep_free(k);
	k = opened(false);
	assert_true(bytes_is(loaded(k, &a, origin_text).note[0], "one"));
	keep_free(k);
	assert_int_equal(files("checkpoint-hub.example_relto_g1-", false), 1);
	assert_int_equal(files("", false), 2); /* and the lock */
	assert_int_equal(stat(folder, &s), 0);
}

/* The file in a folder; NULL: there is none. */
static void
has(const char *path, const char *name, const char *text)
{
	char file[1024], data[64] = "";
	(void)snprintf(file, sizeof(file), "%s/%s", path, name);
	FILE *f = fopen(file, "r");
	assert_int_equal(f != NULL, text != NULL);
	if (f == NULL)
		return;
	assert_non_null(fgets(data, sizeof(data), f));
	(void)fclose(f);
	assert_string_equal(data, text);
}

static void
evidence_is_added_and_forks_have_folders_of_their_own(void **state)
{
	(void)state;
	char path[512];
	struct err e;
	SCOPED(keep_free) struct keep *k = opened(false);
	struct bytes origin = bytes_of(origin_text);
	assert_true(keep_evidence(k, origin, bytes_of("a\n"), &e));
	assert_true(keep_evidence(k, origin, bytes_of("b\n"), &e));
	assert_int_equal(files("evidence-", false), 1);
	const struct keep_file proof[] = { { "kept", bytes_of("proof") }, { "shown", bytes_of("") },
		{ NULL, bytes_of("") } };
	assert_true(keep_fork(k, origin, proof, path, &e));
	has(path, "kept", "proof");
	has(path, "shown", NULL);
	assert_int_equal(files("fork-", false), 1);
	for (unsigned n = 1; n < 64; n++) { /* in the same second */
		assert_true(keep_fork(k, origin, proof, path, &e));
		assert_int_equal(files("fork-", false), n + 1);
	}
	assert_false(keep_fork(k, origin, proof, path, &e));
	assert_int_equal(e.code, ERR_LIMIT);
	assert_int_equal(files("fork-", false), 64);
	SCOPED(keep_free) struct keep *memory = opened(true);
	assert_true(keep_fork(memory, origin, proof, path, &e));
	assert_string_equal(path, "");
}

static void
the_generation_that_was_accepted_is_known_to_whoever_comes_next(void **state)
{
	(void)state;
	struct err e;
	struct bytes next, origin = bytes_of(origin_text);
	SCOPED(arena_done) struct arena a;
	SCOPED(keep_free) struct keep *k = opened(false);
	arena_init(&a, 1 << 20);
	assert_true(keep_accepted(k, origin, &a, &next, &e));
	assert_null(next.data);
	assert_true(keep_accept(k, origin, bytes_of("hub.example/relto/g2"), &e));
	assert_int_equal(files("accepted-hub.example_relto_g1-", false), 1);
	SCOPED(keep_free) struct keep *other = opened(false);
	assert_true(keep_accepted(other, origin, &a, &next, &e));
	assert_true(bytes_is(next, "hub.example/relto/g2"));
	assert_true(keep_accepted(other, next, &a, &next, &e));
	assert_null(next.data);
	SCOPED(keep_free) struct keep *memory = opened(true);
	assert_false(keep_accept(memory, origin, bytes_of("hub.example/relto/g2"), &e));
	assert_int_equal(e.code, ERR_USAGE);
	assert_true(keep_accepted(memory, origin, &a, &next, &e));
	assert_null(next.data);
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
		    the_heads_of_several_processes_are_kept_until_one_takes_the_others_place, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    a_partys_tree_only_grows_in_whatever_order_it_is_heard_of, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    one_record_is_watched_until_the_tree_has_it, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_folder_outlives_the_process_and_nothing_is_left_beside, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    evidence_is_added_and_forks_have_folders_of_their_own, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    the_generation_that_was_accepted_is_known_to_whoever_comes_next, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    a_checkpoint_is_durable_by_name_and_so_is_its_folder, setup, teardown),
		cmocka_unit_test(a_folder_that_cannot_be_is_said_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
