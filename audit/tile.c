#include "audit/tile.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

void
tile_path(unsigned level, uint64_t n, unsigned width, char out[TILE_PATH_MAX])
{
	assert(level < TILE_LEVELS || level == TILE_ENTRIES);
	assert(width >= 1 && width <= TILE_WIDTH);
	char where[16] = "entries", groups[40];
	if (level != TILE_ENTRIES)
		(void)snprintf(where, sizeof(where), "%u", level);
	/* groups of three from the right, all but the last with an x before */
	size_t at = sizeof(groups) - 1;
	groups[at] = '\0';
	for (bool last = true; last || n != 0; n /= 1000, last = false) {
		char group[8];
		int len =
		    snprintf(group, sizeof(group), last ? "%03u" : "x%03u/", (unsigned)(n % 1000));
		at -= (size_t)len;
		memcpy(groups + at, group, (size_t)len);
	}
	if (width == TILE_WIDTH)
		(void)snprintf(out, TILE_PATH_MAX, "tile/%s/%s", where, groups + at);
	else
		(void)snprintf(out, TILE_PATH_MAX, "tile/%s/%s.p/%u", where, groups + at, width);
}

/* Reads digits up to a byte that is none; at most 20 of them. */
static bool
digits(struct cursor *c, uint64_t *out, size_t *count)
{
	uint64_t v = 0;
	size_t n = 0;
	for (; c->left != 0 && *c->at >= '0' && *c->at <= '9'; n++) {
		if (n == 18)
			return false;
		v = v * 10 + cursor_u8(c) - '0';
	}
	*out = v;
	*count = n;
	return n != 0;
}

static bool
parse_groups(struct cursor *c, uint64_t *n)
{
	*n = 0;
	for (unsigned groups = 0; groups < 7; groups++) {
		bool more = c->left != 0 && *c->at == 'x';
		uint64_t group;
		size_t count;
		if (more)
			(void)cursor_u8(c);
		if (!digits(c, &group, &count) || count != 3 || *n > (UINT64_MAX - group) / 1000)
			return false;
		*n = *n * 1000 + group;
		if (!more)
			return true;
		if (cursor_u8(c) != '/')
			return false;
	}
	return false;
}

bool
tile_path_parse(struct bytes path, unsigned *level, uint64_t *n, unsigned *width, struct err *e)
{
	struct cursor c = cursor_over(path);
	uint64_t l = TILE_ENTRIES, number = 0, w = TILE_WIDTH;
	size_t count;
	bool ok = bytes_is(cursor_take(&c, 5), "tile/");
	if (ok && c.left >= 7 && memcmp(c.at, "entries", 7) == 0)
		(void)cursor_take(&c, 7);
	else
		ok = ok && digits(&c, &l, &count) && l < TILE_LEVELS;
	ok = ok && cursor_u8(&c) == '/' && parse_groups(&c, &number);
	if (ok && c.left != 0)
		ok = bytes_is(cursor_take(&c, 3), ".p/") && digits(&c, &w, &count) && w >= 1 &&
		     w < TILE_WIDTH;
	char again[TILE_PATH_MAX];
	if (ok && cursor_finished(&c)) {
		/* one spelling only: leading zeros and empty groups show here */
		tile_path((unsigned)l, number, (unsigned)w, again);
		ok = bytes_is(path, again);
	}
	if (!ok || !cursor_finished(&c))
		return err_set(e, ERR_MALFORMED, "no path of a tile");
	*level = (unsigned)l;
	*n = number;
	*width = (unsigned)w;
	return true;
}

/* The full tile 'id' into the cache. */
static bool
load(struct tile_reader *r, struct tile_id id, bool *found, struct err *e)
{
	if (r->cached && r->cached_id.level == id.level && r->cached_id.n == id.n) {
		*found = true;
		return true;
	}
	r->cached = false;
	if (!r->tile(r->ctx, id, r->cache, found, e))
		return false;
	r->cached = *found;
	r->cached_id = id;
	return true;
}

/* The root of 'count' hashes side by side, a power of two; 'from' is used up. */
static bool
fold(struct sha256 *h, uint8_t *from, size_t count, uint8_t out[32], struct err *e)
{
	for (; count > 1; count /= 2)
		for (size_t i = 0; i < count / 2; i++)
			if (!merkle_node(h, from + i * 64, from + i * 64 + 32, from + i * 32, e))
				return false;
	memcpy(out, from, 32);
	return true;
}

static bool node(void *ctx, unsigned level, uint64_t n, uint8_t out[32], struct err *e);

/* Below an unfinished tile: two children, or the leaf itself. Depth: at most 8 levels to the next
 * lower tile, which is full. */
static bool
node_below(struct tile_reader *r, unsigned level, uint64_t n, uint8_t out[32], struct err *e)
{
	uint8_t left[32], right[32];
	if (level == 0)
		return r->leaf(r->ctx, n, out, e);
	return node(r, level - 1, 2 * n, left, e) && node(r, level - 1, 2 * n + 1, right, e) &&
	       merkle_node(r->h, left, right, out, e);
}

static bool
node(void *ctx, unsigned level, uint64_t n, uint8_t out[32], struct err *e)
{
	struct tile_reader *r = ctx;
	unsigned tile_level = level / 8, inside = level % 8;
	size_t count = (size_t)1 << inside;
	uint64_t first = n << inside; /* of the hashes of the tile level that it spans */
	struct tile_id id = { tile_level, first / TILE_WIDTH };
	bool found;
	if (!load(r, id, &found, e))
		return false;
	if (!found)
		return node_below(r, level, n, out, e);
	uint8_t hashes[TILE_BYTES / 2];
	memcpy(hashes, r->cache + first % TILE_WIDTH * 32, count * 32);
	return fold(r->h, hashes, count, out, e);
}

struct merkle_source
tile_source(struct tile_reader *r)
{
	return (struct merkle_source){ .h = r->h, .node = node, .ctx = r };
}
