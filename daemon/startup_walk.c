#include "daemon/startup_walk.h"

#include <inttypes.h>
#include <stdlib.h>

#include "audit/form.h"
#include "audit/view.h"

enum { PAGE_RECORDS = 256, PAGE_BYTES = 1 << 20, PAGE_CAP = 16 << 20 };

struct startup_tile {
	bool loaded;
	uint64_t n;
	uint8_t data[TILE_BYTES];
};
struct startup_party {
	uint64_t next; /* index that its next record must have */
	struct merkle tree;
};

/* ---- what the store says ---- */

static bool
stored_tile(void *ctx, struct tile_id id, uint8_t out[TILE_BYTES], bool *found, struct err *e)
{
	struct startup_walk *w = ctx;
	return store_read_tile(w->view, (uint8_t)id.level, id.n, out, found, e);
}

/* A stored entry whose contents give the leaf hash that stands before them, and say what a record
 * of its type must. */
static bool
read_record(struct sha256 *h, struct bytes entry, struct record *r, uint8_t leaf[32], struct err *e)
{
	uint8_t stored[32];
	struct record_said said;
	if (!record_entry_parse(entry, r, stored, e) || !record_leaf(h, r, leaf, e))
		return false;
	if (memcmp(stored, leaf, sizeof(stored)) != 0)
		return err_set(e, ERR_CORRUPT, "its contents do not give its leaf hash");
	return record_take_apart(r, &said, e) && form_check(r, &said, e) == FORM_GOOD;
}

static bool
corrupt_record(uint64_t index, struct err *e)
{
	if (e != NULL && e->code == ERR_MALFORMED)
		e->code = ERR_CORRUPT;
	return err_wrap(e, "record %" PRIu64, index);
}

