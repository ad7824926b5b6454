#include "daemon/archive.h"

#include "audit/bundle.h"
#include "audit/checkpoint.h"
#include "audit/record.h"
#include "audit/tile.h"
#include "daemon/archive_files.h"
#include "daemon/role.h"
#include "proto/arena.h"
#include "proto/dry.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 64, PAGE_BYTES = 1 << 20, ARENA = 32 << 20 };

struct archiver {
	struct archiver_setup set;
	struct archiver_result result;
	pthread_t thread;
	_Atomic bool over, stop;
	struct store_view *view; /* closed between calls */
	struct arena arena;	 /* of the view, while it is open */
	struct sha256 h;
	uint64_t from, to;
	uint64_t rows; /* from here on they still stand in rows.. */
	bool stale;    /* ..and one of them is not as its file says: it was erased meanwhile */
	uint8_t (*leaves)[32]; /* of the segment, hashed from its files */
	struct checkpoint head;
	struct bytes note; /* of the signed head that the segment is below */
	struct arena keep;
	struct tile_reader tiles;
};

/* ---- what the store says ---- */

static bool
look(struct archiver *a, struct err *e)
{
	arena_init(&a->arena, ARENA);
	if (store_view_open(a->view, &a->arena, e))
		return true;
	arena_done(&a->arena);
	return false;
}

static void
look_away(struct archiver *a)
{
	store_view_close(a->view);
	arena_done(&a->arena);
}

static bool
is_old(struct archiver *a, bool *old, struct err *e)
{
	struct bytes entry;
	struct record r;
	struct slot_common common;
	uint8_t leaf[32];
	bool found = false;
	if (!store_read_entry(a->view, a->to - 1, &entry, &found, e))
		return false;
	if (!found || !record_entry_parse(entry, &r, leaf, e) ||
	    !slot_get_common(RECORD_SLOT(&r, 1)->value, &common, e))
		return err_set(e, ERR_CORRUPT, "record %" PRIu64 " cannot be read", a->to - 1);
	*old = common.time < a->set.before_us;
	return true;
}

/* The segment, and the newest signed head, which must cover it. */
static bool
find_due(struct archiver *a, bool *due, struct err *e)
{
	struct store_archive now;
	struct store_checkpoint newest;
	struct checkpoint_trust trust = { .log = a->set.key };
	bool found = false;
	*due = false;
	if (!store_read_archive(a->view, &now, e) ||
	    !store_read_checkpoint(a->view, UINT64_MAX, false, &newest, &found, e))
		return false;
	a->result.segment = now.segment != 0 ? now.segment : a->set.segment;
	a->rows = now.end;
	a->from = now.end / a->result.segment * a->result.segment;
	a->to = a->from + a->result.segment;
	if (!found || newest.size < a->to)
		return true;
	return is_old(a, due, e) && arena_copy(&a->keep, newest.note, &a->note, e) &&
	       checkpoint_open(&a->keep, a->note, &trust, &a->head, e);
}

/* ---- writing ---- */

static bool
given_up(const struct archiver *a, struct err *e)
{
	return atomic_load(&a->stop) && !err_set(e, ERR_BUSY, "archive: it was given up");
}

/* One file of records, and its index. */
static bool
write_records(struct archiver *a, struct archive_files *f, uint64_t first, struct err *e)
{
	struct archive_pair *p;
	if (!archive_room(f, &a->set.reserve, e) || !archive_pair_begin(f, first, &p, e))
		return false;
	bool ok = true;
	for (uint64_t at = first; ok && at < first + STORE_ARCHIVE_FILE;) {
		struct bytes entries[PAGE];
		size_t count = PAGE, room = (size_t)(first + STORE_ARCHIVE_FILE - at);
		if (room < count)
			count = room;
		if (given_up(a, e) || !look(a, e)) {
			ok = false;
			break;
		}
		ok = store_read_entries(a->view, at, PAGE_BYTES, entries, &count, e) &&
		     (count > 0 || err_set(e, ERR_CORRUPT, "record %" PRIu64 " is missing", at));
		for (size_t i = 0; ok && i < count; i++)
			ok = archive_pair_add(p, at + i,
			    bytes_from(entries[i].data + STORE_HASH_BYTES,
				entries[i].len - STORE_HASH_BYTES),
			    e);
		at += count;
		look_away(a);
	}
	return archive_pair_end(p, ok, e);
}

static bool
write_tiles(struct archiver *a, struct archive_files *f, struct err *e)
{
	uint8_t tile[STORE_TILE_BYTES];
	bool ok = true;
	for (uint64_t n = a->from / TILE_WIDTH; ok && n < a->to / TILE_WIDTH; n++) {
		bool found = false;
		char path[TILE_PATH_MAX];
		if (!look(a, e))
			return false;
		ok = store_read_tile(a->view, 0, n, tile, &found, e) &&
		     (found || err_set(e, ERR_CORRUPT, "tile 0/%" PRIu64 " is missing", n));
		look_away(a);
		tile_path(0, n, TILE_WIDTH, path);
		ok = ok && archive_put(f, path, bytes_from(tile, sizeof(tile)), e);
	}
	return ok;
}

