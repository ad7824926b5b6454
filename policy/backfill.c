#include "policy/court.h"

/* Named by the facts as one that had 'backfill' when the report was accepted. */
static bool
had_it(const struct facts *f, const struct agreement *a)
{
	for (size_t i = 0; i < f->backfill.agreements.count; i++)
		if (bytes_equal(f->backfill.agreements.items[i], a->name))
			return true;
	return false;
}

bool
backfill_under(const struct facts *f, const struct agreement *a)
{
	return f->backfill.asked && had_it(f, a) && a->backfill;
}

/* Its rows under one named agreement; *rows NULL: not under this one. */
static bool
judge_under(struct court *c, struct named *n, const struct portion_decision **rows)
{
	const struct facts *f = c->facts;
	*rows = NULL;
	if (n->fault != NULL || n->suspended || !backfill_under(f, n->agreement) ||
	    bytes_equal(f->backfill.recipient, f->originator))
		return true;
	const struct member *m = agreement_member(n->agreement, f->backfill.recipient);
	if (m == NULL || !m->may_receive)
		return true;
	*rows = court_judge(c, n, m);
	return *rows != NULL;
}

bool
backfill_judge(struct court *c, const struct portion_decision **mine)
{
	size_t portions = c->facts->portion_count;
	struct portion_decision *all = arena_zalloc(c->arena, portions, sizeof(*all));
	bool any = false;
	*mine = NULL;
	if (all == NULL)
		return err_set(c->err, ERR_NOMEM, "decision");
	for (size_t i = 0; i < c->named_count; i++) {
		const struct portion_decision *rows;
		if (!judge_under(c, &c->named[i], &rows))
			return false;
		if (rows != NULL)
			decide_combine(all, rows, portions);
		any = any || rows != NULL;
	}
	if (any)
		*mine = all;
	return true;
}
