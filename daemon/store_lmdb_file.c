/* The folder and the data file of the LMDB driver: making, opening, growing, the mark. */
#include "daemon/role.h"
#include "daemon/store_lmdb.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Never NOSYNC, NOMETASYNC, MAPASYNC, WRITEMAP or NOMEMINIT [13]. */
static const unsigned env_flags = MDB_NOTLS;
static const char data_name[] = "data.mdb";
static const char lock_name[] = "lock.mdb";
static const char mark_name[] = "mark";
static const char new_name[] = "new"; /* where a store is made before it is moved into place */

enum { FILE_MODE = 0600, FOLDER_MODE = 0700, FREE_COUNT_EVERY = 32 };
static const uint64_t ahead_bytes = 64u << 20; /* a batch writes less [6]; also the last reserve */

static bool
fail_io(const char *what, const char *name, struct err *e)
{
	return err_set(e, errno == ENOSPC ? ERR_FULL : ERR_STORE, "store: %s %s: %s", what, name,
	    strerror(errno));
}

static bool
sync_at(int dir, const char *name, struct err *e)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail_io("open", name, e);
	bool ok = fsync(fd) == 0 || fail_io("fsync", name, e);
	(void)close(fd);
	return ok;
}

/* Makes the folder if it is missing, its name durable in its parent, and locks it.  The name of one
 * that is there, too: its maker may have died before.  A parent that is not ours to read was not
 * ours to make it in. */
static bool
folder_open(const char *path, int *out, struct err *e)
{
	bool made = mkdir(path, FOLDER_MODE) == 0;
	if (!made && errno != EEXIST)
		return fail_io("make", path, e);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail_io("open", path, e);
	bool theirs = !made && faccessat(fd, "..", R_OK, AT_EACCESS) != 0;
	bool ok = theirs || sync_at(fd, "..", e);
	if (ok && flock(fd, LOCK_EX | LOCK_NB) != 0)
		ok = err_set(e, ERR_STORE, "store: another process has %s open", path);
	if (!ok) {
		(void)close(fd);
		return false;
	}
	*out = fd;
	return true;
}

