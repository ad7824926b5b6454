#include "client/keep.h"

#include "proto/arena.h"
#include "proto/sha256.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NOTE_MAX = 1 << 20, NAME_PART = 48, PATH_LEN = 512, HEX = 8 };

struct keep {
	char *folder; /* NULL: in memory */
	pthread_mutex_t lock;
	struct arena memory;
	struct bytes origin, note; /* in memory: of the one origin that a context has */
};

bool
keep_new(const char *folder, struct keep **out, struct err *e)
{
	SCOPED(keep_free) struct keep *k = calloc(1, sizeof(*k));
	if (k == NULL)
		return err_set(e, ERR_NOMEM, "state");
	if (pthread_mutex_init(&k->lock, NULL) != 0) {
		free(MOVE(k));
		return err_set(e, ERR_NOMEM, "state");
	}
	arena_init(&k->memory, 64 * NOTE_MAX);
	if (folder != NULL) {
		k->folder = strdup(folder);
		if (k->folder == NULL)
			return err_set(e, ERR_NOMEM, "state");
		if (mkdir(folder, 0700) != 0 && errno != EEXIST)
			return err_set(e, ERR_IO, "state folder '%s': %s", folder, strerror(errno));
	}
	*out = MOVE(k);
	return true;
}

void
keep_free(struct keep *k)
{
	if (k == NULL)
		return;
	(void)pthread_mutex_destroy(&k->lock);
	arena_done(&k->memory);
	free(k->folder);
	free(k);
}

