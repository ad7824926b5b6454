#include "client/inside.h"

#include "client/judge.h"
#include "proto/syntax.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { ACKS_AGE_MS = 1000 }; /* far below any ack-wait */

/* The place of the subscription that has this number in this session, or the next free one. */
static size_t
place_of(const struct relto_connection *c, uint32_t number)
{
	size_t i = 0;
	while (i < c->subscription_count && c->subscriptions[i].number != number)
		i++;
	return i;
}

/* The mode of a subscription is the client's to watch, too: DESIGN S11. */
static bool
remember(struct relto_connection *c, const struct inside_subscription *wanted,
    const struct msg_subscribed *got, size_t *place, struct err *e)
{
	size_t i = place_of(c, got->subscription);
	if (got->mode != wanted->mode)
		return err_set(e, ERR_PROTOCOL, "the broker subscribed to the other mode");
	if (i == INSIDE_SUBSCRIPTIONS)
		return err_set(e, ERR_LIMIT, "a connection has %d subscriptions", (int)i);
	c->subscriptions[i] = *wanted;
	c->subscriptions[i].number = got->subscription;
	c->subscription_count += i == c->subscription_count;
	*place = i;
	return true;
}

static bool
can_prove(const struct relto_connection *c, struct relto_error *e)
{
	if (!c->ctx->has_log)
		return inside_failf(
		    e, ERR_CONFIG, "proofs need the log's key: it is the log-key of the context");
	return c->version >= 2 ||
	       inside_failf(e, ERR_VERSION, "this broker gives no proofs: it is too old");
}

/* What is wanted, as it is said again in every session. */
static bool
read_request(const struct relto_subscription_request *in, struct inside_subscription *out,
    struct relto_error *e)
{
	struct err why;
	struct bytes name = bytes_of(in->name == NULL ? "inbox" : in->name),
		     topic = bytes_of(in->topic);
	*out = (struct inside_subscription){ .credit = in->credit,
		.mode = in->exercise ? MODE_EXERCISE : MODE_LIVE,
		.proof = in->proof };
	if (!syntax_name(name, &why) || (topic.len != 0 && !syntax_pattern(topic, &why))) {
		(void)err_wrap(&why, "subscription");
		why.code = ERR_USAGE;
		return inside_fail(e, &why);
	}
	(void)snprintf(
	    out->name, sizeof(out->name), "%.*s", (int)name.len, (const char *)name.data);
	(void)snprintf(
	    out->topic, sizeof(out->topic), "%.*s", (int)topic.len, (const char *)topic.data);
	return true;
}

static void
describe_subscription(
    const struct msg_subscribed *got, size_t place, struct relto_subscription *out)
{
	*out = (struct relto_subscription){ .number = (uint32_t)place + 1,
		.exercise = got->mode == MODE_EXERCISE,
		.created = got->created,
		.credit = got->credit };
	(void)snprintf(
	    out->name, sizeof(out->name), "%.*s", (int)got->name.len, (const char *)got->name.data);
	(void)snprintf(out->topic, sizeof(out->topic), "%.*s", (int)got->topic.len,
	    (const char *)got->topic.data);
}

bool
relto_subscribe(struct relto_connection *c, const struct relto_subscription_request *wanted,
    struct relto_subscription *out, struct relto_error *e)
{
	struct err why;
	struct inside_subscription s;
	struct msg m = { .type = MSG_SUBSCRIBE };
	size_t place = 0;
	if (!read_request(wanted, &s, e) || !inside_up(c, e) || (s.proof && !can_prove(c, e)))
		return false;
	m.subscribe = inside_subscribe(c, &s);
	m.subscribe.from_start = wanted->from_start;
	SCOPED(inside_message_free) struct inside_message *answer = NULL;
	if (!inside_ask(c, &m, MSG_SUBSCRIBED, &answer, e))
		return false;
	const struct msg_subscribed *got = &answer->msg.subscribed;
	if (!remember(c, &s, got, &place, &why))
		return inside_fail(e, &why);
	if (out != NULL)
		describe_subscription(got, place, out);
	return true;
}

/* ---- deliveries ---- */

