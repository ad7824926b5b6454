#include "audit/map.h"

struct map_node {
	struct map_node *next;
	struct bytes key;
	_Alignas(16) uint8_t value[];
};

void
map_init(struct map *m, struct arena *a, size_t value_size)
{
	*m = (struct map){ .a = a, .value_size = value_size };
}

/* FNV-1a: the tool runs alone, nobody gains by making it slow. */
static size_t
hash(struct bytes key)
{
	uint64_t h = 14695981039346656037u;
	for (size_t i = 0; i < key.len; i++)
		h = (h ^ key.data[i]) * 1099511628211u;
	return (size_t)(h ^ h >> 32);
}

static struct map_node *
find(const struct map *m, struct bytes key)
{
	if (m->bucket_count == 0)
		return NULL;
	struct map_node *n = m->buckets[hash(key) % m->bucket_count];
	while (n != NULL && !bytes_equal(n->key, key))
		n = n->next;
	return n;
}

void *
map_find(const struct map *m, struct bytes key)
{
	struct map_node *n = find(m, key);
	return n == NULL ? NULL : n->value;
}

static bool
grow(struct map *m)
{
	size_t count = m->bucket_count == 0 ? 64 : m->bucket_count * 4;
	struct map_node **buckets = arena_zalloc(m->a, count, sizeof(struct map_node *));
	if (buckets == NULL)
		return false;
	for (size_t i = 0; i < m->bucket_count; i++) {
		for (struct map_node *n = m->buckets[i], *next; n != NULL; n = next) {
			struct map_node **to = &buckets[hash(n->key) % count];
			next = n->next;
			n->next = *to;
			*to = n;
		}
	}
	m->buckets = buckets;
	m->bucket_count = count;
	return true;
}

void *
map_at(struct map *m, struct bytes key, struct bytes *stored_key)
{
	struct map_node *n = find(m, key);
	if (n == NULL) {
		if (m->count >= m->bucket_count && !grow(m))
			return NULL;
		n = arena_zalloc(m->a, 1, sizeof(*n) + m->value_size);
		if (n == NULL || !arena_copy(m->a, key, &n->key, NULL))
			return NULL;
		struct map_node **to = &m->buckets[hash(key) % m->bucket_count];
		n->next = *to;
		*to = n;
		m->count++;
	}
	if (stored_key != NULL)
		*stored_key = n->key;
	return n->value;
}

void
map_each(const struct map *m, void (*each)(void *ctx, struct bytes key, void *value), void *ctx)
{
	for (size_t i = 0; i < m->bucket_count; i++)
		for (struct map_node *n = m->buckets[i]; n != NULL; n = n->next)
			each(ctx, n->key, n->value);
}
