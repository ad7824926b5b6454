#include "client/lists.h"
#include "client/inside.h"

#include <stdlib.h>

enum { LIST_BYTES = 64 << 20 };

/* A list that grows page by page, in an arena of its own. */
struct listing {
	struct arena arena;
	void *items;
	size_t count, room, item;
};

static bool
no_memory(struct relto_error *e)
{
	return inside_failf(e, ERR_NOMEM, "list");
}

static bool
grow(struct listing *l, size_t more)
{
	if (l->count + more <= l->room)
		return true;
	size_t room = 2 * (l->count + more);
	void *items = arena_zalloc(&l->arena, room, l->item);
	if (items == NULL)
		return false;
	if (l->count > 0)
		memcpy(items, l->items, l->count * l->item);
	l->items = items;
	l->room = room;
	return true;
}

/* These messages came with version 2. */
static bool
knows(const struct relto_connection *c, enum msg_type type, struct relto_error *e)
{
	return c->version >= msg_since(type) ||
	       inside_failf(e, ERR_VERSION, "this broker does not know this: it is too old");
}

/* ---- subscriptions ---- */

struct subscriptions {
	struct lists_subscriptions pub;
	struct listing list;
};

void
lists_subscriptions_free(struct lists_subscriptions *x)
{
	if (x == NULL)
		return;
	arena_done(&((struct subscriptions *)x)->list.arena);
	free(x);
}

static bool
add_subscriptions(struct subscriptions *s, const struct msg_subscription_list *in)
{
	if (!grow(&s->list, in->subscription_count))
		return false;
	struct lists_subscription *items = s->list.items;
	for (size_t i = 0; i < in->subscription_count; i++) {
		const struct msg_subscription *from = &in->subscriptions[i];
		struct lists_subscription *to = &items[s->list.count++];
		*to = (struct lists_subscription){ inside_text(&s->list.arena, from->name),
			inside_text(&s->list.arena, from->topic), from->mode == MODE_EXERCISE,
			from->waiting };
		if (to->name == NULL || to->topic == NULL)
			return false;
	}
	s->pub.items = items;
	s->pub.count = s->list.count;
	return true;
}

bool
lists_subscriptions(struct relto_connection *c, const char *party, struct lists_subscriptions **out,
    struct relto_error *e)
{
	struct msg m = { .type = MSG_SUBSCRIPTIONS };
	if (!knows(c, MSG_SUBSCRIPTIONS, e))
		return false;
	struct subscriptions *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return no_memory(e);
	arena_init(&s->list.arena, LIST_BYTES);
	s->list.item = sizeof(struct lists_subscription);
	m.subscriptions.act = MSG_SUBSCRIPTION_LIST_THEM;
	m.subscriptions.party = bytes_of(party == NULL ? "" : party);
	bool ok = true, more = true;
	while (ok && more) {
		SCOPED(inside_message_free) struct inside_message *page = NULL;
		m.request = 0;
		ok = inside_ask(c, &m, MSG_SUBSCRIPTION_LIST, &page, e) &&
		     (add_subscriptions(s, &page->msg.subscription_list) || no_memory(e));
		more = ok && page->msg.subscription_list.more &&
		       page->msg.subscription_list.subscription_count > 0;
		m.subscriptions.from = (uint32_t)s->list.count;
	}
	if (ok)
		*out = &s->pub;
	else
		lists_subscriptions_free(&s->pub);
	return ok;
}

bool
lists_unsubscribe(
    struct relto_connection *c, const char *name, bool exercise, struct relto_error *e)
{
	struct msg m = { .type = MSG_SUBSCRIPTIONS };
	SCOPED(inside_message_free) struct inside_message *answer = NULL;
	if (!knows(c, MSG_SUBSCRIPTIONS, e))
		return false;
	m.subscriptions.act = MSG_SUBSCRIPTION_DELETE;
	m.subscriptions.name = bytes_of(name);
	m.subscriptions.exercise = exercise;
	return inside_ask(c, &m, MSG_PONG, &answer, e);
}

/* ---- dead letters ---- */

struct letters {
	struct lists_letters pub;
	struct listing list;
};

void
lists_letters_free(struct lists_letters *x)
{
	if (x == NULL)
		return;
	arena_done(&((struct letters *)x)->list.arena);
	free(x);
}

static bool
add_letters(struct letters *l, const struct msg_dead_letter_list *in)
{
	struct arena *a = &l->list.arena;
	if (!grow(&l->list, in->letter_count))
		return false;
	struct lists_letter *items = l->list.items;
	for (size_t i = 0; i < in->letter_count; i++) {
		const struct msg_dead_letter *from = &in->letters[i];
		struct lists_letter *to = &items[l->list.count++];
		*to = (struct lists_letter){ .party = inside_text(a, from->party),
			.publisher = inside_text(a, from->publisher),
			.subscription = inside_text(a, from->subscription),
			.reason = inside_text(a, from->reason),
			.has_report = from->report.len > 0,
			.exercise = from->mode == MODE_EXERCISE,
			.precedence = (enum relto_precedence)from->precedence,
			.attempts = from->attempts,
			.time_us = from->time };
		if (to->has_report)
			memcpy(to->report, from->report.data, sizeof(to->report));
		if (to->party == NULL || to->publisher == NULL || to->subscription == NULL ||
		    to->reason == NULL)
			return false;
	}
	l->pub.items = items;
	l->pub.count = l->list.count;
	return true;
}

bool
lists_letters(struct relto_connection *c, bool all, const char *party, struct lists_letters **out,
    struct relto_error *e)
{
	struct msg m = { .type = MSG_DEAD_LETTERS };
	if (!knows(c, MSG_DEAD_LETTERS, e))
		return false;
	struct letters *l = calloc(1, sizeof(*l));
	if (l == NULL)
		return no_memory(e);
	arena_init(&l->list.arena, LIST_BYTES);
	l->list.item = sizeof(struct lists_letter);
	m.dead_letters = (struct msg_dead_letters){
		.act = MSG_DEAD_LIST, .all = all, .party = bytes_of(party == NULL ? "" : party)
	};
	bool ok = true, more = true;
	while (ok && more) {
		SCOPED(inside_message_free) struct inside_message *page = NULL;
		m.request = 0;
		ok = inside_ask(c, &m, MSG_DEAD_LETTER_LIST, &page, e) &&
		     (add_letters(l, &page->msg.dead_letter_list) || no_memory(e));
		more = ok && page->msg.dead_letter_list.next != 0 &&
		       page->msg.dead_letter_list.letter_count > 0;
		m.dead_letters.from = ok ? page->msg.dead_letter_list.next : 0;
	}
	if (ok)
		*out = &l->pub;
	else
		lists_letters_free(&l->pub);
	return ok;
}
