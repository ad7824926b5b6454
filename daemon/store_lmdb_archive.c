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
enum {
	MARK_BYTES = 8 + 4,
	HASHES_A_TILE = 256,
	PATH_ROOM = STORE_ARCHIVE_PATH + 64,
	COUNTED_BYTES = 32768
};

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

/* ---- what was erased ---- */

static const char outdated_name[] = "archive-erased/";

static bool
has_leaf(struct store *s, uint64_t index, struct bytes value, bool *same, struct err *e)
{
	uint8_t tile[STORE_TILE_BYTES];
	bool found = false;
	if (!store_read_tile(&s->batch.view, 0, index / HASHES_A_TILE, tile, &found, e))
		return false;
	const uint8_t *leaf = tile + index % HASHES_A_TILE * STORE_HASH_BYTES;
	*same = found && value.len >= STORE_HASH_BYTES && value.len <= ENTRY_MAX &&
		memcmp(value.data, leaf, STORE_HASH_BYTES) == 0;
	return true;
}

static void
outdated_note(uint64_t file, char out[64])
{
	(void)snprintf(out, 64, "%s%012llu", outdated_name, (unsigned long long)file);
}

static bool
outdated_get(struct store_view *v, uint64_t file, uint64_t *mark, struct err *e)
{
	char name[64];
	struct bytes row;
	bool found = false;
	outdated_note(file, name);
	*mark = 0;
	if (!store_note_get(v, name, &row, &found, e))
		return false;
	struct cursor c = cursor_over(row);
	if (found)
		*mark = cursor_u64(&c);
	return !found || cursor_finished(&c) ||
	       store_lmdb_corrupt(v->s, T_META, bytes_of(name), "no such mark", e);
}

bool
store_erase_archived(struct store *s, uint64_t index, struct bytes value, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct store_archive a;
	struct key k = { 0 };
	char name[64];
	uint8_t next[8];
	uint64_t mark;
	bool same = false;
	if (!mark_get(&s->batch.view, &a, e) || !has_leaf(s, index, value, &same, e))
		return false;
	if (index >= a.end || !same) {
		store_break(s);
		return err_set(e, ERR_STORE,
		    "store: erasing would change the leaf of archived record %llu",
		    (unsigned long long)index);
	}
	uint64_t file = index / STORE_ARCHIVE_FILE;
	if (!outdated_get(&s->batch.view, file, &mark, e))
		return false;
	outdated_note(file, name);
	put_u64(
	    next, s->batch.next_index); /* that of the ERASE record, or near it: it only rises */
	store_key_u64(&k, index);
	return store_row_put(s, T_ENTRY, store_key_view(&k), value, 0, e) &&
	       store_put_note(s, name, bytes_from(next, sizeof(next)), e);
}

bool
store_read_outdated(struct store_view *v, const struct store_outdated *after,
    struct store_outdated *out, size_t *count, struct err *e)
{
	struct store_note page[STORE_OUTDATED_PAGE];
	char from[64];
	size_t n = *count < STORE_OUTDATED_PAGE ? *count : STORE_OUTDATED_PAGE;
	(void)snprintf(from, sizeof(from), "%s", outdated_name);
	if (after != NULL)
		outdated_note(after->file, from);
	if (!store_read_notes(v, bytes_of(from), page, &n, e))
		return false;
	for (size_t i = 0; i < n; i++) {
		struct bytes number = page[i].name;
		uint64_t file = 0;
		for (size_t k = sizeof(outdated_name) - 1; k < number.len; k++)
			file = file * 10 + (uint64_t)(number.data[k] - '0');
		struct cursor c = cursor_over(page[i].value);
		out[i] = (struct store_outdated){ file, cursor_u64(&c) };
		if (!cursor_finished(&c))
			return store_lmdb_corrupt(v->s, T_META, number, "no such mark", e);
	}
	*count = n;
	return true;
}

