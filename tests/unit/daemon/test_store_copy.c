#include "tests/lib/test.h"

#include "tests/unit/daemon/store_batch.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A copy under way, and what the test does in the middle of it. */
struct copying {
	struct store_rig *r;
	struct store_copy watch;
	char folder[96], file[128];
	int fd;
	unsigned taken;
	uint64_t done, most;
	bool give_up, fill;
};

static void
fill_map(struct store_rig *r)
{
	static uint8_t bytes[200000];
	while (store_rig_begin(r)) {
		struct store_head h;
		bool found, ok;
		ok =
		    store_read_head(store_batch_view(r->store), STORE_MAIN_TREE, &h, &found, &r->e);
		ok = ok && store_put_part(
			       r->store, 1000 + h.size, 0, bytes_from(bytes, sizeof(bytes)), &r->e);
		if (!ok || !store_rig_log(r, 40) || !store_rig_commit(r)) {
			store_abort(r->store);
			return;
		}
	}
}

static void
on_taken(void *arg)
{
	struct copying *c = arg;
	c->taken++;
	if (c->give_up)
		atomic_store(&c->watch.stop, true);
	if (c->fill)
		fill_map(c->r);
}

static void
on_went(void *arg, uint64_t done, uint64_t most)
{
	struct copying *c = arg;
	assert_true(done > c->done);
	c->done = done;
	c->most = most;
}

static void
begin(struct copying *c, struct store_rig *r)
{
	*c = (struct copying){ .r = r };
	c->watch = (struct store_copy){
		.until_ms = UINT64_MAX, .taken = on_taken, .went = on_went, .arg = c
	};
	(void)snprintf(c->folder, sizeof(c->folder), "%s.copy", r->path);
	(void)snprintf(c->file, sizeof(c->file), "%s/data.mdb", c->folder);
	assert_int_equal(mkdir(c->folder, 0700), 0);
	c->fd = open(c->file, O_RDWR | O_CREAT | O_EXCL, 0600);
	assert_true(c->fd >= 0);
}

static bool
go(struct copying *c)
{
	return store_copy(c->r->store, c->fd, &c->watch, &c->r->e);
}

static void
end(struct copying *c)
{
	(void)close(c->fd);
	(void)unlink(c->file);
	assert_int_equal(rmdir(c->folder), 0);
}

/* Some mebibytes: more than the pipe and LMDB's buffers hold. */
static void
put_much(struct store_rig *r)
{
	static uint8_t bytes[400000];
	for (unsigned i = 0; i < 16; i++) {
		OK(r, store_rig_begin(r));
		OK(r,
		    store_put_part(r->store, 100 + i, 0, bytes_from(bytes, sizeof(bytes)), &r->e));
		OK(r, store_rig_log(r, 40));
		OK(r, store_rig_commit(r));
	}
}

/* The store it was copied from lives on. */
static void
expect_failed(struct copying *c, enum err_code code, const char *why)
{
	struct store_rig *r = c->r;
	assert_false(go(c));
	assert_int_equal(r->e.code, code);
	if (strstr(r->e.text, why) == NULL)
		fail_msg("'%s' instead of '%s'", r->e.text, why);
	assert_false(store_is_broken(r->store));
}

