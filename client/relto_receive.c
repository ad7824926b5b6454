#include "client/inside.h"

#include "client/judge.h"
#include "proto/syntax.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { ACKS_AGE_MS = 1000 }; /* far below any ack-wait */

/* What the broker allows.  Less lets a few reports that cannot be acknowledged block all others. */
static uint32_t
most_credit(const struct relto_connection *c)
{
	return c->limits.credit < LIMIT_CREDIT ? c->limits.credit : LIMIT_CREDIT;
}

bool
relto_subscribe(struct relto_connection *c, const struct relto_subscription_request *wanted,
    struct relto_subscription *out, struct relto_error *e)
{
	struct err why;
	struct msg m = { .type = MSG_SUBSCRIBE };
	struct msg_subscribe *s = &m.subscribe;
	s->name = bytes_of(wanted->name == NULL ? "inbox" : wanted->name);
	s->topic = bytes_of(wanted->topic);
	s->mode = wanted->exercise ? MODE_EXERCISE : MODE_LIVE;
	s->credit = wanted->credit == 0 ? most_credit(c) : wanted->credit;
	s->from_start = wanted->from_start;
	if (!syntax_name(s->name, &why) || (s->topic.len != 0 && !syntax_pattern(s->topic, &why))) {
		(void)err_wrap(&why, "subscription");
		why.code = ERR_USAGE;
		return inside_fail(e, &why);
	}
	SCOPED(inside_message_free) struct inside_message *answer = NULL;
	if (!inside_ask(c, &m, MSG_SUBSCRIBED, &answer, e))
		return false;
	const struct msg_subscribed *got = &answer->msg.subscribed;
	if (out == NULL)
		return true;
	*out = (struct relto_subscription){ .number = got->subscription,
		.exercise = got->mode == MODE_EXERCISE,
		.created = got->created,
		.credit = got->credit };
	(void)snprintf(
	    out->name, sizeof(out->name), "%.*s", (int)got->name.len, (const char *)got->name.data);
	(void)snprintf(out->topic, sizeof(out->topic), "%.*s", (int)got->topic.len,
	    (const char *)got->topic.data);
	return true;
}

/* ---- deliveries ---- */

/* Lives in the arena of the message that it came in. */
struct held_delivery {
	struct relto_delivery pub;
	struct inside_message *message;
};

void
relto_delivery_free(struct relto_delivery *d)
{
	if (d != NULL)
		inside_message_free(((struct held_delivery *)d)->message);
}

static bool
show_label(struct arena *a, const struct raw_label *in, struct relto_label *out)
{
	struct relto_category *c = arena_zalloc(a, in->category_count, sizeof(*c));
	if (c == NULL)
		return false;
	for (size_t i = 0; i < in->category_count; i++) {
		c[i].name = inside_text(a, in->categories[i].name);
		if (c[i].name == NULL || !inside_texts(a, &in->categories[i].values, &c[i].values))
			return false;
	}
	*out = (struct relto_label){ inside_text(a, in->vocabulary),
		inside_text(a, in->classification), c, in->category_count };
	return out->vocabulary != NULL && out->classification != NULL;
}

static bool
show_portion(struct arena *a, const struct envelope_portion *in, struct relto_received *out)
{
	struct relto_label *labels = arena_zalloc(a, in->label_count, sizeof(*labels));
	if (labels == NULL)
		return false;
	for (size_t i = 0; i < in->label_count; i++)
		if (!show_label(a, &in->labels[i], &labels[i]))
			return false;
	out->portion =
	    (struct relto_portion){ labels, in->label_count, inside_text(a, in->content_type),
		    inside_text(a, in->title), { in->content.data, in->content.len } };
	out->order = in->order;
	out->head = (struct relto_bytes){ in->head_bytes.data, in->head_bytes.len };
	out->body = (struct relto_bytes){ in->body_bytes.data, in->body_bytes.len };
	return out->portion.content_type != NULL && out->portion.title != NULL;
}

