/*
 * map.h - a table from byte strings to small values, all in one arena; nothing is ever removed.
 * Threads: one caller at a time.
 */
#pragma once
#include "proto/arena.h"

struct map_node;
struct map_slot {
	uint64_t hash;
	struct map_node *node; /* NULL: the slot is free */
};
struct map {
	struct arena *a; /* borrowed */
	size_t value_size;
	size_t room, count; /* room: of slots, a power of two, or 0 */
	struct map_slot *slots;
	struct map_node *first, *last; /* as they came */
};

void map_init(struct map *m, struct arena *a, size_t value_size);
/* The value of 'key', or NULL. */
void *map_find(const struct map *m, struct bytes key);
/* The value of 'key', made (zeroed, the key copied) if there is none; NULL without memory.  Where
 * it is it stays. */
void *map_at(struct map *m, struct bytes key, struct bytes *stored_key);
/* Calls 'each' for every value, in the order in which they were made. */
void map_each(
    const struct map *m, void (*each)(void *ctx, struct bytes key, void *value), void *ctx);