/* Lives in the arena of the message that it came in. */
struct held_delivery {
	struct relto_delivery pub;
	struct inside_message *message;
	uint64_t losses; /* of the connection when it came: its number is good up to the next one */
	uint8_t key[32]; /* what it is, in every session */
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
	d->about.code = "";
	if (!v->has_notice)
		return true;
	d->about.act = (enum relto_act)v->notice.act;
	memcpy(d->about.report, v->notice.report.data, sizeof(d->about.report));
	d->about.code = inside_text(a, v->notice.reason);
	return d->about.code != NULL;
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
frame_of(const struct relto_connection *c, const struct msg_deliver *in, struct relto_delivery *d)
{
	size_t place = place_of(c, in->subscription);
	d->subscription = place == c->subscription_count ? 0 : (uint32_t)place + 1;
	d->number = in->delivery;
	d->attempt = in->attempt;
	d->accepted_us = in->accepted;
	d->evidence.party_index = in->evidence.party_index;
	memcpy(d->evidence.leaf_hash, in->evidence.leaf_hash.data, sizeof(d->evidence.leaf_hash));
	d->originator = d->topic = d->party = "";
}

static bool
wants_proof(const struct relto_connection *c, uint32_t subscription)
{
	size_t place = place_of(c, subscription);
	return place < c->subscription_count && c->subscriptions[place].proof;
}

/* The proof that was asked for, or the alarm: without one nothing of the report is shown. */
static bool
take_proof(struct relto_connection *c, struct inside_message *m, const struct envelope *v,
    struct relto_delivery *d, struct err *e)
{
	struct err why = { 0 };
	struct bytes file;
	const struct msg_deliver *in = &m->msg.deliver;
	if (inside_receipt_delivery(c, in, v, &m->arena, &why)) {
		if (!inside_receipt_file(&m->arena, &in->proof, in->checkpoint, &file, e))
			return false;
		d->proof = (struct relto_bytes){ file.data, file.len };
		return true;
	}
	if (why.code != ERR_UNVERIFIED)
		return err_set(e, why.code, "%s", why.text);
	d->unproved = true;
	d->trust = RELTO_BAD;
	d->why = inside_text(&m->arena, bytes_of(why.text));
	return d->why != NULL || err_set(e, ERR_NOMEM, "delivery");
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
	frame_of(c, in, d);
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
	if (wants_proof(c, in->subscription) && !take_proof(c, m, &v, d, e))
		return false;
	if (!describe(a, &v, d) || (may_show(c->ctx, d->trust) && !show(a, &v, d)))
		return err_set(e, ERR_NOMEM, "delivery");
	if (found.party != NULL)
		d->party = found.party;
	/* of a recall the evidence is the RECALL record, which is about the report recalled */
	bool recall = v.has_notice && v.notice.act == ENVELOPE_RECALL;
	struct inside_proof proof = { "delivery", recall ? v.notice.report : v.manifest.id, 0,
		&in->evidence };
	return inside_heads_evidence(c, &proof, e) && judge_chain(c, in, a, d, e);
}

static bool
wait_for_delivery(
    struct relto_connection *c, int64_t deadline, int timeout_ms, struct relto_error *e)
{
	bool old = c->ack_count > 0 && link_now() - c->ack_since_ms >= ACKS_AGE_MS;
	if (old && !inside_acks_flush(c, e))
		return false;
	while (STAILQ_EMPTY(&c->deliveries)) {
		bool came;
		/* before it waits: the broker may wait for these */
		if (!inside_acks_flush(c, e) || !inside_turn(c, deadline, &came, e))
			return false;
		if (!came && STAILQ_EMPTY(&c->deliveries) && link_now() >= deadline)
			return inside_failf(e, ERR_TIMEOUT, "nothing came in %d ms", timeout_ms);
	}
	return true;
}

/* The DELIVERY record, the manifest and the heads, which commit to the bodies: the same delivery in
 * any session. */
static bool
key_of(struct relto_connection *c, const struct msg_deliver *in, uint8_t key[32], struct err *e)
{
	sha256_begin(&c->hash);
	sha256_add(&c->hash, in->evidence.leaf_hash);
	sha256_add(&c->hash, in->manifest);
	for (size_t i = 0; i < in->portion_count; i++)
		sha256_add(&c->hash, in->portions[i].head);
	return sha256_end(&c->hash, key, e);
}

static struct held_delivery *
hold_delivery(struct relto_connection *c, struct inside_message *m, struct relto_error *e)
{
	struct err why;
	struct held_delivery *h = arena_zalloc(&m->arena, 1, sizeof(*h));
	if (h == NULL || !key_of(c, &m->msg.deliver, h->key, &why) ||
	    !make_delivery(c, m, &h->pub, &why)) {
		inside_message_free(m);
		(void)(h == NULL ? inside_failf(e, ERR_NOMEM, "delivery") : inside_fail(e, &why));
		return NULL;
	}
	h->message = m;
	h->losses = c->line.losses;
	return h;
}

bool
relto_next(
    struct relto_connection *c, int timeout_ms, struct relto_delivery **out, struct relto_error *e)
{
	int64_t deadline = timeout_ms == 0 ? 0 : link_deadline(timeout_ms);
	for (;;) {
		if (!wait_for_delivery(c, deadline, timeout_ms, e))
			return false;
		struct inside_message *m = STAILQ_FIRST(&c->deliveries);
		STAILQ_REMOVE_HEAD(&c->deliveries, next);
		struct held_delivery *h = hold_delivery(c, m, e);
		if (h == NULL)
			return false;
		*out = &h->pub;
		if (!inside_told_take(c, h->key))
			return true;
		bool ok = relto_ack_later(c, *out, e); /* as it was, before the session was lost */
		relto_delivery_free(*out);
		if (!ok)
			return false;
	}
}

/* ---- acknowledging ---- */

/* Its number means nothing any more, or another one. */
static bool
is_stale(const struct relto_connection *c, const struct relto_delivery *d)
{
	return ((const struct held_delivery *)d)->losses != c->line.losses;
}

static const uint8_t *
key_in(const struct relto_delivery *d)
{
	return ((const struct held_delivery *)d)->key;
}

static bool
has_subscription(
    const struct relto_connection *c, const struct relto_delivery *d, struct relto_error *e)
{
	return (d->subscription > 0 && d->subscription <= c->subscription_count) ||
	       inside_failf(e, ERR_USAGE, "it came on no subscription of this session");
}

static bool
ack_now(struct relto_connection *c, const struct relto_delivery *d, struct relto_error *e)
{
	SCOPED(inside_message_free) struct inside_message *answer = NULL;
	struct msg m = { .type = MSG_ACK };
	m.ack.subscription = c->subscriptions[d->subscription - 1].number;
	m.ack.deliveries = (struct msg_u64s){ &d->number, 1 };
	inside_told_add(c, key_in(d), c->last_request + 1);
	if (!inside_start_here(c, &m, 0, e))
		return false;
	bool answered = inside_expect(c, MSG_PONG, &answer, e);
	if (answered)
		inside_told_settle(c, m.request);
	return answered;
}

bool
relto_ack(struct relto_connection *c, const struct relto_delivery *d, struct relto_error *e)
{
	if (!has_subscription(c, d, e) || !inside_line(c, 0, e))
		return false;
	if (is_stale(c, d) || c->line.state != LINE_UP) {
		inside_told_add(c, key_in(d), INSIDE_TOLD_LOST);
		return inside_lost(c, e);
	}
	bool ok = ack_now(c, d, e);
	inside_forget(c);
	return ok;
}

bool
relto_nack(struct relto_connection *c, const struct relto_delivery *d, uint64_t delay_ms,
    struct relto_error *e)
{
	SCOPED(inside_message_free) struct inside_message *answer = NULL;
	struct msg m = { .type = MSG_NACK };
	if (delay_ms > LIMIT_NACK_DELAY_MS)
		return inside_failf(e, ERR_USAGE, "a delay of at most a day");
	if (c->version < msg_since(MSG_NACK))
		return inside_failf(
		    e, ERR_VERSION, "this broker takes nothing back: it is too old");
	if (!has_subscription(c, d, e) || !inside_line(c, 0, e))
		return false;
	if (is_stale(c, d) || c->line.state != LINE_UP)
		return inside_lost(c, e);
	m.nack.subscription = c->subscriptions[d->subscription - 1].number;
	m.nack.deliveries = (struct msg_u64s){ &d->number, 1 };
	m.nack.delay_ms = (uint32_t)delay_ms;
	bool ok = inside_acks_flush(c, e) && inside_start_here(c, &m, 0, e) &&
		  inside_expect(c, MSG_PONG, &answer, e);
	if (ok) /* as it came before that: it was given back, too */
		inside_unqueue(c, m.nack.subscription, d->number);
	inside_forget(c);
	return ok;
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
	struct relto_error why;
	if (c->ack_count == 0)
		return true;
	struct msg m = { .type = MSG_ACK };
	m.ack.subscription = c->subscriptions[c->ack_subscription - 1].number;
	m.ack.deliveries = (struct msg_u64s){ c->acks, in_order(c->acks, c->ack_count) };
	c->ack_count = 0;
	if (!inside_put(c, &m, 0, &why)) {
		if (c->failed.code[0] != 0 && inside_goes_on(c))
			return true; /* what was not told comes again */
		if (e != NULL)
			*e = why;
		return false;
	}
	c->last_ack = m.request;
	inside_told_sent(c, m.request);
	return true;
}

bool
relto_ack_later(struct relto_connection *c, const struct relto_delivery *d, struct relto_error *e)
{
	if (!has_subscription(c, d, e))
		return false;
	inside_told_add(c, key_in(d), is_stale(c, d) ? INSIDE_TOLD_LOST : 0);
	if (is_stale(c, d))
		return true;
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
	uint64_t losses = c->line.losses;
	if (!inside_acks_flush(c, e))
		return false;
	while (c->last_ack != 0) {
		bool came;
		if (!inside_turn(c, deadline, &came, e))
			return false;
		if (c->line.losses != losses)
			return inside_lost(c, e);
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
