#include "audit/log.h"

#include <assert.h>
#include <inttypes.h>

#include "proto/arena.h"

void
log_init(struct log *l, struct sha256 *h, struct log_sink sink)
{
	memset(l, 0, sizeof(*l));
	l->h = h;
	l->sink = sink;
}

/* Slot 8 exists only for the tree that the committer names. */
static void
patch_place(struct record *r, uint64_t index)
{
	assert(r->place != NULL && !RECORD_SLOT(r, 8)->hashed);
	put_u32(r->place, 8);
	put_u64(r->place + 4, index);
	RECORD_SLOT(r, 8)->value = bytes_from(r->place, 12);
}

static void
patch(struct record *r, const struct log_in *in, const struct log_out *out)
{
	assert(r->time != NULL && (r->publication != NULL) == (in->publication != NULL));
	put_u64(r->time, out->time);
	if (r->publication != NULL)
		put_u64(r->publication, out->publication);
	if (r->link != NULL)
		put_u64(r->link, in->link);
	if (r->accepted != NULL)
		put_u64(r->accepted, in->accepted);
	if (in->place != NULL)
		patch_place(r, out->place);
}

/* Writes hash k of 'level'; the last one of a tile sends it off. */
static bool
edge_put(struct log *l, unsigned level, uint64_t k, const uint8_t hash[32], struct err *e)
{
	uint64_t at = k % TILE_WIDTH;
	memcpy(l->edge[level] + at * 32, hash, 32);
	if (at != TILE_WIDTH - 1)
		return true;
	struct tile_id id = { level, k / TILE_WIDTH };
	return l->sink.tile == NULL || l->sink.tile(l->sink.ctx, id, l->edge[level], e);
}

bool
log_grow(struct log *l, const uint8_t leaf[32], struct err *e)
{
	struct merkle_carry carry;
	uint64_t index = l->tree.leaf_count;
	if (!merkle_append(l->h, &l->tree, leaf, &carry, e))
		return false;
	for (unsigned level = 0; level * 8 < carry.count && level < TILE_LEVELS; level++)
		if (!edge_put(l, level, index >> (level * 8), carry.hash[level * 8], e))
			return false;
	return true;
}

static bool
grow_party(struct log *l, struct merkle *tree, const struct log_out *o, struct err *e)
{
	uint8_t leaf[32];
	return tree == NULL || (record_party_leaf(l->h, o->index, o->leaf, leaf, e) &&
				   merkle_append(l->h, tree, leaf, NULL, e));
}

bool
log_append(
    struct log *l, struct record *r, const struct log_in *in, struct log_out *out, struct err *e)
{
	assert(in->publication == NULL || in->publication != in->place);
	struct log_out o = { .index = l->tree.leaf_count,
		.time = in->now > l->time ? in->now : l->time,
		.publication = in->publication == NULL ? SLOT_ABSENT : in->publication->leaf_count,
		.place = in->place == NULL ? SLOT_ABSENT : in->place->leaf_count };
	patch(r, in, &o);
	if (!record_leaf(l->h, r, o.leaf, e) || !log_grow(l, o.leaf, e) ||
	    !grow_party(l, in->publication, &o, e) || !grow_party(l, in->place, &o, e))
		return err_wrap(e, "record %" PRIu64, o.index);
	l->time = o.time;
	*out = o;
	return true;
}

bool
log_recheck(struct sha256 *h, struct merkle *tree, struct bytes entry, struct err *e)
{
	uint8_t leaf[32];
	if (!record_entry_leaf(h, entry, leaf, e)) {
		if (e != NULL && e->code == ERR_MALFORMED)
			e->code = ERR_CORRUPT;
		return err_wrap(e, "record %" PRIu64, tree->leaf_count);
	}
	if (memcmp(leaf, entry.data, 32) != 0)
		return err_set(e, ERR_CORRUPT, "record %" PRIu64 ": it does not give its leaf hash",
		    tree->leaf_count);
	return merkle_append(h, tree, leaf, NULL, e);
}

bool
log_edge_hash(const struct log *l, unsigned level, uint64_t k, uint8_t out[32])
{
	if (level >= TILE_LEVELS)
		return false;
	uint64_t count = l->tree.leaf_count >> (level * 8);
	if (k >= count || k / TILE_WIDTH != count / TILE_WIDTH)
		return false;
	memcpy(out, l->edge[level] + k % TILE_WIDTH * 32, 32);
	return true;
}

/* The frontier once more, from the unfinished tiles: bit b of the size is a run of hashes of level
 * b / 8. */
static bool
same_frontier(struct log *l, const struct merkle *tree, struct err *e)
{
	for (unsigned b = 0; b < MERKLE_LEVELS; b++) {
		if ((tree->leaf_count >> b & 1) == 0)
			continue;
		unsigned level = b / 8, inside = b % 8;
		uint64_t first = (tree->leaf_count >> (b + 1 < 64 ? b + 1 : 63)) << 1;
		if (b + 1 == MERKLE_LEVELS)
			first = 0;
		struct merkle sub = { 0 };
		uint64_t k = first << inside;
		for (size_t i = 0; i < (size_t)1 << inside; i++)
			if (!merkle_append(
				l->h, &sub, l->edge[level] + (k + i) % TILE_WIDTH * 32, NULL, e))
				return false;
		if (memcmp(sub.frontier[inside], tree->frontier[b], 32) != 0)
			return err_set(e, ERR_CORRUPT,
			    "the tree of %" PRIu64 " records is not that of the stored entries",
			    tree->leaf_count);
	}
	return true;
}

bool
log_restore(struct log *l, const struct log_head *head, struct tile_reader *stored, struct err *e)
{
	uint64_t size = head->tree.leaf_count;
	struct merkle_source source = tile_source(stored);
	for (unsigned level = 0; level < TILE_LEVELS; level++) {
		uint64_t count = size >> (level * 8);
		for (uint64_t k = count - count % TILE_WIDTH; k < count; k++)
			if (!source.node(
				source.ctx, level * 8, k, l->edge[level] + k % TILE_WIDTH * 32, e))
				return false;
	}
	uint8_t root[32];
	if (!same_frontier(l, &head->tree, e) || !merkle_root(l->h, &head->tree, root, e))
		return false;
	if (memcmp(root, head->root, 32) != 0)
		return err_set(e, ERR_CORRUPT, "the stored root is not that of the tree");
	l->tree = head->tree;
	l->time = head->time;
	return true;
}

bool
log_attest_text(struct arena *a, const struct log_attest *v, struct bytes *out, struct err *e)
{
	static const char what[] = "relto/1 attest"; /* its NUL belongs to it */
	size_t size = 64 + sizeof(what) + 4 + v->origin.len + 4 + v->party.len + 8 + 32;
	uint8_t *text = arena_alloc(a, size), *to = text;
	if (text == NULL)
		return err_set(e, ERR_NOMEM, "attestation");
	memset(to, 0x20, 64);
	memcpy(to + 64, what, sizeof(what));
	to += 64 + sizeof(what);
	const struct bytes names[] = { v->origin, v->party };
	for (size_t i = 0; i < 2; i++) {
		put_u32(to, (uint32_t)names[i].len);
		if (names[i].len != 0)
			memcpy(to + 4, names[i].data, names[i].len);
		to += 4 + names[i].len;
	}
	put_u64(to, v->size);
	memcpy(to + 8, v->root, 32);
	*out = bytes_from(text, size);
	return true;
}
