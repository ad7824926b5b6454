#include "tests/faults/power_disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH = 4096 };

/* One thing that was done to a file. */
struct change {
	enum power_kind kind; /* WRITE, SIZE, GROW */
	bool durable;
	bool failed;  /* to be durable: a later flush does not help it */
	size_t entry; /* when */
	uint64_t at, len;
	const uint8_t *data;
};

/* One thing that was done to a name of a folder. */
struct naming {
	struct naming *next;
	char *name;
	struct node *node;     /* what it now stands for; NULL: it was taken away.. */
	struct naming *moved;  /* ..because this gave the file another name */
	const void *asked_for; /* the chance for which.. */
	bool kept;	       /* ..this was the answer */
	bool durable, failed;  /* as of a change */
	size_t entry;
};
struct name {
	char *text;
	struct node *node;
};
struct names {
	struct name *items;
	size_t count;
};

struct node {
	bool folder, mapped;
	size_t flush; /* the entry that asked for the flush under way */
	/* a file: what is on the disk, zero beyond 'room'; and what came after, oldest first */
	uint8_t *data;
	size_t room;
	uint64_t size;
	struct change *changes;
	size_t change_count, change_room;
	/* a folder: on the disk, and as programs see it */
	struct names disk, now;
	struct naming *first, **last;
};

struct power_disk {
	struct node *root;
	const struct power_entry **entries;
	size_t count, at;
	const char *deaf; /* borrowed */
};

static void
stop(const char *what, const char *name)
{
	(void)fprintf(stderr, "power_replay: %s '%s': %s\n", what, name, strerror(errno));
	exit(70);
}

static void *
room(void *old, size_t count, size_t size)
{
	void *p = reallocarray(old, count, size);
	if (p == NULL)
		stop("memory for", "the disk");
	return p;
}

uint64_t
power_roll(uint64_t *state, uint64_t below)
{
	uint64_t z = *state += 0x9E3779B97F4A7C15u; /* splitmix64 */
	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return (z ^ z >> 31) % below;
}

static bool
happens(struct power_chance *c, unsigned of_100)
{
	return c->all || power_roll(&c->state, 100) < of_100;
}

/* ---- names ---- */

static struct node *
node_new(bool folder)
{
	struct node *n = room(NULL, 1, sizeof(*n));
	*n = (struct node){ .folder = folder };
	n->last = &n->first;
	return n;
}

static struct name *
names_find(const struct names *in, const char *text)
{
	for (size_t i = 0; i < in->count; i++)
		if (strcmp(in->items[i].text, text) == 0)
			return &in->items[i];
	return NULL;
}

static void
names_set(struct names *in, char *text, struct node *node)
{
	struct name *there = names_find(in, text);
	if (there != NULL && node == NULL) {
		*there = in->items[--in->count];
	} else if (there != NULL) {
		there->node = node;
	} else if (node != NULL) {
		in->items = room(in->items, in->count + 1, sizeof(*in->items));
		in->items[in->count++] = (struct name){ text, node };
	}
}

/* What 'path' stands for now.  With 'leaf' its folder, and *leaf is the last part. */
static struct node *
find(const struct power_disk *d, const char *path, char **leaf)
{
	char copy[PATH], *rest = copy, *part;
	struct node *at = d->root;
	(void)snprintf(copy, sizeof(copy), "%s", path);
	while (at != NULL && (part = strsep(&rest, "/")) != NULL) {
		if (part[0] == 0)
			continue;
		if (rest == NULL && leaf != NULL) {
			*leaf = strdup(part);
			return at;
		}
		struct name *n = names_find(&at->now, part);
		at = n == NULL ? NULL : n->node;
	}
	return at;
}

static struct node *
must_find(const struct power_disk *d, const char *path, char **leaf)
{
	struct node *n = find(d, path, leaf);
	if (n == NULL)
		stop("the record does not make sense at", path);
	return n;
}

/* As a program does it: seen at once, durable later. */
static struct naming *
rename_as(struct node *folder, char *name, struct node *node, size_t entry)
{
	struct naming *n = room(NULL, 1, sizeof(*n));
	*n = (struct naming){ .name = name, .node = node, .entry = entry };
	*folder->last = n;
	folder->last = &n->next;
	names_set(&folder->now, name, node);
	return n;
}

