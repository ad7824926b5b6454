/* The anchor's file: whatever call fails, what was signed stays found, and nothing is signed that
 * is not on the disk.  The calls are wrapped by the linker (meson.build). */
#include "signer/sign.h"
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at);
ssize_t __real_pwrite64(int fd, const void *data, size_t len, off_t at);
int __wrap_fsync(int fd);
int __real_fsync(int fd);
int __wrap_fdatasync(int fd);
int __real_fdatasync(int fd);
int __wrap_renameat(int from, const char *name, int to, const char *new);
int __real_renameat(int from, const char *name, int to, const char *new);

/* ---- faults ---- */

static unsigned until, with_short; /* calls until one fails; a write that fails writes so much */
static bool fired;
static const char *which;

static bool
fails(const char *name)
{
	if (until == 0 || --until > 0)
		return false;
	fired = true;
	which = name;
	errno = EIO;
	return true;
}

ssize_t
__wrap_pwrite64(int fd, const void *data, size_t len, off_t at)
{
	if (!fails("pwrite"))
		return __real_pwrite64(fd, data, len, at);
	if (with_short > 0)
		until = 1; /* some of it, and then the error */
	unsigned part = with_short;
	with_short = 0;
	return part > 0 ? __real_pwrite64(fd, data, part, at) : -1;
}

int
__wrap_fsync(int fd)
{
	return fails("fsync") ? -1 : __real_fsync(fd);
}

int
__wrap_fdatasync(int fd)
{
	return fails("fdatasync") ? -1 : __real_fdatasync(fd);
}

int
__wrap_renameat(int from, const char *name, int to, const char *new)
{
	return fails("renameat") ? -1 : __real_renameat(from, name, to, new);
}

static void
arm(unsigned step, unsigned part)
{
	until = step;
	with_short = part;
	fired = false;
	which = "";
}

/* ---- a folder with an anchor ---- */

struct rig {
	char folder[64], path[96];
	struct sign sign;
};

static void
open_it(struct rig *g)
{
	struct err e = { 0 };
	if (!keep_open(&g->sign.keep, &g->sign.h, g->path, &e) || !keep_lock(&g->sign.keep, &e))
		fail_msg("%s", e.text);
}

/* As after a start; false: refused. */
static bool
load(struct rig *g, struct err *e)
{
	keep_done(&g->sign.keep);
	open_it(g);
	return keep_load(&g->sign.keep, &g->sign.anchor, e);
}

static void
loads_as(struct rig *g, uint64_t size, bool alone)
{
	struct err e = { 0 };
	arm(0, 0);
	if (!load(g, &e))
		fail_msg("%s", e.text);
	assert_int_equal(g->sign.anchor.head.size, size);
	assert_int_equal(g->sign.anchor.alone, alone);
}

static int
setup(void **state)
{
	struct rig *g = calloc(1, sizeof(*g));
	(void)snprintf(g->folder, sizeof(g->folder), "/tmp/relto-anchor.XXXXXX");
	if (mkdtemp(g->folder) == NULL || !sha256_init(&g->sign.h, NULL))
		return -1;
	(void)snprintf(g->path, sizeof(g->path), "%s/anchor", g->folder);
	arm(0, 0);
	open_it(g);
	assert_true(anchor_new(&g->sign.h, bytes_of("hub.example/g1"), &g->sign.anchor, NULL));
	assert_true(keep_new(&g->sign.keep, &g->sign.anchor, NULL));
	loads_as(g, 0, false);
	*state = g;
	return 0;
}

static int
teardown(void **state)
{
	static const char *const names[] = { "", ".lock", ".new", ".old" };
	struct rig *g = *state;
	char path[128];
	sign_done(&g->sign);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", g->path, names[i]);
		(void)unlink(path);
	}
	int left = rmdir(g->folder); /* nothing else was left behind */
	free(g);
	return left;
}

