#include "daemon/file.h"

#include "proto/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A bundle, a policy file or a SPIF: the largest limit of those that the readers check themselves,
 * and one byte, so that they see what is too long. */
#define POLICY_READ_BYTES (LIMIT_SPIF_BYTES + 1)
#define FOLDER_NAMES 65536u

static bool
guarded(const struct stat *st, enum file_guard guard, struct err *e)
{
	if (!S_ISREG(st->st_mode))
		return err_set(e, ERR_CONFIG, "not a regular file");
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return err_set(e, ERR_CONFIG, "group or others can write it (mode %03o)",
		    (unsigned)st->st_mode & 0777u);
	if (guard == FILE_SECRET && (st->st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return err_set(e, ERR_CONFIG, "a key that group or others can read (mode %03o)",
		    (unsigned)st->st_mode & 0777u);
	return true;
}

static bool
read_all(int fd, uint8_t *to, size_t len, size_t *got, struct err *e)
{
	for (*got = 0; *got < len;) {
		ssize_t n = read(fd, to + *got, len - *got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, ERR_IO, "%s", strerror(errno));
		if (n == 0)
			break;
		*got += (size_t)n;
	}
	return true;
}

static bool
read_open(
    int fd, enum file_guard guard, size_t max, struct arena *a, struct bytes *out, struct err *e)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return err_set(e, ERR_IO, "%s", strerror(errno));
	if (!guarded(&st, guard, e))
		return false;
	if (st.st_size < 0 || (uintmax_t)st.st_size > max)
		return err_set(e, ERR_LIMIT, "%jd bytes, more than %zu", (intmax_t)st.st_size, max);
	uint8_t *data = arena_alloc(a, (size_t)st.st_size + 1);
	if (data == NULL)
		return err_set(e, ERR_NOMEM, "%jd bytes", (intmax_t)st.st_size);
	size_t got;
	if (!read_all(fd, data, (size_t)st.st_size, &got, e))
		return false;
	data[got] = '\0';
	*out = bytes_from(data, got);
	return true;
}

bool
file_read(const char *path, enum file_guard guard, size_t max, struct arena *a, struct bytes *out,
    struct err *e)
{
	/* O_NONBLOCK: a FIFO in place of a file must not hold the reload */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		(void)err_set(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s", strerror(errno));
		return err_wrap(e, "%s", path);
	}
	bool ok = read_open(fd, guard, max, a, out, e);
	(void)close(fd);
	return ok || err_wrap(e, "%s", path);
}

static bool
list_open(DIR *d, struct arena *a, struct names *out, struct err *e)
{
	size_t room = 64, count = 0;
	struct bytes *items = arena_zalloc(a, room, sizeof(*items));
	for (struct dirent *entry; items != NULL && (entry = readdir(d)) != NULL;) {
		if (entry->d_name[0] == '.')
			continue;
		if (count == FOLDER_NAMES)
			return err_set(e, ERR_LIMIT, "more than %u files", FOLDER_NAMES);
		if (count == room) {
			struct bytes *more = arena_zalloc(a, 2 * room, sizeof(*items));
			if (more == NULL)
				return err_set(e, ERR_NOMEM, "names");
			memcpy(more, items, count * sizeof(*items));
			items = more;
			room *= 2;
		}
		if (!arena_copy(a, bytes_of(entry->d_name), &items[count], e))
			return false;
		count++;
	}
	if (items == NULL)
		return err_set(e, ERR_NOMEM, "names");
	*out = (struct names){ items, count };
	return true;
}

bool
file_list(const char *folder, struct arena *a, struct names *out, struct err *e)
{
	DIR *d = opendir(folder);
	if (d == NULL) {
		(void)err_set(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s", strerror(errno));
		return err_wrap(e, "%s", folder);
	}
	bool ok = list_open(d, a, out, e);
	(void)closedir(d);
	return ok || err_wrap(e, "%s", folder);
}

static bool
policy_read(void *ctx, const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	(void)ctx;
	return file_read(path, FILE_OURS, POLICY_READ_BYTES, a, out, e);
}

static bool
policy_list(void *ctx, const char *path, struct arena *a, struct names *out, struct err *e)
{
	(void)ctx;
	return file_list(path, a, out, e);
}

const struct epoch_source file_policy = { policy_read, policy_list, NULL };