/* What is durable and before all that is not becomes part of the disk. */
static void
fold_names(struct node *folder)
{
	while (folder->first != NULL && folder->first->durable) {
		struct naming *n = folder->first;
		names_set(&folder->disk, n->name, n->node);
		folder->first = n->next; /* kept: another folder's may point to it */
		if (folder->first == NULL)
			folder->last = &folder->first;
	}
}

/* ---- bytes ---- */

static void
put(struct node *file, const struct change *c, uint64_t from, uint64_t to)
{
	uint64_t end = c->at + to;
	if (from == to)
		return;
	if (end > file->room) {
		size_t want = (size_t)end + (size_t)end / 2;
		file->data = room(file->data, want, 1);
		memset(file->data + file->room, 0, want - file->room);
		file->room = want;
	}
	memcpy(file->data + c->at + from, c->data + from, to - from);
	if (file->size < end)
		file->size = end;
}

static void
resize(struct node *file, const struct change *c)
{
	if (c->kind == POWER_GROW && file->size >= c->at)
		return;
	if (c->at < file->room && c->at < file->size) /* what is cut off reads as zero later */
		memset(file->data + c->at, 0, file->room - (size_t)c->at);
	file->size = c->at;
}

static void
change(struct node *file, struct change c)
{
	if (file->change_count == file->change_room) {
		file->change_room = file->change_room * 2 + 16;
		file->changes = room(file->changes, file->change_room, sizeof(*file->changes));
	}
	file->changes[file->change_count++] = c;
}

static void
fold_changes(struct node *file)
{
	size_t n = 0;
	for (; n < file->change_count && file->changes[n].durable; n++) {
		const struct change *c = &file->changes[n];
		if (c->kind == POWER_WRITE)
			put(file, c, 0, c->len);
		else
			resize(file, c);
	}
	file->change_count -= n;
	if (n > 0)
		memmove(
		    file->changes, file->changes + n, file->change_count * sizeof(*file->changes));
}

/* ---- the record ---- */

static void
flushed(struct node *n)
{
	for (size_t i = 0; i < n->change_count; i++)
		n->changes[i].durable |= n->changes[i].entry < n->flush && !n->changes[i].failed;
	for (struct naming *s = n->first; s != NULL; s = s->next)
		if (s->entry < n->flush && !s->failed) {
			s->durable = true;
			if (s->moved != NULL) /* a file never loses both its names */
				s->moved->durable = true;
		}
	fold_changes(n);
	fold_names(n);
}

static void
flush_failed(struct node *n)
{
	for (size_t i = 0; i < n->change_count; i++)
		n->changes[i].failed = true;
	for (struct naming *s = n->first; s != NULL; s = s->next)
		s->failed = true;
}

static void
step_name(struct power_disk *d, const struct power_entry *e, const char *name, const char *to)
{
	char *leaf = NULL, *new_leaf = NULL;
	struct node *folder = must_find(d, name, &leaf);
	if (e->kind == POWER_MAKE || e->kind == POWER_MAKE_DIR)
		(void)rename_as(folder, leaf, node_new(e->kind == POWER_MAKE_DIR), d->at);
	else if (e->kind == POWER_REMOVE)
		(void)rename_as(folder, leaf, NULL, d->at);
	else {
		struct node *file = must_find(d, name, NULL);
		struct node *into = must_find(d, to, &new_leaf);
		struct naming *given = rename_as(into, new_leaf, file, d->at);
		rename_as(folder, leaf, NULL, d->at)->moved = given;
	}
}

