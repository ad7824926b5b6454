/* delivery_save.c - a report as a folder, made beside its place and moved there when it is whole.
 */
#include "client/cli/delivery.h"
#include "client/cli/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A new file in 'folder'; whatever an interrupted attempt left under its name goes. */
static FILE *
make(int folder, const char *name)
{
	if (unlinkat(folder, name, 0) != 0 && errno != ENOENT)
		return NULL;
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	if (fd >= 0 && f == NULL)
		(void)close(fd);
	return f;
}

/* Closed, and on the disk. */
static bool
finish(FILE *f)
{
	bool ok = fflush(f) == 0 && fsync(fileno(f)) == 0;
	return fclose(f) == 0 && ok;
}

static bool
put_body(int folder, size_t portion, const struct relto_bytes *b)
{
	char name[DELIVERY_FILE];
	delivery_file(portion, name);
	FILE *f = make(folder, name);
	if (f == NULL)
		return false;
	bool ok = b->len == 0 || fwrite(b->data, 1, b->len, f) == b->len;
	return finish(f) && ok;
}

static bool
put_all(int folder, struct session *s, const struct relto_delivery *d)
{
	for (size_t i = 0; i < d->portion_count; i++)
		if (!put_body(folder, i, &d->portions[i].portion.content))
			return false;
	FILE *f = make(folder, "report.json");
	if (f == NULL)
		return false;
	delivery_json(f, s, d, true);
	bool ok = ferror(f) == 0;
	return finish(f) && ok && fsync(folder) == 0;
}

static int
open_folder(int at, const char *name)
{
	if (mkdirat(at, name, 0700) != 0 && errno != EEXIST)
		return -1;
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool
save_in(int base, struct session *s, const struct relto_delivery *d)
{
	char id[RELTO_ID_TEXT], part[RELTO_ID_TEXT + 8];
	relto_id_print(d->id, id);
	(void)snprintf(part, sizeof(part), ".%s.part", id);
	if (faccessat(base, id, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return fsync(base) == 0; /* it came before; that its name is durable nobody knows */
	int folder = open_folder(base, part);
	bool ok = folder >= 0 && put_all(folder, s, d);
	int why = errno;
	if (folder >= 0)
		(void)close(folder);
	errno = why;
	return ok && renameat(base, part, base, id) == 0 && fsync(base) == 0;
}

bool
delivery_save(struct session *s, const struct relto_delivery *d, const char *folder)
{
	struct err unsaid;
	int base = open_folder(AT_FDCWD, folder);
	if (base < 0)
		return false;
	bool ok = disk_sync_name(folder, &unsaid) && save_in(base, s, d);
	int why = errno;
	(void)close(base);
	errno = why;
	return ok;
}
