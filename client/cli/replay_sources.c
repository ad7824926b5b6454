/* replay_sources.c - the sources that the facts of a report must have (docs/audit-format.md,
 * section 8): a walk over what it cites, nearest first. */
#include "client/cli/replay_sources.h"

#include "proto/limits.h"
#include "proto/uuid.h"

#include <stdlib.h>

enum { CITATIONS_MAX = LIMIT_SOURCES_ALL * LIMIT_SOURCES_NAMED, PORTIONS = LIMIT_PORTIONS };

struct citation {
	struct bytes by; /* party */
	struct bytes id; /* 16 */
	struct bytes via;
};
struct walk {
	struct replay_past *past;
	const struct sources_ask *ask;
	struct arena *a;
	struct citation *citations;
	size_t citation_count, citation_room;
	const struct past_report **taken;
	size_t taken_count;
	struct fact_source *items;
	size_t item_count, item_room;
	bool known;
};

static bool
no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "sources");
}

static bool
id_text(struct walk *w, struct bytes id, struct bytes *out)
{
	char *text = arena_alloc(w->a, UUID_TEXT + 1);
	if (text == NULL)
		return false;
	uuid_print(id.data, text);
	*out = bytes_from(text, UUID_TEXT);
	return true;
}

static bool
add_citation(struct walk *w, const struct citation *c)
{
	if (w->citation_count == w->citation_room) {
		size_t room = w->citation_room == 0 ? 32 : 2 * w->citation_room;
		struct citation *items =
		    room > CITATIONS_MAX ? NULL : arena_zalloc(w->a, room, sizeof(*items));
		if (items == NULL)
			return false;
		if (w->citation_count > 0)
			memcpy(items, w->citations, w->citation_count * sizeof(*items));
		w->citations = items;
		w->citation_room = room;
	}
	w->citations[w->citation_count++] = *c;
	return true;
}

/* Once for each party. */
static bool
cite(struct walk *w, struct bytes by, const struct names *ids, struct bytes via)
{
	for (size_t i = 0; i < ids->count; i++) {
		bool again = false;
		for (size_t k = 0; k < w->citation_count; k++)
			again = again || (bytes_equal(w->citations[k].by, by) &&
					     bytes_equal(w->citations[k].id, ids->items[i]));
		const struct citation c = { by, ids->items[i], via };
		if (!again && !add_citation(w, &c))
			return false;
	}
	return true;
}

/* It counts, and so do its own sources. */
static bool
take(struct walk *w, const struct past_report *r, struct err *e)
{
	struct bytes via;
	for (size_t i = 0; i < w->taken_count; i++)
		if (w->taken[i] == r)
			return true;
	if (w->taken_count == LIMIT_SOURCES_ALL || !id_text(w, bytes_from(r->id, 16), &via))
		return no_memory(e);
	w->taken[w->taken_count++] = r;
	return cite(w, r->publisher, &r->sources, via) || no_memory(e);
}

static struct fact_source *
new_item(struct walk *w, const struct citation *c)
{
	if (w->item_count == w->item_room) {
		size_t room = w->item_room == 0 ? 16 : 2 * w->item_room;
		struct fact_source *items = arena_zalloc(w->a, room, sizeof(*items));
		if (items == NULL)
			return NULL;
		if (w->item_count > 0)
			memcpy(items, w->items, w->item_count * sizeof(*items));
		w->items = items;
		w->item_room = room;
	}
	struct fact_source *s = &w->items[w->item_count];
	*s = (struct fact_source){ .via = c->via };
	if (!id_text(w, c->id, &s->id))
		return NULL;
	w->item_count++;
	return s;
}

/* What is released to a recipient at the cut; NULL: nothing. */
static const uint8_t *
released(struct walk *w, const struct past_recipient *r)
{
	const struct past_decision *d = r->now;
	while (d != NULL && d->record >= w->ask->cut)
		d = d->older;
	if (d == NULL || (d->outcome != OUTCOME_RELEASE && d->outcome != OUTCOME_REDACT))
		return NULL;
	w->known = w->known && d->known;
	return d->masks;
}

static bool
has_all(const uint8_t *masks, const uint8_t went[PORTIONS], unsigned bit, size_t portions)
{
	for (size_t i = 0; i < portions; i++)
		if ((went[i] >> bit & 1) != 0 && masks[i] == 0)
			return false;
	return true;
}

static int
by_bytes(const void *x, const void *y)
{
	return bytes_compare(*(const struct bytes *)x, *(const struct bytes *)y);
}

static bool
onward_to(struct walk *w, const struct past_report *r, const uint8_t went[PORTIONS], unsigned bit,
    struct names *out)
{
	size_t count = 0;
	for (const struct past_recipient *to = r->first; to != NULL; to = to->next)
		count++;
	struct bytes *items = arena_zalloc(w->a, count + 1, sizeof(*items));
	if (items == NULL)
		return false;
	*out = (struct names){ items, 0 };
	for (const struct past_recipient *to = r->first; to != NULL; to = to->next) {
		const uint8_t *masks = released(w, to);
		if (masks != NULL && has_all(masks, went, bit, r->portions))
			items[out->count++] = to->party;
	}
	qsort(items, out->count, sizeof(*items), by_bytes);
	return true;
}

