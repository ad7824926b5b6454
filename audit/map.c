#include "audit/map.h"

/* The value, and behind it the key. */
struct map_node {
	struct map_node *next; /* that came after */
	size_t key_len;
	_Alignas(16) uint8_t value[];
};

void
map_init(struct map *m, struct arena *a, size_t value_size)
{
	*m = (struct map){ .a = a, .value_size = value_size };
}

/* Each bit of 'h' reaches all others: the finalizer of splitmix64. */
static uint64_t
stir(uint64_t h)
{
	h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
	h = (h ^ h >> 27) * 0x94d049bb133111ebu;
	return h ^ h >> 31;
}

/* By words, since most keys are digests: the tool runs alone, nobody gains by making it slow. */
static uint64_t
hash(struct bytes key)
{
	const uint64_t odd = 0x9e3779b97f4a7c15u;
	uint64_t h = key.len, word;
	for (; key.len >= sizeof(word); key.data += sizeof(word), key.len -= sizeof(word)) {
		memcpy(&word, key.data, sizeof(word));
		h = (h ^ word) * odd;
		h ^= h >> 32;
	}
	for (size_t i = 0; i < key.len; i++)
		h = (h ^ key.data[i]) * odd;
	return stir(h);
}

static struct bytes
key_of(const struct map *m, const struct map_node *n)
{
	return bytes_from(n->value + m->value_size, n->key_len);
}

/* The slot of 'key', or the free one where it belongs: open addressing, linear probing.  Hashes
 * stand in the slots, so that what is not there is seen without a look at a node. */
static struct map_slot *
find(const struct map *m, struct bytes key, uint64_t h)
{
	struct map_slot *s = &m->slots[h & (m->room - 1)];
	while (s->node != NULL && (s->hash != h || !bytes_equal(key_of(m, s->node), key)))
		s = s == &m->slots[m->room - 1] ? m->slots : s + 1;
	return s;
}

void *
map_find(const struct map *m, struct bytes key)
{
	struct map_slot *s = m->room == 0 ? NULL : find(m, key, hash(key));
	return s == NULL || s->node == NULL ? NULL : s->node->value;
}

/* At most half of the slots are taken. */
static bool
grow(struct map *m)
{
	struct map wider = { .room = m->room == 0 ? 64 : m->room * 2 };
	wider.slots = arena_zalloc(m->a, wider.room, sizeof(*wider.slots));
	if (wider.slots == NULL)
		return false;
	for (size_t i = 0; i < m->room; i++) {
		struct map_slot *from = &m->slots[i];
		size_t at = from->hash & (wider.room - 1);
		while (from->node != NULL && wider.slots[at].node != NULL)
			at = (at + 1) & (wider.room - 1);
		if (from->node != NULL)
			wider.slots[at] = *from;
	}
	m->slots = wider.slots;
	m->room = wider.room;
	return true;
}

static struct map_node *
make(struct map *m, struct bytes key)
{
	struct map_node *n = key.len > SIZE_MAX - sizeof(*n) - m->value_size
				 ? NULL
				 : arena_zalloc(m->a, 1, sizeof(*n) + m->value_size + key.len);
	if (n == NULL)
		return NULL;
	n->key_len = key.len;
	if (key.len != 0)
		memcpy(n->value + m->value_size, key.data, key.len);
	if (m->last == NULL)
		m->first = n;
	else
		m->last->next = n;
	m->last = n;
	m->count++;
	return n;
}

void *
map_at(struct map *m, struct bytes key, struct bytes *stored_key)
{
	uint64_t h = hash(key);
	if (m->count >= m->room / 2 && !grow(m))
		return NULL;
	struct map_slot *s = find(m, key, h);
	if (s->node == NULL) {
		s->node = make(m, key);
		s->hash = h;
	}
	if (s->node == NULL)
		return NULL;
	if (stored_key != NULL)
		*stored_key = key_of(m, s->node);
	return s->node->value;
}

void
map_each(const struct map *m, void (*each)(void *ctx, struct bytes key, void *value), void *ctx)
{
	for (struct map_node *n = m->first; n != NULL; n = n->next)
		each(ctx, key_of(m, n), n->value);
}