/* The contents: only of a report that may be shown. */
static bool
show(struct arena *a, const struct envelope *v, struct relto_delivery *d)
{
	struct relto_received *p = arena_zalloc(a, v->portion_count, sizeof(*p));
	if (p == NULL)
		return false;
	for (size_t i = 0; i < v->portion_count; i++)
		if (!show_portion(a, &v->portions[i], &p[i]))
			return false;
	d->portions = p;
	d->portion_count = v->portion_count;
	d->manifest = (struct relto_bytes){ v->manifest_bytes.data, v->manifest_bytes.len };
	d->seal = (struct relto_bytes){ v->seal_bytes.data, v->seal_bytes.len };
	d->notice = (struct relto_bytes){ v->notice_bytes.data, v->notice_bytes.len };
	return true;
}

/* What stands on the envelope, shown even when it does not verify: it is what is complained of. */
static bool
describe(struct arena *a, const struct envelope *v, struct relto_delivery *d)
{
	const struct envelope_manifest *m = &v->manifest;
	memcpy(d->id, m->id.data, sizeof(d->id));
	d->originator = inside_text(a, m->originator);
	d->topic = inside_text(a, m->topic);
	d->precedence = (enum relto_precedence)m->precedence;
	d->exercise = m->mode == MODE_EXERCISE;
	d->created = m->created;
	d->not_before = m->not_before;
	d->expires = m->expires;
	return d->originator != NULL && d->topic != NULL;
}

static void
frame_of(const struct msg_deliver *in, struct relto_delivery *d)
{
	d->subscription = in->subscription;
	d->number = in->delivery;
	d->attempt = in->attempt;
	d->accepted_us = in->accepted;
	d->evidence.party_index = in->evidence.party_index;
	memcpy(d->evidence.leaf_hash, in->evidence.leaf_hash.data, sizeof(d->evidence.leaf_hash));
	d->originator = d->topic = d->party = "";
}

static bool
may_show(const struct relto_context *ctx, enum relto_trust trust)
{
	return trust == RELTO_VERIFIED || (trust == RELTO_UNPINNED && ctx->show_unverified);
}

static bool
make_delivery(
    struct relto_connection *c, struct inside_message *m, struct relto_delivery *d, struct err *e)
{
	struct arena *a = &m->arena;
	const struct msg_deliver *in = &m->msg.deliver;
	struct judge_found found;
	struct envelope v;
	frame_of(in, d);
	if (!inside_texts(a, &in->agreements, &d->agreements))
		return err_set(e, ERR_NOMEM, "delivery");
	if (!judge_delivery(c, in, a, &v, &found, e))
		return false;
	d->trust = found.trust;
	d->why = inside_text(a, bytes_of(found.why));
	if (d->why == NULL)
		return err_set(e, ERR_NOMEM, "delivery");
	if (!found.readable)
		return true;
	if (!describe(a, &v, d) || (may_show(c->ctx, d->trust) && !show(a, &v, d)))
		return err_set(e, ERR_NOMEM, "delivery");
	if (found.party != NULL)
		d->party = found.party;
	struct inside_proof proof = { "delivery", v.manifest.id, 0, &in->evidence };
	return inside_heads_evidence(c, &proof, e) && judge_chain(c, in, a, d, e);
}

static bool
wait_for_delivery(struct relto_connection *c, int timeout_ms, struct relto_error *e)
{
	int64_t deadline = timeout_ms == 0 ? 0 : link_deadline(timeout_ms);
	bool old = c->ack_count > 0 && link_now() - c->ack_since_ms >= ACKS_AGE_MS;
	if (old && !inside_acks_flush(c, e))
		return false;
	while (STAILQ_EMPTY(&c->deliveries)) {
		bool came;
		/* before it waits: the broker may wait for these */
		if (!inside_acks_flush(c, e) || !inside_turn(c, deadline, &came, e))
			return false;
		if (!came && link_now() >= deadline)
			return inside_failf(e, ERR_TIMEOUT, "nothing came in %d ms", timeout_ms);
	}
	return true;
}