static void
aside(struct rig *g, bool back)
{
	char other[128];
	(void)snprintf(other, sizeof(other), "%s.old", g->path);
	assert_int_equal(back ? rename(other, g->path) : rename(g->path, other), 0);
}

/* One ask, from the anchor, which is empty: whatever extends it is proven. */
static bool
sign_one(struct rig *g, uint64_t size, struct sign_turn *t, struct err *e)
{
	struct signing_message ask = { .kind = SIGNING_ASK, .ask = { .head = { .size = size } } };
	uint8_t packet[SIGNING_BYTES_MAX];
	sign_turn_begin(&g->sign, t);
	assert_true(sign_turn_take(&g->sign, t, bytes_from(packet, signing_write(&ask, packet))));
	return sign_turn_keep(&g->sign, t, e);
}

static void
damage(struct rig *g, off_t at)
{
	int fd = open(g->path, O_RDWR);
	assert_int_equal(__real_pwrite64(fd, "x", 1, at), 1);
	assert_int_equal(close(fd), 0);
}

/* ---- claims ---- */

static void
each_call_that_fails_refuses_the_signature_and_loses_nothing(void **state)
{
	struct rig *g = *state;
	struct sign_turn t;
	unsigned step = 0, flushes = 0;
	bool one;
	do {
		one = false;
		for (unsigned part = 0; part <= 64; part += 64) {
			struct err e = { 0 };
			arm(0, 0);
			aside(g, false);
			assert_true(anchor_new(
			    &g->sign.h, bytes_of("hub.example/g1"), &g->sign.anchor, &e));
			assert_true(keep_new(&g->sign.keep, &g->sign.anchor, &e));
			arm(step + 1, part);
			bool kept = sign_one(g, 7, &t, &e);
			assert_true(kept != fired);
			one |= fired;
			assert_int_equal(t.count, kept ? 1 : 0);
			if (kept)
				continue;
			assert_true(t.refused && t.refusal.reason == SIGNING_NOT_KEPT);
			assert_int_equal(g->sign.anchor.head.size, 0);
			/* what a flush left is known to the disk alone: no second try */
			bool flush = strcmp(which, "fdatasync") == 0;
			flushes += flush;
			assert_int_equal(e.code, flush ? ERR_STORE : ERR_IO);
			arm(0, 0);
			if (!flush)
				assert_true(sign_one(g, 7, &t, &e) && t.count == 1);
			loads_as(g, 7, false);
		}
		step++;
	} while (one);
	assert_int_equal(step, 3); /* one write, one flush */
	assert_int_equal(flushes, 2);
	loads_as(g, 7, false);
}

static void
a_start_writes_what_it_read_and_signs_nothing_if_that_fails(void **state)
{
	struct rig *g = *state;
	struct sign_turn t;
	struct err e = { 0 };
	assert_true(sign_one(g, 7, &t, &e));
	unsigned step = 0;
	do {
		loads_as(g, 7, false);
		arm(++step, 0);
		assert_true(keep_settle(&g->sign.keep, &g->sign.anchor, &e) != fired);
	} while (fired);
	assert_int_equal(step, 4); /* the slot, its flush, the folder's */
	loads_as(g, 7, false);
}

static void
a_damaged_slot_leaves_the_other_and_two_leave_none(void **state)
{
	struct rig *g = *state;
	struct sign_turn t;
	struct err e = { 0 };
	assert_true(sign_one(g, 7, &t, &e)); /* turn 3, in the second slot */
	damage(g, 100);
	loads_as(g, 7, true);
	damage(g, ANCHOR_SLOT + 100);
	assert_false(load(g, &e));
	assert_int_equal(e.code, ERR_CORRUPT);
	assert_string_equal(e.text, "'anchor': no slot of the anchor matches its checksum");
}

