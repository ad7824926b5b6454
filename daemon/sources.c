/* sources.c - a walk over the reports that a report rests on, nearest first. */
#include "daemon/sources.h"

#include "daemon/onward.h"
#include "daemon/role.h"
#include "proto/uuid.h"

#include <stdlib.h>

struct citation { /* a party cites the id of a report */
	uint32_t by;
	uint8_t id[STORE_ID_BYTES];
	struct bytes via; /* text: the report that does; absent: the one that is published */
};

struct walk {
	const struct sources_ask *q;
	struct arena *a; /* of the result */
	struct onward_reader reader;
	struct onward_report reports[LIMIT_SOURCES_ALL];
	size_t report_count, unknown_count;
	struct citation *citations;
	size_t citation_count, citation_room;
	struct fact_source *items;
	size_t item_count, item_room;
};

static bool
over(struct walk *w, struct err *e)
{
	w->reader.over = true;
	return err_set(e, ERR_LIMIT, "more sources than a report may have");
}

/* Room for one more of 'size' bytes; doubles, so the arena holds twice as much at most. */
static bool
grow(struct arena *a, void **items, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return true;
	size_t more = *room == 0 ? 64 : *room * 2;
	void *to = arena_zalloc(a, more, size);
	if (to == NULL)
		return false;
	if (count > 0)
		memcpy(to, *items, count * size);
	*items = to;
	*room = more;
	return true;
}

/* ---- the list of what is cited ---- */

/* Once for each party: what it had of a report does not depend on where it cites it. */
static bool
cite(struct walk *w, uint32_t by, struct bytes id, struct bytes via, struct err *e)
{
	for (size_t i = 0; i < w->citation_count; i++)
		if (w->citations[i].by == by &&
		    memcmp(w->citations[i].id, id.data, STORE_ID_BYTES) == 0)
			return true;
	void *items = w->citations;
	if (!grow(w->reader.arena, &items, w->citation_count, &w->citation_room,
		sizeof(*w->citations)))
		return err_set(e, ERR_NOMEM, "sources");
	w->citations = items;
	struct citation *c = &w->citations[w->citation_count++];
	*c = (struct citation){ .by = by, .via = via };
	memcpy(c->id, id.data, sizeof(c->id));
	return true;
}

static bool
cite_all(struct walk *w, uint32_t by, const struct names *ids, struct bytes via, struct err *e)
{
	for (size_t i = 0; i < ids->count; i++)
		if (!cite(w, by, ids->items[i], via, e))
			return false;
	return true;
}

static bool
id_text(struct walk *w, const uint8_t id[STORE_ID_BYTES], struct bytes *out, struct err *e)
{
	char text[UUID_TEXT + 1];
	uuid_print(id, text);
	return arena_copy(w->a, bytes_from(text, UUID_TEXT), out, e);
}

/* ---- one report ---- */

/* The report of that key, if there is one of this mode; one not met before is read into 'room'. */
static bool
load(struct walk *w, const struct store_report_key *key, struct onward_report *room,
    struct onward_report **out, struct err *e)
{
	bool found = false;
	*out = NULL;
	for (size_t i = 0; i < w->report_count && *out == NULL; i++)
		if (memcmp(&w->reports[i].row.key, key, sizeof(*key)) == 0)
			*out = &w->reports[i];
	if (*out != NULL)
		return true;
	if (!onward_load(&w->reader, key, room, &found, e))
		return false;
	if (found && room->mode == w->q->mode)
		*out = room;
	return true;
}

/* It counts, and its own sources do; *r is where it stands from now on. */
static bool
take(struct walk *w, struct onward_report **r, struct err *e)
{
	struct bytes via;
	if (*r >= w->reports && *r < w->reports + w->report_count)
		return true;
	if (w->report_count + w->unknown_count == LIMIT_SOURCES_ALL)
		return over(w, e);
	w->reports[w->report_count] = **r;
	*r = &w->reports[w->report_count++];
	return id_text(w, (*r)->row.key.id, &via, e) &&
	       cite_all(w, (*r)->row.key.originator, &(*r)->routing.sources, via, e);
}

static struct fact_source *
new_item(struct walk *w, const struct citation *c, struct err *e)
{
	void *items = w->items;
	if (!grow(w->a, &items, w->item_count, &w->item_room, sizeof(*w->items))) {
		(void)err_set(e, ERR_NOMEM, "sources");
		return NULL;
	}
	w->items = items;
	struct fact_source *s = &w->items[w->item_count];
	*s = (struct fact_source){ .via = c->via };
	if (!id_text(w, c->id, &s->id, e))
		return NULL;
	w->item_count++;
	return s;
}