static void
step_file(struct power_disk *d, const struct power_entry *e, const char *name, const uint8_t *data)
{
	struct node *n = must_find(d, name, NULL);
	bool sync = e->kind == POWER_SYNC || e->kind == POWER_SYNC_DONE || e->kind == POWER_FAILED;
	bool flushes = d->deaf == NULL || strncmp(name, d->deaf, strlen(d->deaf)) != 0;
	if (n->folder && !sync)
		stop("bytes were written to the folder", name);
	if (e->kind == POWER_SYNC)
		n->flush = d->at;
	else if (e->kind == POWER_SYNC_DONE && flushes)
		flushed(n);
	else if (e->kind == POWER_WRITE_DONE && flushes) {
		n->changes[n->change_count - 1].durable = true;
		fold_changes(n);
	} else if (e->kind == POWER_FAILED)
		flush_failed(n);
	else if (e->kind == POWER_MAPPED)
		n->mapped = true;
	else if (e->kind == POWER_WRITE || e->kind == POWER_SIZE || e->kind == POWER_GROW)
		change(n, (struct change){ .kind = (enum power_kind)e->kind,
			      .entry = d->at,
			      .at = e->at,
			      .len = e->data_len,
			      .data = data });
}

static void
step(struct power_disk *d)
{
	const struct power_entry *e = d->entries[d->at];
	const char *text = (const char *)(e + 1);
	char name[PATH], to[PATH];
	(void)snprintf(name, sizeof(name), "%.*s", e->name_len, text);
	(void)snprintf(to, sizeof(to), "%.*s", e->to_len, text + e->name_len);
	switch ((enum power_kind)e->kind) {
	case POWER_START:
	case POWER_ACCEPT:
	case POWER_SEND:
	case POWER_SENT:
		break;
	case POWER_MAKE:
	case POWER_MAKE_DIR:
	case POWER_REMOVE:
	case POWER_MOVE:
		step_name(d, e, name, to);
		break;
	case POWER_ODD:
		stop("the model does not know", name);
		break;
	case POWER_WRITE:
	case POWER_WRITE_DONE:
	case POWER_SIZE:
	case POWER_GROW:
	case POWER_SYNC:
	case POWER_SYNC_DONE:
	case POWER_MAPPED:
	case POWER_FAILED:
		step_file(d, e, name, (const uint8_t *)text + e->name_len + e->to_len);
		break;
	}
	d->at++;
}

void
power_disk_run(struct power_disk *d, size_t cut)
{
	while (d->at < cut)
		step(d);
}

size_t
power_disk_entries(const struct power_disk *d)
{
	return d->count;
}

const struct power_entry *
power_disk_entry(const struct power_disk *d, size_t i)
{
	return d->entries[i];
}

static uint8_t *
map_file(const char *path, size_t *size)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
		stop("read", path);
	*size = (size_t)st.st_size;
	void *p = *size == 0 ? NULL : mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		stop("map", path);
	(void)close(fd);
	return p;
}

static void
read_record(struct power_disk *d, const char *path)
{
	size_t size, at = 0, have = 0;
	const uint8_t *all = map_file(path, &size);
	while (at < size) {
		struct power_entry e;
		memcpy(&e, all + at, sizeof(e));
		/* as written, entries stand anywhere */
		struct power_entry *copy = room(NULL, 1, e.bytes);
		memcpy(copy, all + at, e.bytes);
		if (d->count == have) {
			have = have * 2 + 1024;
			d->entries = room(d->entries, have, sizeof(struct power_entry *));
		}
		d->entries[d->count++] = copy;
		at += e.bytes;
	}
}

static void
read_base(struct node *folder, const char *path)
{
	DIR *dir = opendir(path);
	if (dir == NULL)
		stop("read", path);
	for (struct dirent *f; (f = readdir(dir)) != NULL;) {
		char below[PATH];
		struct stat st;
		if (strcmp(f->d_name, ".") == 0 || strcmp(f->d_name, "..") == 0)
			continue;
		(void)snprintf(below, sizeof(below), "%s/%s", path, f->d_name);
		if (lstat(below, &st) != 0)
			stop("look at", below);
		struct node *n = node_new(S_ISDIR(st.st_mode));
		if (n->folder) {
			read_base(n, below);
		} else {
			size_t size;
			const uint8_t *data = map_file(below, &size);
			put(n, &(struct change){ .data = data }, 0, size);
		}
		names_set(&folder->disk, strdup(f->d_name), n);
		names_set(&folder->now, strdup(f->d_name), n);
	}
	(void)closedir(dir);
}