static void
the_slot_that_is_written_is_never_the_last_good_one(void **state)
{
	struct rig *g = *state;
	struct sign_turn t;
	struct err e = { 0 };
	damage(g, 100); /* turn 2, the last; turn 1 is of the same head */
	loads_as(g, 0, true);
	assert_true(keep_settle(&g->sign.keep, &g->sign.anchor, &e));
	arm(1, 64);
	assert_false(sign_one(g, 7, &t, &e));
	loads_as(g, 0, true);
	assert_true(sign_one(g, 7, &t, &e));
	loads_as(g, 7, false);
}

static void
an_anchor_that_was_moved_or_replaced_is_not_written_to(void **state)
{
	struct rig *g = *state;
	struct sign_turn t;
	struct err e = { 0 };
	aside(g, false);
	assert_false(sign_one(g, 7, &t, &e));
	assert_int_equal(e.code, ERR_IO);
	assert_string_equal(e.text, "the anchor 'anchor': No such file or directory");
	(void)close(open(g->path, O_CREAT | O_WRONLY, 0600));
	assert_false(sign_one(g, 7, &t, &e));
	assert_int_equal(e.code, ERR_IO);
	assert_string_equal(
	    e.text, "the anchor 'anchor' is another file than the one that was read");
	aside(g, true);
	loads_as(g, 0, false);
	assert_true(sign_one(g, 7, &t, &e));
	loads_as(g, 7, false);
}

/* As signers before this one wrote it: of 7 records, root 32 zeros. */
static const char old_form[] = "relto-anchor 1\n"
			       "hub.example/g1\n"
			       "7\n"
			       "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
			       "sha256 "
			       "9eaede76acb82c4f3b9cdebb1e55916d0ba06321594470d2a1276665bfcbe3d3"
			       "\n";

static void
a_file_of_the_old_form_is_taken_over_once_whatever_fails(void **state)
{
	struct rig *g = *state;
	struct err e = { 0 };
	struct stat st;
	int fd = open(g->path, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, old_form, sizeof(old_form) - 1), sizeof(old_form) - 1);
	assert_int_equal(close(fd), 0);
	unsigned step = 0;
	do {
		loads_as(g, 7, false);
		bool old = g->sign.anchor.turn == 0;
		arm(++step, 0);
		bool ok = keep_settle(&g->sign.keep, &g->sign.anchor, &e);
		assert_true(ok != fired);
		assert_true(ok || e.code == (strcmp(which, "fsync") == 0 && step == 5 ? ERR_STORE
										      : ERR_IO));
		assert_true(step > 5 || old);
	} while (fired);
	assert_int_equal(step, 6); /* two slots, a flush, a name, the folder's flush */
	assert_int_equal(stat(g->path, &st), 0);
	assert_int_equal(st.st_size, ANCHOR_FILE);
	assert_int_equal(st.st_mode & 07777, 0600);
	loads_as(g, 7, false);
	assert_int_equal(g->sign.anchor.turn, 2);
}

static void
without_the_lock_the_anchor_is_only_read(void **state)
{
	struct rig *g = *state;
	struct err e = { 0 };
	keep_done(&g->sign.keep);
	assert_true(keep_open(&g->sign.keep, &g->sign.h, g->path, &e));
	assert_true(keep_load(&g->sign.keep, &g->sign.anchor, &e));
	assert_false(keep_settle(&g->sign.keep, &g->sign.anchor, &e));
	assert_int_equal(e.code, ERR_IO);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(each_call_that_fails_refuses_the_signature_and_loses_nothing),
		CLAIM(a_start_writes_what_it_read_and_signs_nothing_if_that_fails),
		CLAIM(a_damaged_slot_leaves_the_other_and_two_leave_none),
		CLAIM(the_slot_that_is_written_is_never_the_last_good_one),
		CLAIM(an_anchor_that_was_moved_or_replaced_is_not_written_to),
		CLAIM(a_file_of_the_old_form_is_taken_over_once_whatever_fails),
		CLAIM(without_the_lock_the_anchor_is_only_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
