#include "daemon/roll.h"
#include "daemon/role.h"

#include <stdlib.h>

void
roll_done(struct roll *r)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct roll_party *p, *tmp;
	HASH_ITER (hh, r->parties, p, tmp) {
		HASH_DEL(r->parties, p);
		free(p->subs);
		free(p);
	}
}

struct roll_party *
roll_find(struct roll *r, uint32_t id)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct roll_party *p = NULL;
	HASH_FIND(hh, r->parties, &id, sizeof(id), p);
	return p;
}

struct roll_party *
roll_add(struct roll *r, uint32_t id, struct bytes name)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct roll_party *p = roll_find(r, id);
	if (p != NULL)
		return p;
	p = calloc(1, sizeof(*p));
	if (p == NULL || name.len >= sizeof(p->name)) {
		free(p);
		return NULL;
	}
	p->id = id;
	memcpy(p->name, name.data, name.len);
	p->head_index = STORE_NONE;
	HASH_ADD(hh, r->parties, id, sizeof(p->id), p);
	if (table_has(p))
		return p;
	free(p);
	return NULL;
}

bool
roll_subscribe(struct roll_party *p, const struct store_subscription *s)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct roll_subscription *subs = reallocarray(p->subs, p->sub_count + 1, sizeof(*subs));
	if (subs == NULL)
		return false;
	p->subs = subs;
	struct roll_subscription *to = &subs[p->sub_count];
	*to = (struct roll_subscription){ .id = s->id, .mode = s->mode, .created = s->created };
	if (s->name.len >= sizeof(to->name) || s->pattern.len >= sizeof(to->pattern))
		return false;
	memcpy(to->name, s->name.data, s->name.len);
	memcpy(to->pattern, s->pattern.data, s->pattern.len);
	p->sub_count++;
	return true;
}

struct roll_subscription *
roll_subscription(struct roll_party *p, uint8_t mode, struct bytes name)
{
	ASSERT_ON(ROLE_COMMITTER);
	for (size_t i = 0; i < p->sub_count; i++)
		if (p->subs[i].mode == mode && !p->subs[i].gone && bytes_is(name, p->subs[i].name))
			return &p->subs[i];
	return NULL;
}

void
roll_touch(struct roll *r, struct roll_party *p)
{
	ASSERT_ON(ROLE_COMMITTER);
	if (p->touched)
		return;
	p->touched = true;
	p->before = p->tree;
	p->head_index_before = p->head_index;
	p->head_size_before = p->head_size;
	p->next_touched = r->touched;
	r->touched = p;
}

/* Those that are gone leave, or are back. */
static void
settle_subs(struct roll_party *p, bool undo)
{
	size_t kept = 0;
	for (size_t i = 0; p->lost_subs && i < p->sub_count; i++) {
		if (undo)
			p->subs[i].gone = false;
		if (!p->subs[i].gone)
			p->subs[kept++] = p->subs[i];
	}
	if (p->lost_subs)
		p->sub_count = kept;
	p->lost_subs = false;
}

static void
settle(struct roll *r, bool undo)
{
	while (r->touched != NULL) {
		struct roll_party *p = r->touched;
		r->touched = p->next_touched;
		p->touched = false;
		size_t new_subs = p->new_subs;
		p->new_subs = 0;
		bool fresh = p->fresh;
		p->fresh = false;
		settle_subs(p, undo);
		if (!undo)
			continue;
		if (fresh) {
			HASH_DEL(r->parties, p);
			free(p->subs);
			free(p);
			continue;
		}
		memset(p->signer, 0, sizeof(p->signer));
		memset(p->chain, 0, sizeof(p->chain));
		p->sub_count -= new_subs;
		p->tree = p->before;
		p->head_index = p->head_index_before;
		p->head_size = p->head_size_before;
	}
}

void
roll_keep(struct roll *r)
{
	ASSERT_ON(ROLE_COMMITTER);
	settle(r, false);
}

void
roll_undo(struct roll *r)
{
	ASSERT_ON(ROLE_COMMITTER);
	settle(r, true);
}
