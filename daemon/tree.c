#include "daemon/tree.h"

#include "daemon/store.h"

static bool
read_tile(void *ctx, struct tile_id id, uint8_t out[TILE_BYTES], bool *found, struct err *e)
{
	struct tree_view *t = ctx;
	return store_read_tile(t->view, (uint8_t)id.level, id.n, out, found, e);
}

static bool
read_leaf(void *ctx, uint64_t index, uint8_t out[32], struct err *e)
{
	struct tree_view *t = ctx;
	struct bytes entry;
	bool found = false;
	if (!store_read_entry(t->view, index, &entry, &found, e))
		return false;
	if (!found || entry.len < 32)
		return err_set(e, ERR_CORRUPT, "entry %llu is missing", (unsigned long long)index);
	memcpy(out, entry.data, 32);
	return true;
}

struct merkle_source
tree_source(struct tree_view *t, struct store_view *view, struct sha256 *h)
{
	t->view = view;
	t->reader = (struct tile_reader){ .tile = read_tile, .leaf = read_leaf, .ctx = t, .h = h };
	return tile_source(&t->reader);
}
