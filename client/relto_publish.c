#include "client/inside.h"

#include <assert.h>
#include <stdlib.h>

enum { SEALS_BYTES = 1 << 20, RECEIPT_BYTES = 64 << 10 };

struct held_receipt {
	struct relto_receipt pub;
	struct arena arena;
};

void
relto_receipt_free(struct relto_receipt *r)
{
	if (r == NULL)
		return;
	arena_done(&((struct held_receipt *)r)->arena);
	free(r);
}

static bool
make_receipt(const struct msg_receipt *in, struct relto_receipt **out, struct relto_error *e)
{
	struct held_receipt *h = calloc(1, sizeof(*h));
	if (h == NULL)
		return inside_failf(e, ERR_NOMEM, "receipt");
	arena_init(&h->arena, RECEIPT_BYTES);
	struct relto_receipt *r = &h->pub;
	memcpy(r->id, in->report.data, sizeof(r->id));
	memcpy(r->evidence.leaf_hash, in->evidence.leaf_hash.data, sizeof(r->evidence.leaf_hash));
	r->evidence.party_index = in->evidence.party_index;
	r->index = in->index;
	r->accepted_us = in->accepted;
	r->released = in->released;
	r->redacted = in->redacted;
	r->held = in->held;
	r->withheld = in->withheld;
	r->again = in->again;
	r->unusable_count = in->unusable_count;
	if (!inside_unusable(&h->arena, in->unusable, in->unusable_count, &r->unusable)) {
		relto_receipt_free(r);
		return inside_failf(e, ERR_NOMEM, "receipt");
	}
	*out = r;
	return true;
}

/* ---- on their way ---- */

static void
set_ready(struct relto_connection *c, struct inside_pending *p)
{
	p->bytes = inside_bytes(&p->report);
	STAILQ_INSERT_TAIL(&c->ready, p, next);
	c->sent_count++;
}

static bool
has_room(const struct relto_connection *c, size_t bytes)
{
	return c->in_flight == 0 || (c->in_flight < c->limits.publish_window &&
					c->sent_bytes + bytes <= c->limits.publish_window_bytes);
}

static bool
send_one(struct relto_connection *c, struct inside_pending *p, struct relto_error *e)
{
	struct msg m = { .type = MSG_PUBLISH };
	m.publish = p->report;
	if (!inside_put(c, &m, p->lane, e))
		return false;
	STAILQ_REMOVE_HEAD(&c->ready, next);
	STAILQ_INSERT_TAIL(&c->sent, p, next);
	c->in_flight++;
	c->sent_bytes += p->bytes;
	p->request = m.request;
	return true;
}

bool
inside_pump(struct relto_connection *c, struct relto_error *e)
{
	struct inside_pending *p;
	while ((p = STAILQ_FIRST(&c->ready)) != NULL && c->line.state == LINE_UP &&
	       !c->line.leaving && has_room(c, p->bytes) && !inside_is_full(c))
		if (!send_one(c, p, e))
			return false;
	return true;
}

void
inside_unsend(struct relto_connection *c)
{
	struct inside_pending *p;
	STAILQ_FOREACH (p, &c->sent, next)
		p->request = 0;
	STAILQ_CONCAT(&c->sent, &c->ready); /* in the order in which they went */
	STAILQ_CONCAT(&c->ready, &c->sent);
	c->in_flight = c->sent_bytes = 0;
}

/* 'ok', or what ended the session does not end what is to be sent; else 'why' is the error. */
static bool
unless_lost(
    const struct relto_connection *c, bool ok, const struct relto_error *why, struct relto_error *e)
{
	if (ok || (c->failed.code[0] != 0 && inside_goes_on(c)))
		return true;
	if (e != NULL)
		*e = *why;
	return false;
}

