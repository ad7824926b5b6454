#include "client/keep.h"

#include "proto/arena.h"
#include "proto/sha256.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NOTE_MAX = 1 << 20, NAME_PART = 48, PATH_LEN = 512, FORKS = 64 };

struct keep {
	char *folder; /* NULL: in memory */
	pthread_mutex_t lock;
	struct arena memory;
	/* in memory: of the one origin and party that a context has */
	struct bytes origin, notes;
	struct keep_tree tree;
	struct keep_waiting waiting;
	bool has_tree, has_waiting;
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

static bool
write_synced(const char *path, struct bytes in)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && write_all(fd, in) && fsync(fd) == 0;
	if (fd >= 0)
		ok = close(fd) == 0 && ok;
	return ok;
}

/* Beside, synced, renamed: after a crash it is the old or the new one. */
static bool
write_file(const struct keep *k, const char *path, struct bytes in, struct err *e)
{
	char beside[PATH_LEN + 8];
	(void)snprintf(beside, sizeof(beside), "%s.new", path);
	bool ok = write_synced(beside, in) && rename(beside, path) == 0 && sync_names(k);
	return ok || err_set(e, ERR_IO, "'%s': %s", path, strerror(errno));
}

/* ---- checkpoints ---- */

/* Notes have no NUL: they stand in one file with NULs between them. */
static bool
split(struct bytes in, struct keep_notes *out, struct err *e)
{
	*out = (struct keep_notes){ .count = 0 };
	while (in.len > 0) {
		const uint8_t *end = memchr(in.data, 0, in.len);
		size_t len = end == NULL ? in.len : (size_t)(end - in.data), skip = end != NULL;
		if (out->count == KEEP_NOTES)
			return err_set(e, ERR_CORRUPT, "more than %d checkpoints", KEEP_NOTES);
		out->note[out->count++] = bytes_from(in.data, len);
		in = bytes_from(in.data + len + skip, in.len - len - skip);
	}
	return true;
}

static bool
join(const struct keep_notes *notes, struct arena *a, struct bytes *out, struct err *e)
{
	size_t len = 0;
	for (size_t i = 0; i < notes->count; i++)
		len += notes->note[i].len + 1;
	uint8_t *to = arena_alloc(a, len + 1);
	if (to == NULL)
		return err_set(e, ERR_NOMEM, "checkpoints");
	*out = bytes_from(to, len == 0 ? 0 : len - 1);
	for (size_t i = 0; i < notes->count; i++) {
		memcpy(to, notes->note[i].data, notes->note[i].len);
		to += notes->note[i].len;
		*to++ = 0;
	}
	return true;
}

/* What is kept under a name, as it is kept. */
static bool
load(const struct keep *k, const char *path, struct bytes origin, struct arena *a,
    struct bytes *out, struct err *e)
{
	if (k->folder != NULL)
		return read_file(path, a, out, e);
	*out = (struct bytes){ NULL, 0 };
	return !bytes_equal(k->origin, origin) || arena_copy(a, k->notes, out, e);
}

static bool
store(struct keep *k, const char *path, struct bytes origin, struct bytes notes, struct err *e)
{
	struct arena fresh;
	struct bytes name, copy;
	if (k->folder != NULL)
		return write_file(k, path, notes, e);
	arena_init(&fresh, 4 * NOTE_MAX);
	if (!arena_copy(&fresh, origin, &name, e) || !arena_copy(&fresh, notes, &copy, e)) {
		arena_done(&fresh);
		return false;
	}
	arena_done(&k->memory);
	k->memory = fresh;
	k->origin = name;
	k->notes = copy;
	return true;
}

/* The folder's lock, or that of the memory; let_go ends it. */
static bool
hold(struct keep *k, int *lock, struct err *e)
{
	*lock = -1;
	if (k->folder != NULL)
		return (*lock = take_lock(k, e)) >= 0;
	(void)pthread_mutex_lock(&k->lock);
	return true;
}

static void
let_go(struct keep *k, int lock)
{
	if (k->folder != NULL)
		(void)close(lock);
	else
		(void)pthread_mutex_unlock(&k->lock);
}

static bool
edit_held(struct keep *k, struct bytes origin, const struct keep_edit *edit, struct arena *a,
    struct err *e)
{
	char path[PATH_LEN] = "";
	struct bytes before, after;
	struct keep_notes notes;
	if (k->folder != NULL && !name_file(k, "checkpoint", origin, path, e))
		return false;
	if (!load(k, path, origin, a, &before, e) || !split(before, &notes, e))
		return false;
	if (edit != NULL && !edit->edit(edit->arg, &notes, e))
		return false;
	if (!join(&notes, a, &after, e))
		return false;
	return bytes_equal(before, after) || store(k, path, origin, after, e);
}

bool
keep_update(struct keep *k, struct bytes origin, const struct keep_edit *edit, struct arena *a,
    struct err *e)
{
	int lock;
	if (!hold(k, &lock, e))
		return false;
	bool ok = edit_held(k, origin, edit, a, e);
	let_go(k, lock);
	return ok;
}

