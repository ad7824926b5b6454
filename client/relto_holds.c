#include "client/inside.h"

#include <stdlib.h>

enum { HOLDS_BYTES = 64 << 20, HOLDS_A_PAGE = 100 };

struct held_list {
	struct relto_holds pub;
	struct arena arena;
	size_t room;
	struct relto_hold *items;
};

void
relto_holds_free(struct relto_holds *x)
{
	if (x == NULL)
		return;
	arena_done(&((struct held_list *)x)->arena);
	free(x);
}

/* The messages came with version 2. */
static bool
knows_holds(struct relto_connection *c, struct relto_error *e)
{
	return c->version >= msg_since(MSG_HOLDS) ||
	       inside_failf(e, ERR_VERSION, "this broker does not show holds: it is too old");
}

static bool
no_memory(struct relto_error *e)
{
	return inside_failf(e, ERR_NOMEM, "holds");
}

static bool
copy_portions(struct arena *a, const struct msg_hold *in, struct relto_hold *out)
{
	struct relto_hold_portion *p = arena_zalloc(a, in->portion_count + 1, sizeof(*p));
	if (p == NULL)
		return false;
	for (size_t i = 0; i < in->portion_count; i++) {
		p[i] = (struct relto_hold_portion){ in->portions[i].portion,
			inside_text(a, in->portions[i].marking), in->portions[i].size };
		if (p[i].marking == NULL)
			return false;
	}
	out->portions = p;
	out->portion_count = in->portion_count;
	return true;
}

static bool
copy_hold(struct arena *a, const struct msg_hold *in, struct relto_hold *out)
{
	*out = (struct relto_hold){ .kind = (enum relto_obligation_kind)in->kind,
		.publisher = inside_text(a, in->publisher),
		.recipient = inside_text(a, in->recipient),
		.agreement = inside_text(a, in->agreement),
		.rule = inside_text(a, in->rule),
		.deadline_us = in->deadline,
		.exercise = in->mode == MODE_EXERCISE,
		.own = in->own,
		.has_source = in->source.len > 0,
		.has_report = in->report.len > 0 };
	memcpy(out->id, in->hold.data, sizeof(out->id));
	if (out->has_source)
		memcpy(out->source, in->source.data, sizeof(out->source));
	if (out->has_report)
		memcpy(out->report, in->report.data, sizeof(out->report));
	return out->publisher != NULL && out->recipient != NULL && out->agreement != NULL &&
	       out->rule != NULL && copy_portions(a, in, out);
}

static bool
grow(struct held_list *h, size_t count)
{
	if (count <= h->room)
		return true;
	size_t room = 2 * count;
	struct relto_hold *items = arena_zalloc(&h->arena, room, sizeof(*items));
	if (items == NULL)
		return false;
	if (h->pub.count > 0)
		memcpy(items, h->items, h->pub.count * sizeof(*items));
	h->pub.items = h->items = items;
	h->room = room;
	return true;
}

/* Names rise, so a list ends whatever the broker says. */
static bool
rises(const struct held_list *h, const struct msg_hold_list *in)
{
	const uint8_t *last = h->pub.count == 0 ? NULL : h->items[h->pub.count - 1].id;
	for (size_t i = 0; i < in->hold_count; i++) {
		const uint8_t *id = in->holds[i].hold.data;
		if (last != NULL && memcmp(last, id, RELTO_ID_BYTES) >= 0)
			return false;
		last = id;
	}
	return in->next.len == 0 ||
	       (in->hold_count > 0 && memcmp(last, in->next.data, RELTO_ID_BYTES) < 0);
}

static bool
add_page(struct relto_connection *c, struct held_list *h, const struct msg_hold_list *in,
    struct relto_error *e)
{
	struct err why;
	if (!rises(h, in)) {
		(void)err_set(&why, ERR_PROTOCOL, "the broker lists holds out of order");
		return inside_break(c, &why, e);
	}
	if (!grow(h, h->pub.count + in->hold_count))
		return no_memory(e);
	for (size_t i = 0; i < in->hold_count; i++) {
		if (!copy_hold(&h->arena, &in->holds[i], &h->items[h->pub.count]))
			return no_memory(e);
		h->pub.count++;
	}
	return true;
}

bool
relto_holds(struct relto_connection *c, struct relto_holds **out, struct relto_error *e)
{
	uint8_t next[RELTO_ID_BYTES];
	struct msg m = { .type = MSG_HOLDS };
	if (!knows_holds(c, e))
		return false;
	struct held_list *h = calloc(1, sizeof(*h));
	if (h == NULL)
		return no_memory(e);
	arena_init(&h->arena, HOLDS_BYTES);
	m.holds.count = HOLDS_A_PAGE;
	bool ok = true, more = true;
	while (ok && more) {
		struct inside_message *page = NULL;
		m.request = 0;
		ok = inside_ask(c, &m, MSG_HOLD_LIST, &page, e) &&
		     add_page(c, h, &page->msg.hold_list, e);
		more = ok && page->msg.hold_list.next.len > 0;
		if (more)
			memcpy(next, page->msg.hold_list.next.data, sizeof(next));
		m.holds.from = bytes_from(next, more ? sizeof(next) : 0);
		inside_message_free(page);
	}
	if (ok)
		*out = &h->pub;
	else
		relto_holds_free(&h->pub);
	return ok;
}

bool
relto_decide(struct relto_connection *c, const struct relto_answer_to_hold *answer,
    struct relto_decided *out, struct relto_error *e)
{
	struct msg m = { .type = MSG_DECIDE };
	SCOPED(inside_message_free) struct inside_message *got = NULL;
	if (!knows_holds(c, e))
		return false;
	m.decide.hold = bytes_from(answer->hold, RELTO_ID_BYTES);
	m.decide.portions = (struct msg_u32s){ answer->portions, answer->portion_count };
	m.decide.answer = answer->approve ? MSG_APPROVE : MSG_REJECT;
	m.decide.because = bytes_of(answer->because == NULL ? "" : answer->because);
	if (!inside_ask(c, &m, MSG_DECIDED, &got, e) ||
	    !inside_is_about(c, got->msg.decided.hold, answer->hold, e))
		return false;
	if (out != NULL) {
		const struct msg_u32s *p = &got->msg.decided.portions;
		out->portion_count = p->count;
		for (size_t i = 0; i < p->count; i++)
			out->portions[i] = p->items[i];
	}
	return true;
}
