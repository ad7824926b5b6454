#include "daemon/archive_files.h"

#include "daemon/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { PATH_ROOM = 192, DEPTH = 6, INDEX_BYTES = STORE_ARCHIVE_FILE * 8, OPENING_MAX = 1 << 20 };
/* What a file of records and its index may take of the disk. */
enum { ONE_FILE = 8 << 20 };
enum { FILE_MODE = 0400, FOLDER_MODE = 0700, KEPT_MODE = 0500 };

struct archive_files {
	int up;	    /* gN */
	int folder; /* FROM-TO, or FROM-TO.part */
	char name[PATH_ROOM], part[PATH_ROOM + 8];
	bool kept;
	const char *suffix; /* of pairs: "", or beside their place */
};
struct archive_pair {
	struct archive_files *files;
	FILE *record;
	char record_path[64], index_path[64];
	uint64_t first, at; /* the next record */
	uint64_t bytes;	    /* written of them */
	uint8_t index[INDEX_BYTES];
};

static bool
fail_io(const char *what, const char *name, struct err *e)
{
	enum err_code why = errno == ENOSPC ? ERR_FULL : errno == EMFILE ? ERR_NOMEM : ERR_IO;
	return err_set(e, why, "archive: %s %s: %s", what, name, strerror(errno));
}

