/* Copies of the store of the LMDB driver, made while it runs: mdb_env_copyfd2 writes into a pipe,
 * so that a copy can be watched, bounded and given up. */
#include "daemon/store_lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 256 * 1024, LOOK_MS = 100 };
static const uint64_t flush_bytes = 64u
				    << 20; /* a flush of the store must not wait for a whole copy */

/* The thread that LMDB reads on. */
struct reader {
	MDB_env *env;
	int to;
	int code;
	pthread_t thread;
};

struct copy {
	struct store *store;
	struct store_copy *watch;
	int from, to;
	bool same_disk;
	uint64_t used; /* of the map, when it began */
	uint64_t done, flushed;
	uint8_t *piece;
};

static void *
read_all(void *arg)
{
	struct reader *r = arg;
	r->code = mdb_env_copyfd2(r->env, r->to, MDB_CP_COMPACT);
	(void)close(r->to);
	return NULL;
}

/* ---- bounds ---- */

static uint64_t
boot_ms(void)
{
	struct timespec t = { 0 };
	(void)clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* While it is read nothing that is deleted can be used again: the map grows instead. */
static bool
map_has_room(const struct copy *c, struct err *e)
{
	uint64_t now = store_file_used(c->store), most = c->store->map_bytes / 5 * 4;
	if (now <= most || now <= c->used)
		return true;
	return err_set(e, ERR_FULL,
	    "copy: %llu of %llu bytes of the map are in use, and it keeps what is deleted",
	    (unsigned long long)now, (unsigned long long)c->store->map_bytes);
}

/* The reserve is for the log and for deletes, not for copies. */
static bool
disk_has_room(const struct copy *c, struct err *e)
{
	struct statvfs disk;
	if (!c->same_disk)
		return true;
	if (fstatvfs(c->to, &disk) != 0)
		return err_set(e, ERR_IO, "copy: measure its disk: %s", strerror(errno));
	uint64_t left = (uint64_t)disk.f_bavail * disk.f_frsize;
	uint64_t part = (uint64_t)disk.f_blocks * disk.f_frsize / 100 * c->store->reserve_percent;
	uint64_t keep = c->store->reserve_bytes > part ? c->store->reserve_bytes : part;
	if (left >= PIECE && left - PIECE >= keep)
		return true;
	return err_set(e, ERR_FULL, "copy: %llu bytes of the store's disk are free, %llu reserved",
	    (unsigned long long)left, (unsigned long long)keep);
}

static bool
may_go_on(const struct copy *c, struct err *e)
{
	if (atomic_load(&c->watch->stop))
		return err_set(e, ERR_BUSY, "copy: it was given up");
	if (boot_ms() >= c->watch->until_ms)
		return err_set(e, ERR_BUSY, "copy: its time is over");
	return map_has_room(c, e) && disk_has_room(c, e);
}

/* ---- what comes out of the pipe ---- */

static bool
put(struct copy *c, size_t len, struct err *e)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = write(c->to, c->piece + at, len - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, errno == ENOSPC ? ERR_FULL : ERR_IO, "copy: write: %s",
			    strerror(errno));
		at += (size_t)n;
	}
	c->done += len;
	if (c->done - c->flushed < flush_bytes)
		return true;
	c->flushed = c->done;
	return fdatasync(c->to) == 0 || err_set(e, ERR_IO, "copy: flush: %s", strerror(errno));
}

/* The next piece; *len 0: that was all. */
static bool
take(struct copy *c, size_t *len, struct err *e)
{
	for (;;) {
		struct pollfd p = { .fd = c->from, .events = POLLIN };
		if (!may_go_on(c, e))
			return false;
		int ready = poll(&p, 1, LOOK_MS);
		ssize_t n = ready > 0 ? read(c->from, c->piece, PIECE) : ready;
		if (n < 0 && errno != EINTR)
			return err_set(e, ERR_IO, "copy: pipe: %s", strerror(errno));
		if (ready <= 0 || n < 0)
			continue;
		*len = (size_t)n;
		return true;
	}
}

static bool
pass_on(struct copy *c, struct err *e)
{
	for (bool taken = false;;) {
		size_t len;
		if (!take(c, &len, e))
			return false;
		if (len == 0)
			return true;
		if (!taken && c->watch->taken != NULL)
			c->watch->taken(c->watch->arg);
		taken = true;
		if (!put(c, len, e))
			return false;
		if (c->watch->went != NULL)
			c->watch->went(c->watch->arg, c->done, c->used);
	}
}

static bool
copy_failed(int code, struct err *e)
{
	enum err_code why = code == ENOMEM ? ERR_NOMEM : ERR_STORE;
	return err_set(e, why, "copy: %s", mdb_strerror(code));
}

/* With the pipe open; both of its ends are closed here. */
static bool
through_pipe(struct copy *c, int to, struct err *e)
{
	struct reader r = { .env = c->store->env, .to = to };
	if (pthread_create(&r.thread, NULL, read_all, &r) != 0) {
		(void)close(to);
		(void)close(c->from);
		return err_set(e, ERR_NOMEM, "copy: thread");
	}
	bool ok = pass_on(c, e);
	(void)close(c->from); /* a reader that is not done yet ends by it */
	(void)pthread_join(r.thread, NULL);
	return ok && (r.code == 0 || copy_failed(r.code, e));
}

static bool
open_pipe(struct copy *c, int *to, struct err *e)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		return err_set(e, errno == EMFILE || errno == ENFILE ? ERR_NOMEM : ERR_IO,
		    "copy: pipe: %s", strerror(errno));
	c->from = ends[0];
	*to = ends[1];
	return true;
}

bool
store_copy(struct store *s, int fd, struct store_copy *watch, struct err *e)
{
	struct stat ours, theirs;
	struct copy c = { .store = s, .watch = watch, .to = fd, .used = store_file_used(s) };
	int to;
	if (s->copy)
		return err_set(e, ERR_STORE, "copy: of what is a copy itself");
	if (fstat(s->data, &ours) != 0 || fstat(fd, &theirs) != 0)
		return err_set(e, ERR_IO, "copy: look at it: %s", strerror(errno));
	c.same_disk = ours.st_dev == theirs.st_dev;
	c.piece = malloc(PIECE);
	if (c.piece == NULL)
		return err_set(e, ERR_NOMEM, "copy");
	bool ok = open_pipe(&c, &to, e) && through_pipe(&c, to, e);
	free(c.piece);
	return ok;
}

bool
store_open_copy(const struct store_config *cfg, struct store **out, struct err *e)
{
	return store_open_with(cfg, true, out, e);
}
