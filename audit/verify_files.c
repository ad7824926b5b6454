#include "audit/verify_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/arena.h"

static const char heads_magic[] = "relto-verify heads 1\n";

bool
verify_files_open(const char *path, struct verify_dir *out, struct err *e)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, ERR_NOT_FOUND, "'%s': %s", path, strerror(errno));
	out->fd = fd;
	return true;
}

void
verify_files_close(struct verify_dir *d)
{
	if (d->fd >= 0)
		(void)close(d->fd);
	d->fd = -1;
}

/* All bytes of an open regular file. */
static bool
slurp(int fd, struct arena *a, struct bytes *out, struct err *e)
{
	struct stat st;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return err_set(e, ERR_IO, "not a regular file");
	size_t size = (size_t)st.st_size, done = 0;
	uint8_t *data = arena_alloc(a, size + 1);
	if (data == NULL)
		return err_set(e, ERR_NOMEM, "%zu bytes", size);
	while (done < size) {
		ssize_t n = read(fd, data + done, size - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, ERR_IO, "%s", strerror(errno));
		if (n == 0)
			break;
		done += (size_t)n;
	}
	*out = bytes_from(data, done);
	return true;
}

static bool
slurp_at(int dir, const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		*out = (struct bytes){ NULL, 0 };
		return true;
	}
	if (fd < 0)
		return err_set(e, ERR_IO, "%s", strerror(errno));
	bool ok = slurp(fd, a, out, e);
	(void)close(fd);
	return ok;
}

bool
verify_files_read(void *ctx, const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	const struct verify_dir *d = ctx;
	return slurp_at(d->fd, path, a, out, e);
}

bool
verify_files_key(struct sha256 *h, const char *text, struct note_key *out, struct err *e)
{
	struct bytes file = { NULL, 0 };
	struct arena a;
	arena_init(&a, 65536);
	bool ok = slurp_at(AT_FDCWD, text, &a, &file, e) &&
		  note_key_parse(h, file.data == NULL ? bytes_of(text) : file, out, e);
	arena_done(&a);
	return ok || err_wrap(e, "key '%s'", text);
}

/* Takes "note N" and its bytes off the front; false at the end or at a fault. */
static bool
next_note(struct bytes *in, struct bytes *note)
{
	char head[32] = { 0 };
	size_t n = in->len < sizeof(head) - 1 ? in->len : sizeof(head) - 1;
	if (n == 0)
		return false;
	memcpy(head, in->data, n);
	char *end;
	if (strncmp(head, "note ", 5) != 0)
		return false;
	unsigned long len = strtoul(head + 5, &end, 10);
	size_t skip = (size_t)(end - head) + 1;
	if (*end != '\n' || end == head + 5 || len > in->len - skip)
		return false;
	*note = bytes_from(in->data + skip, len);
	in->data += skip + len;
	in->len -= skip + len;
	return true;
}

static bool
is_of(struct bytes note, struct bytes origin)
{
	return note.len > origin.len && memcmp(note.data, origin.data, origin.len) == 0 &&
	       note.data[origin.len] == '\n';
}

bool
verify_files_heads(struct arena *a, const char *path, struct verify_heads *out, struct err *e)
{
	struct bytes file = { NULL, 0 }, rest, note;
	size_t n = sizeof(heads_magic) - 1;
	if (!slurp_at(AT_FDCWD, path, a, &file, e))
		return err_wrap(e, "'%s'", path);
	if (file.data == NULL)
		file = bytes_of(heads_magic);
	rest = file;
	if (file.len >= n && memcmp(file.data, heads_magic, n) == 0) {
		rest.data += n;
		rest.len -= n;
		while (next_note(&rest, &note))
			continue;
	}
	if (rest.len != 0)
		return err_set(e, ERR_DATA, "'%s' is no file of kept heads", path);
	out->file = file;
	return true;
}

struct bytes
verify_files_note(const struct verify_heads *heads, struct bytes origin)
{
	struct bytes rest = heads->file, note;
	rest.data += sizeof(heads_magic) - 1;
	rest.len -= sizeof(heads_magic) - 1;
	while (next_note(&rest, &note))
		if (is_of(note, origin))
			return note;
	return (struct bytes){ NULL, 0 };
}

bool
verify_files_kept(struct arena *a, const struct verify_heads *heads, const struct note_key *log,
    struct checkpoint *out, struct err *e)
{
	struct bytes note = verify_files_note(heads, bytes_of(log->name));
	struct checkpoint_trust trust = { .log = log };
	memset(out, 0, sizeof(*out));
	if (note.data == NULL)
		return true;
	return checkpoint_open(a, note, &trust, out, e) || err_wrap(e, "kept head");
}

/* Writes 'path' through a temporary file beside it, synced before the rename. */
static bool
replace(const char *path, const struct bytes *parts, size_t count, struct err *e)
{
	char temp[4096];
	if ((size_t)snprintf(temp, sizeof(temp), "%s.new", path) >= sizeof(temp))
		return err_set(e, ERR_IO, "'%s': the name is too long", path);
	int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool ok = fd >= 0;
	for (size_t i = 0; ok && i < count; i++)
		ok = parts[i].len == 0 ||
		     write(fd, parts[i].data, parts[i].len) == (ssize_t)parts[i].len;
	ok = ok && fsync(fd) == 0;
	if (fd >= 0 && close(fd) != 0)
		ok = false;
	if (!ok || rename(temp, path) != 0)
		return err_set(e, ERR_IO, "'%s': %s", path, strerror(errno));
	return true;
}

bool
verify_files_keep(const char *path, const struct verify_heads *heads, struct bytes origin,
    struct bytes note, struct err *e)
{
	char head[32];
	struct bytes rest = heads->file, other, parts[5];
	size_t n = 0;
	rest.data += sizeof(heads_magic) - 1;
	rest.len -= sizeof(heads_magic) - 1;
	struct bytes before = rest, after = { NULL, 0 };
	/* the notes before and after that of this origin stay as they are */
	for (const uint8_t *at = rest.data; next_note(&rest, &other); at = rest.data) {
		if (!is_of(other, origin))
			continue;
		before.len = (size_t)(at - before.data);
		after = rest;
		break;
	}
	(void)snprintf(head, sizeof(head), "note %zu\n", note.len);
	parts[n++] = bytes_of(heads_magic);
	parts[n++] = before;
	parts[n++] = bytes_of(head);
	parts[n++] = note;
	parts[n++] = after;
	return replace(path, parts, n, e);
}

bool
verify_files_fork(struct arena *a, const char *path, const struct note_key *log,
    const struct bytes notes[2], const char **out, struct err *e)
{
	char vkey[NOTE_VKEY_MAX];
	static const char *const names[] = { "kept", "shown", "log.vkey" };
	note_key_print(log, vkey);
	const struct bytes contents[] = { notes[0], notes[1], bytes_of(vkey) };
	/* never over an older evidence */
	for (unsigned i = 0; i < 1000; i++) {
		char *dir = arena_printf(a, "%s.fork-%u", path, i);
		if (dir == NULL)
			return err_set(e, ERR_NOMEM, "fork evidence");
		if (mkdir(dir, 0700) != 0 && errno == EEXIST)
			continue;
		for (size_t j = 0; j < 3; j++) {
			char *file = arena_printf(a, "%s/%s", dir, names[j]);
			if (file == NULL || !replace(file, &contents[j], 1, e))
				return err_wrap(e, "fork evidence");
		}
		*out = dir;
		return true;
	}
	return err_set(e, ERR_IO, "fork evidence: too many beside '%s'", path);
}
