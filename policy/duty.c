#include "policy/duty.h"

#include <stdlib.h>

#define SIGNER_WITHIN (UINT64_C(72) * 3600 * 1000000) /* µs (DESIGN 5, step 7) */

static bool
same(const struct obligation *x, const struct obligation *y)
{
	return x->kind == y->kind && bytes_equal(x->agreement, y->agreement) &&
	       bytes_equal(x->subject, y->subject) && bytes_equal(x->approver, y->approver);
}

static struct duty *
arise(struct ask *q, struct obligation what, uint64_t within)
{
	for (size_t i = 0; i < q->duty_count; i++) {
		if (!same(&q->duties[i].what, &what))
			continue;
		if (within < q->duties[i].within)
			q->duties[i].within = within;
		return &q->duties[i];
	}
	if (q->duties == NULL) {
		size_t most = 1 + q->facts->source_count + q->agreement->hold_count;
		q->duties = arena_zalloc(q->arena, most, sizeof(*q->duties));
	}
	if (q->duties == NULL) {
		q->no_memory = true;
		return NULL;
	}
	struct duty *d = &q->duties[q->duty_count++];
	d->what = what;
	d->within = within;
	d->indirect = true;
	return d;
}

void
duty_consent(struct ask *q, const struct fact_source *s, uint64_t within)
{
	struct duty *d = arise(q,
	    (struct obligation){ OBLIGATION_CONSENT, q->agreement->name, s->id, s->originator },
	    within);
	if (d != NULL && s->via.data == NULL)
		d->indirect = false;
}

void
duty_review(struct ask *q, const struct rule *rule)
{
	struct bytes approver = rule->approver_party;
	if (rule->approver == APPROVER_ORIGINATOR)
		approver = q->facts->originator;
	else if (rule->approver == APPROVER_RECIPIENT)
		approver = q->recipient->party->name;
	struct duty *d = arise(q,
	    (struct obligation){ OBLIGATION_REVIEW, q->agreement->name, rule->name, approver },
	    rule->within);
	if (d != NULL) {
		d->indirect = false;
		d->rule = rule;
	}
}

void
duty_signer(struct ask *q)
{
	struct duty *d = arise(q,
	    (struct obligation){
		OBLIGATION_SIGNER, q->agreement->name, bytes_of(""), q->facts->originator },
	    SIGNER_WITHIN);
	if (d != NULL)
		d->indirect = false;
}

/* ---- how they stand ---- */

/* When it was first opened; now, if never. */
static uint64_t
opened_at(const struct ask *q, const struct duty *d, bool *fresh)
{
	const struct facts *f = q->facts;
	uint64_t first = f->time;
	*fresh = true;
	for (size_t i = 0; i < q->opened.count; i++) {
		const struct fact_opened *o = &f->opened[q->opened.at[i]];
		if (!same(&o->what, &d->what) ||
		    !bytes_equal(o->recipient, q->recipient->party->name))
			continue;
		if (*fresh || o->time < first)
			first = o->time;
		*fresh = false;
	}
	return first;
}

static enum obligation_state
stand(const struct ask *q, const struct duty *d)
{
	const struct facts *f = q->facts;
	bool approved = false;
	for (size_t i = 0; i < q->approvals.count; i++) {
		const struct fact_approval *p = &f->approvals[q->approvals.at[i]];
		if (!same(&p->what, &d->what) ||
		    !bytes_equal(p->recipient, q->recipient->party->name))
			continue;
		if (!p->approve)
			return OBLIGATION_REJECTED;
		approved = true;
	}
	if (approved)
		return OBLIGATION_MET;
	return f->time >= d->deadline ? OBLIGATION_MISSED : OBLIGATION_OPEN;
}

static int
by_order(const void *x, const void *y)
{
	const struct duty *a = x, *b = y;
	static const int rank[] = {
		[OBLIGATION_SIGNER] = 0, [OBLIGATION_CONSENT] = 1, [OBLIGATION_REVIEW] = 2
	};
	if (rank[a->what.kind] != rank[b->what.kind])
		return rank[a->what.kind] - rank[b->what.kind];
	int c = bytes_compare(a->what.subject, b->what.subject);
	return c != 0 ? c : bytes_compare(a->what.approver, b->what.approver);
}

static enum reason
reason_of(const struct duty *d)
{
	static const enum reason open[] = { [OBLIGATION_SIGNER] = REASON_SIGNER_REVOKED,
		[OBLIGATION_CONSENT] = REASON_CONSENT,
		[OBLIGATION_REVIEW] = REASON_REVIEW };
	switch (d->state) {
	case OBLIGATION_MET:
		return REASON_NONE;
	case OBLIGATION_OPEN:
		return open[d->what.kind];
	case OBLIGATION_MISSED:
		return REASON_TIMED_OUT;
	case OBLIGATION_REJECTED:
		return REASON_REJECTED;
	}
	return REASON_REJECTED;
}

enum reason
duty_settle(struct ask *q, const struct rule **rule)
{
	enum reason first = REASON_NONE;
	if (q->duty_count > 1)
		qsort(q->duties, q->duty_count, sizeof(*q->duties), by_order);
	for (size_t i = 0; i < q->duty_count; i++) {
		struct duty *d = &q->duties[i];
		uint64_t start = opened_at(q, d, &d->fresh);
		d->deadline = start > UINT64_MAX - d->within ? UINT64_MAX : start + d->within;
		d->state = stand(q, d);
		enum reason reason = reason_of(d);
		if (reason == REASON_NONE || (first != REASON_NONE && first <= reason))
			continue;
		first = reason; /* rules.def lists them in the order that counts */
		*rule = reason == REASON_REVIEW ? d->rule : NULL;
	}
	return first;
}

bool
duty_open(const struct ask *q, const struct open_obligation **out, size_t *count)
{
	struct open_obligation *list = arena_zalloc(q->arena, q->duty_count, sizeof(*list));
	if (list == NULL)
		return false;
	size_t n = 0;
	for (size_t i = 0; i < q->duty_count; i++) {
		const struct duty *d = &q->duties[i];
		if (d->state == OBLIGATION_OPEN)
			list[n++] =
			    (struct open_obligation){ d->what, d->deadline, d->fresh, d->indirect };
	}
	*out = list;
	*count = n;
	return true;
}
