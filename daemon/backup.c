#include "daemon/backup.h"

#include "daemon/log.h"
#include "daemon/role.h"
#include "daemon/startup.h"
#include "daemon/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NAME_ROOM = 80, FILE_MODE = 0600, FOLDER_MODE = 0700 };
static const char data_name[] = "data.mdb";

struct backup {
	struct backup_setup set;
	struct store_copy watch;
	struct backup_result result;
	char name[NAME_ROOM], part[NAME_ROOM];
	pthread_t thread;
	sem_t taken;
	bool told; /* that it is */
	_Atomic bool over;
	int dir, folder; /* backup-dir, and NAME.part in it */
};

static bool
fail_io(const char *what, const char *name, struct err *e)
{
	return err_set(e,
	    errno == ENOSPC   ? ERR_FULL
	    : errno == EMFILE ? ERR_NOMEM
			      : ERR_IO,
	    "backup: %s %s: %s", what, name, strerror(errno));
}

/* ---- the folder ---- */

/* Whoever can write there could put another copy in the place of ours, or read it as it grows. */
static bool
open_dir(struct backup *b, struct err *e)
{
	struct stat st;
	b->dir = open(b->set.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->dir < 0 || fstat(b->dir, &st) != 0)
		return fail_io("open", b->set.dir, e);
	if (st.st_uid != geteuid())
		return err_set(
		    e, ERR_CONFIG, "backup-dir '%s' is not the broker's own", b->set.dir);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return err_set(
		    e, ERR_CONFIG, "backup-dir '%s': group or others can write it", b->set.dir);
	return true;
}

