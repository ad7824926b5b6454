#include "audit/verify_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/arena.h"
#include "proto/uuid.h"

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
verify_files_slurp(const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	return slurp_at(AT_FDCWD, path, a, out, e);
}

static bool
read_key(struct sha256 *h, const char *text, struct arena *a, struct note_key *out, struct err *e)
{
	struct bytes file = { NULL, 0 };
	if (!verify_files_slurp(text, a, &file, e))
		return false;
	if (file.data == NULL && strchr(text, '+') == NULL) /* as every vkey has */
		return err_set(e, ERR_NOT_FOUND, "no such file");
	return note_key_parse(h, file.data == NULL ? bytes_of(text) : file, out, e);
}

bool
verify_files_key(
    struct sha256 *h, const char *text, uint8_t type, struct note_key *out, struct err *e)
{
	struct arena a;
	arena_init(&a, 65536);
	bool ok = read_key(h, text, &a, out, e);
	arena_done(&a);
	if (ok && out->type != type)
		ok = err_set(e, ERR_DATA, "it is of type %02x, where %s has %02x", out->type,
		    type == NOTE_ED25519 ? "a log" : "a witness", type);
	return ok || err_wrap(e, "key '%s'", text);
}

/* ---- what clients kept ---- */

static bool
take_word(struct bytes *line, struct bytes *out)
{
	const uint8_t *end = line->len == 0 ? NULL : memchr(line->data, ' ', line->len);
	*out = bytes_from(line->data, end == NULL ? line->len : (size_t)(end - line->data));
	size_t n = out->len + (end != NULL);
	*line = bytes_from(line->data + n, line->len - n);
	return out->len != 0;
}

static bool
take_number(struct bytes *line, uint64_t *out)
{
	struct bytes word;
	uint64_t v = 0;
	if (!take_word(line, &word) || word.len > 19)
		return false;
	for (size_t i = 0; i < word.len; i++) {
		if (word.data[i] < '0' || word.data[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(word.data[i] - '0');
	}
	*out = v;
	return true;
}

static bool
take_evidence(struct bytes line, struct verify_evidence *out)
{
	struct bytes kind, id, leaf;
	uint64_t index;
	if (!take_word(&line, &kind) || !take_word(&line, &id) || !take_number(&line, &index) ||
	    !take_number(&line, &out->place) || !take_word(&line, &leaf) ||
	    !take_number(&line, &out->time_s) || line.len != 0)
		return false;
	out->delivery = bytes_is(kind, "delivery");
	return (out->delivery || bytes_is(kind, "receipt")) && uuid_parse(id, out->report) &&
	       bundle_unhex(leaf, out->leaf);
}

bool
verify_files_evidence(struct arena *a, const char *path, const struct verify_evidence **out,
    size_t *count, struct err *e)
{
	struct bytes file = { NULL, 0 };
	size_t n = 0, lines = 0;
	if (!verify_files_slurp(path, a, &file, e))
		return err_wrap(e, "'%s'", path);
	if (file.data == NULL)
		return err_set(e, ERR_NOT_FOUND, "'%s': no such file", path);
	for (size_t i = 0; i < file.len; i++)
		lines += file.data[i] == '\n';
	struct verify_evidence *list = arena_zalloc(a, lines, sizeof(*list));
	if (list == NULL)
		return err_set(e, ERR_NOMEM, "evidence");
	for (; n < lines; n++) {
		const uint8_t *end = memchr(file.data, '\n', file.len);
		struct bytes line = bytes_from(file.data, (size_t)(end - file.data));
		if (!take_evidence(line, &list[n]))
			return err_set(e, ERR_DATA, "'%s', line %zu: no evidence", path, n + 1);
		file = bytes_from(end + 1, file.len - line.len - 1);
	}
	if (file.len != 0)
		return err_set(e, ERR_DATA, "'%s': the last line is cut", path);
	*out = list;
	*count = n;
	return true;
}