bool
store_renewed(struct store *s, const struct store_outdated *file, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	char name[64];
	uint64_t mark;
	if (!outdated_get(&s->batch.view, file->file, &mark, e))
		return false;
	outdated_note(file->file, name);
	return mark != file->mark || store_put_note(s, name, (struct bytes){ NULL, 0 }, e);
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

/* Where an opening lies in its file. */
struct place {
	uint64_t at;
	uint32_t len, crc;
};

/* By the index. */
static bool
place_told(const struct files *f, uint64_t index, struct place *out, struct err *e)
{
	uint8_t place[8], length[4];
	struct piece p = { f->index, index % STORE_ARCHIVE_FILE * 8, index };
	if (!read_at(&p, place, sizeof(place), e))
		return false;
	struct cursor c = cursor_over(bytes_from(place, sizeof(place)));
	uint32_t at = cursor_u32(&c);
	out->crc = cursor_u32(&c);
	p = (struct piece){ f->record, at, index };
	if (!read_at(&p, length, sizeof(length), e))
		return false;
	c = cursor_over(bytes_from(length, sizeof(length)));
	out->at = (uint64_t)at + sizeof(length);
	out->len = cursor_u32(&c);
	return true;
}

/* By the records before it, read a piece of the file at a time. */
static bool
place_counted(const struct files *f, uint64_t index, struct place *out, struct err *e)
{
	uint8_t piece[COUNTED_BYTES];
	uint64_t at = 0, from = 0, have = 0;
	for (uint64_t i = 0; i <= index % STORE_ARCHIVE_FILE; i++) {
		if (at + 4 > from + have) {
			ssize_t n = pread(f->record, piece, sizeof(piece), (off_t)at);
			if (n < 0)
				return cannot(index, strerror(errno), e);
			if (n < 4)
				return damaged(index, "its file is cut off", e);
			from = at;
			have = (uint64_t)n;
		}
		struct cursor c = cursor_over(bytes_from(piece + (at - from), 4));
		out->len = cursor_u32(&c);
		out->at = at + 4;
		at = out->at + out->len;
	}
	return true;
}

static bool
read_place(struct store_view *v, const struct files *f, uint64_t index, const struct place *at,
    uint8_t **entry, struct err *e)
{
	struct piece p = { f->record, at->at, index };
	if (at->len > ENTRY_MAX)
		return damaged(index, "its length is not one", e);
	uint8_t *to = arena_alloc(v->arena, STORE_HASH_BYTES + (size_t)at->len);
	if (to == NULL)
		return err_set(e, ERR_NOMEM, "entry of %u bytes", at->len);
	if (!read_at(&p, to + STORE_HASH_BYTES, at->len, e))
		return false;
	*entry = to;
	return store_archive_crc(index, bytes_from(to + STORE_HASH_BYTES, at->len)) == at->crc ||
	       damaged(index, "its checksum is wrong", e);
}

/* Leaf hash, from its tile, which stays in the store, and opening. */
static bool
read_one(
    struct store_view *v, const struct files *f, uint64_t index, struct bytes *out, struct err *e)
{
	uint8_t *entry = NULL, tile[STORE_TILE_BYTES];
	struct place at = { 0 };
	struct err unlike = { 0 }; /* as the index has it; what is told, if it is nowhere else */
	bool found = false;
	if (!place_told(f, index, &at, &unlike) || !read_place(v, f, index, &at, &entry, &unlike)) {
		if (unlike.code == ERR_NOMEM || !place_counted(f, index, &at, e) ||
		    !read_place(v, f, index, &at, &entry, e)) {
			*e = unlike;
			return false;
		}
	}
	if (!store_read_tile(v, 0, index / HASHES_A_TILE, tile, &found, e))
		return false;
	if (!found)
		return damaged(index, "its tile is missing", e);
	memcpy(entry, tile + index % HASHES_A_TILE * STORE_HASH_BYTES, STORE_HASH_BYTES);
	*out = bytes_from(entry, STORE_HASH_BYTES + (size_t)at.len);
	return true;
}

/* What was erased stands in rows again. */
struct erased {
	struct walk walk;
	uint64_t index; /* of the next such row; UINT64_MAX: none */
	struct bytes row;
};

static bool
erased_next(struct erased *x, struct err *e)
{
	struct bytes key;
	bool more = false;
	x->index = UINT64_MAX;
	if (!store_walk_next(&x->walk, &key, &x->row, &more, e))
		return false;
	struct cursor c = cursor_over(key);
	if (more)
		x->index = cursor_u64(&c);
	return true;
}

static bool
read_filed(struct store_view *v, struct files *f, struct erased *x, uint64_t index,
    struct bytes *out, struct err *e)
{
	if (x->index == index)
		return arena_copy(v->arena, x->row, out, e) && erased_next(x, e);
	return read_one(v, f, index, out, e);
}

bool
store_archive_read(struct store_view *v, uint64_t from, size_t max_bytes, struct bytes *out,
    size_t *count, struct err *e)
{
	struct store_archive a;
	struct files f = { .record = -1, .index = -1 };
	struct key k = { 0 };
	size_t n = 0, sum = 0;
	struct erased x = { .index = UINT64_MAX };
	bool ok = mark_get(v, &a, e);
	if (ok && from < a.end) {
		store_key_u64(&k, from);
		ok = store_walk_start(&x.walk, v, T_ENTRY, store_key_view(&k), e) &&
		     erased_next(&x, e);
	}
	while (ok && n < *count && from + n < a.end && (n == 0 || sum < max_bytes)) {
		ok = files_open(v->s, &a, from + n, &f, e) &&
		     read_filed(v, &f, &x, from + n, &out[n], e);
		sum += ok ? out[n].len : 0;
		n += ok;
	}
	store_walk_end(&x.walk);
	files_close(&f);
	if (ok)
		*count = n;
	return ok;
}