bool
relto_next(
    struct relto_connection *c, int timeout_ms, struct relto_delivery **out, struct relto_error *e)
{
	struct err why;
	if (!wait_for_delivery(c, timeout_ms, e))
		return false;
	struct inside_message *m = STAILQ_FIRST(&c->deliveries);
	STAILQ_REMOVE_HEAD(&c->deliveries, next);
	struct held_delivery *h = arena_zalloc(&m->arena, 1, sizeof(*h));
	if (h == NULL || !make_delivery(c, m, &h->pub, &why)) {
		inside_message_free(m);
		return h == NULL ? inside_failf(e, ERR_NOMEM, "delivery") : inside_fail(e, &why);
	}
	h->message = m;
	*out = &h->pub;
	return true;
}

/* ---- acknowledging ---- */

static struct msg
ack_of(const struct relto_delivery *d)
{
	struct msg m = { .type = MSG_ACK };
	m.ack.subscription = d->subscription;
	m.ack.deliveries = (struct msg_u64s){ &d->number, 1 };
	return m;
}

bool
relto_ack(struct relto_connection *c, const struct relto_delivery *d, struct relto_error *e)
{
	struct msg m = ack_of(d);
	SCOPED(inside_message_free) struct inside_message *answer = NULL;
	return inside_ask(c, &m, MSG_PONG, &answer, e);
}

static int
by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* Ascending, and each once: a report that came again has its old number. */
static size_t
in_order(uint64_t *numbers, size_t count)
{
	size_t kept = 0;
	qsort(numbers, count, sizeof(*numbers), by_number);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || numbers[kept - 1] != numbers[i])
			numbers[kept++] = numbers[i];
	return kept;
}

bool
inside_acks_flush(struct relto_connection *c, struct relto_error *e)
{
	if (c->ack_count == 0)
		return true;
	struct msg m = { .type = MSG_ACK };
	m.ack.subscription = c->ack_subscription;
	m.ack.deliveries = (struct msg_u64s){ c->acks, in_order(c->acks, c->ack_count) };
	c->ack_count = 0;
	c->last_ack = c->last_request + 1; /* the answer may come while we send */
	if (inside_send(c, &m, 0, e))
		return true;
	c->last_ack = 0;
	return false;
}

bool
relto_ack_later(struct relto_connection *c, const struct relto_delivery *d, struct relto_error *e)
{
	if (c->ack_subscription != d->subscription && !inside_acks_flush(c, e))
		return false;
	if (c->ack_count == 0)
		c->ack_since_ms = link_now();
	c->ack_subscription = d->subscription;
	c->acks[c->ack_count++] = d->number;
	return (c->ack_count < INSIDE_ACKS && link_now() - c->ack_since_ms < ACKS_AGE_MS) ||
	       inside_acks_flush(c, e);
}

bool
relto_settle(struct relto_connection *c, struct relto_error *e)
{
	int64_t deadline = link_deadline(c->ctx->timeout_ms);
	if (!inside_acks_flush(c, e))
		return false;
	while (c->last_ack != 0) {
		bool came;
		if (!inside_turn(c, deadline, &came, e))
			return false;
		if (!came && link_now() >= deadline)
			return inside_failf(e, ERR_TIMEOUT, "acknowledgements are not answered");
	}
	if (c->refused_ack.code[0] == 0)
		return true;
	if (e != NULL)
		*e = c->refused_ack;
	c->refused_ack.code[0] = 0;
	return false;
}

/* One round of relto_run; *on says whether to go on. */
static bool
run_one(struct relto_connection *c, const struct relto_handler *h, bool *on, struct relto_error *e)
{
	struct relto_delivery *d = NULL;
	struct relto_error why;
	bool ack = false, ok = true;
	*on = false;
	if (!relto_next(c, h->idle_ms, &d, &why)) {
		if (strcmp(why.code, err_token(ERR_TIMEOUT)) == 0)
			return true;
		if (e != NULL)
			*e = why;
		return false;
	}
	assert(d != NULL);
	*on = h->handle(h->arg, d, &ack);
	if (ack)
		ok = relto_ack_later(c, d, e);
	relto_delivery_free(d);
	return ok;
}

bool
relto_run(struct relto_connection *c, const struct relto_handler *h, struct relto_error *e)
{
	bool on = true;
	for (uint64_t n = 0; on && (h->limit == 0 || n < h->limit); n++)
		if (!run_one(c, h, &on, e))
			return false;
	return relto_settle(c, e);
}
