#include "client/cli/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err_code
code_of(int error)
{
	return error == ENOENT || error == ENOTDIR ? ERR_NOT_FOUND : ERR_IO;
}

/* All that the descriptor gives, 'size' being what it ought to be. */
static bool
read_all(int fd, size_t size, struct arena *a, struct bytes *out, struct err *e)
{
	uint8_t *data = arena_alloc(a, size + 1);
	size_t len = 0;
	if (data == NULL)
		return err_set(e, ERR_NOMEM, "a file of %zu bytes", size);
	while (len <= size) {
		ssize_t n = read(fd, data + len, size + 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, ERR_IO, "%s", strerror(errno));
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len > size)
		return err_set(e, ERR_IO, "it grew while it was read");
	*out = bytes_from(data, len);
	return true;
}

static bool
read_file(const char *path, size_t max, struct arena *a, struct bytes *out, struct err *e)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return err_set(e, code_of(errno), "cannot read '%s': %s", path, strerror(errno));
	bool ok = fstat(fd, &st) == 0 || err_set(e, ERR_IO, "%s", strerror(errno));
	if (ok && !S_ISREG(st.st_mode))
		ok = err_set(e, ERR_IO, "it is not a file");
	if (ok && (uintmax_t)st.st_size > max)
		ok = err_set(e, ERR_LIMIT, "it is larger than %zu bytes", max);
	ok = ok && read_all(fd, (size_t)st.st_size, a, out, e);
	(void)close(fd);
	return ok || err_wrap(e, "cannot read '%s'", path);
}

bool
files_read(const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	return read_file(path, FILES_MAX, a, out, e);
}

bool
files_read_ours(const char *path, size_t max, struct arena *a, struct bytes *out, struct err *e)
{
	struct stat st;
	if (stat(path, &st) == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		(void)fprintf(stderr,
		    "%s: warning: group or others can write it; reltod would refuse it\n", path);
	return read_file(path, max, a, out, e);
}

static bool
source_read(void *ctx, const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	(void)ctx;
	return files_read_ours(path, FILES_MAX, a, out, e);
}

static bool
add_name(struct arena *a, struct names *list, size_t *room, const char *name, struct err *e)
{
	if (list->count == *room) {
		*room = *room == 0 ? 64 : *room * 2;
		struct bytes *items = arena_zalloc(a, *room, sizeof(*items));
		if (items == NULL)
			return err_set(e, ERR_NOMEM, "folder");
		if (list->count > 0)
			memcpy(items, list->items, list->count * sizeof(*items));
		list->items = items;
	}
	struct bytes *items = (struct bytes *)(uintptr_t)list->items;
	return arena_copy(a, bytes_of(name), &items[list->count++], e);
}

static bool
source_list(void *ctx, const char *path, struct arena *a, struct names *out, struct err *e)
{
	(void)ctx;
	struct names list = { 0 };
	size_t room = 0;
	bool ok = true;
	DIR *d = opendir(path);
	if (d == NULL)
		return err_set(e, code_of(errno), "cannot read '%s': %s", path, strerror(errno));
	for (const struct dirent *entry; ok && (entry = readdir(d)) != NULL;)
		if (entry->d_name[0] != '.')
			ok = add_name(a, &list, &room, entry->d_name, e);
	(void)closedir(d);
	if (ok)
		*out = list;
	return ok;
}

void
files_source(struct epoch_source *out)
{
	*out = (struct epoch_source){ .read = source_read, .list = source_list };
}

bool
files_root(const char *path, struct arena *a, const char **out, struct err *e)
{
	struct stat st;
	if (stat(path, &st) != 0)
		return err_set(e, code_of(errno), "cannot read '%s': %s", path, strerror(errno));
	*out = S_ISDIR(st.st_mode) ? arena_printf(a, "%s/relto.policy", path)
				   : arena_printf(a, "%s", path);
	return *out != NULL || err_set(e, ERR_NOMEM, "path");
}