/* What the broker said to one report; false: it broke the protocol. */
static bool
read_answer(struct relto_connection *c, const struct inside_pending *p,
    struct relto_receipt **receipt, struct relto_error *refused, struct relto_error *e)
{
	const struct msg *m = &p->answer->msg;
	struct err why;
	if (m->type == MSG_RECEIPT)
		return inside_is_about(c, m->receipt.report, p->id, e) &&
		       make_receipt(&m->receipt, receipt, e);
	if (m->type == MSG_ERROR) {
		(void)inside_refused(refused, &m->error);
		return true;
	}
	(void)err_set(&why, ERR_PROTOCOL, "a report was answered with %s", msg_name(m->type));
	return inside_break(c, &why, e);
}

/* ---- one report ---- */

static bool
seal_one(struct relto_connection *c, struct inside_pending *p, struct relto_error *e)
{
	struct msg_publish *one = &p->report;
	struct envelope_batch b = { &one, 1, !c->ctx->batch };
	return inside_seal(c, &b, &p->arena, e);
}

/* The time begins when it was sent; a session that is lost then does not make it longer. */
static bool
await_one(struct relto_connection *c, struct inside_pending *p, struct relto_error *e)
{
	int64_t deadline = link_deadline(c->ctx->timeout_ms);
	bool sent = false;
	while (p->answer == NULL) {
		bool came;
		if (!inside_turn(c, deadline, &came, e))
			return false;
		if (!sent && p->request != 0) {
			sent = true;
			deadline = link_deadline(c->ctx->timeout_ms);
		} else if (!came && link_now() >= deadline) {
			return c->line.state == LINE_UP
				   ? inside_failf(
					 e, ERR_TIMEOUT, "no answer in %d ms", c->ctx->timeout_ms)
				   : inside_lost(c, e);
		}
	}
	return true;
}

/* It is nobody's any more: an answer that still comes is nobody's answer. */
static void
withdraw(struct relto_connection *c, struct inside_pending *p)
{
	if (p->answer != NULL) {
		STAILQ_REMOVE(&c->answered, p, inside_pending, next);
	} else if (p->request == 0) {
		STAILQ_REMOVE(&c->ready, p, inside_pending, next);
	} else {
		STAILQ_REMOVE(&c->sent, p, inside_pending, next);
		c->in_flight--;
		c->sent_bytes -= p->bytes;
	}
	c->sent_count--;
	inside_pending_free(p);
}

static bool
publish(struct relto_connection *c, const struct relto_report *report,
    const struct relto_notice *about, struct relto_receipt **receipt, struct relto_error *e)
{
	struct inside_pending *p = NULL;
	struct relto_error refused = { 0 };
	struct relto_receipt *got = NULL;
	if (!inside_up(c, e) || !inside_build(c, report, about, &p, e))
		return false;
	if (!seal_one(c, p, e)) {
		inside_pending_free(p);
		return false;
	}
	set_ready(c, p);
	bool ok = await_one(c, p, e) && read_answer(c, p, &got, &refused, e);
	withdraw(c, p);
	if (ok && got == NULL && e != NULL)
		*e = refused;
	if (got != NULL)
		*receipt = got;
	return got != NULL;
}

bool
relto_publish(struct relto_connection *c, const struct relto_report *report,
    struct relto_receipt **receipt, struct relto_error *e)
{
	return publish(c, report, NULL, receipt, e);
}

bool
relto_publish_about(struct relto_connection *c, const struct relto_report *report,
    const struct relto_notice *about, struct relto_receipt **receipt, struct relto_error *e)
{
	return publish(c, report, about, receipt, e);
}

/* ---- many at once ---- */

static bool
copy_seals(struct relto_connection *c, struct relto_error *e)
{
	struct err why;
	struct inside_pending *p;
	STAILQ_FOREACH (p, &c->unsent, next)
		if (!arena_copy(&p->arena, p->report.seal, &p->report.seal, &why))
			return inside_fail(e, &why);
	return true;
}

