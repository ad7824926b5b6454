#include "signer/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
failed(const char *what, const char *name, struct err *e)
{
	enum err_code code = errno == ENOSPC || errno == EDQUOT ? ERR_FULL
			     : errno == ENOENT			? ERR_NOT_FOUND
								: ERR_IO;
	return err_set(e, code, "%s '%s': %s", what, name, strerror(errno));
}

bool
keep_open(struct keep *k, struct sha256 *h, const char *path, struct err *e)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	size_t before = slash == NULL ? 0 : (size_t)(slash - path) + 1;
	*k = (struct keep){ .h = h, .folder = -1, .lock = -1, .file = -1 };
	if (name[0] == '\0' || strlen(name) >= sizeof(k->name) || before >= sizeof(folder))
		return err_set(e, ERR_USAGE, "'%s' cannot be the name of an anchor", path);
	(void)snprintf(folder, sizeof(folder), "%.*s", (int)before, before == 0 ? "" : path);
	(void)snprintf(k->name, sizeof(k->name), "%s", name);
	(void)snprintf(k->next, sizeof(k->next), "%s.new", name);
	(void)snprintf(k->lock_name, sizeof(k->lock_name), "%s.lock", name);
	const char *where = before == 0 ? "." : folder;
	k->folder = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return k->folder >= 0 || failed("the anchor's folder", where, e);
}

bool
keep_lock(struct keep *k, struct err *e)
{
	k->lock = openat(k->folder, k->lock_name, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (k->lock < 0)
		return failed("lock", k->lock_name, e);
	if (flock(k->lock, LOCK_EX | LOCK_NB) == 0)
		return true;
	return errno == EWOULDBLOCK
		   ? err_set(e, ERR_BUSY, "another signer has the anchor '%s'", k->name)
		   : failed("lock", k->lock_name, e);
}

void
keep_done(struct keep *k)
{
	int *all[] = { &k->folder, &k->lock, &k->file };
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (*all[i] >= 0)
			(void)close(*all[i]);
		*all[i] = -1;
	}
}

/* At most ANCHOR_FILE bytes and one more, by which anchor_parse sees what is too long. */
static bool
read_all(int fd, const char *name, char *to, size_t *len, struct err *e)
{
	*len = 0;
	while (*len <= ANCHOR_FILE) {
		ssize_t n = read(fd, to + *len, ANCHOR_FILE + 1 - *len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed("read", name, e);
		if (n == 0)
			break;
		*len += (size_t)n;
	}
	return true;
}

bool
keep_load(struct keep *k, struct anchor *out, struct err *e)
{
	char text[ANCHOR_FILE + 1];
	struct stat st;
	size_t len;
	int how = k->lock >= 0 ? O_RDWR : O_RDONLY;
	k->file = openat(k->folder, k->name, how | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (k->file < 0)
		return failed("the anchor", k->name, e);
	if (fstat(k->file, &st) != 0)
		return failed("stat", k->name, e);
	if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return err_set(e, ERR_CONFIG,
		    "'%s' is no regular file that only its owner can write (mode %03o)", k->name,
		    (unsigned)st.st_mode & 0777u);
	return read_all(k->file, k->name, text, &len, e) &&
	       (anchor_parse(k->h, bytes_from(text, len), out, e) || err_wrap(e, "'%s'", k->name));
}

static bool
write_at(int fd, const char *data, size_t len, size_t place)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, (off_t)place);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;
		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
		place += (size_t)n;
	}
	return true;
}

static bool
put_slot(struct keep *k, int fd, const struct anchor *a, struct err *e)
{
	char slot[ANCHOR_SLOT];
	return anchor_write(k->h, a, slot, e) &&
	       (write_at(fd, slot, sizeof(slot), anchor_place(a)) || failed("write", k->name, e));
}

static bool
flush_folder(struct keep *k, struct err *e)
{
	return fsync(k->folder) == 0 ||
	       err_set(e, ERR_STORE, "the folder of '%s' cannot be flushed: %s", k->name,
		   strerror(errno));
}

/* A whole file beside the old one, if there is one, then in its place; 'a' is in both slots. */
static bool
make(struct keep *k, struct anchor *a, struct err *e)
{
	int fd =
	    openat(k->folder, k->next, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool ok = fd >= 0 || failed("write", k->next, e);
	for (a->turn = 1; ok && a->turn <= 2; a->turn++)
		ok = put_slot(k, fd, a, e);
	a->turn = 2;
	ok =
	    ok && (fsync(fd) == 0 || failed("flush", k->next, e)) &&
	    (renameat(k->folder, k->next, k->folder, k->name) == 0 || failed("rename", k->next, e));
	if (!ok) {
		if (fd >= 0)
			(void)close(fd);
		(void)unlinkat(k->folder, k->next, 0);
		return false;
	}
	if (k->file >= 0)
		(void)close(k->file);
	k->file = fd;
	return flush_folder(k, e);
}

bool
keep_settle(struct keep *k, struct anchor *a, struct err *e)
{
	if (a->turn == 0)
		return make(k, a, e);
	return keep_store(k, a, e) && flush_folder(k, e);
}

/* That what is written will be found: a file that was moved or replaced meanwhile is nobody's. */
static bool
is_in_place(struct keep *k, struct err *e)
{
	struct stat ours, there;
	if (fstat(k->file, &ours) != 0 ||
	    fstatat(k->folder, k->name, &there, AT_SYMLINK_NOFOLLOW) != 0)
		return err_set(e, ERR_IO, "the anchor '%s': %s", k->name, strerror(errno));
	return (ours.st_dev == there.st_dev && ours.st_ino == there.st_ino) ||
	       err_set(e, ERR_IO, "the anchor '%s' is another file than the one that was read",
		   k->name);
}

bool
keep_store(struct keep *k, const struct anchor *a, struct err *e)
{
	if (!is_in_place(k, e) || !put_slot(k, k->file, a, e))
		return false;
	return fdatasync(k->file) == 0 ||
	       err_set(e, ERR_STORE, "'%s' cannot be flushed: %s", k->name, strerror(errno));
}

bool
keep_new(struct keep *k, struct anchor *a, struct err *e)
{
	struct stat st;
	if (fstatat(k->folder, k->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(e, ERR_DATA, "'%s' exists; an anchor is never made anew", k->name);
	return errno == ENOENT ? make(k, a, e) : failed("stat", k->name, e);
}
