#include "daemon/prover.h"

#include "daemon/role.h"
#include "daemon/store.h"

#include <inttypes.h>

enum { PROVER_ARENA = 8 << 20 };

static bool
read_tile(void *ctx, struct tile_id id, uint8_t out[TILE_BYTES], bool *found, struct err *e)
{
	struct prover *p = ctx;
	return store_read_tile(p->view, (uint8_t)id.level, id.n, out, found, e);
}

static bool
read_leaf(void *ctx, uint64_t index, uint8_t out[32], struct err *e)
{
	struct prover *p = ctx;
	struct bytes entry;
	bool found = false;
	if (!store_read_entry(p->view, index, &entry, &found, e))
		return false;
	if (!found || entry.len < 32)
		return err_set(e, ERR_CORRUPT, "entry %" PRIu64 " is missing", index);
	memcpy(out, entry.data, 32);
	arena_reset(&p->arena, PROVER_ARENA);
	return true;
}

bool
prover_init(struct prover *p, struct store *s, struct sha256 *h, struct err *e)
{
	ASSERT_ON(ROLE_NOTARY);
	*p = (struct prover){ .h = h };
	arena_init(&p->arena, PROVER_ARENA);
	p->reader = (struct tile_reader){ .tile = read_tile, .leaf = read_leaf, .ctx = p, .h = h };
	return store_view_new(s, &p->view, e);
}

void
prover_done(struct prover *p)
{
	ASSERT_ON(ROLE_NOTARY);
	store_view_free(p->view);
	p->view = NULL;
	arena_done(&p->arena);
}

static bool
open_view(struct prover *p, struct err *e)
{
	arena_reset(&p->arena, PROVER_ARENA);
	return store_view_open(p->view, &p->arena, e);
}

bool
prover_size(struct prover *p, uint64_t *size, struct err *e)
{
	ASSERT_ON(ROLE_NOTARY);
	struct store_head head;
	bool found = false;
	bool ok = open_view(p, e) && store_read_head(p->view, STORE_MAIN_TREE, &head, &found, e);
	store_view_close(p->view);
	if (ok)
		*size = found ? head.size : 0;
	return ok;
}

bool
prover_root(struct prover *p, uint64_t size, uint8_t out[32], struct err *e)
{
	ASSERT_ON(ROLE_NOTARY);
	struct merkle empty = { 0 };
	struct merkle_source source = tile_source(&p->reader);
	if (size == 0)
		return merkle_root(p->h, &empty, out, e);
	bool ok = open_view(p, e) && merkle_source_root(&source, size, out, e);
	store_view_close(p->view);
	return ok;
}

/* ---- a source that knows the peaks of an earlier tree ---- */

struct peaked {
	const struct merkle *tree;
	struct merkle_source rest;
};

static bool
node(void *ctx, unsigned level, uint64_t n, uint8_t out[32], struct err *e)
{
	const struct peaked *s = ctx;
	uint64_t above = level < 64 ? s->tree->leaf_count >> level : 0;
	if ((above & 1) == 0 || n != (above ^ 1))
		return s->rest.node(s->rest.ctx, level, n, out, e);
	memcpy(out, s->tree->frontier[level], 32);
	return true;
}

bool
prover_extends(
    struct prover *p, const struct prover_step *step, struct merkle_proof *out, struct err *e)
{
	ASSERT_ON(ROLE_NOTARY);
	struct peaked peaked = { step->from, tile_source(&p->reader) };
	struct merkle_source source =
	    step->peaks ? (struct merkle_source){ .h = p->h, .node = node, .ctx = &peaked }
			: peaked.rest;
	uint64_t from = step->from->leaf_count;
	if (from == 0 || from == step->size) {
		out->count = 0;
		return true;
	}
	bool ok = open_view(p, e) && merkle_consistency(&source, from, step->size, out, e);
	store_view_close(p->view);
	return ok;
}