static bool
sign_all(struct relto_connection *c, struct arena *a, struct relto_error *e)
{
	struct msg_publish *reports[SEAL_BATCH_MAX];
	struct envelope_batch b = { reports, 0, !c->ctx->batch };
	struct inside_pending *p;
	STAILQ_FOREACH (p, &c->unsent, next) {
		reports[b.count++] = &p->report;
		if (b.single) {
			if (!inside_seal(c, &b, a, e))
				return false;
			b.count = 0;
		}
	}
	return b.single || inside_seal(c, &b, a, e);
}

/* All that gathered: ready to be sent, as often as it takes. */
static bool
seal_all(struct relto_connection *c, struct relto_error *e)
{
	SCOPED(arena_done) struct arena seals;
	arena_init(&seals, SEALS_BYTES);
	if (STAILQ_EMPTY(&c->unsent))
		return true;
	if (!sign_all(c, &seals, e) || !copy_seals(c, e))
		return false;
	while (!STAILQ_EMPTY(&c->unsent)) {
		struct inside_pending *p = STAILQ_FIRST(&c->unsent);
		STAILQ_REMOVE_HEAD(&c->unsent, next);
		set_ready(c, p);
	}
	c->unsent_count = 0;
	return true;
}

/* Until all that is ready is sent. */
static bool
send_all(struct relto_connection *c, struct relto_error *e)
{
	int64_t deadline = link_deadline(c->ctx->timeout_ms);
	struct relto_error why;
	for (;;) {
		bool came;
		if (!inside_up(c, e) || !unless_lost(c, inside_pump(c, &why), &why, e))
			return false;
		if (STAILQ_EMPTY(&c->ready))
			return unless_lost(c, inside_push(c, &why), &why, e);
		if (!inside_turn(c, deadline, &came, e))
			return false;
		if (came)
			deadline = link_deadline(c->ctx->timeout_ms);
		else if (link_now() >= deadline)
			return inside_failf(e, ERR_TIMEOUT, "the publish window stays full");
	}
}

bool
relto_flush(struct relto_connection *c, struct relto_error *e)
{
	return seal_all(c, e) && (STAILQ_EMPTY(&c->ready) || send_all(c, e));
}

bool
relto_submit(struct relto_connection *c, const struct relto_report *report, void *cookie,
    struct relto_error *e)
{
	struct inside_pending *p = NULL;
	if (c->unsent_count >= SEAL_BATCH_MAX && !relto_flush(c, e))
		return false;
	if (!inside_build(c, report, NULL, &p, e))
		return false;
	assert(p != NULL);
	p->cookie = cookie;
	STAILQ_INSERT_TAIL(&c->unsent, p, next);
	c->unsent_count++;
	return true;
}

size_t
relto_unanswered(const struct relto_connection *c)
{
	return c->unsent_count + c->sent_count;
}

static bool
wait_for_answer(struct relto_connection *c, int timeout_ms, struct relto_error *e)
{
	int64_t deadline = link_deadline(timeout_ms);
	while (STAILQ_EMPTY(&c->answered)) {
		bool came;
		if (!inside_turn(c, deadline, &came, e))
			return false;
		if (!came && link_now() >= deadline)
			return inside_failf(e, ERR_TIMEOUT, "no answer in %d ms", timeout_ms);
	}
	return true;
}

bool
relto_answer(
    struct relto_connection *c, int timeout_ms, struct relto_answer *out, struct relto_error *e)
{
	if (relto_unanswered(c) == 0)
		return inside_failf(e, ERR_USAGE, "nothing is unanswered");
	if (!seal_all(c, e) || !wait_for_answer(c, timeout_ms, e))
		return false;
	struct inside_pending *p = STAILQ_FIRST(&c->answered);
	struct relto_answer a = { .cookie = p->cookie };
	memcpy(a.id, p->id, sizeof(a.id));
	if (!read_answer(c, p, &a.receipt, &a.error, e))
		return false;
	withdraw(c, p);
	*out = a;
	return true;
}
