#include "audit/verify_party.h"

#include <inttypes.h>
#include <stdlib.h>

#include "audit/view.h"

#define SHOWN(b) (int)(b).len, (const char *)(b).data

static bool
no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "histories of parties");
}

/* ---- what was verified before ---- */

bool
verify_party_begin(struct verify *v, struct err *e)
{
	for (size_t i = 0; i < v->ask->kept_count && !verify_run_partial(v); i++) {
		const struct verify_kept *kept = &v->ask->kept[i];
		if (!verify_run_hub(v) && !bytes_equal(kept->party, v->about.party))
			continue;
		struct verify_tree *t = map_at(&v->trees, kept->party, NULL);
		if (t == NULL)
			return no_memory(e);
		t->kept = kept;
	}
	return true;
}

static bool
check_kept(struct verify *v, const struct verify_tree *t, uint64_t index, struct err *e)
{
	uint8_t root[32];
	if (t->kept == NULL || t->kept->size != t->tree.leaf_count)
		return true;
	if (!merkle_root(v->h, &t->tree, root, e))
		return false;
	if (memcmp(root, t->kept->root, 32) != 0)
		verify_run_find(v, VERIFY_CONSISTENCY, index,
		    "the first %" PRIu64 " records of %.*s are not those verified before",
		    t->kept->size, SHOWN(t->kept->party));
	return true;
}

static void
check_covered(void *ctx, struct bytes party, void *value)
{
	const struct verify_tree *t = value;
	if (t->kept != NULL && t->covered < t->kept->size)
		verify_run_find(ctx, VERIFY_GAP, SLOT_ABSENT,
		    "a head over %" PRIu64 " records of %.*s was verified before; the last one "
		    "here covers %" PRIu64,
		    t->kept->size, SHOWN(party), t->covered);
}

/* ---- heads ---- */

/* The root that a head of 'party' over 'size' records states, made if need be. */
static bool
head_at(
    struct verify *v, struct bytes party, uint64_t size, bool *known, uint8_t **root, struct err *e)
{
	struct verify_key key;
	uint8_t number[8];
	put_u64(number, size);
	const struct bytes parts[] = { party, bytes_from(number, sizeof(number)) };
	if (!verify_run_key(v, parts, 2, &key, e))
		return false;
	struct bytes name = bytes_from(&key, sizeof(key));
	*known = map_find(&v->heads, name) != NULL;
	*root = map_at(&v->heads, name, NULL);
	return *root != NULL || no_memory(e);
}

static bool
take_head(struct verify *v, struct verify_tree *t, const struct verify_slots *s, struct err *e)
{
	bool known;
	uint8_t *root;
	struct bytes party = event_body_get(&s->body, BODY_PARTY_HEAD_PARTY);
	t->covered = event_body_number(&s->body, BODY_PARTY_HEAD_SIZE);
	t->heads++;
	t->last_head = s->r.index;
	memcpy(t->root, event_body_get(&s->body, BODY_PARTY_HEAD_ROOT).data, 32);
	if (!head_at(v, party, t->covered, &known, &root, e))
		return false;
	memcpy(root, t->root, 32);
	return true;
}

bool
verify_party_head(struct verify *v, const struct verify_slots *s, struct err *e)
{
	uint8_t root[32];
	struct bytes party = event_body_get(&s->body, BODY_PARTY_HEAD_PARTY);
	uint64_t size = event_body_number(&s->body, BODY_PARTY_HEAD_SIZE), index = s->r.index;
	bool has_previous = event_body_has(&s->body, BODY_PARTY_HEAD_PREVIOUS);
	if (verify_run_partial(v))
		return true;
	struct verify_tree *t = map_at(&v->trees, party, NULL);
	if (t == NULL)
		return no_memory(e);
	if (!merkle_root(v->h, &t->tree, root, e))
		return false;
	if (size != t->tree.leaf_count)
		verify_run_find(v, VERIFY_GAP, index,
		    "it states %" PRIu64 " records of %.*s; there are %" PRIu64, size, SHOWN(party),
		    t->tree.leaf_count);
	else if (memcmp(root, event_body_get(&s->body, BODY_PARTY_HEAD_ROOT).data, 32) != 0)
		verify_run_find(
		    v, VERIFY_GAP, index, "it states another tree of %.*s", SHOWN(party));
	if (has_previous != (t->heads != 0) ||
	    (has_previous && event_body_number(&s->body, BODY_PARTY_HEAD_PREVIOUS) != t->last_head))
		verify_run_find(v, VERIFY_GAP, index, "it does not name the head before it");
	return take_head(v, t, s, e);
}

