#include "client/cli/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
failed(struct err *e, const char *path)
{
	return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
}

bool
disk_folder(const char *path, struct err *e)
{
	char part[PATH_MAX];
	size_t len = strlen(path);
	if (len == 0 || len >= sizeof(part))
		return err_set(e, ERR_IO, "a path of %zu bytes", len);
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0700) != 0 && errno != EEXIST)
			return failed(e, part);
	}
	struct stat st;
	if (stat(path, &st) != 0)
		return failed(e, path);
	return S_ISDIR(st.st_mode) || err_set(e, ERR_IO, "%s: not a folder", path);
}

bool
disk_sync_name(const char *path, struct err *e)
{
	char above[PATH_MAX] = ".";
	const char *slash = strrchr(path, '/');
	if (slash != NULL)
		(void)snprintf(above, sizeof(above), "%.*s", (int)(slash - path + 1), path);
	int fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = (fd < 0 ? errno == EACCES : fsync(fd) == 0) || failed(e, above);
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

static bool
write_all(int fd, struct bytes data)
{
	while (data.len > 0) {
		ssize_t n = write(fd, data.data, data.len);
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			data.data += n;
			data.len -= (size_t)n;
		}
	}
	return true;
}

/* The file's mode is what is asked for, whatever the umask. */
static bool
write_new(const char *path, mode_t mode, struct bytes data, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return failed(e, path);
	bool ok = write_all(fd, data) && fchmod(fd, mode) == 0 && fsync(fd) == 0;
	if (!ok)
		(void)failed(e, path);
	if (close(fd) != 0 && ok)
		ok = failed(e, path);
	if (!ok)
		(void)unlink(path);
	return ok;
}

bool
disk_create(const char *path, mode_t mode, struct bytes data, struct err *e)
{
	return write_new(path, mode, data, e);
}

bool
disk_write(const char *path, mode_t mode, struct bytes data, struct err *e)
{
	char beside[PATH_MAX];
	int n = snprintf(beside, sizeof(beside), "%s.%ld.new", path, (long)getpid());
	if (n < 0 || (size_t)n >= sizeof(beside))
		return err_set(e, ERR_IO, "%s: the path is too long", path);
	if (!write_new(beside, mode, data, e))
		return false;
	if (rename(beside, path) == 0)
		return true;
	(void)failed(e, path);
	(void)unlink(beside);
	return false;
}
