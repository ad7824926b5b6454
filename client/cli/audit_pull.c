#include "client/cli/audit_pull.h"

#include "client/generation.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHOWN_EVERY = 4 << 20 }; /* bytes between two words of progress */

struct pull {
	const char *folder;
	uint64_t files, bytes, shown;
	char last[256]; /* the file that is being written */
	int fd;
	bool failed, progress;
	size_t head_len; /* of its checkpoint */
	char head[NOTE_BYTES_MAX];
};

/* Why it cannot be written, once. */
static bool
failed(struct pull *p, const char *path)
{
	out_cleanf(stderr, "relto: cannot write %s/%s: %s", p->folder, path, strerror(errno));
	(void)fputc('\n', stderr);
	p->failed = true;
	return false;
}

static bool
close_file(struct pull *p)
{
	int fd = p->fd;
	p->fd = -1;
	return fd < 0 || close(fd) == 0 || failed(p, p->last);
}

/* The broker may come back to a file; whatever is in the folder was made here. */
static bool
open_file(struct pull *p, const char *path)
{
	char full[4096];
	int n = snprintf(full, sizeof(full), "%s/%s", p->folder, path);
	if (n < 0 || (size_t)n >= sizeof(full)) {
		errno = ENAMETOOLONG;
		return failed(p, path);
	}
	for (char *at = strchr(full + strlen(p->folder) + 1, '/'); at != NULL;
	     at = strchr(at + 1, '/')) {
		*at = 0;
		if (mkdir(full, 0700) != 0 && errno != EEXIST)
			return failed(p, path);
		*at = '/';
	}
	p->fd = open(full, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (p->fd < 0)
		return failed(p, path);
	(void)snprintf(p->last, sizeof(p->last), "%s", path);
	p->files += lseek(p->fd, 0, SEEK_END) == 0;
	return true;
}

static void
show_progress(struct pull *p, bool end)
{
	if (!p->progress || (!end && p->bytes - p->shown < SHOWN_EVERY))
		return;
	p->shown = p->bytes;
	(void)fprintf(stderr, "\r%" PRIu64 " files, %" PRIu64 " MiB%s", p->files, p->bytes >> 20,
	    end ? "\n" : "");
}

static bool
put(void *arg, const char *path, struct relto_bytes piece)
{
	struct pull *p = arg;
	const char *at = piece.data;
	size_t left = piece.len;
	if ((p->fd < 0 || strcmp(p->last, path) != 0) && (!close_file(p) || !open_file(p, path)))
		return false;
	while (left > 0) {
		ssize_t n = write(p->fd, at, left);
		if (n < 0 && errno != EINTR)
			return failed(p, path);
		if (n > 0) {
			at += n;
			left -= (size_t)n;
		}
	}
	p->bytes += piece.len;
	if (strcmp(path, "checkpoint") == 0 && piece.len <= sizeof(p->head) - p->head_len) {
		memcpy(p->head + p->head_len, piece.data, piece.len);
		p->head_len += piece.len;
	}
	show_progress(p, false);
	return true;
}

/* One flush for all files: what is reported as pulled is on the disk. */
static bool
finish(struct pull *p)
{
	if (!close_file(p))
		return false;
	int fd = open(p->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = (fd >= 0 && syncfs(fd) == 0) || failed(p, "");
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

static void
report(const struct pull *p, bool json)
{
	struct out_json j = { .to = stdout };
	if (!json) {
		(void)fprintf(stderr, "bundle in %s: %" PRIu64 " files, %" PRIu64 " bytes\n",
		    p->folder, p->files, p->bytes);
		return;
	}
	out_json_begin(&j, NULL, '{');
	out_json_text(&j, "folder", p->folder);
	out_json_uint(&j, "files", p->files);
	out_json_uint(&j, "bytes", p->bytes);
	out_json_end(&j, '}');
	out_json_line(&j);
}

static void
say_as_shown(const struct session *s)
{
	char vkey[NOTE_VKEY_MAX];
	note_key_print(&s->connection->log, vkey);
	out_cleanf(stderr,
	    "relto: this is the log as it was shown, compared with nothing that is known here; "
	    "its key is %s",
	    vkey);
	(void)fputc('\n', stderr);
}

/* A bundle is worth what its head is: with a quorum of witnesses in the context it signed it. */
static bool
is_signed(const struct session *s, const struct pull *p)
{
	struct err e = { 0 };
	if (inside_quorum_signed(
		s->connection, bytes_from((const uint8_t *)p->head, p->head_len), &e))
		return true;
	e.code = e.code == ERR_NOMEM ? ERR_NOMEM : ERR_QUORUM;
	(void)out_error(&e);
	(void)fprintf(stderr,
	    "relto: ALARM: keep %s, and give it to your auditor: it may be another log than others "
	    "are shown\n",
	    p->folder);
	return false;
}

int
audit_pull_run(struct session *s, const struct audit_pull *want)
{
	struct relto_error e = { 0 };
	struct pull p = {
		.folder = want->folder, .fd = -1, .progress = isatty(STDERR_FILENO) == 1
	};
	struct relto_bundle b = {
		.put = put, .arg = &p, .from = want->from, .bodies_of_policy = true
	};
	if (mkdir(p.folder, 0700) != 0) {
		(void)fprintf(stderr, "relto: cannot make %s: %s\n", p.folder, strerror(errno));
		return err_exit(errno == EEXIST ? ERR_USAGE : ERR_IO);
	}
	bool ok = relto_audit_pull(s->connection, &b, &e);
	show_progress(&p, true);
	int status = ok || p.failed ? 0 : session_error(&e);
	ok = finish(&p) && ok;
	if (ok && s->as_shown)
		say_as_shown(s);
	if (ok && !is_signed(s, &p))
		return err_exit(ERR_QUORUM);
	if (ok)
		report(&p, want->json);
	else if (rmdir(p.folder) != 0)
		(void)fprintf(stderr, "relto: what is in %s is not a whole bundle\n", p.folder);
	return p.failed ? err_exit(ERR_IO) : status;
}
