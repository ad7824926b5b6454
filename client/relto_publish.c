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

bool
relto_publish(struct relto_connection *c, const struct relto_report *report,
    struct relto_receipt **receipt, struct relto_error *e)
{
	SCOPED(inside_message_free) struct inside_message *m = NULL;
	uint8_t id[RELTO_ID_BYTES];
	bool ok = inside_publish(c, report, false, id, e) && inside_expect(c, MSG_RECEIPT, &m, e);
	inside_forget(c);
	return ok && inside_is_about(c, m->msg.receipt.report, id, e) &&
	       make_receipt(&m->msg.receipt, receipt, e);
}

/* ---- many at once ---- */

bool
relto_submit(struct relto_connection *c, const struct relto_report *report, void *cookie,
    struct relto_error *e)
{
	struct inside_pending *p = NULL;
	if (c->unsent_count >= SEAL_BATCH_MAX && !relto_flush(c, e))
		return false;
	if (!inside_build(c, report, &p, e))
		return false;
	assert(p != NULL);
	p->cookie = cookie;
	STAILQ_INSERT_TAIL(&c->unsent, p, next);
	c->unsent_count++;
	return true;
}

static bool
send_one(struct relto_connection *c, struct inside_pending *p, struct relto_error *e)
{
	p->bytes = inside_bytes(&p->report);
	if (!inside_window(c, p->bytes, e))
		return false;
	struct msg m = { .type = MSG_PUBLISH };
	m.publish = p->report;
	/* known before it goes, since the answer may come while it is being sent */
	STAILQ_REMOVE_HEAD(&c->unsent, next);
	STAILQ_INSERT_TAIL(&c->sent, p, next);
	c->unsent_count--;
	c->sent_count++;
	c->in_flight++;
	c->sent_bytes += p->bytes;
	p->request = c->last_request + 1;
	return inside_send(c, &m, p->lane, e);
}

static bool
seal_all(struct relto_connection *c, struct arena *a, struct relto_error *e)
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

bool
relto_flush(struct relto_connection *c, struct relto_error *e)
{
	SCOPED(arena_done) struct arena seals;
	arena_init(&seals, SEALS_BYTES);
	if (STAILQ_EMPTY(&c->unsent))
		return true;
	if (!seal_all(c, &seals, e))
		return false;
	while (!STAILQ_EMPTY(&c->unsent))
		if (!send_one(c, STAILQ_FIRST(&c->unsent), e))
			return false;
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
	if (!relto_flush(c, e) || !wait_for_answer(c, timeout_ms, e))
		return false;
	struct inside_pending *p = STAILQ_FIRST(&c->answered);
	const struct msg *m = &p->answer->msg;
	struct relto_answer a = { .cookie = p->cookie };
	memcpy(a.id, p->id, sizeof(a.id));
	if (m->type == MSG_RECEIPT) {
		if (!inside_is_about(c, m->receipt.report, p->id, e) ||
		    !make_receipt(&m->receipt, &a.receipt, e))
			return false;
	} else if (m->type == MSG_ERROR) {
		(void)inside_refused(&a.error, &m->error);
	} else {
		struct err why;
		(void)err_set(
		    &why, ERR_PROTOCOL, "a report was answered with %s", msg_name(m->type));
		return inside_break(c, &why, e);
	}
	STAILQ_REMOVE_HEAD(&c->answered, next);
	c->sent_count--;
	inside_pending_free(p);
	*out = a;
	return true;
}