static bool
is_there(int dir, const char *name)
{
	struct stat st;
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* What a crash left of an earlier attempt. */
static void
clear_new(int dir)
{
	int fd = openat(dir, new_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	(void)unlinkat(fd, data_name, 0);
	(void)unlinkat(fd, lock_name, 0);
	(void)close(fd);
	(void)unlinkat(dir, new_name, AT_REMOVEDIR);
}

static bool
make_tables(MDB_env *env, struct store *s, struct err *e)
{
	MDB_txn *txn;
	int code = mdb_txn_begin(env, NULL, 0, &txn);
	if (code != 0)
		return store_lmdb_fail(s, code, "begin", e);
	for (unsigned t = 0; code == 0 && t < T_COUNT; t++)
		code = mdb_dbi_open(txn, store_lmdb_table((enum table)t), MDB_CREATE, &s->dbi[t]);
	if (code != 0) {
		mdb_txn_abort(txn);
		return store_lmdb_fail(s, code, "make the tables", e);
	}
	s->batch.view = (struct store_view){ .s = s, .txn = txn, .open = true };
	bool ok = store_state_put(s, &s->found, e);
	s->batch.view = (struct store_view){ 0 };
	if (!ok) {
		mdb_txn_abort(txn);
		return false;
	}
	code = mdb_txn_commit(txn);
	return code == 0 || store_lmdb_fail(s, code, "the first commit", e);
}

static bool
env_open(
    const struct store_config *cfg, const char *path, unsigned flags, MDB_env **out, struct err *e)
{
	MDB_env *env;
	int code = mdb_env_create(&env);
	if (code != 0)
		return err_set(e, ERR_NOMEM, "store: %s", mdb_strerror(code));
	code = mdb_env_set_maxdbs(env, T_COUNT);
	if (code == 0)
		code = mdb_env_set_mapsize(env, (size_t)cfg->map_bytes);
	if (code == 0)
		code = mdb_env_set_maxreaders(env, cfg->views + 8); /* 126 are not enough [11] */
	if (code == 0)
		code = mdb_env_open(env, path, flags, FILE_MODE);
	if (code != 0) {
		mdb_env_close(env);
		bool damaged = code == MDB_INVALID || code == MDB_CORRUPTED ||
			       code == MDB_VERSION_MISMATCH || code == MDB_PAGE_NOTFOUND;
		enum err_code why = damaged ? ERR_CORRUPT : code == ENOMEM ? ERR_NOMEM : ERR_STORE;
		return err_set(e, why, "store: open %s: %s", path, mdb_strerror(code));
	}
	*out = env;
	return true;
}

/* The first commit is made in a folder of its own and the file then moved into place: a crash
 * leaves no store or a whole one [2]. */
static bool
file_make(const struct store_config *cfg, struct store *s, struct err *e)
{
	clear_new(s->dir);
	if (mkdirat(s->dir, new_name, FOLDER_MODE) != 0)
		return fail_io("make", new_name, e);
	char path[4096];
	int n = snprintf(path, sizeof(path), "%s/%s", cfg->path, new_name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(e, ERR_STORE, "store: the path is too long");
	MDB_env *env = NULL;
	if (!env_open(cfg, path, env_flags, &env, e))
		return false;
	s->found =
	    (struct store_state){ .fence.generation = cfg->generation, .fence.epoch = STORE_NONE };
	bool ok = make_tables(env, s, e);
	mdb_env_close(env);
	if (!ok)
		return false;
	if (!sync_at(s->dir, "new/data.mdb", e))
		return false;
	if (renameat(s->dir, "new/data.mdb", s->dir, data_name) != 0)
		return fail_io("move", data_name, e);
	if (fsync(s->dir) != 0)
		return fail_io("fsync", cfg->path, e);
	clear_new(s->dir);
	return true;
}

/* LMDB would begin anew in a file without a meta page: a store is never made over what was one. */
static bool
file_is_whole(struct store *s, struct err *e)
{
	struct stat st;
	if (fstatat(s->dir, data_name, &st, 0) != 0)
		return fail_io("look at", data_name, e);
	if (!S_ISREG(st.st_mode) || st.st_size < 2 * 4096)
		return err_set(e, ERR_CORRUPT, "store: %s is cut to %lld bytes", data_name,
		    (long long)st.st_size);
	return true;
}

static bool
mark_open(struct store *s, struct err *e)
{
	s->mark = openat(s->dir, mark_name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	if (s->mark < 0)
		return fail_io("open", mark_name, e);
	char c = 0;
	ssize_t n = pread(s->mark, &c, 1, 0);
	if (n < 0)
		return fail_io("read", mark_name, e);
	s->marked = n == 1 && c != '0';
	if (n == 1)
		return true;
	/* Written now, so that marking later needs no room on the disk. */
	if (!store_file_mark(s, false) || fsync(s->dir) != 0)
		return fail_io("write", mark_name, e);
	return true;
}

bool
store_file_mark(struct store *s, bool set)
{
	char c = set ? '1' : '0';
	return s->mark >= 0 && pwrite(s->mark, &c, 1, 0) == 1 && fdatasync(s->mark) == 0;
}

bool
store_file_prepare(const struct store_config *cfg, struct store *s, struct err *e)
{
	if (!folder_open(cfg->path, &s->dir, e))
		return false;
	if (!is_there(s->dir, data_name)) {
		if (is_there(s->dir, lock_name) || is_there(s->dir, mark_name))
			return err_set(e, ERR_STORE,
			    "store: %s is gone from a folder that held a store", data_name);
		if (!file_make(cfg, s, e))
			return false;
	} else if (fsync(s->dir) != 0) {
		/* Whoever moved it here may have died before this; nothing may stand beside it that
		 * a power cut could leave alone. */
		return fail_io("fsync", cfg->path, e);
	}
	return file_is_whole(s, e) && mark_open(s, e);
}

/* A file that is shorter than the pages in use was cut: reading there would be SIGBUS [7].  It is
 * always allocated ahead, so it is never shorter for an innocent reason. */
static bool
file_measure(struct store *s, struct err *e)
{
	MDB_envinfo info;
	MDB_stat pages;
	struct stat st;
	int code = mdb_env_info(s->env, &info);
	if (code == 0)
		code = mdb_env_stat(s->env, &pages);
	if (code != 0)
		return store_lmdb_fail(s, code, "measure", e);
	if (fstat(s->data, &st) != 0)
		return fail_io("look at", data_name, e);
	s->page_bytes = pages.ms_psize;
	s->file_bytes = (uint64_t)st.st_size;
	uint64_t used = (info.me_last_pgno + 1) * (uint64_t)s->page_bytes;
	if (s->file_bytes < used)
		return err_set(e, ERR_CORRUPT, "store: %s has %llu bytes of %llu", data_name,
		    (unsigned long long)s->file_bytes, (unsigned long long)used);
	return true;
}

/* The rows of LMDB's own table of tables stand in its pages and nowhere else: a pointer that was
 * turned could show an old root, and with it a table as it once was. */
static bool
catalog_is_whole(struct store *s, MDB_txn *txn, struct err *e)
{
	MDB_dbi main;
	MDB_cursor *c;
	MDB_stat st = { 0 };
	MDB_val k, v;
	uintptr_t page = 0;
	size_t rows = 0, leaves = 0;
	int code = mdb_dbi_open(txn, NULL, 0, &main);
	if (code == 0)
		code = mdb_stat(txn, main, &st);
	if (code == 0)
		code = mdb_cursor_open(txn, main, &c);
	if (code != 0)
		return store_lmdb_fail(s, code, "read the tables", e);
	for (; (code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0; rows++) {
		leaves += rows == 0 || (uintptr_t)k.mv_data / s->page_bytes != page;
		page = (uintptr_t)k.mv_data / s->page_bytes;
	}
	mdb_cursor_close(c);
	if (code != MDB_NOTFOUND)
		return store_lmdb_fail(s, code, "read the tables", e);
	size_t tables = s->no_dead ? T_DEAD : T_COUNT;
	if (rows == tables && st.ms_entries == rows && st.ms_leaf_pages == leaves)
		return true;
	return err_set(e, ERR_CORRUPT, "store: the table of tables is damaged");
}

/* A store from before decision 0028 has no table of dead letters.  It gets one, unless nothing may
 * be written before it was verified: that is for the version that made it. */
static bool
add_dead(struct store *s, struct err *e)
{
	MDB_txn *txn;
	if (s->marked)
		return err_set(e, ERR_STORE,
		    "store: an older version has to verify it first: start that one once more");
	int code = mdb_txn_begin(s->env, NULL, 0, &txn);
	if (code != 0)
		return store_lmdb_fail(s, code, "begin", e);
	code = mdb_dbi_open(txn, store_lmdb_table(T_DEAD), MDB_CREATE, &s->dbi[T_DEAD]);
	if (code != 0)
		mdb_txn_abort(txn);
	else
		code = mdb_txn_commit(txn);
	return code == 0 || store_lmdb_fail(s, code, "add the table of dead letters", e);
}

/* With the table of dead letters missing: *no_dead. */
static bool
tables_try(struct store *s, bool *no_dead, struct err *e)
{
	MDB_txn *txn;
	int code = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
	if (code != 0)
		return store_lmdb_fail(s, code, "begin", e);
	for (unsigned t = 0; code == 0 && t < T_COUNT; t++) {
		code = mdb_dbi_open(txn, store_lmdb_table((enum table)t), 0, &s->dbi[t]);
		if (code == MDB_NOTFOUND && t == T_DEAD) {
			s->no_dead = *no_dead = true;
			code = 0;
		}
		if (code == MDB_NOTFOUND) {
			mdb_txn_abort(txn);
			return err_set(e, ERR_CORRUPT, "store: there is no table %s",
			    store_lmdb_table((enum table)t));
		}
	}
	if (code != 0) {
		mdb_txn_abort(txn);
		return store_lmdb_fail(s, code, "open the tables", e);
	}
	if (!catalog_is_whole(s, txn, e)) {
		mdb_txn_abort(txn);
		return false;
	}
	code = mdb_txn_commit(txn); /* keeps the handles */
	return code == 0 || store_lmdb_fail(s, code, "open the tables", e);
}

static bool
tables_open(struct store *s, struct err *e)
{
	bool no_dead = false;
	if (!tables_try(s, &no_dead, e))
		return false;
	if (!no_dead || s->copy)
		return true;
	s->no_dead = false;
	return add_dead(s, e);
}

bool
store_file_open(const struct store_config *cfg, struct store *s, struct err *e)
{
	s->map_bytes = cfg->map_bytes;
	s->reserve_bytes = cfg->reserve_bytes;
	s->reserve_percent = cfg->reserve_percent;
	atomic_init(&s->views_left, cfg->views);
	if (!env_open(cfg, cfg->path, env_flags, &s->env, e))
		return false;
	int dead, code = mdb_env_get_fd(s->env, &s->data);
	if (code == 0)
		code = mdb_reader_check(s->env, &dead);
	if (code != 0)
		return store_lmdb_fail(s, code, "open", e);
	if (fcntl(s->data, F_SETFD, FD_CLOEXEC) != 0) /* LMDB does not [12] */
		return fail_io("mark close-on-exec", data_name, e);
	if (s->marked) /* after a failed flush the cache may show what the disk lacks [3] */
		(void)posix_fadvise(s->data, 0, 0, POSIX_FADV_DONTNEED);
	if (!file_measure(s, e) || !tables_open(s, e))
		return false;
	struct err full; /* a full disk does not keep it shut: then batches are refused */
	if (!store_file_grow(s, &full) && full.code != ERR_FULL)
		return err_set(e, full.code, "%s", full.text);
	return true;
}

bool
store_file_open_copy(const struct store_config *cfg, struct store *s, struct err *e)
{
	s->map_bytes = cfg->map_bytes;
	s->copy = true;
	atomic_init(&s->views_left, cfg->views);
	s->dir = open(cfg->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0)
		return fail_io("open", cfg->path, e);
	if (!file_is_whole(s, e) ||
	    !env_open(cfg, cfg->path, env_flags | MDB_RDONLY | MDB_NOLOCK, &s->env, e))
		return false;
	int code = mdb_env_get_fd(s->env, &s->data);
	if (code != 0)
		return store_lmdb_fail(s, code, "open", e);
	if (fcntl(s->data, F_SETFD, FD_CLOEXEC) != 0)
		return fail_io("mark close-on-exec", data_name, e);
	return file_measure(s, e) && tables_open(s, e);
}

uint64_t
store_file_used(struct store *s)
{
	MDB_envinfo info;
	(void)mdb_env_info(s->env, &info); /* fails for a NULL alone */
	return (info.me_last_pgno + 1) * (uint64_t)s->page_bytes;
}

static bool
allocate(struct store *s, uint64_t to)
{
	off_t from = (off_t)s->file_bytes, len = (off_t)(to - s->file_bytes);
	int code = fallocate(s->data, 0, from, len) == 0 ? 0 : errno;
	if (code == EOPNOTSUPP)
		code = ftruncate(s->data, (off_t)to) == 0 ? 0 : errno;
	if (code == 0)
		s->file_bytes = to;
	errno = code;
	return code == 0;
}

bool
store_file_grow(struct store *s, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	uint64_t used = store_file_used(s);
	uint64_t step = ahead_bytes < s->map_bytes / 8 ? ahead_bytes : s->map_bytes / 8;
	uint64_t want = used + step < s->map_bytes ? used + step : s->map_bytes;
	if (s->file_bytes >= used + step / 2 || s->file_bytes >= want)
		return true;
	if (allocate(s, want) || (errno == ENOSPC && s->file_bytes >= used + step / 4))
		return true;
	return fail_io("allocate", data_name, e);
}

/* Pages that deletes left inside the file: LMDB uses them before it grows.  Read from its table of
 * free pages, whose values begin with their number. */
static bool
count_free(struct store *s, uint64_t *out, struct err *e)
{
	MDB_txn *txn;
	MDB_cursor *c;
	int code = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
	if (code != 0)
		return store_lmdb_fail(s, code, "begin", e);
	code = mdb_cursor_open(txn, 0, &c);
	uint64_t sum = 0;
	if (code == 0) {
		MDB_val k, v;
		while ((code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0) {
			size_t n = 0;
			if (v.mv_size >= sizeof(n))
				memcpy(&n, v.mv_data, sizeof(n));
			sum += n;
		}
		mdb_cursor_close(c);
	}
	mdb_txn_abort(txn);
	if (code != MDB_NOTFOUND)
		return store_lmdb_fail(s, code, "count free pages", e);
	*out = sum;
	return true;
}

/* More than 80 % of the map would be in use. */
static bool
map_headroom(struct store *s, uint64_t bytes, struct err *e)
{
	uint64_t most = s->map_bytes / 5 * 4, used = store_file_used(s);
	if (used + bytes <= most)
		return true;
	if (s->free_age++ % FREE_COUNT_EVERY == 0 && !count_free(s, &s->free_pages, e))
		return false;
	uint64_t free_bytes = s->free_pages * s->page_bytes;
	used = used > free_bytes ? used - free_bytes : 0;
	if (used + bytes <= most)
		return true;
	return err_set(e, ERR_FULL, "store: %llu of %llu bytes of the map are in use",
	    (unsigned long long)used, (unsigned long long)s->map_bytes);
}

bool
store_headroom(struct store *s, uint64_t bytes, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct statvfs disk;
	if (fstatvfs(s->data, &disk) != 0)
		return fail_io("measure the disk of", data_name, e);
	uint64_t left = (uint64_t)disk.f_bavail * disk.f_frsize;
	uint64_t part = (uint64_t)disk.f_blocks * disk.f_frsize / 100 * s->reserve_percent;
	uint64_t reserve = s->reserve_bytes > part ? s->reserve_bytes : part;
	if (left < bytes || left - bytes < reserve)
		return err_set(e, ERR_FULL, "store: %llu bytes of disk are free, %llu are reserved",
		    (unsigned long long)left, (unsigned long long)reserve);
	return map_headroom(s, bytes, e);
}

void
store_tick(struct store *s)
{
	ASSERT_ON(ROLE_COMMITTER);
	int dead;
	(void)mdb_reader_check(s->env, &dead);
}

void
store_file_close(struct store *s)
{
	ASSERT_ON(ROLE_COMMITTER);
	if (s->env != NULL)
		mdb_env_close(s->env);
	if (s->mark >= 0)
		(void)close(s->mark);
	if (s->dir >= 0)
		(void)close(s->dir);
	if (s->archive >= 0)
		(void)close(s->archive);
}