/* A file of one origin: what is readable of its name, and a digest so that no two share it. */
static bool
name_file(
    const struct keep *k, const char *kind, struct bytes origin, char out[PATH_LEN], struct err *e)
{
	char part[NAME_PART + 1];
	uint8_t digest[SHA256_LEN];
	size_t n = origin.len < NAME_PART ? origin.len : NAME_PART;
	for (size_t i = 0; i < n; i++) {
		uint8_t c = origin.data[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '.' || c == '-';
		part[i] = plain ? (char)c : '_';
	}
	part[n] = 0;
	SCOPED(sha256_done) struct sha256 h = { 0 };
	if (!sha256_init(&h, e) || !sha256_of(&h, origin, digest, e))
		return false;
	int len = snprintf(out, PATH_LEN, "%s/%s-%s-%02x%02x%02x%02x", k->folder, kind, part,
	    digest[0], digest[1], digest[2], digest[3]);
	return (len > 0 && len < PATH_LEN - 32) ||
	       err_set(e, ERR_IO, "the state folder's name is too long");
}

/* The lock file of the folder; close it to let go.  -1 with *e set. */
static int
take_lock(const struct keep *k, struct err *e)
{
	char path[PATH_LEN];
	(void)snprintf(path, sizeof(path), "%s/lock", k->folder);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int locked = -1;
	while (fd >= 0 && (locked = flock(fd, LOCK_EX)) != 0 && errno == EINTR)
		continue;
	if (fd >= 0 && locked == 0)
		return fd;
	(void)err_set(e, ERR_IO, "'%s': %s", path, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

/* A whole file into the arena; absent if there is none. */
static bool
read_file(const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		*out = (struct bytes){ NULL, 0 };
		return true;
	}
	struct stat s;
	if (fd < 0 || fstat(fd, &s) != 0 || s.st_size > NOTE_MAX) {
		(void)err_set(e, ERR_IO, "'%s' cannot be read", path);
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	size_t want = (size_t)s.st_size, got = 0;
	uint8_t *to = arena_alloc(a, want);
	ssize_t n = 1;
	while (to != NULL && got < want && (n = read(fd, to + got, want - got)) > 0)
		got += (size_t)n;
	(void)close(fd);
	if (to == NULL || got != want)
		return err_set(e, to == NULL ? ERR_NOMEM : ERR_IO, "'%s' cannot be read", path);
	*out = bytes_from(to, got);
	return true;
}

static bool
write_all(int fd, struct bytes in)
{
	while (in.len != 0) {
		ssize_t n = write(fd, in.data, in.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		in.data += n;
		in.len -= (size_t)n;
	}
	return true;
}

static bool
sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

/* The names in the folder, and its own, whose maker may not have lived to do this.  What may not
 * be read above it was made by somebody else. */
static bool
sync_names(const struct keep *k)
{
	char above[PATH_LEN];
	int len = snprintf(above, sizeof(above), "%s/..", k->folder);
	return len > 0 && len < PATH_LEN && sync_folder(k->folder) &&
	       (sync_folder(above) || errno == EACCES);
}

/* Beside, synced, renamed: after a crash it is the old or the new one. */
static bool
write_file(const struct keep *k, const char *path, struct bytes in, struct err *e)
{
	char beside[PATH_LEN + 8];
	(void)snprintf(beside, sizeof(beside), "%s.new", path);
	int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && write_all(fd, in) && fsync(fd) == 0;
	if (fd >= 0)
		ok = close(fd) == 0 && ok;
	ok = ok && rename(beside, path) == 0 && sync_names(k);
	return ok || err_set(e, ERR_IO, "'%s': %s", path, strerror(errno));
}

static bool
load_memory(struct keep *k, struct bytes origin, struct arena *a, struct bytes *note, struct err *e)
{
	if (!bytes_equal(k->origin, origin) || k->note.data == NULL) {
		*note = (struct bytes){ NULL, 0 };
		return true;
	}
	return arena_copy(a, k->note, note, e);
}

bool
keep_load(struct keep *k, struct bytes origin, struct arena *a, struct bytes *note, struct err *e)
{
	char path[PATH_LEN];
	if (k->folder != NULL)
		return name_file(k, "checkpoint", origin, path, e) && read_file(path, a, note, e);
	(void)pthread_mutex_lock(&k->lock);
	bool ok = load_memory(k, origin, a, note, e);
	(void)pthread_mutex_unlock(&k->lock);
	return ok;
}

static bool
store_memory(struct keep *k, const struct keep_change *c, struct arena *a, struct bytes *there,
    struct err *e)
{
	if (!load_memory(k, c->origin, a, there, e))
		return false;
	if (!bytes_equal(*there, c->before))
		return true;
	struct arena fresh;
	struct bytes origin, note;
	arena_init(&fresh, 4 * NOTE_MAX);
	if (!arena_copy(&fresh, c->origin, &origin, e) || !arena_copy(&fresh, c->note, &note, e)) {
		arena_done(&fresh);
		return false;
	}
	arena_done(&k->memory);
	k->memory = fresh;
	k->origin = origin;
	k->note = note;
	return true;
}

static bool
store_file(struct keep *k, const struct keep_change *c, struct arena *a, struct bytes *there,
    struct err *e)
{
	char path[PATH_LEN];
	if (!name_file(k, "checkpoint", c->origin, path, e))
		return false;
	int lock = take_lock(k, e);
	if (lock < 0)
		return false;
	bool ok = read_file(path, a, there, e);
	if (ok && bytes_equal(*there, c->before))
		ok = write_file(k, path, c->note, e);
	(void)close(lock);
	return ok;
}

bool
keep_store(
    struct keep *k, const struct keep_change *c, struct arena *a, struct bytes *now, struct err *e)
{
	struct bytes there = { NULL, 0 };
	bool ok;
	if (k->folder != NULL) {
		ok = store_file(k, c, a, &there, e);
	} else {
		(void)pthread_mutex_lock(&k->lock);
		ok = store_memory(k, c, a, &there, e);
		(void)pthread_mutex_unlock(&k->lock);
	}
	if (ok && now != NULL)
		*now = bytes_equal(there, c->before) ? c->note : there;
	return ok;
}

bool
keep_fork(struct keep *k, struct bytes origin, struct bytes text, char path[512], struct err *e)
{
	char base[PATH_LEN];
	path[0] = 0;
	if (k->folder == NULL)
		return true;
	if (!name_file(k, "fork", origin, base, e))
		return false;
	(void)snprintf(path, PATH_LEN, "%.480s-%lld", base, (long long)time(NULL));
	return write_file(k, path, text, e);
}

bool
keep_evidence(struct keep *k, struct bytes origin, struct bytes lines, struct err *e)
{
	char path[PATH_LEN];
	if (k->folder == NULL)
		return true;
	if (!name_file(k, "evidence", origin, path, e))
		return false;
	/* one write with O_APPEND: lines of two processes do not mix */
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && write_all(fd, lines);
	if (fd >= 0)
		ok = close(fd) == 0 && ok;
	return ok || err_set(e, ERR_IO, "'%s': %s", path, strerror(errno));
}