static bool
copy_notes(void *arg, struct keep_notes *notes, struct err *e)
{
	(void)e;
	*(struct keep_notes *)arg = *notes;
	return true;
}

bool
keep_load(
    struct keep *k, struct bytes origin, struct arena *a, struct keep_notes *out, struct err *e)
{
	struct keep_edit look = { copy_notes, out };
	return keep_update(k, origin, &look, a, e);
}

/* ---- the party's tree ---- */

static bool
tree_parse(struct bytes in, struct keep_tree *out, struct err *e)
{
	char hex[65], text[128];
	int end = 0;
	(void)snprintf(
	    text, sizeof(text), "%.*s", (int)(in.len < 127 ? in.len : 127), (const char *)in.data);
	bool ok = sscanf(text, "%" SCNu64 " %" SCNu64 " %64[0-9a-f]%n", &out->record, &out->size,
		      hex, &end) == 3 &&
		  strlen(hex) == 64 && in.len == (size_t)end + 1;
	for (size_t i = 0; ok && i < 32; i++)
		ok = sscanf(hex + 2 * i, "%2hhx", &out->root[i]) == 1;
	return ok || err_set(e, ERR_CORRUPT, "the party's tree that was kept");
}

static bool
tree_print(const struct keep_tree *t, struct arena *a, struct bytes *out, struct err *e)
{
	char hex[65];
	for (size_t i = 0; i < 32; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", t->root[i]);
	const char *text = arena_printf(a, "%" PRIu64 " %" PRIu64 " %s\n", t->record, t->size, hex);
	*out = bytes_of(text);
	return text != NULL || err_set(e, ERR_NOMEM, "the party's tree");
}

/* A tree only grows, record by record. */
static bool
agree(const struct keep_tree *a, const struct keep_tree *b)
{
	const struct keep_tree *first = a->record <= b->record ? a : b, *last = first == a ? b : a;
	if (first->size == last->size)
		return memcmp(first->root, last->root, 32) == 0;
	return first->record != last->record && first->size < last->size;
}

static bool
tree_held(struct keep *k, struct bytes name, struct keep_trees *t, struct arena *a, struct err *e)
{
	char path[PATH_LEN] = "";
	struct bytes text = { NULL, 0 };
	bool file = k->folder != NULL;
	if (file && (!name_file(k, "party", name, path, e) || !read_file(path, a, &text, e)))
		return false;
	t->known = file ? text.data != NULL : k->has_tree;
	if (file && t->known && !tree_parse(text, &t->was, e))
		return err_wrap(e, "'%s'", path);
	if (!file)
		t->was = k->tree;
	t->agree = !t->known || agree(&t->was, &t->now);
	if (!t->agree || (t->known && t->was.record >= t->now.record))
		return true;
	k->tree = t->now;
	k->has_tree = true;
	return !file || (tree_print(&t->now, a, &text, e) && write_file(k, path, text, e));
}

bool
keep_tree(struct keep *k, struct bytes name, struct keep_trees *t, struct arena *a, struct err *e)
{
	int lock;
	if (!hold(k, &lock, e))
		return false;
	bool ok = tree_held(k, name, t, a, e);
	let_go(k, lock);
	return ok;
}

/* ---- what is watched from one session to the next ---- */

static bool
waiting_parse(struct bytes in, struct keep_waiting *out, struct err *e)
{
	char text[64];
	int end = 0;
	(void)snprintf(
	    text, sizeof(text), "%.*s", (int)(in.len < 63 ? in.len : 63), (const char *)in.data);
	return (sscanf(text, "%" SCNu64 " %" SCNd64 "%n", &out->index, &out->since_s, &end) == 2 &&
		   in.len == (size_t)end + 1) ||
	       err_set(e, ERR_CORRUPT, "the record that was watched");
}

static bool
watch_store(struct keep *k, const char *path, const struct keep_watch *w, struct err *e)
{
	char text[64];
	k->waiting = w->was;
	k->has_waiting = w->has_was;
	if (k->folder == NULL)
		return true;
	if (!w->has_was)
		return unlink(path) == 0 || errno == ENOENT ||
		       err_set(e, ERR_IO, "'%s': %s", path, strerror(errno));
	(void)snprintf(
	    text, sizeof(text), "%" PRIu64 " %" PRId64 "\n", w->was.index, w->was.since_s);
	return write_file(k, path, bytes_of(text), e);
}

static bool
watch_held(struct keep *k, struct bytes name, struct keep_watch *w, struct arena *a, struct err *e)
{
	char path[PATH_LEN] = "";
	struct bytes text = { NULL, 0 };
	bool file = k->folder != NULL;
	if (file && (!name_file(k, "watched", name, path, e) || !read_file(path, a, &text, e)))
		return false;
	bool had = w->has_was = file ? text.data != NULL : k->has_waiting;
	w->was = k->waiting;
	if (file && had && !waiting_parse(text, &w->was, e))
		return err_wrap(e, "'%s'", path);
	bool forget = had && w->was.index < w->covered;
	bool take = w->has_now && (!had || forget) && w->now >= w->covered;
	bool first = had && !forget && w->was.since_s == 0 && w->head_s != 0;
	if (take)
		w->was = (struct keep_waiting){ w->now, 0 };
	if (first)
		w->was.since_s = w->head_s;
	w->has_was = take || (had && !forget);
	return (!forget && !take && !first) || watch_store(k, path, w, e);
}

bool
keep_watch(struct keep *k, struct bytes name, struct keep_watch *w, struct arena *a, struct err *e)
{
	int lock;
	if (!hold(k, &lock, e))
		return false;
	bool ok = watch_held(k, name, w, a, e);
	let_go(k, lock);
	return ok;
}

/* ---- the next generation ---- */

bool
keep_accepted(
    struct keep *k, struct bytes origin, struct arena *a, struct bytes *next, struct err *e)
{
	char path[PATH_LEN];
	*next = (struct bytes){ NULL, 0 };
	if (k->folder == NULL)
		return true;
	if (!name_file(k, "accepted", origin, path, e) || !read_file(path, a, next, e))
		return false;
	bool line = next->len > 1 && next->data[next->len - 1] == '\n';
	if (next->data != NULL && !line)
		return err_set(e, ERR_CORRUPT, "'%s'", path);
	next->len -= line;
	return true;
}

bool
keep_accept(struct keep *k, struct bytes origin, struct bytes next, struct err *e)
{
	char path[PATH_LEN], text[PATH_LEN];
	int lock,
	    len = snprintf(text, sizeof(text), "%.*s\n", (int)next.len, (const char *)next.data);
	if (k->folder == NULL || len < 0 || (size_t)len >= sizeof(text))
		return err_set(e, ERR_USAGE, "it can be kept in a state folder alone");
	if (!name_file(k, "accepted", origin, path, e) || !hold(k, &lock, e))
		return false;
	bool ok = write_file(k, path, bytes_from((const uint8_t *)text, (size_t)len), e);
	let_go(k, lock);
	return ok;
}

/* ---- what the quorum signed ---- */

bool
keep_signed(struct keep *k, struct bytes origin, struct arena *a, struct bytes *note, struct err *e)
{
	char path[PATH_LEN];
	*note = (struct bytes){ NULL, 0 };
	return k->folder == NULL ||
	       (name_file(k, "signed", origin, path, e) && read_file(path, a, note, e));
}

bool
keep_sign(struct keep *k, struct bytes origin, struct bytes note, struct err *e)
{
	char path[PATH_LEN];
	int lock;
	if (k->folder == NULL)
		return true;
	if (!name_file(k, "signed", origin, path, e) || !hold(k, &lock, e))
		return false;
	bool ok = write_file(k, path, note, e);
	let_go(k, lock);
	return ok;
}

/* ---- evidence ---- */

/* As write_file, a folder.  What a crash left of one is written over. */
static bool
write_folder(const struct keep *k, const char *path, const struct keep_file *files, struct err *e)
{
	char beside[PATH_LEN + 8], name[PATH_LEN + 64];
	(void)snprintf(beside, sizeof(beside), "%s.new", path);
	bool ok = mkdir(beside, 0700) == 0 || errno == EEXIST;
	for (; ok && files->name != NULL; files++) {
		(void)snprintf(name, sizeof(name), "%s/%.32s", beside, files->name);
		ok = files->data.len == 0 || write_synced(name, files->data);
	}
	ok = ok && sync_folder(beside) && rename(beside, path) == 0 && sync_names(k);
	return ok || err_set(e, ERR_IO, "'%s': %s", path, strerror(errno));
}

/* The first free name. */
static bool
fork_held(
    struct keep *k, const char *base, const struct keep_file *files, char path[512], struct err *e)
{
	for (unsigned n = 0; n < FORKS; n++) {
		(void)snprintf(path, PATH_LEN, "%.480s-%02u", base, n);
		if (access(path, F_OK) != 0 && errno == ENOENT)
			return write_folder(k, path, files, e);
	}
	path[0] = 0;
	return err_set(
	    e, ERR_LIMIT, "%d pieces are there already, %s-*: the first count", FORKS, base);
}

struct piece {
	const char *kind;
	struct bytes origin;
	const struct keep_file *files;
};

static bool
save_piece(struct keep *k, const struct piece *p, char path[512], struct err *e)
{
	char base[PATH_LEN];
	path[0] = 0;
	if (k->folder == NULL)
		return true;
	if (!name_file(k, p->kind, p->origin, base, e))
		return false;
	int lock = take_lock(k, e);
	if (lock < 0)
		return false;
	bool ok = fork_held(k, base, p->files, path, e);
	(void)close(lock);
	return ok;
}

bool
keep_fork(struct keep *k, struct bytes origin, const struct keep_file *files, char path[512],
    struct err *e)
{
	return save_piece(k, &(struct piece){ "fork", origin, files }, path, e);
}

bool
keep_unsigned(struct keep *k, struct bytes origin, const struct keep_file *files, char path[512],
    struct err *e)
{
	return save_piece(k, &(struct piece){ "unsigned", origin, files }, path, e);
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