/* Per portion the agreements of the decisions that were delivered to a party; false: none was. */
static bool
what_went(struct walk *w, const struct past_report *r, const struct past_recipient *to,
    uint8_t went[PORTIONS])
{
	bool any = false;
	memset(went, 0, PORTIONS);
	for (const struct past_delivery *d = to->went; d != NULL; d = d->older) {
		if (d->record >= w->ask->cut)
			continue;
		any = true;
		w->known = w->known && d->masks != NULL;
		for (size_t i = 0; d->masks != NULL && i < r->portions; i++)
			went[i] |= d->masks[i];
	}
	return any;
}

/* One pair for each agreement under which a portion went to the party that cites it. */
static bool
put_pairs(struct walk *w, const struct citation *c, const struct past_report *r,
    const uint8_t went[PORTIONS], struct err *e)
{
	uint8_t all = 0;
	for (size_t i = 0; i < r->portions; i++)
		all |= went[i];
	for (unsigned bit = 0; bit < r->agreements.count; bit++) {
		if ((all >> bit & 1) == 0)
			continue;
		struct fact_source *s = new_item(w, c);
		if (s == NULL)
			return no_memory(e);
		s->originator = r->publisher;
		s->agreement = r->agreements.items[bit];
		if (!onward_to(w, r, went, bit, &s->onward_to))
			return no_memory(e);
	}
	return true;
}

static bool
look_at(struct walk *w, const struct citation *c, const struct past_report *r, bool *found,
    struct err *e)
{
	uint8_t went[PORTIONS];
	if (r->intake >= w->ask->cut || r == w->ask->of)
		return true;
	if (!r->known) {
		w->known = false;
		return true;
	}
	if (r->mode != w->ask->of->mode)
		return true;
	if (bytes_equal(r->publisher, c->by)) { /* what it published itself gives no pair */
		*found = true;
		return take(w, r, e);
	}
	const struct past_recipient *to = replay_past_given(w->past, r, c->by);
	if (to == NULL || !what_went(w, r, to, went))
		return true;
	*found = true;
	return take(w, r, e) && put_pairs(w, c, r, went, e);
}

static bool
look(struct walk *w, const struct citation *c, struct err *e)
{
	bool found = false;
	struct past_report **at = map_find(&w->past->ids, c->id);
	for (const struct past_report *r = at == NULL ? NULL : *at; r != NULL; r = r->same_id)
		if (!look_at(w, c, r, &found, e))
			return false;
	return found || new_item(w, c) != NULL || no_memory(e);
}

bool
replay_sources_find(struct replay_past *p, const struct sources_ask *ask, struct arena *a,
    struct sources_found *out, struct err *e)
{
	struct walk w = { .past = p, .ask = ask, .a = a, .known = true };
	const struct bytes nowhere = { NULL, 0 };
	*out = (struct sources_found){ .known = true };
	if (ask->of->sources.count == 0)
		return true;
	w.taken = arena_zalloc(a, LIMIT_SOURCES_ALL, sizeof(*w.taken));
	if (w.taken == NULL)
		return no_memory(e);
	if (!cite(&w, ask->of->publisher, &ask->of->sources, nowhere))
		return no_memory(e);
	for (size_t i = 0; i < w.citation_count; i++) {
		struct citation c = w.citations[i]; /* the list moves when it grows */
		if (!look(&w, &c, e))
			return false;
	}
	*out = (struct sources_found){ w.items, w.item_count, w.known };
	return true;
}

/* ---- two lists ---- */

static int
by_source(const void *x, const void *y)
{
	const struct fact_source *a = *(const struct fact_source *const *)x;
	const struct fact_source *b = *(const struct fact_source *const *)y;
	const struct bytes left[] = { a->id, a->originator, a->agreement, a->via };
	const struct bytes right[] = { b->id, b->originator, b->agreement, b->via };
	for (size_t i = 0; i < 4; i++) {
		int c = bytes_compare(left[i], right[i]);
		if (c != 0)
			return c;
	}
	return 0;
}

static const struct fact_source **
sorted(const struct fact_source *items, size_t count, struct arena *a)
{
	const struct fact_source **list = arena_zalloc(a, count + 1, sizeof(*list));
	for (size_t i = 0; list != NULL && i < count; i++)
		list[i] = &items[i];
	if (list != NULL && count > 1)
		qsort(list, count, sizeof(*list), by_source);
	return list;
}

bool
replay_sources_same(const struct sources_found *x, const struct facts *f, struct arena *a,
    bool *same, struct err *e)
{
	*same = x->count == f->source_count;
	if (!*same)
		return true;
	const struct fact_source **left = sorted(x->items, x->count, a);
	const struct fact_source **right = sorted(f->sources, f->source_count, a);
	if (left == NULL || right == NULL)
		return no_memory(e);
	for (size_t i = 0; *same && i < x->count; i++)
		*same = by_source(&left[i], &right[i]) == 0 &&
			names_equal(&left[i]->onward_to, &right[i]->onward_to);
	return true;
}
