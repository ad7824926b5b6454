/*
 * tile.h - C2SP tlog-tiles: where the hash of a subtree is found, and the paths of tiles.
 * Threads: values; no shared state.
 */
#pragma once
#include "proto/merkle.h"

enum {
	TILE_WIDTH = 256,
	TILE_BYTES = TILE_WIDTH * 32,
	TILE_LEVELS = 8, /* 256^8 leaves */
	TILE_PATH_MAX = 64,
	TILE_ENTRY = 2 + 38 /* u16 length || leaf_data */
};

/* "tile/0/x001/x234/067", with ".p/W" if width < 256.  level TILE_ENTRIES gives
 * "tile/entries/..". */
enum { TILE_ENTRIES = 255 };
void tile_path(unsigned level, uint64_t n, unsigned width, char out[TILE_PATH_MAX]);
/* Reads such a path back; ERR_MALFORMED for any other spelling. */
MUST_USE bool tile_path_parse(
    struct bytes path, unsigned *level, uint64_t *n, unsigned *width, struct err *e);

struct tile_id {
	unsigned level;
	uint64_t n;
};
/*
 * Answers merkle_source questions from full tiles and single leaf hashes, both read through
 * callbacks.  'tile' sets *found to false for a tile that is not full yet (it is then computed from
 * the level below); 'leaf' is asked for leaves of unfinished tiles.  The last tile read is kept, so
 * runs over neighbours read each tile once.
 */
struct tile_reader {
	bool (*tile)(
	    void *ctx, struct tile_id id, uint8_t out[TILE_BYTES], bool *found, struct err *e);
	bool (*leaf)(void *ctx, uint64_t index, uint8_t out[32], struct err *e);
	void *ctx;
	struct sha256 *h; /* borrowed */
	bool cached;
	struct tile_id cached_id;
	uint8_t cache[TILE_BYTES];
};
/* A merkle_source over it; 'r' must outlive it. */
struct merkle_source tile_source(struct tile_reader *r);
