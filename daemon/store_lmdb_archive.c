/* Records in files (decision 0025): the oldest entries stand there instead of in rows.  A row that
 * is not there, below the mark of what is archived, is read from its files. */
#include "daemon/store_lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/crc32c.h"
#include "daemon/role.h"
#include "proto/arena.h"

static const char mark_name[] = "archive/end";
enum { MARK_BYTES = 8 + 4, HASHES_A_TILE = 256, PATH_ROOM = STORE_ARCHIVE_PATH + 64 };

/* ---- the mark ---- */

static bool
mark_get(struct store_view *v, struct store_archive *out, struct err *e)
{
	struct bytes row;
	bool found = false;
	struct store_archive a = { 0 };
	if (!store_note_get(v, mark_name, &row, &found, e))
		return false;
	struct cursor c = cursor_over(row);
	if (found) {
		a.end = cursor_u64(&c);
		a.segment = cursor_u32(&c);
	}
	if (found && (!cursor_finished(&c) || a.segment == 0))
		return store_lmdb_corrupt(v->s, T_META, bytes_of(mark_name), "no such mark", e);
	*out = a;
	return true;
}

bool
store_read_archive(struct store_view *v, struct store_archive *out, struct err *e)
{
	return mark_get(v, out, e);
}

bool
store_archive_entries(struct store *s, uint64_t to, uint32_t segment, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct store_archive a;
	uint8_t row[MARK_BYTES];
	if (!mark_get(&s->batch.view, &a, e))
		return false;
	if (to <= a.end || segment == 0 || (a.segment != 0 && a.segment != segment) ||
	    to > s->batch.before.fence.log_size) {
		store_break(s);
		return err_set(
		    e, ERR_STORE, "store: %llu records cannot be archived", (unsigned long long)to);
	}
	for (uint64_t i = a.end; i < to; i++) {
		struct key k = { 0 };
		bool dropped = false;
		store_key_u64(&k, i);
		if (!store_row_drop(s, T_ENTRY, store_key_view(&k), &dropped, e))
			return false;
		if (!dropped)
			return store_lmdb_corrupt(
			    s, T_ENTRY, store_key_view(&k), "a record is missing", e);
	}
	put_u64(row, to);
	put_u32(row + 8, segment);
	return store_put_note(s, mark_name, bytes_from(row, sizeof(row)), e);
}

/* ---- files ---- */

void
store_archive_folder(uint64_t generation, uint64_t from, uint64_t to, char out[STORE_ARCHIVE_PATH])
{
	(void)snprintf(out, STORE_ARCHIVE_PATH, "g%llu/%012llu-%012llu",
	    (unsigned long long)generation, (unsigned long long)from, (unsigned long long)to);
}

/* The files of one thousand records, open. */
struct files {
	uint64_t n;
	int record, index; /* -1: none */
};

static void
files_close(struct files *f)
{
	if (f->record >= 0)
		(void)close(f->record);
	if (f->index >= 0)
		(void)close(f->index);
	f->record = f->index = -1;
}

static bool
cannot(uint64_t index, const char *why, struct err *e)
{
	return err_set(
	    e, ERR_IO, "archived record %llu cannot be read: %s", (unsigned long long)index, why);
}

/* A file can be brought back, from a backup of the archive: no reason to end the broker. */
static bool
damaged(uint64_t index, const char *why, struct err *e)
{
	return err_set(e, ERR_IO, "archived record %llu: %s", (unsigned long long)index, why);
}

static bool
files_open(
    struct store *s, const struct store_archive *a, uint64_t index, struct files *f, struct err *e)
{
	char folder[STORE_ARCHIVE_PATH], path[PATH_ROOM];
	uint64_t n = index / STORE_ARCHIVE_FILE, from = index / a->segment * a->segment;
	if (f->record >= 0 && f->n == n)
		return true;
	files_close(f);
	if (s->archive < 0)
		return cannot(index, "the setting 'store { archive }' does not say where it is", e);
	store_archive_folder(s->found.fence.generation, from, from + a->segment, folder);
	(void)snprintf(path, sizeof(path), "%s/record/%06llu", folder, (unsigned long long)n);
	f->record = openat(s->archive, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	(void)snprintf(path, sizeof(path), "%s/index/%06llu", folder, (unsigned long long)n);
	f->index = f->record < 0 ? -1 : openat(s->archive, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	f->n = n;
	return f->index >= 0 || cannot(index, strerror(errno), e);
}

struct piece {
	int fd;
	uint64_t at, record;
};

static bool
read_at(const struct piece *p, void *to, size_t len, struct err *e)
{
	ssize_t n = pread(p->fd, to, len, (off_t)p->at);
	if (n < 0)
		return cannot(p->record, strerror(errno), e);
	return (size_t)n == len || damaged(p->record, "its file is cut off", e);
}

uint32_t
store_archive_crc(uint64_t index, struct bytes opening)
{
	uint8_t head[12];
	put_u64(head, index);
	put_u32(head + 8, (uint32_t)opening.len);
	return crc32c(crc32c(0, bytes_from(head, sizeof(head))), opening);
}

/* Leaf hash, from its tile, which stays in the store, and opening. */
static bool
read_one(
    struct store_view *v, const struct files *f, uint64_t index, struct bytes *out, struct err *e)
{
	uint8_t place[8], length[4], tile[STORE_TILE_BYTES];
	bool found = false;
	struct piece p = { f->index, index % STORE_ARCHIVE_FILE * 8, index };
	if (!read_at(&p, place, sizeof(place), e))
		return false;
	struct cursor c = cursor_over(bytes_from(place, sizeof(place)));
	uint32_t at = cursor_u32(&c), crc = cursor_u32(&c);
	p = (struct piece){ f->record, at, index };
	if (!read_at(&p, length, sizeof(length), e))
		return false;
	c = cursor_over(bytes_from(length, sizeof(length)));
	uint32_t len = cursor_u32(&c);
	if (len > ENTRY_MAX)
		return damaged(index, "its length is not one", e);
	uint8_t *entry = arena_alloc(v->arena, STORE_HASH_BYTES + (size_t)len);
	if (entry == NULL)
		return err_set(e, ERR_NOMEM, "entry of %u bytes", len);
	p.at += sizeof(length);
	if (!read_at(&p, entry + STORE_HASH_BYTES, len, e))
		return false;
	if (store_archive_crc(index, bytes_from(entry + STORE_HASH_BYTES, len)) != crc)
		return damaged(index, "its checksum is wrong", e);
	if (!store_read_tile(v, 0, index / HASHES_A_TILE, tile, &found, e))
		return false;
	if (!found)
		return damaged(index, "its tile is missing", e);
	memcpy(entry, tile + index % HASHES_A_TILE * STORE_HASH_BYTES, STORE_HASH_BYTES);
	*out = bytes_from(entry, STORE_HASH_BYTES + (size_t)len);
	return true;
}

bool
store_archive_read(struct store_view *v, uint64_t from, size_t max_bytes, struct bytes *out,
    size_t *count, struct err *e)
{
	struct store_archive a;
	struct files f = { .record = -1, .index = -1 };
	size_t n = 0, sum = 0;
	bool ok = mark_get(v, &a, e);
	while (ok && n < *count && from + n < a.end && (n == 0 || sum < max_bytes)) {
		ok = files_open(v->s, &a, from + n, &f, e) && read_one(v, &f, from + n, &out[n], e);
		sum += ok ? out[n].len : 0;
		n += ok;
	}
	files_close(&f);
	if (ok)
		*count = n;
	return ok;
}