static int
open_folder(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* ---- whole trees ---- */

/* Calls 'each' for every name in a folder but the dots; false at the first that fails. */
static bool
for_names(int folder, unsigned depth, bool (*each)(int folder, const char *name, unsigned depth))
{
	int copy = open_folder(folder, ".");
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	bool ok = d != NULL && depth < DEPTH;
	if (d == NULL && copy >= 0)
		(void)close(copy);
	for (struct dirent *x; ok && (x = readdir(d)) != NULL;)
		if (strcmp(x->d_name, ".") != 0 && strcmp(x->d_name, "..") != 0)
			ok = each(folder, x->d_name, depth);
	if (d != NULL)
		(void)closedir(d);
	return ok;
}

static bool
remove_name(int folder, const char *name, unsigned depth)
{
	int inner = open_folder(folder, name);
	if (inner < 0)
		return unlinkat(folder, name, 0) == 0;
	bool ok = fchmod(inner, FOLDER_MODE) == 0 && for_names(inner, depth + 1, remove_name);
	(void)close(inner);
	return ok && unlinkat(folder, name, AT_REMOVEDIR) == 0;
}

static bool seal_folder(int folder, unsigned depth);

static bool
seal_name(int folder, const char *name, unsigned depth)
{
	struct stat st;
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return false;
	if (!S_ISDIR(st.st_mode))
		return S_ISREG(st.st_mode);
	int inner = open_folder(folder, name);
	bool ok = inner >= 0 && seal_folder(inner, depth + 1);
	if (inner >= 0)
		(void)close(inner);
	return ok;
}

/* Its names are durable, and nothing is added any more. */
static bool
seal_folder(int folder, unsigned depth)
{
	return for_names(folder, depth, seal_name) && fchmod(folder, KEPT_MODE) == 0 &&
	       fsync(folder) == 0;
}

/* ---- the folder ---- */

/* gN below 'dir', which nobody else may write. */
static bool
open_up(const char *dir, const char *generation, int *out, struct err *e)
{
	struct stat st;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fstat(fd, &st) == 0;
	if (!ok)
		(void)fail_io("open", dir, e);
	else if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		ok = err_set(e, ERR_CONFIG,
		    "archive '%s': it is not the broker's own, or group or others can write it",
		    dir);
	else if (mkdirat(fd, generation, FOLDER_MODE) != 0 && errno != EEXIST)
		ok = fail_io("make", generation, e);
	else if (fsync(fd) != 0)
		ok = fail_io("fsync", dir, e);
	if (ok) {
		*out = open_folder(fd, generation);
		ok = *out >= 0 || fail_io("open", generation, e);
	}
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

static bool
begin(struct archive_files *f, bool *there, struct err *e)
{
	struct stat st;
	*there = fstatat(f->up, f->name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (!*there && errno != ENOENT)
		return fail_io("look for", f->name, e);
	f->kept = *there;
	if (*there) {
		/* who gave it its name may have died before that was durable */
		if (fsync(f->up) != 0)
			return fail_io("fsync the folder of", f->name, e);
		f->folder = open_folder(f->up, f->name);
		return f->folder >= 0 || fail_io("open", f->name, e);
	}
	if (fstatat(f->up, f->part, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    !remove_name(f->up, f->part, 0))
		return fail_io("remove what was left of", f->part, e);
	if (mkdirat(f->up, f->part, FOLDER_MODE) != 0)
		return fail_io("make", f->part, e);
	f->folder = open_folder(f->up, f->part);
	return f->folder >= 0 || fail_io("open", f->part, e);
}

bool
archive_files_open(
    const char *dir, const char *folder, bool *there, struct archive_files **out, struct err *e)
{
	char generation[32];
	const char *slash = strchr(folder, '/');
	struct archive_files *f = calloc(1, sizeof(*f));
	if (f == NULL)
		return err_set(e, ERR_NOMEM, "archive");
	f->up = f->folder = -1;
	f->suffix = "";
	(void)snprintf(generation, sizeof(generation), "%.*s", (int)(slash - folder), folder);
	(void)snprintf(f->name, sizeof(f->name), "%s", slash + 1);
	(void)snprintf(f->part, sizeof(f->part), "%s.part", f->name);
	if (!open_up(dir, generation, &f->up, e) || !begin(f, there, e)) {
		archive_files_free(f);
		return false;
	}
	*out = f;
	return true;
}

void
archive_files_free(struct archive_files *f)
{
	if (f == NULL)
		return;
	if (f->folder >= 0)
		(void)close(f->folder);
	if (!f->kept && f->up >= 0)
		(void)remove_name(f->up, f->part, 0);
	if (f->up >= 0)
		(void)close(f->up);
	free(f);
}

bool
archive_files_keep(struct archive_files *f, struct err *e)
{
	if (!seal_folder(f->folder, 0))
		return fail_io("fsync", f->part, e);
	if (renameat(f->up, f->part, f->up, f->name) != 0)
		return fail_io("name", f->name, e);
	f->kept = true;
	return fsync(f->up) == 0 || fail_io("fsync the folder of", f->name, e);
}

void
archive_files_discard(struct archive_files *f)
{
	if (f->kept && renameat(f->up, f->name, f->up, f->part) == 0)
		f->kept = false;
}

bool
archive_room(const struct archive_files *f, const struct archive_reserve *reserve, struct err *e)
{
	struct statvfs disk;
	if (fstatvfs(f->up, &disk) != 0)
		return fail_io("measure the disk of", f->name, e);
	uint64_t left = (uint64_t)disk.f_bavail * disk.f_frsize;
	uint64_t part = (uint64_t)disk.f_blocks * disk.f_frsize / 100 * reserve->percent;
	uint64_t keep = reserve->bytes > part ? reserve->bytes : part;
	return (left >= ONE_FILE && left - ONE_FILE >= keep) ||
	       err_set(e, ERR_FULL,
		   "archive: %" PRIu64 " bytes of its disk are free, %" PRIu64 " are to stay so",
		   left, keep);
}

/* ---- writing ---- */

/* The folders on the way to a file. */
static bool
make_way(int at, const char *path, struct err *e)
{
	char folder[PATH_ROOM];
	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		(void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
		if (mkdirat(at, folder, FOLDER_MODE) != 0 && errno != EEXIST)
			return fail_io("make", folder, e);
	}
	return true;
}

static FILE *
make_file(struct archive_files *f, const char *path, struct err *e)
{
	if (!make_way(f->folder, path, e))
		return NULL;
	int fd = openat(
	    f->folder, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "wb");
	if (file == NULL)
		(void)fail_io("make", path, e);
	if (file == NULL && fd >= 0)
		(void)close(fd);
	return file;
}

/* Durable, or false. */
static bool
end_file(FILE *file, bool ok, const char *path, struct err *e)
{
	if (ok && (fflush(file) != 0 || fsync(fileno(file)) != 0))
		ok = fail_io("write", path, e);
	if (fclose(file) != 0 && ok)
		ok = fail_io("close", path, e);
	return ok;
}

bool
archive_put(struct archive_files *f, const char *path, struct bytes bytes, struct err *e)
{
	FILE *file = make_file(f, path, e);
	if (file == NULL)
		return false;
	bool ok = fwrite(bytes.data, 1, bytes.len, file) == bytes.len || fail_io("write", path, e);
	return end_file(file, ok, path, e);
}

bool
archive_pair_begin(
    struct archive_files *f, uint64_t first, struct archive_pair **out, struct err *e)
{
	struct archive_pair *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return err_set(e, ERR_NOMEM, "archive");
	p->files = f;
	p->first = p->at = first;
	uint64_t n = first / STORE_ARCHIVE_FILE;
	(void)snprintf(
	    p->record_path, sizeof(p->record_path), "record/%06" PRIu64 "%s", n, f->suffix);
	(void)snprintf(p->index_path, sizeof(p->index_path), "index/%06" PRIu64 "%s", n, f->suffix);
	p->record = make_file(f, p->record_path, e);
	if (p->record == NULL) {
		free(p);
		return false;
	}
	*out = p;
	return true;
}

bool
archive_pair_add(struct archive_pair *p, uint64_t index, struct bytes opening, struct err *e)
{
	uint8_t length[4];
	if (index != p->at || index - p->first >= STORE_ARCHIVE_FILE || p->bytes > UINT32_MAX)
		return err_set(
		    e, ERR_INTERNAL, "archive: record %" PRIu64 " is out of order", index);
	uint8_t *place = p->index + (index - p->first) * 8;
	put_u32(place, (uint32_t)p->bytes);
	put_u32(place + 4, store_archive_crc(index, opening));
	put_u32(length, (uint32_t)opening.len);
	if (fwrite(length, 1, sizeof(length), p->record) != sizeof(length) ||
	    fwrite(opening.data, 1, opening.len, p->record) != opening.len)
		return fail_io("write", p->record_path, e);
	p->bytes += sizeof(length) + opening.len;
	p->at++;
	return true;
}

bool
archive_pair_end(struct archive_pair *p, bool ok, struct err *e)
{
	ok = end_file(p->record, ok, p->record_path, e);
	ok = ok && archive_put(p->files, p->index_path, bytes_from(p->index, sizeof(p->index)), e);
	free(p);
	return ok;
}

/* ---- replacing ---- */

static const char *const kinds[2] = { "record", "index" };

bool
archive_pair_renew(struct archive_files *f, uint64_t first, struct err *e)
{
	char path[64];
	f->suffix = ".new";
	for (int i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/%06" PRIu64 ".new", kinds[i],
		    first / STORE_ARCHIVE_FILE);
		if (fchmodat(f->folder, kinds[i], FOLDER_MODE, 0) != 0)
			return fail_io("open", kinds[i], e);
		if (unlinkat(f->folder, path, 0) != 0 && errno != ENOENT)
			return fail_io("remove what was left of", path, e);
	}
	return true;
}

static bool
replace_one(struct archive_files *f, const char *kind, uint64_t first, struct err *e)
{
	char path[64], fresh[72];
	(void)snprintf(path, sizeof(path), "%s/%06" PRIu64, kind, first / STORE_ARCHIVE_FILE);
	(void)snprintf(fresh, sizeof(fresh), "%s.new", path);
	if (renameat(f->folder, fresh, f->folder, path) != 0)
		return fail_io("name", path, e);
	int folder = open_folder(f->folder, kind);
	bool ok = folder >= 0 && fchmod(folder, KEPT_MODE) == 0 && fsync(folder) == 0;
	if (folder >= 0)
		(void)close(folder);
	return ok || fail_io("fsync", kind, e);
}

bool
archive_pair_replace(struct archive_files *f, uint64_t first, struct err *e)
{
	f->suffix = "";
	return replace_one(f, kinds[0], first, e) && replace_one(f, kinds[1], first, e);
}

/* ---- reading ---- */

static bool
damaged(uint64_t index, const char *why, struct err *e)
{
	return err_set(e, ERR_CORRUPT, "archived record %" PRIu64 ": %s", index, why);
}

static bool
read_one(FILE *file, uint64_t index, const uint8_t place[8], uint8_t *room,
    const struct archive_reader *r, struct err *e)
{
	uint8_t length[4];
	struct cursor c = cursor_over(bytes_from(place, 8));
	uint32_t at = cursor_u32(&c), crc = cursor_u32(&c);
	if (ftell(file) != (long)at || fread(length, 1, sizeof(length), file) != sizeof(length))
		return damaged(index, "it does not begin where its index says", e);
	c = cursor_over(bytes_from(length, sizeof(length)));
	uint32_t len = cursor_u32(&c);
	if (len > OPENING_MAX || fread(room, 1, len, file) != len)
		return damaged(index, "its file is cut off", e);
	if (store_archive_crc(index, bytes_from(room, len)) != crc)
		return damaged(index, "its checksum is wrong", e);
	return r->record(r->ctx, index, bytes_from(room, len), e);
}

static FILE *
open_file(struct archive_files *f, const char *kind, uint64_t first, struct err *e)
{
	char path[64];
	(void)snprintf(
	    path, sizeof(path), "%s/%06" PRIu64 "%s", kind, first / STORE_ARCHIVE_FILE, f->suffix);
	int fd = openat(f->folder, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "rb");
	if (file == NULL)
		(void)fail_io("open", path, e);
	if (file == NULL && fd >= 0)
		(void)close(fd);
	return file;
}

static bool
read_file(FILE *record, FILE *index, uint64_t first, uint8_t *room, const struct archive_reader *r,
    struct err *e)
{
	uint8_t places[INDEX_BYTES];
	if (fread(places, 1, sizeof(places), index) != sizeof(places) || fgetc(index) != EOF)
		return damaged(first, "its index has not its length", e);
	for (uint64_t i = 0; i < STORE_ARCHIVE_FILE; i++)
		if (!read_one(record, first + i, places + i * 8, room, r, e))
			return false;
	return fgetc(record) == EOF || damaged(first, "its file has something behind", e);
}

bool
archive_read(struct archive_files *f, uint64_t from, uint64_t to, const struct archive_reader *r,
    struct err *e)
{
	uint8_t *room = malloc(OPENING_MAX);
	bool ok = room != NULL || err_set(e, ERR_NOMEM, "archive");
	for (uint64_t first = from; ok && first < to; first += STORE_ARCHIVE_FILE) {
		FILE *record = open_file(f, "record", first, e);
		FILE *index = record == NULL ? NULL : open_file(f, "index", first, e);
		ok = index != NULL && read_file(record, index, first, room, r, e);
		if (index != NULL)
			(void)fclose(index);
		if (record != NULL)
			(void)fclose(record);
	}
	free(room);
	return ok;
}