static bool
stored_leaf(void *ctx, uint64_t index, uint8_t out[32], struct err *e)
{
	struct startup_walk *w = ctx;
	struct bytes entry;
	struct record r;
	bool found;
	if (!store_read_entry(w->view, index, &entry, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_CORRUPT, "record %" PRIu64 " is missing", index);
	return read_record(w->h, entry, &r, out, e) || corrupt_record(index, e);
}

static bool
page_open(struct startup_walk *w, struct err *e)
{
	arena_init(&w->page, PAGE_CAP);
	if (store_view_open(w->view, &w->page, e))
		return true;
	arena_done(&w->page);
	return false;
}

static void
page_close(struct startup_walk *w)
{
	store_view_close(w->view);
	arena_done(&w->page);
}

/* ---- begin ---- */

static bool
frontier_at(struct startup_walk *w, uint64_t from, struct err *e)
{
	struct merkle_source source = tile_source(&w->reader);
	struct merkle m = { .leaf_count = from };
	for (unsigned bit = 0; bit < MERKLE_LEVELS; bit++)
		if (from >> bit & 1 &&
		    !source.node(source.ctx, bit, (from >> bit) - 1, m.frontier[bit], e))
			return false;
	w->tree = m;
	return true;
}

bool
startup_walk_begin(struct startup_walk *w, uint64_t from, struct err *e)
{
	w->tiles = calloc(TILE_LEVELS, sizeof(*w->tiles));
	if (w->tiles == NULL)
		return err_set(e, ERR_NOMEM, "tiles");
	w->reader =
	    (struct tile_reader){ .tile = stored_tile, .leaf = stored_leaf, .ctx = w, .h = w->h };
	if (!page_open(w, e))
		return false;
	bool ok = frontier_at(w, from, e);
	page_close(w);
	return ok;
}

/* ---- tiles ---- */

/* Hash k of a level, as computed, against the finished tile that has it. */
static bool
check_tile(
    struct startup_walk *w, unsigned level, uint64_t k, const uint8_t hash[32], struct err *e)
{
	struct startup_tile *t = &w->tiles[level];
	uint64_t n = k / TILE_WIDTH;
	bool found = true;
	if (n >= (w->size >> (level * 8)) / TILE_WIDTH)
		return true; /* not finished: nothing is stored */
	if (!t->loaded || t->n != n) {
		t->loaded = false;
		if (!store_read_tile(w->view, (uint8_t)level, n, t->data, &found, e))
			return false;
		t->loaded = found;
		t->n = n;
	}
	if (!found || memcmp(t->data + k % TILE_WIDTH * 32, hash, 32) != 0)
		return err_set(e, ERR_CORRUPT, "tile %u/%" PRIu64 " %s", level, n,
		    found ? "is not that of the records" : "is missing");
	return true;
}

static bool
grow(struct startup_walk *w, const uint8_t leaf[32], struct err *e)
{
	struct merkle_carry carry;
	uint64_t index = w->tree.leaf_count;
	if (!merkle_append(w->h, &w->tree, leaf, &carry, e))
		return false;
	for (unsigned level = 0; level * 8 < carry.count && level < TILE_LEVELS; level++)
		if (!check_tile(w, level, index >> (level * 8), carry.hash[level * 8], e))
			return false;
	return true;
}

/* ---- parties ---- */

static struct startup_party *
party_at(struct startup_walk *w, uint32_t id, bool *fresh)
{
	if (id >= w->party_room) {
		size_t want = (size_t)id * 2 + 16;
		struct startup_party **wider =
		    reallocarray(w->parties, want, sizeof(struct startup_party *));
		if (wider == NULL)
			return NULL;
		memset(wider + w->party_room, 0, (want - w->party_room) * sizeof(*wider));
		w->parties = wider;
		w->party_room = want;
	}
	*fresh = w->parties[id] == NULL;
	if (*fresh)
		w->parties[id] = calloc(1, sizeof(*w->parties[id]));
	return w->parties[id];
}

struct place {
	struct bytes party;
	uint64_t index; /* in its tree */
	uint64_t main;
	const uint8_t *leaf;
};

/* One record more in the tree of a party: without a gap, from 0 if everything is read. */
static bool
stand(struct startup_walk *w, const struct place *at, struct err *e)
{
	uint32_t id;
	bool found, fresh;
	uint8_t leaf[32];
	if (!store_find_name(w->view, STORE_NAME_PARTY, at->party, &id, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_CORRUPT, "it names a party that has no number");
	struct startup_party *p = party_at(w, id, &fresh);
	if (p == NULL)
		return err_set(e, ERR_NOMEM, "trees of parties");
	if (fresh && !w->all)
		p->next = at->index;
	if (p->next != at->index)
		return err_set(e, ERR_CORRUPT,
		    "place %" PRIu64 " in the tree of %.*s, where %" PRIu64 " comes next",
		    at->index, (int)at->party.len, (const char *)at->party.data, p->next);
	p->next++;
	return !w->all || (record_party_leaf(w->h, at->main, at->leaf, leaf, e) &&
			      merkle_append(w->h, &p->tree, leaf, NULL, e));
}

static bool
check_places(struct startup_walk *w, const struct record *r, const uint8_t leaf[32], struct err *e)
{
	struct slot_publication pub = { .index = SLOT_ABSENT };
	struct place at = { .main = w->tree.leaf_count - 1, .leaf = leaf };
	if (RECORD_SLOT(r, 3)->open && !slot_get_publication(RECORD_SLOT(r, 3)->value, &pub, e))
		return false;
	at.party = pub.party;
	at.index = pub.index;
	if (pub.index != SLOT_ABSENT && !stand(w, &at, e))
		return false;
	at.party = view_recipient(r);
	if (at.party.len == 0)
		return true;
	return slot_get_place(RECORD_SLOT(r, 8)->value, &at.index, e) && stand(w, &at, e);
}

bool
startup_walk_same_frontier(const struct merkle *tree, const struct store_head *head)
{
	for (unsigned bit = 0; bit < MERKLE_LEVELS; bit++)
		if (head->size >> bit & 1 &&
		    memcmp(tree->frontier[bit], head->frontier[bit], 32) != 0)
			return false;
	return tree->leaf_count == head->size;
}

static bool
check_party(struct startup_walk *w, uint32_t id, const struct startup_party *p, struct err *e)
{
	struct store_head head;
	bool found;
	uint8_t root[32];
	if (!store_read_head(w->view, id, &head, &found, e))
		return false;
	if (head.size != p->next)
		return err_set(e, ERR_CORRUPT,
		    "the tree of party %" PRIu32 " has %" PRIu64 " records, its head says %" PRIu64,
		    id, p->next, head.size);
	if (!w->all)
		return true;
	if (!merkle_root(w->h, &p->tree, root, e))
		return false;
	if (memcmp(root, head.root, sizeof(root)) != 0 ||
	    !startup_walk_same_frontier(&p->tree, &head))
		return err_set(
		    e, ERR_CORRUPT, "the tree of party %" PRIu32 " is not that of its records", id);
	return true;
}

/* Heads of trees in which no record stands. */
static bool
check_strangers(struct startup_walk *w, struct err *e)
{
	struct store_head *page = calloc(16, sizeof(*page));
	size_t count = 16;
	uint32_t after = 0;
	bool ok = page != NULL || err_set(e, ERR_NOMEM, "heads");
	for (; ok && count > 0; count = count == 0 ? 0 : 16) {
		ok = store_read_heads(w->view, after, page, &count, e);
		for (size_t i = 0; ok && i < count; i++) {
			after = page[i].tree;
			bool met = after < w->party_room && w->parties[after] != NULL;
			if (!met && page[i].size > 0)
				ok = err_set(e, ERR_CORRUPT,
				    "the head of party %" PRIu32 " has no records", after);
		}
	}
	free(page);
	return ok;
}

bool
startup_walk_parties(struct startup_walk *w, struct err *e)
{
	if (!page_open(w, e))
		return false;
	bool ok = true;
	for (size_t id = 0; ok && id < w->party_room; id++)
		if (w->parties[id] != NULL)
			ok = check_party(w, (uint32_t)id, w->parties[id], e);
	ok = ok && (!w->all || check_strangers(w, e));
	page_close(w);
	return ok;
}

/* ---- records ---- */

static bool
check_time(struct startup_walk *w, const struct record *r, struct err *e)
{
	struct slot_common common;
	if (!slot_get_common(RECORD_SLOT(r, 1)->value, &common, e))
		return false;
	if (common.time < w->time)
		return err_set(e, ERR_CORRUPT, "its time is before that of the record before it");
	w->time = common.time;
	return true;
}

static bool
check_record(struct startup_walk *w, struct bytes entry, struct err *e)
{
	uint8_t leaf[32];
	struct record r;
	return read_record(w->h, entry, &r, leaf, e) && check_time(w, &r, e) && grow(w, leaf, e) &&
	       check_places(w, &r, leaf, e);
}

static bool
check_page(struct startup_walk *w, struct err *e)
{
	struct bytes entries[PAGE_RECORDS];
	size_t count = PAGE_RECORDS;
	uint64_t from = w->tree.leaf_count;
	if (w->size - from < count)
		count = (size_t)(w->size - from);
	if (!store_read_entries(w->view, from, PAGE_BYTES, entries, &count, e))
		return false;
	if (count == 0)
		return err_set(e, ERR_CORRUPT, "record %" PRIu64 " is missing", from);
	for (size_t i = 0; i < count; i++)
		if (!check_record(w, entries[i], e))
			return corrupt_record(from + i, e);
	return true;
}

bool
startup_walk_run(struct startup_walk *w, struct err *e)
{
	uint64_t from = w->tree.leaf_count;
	while (w->tree.leaf_count < w->size) {
		if (w->stop != NULL && *w->stop)
			return err_set(e, ERR_BUSY, "it was given up");
		if (!page_open(w, e))
			return false;
		bool ok = check_page(w, e);
		page_close(w);
		if (!ok)
			return false;
		if (w->progress != NULL)
			w->progress(w->arg, w->tree.leaf_count - from, w->size - from);
	}
	return true;
}

void
startup_walk_done(struct startup_walk *w)
{
	for (size_t i = 0; i < w->party_room; i++)
		free(w->parties[i]);
	free(w->parties);
	free(w->tiles);
	w->parties = NULL;
	w->tiles = NULL;
	w->party_room = 0;
}