static bool
write_all(struct archiver *a, struct archive_files *f, struct err *e)
{
	char vkey[NOTE_VKEY_MAX + 1];
	note_key_print(a->set.key, vkey);
	(void)strcat(vkey, "\n");
	for (uint64_t at = a->from; at < a->to; at += STORE_ARCHIVE_FILE)
		if (!write_records(a, f, at, e))
			return false;
	return write_tiles(a, f, e) && archive_put(f, "checkpoint", a->note, e) &&
	       archive_put(f, "log.vkey", bytes_of(vkey), e);
}

/* ---- reading it again ---- */

/* Files that were there may be of before an erasure. */
static bool
same_as_row(struct archiver *a, uint64_t index, struct bytes opening, struct err *e)
{
	struct bytes entry;
	bool found = false;
	if (index < a->rows)
		return true;
	if (!look(a, e))
		return false;
	bool ok = store_read_entry(a->view, index, &entry, &found, e);
	if (ok && (!found || !bytes_equal(opening, bytes_from(entry.data + STORE_HASH_BYTES,
						       entry.len - STORE_HASH_BYTES)))) {
		a->stale = true;
		ok = err_set(e, ERR_BUSY, "archived record %" PRIu64 " has changed", index);
	}
	look_away(a);
	return ok;
}

static bool
hash_record(void *ctx, uint64_t index, struct bytes opening, struct err *e)
{
	struct archiver *a = ctx;
	struct record r;
	if (given_up(a, e))
		return false;
	if (!record_opening_parse(opening, &r, e) ||
	    !record_leaf(&a->h, &r, a->leaves[index - a->from], e))
		return err_wrap(e, "archived record %" PRIu64, index);
	return same_as_row(a, index, opening, e);
}

static bool
stored_tile(void *ctx, struct tile_id id, uint8_t out[TILE_BYTES], bool *found, struct err *e)
{
	struct archiver *a = ctx;
	return store_read_tile(a->view, (uint8_t)id.level, id.n, out, found, e);
}

