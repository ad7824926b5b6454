#include "policy/court.h"

#include <stdlib.h>

/* ---- what was before, sorted ---- */

static int
by_recipient(const void *x, const void *y)
{
	const struct fact_before *a = *(const struct fact_before *const *)x;
	const struct fact_before *b = *(const struct fact_before *const *)y;
	int c = bytes_compare(a->recipient, b->recipient);
	if (c != 0)
		return c;
	return (a->portion > b->portion) - (a->portion < b->portion);
}

static const struct fact_before **
sort_before(const struct facts *f, struct arena *a)
{
	const struct fact_before **list = arena_zalloc(a, f->before_count, sizeof(*list));
	if (list == NULL)
		return NULL;
	for (size_t i = 0; i < f->before_count; i++)
		list[i] = &f->before[i];
	if (f->before_count > 1)
		qsort(list, f->before_count, sizeof(*list), by_recipient);
	return list;
}

/* ---- one recipient ---- */

struct turn { /* one recipient of a later decision */
	struct bytes recipient;
	const struct fact_before *const *before; /* its entries, by portion */
	size_t before_count;
	const struct portion_decision *rows[LIMIT_AGREEMENTS_PER_REPORT]; /* by named agreement;
									     NULL: it drops out */
};

static bool
was_before(const struct turn *t, uint32_t portion, struct bytes agreement, bool *any)
{
	bool found = false;
	for (size_t i = 0; i < t->before_count; i++) {
		const struct fact_before *b = t->before[i];
		if (b->portion != portion)
			continue;
		for (size_t k = 0; k < b->agreements.count; k++) {
			*any = true;
			found = found || bytes_equal(b->agreements.items[k], agreement);
		}
	}
	return found;
}

/* What the agreements of 'before' that are left say of one portion. */
struct say {
	const struct portion_decision *best;	 /* of those that are not suspended */
	const struct portion_decision *withheld; /* the first named of all that withhold */
	bool suspended;				 /* a suspended one would release or hold */
	uint8_t mask, suspended_mask;
	bool any; /* 'before' names an agreement */
};

static void
hear(struct say *s, const struct named *n, const struct portion_decision *row)
{
	if (row->verdict == VERDICT_WITHHOLD) {
		if (s->withheld == NULL)
			s->withheld = row;
	} else if (n->suspended) {
		s->suspended = true;
		s->suspended_mask |= row->mask;
	} else {
		s->mask |= row->mask;
		if (s->best == NULL || row->verdict < s->best->verdict)
			s->best = row;
	}
}

static struct portion_decision
conclude(const struct say *s)
{
	struct portion_decision d = { .verdict = VERDICT_WITHHOLD,
		.reason = s->any ? REASON_AGREEMENT_ENDED : REASON_NOT_RELEASED_BEFORE };
	if (s->best != NULL)
		d = *s->best;
	else if (s->suspended)
		d = (struct portion_decision){ .verdict = VERDICT_HOLD,
			.reason = REASON_SUSPENDED };
	else if (s->withheld != NULL)
		d = *s->withheld;
	d.mask = s->mask | s->suspended_mask;
	return d;
}

static bool
judge_turn(struct court *c, struct turn *t, struct recipient_decision *out)
{
	uint32_t count = (uint32_t)c->facts->portion_count;
	struct portion_decision *rows = arena_zalloc(c->arena, count, sizeof(*rows));
	if (rows == NULL)
		return err_set(c->err, ERR_NOMEM, "decision");
	for (uint32_t p = 0; p < count; p++) {
		struct say s = { 0 };
		was_before(t, p, bytes_of(""), &s.any);
		for (size_t i = 0; i < c->named_count; i++)
			if (t->rows[i] != NULL && was_before(t, p, c->named[i].name, &s.any))
				hear(&s, &c->named[i], &t->rows[i][p]);
		rows[p] = conclude(&s);
	}
	decide_until(c, rows);
	out->recipient = t->recipient;
	out->party = epoch_party(c->epoch, t->recipient);
	out->portions = rows;
	out->outcome = decide_outcome(rows, count);
	return true;
}

/* Judges the recipient under every named agreement that can still be used for it; what was
 * backfilled, under those alone that it still may be. */
static bool
call(struct court *c, struct turn *t)
{
	bool originator = bytes_equal(t->recipient, c->facts->originator);
	for (size_t i = 0; i < c->named_count && !originator; i++) {
		struct named *n = &c->named[i];
		const struct member *m =
		    n->fault != NULL ? NULL : agreement_member(n->agreement, t->recipient);
		if (m == NULL || !m->may_receive ||
		    (c->facts->has_backfill && !backfill_under(c->facts, n->agreement)))
			continue;
		t->rows[i] = court_judge(c, n, m);
		if (t->rows[i] == NULL)
			return false;
	}
	return true;
}

static bool
backfill(struct court *c, struct decisions *out)
{
	const struct facts *f = c->facts;
	struct recipient_decision *d = arena_zalloc(c->arena, 1, sizeof(*d));
	if (d == NULL)
		return err_set(c->err, ERR_NOMEM, "decision");
	*d = (struct recipient_decision){ .recipient = f->backfill.recipient,
		.party = epoch_party(c->epoch, f->backfill.recipient) };
	if (!backfill_judge(c, &d->portions))
		return false;
	out->recipients = d;
	out->recipient_count = d->portions != NULL;
	if (d->portions == NULL)
		return true;
	decide_until(c, d->portions);
	d->outcome = decide_outcome(d->portions, f->portion_count);
	return true;
}

static bool
prepare(struct court *c, struct decisions *out)
{
	if (!court_labels(c, &out->refusal) || !court_portions(c))
		return false;
	court_agreements(c);
	for (size_t i = 0; i < c->named_count; i++)
		if (c->named[i].fault == NULL && !court_views(c, &c->named[i]))
			return false;
	return true;
}

bool
later_decide(struct court *c, struct decisions *out)
{
	const struct facts *f = c->facts;
	const struct fact_before **before = sort_before(f, c->arena);
	struct recipient_decision *list = arena_zalloc(c->arena, f->before_count, sizeof(*list));
	if (before == NULL || list == NULL)
		return err_set(c->err, ERR_NOMEM, "decision");
	if (!prepare(c, out))
		return false;
	if (f->has_backfill && f->before_count == 0)
		return backfill(c, out);
	size_t n = 0;
	for (size_t i = 0; i < f->before_count;) {
		struct turn t = { .recipient = before[i]->recipient, .before = &before[i] };
		while (i < f->before_count && bytes_equal(before[i]->recipient, t.recipient)) {
			t.before_count++;
			i++;
		}
		if (!call(c, &t) || !judge_turn(c, &t, &list[n++]))
			return false;
	}
	out->recipients = list;
	out->recipient_count = n;
	return true;
}