static bool
copy_names(struct walk *w, const struct names *from, struct names *to, struct err *e)
{
	struct bytes *items = arena_zalloc(w->a, from->count + 1, sizeof(*items));
	if (items == NULL)
		return err_set(e, ERR_NOMEM, "sources");
	for (size_t i = 0; i < from->count; i++)
		if (!arena_copy(w->a, from->items[i], &items[i], e))
			return false;
	*to = (struct names){ items, from->count };
	return true;
}

/* One pair for each agreement under which a portion went to the party that cites it. */
static bool
put_pairs(struct walk *w, const struct citation *c, struct onward_report *r,
    const struct onward_went *went, struct err *e)
{
	uint8_t all = 0;
	for (size_t p = 0; p < LIMIT_PORTIONS; p++)
		all |= went->masks[p];
	for (unsigned bit = 0; bit < r->routing.agreement_count; bit++) {
		struct names onward;
		if ((all >> bit & 1) == 0)
			continue;
		struct fact_source *s = new_item(w, c, e);
		if (s == NULL || !arena_copy(w->a, r->originator, &s->originator, e) ||
		    !arena_copy(w->a, r->routing.agreements[bit].name, &s->agreement, e) ||
		    !onward_to(&w->reader, r, went, bit, &onward, e) ||
		    !copy_names(w, &onward, &s->onward_to, e))
			return false;
	}
	return true;
}

/* ---- one citation ---- */

/* A report that the party was given, if it was delivered. */
static bool
look_at_given(struct walk *w, const struct citation *c, const struct store_given *given,
    bool *known, struct err *e)
{
	struct onward_report room, *r;
	struct onward_went went;
	if (!load(w, &given->report, &room, &r, e))
		return false;
	if (r == NULL)
		return true;
	if (!onward_went(&w->reader, r, given, &went, e))
		return false;
	if (!went.any)
		return true;
	*known = true;
	return take(w, &r, e) && put_pairs(w, c, r, &went, e);
}

/* All with this id, by whomever: an id alone does not say whose report is meant. */
static bool
look_among_given(struct walk *w, const struct citation *c, bool *known, struct err *e)
{
	struct store_given given = { .report = { .originator = 0 } };
	bool found = true;
	memcpy(given.report.id, c->id, sizeof(c->id));
	while (found) {
		struct store_report_key after = given.report;
		if (!store_next_given(w->reader.view, c->by, &after, &given, &found, e) ||
		    (found && !look_at_given(w, c, &given, known, e)))
			return false;
	}
	return true;
}

/* A party's own report went to it under no agreement: it has no pair. */
static bool
look_among_own(struct walk *w, const struct citation *c, bool *known, struct err *e)
{
	struct store_report_key key = { .originator = c->by };
	struct onward_report room, *r;
	memcpy(key.id, c->id, sizeof(key.id));
	if (!load(w, &key, &room, &r, e))
		return false;
	*known = r != NULL;
	return r == NULL || take(w, &r, e);
}

static bool
look(struct walk *w, const struct citation *c, struct err *e)
{
	bool own = false, given = false;
	if (!look_among_own(w, c, &own, e) || !look_among_given(w, c, &given, e))
		return false;
	if (own || given)
		return true;
	if (w->report_count + w->unknown_count++ == LIMIT_SOURCES_ALL)
		return over(w, e);
	return new_item(w, c, e) != NULL;
}

static bool
walk(struct walk *w, struct err *e)
{
	const struct bytes nowhere = { NULL, 0 };
	if (!cite_all(w, w->q->publisher, w->q->ids, nowhere, e))
		return false;
	for (size_t i = 0; i < w->citation_count; i++) {
		struct citation c = w->citations[i]; /* the list moves when it grows */
		if (!look(w, &c, e))
			return false;
	}
	return true;
}

bool
sources_find(const struct sources_ask *q, struct arena *a, struct sources *out, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct arena work;
	struct err why = { 0 };
	*out = (struct sources){ .items = NULL };
	if (q->ids->count == 0)
		return true;
	arena_init(&work, 2 * q->most_bytes + LIMIT_MESSAGE_BYTES);
	struct walk *w = arena_zalloc(&work, 1, sizeof(*w));
	bool ok = w != NULL && store_view_open(q->view, &work, &why);
	if (ok) {
		*w = (struct walk){ .q = q, .a = a };
		w->reader = (struct onward_reader){ q->view, &work, q->most_bytes, false };
		ok = walk(w, &why);
		*out = (struct sources){ w->items, w->item_count, w->reader.over };
	} else if (w == NULL) {
		(void)err_set(&why, ERR_NOMEM, "sources");
	}
	store_view_close(q->view);
	arena_done(&work);
	if (!ok && !out->over)
		*e = why;
	return ok || out->over;
}