static void
a_copy_is_a_store_of_what_was_committed(void **state)
{
	struct store_rig *r = *state;
	struct copying c;
	SCOPED(store_free) struct store *copy = NULL;
	SCOPED(store_view_free) struct store_view *v = NULL;
	struct store_counts counts, ours;
	SCOPED(arena_done) struct arena a;
	arena_init(&a, 64u << 20);
	batch_first(r);
	put_much(r);
	begin(&c, r);
	OK(r, go(&c));
	assert_int_equal(c.taken, 1);
	struct stat st;
	assert_int_equal(fstat(c.fd, &st), 0);
	assert_int_equal(st.st_size, c.done);
	assert_true(c.done <= c.most);
	struct store_config cfg = { .path = c.folder, .map_bytes = 16u << 20, .views = 1 };
	OK(r, store_open_copy(&cfg, &copy, &r->e));
	OK(r, store_view_new(copy, &v, &r->e));
	OK(r, store_view_open(v, &a, &r->e));
	OK(r, store_check(v, NULL, &counts, &r->e));
	ours = batch_count(r);
	assert_int_equal(counts.rows, ours.rows);
	assert_int_equal(counts.bytes, ours.bytes);
	assert_false(store_begin(copy, &a, &r->e));
	assert_non_null(strstr(r->e.text, "opened as a copy"));
	assert_false(store_copy(copy, c.fd, &c.watch, &r->e));
	assert_non_null(strstr(r->e.text, "of what is a copy itself"));
	store_view_close(v);
	end(&c);
}

static void
a_copy_that_is_given_up_ends_and_the_store_goes_on(void **state)
{
	struct store_rig *r = *state;
	struct copying c;
	put_much(r);
	begin(&c, r);
	c.give_up = true;
	expect_failed(&c, ERR_BUSY, "it was given up");
	assert_int_equal(c.taken, 1);
	c.give_up = false;
	atomic_store(&c.watch.stop, false);
	c.watch.until_ms = 1;
	expect_failed(&c, ERR_BUSY, "its time is over");
	assert_int_equal(c.taken, 1);
	end(&c);
	OK(r, store_rig_begin(r));
	OK(r, store_rig_log(r, 40));
	OK(r, store_rig_commit(r));
}

static void
a_copy_ends_before_the_map_is_full_of_what_it_pins(void **state)
{
	struct store_rig *r = *state;
	struct copying c;
	put_much(r);
	begin(&c, r);
	c.fill = true;
	expect_failed(&c, ERR_FULL, "it keeps what is deleted");
	end(&c);
}

static void
a_copy_leaves_the_reserve_of_the_disk_alone(void **state)
{
	struct store_rig *r = *state;
	struct copying c;
	store_rig_close(r);
	r->config.reserve_bytes = UINT64_MAX / 2;
	assert_true(store_rig_open(r));
	begin(&c, r);
	expect_failed(&c, ERR_FULL, "reserved");
	end(&c);
}

static void
a_copy_that_cannot_be_written_breaks_nothing(void **state)
{
	struct store_rig *r = *state;
	struct copying c;
	put_much(r);
	begin(&c, r);
	(void)close(c.fd);
	c.fd = open("/dev/full", O_WRONLY);
	expect_failed(&c, ERR_FULL, "copy: write: No space left on device");
	(void)close(c.fd);
	c.fd = open(c.file, O_RDONLY);
	expect_failed(&c, ERR_IO, "copy: write: Bad file descriptor");
	end(&c);
}

static void
what_is_no_copy_is_not_opened_as_one(void **state)
{
	struct store_rig *r = *state;
	struct copying c;
	struct store *copy = NULL;
	begin(&c, r);
	struct store_config cfg = { .path = c.folder, .map_bytes = 16u << 20, .views = 1 };
	assert_false(store_open_copy(&cfg, &copy, &r->e));
	assert_int_equal(r->e.code, ERR_CORRUPT);
	put_much(r);
	OK(r, go(&c));
	assert_int_equal(ftruncate(c.fd, (off_t)c.done / 2), 0);
	assert_false(store_open_copy(&cfg, &copy, &r->e));
	assert_int_equal(r->e.code, ERR_CORRUPT);
	end(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_copy_is_a_store_of_what_was_committed),
		STORE_TEST(a_copy_that_is_given_up_ends_and_the_store_goes_on),
		STORE_TEST(a_copy_ends_before_the_map_is_full_of_what_it_pins),
		STORE_TEST(a_copy_leaves_the_reserve_of_the_disk_alone),
		STORE_TEST(a_copy_that_cannot_be_written_breaks_nothing),
		STORE_TEST(what_is_no_copy_is_not_opened_as_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
