#include "client/inside.h"

#include <stdlib.h>

enum { EXPLANATION_BYTES = 512 << 20 /* 1,024 recipients of 256 portions */ };

struct held_explanation {
	struct relto_explanation pub;
	struct arena arena;
};

void
relto_explanation_free(struct relto_explanation *x)
{
	if (x == NULL)
		return;
	arena_done(&((struct held_explanation *)x)->arena);
	free(x);
}

static bool
copy_obligations(
    struct arena *a, const struct msg_portion_decision *in, struct relto_portion_decision *out)
{
	struct relto_obligation *o = arena_zalloc(a, in->obligation_count, sizeof(*o));
	if (o == NULL)
		return false;
	for (size_t i = 0; i < in->obligation_count; i++) {
		const struct msg_open_obligation *from = &in->obligations[i];
		o[i] = (struct relto_obligation){ (enum relto_obligation_kind)from->kind,
			inside_text(a, from->agreement), inside_text(a, from->subject),
			inside_text(a, from->approver), from->deadline };
		if (o[i].agreement == NULL || o[i].subject == NULL || o[i].approver == NULL)
			return false;
	}
	out->obligations = o;
	out->obligation_count = in->obligation_count;
	return true;
}

static bool
copy_portions(struct arena *a, const struct msg_recipient_decision *in, struct relto_decision *out)
{
	struct relto_portion_decision *p = arena_zalloc(a, in->portion_count, sizeof(*p));
	if (p == NULL)
		return false;
	for (size_t i = 0; i < in->portion_count; i++) {
		const struct msg_portion_decision *from = &in->portions[i];
		p[i] = (struct relto_portion_decision){ .portion = from->portion,
			.verdict = (enum relto_verdict)from->verdict,
			.reason = inside_text(a, from->reason),
			.agreement = inside_text(a, from->agreement),
			.rule = inside_text(a, from->rule),
			.place = inside_text(a, from->place) };
		if (p[i].reason == NULL || p[i].agreement == NULL || p[i].rule == NULL ||
		    p[i].place == NULL || !copy_obligations(a, from, &p[i]))
			return false;
	}
	out->portions = p;
	out->portion_count = in->portion_count;
	return true;
}

static bool
copy_decision(struct arena *a, const struct msg_recipient_decision *in, struct relto_decision *out)
{
	*out = (struct relto_decision){ .recipient = inside_text(a, in->recipient),
		.outcome = (enum relto_outcome)in->outcome,
		.index = in->index,
		.time_us = in->time,
		.delivered_us = in->delivered,
		.acknowledged_us = in->acknowledged };
	if (in->policy.len == sizeof(out->policy))
		memcpy(out->policy, in->policy.data, sizeof(out->policy));
	return out->recipient != NULL && copy_portions(a, in, out);
}

/* Adds one message of perhaps several. */
static bool
add_page(struct held_explanation *h, const struct msg_explanation *in)
{
	struct arena *a = &h->arena;
	struct relto_explanation *x = &h->pub;
	size_t old = x->decision_count, count = old + in->decision_count;
	struct relto_decision *all = arena_zalloc(a, count, sizeof(*all));
	if (all == NULL)
		return false;
	if (old != 0)
		memcpy(all, x->decisions, old * sizeof(*all));
	for (size_t i = 0; i < in->decision_count; i++)
		if (!copy_decision(a, &in->decisions[i], &all[old + i]))
			return false;
	x->decisions = all;
	x->decision_count = count;
	if (x->unusable != NULL)
		return true;
	memcpy(x->id, in->report.data, sizeof(x->id));
	x->dry_run = in->dry_run;
	x->unusable_count = in->unusable_count;
	return inside_unusable(a, in->unusable, in->unusable_count, &x->unusable);
}

static bool
collect(struct relto_connection *c, const uint8_t id[RELTO_ID_BYTES],
    struct relto_explanation **out, struct relto_error *e)
{
	bool more = true;
	struct held_explanation *h = calloc(1, sizeof(*h));
	if (h == NULL)
		return inside_failf(e, ERR_NOMEM, "explanation");
	arena_init(&h->arena, EXPLANATION_BYTES);
	while (more) {
		struct inside_message *m = NULL;
		bool ok = inside_expect(c, MSG_EXPLANATION, &m, e) &&
			  inside_is_about(c, m->msg.explanation.report, id, e);
		bool fits = ok && add_page(h, &m->msg.explanation);
		more = fits && m->msg.explanation.more;
		inside_message_free(m);
		if (fits)
			continue;
		relto_explanation_free(&h->pub);
		return ok ? inside_failf(e, ERR_NOMEM, "explanation") : false;
	}
	*out = &h->pub;
	return true;
}

bool
relto_explain(struct relto_connection *c, const uint8_t id[RELTO_ID_BYTES],
    struct relto_explanation **out, struct relto_error *e)
{
	struct msg m = { .type = MSG_EXPLAIN };
	m.explain.report = bytes_from(id, RELTO_ID_BYTES);
	bool ok = inside_start(c, &m, 0, e) && collect(c, id, out, e);
	inside_forget(c);
	return ok;
}

bool
relto_dry_run_about(struct relto_connection *c, const struct relto_report *report,
    const struct relto_notice *about, struct relto_explanation **out, struct relto_error *e)
{
	uint8_t id[RELTO_ID_BYTES];
	bool ok = inside_ask_decision(c, report, about, id, e) && collect(c, id, out, e);
	inside_forget(c);
	return ok;
}

bool
relto_dry_run(struct relto_connection *c, const struct relto_report *report,
    struct relto_explanation **out, struct relto_error *e)
{
	return relto_dry_run_about(c, report, NULL, out, e);
}