/* What a client attests it has from a PARTY_HEAD. */
bool
verify_party_attested(struct verify *v, const struct verify_slots *s, struct err *e)
{
	bool known;
	uint8_t *root;
	struct bytes party = s->release.recipient;
	uint64_t size = event_body_number(&s->body, BODY_ACK_SIZE);
	struct bytes said = event_body_get(&s->body, BODY_ACK_ROOT);
	if (verify_run_partial(v) || said.len == 0)
		return true;
	if (!head_at(v, party, size, &known, &root, e))
		return false;
	if (!known) {
		verify_run_find(v, VERIFY_GAP, s->r.index,
		    "it attests %" PRIu64 " records of %.*s, which no head before it states", size,
		    SHOWN(party));
		memcpy(root, said.data, 32);
	} else if (memcmp(root, said.data, 32) != 0)
		verify_run_find(v, VERIFY_CONSISTENCY, s->r.index,
		    "it attests another tree of %.*s than the head of %" PRIu64 " records",
		    SHOWN(party), size);
	return true;
}

/* ---- trees ---- */

/* One leaf of one party's tree. */
static bool
grow_tree(struct verify *v, const struct verify_slots *s, struct bytes party, uint64_t place,
    struct err *e)
{
	uint8_t leaf[32];
	struct verify_tree *t = map_at(&v->trees, party, NULL);
	if (t == NULL)
		return no_memory(e);
	if (place != t->tree.leaf_count)
		verify_run_find(v, VERIFY_GAP, s->r.index,
		    "it is number %" PRIu64 " of %.*s, but %" PRIu64 " are before it", place,
		    SHOWN(party), t->tree.leaf_count);
	return record_party_leaf(v->h, s->r.index, s->r.leaf, leaf, e) &&
	       merkle_append(v->h, &t->tree, leaf, NULL, e) && check_kept(v, t, s->r.index, e);
}

/* Whose tree slot 8 speaks of.  What stops a delivery shows its recipient slots 1 and 8 alone. */
static struct bytes
owner_of_place(const struct verify *v, const struct verify_slots *s)
{
	struct bytes named = view_owner(s->said);
	bool closed = !verify_slot_open(s, 2) || !verify_slot_open(s, 7);
	return named.len == 0 && closed ? v->about.party : named;
}

/* What parties open all the same. */
static bool
stands_in_no_tree(enum event_type type)
{
	return type == EVENT_PARTY_HEAD || type == EVENT_RECOVER;
}

static bool
grow_trees(struct verify *v, const struct verify_slots *s, struct err *e)
{
	struct bytes recipient = owner_of_place(v, s), mine = v->about.party;
	bool placed = false;
	if (verify_run_partial(v))
		return true;
	if (s->publication.index != SLOT_ABSENT) {
		placed = bytes_equal(s->publication.party, mine);
		if (!grow_tree(v, s, s->publication.party, s->publication.index, e))
			return false;
	}
	if (s->place != SLOT_ABSENT) {
		if (recipient.len != 0 && !grow_tree(v, s, recipient, s->place, e))
			return false;
		placed = placed || bytes_equal(recipient, mine);
	}
	if (mine.len != 0 && !placed && !stands_in_no_tree(s->r.type))
		verify_run_find(v, VERIFY_GAP, s->r.index,
		    "it is open to the party, but stands in no tree of it");
	return true;
}

/* A party's own bundle opens all that the party may open of a record, or nothing. */
static void
check_own_view(struct verify *v, const struct verify_slots *s)
{
	unsigned may = stands_in_no_tree(s->r.type) ? 1u << 7 : 0;
	if (verify_slot_open(s, 3))
		may |= view_slots_published(s->r.type);
	if (verify_slot_open(s, 8))
		may |= view_slots_placed(s->r.type);
	for (unsigned i = 1; i <= RECORD_SLOTS; i++)
		if ((may >> i & 1) != 0 && !verify_slot_open(s, i))
			verify_run_find(v, VERIFY_GAP, s->r.index,
			    "slot %u, which the party may open, is not opened", i);
}

bool
verify_party_record(struct verify *v, const struct verify_slots *s, struct err *e)
{
	if (!verify_run_hub(v))
		check_own_view(v, s);
	return grow_trees(v, s, e);
}

/* ---- the end ---- */

struct gathering {
	struct verify_party *parties;
	size_t count;
};

static void
gather(void *ctx, struct bytes key, void *value)
{
	struct gathering *g = ctx;
	const struct verify_tree *t = value;
	g->parties[g->count++] = (struct verify_party){
		.name = key,
		.leaves = t->tree.leaf_count,
		.covered = t->covered,
		.heads = t->heads,
		.last_head = t->last_head,
		.root = t->root,
	};
}

static int
by_name(const void *a, const void *b)
{
	const struct verify_party *x = a, *y = b;
	return bytes_compare(x->name, y->name);
}

bool
verify_party_finish(struct verify *v, struct err *e)
{
	struct gathering g = { arena_zalloc(v->keep, v->trees.count, sizeof(*g.parties)), 0 };
	if (g.parties == NULL)
		return no_memory(e);
	map_each(&v->trees, check_covered, v);
	map_each(&v->trees, gather, &g);
	qsort(g.parties, g.count, sizeof(*g.parties), by_name);
	v->out->parties = g.parties;
	v->out->party_count = g.count;
	return true;
}