struct power_disk *
power_disk_new(const char *base, const char *record, const char *deaf)
{
	struct power_disk *d = room(NULL, 1, sizeof(*d));
	*d = (struct power_disk){ .root = node_new(true), .deaf = deaf };
	read_base(d->root, base);
	read_record(d, record);
	return d;
}

/* ---- a cut ---- */

static bool
naming_stays(struct naming *n, struct power_chance *c)
{
	if (n->durable)
		return true;
	if (n->asked_for != c) {
		n->asked_for = c;
		n->kept = happens(c, c->keep) && (n->moved == NULL || naming_stays(n->moved, c));
	}
	return n->kept;
}

/* Some of the pieces that the disk writes as a whole: the first ones, the last ones, or any. */
static void
tear(struct node *file, const struct change *w, struct power_chance *c)
{
	uint64_t cut = power_roll(&c->state, w->len + 1), style = power_roll(&c->state, 3);
	for (uint64_t from = 0, to; from < w->len; from = to) {
		to = (w->at + from) / c->tear_bytes * c->tear_bytes + c->tear_bytes - w->at;
		to = to < w->len ? to : w->len;
		bool stays = style == 0 ? to <= cut : style == 1 ? from >= cut : happens(c, 50);
		if (stays)
			put(file, w, from, to);
	}
}

static void
settle_write(struct node *file, const struct change *w, struct power_chance *c)
{
	bool torn = !c->all && !w->durable && happens(c, c->tear);
	if (torn)
		tear(file, w, c);
	else if (w->durable || happens(c, c->keep))
		put(file, w, 0, w->len);
	/* the new size may have got there without the bytes */
	if (file->size < w->at + w->len && happens(c, 50))
		file->size = w->at + w->len;
}

static void
settle(struct node *file, struct power_chance *c)
{
	for (size_t i = 0; i < file->change_count; i++) {
		const struct change *one = &file->changes[i];
		if (one->kind == POWER_WRITE)
			settle_write(file, one, c);
		else if (one->durable || happens(c, c->keep))
			resize(file, one);
	}
	file->change_count = 0; /* two names may stand for it */
	if (!file->mapped || c->all || happens(c, 50))
		return;
	uint8_t noise[8192];
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)power_roll(&c->state, 256);
	uint64_t n = file->size < sizeof(noise) ? file->size : sizeof(noise);
	put(file, &(struct change){ .data = noise }, 0, n);
}

static bool
write_file(const struct node *file, const char *to)
{
	int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t n = file->size < file->room ? (size_t)file->size : file->room;
	bool ok = fd >= 0 && (n == 0 || pwrite(fd, file->data, n, 0) == (ssize_t)n) &&
		  ftruncate(fd, (off_t)file->size) == 0;
	return fd >= 0 && close(fd) == 0 && ok;
}

/* Also forgets what was not durable: from here on the folder is as the cut left it. */
static void
settle_names(struct node *folder, struct power_chance *c)
{
	for (struct naming *n = folder->first; n != NULL; n = n->next)
		if (naming_stays(n, c))
			names_set(&folder->disk, n->name, n->node);
	folder->first = NULL;
}

static bool
write_node(struct node *n, struct power_chance *c, const char *to)
{
	if (!n->folder) {
		settle(n, c);
		return write_file(n, to);
	}
	settle_names(n, c);
	bool ok = mkdir(to, 0700) == 0;
	for (size_t i = 0; ok && i < n->disk.count; i++) {
		char below[PATH];
		(void)snprintf(below, sizeof(below), "%s/%s", to, n->disk.items[i].text);
		ok = write_node(n->disk.items[i].node, c, below);
	}
	return ok;
}

bool
power_disk_write(
    struct power_disk *d, struct power_chance *chance, const char *name, const char *to)
{
	char copy[PATH], *rest = copy, *part;
	struct node *at = d->root;
	(void)snprintf(copy, sizeof(copy), "%s", name);
	while (at != NULL && name[0] != 0 && (part = strsep(&rest, "/")) != NULL) {
		settle_names(at, chance);
		struct name *n = names_find(&at->disk, part);
		at = n == NULL ? NULL : n->node;
	}
	return at == NULL || write_node(at, chance, to);
}