/* Of this attempt, or of one that died. */
static void
clear_part(struct backup *b)
{
	int fd = openat(b->dir, b->part, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	(void)unlinkat(fd, data_name, 0);
	(void)close(fd);
	(void)unlinkat(b->dir, b->part, AT_REMOVEDIR);
}

static bool
make_part(struct backup *b, struct err *e)
{
	struct stat st;
	if (fstatat(b->dir, b->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(
		    e, ERR_USAGE, "backup-dir has '%s' already: take another name", b->name);
	if (errno != ENOENT)
		return fail_io("look for", b->name, e);
	clear_part(b);
	if (mkdirat(b->dir, b->part, FOLDER_MODE) != 0)
		return fail_io("make", b->part, e);
	b->folder = openat(b->dir, b->part, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return b->folder >= 0 || fail_io("open", b->part, e);
}

/* ---- the copy ---- */

static void
on_taken(void *arg)
{
	struct backup *b = arg;
	b->told = true;
	(void)sem_post(&b->taken);
}

static void
on_went(void *arg, uint64_t done, uint64_t most)
{
	struct backup *b = arg;
	b->result.bytes = done;
	atomic_store(b->set.total, most);
	atomic_store(b->set.done, done);
}

static bool
copy(struct backup *b, struct err *e)
{
	int fd = openat(
	    b->folder, data_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	if (fd < 0)
		return fail_io("make", data_name, e);
	bool ok = store_copy(b->set.store, fd, &b->watch, e) &&
		  (fsync(fd) == 0 || fail_io("fsync", data_name, e));
	if (close(fd) != 0 && ok)
		ok = fail_io("close", data_name, e);
	return ok && (fsync(b->folder) == 0 || fail_io("fsync", b->part, e));
}

/* ---- whether it is one ---- */

static bool
no_tile(void *ctx, struct tile_id id, const uint8_t data[TILE_BYTES], struct err *e)
{
	(void)ctx, (void)id, (void)data;
	return err_set(e, ERR_INTERNAL, "a copy is not written to");
}

/* All that a start with --verify-all asks, and that its newest checkpoint is of its very head. */
static bool
verify_store(struct backup *b, struct store *s, struct err *e)
{
	struct sha256 h;
	struct log log;
	struct startup_found found;
	if (!sha256_init(&h, e))
		return false;
	struct startup how = {
		.store = s, .h = &h, .key = b->set.key, .all = true, .stop = &b->watch.stop
	};
	log_init(&log, &h, (struct log_sink){ no_tile, NULL });
	bool ok = startup_verify(&how, &log, &found, e);
	sha256_done(&h);
	if (!ok)
		return false;
	b->result.records = found.size;
	return found.signed_size == found.size ||
	       err_set(e, ERR_CORRUPT, "the copy has %llu records, its signed head %llu",
		   (unsigned long long)found.size, (unsigned long long)found.signed_size);
}

static bool
verify(struct backup *b, struct err *e)
{
	char path[4096];
	SCOPED(store_free) struct store *s = NULL;
	int n = snprintf(path, sizeof(path), "%s/%s", b->set.dir, b->part);
	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(e, ERR_CONFIG, "backup: the path is too long");
	struct store_config sc = {
		.path = path, .map_bytes = b->set.map_bytes, .views = 2, .archive = b->set.archive
	};
	return (store_open_copy(&sc, &s, e) && verify_store(b, s, e)) ||
	       err_wrap(e, "backup: what was copied cannot be used");
}

static bool
give_name(struct backup *b, struct err *e)
{
	if (renameat(b->dir, b->part, b->dir, b->name) != 0)
		return fail_io("name", b->name, e);
	return fsync(b->dir) == 0 || fail_io("fsync", b->set.dir, e);
}

/* ---- the thread ---- */

static void *
run(void *arg)
{
	struct backup *b = arg;
	struct err e = { 0 };
	bool made = open_dir(b, &e) && make_part(b, &e);
	bool ok = made && copy(b, &e) && verify(b, &e) && give_name(b, &e);
	if (!ok)
		b->result.why = e;
	if (made && !ok)
		clear_part(b);
	if (b->folder >= 0)
		(void)close(b->folder);
	if (b->dir >= 0)
		(void)close(b->dir);
	if (!b->told)
		on_taken(b);
	atomic_store(&b->over, true);
	return NULL;
}

static uint64_t
boot_ms(void)
{
	struct timespec t = { 0 };
	(void)clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool
begin(struct backup *b, struct err *e)
{
	if (sem_init(&b->taken, 0, 0) != 0)
		return err_set(e, ERR_NOMEM, "backup");
	if (pthread_create(&b->thread, NULL, run, b) != 0) {
		(void)sem_destroy(&b->taken);
		return err_set(e, ERR_NOMEM, "backup thread");
	}
	while (sem_wait(&b->taken) != 0 && errno == EINTR)
		continue;
	return true;
}

bool
backup_begin(const struct backup_setup *setup, struct backup **out, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct backup *b = calloc(1, sizeof(*b));
	if (b == NULL)
		return err_set(e, ERR_NOMEM, "backup");
	b->set = *setup;
	b->dir = b->folder = -1;
	b->watch = (struct store_copy){ .until_ms = boot_ms() + setup->within_ms,
		.taken = on_taken,
		.went = on_went,
		.arg = b };
	(void)snprintf(
	    b->name, sizeof(b->name), "%.*s", (int)setup->name.len, (const char *)setup->name.data);
	(void)snprintf(b->part, sizeof(b->part), "%.64s.part", b->name);
	b->set.name = bytes_of(b->name);
	if (!begin(b, e)) {
		free(b);
		return false;
	}
	*out = b;
	return true;
}

bool
backup_over(const struct backup *b)
{
	return atomic_load(&b->over);
}

void
backup_stop(struct backup *b)
{
	ASSERT_ON(ROLE_COMMITTER);
	atomic_store(&b->watch.stop, true);
}

void
backup_end(struct backup *b, struct backup_result *out)
{
	ASSERT_ON(ROLE_COMMITTER);
	(void)pthread_join(b->thread, NULL);
	(void)sem_destroy(&b->taken);
	*out = b->result;
	free(b);
}
