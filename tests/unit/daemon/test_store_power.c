/* What a power cut leaves: everything that was synced and any part of what was not (ASSURANCE 4).
 * LMDB's writes and flushes are its calls into libc; here they are recorded on their way, and cut
 * images are made from the record.  An image must open and hold at least all that was acknowledged
 * when the power went.  A control that forgets the flushes must find broken images, else the test
 * would find nothing. */
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/store_rig.h"

enum { STEPS_MAX = 20000, SECTOR = 512, IMAGES = 120, CONTROLS = 24, BATCHES = 40 };

enum step_kind { STEP_WRITE, STEP_DURABLE_WRITE, STEP_SYNC, STEP_ACKNOWLEDGED };
struct step {
	enum step_kind kind;
	off_t offset;
	size_t len;
	uint8_t *data;
	uint64_t log_size; /* of STEP_ACKNOWLEDGED */
};
static struct step steps[STEPS_MAX];
static size_t step_count;
static bool recording;

/* ---- on the way to the disk ---- */

static bool
is_data_file(int fd)
{
	char link[64], path[256];
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	if (n < 8)
		return false;
	path[n] = 0;
	return strcmp(path + n - 8, "data.mdb") == 0;
}

static struct step *
step_add(enum step_kind kind)
{
	assert_true(step_count < STEPS_MAX);
	struct step *s = &steps[step_count++];
	*s = (struct step){ .kind = kind };
	return s;
}

static void
record_write(int fd, const void *data, size_t len, off_t offset)
{
	if (!recording || !is_data_file(fd))
		return;
	int flags = fcntl(fd, F_GETFL);
	struct step *s = step_add(flags & O_DSYNC ? STEP_DURABLE_WRITE : STEP_WRITE);
	s->offset = offset;
	s->len = len;
	s->data = malloc(len);
	assert_non_null(s->data);
	memcpy(s->data, data, len);
}

/* liblmdb calls the plain name, which the headers turn into another one for us */
ssize_t plain_pwrite(int fd, const void *data, size_t len, off_t offset) __asm__("pwrite");
ssize_t
plain_pwrite(int fd, const void *data, size_t len, off_t offset)
{
	record_write(fd, data, len, offset);
	return syscall(SYS_pwrite64, fd, data, len, offset);
}

ssize_t
writev(int fd, const struct iovec *pieces, int count)
{
	off_t at = lseek(fd, 0, SEEK_CUR);
	for (int i = 0; i < count && recording; i++) {
		record_write(fd, pieces[i].iov_base, pieces[i].iov_len, at);
		at += (off_t)pieces[i].iov_len;
	}
	return syscall(SYS_writev, fd, pieces, count);
}

int
fdatasync(int fd)
{
	if (recording && is_data_file(fd))
		(void)step_add(STEP_SYNC);
	return (int)syscall(SYS_fdatasync, fd);
}

/* Flushes of folders, by name, and whether the mark stood in the store's one by then. */
static struct {
	char path[512];
	bool marked;
} folders[8];
static size_t folder_count;
static const char *mark_path;

int
fsync(int fd)
{
	char link[64];
	struct stat st;
	if (mark_path != NULL && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		assert_true(folder_count < sizeof(folders) / sizeof(folders[0]));
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		ssize_t n = readlink(link, folders[folder_count].path, sizeof(folders[0].path) - 1);
		assert_true(n > 0);
		folders[folder_count].path[n] = 0;
		folders[folder_count++].marked = access(mark_path, F_OK) == 0;
	}
	return (int)syscall(SYS_fsync, fd);
}

/* ---- images ---- */

static uint32_t seed = 4711;

