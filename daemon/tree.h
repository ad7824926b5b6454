/*
 * tree.h - proofs of the log's tree, from the tiles and entries that a view of the store sees.
 * Threads: whoever owns the view and the hash.
 */
#pragma once
#include "audit/tile.h"

struct store_view;

/* Open while it is used. */
struct tree_view {
	struct store_view *view;
	struct tile_reader reader;
};
struct merkle_source tree_source(struct tree_view *t, struct store_view *view, struct sha256 *h);