static bool
stored_leaf(void *ctx, uint64_t index, uint8_t out[32], struct err *e)
{
	struct archiver *a = ctx;
	struct bytes entry;
	bool found = false;
	if (!store_read_entry(a->view, index, &entry, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_CORRUPT, "record %" PRIu64 " is missing", index);
	memcpy(out, entry.data, 32);
	return true;
}

/* Within the segment from its files, beside it from the tiles, and across it from both. */
static bool
node(void *ctx, unsigned level, uint64_t n, uint8_t out[32], struct err *e)
{
	struct archiver *a = ctx;
	uint64_t first = n << level, last = first + (1ull << level);
	struct merkle_source beside = tile_source(&a->tiles);
	uint8_t left[32], right[32];
	if (last <= a->from || first >= a->to)
		return beside.node(beside.ctx, level, n, out, e);
	if (level == 0) {
		memcpy(out, a->leaves[first - a->from], 32);
		return true;
	}
	return node(a, level - 1, 2 * n, left, e) && node(a, level - 1, 2 * n + 1, right, e) &&
	       merkle_node(&a->h, left, right, out, e);
}

static bool
check_root(struct archiver *a, struct err *e)
{
	struct merkle_source all = { .h = &a->h, .node = node, .ctx = a };
	uint8_t root[32];
	a->tiles =
	    (struct tile_reader){ .tile = stored_tile, .leaf = stored_leaf, .ctx = a, .h = &a->h };
	if (!look(a, e))
		return false;
	bool ok = merkle_source_root(&all, a->head.size, root, e);
	look_away(a);
	return ok && (memcmp(root, a->head.root, sizeof(root)) == 0 ||
			 err_set(e, ERR_CORRUPT,
			     "the archived records from %" PRIu64 " on do not give the signed root",
			     a->from));
}

static bool
verify(struct archiver *a, struct archive_files *f, struct err *e)
{
	a->leaves = calloc(a->result.segment, 32);
	if (a->leaves == NULL)
		return err_set(e, ERR_NOMEM, "archive");
	return archive_read(f, a->from, a->to, &(struct archive_reader){ hash_record, a }, e) &&
	       check_root(a, e);
}

/* ---- files that are made anew ---- */

/* It is what the store has, and gives its leaf. */
static bool
check_renewed(void *ctx, uint64_t index, struct bytes opening, struct err *e)
{
	struct archiver *a = ctx;
	struct record r;
	struct bytes entry;
	uint8_t leaf[32];
	bool found = false;
	if (given_up(a, e))
		return false;
	if (!record_opening_parse(opening, &r, e) || !record_leaf(&a->h, &r, leaf, e))
		return err_wrap(e, "archived record %" PRIu64, index);
	if (!look(a, e))
		return false;
	bool ok = store_read_entry(a->view, index, &entry, &found, e);
	if (ok && (!found || memcmp(entry.data, leaf, sizeof(leaf)) != 0 ||
		      !bytes_equal(opening,
			  bytes_from(entry.data + STORE_HASH_BYTES, entry.len - STORE_HASH_BYTES))))
		ok = err_set(
		    e, ERR_CORRUPT, "archived record %" PRIu64 " does not give its leaf", index);
	look_away(a);
	return ok;
}

static bool
renew(struct archiver *a, uint64_t file, uint32_t segment, struct err *e)
{
	struct archive_files *f = NULL;
	char folder[STORE_ARCHIVE_PATH];
	uint64_t first = file * STORE_ARCHIVE_FILE, from = first / segment * segment;
	bool there = false;
	store_archive_folder(a->set.generation, from, from + segment, folder);
	if (!archive_files_open(a->set.dir, folder, &there, &f, e))
		return false;
	bool ok = (there || err_set(e, ERR_IO, "archive: '%s' is not there", folder)) &&
		  archive_pair_renew(f, first, e) && write_records(a, f, first, e) &&
		  archive_read(f, first, first + STORE_ARCHIVE_FILE,
		      &(struct archive_reader){ check_renewed, a }, e) &&
		  archive_pair_replace(f, first, e);
	archive_files_free(f);
	return ok;
}

static bool
renew_all(struct archiver *a, struct err *e)
{
	struct store_archive now;
	struct store_outdated todo[STORE_OUTDATED_PAGE];
	size_t count = STORE_OUTDATED_PAGE;
	if (!look(a, e))
		return false;
	bool ok = store_read_archive(a->view, &now, e) &&
		  store_read_outdated(a->view, NULL, todo, &count, e);
	look_away(a);
	for (size_t i = 0; ok && i < count; i++) {
		ok = renew(a, todo[i].file, now.segment, e);
		if (ok)
			a->result.files[a->result.renewed++] = todo[i];
	}
	return ok;
}

/* ---- the thread ---- */

static bool
archive(struct archiver *a, struct err *e)
{
	struct archive_files *f = NULL;
	char folder[STORE_ARCHIVE_PATH];
	bool there = false;
	store_archive_folder(a->set.generation, a->from, a->to, folder);
	if (!archive_files_open(a->set.dir, folder, &there, &f, e))
		return false;
	bool ok = there || (write_all(a, f, e) && archive_files_keep(f, e));
	ok = ok && verify(a, f, e);
	if (a->stale && a->rows <= a->from) /* no row of it is gone: it is made anew */
		archive_files_discard(f);
	archive_files_free(f);
	if (ok)
		a->result.to = a->to;
	return ok;
}

static bool
work(struct archiver *a, struct err *e)
{
	bool due = false;
	if (!store_view_new(a->set.store, &a->view, e) || !renew_all(a, e) || a->result.renewed > 0)
		return a->view != NULL && a->result.renewed > 0;
	if (!look(a, e))
		return false;
	bool ok = find_due(a, &due, e);
	look_away(a);
	return ok && (!due || archive(a, e));
}

static void *
run(void *arg)
{
	struct archiver *a = arg;
	struct err e = { 0 };
	arena_init(&a->keep, ARENA);
	dry_begin();
	if (!sha256_init(&a->h, &e) || !work(a, &e))
		a->result.why = e;
	sha256_done(&a->h);
	arena_done(&a->keep);
	store_view_free(a->view);
	free(a->leaves);
	atomic_store(&a->over, true);
	return NULL;
}

bool
archiver_begin(const struct archiver_setup *setup, struct archiver **out, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct archiver *a = calloc(1, sizeof(*a));
	if (a == NULL)
		return err_set(e, ERR_NOMEM, "archive");
	a->set = *setup;
	if (pthread_create(&a->thread, NULL, run, a) != 0) {
		free(a);
		return err_set(e, ERR_NOMEM, "archive thread");
	}
	*out = a;
	return true;
}

bool
archiver_over(const struct archiver *a)
{
	return atomic_load(&a->over);
}

void
archiver_stop(struct archiver *a)
{
	ASSERT_ON(ROLE_COMMITTER);
	atomic_store(&a->stop, true);
}

void
archiver_end(struct archiver *a, struct archiver_result *out)
{
	ASSERT_ON(ROLE_COMMITTER);
	(void)pthread_join(a->thread, NULL);
	*out = a->result;
	free(a);
}
