/*
 * map.h - a table from byte strings to small values, all in one arena; nothing is ever removed.
 * Threads: one caller at a time.
 */
#pragma once
#include "proto/arena.h"

struct map_node;
struct map {
	struct arena *a; /* borrowed */
	size_t value_size;
	size_t bucket_count, count;
	struct map_node **buckets;
};

void map_init(struct map *m, struct arena *a, size_t value_size);
/* The value of 'key', or NULL. */
void *map_find(const struct map *m, struct bytes key);
/* The value of 'key', made (zeroed, the key copied) if there is none; NULL without memory. */
void *map_at(struct map *m, struct bytes key, struct bytes *stored_key);
/* Calls 'each' for every value, in no order. */
void map_each(
    const struct map *m, void (*each)(void *ctx, struct bytes key, void *value), void *ctx);
