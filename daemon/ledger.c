#include "daemon/ledger.h"

#include "daemon/role.h"
#include <assert.h>
#include <inttypes.h>

/* Rows, entries and names of the largest batch, twice over. */
enum { SCRATCH_CAP = 96 << 20 };

static bool
put_tile(void *ctx, struct tile_id id, const uint8_t data[TILE_BYTES], struct err *e)
{
	struct ledger *l = ctx;
	return store_put_tile(l->store, (uint8_t)id.level, id.n, data, e);
}

bool
ledger_init(struct ledger *l, struct store *store, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	l->store = store;
	log_init(&l->log, &l->sha, (struct log_sink){ put_tile, l });
	arena_init(&l->scratch, SCRATCH_CAP);
	return sha256_init(&l->sha, e);
}

void
ledger_done(struct ledger *l)
{
	ASSERT_ON(ROLE_COMMITTER);
	arena_done(&l->scratch);
	roll_done(&l->roll);
	sha256_done(&l->sha);
}

bool
ledger_begin(struct ledger *l, uint64_t now_us, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	assert(!l->open);
	arena_done(&l->scratch);
	arena_init(&l->scratch, SCRATCH_CAP);
	if (!store_begin(l->store, &l->scratch, e))
		return false;
	l->saved = l->log;
	l->now_us = now_us;
	l->appended = 0;
	l->open = true;
	l->dirty = false;
	return true;
}

bool
ledger_append(struct ledger *l, struct record *r, const struct ledger_place *at,
    struct log_out *out, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	assert(l->open);
	if (at->publisher != NULL)
		roll_touch(&l->roll, at->publisher);
	if (at->recipient != NULL)
		roll_touch(&l->roll, at->recipient);
	struct log_in in = { .now = l->now_us,
		.link = at->link,
		.accepted = at->accepted,
		.publication = at->publisher == NULL ? NULL : &at->publisher->tree,
		.place = at->recipient == NULL ? NULL : &at->recipient->tree };
	if (!log_append(&l->log, r, &in, out, e))
		return err_wrap(e, "record %" PRIu64, l->log.tree.leaf_count);
	size_t size = record_entry_size(r);
	uint8_t *entry = arena_alloc(&l->scratch, size);
	if (entry == NULL)
		return err_set(e, ERR_NOMEM, "entry of %zu bytes", size);
	record_entry_write(r, out->leaf, entry);
	l->appended++;
	l->dirty = true;
	return store_put_entry(l->store, out->index, bytes_from(entry, size), e);
}

bool
ledger_root(struct ledger *l, uint8_t out[32], struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	return merkle_root(&l->sha, &l->log.tree, out, e);
}

/* One row of the table 'head'. */
static bool
put_head(struct ledger *l, uint32_t id, const struct merkle *tree, const struct roll_party *p,
    struct err *e)
{
	struct store_head h = { .tree = id,
		.size = tree->leaf_count,
		.time_us = l->log.time,
		.head_index = p == NULL ? STORE_NONE : p->head_index,
		.head_size = p == NULL ? 0 : p->head_size };
	memcpy(h.frontier, tree->frontier, sizeof(h.frontier));
	return merkle_root(&l->sha, tree, h.root, e) && store_put_head(l->store, &h, e);
}

static bool
put_heads(struct ledger *l, struct err *e)
{
	if (!put_head(l, STORE_MAIN_TREE, &l->log.tree, NULL, e))
		return false;
	for (const struct roll_party *p = l->roll.touched; p != NULL; p = p->next_touched)
		if (!put_head(l, p->id, &p->tree, p, e))
			return false;
	return true;
}

/* A flipped bit between hashing and the store, once signed, cannot be taken back. */
static bool
look_again(struct ledger *l, struct err *e)
{
	struct merkle tree = l->saved.tree;
	while (tree.leaf_count < l->log.tree.leaf_count) {
		struct bytes entries[64];
		size_t count = sizeof(entries) / sizeof(entries[0]);
		if (!store_see_entries(l->store, tree.leaf_count, entries, &count, e))
			return false;
		if (count == 0)
			return err_set(
			    e, ERR_CORRUPT, "entry %" PRIu64 " is missing", tree.leaf_count);
		for (size_t i = 0; i < count; i++)
			if (!log_recheck(&l->sha, &tree, entries[i], e))
				return err_wrap(
				    e, "second look at entry %" PRIu64, tree.leaf_count);
	}
	uint8_t a[32], b[32];
	if (!merkle_root(&l->sha, &tree, a, e) || !ledger_root(l, b, e))
		return false;
	if (memcmp(a, b, sizeof(a)) != 0)
		return err_set(
		    e, ERR_CORRUPT, "what is stored has another root than what was hashed");
	return true;
}

static bool
commit(struct ledger *l, const struct store_stamp *now, struct err *e)
{
	if (l->appended > 0 && (!put_heads(l, e) || !look_again(l, e))) {
		/* our own trees and the store disagree, or memory ran out: the latter is benign */
		if (e->code != ERR_NOMEM && e->code != ERR_FULL)
			store_break(l->store);
		store_abort(l->store);
		return false;
	}
	l->open = false;
	if (!store_commit(l->store, &l->fence, now, e))
		return false;
	l->fence.log_size = l->log.tree.leaf_count;
	return true;
}

bool
ledger_commit(struct ledger *l, const struct store_stamp *now, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	assert(l->open);
	if (commit(l, now, e)) {
		roll_keep(&l->roll);
		return true;
	}
	l->open = true;
	ledger_undo(l);
	return false;
}

void
ledger_undo(struct ledger *l)
{
	ASSERT_ON(ROLE_COMMITTER);
	if (!l->open)
		return;
	store_abort(l->store);
	l->open = false;
	l->log = l->saved;
	roll_undo(&l->roll);
}