static uint32_t
roll(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

static void
apply(uint8_t *image, const struct step *s, size_t from, size_t to)
{
	memcpy(image + s->offset + from, s->data + from, to - from);
}

/* Kept, dropped, or torn at a sector. */
static void
apply_some(uint8_t *image, const struct step *s)
{
	size_t cut = s->len < SECTOR ? 0 : (1 + roll((uint32_t)(s->len / SECTOR))) * SECTOR;
	switch (roll(4)) {
	case 0:
		return;
	case 1:
		apply(image, s, 0, cut < s->len ? cut : s->len);
		return;
	case 2:
		apply(image, s, cut < s->len ? cut : 0, s->len);
		return;
	default:
		apply(image, s, 0, s->len);
	}
}

/* The disk after a cut at step 'cut'; gives what had been acknowledged.  With 'flushes' false no
 * flush ever counted. */
static uint64_t
make_image(uint8_t *image, size_t cut, bool flushes)
{
	size_t synced = 0;
	uint64_t acknowledged = 0;
	for (size_t i = 0; i < cut; i++) {
		if (steps[i].kind == STEP_ACKNOWLEDGED)
			acknowledged = steps[i].log_size;
		if (steps[i].kind == STEP_SYNC && flushes)
			synced = i;
	}
	for (size_t i = 0; i < cut; i++) {
		const struct step *s = &steps[i];
		if (s->kind == STEP_DURABLE_WRITE || (s->kind == STEP_WRITE && i < synced))
			apply(image, s, 0, s->len);
		else if (s->kind == STEP_WRITE)
			apply_some(image, s);
	}
	return acknowledged;
}

/* Opens an image: false if it does not open, or holds less than was acknowledged, or anything
 * that is damaged. */
static bool
image_is_whole(const uint8_t *image, size_t size, uint64_t acknowledged)
{
	struct store_rig r;
	struct store_counts counts;
	struct bytes entry;
	bool found = true;
	store_rig_init(&r);
	r.config.map_bytes = 2u << 20;
	FILE *f = fopen(store_rig_file(&r, "data.mdb"), "w");
	assert_non_null(f);
	assert_int_equal(fwrite(image, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
	bool ok = store_rig_open(&r);
	if (ok) {
		ok = r.fence.log_size >= acknowledged &&
		     store_check(store_rig_look(&r), NULL, &counts, &r.e);
		for (uint64_t i = 0; ok && i < r.fence.log_size; i++)
			ok = store_read_entry(r.view, i, &entry, &found, &r.e) && found;
		ok = ok && store_read_entry(r.view, r.fence.log_size, &entry, &found, &r.e) &&
		     !found;
	}
	store_rig_done(&r);
	return ok;
}

/* In a process of its own: LMDB stops the program at a page that cannot be. */
static bool
control_is_whole(const uint8_t *image, size_t size, uint64_t acknowledged)
{
	pid_t child = fork();
	if (child == 0) {
		int nowhere = open("/dev/null", O_WRONLY);
		(void)dup2(nowhere, STDERR_FILENO);
		(void)signal(SIGABRT, SIG_DFL);
		(void)signal(SIGSEGV, SIG_DFL);
		_exit(image_is_whole(image, size, acknowledged) ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static uint8_t *
read_file(const char *path, size_t *size)
{
	struct stat st;
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	uint8_t *data = malloc((size_t)st.st_size);
	assert_non_null(data);
	assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
	(void)close(fd);
	*size = (size_t)st.st_size;
	return data;
}

/* Batches that write, replace and delete, so that pages are used again. */
static void
work(struct store_rig *r)
{
	static const uint8_t body[3000];
	for (uint64_t b = 0; b < BATCHES; b++) {
		BEGIN(r);
		OK(r, store_put_part(
			  r->store, b, STORE_PART_BODY(0), bytes_from(body, sizeof(body)), &r->e));
		if (b >= 3)
			OK(r, store_drop_bodies(r->store, b - 3, &r->e));
		for (unsigned i = 0; i < 1 + b % 4; i++)
			OK(r, store_rig_log(r, 200 + b * 7));
		COMMIT(r);
		step_add(STEP_ACKNOWLEDGED)->log_size = r->fence.log_size;
	}
}

static void
what_was_acknowledged_survives_a_power_cut_at_any_moment(void **state)
{
	(void)state;
	struct store_rig r;
	size_t size, broken = 0;
	store_rig_init(&r);
	r.config.map_bytes = 2u << 20;
	OK(&r, store_rig_open(&r));
	uint8_t *before = read_file(store_rig_file(&r, "data.mdb"), &size);
	/* the file may have been made longer ahead of the work; it is, at most, the map */
	uint8_t *image = malloc(r.config.map_bytes);
	assert_non_null(image);
	recording = true;
	work(&r);
	recording = false;
	struct stat st;
	assert_int_equal(stat(store_rig_file(&r, "data.mdb"), &st), 0);
	for (unsigned i = 0; i < IMAGES + CONTROLS; i++) {
		memset(image, 0, r.config.map_bytes);
		memcpy(image, before, size);
		size_t cut = 1 + roll((uint32_t)step_count);
		uint64_t acknowledged = make_image(image, cut, i < IMAGES);
		bool whole = i < IMAGES ? image_is_whole(image, (size_t)st.st_size, acknowledged)
					: control_is_whole(image, (size_t)st.st_size, acknowledged);
		if (i < IMAGES && !whole)
			fail_msg("cut at step %zu of %zu", cut, step_count);
		broken += !whole;
	}
	print_message("%u images whole, %zu of %u controls broken, %zu steps\n", IMAGES, broken,
	    CONTROLS, step_count);
	assert_true(broken > CONTROLS / 4);
	for (size_t i = 0; i < step_count; i++)
		free(steps[i].data);
	free(image);
	free(before);
	store_rig_done(&r);
}

/* As if whoever made it had died as soon as the file was in its place. */
static void
a_store_that_is_found_is_durable_by_name_before_anything_stands_beside_it(void **state)
{
	(void)state;
	struct store_rig r;
	char mark[128];
	store_rig_init(&r);
	OK(&r, store_rig_open(&r));
	store_rig_close(&r);
	(void)snprintf(mark, sizeof(mark), "%s", store_rig_file(&r, "mark"));
	assert_int_equal(unlink(mark), 0);
	mark_path = mark;
	OK(&r, store_rig_open(&r));
	mark_path = NULL;
	assert_int_equal(folder_count, 3);
	assert_memory_equal(folders[0].path, r.path, strlen(folders[0].path));
	assert_int_equal(r.path[strlen(folders[0].path)], '/');
	assert_string_equal(folders[1].path, r.path);
	assert_false(folders[1].marked);
	assert_string_equal(folders[2].path, r.path);
	assert_true(folders[2].marked);
	store_rig_done(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_store_that_is_found_is_durable_by_name_before_anything_stands_beside_it),
		cmocka_unit_test(what_was_acknowledged_survives_a_power_cut_at_any_moment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
