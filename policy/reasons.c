#include "policy/reasons.h"

#include <assert.h>

#include "policy/rules.h"

static const struct bytes none = { NULL, 0 };

struct facts
reasons_facts(const struct facts *f, const struct agreement *a, struct fact_agreement *named)
{
	struct facts one = *f;
	*named = (struct fact_agreement){ .name = a->name };
	one.agreements = named;
	one.agreement_count = 1;
	return one;
}

static const struct recipient_decision *
decision_for(const struct decisions *d, struct bytes to)
{
	for (size_t i = 0; i < d->recipient_count; i++)
		if (bytes_equal(d->recipients[i].recipient, to))
			return &d->recipients[i];
	return NULL;
}

bool
reasons_verdict(
    const struct epoch *p, const struct facts *f, struct bytes to, enum verdict *out, struct err *e)
{
	struct arena a;
	struct decisions d;
	arena_init(&a, 64u << 20);
	bool ok = policy_decide(p, f, &a, &d, e);
	const struct recipient_decision *r = ok ? decision_for(&d, to) : NULL;
	if (ok)
		*out = r == NULL ? VERDICT_WITHHOLD : r->portions[0].verdict;
	arena_done(&a);
	return ok;
}

/* ---- what the kernel tells ---- */

struct told {
	const struct edit_text *text;
	const struct text_statement *agreement;
	const struct reasons_ask *ask;
	struct reasons *out;
};

static struct reasons_step *
step(struct reasons *r, const char *check, enum verdict v)
{
	assert(r->step_count < REASONS_STEPS);
	struct reasons_step *s = &r->steps[r->step_count++];
	*s = (struct reasons_step){ .check = check, .verdict = v, .label = UINT32_MAX };
	return s;
}

static struct bytes
place_of(const struct told *t, const struct text_statement *s)
{
	return s == NULL ? none : edit_place(t->text, &s->pos);
}

static const struct text_statement *
member_statement(const struct told *t, struct bytes party)
{
	return t->agreement == NULL ? NULL
				    : edit_find(&t->agreement->block, "member", party, false);
}

/* Where the clearance stands that a label is held against, or else the member. */
static struct bytes
clearance_place(const struct told *t, const struct member *m, uint32_t label)
{
	const struct raw_label *raw = &t->ask->facts->portions[0].labels[label];
	const struct text_statement *s = member_statement(t, m->party->name);
	if (s == NULL)
		return none;
	const struct text_statement *k = edit_find(&s->block, "clearance", raw->vocabulary, true);
	for (size_t i = 0; k == NULL && i < t->out->agreement->equivalence_count; i++) {
		const struct label_map *map = &t->out->agreement->equivalences[i].map;
		if (vocab_same_name(map->from->name, raw->vocabulary))
			k = edit_find(&s->block, "clearance", map->to->name, true);
	}
	return edit_place(t->text, &(k == NULL ? s : k)->pos);
}

static void
said(void *ctx, const struct member *m, uint32_t portion, const struct check_said *c)
{
	struct told *t = ctx;
	if (portion != 0 || !bytes_equal(m->party->name, t->ask->to))
		return;
	struct reasons_step *s = step(t->out, c->name, c->verdict);
	s->label = c->label;
	if (c->reason != REASON_NONE) {
		s->reason = bytes_of(reason_token(c->reason));
		s->text = bytes_of(reason_text(c->reason));
	}
	if (c->rule != NULL) {
		s->rule = c->rule->name;
		s->place = c->rule->place;
	} else if (c->label != UINT32_MAX && strcmp(c->name, "clearance") == 0) {
		s->place = clearance_place(t, m, c->label);
	}
}

/* ---- the steps before and after ---- */

/* The agreement, the labels, the recipient: what comes before the checks. */
static void
lead_in(struct told *t, const struct decisions *d, bool listed)
{
	struct reasons *r = t->out;
	bool usable = d->unusable_count == 0;
	bool labels = d->refusal.code == ERR_NONE;
	struct reasons_step *s = step(r, "agreement", usable ? VERDICT_RELEASE : VERDICT_WITHHOLD);
	s->place = r->place;
	if (!usable) {
		s->reason = bytes_of(err_token(ERR_AGREEMENT_NOT_USABLE));
		s->text = d->unusable[0].why;
		/* outsiders are told 'unknown' (S7); here the policy's own operator asks */
		if (agreement_member(r->agreement, t->ask->facts->originator) == NULL)
			s->text = bytes_of("the originator is no member of the agreement");
		return;
	}
	s = step(r, "labels", labels ? VERDICT_RELEASE : VERDICT_WITHHOLD);
	if (!labels) {
		s->reason = bytes_of(err_token(d->refusal.code));
		s->text = d->refusal.detail;
		return;
	}
	const struct text_statement *m = member_statement(t, t->ask->to);
	s = step(r, "member", listed ? VERDICT_RELEASE : VERDICT_WITHHOLD);
	s->place = m == NULL ? r->place : edit_place(t->text, &m->pos);
	if (!listed) {
		s->reason = bytes_of("no-recipient");
		s->text = bytes_of(m == NULL ? "it is no member of the agreement"
					     : "it may not receive under the agreement");
	}
}

/* The checks that were not reached. */
static void
unreached(struct reasons *r)
{
	static const char *const order[] = {
		"agreement",
		"labels",
		"member",
#define CHECK(name, source) #name,
#include "policy/rules.def"
	};
	while (r->step_count < sizeof(order) / sizeof(order[0]))
		(void)step(r, order[r->step_count], 0);
}

static void
conclude(struct reasons *r, const struct recipient_decision *mine)
{
	r->verdict = VERDICT_WITHHOLD;
	for (size_t i = 0; i < r->step_count && mine == NULL; i++)
		if (r->steps[i].verdict == VERDICT_WITHHOLD)
			r->reason = r->steps[i].reason;
	unreached(r);
	if (mine == NULL)
		return;
	const struct portion_decision *p = &mine->portions[0];
	r->judged = true;
	r->verdict = p->verdict;
	r->reason = bytes_of(reason_token(p->reason));
	r->open = p->open;
	r->open_count = p->open_count;
}

bool
reasons_of(const struct epoch *p, const struct edit_text *t, const struct reasons_ask *ask,
    const struct agreement *a, struct reasons *out, struct err *e)
{
	struct reasons checks = { .agreement = a }, whole = { .agreement = a };
	struct fact_agreement named;
	struct facts f = reasons_facts(ask->facts, a, &named);
	struct told told = { .text = t, .ask = ask, .out = &checks };
	struct decide_trace trace = { said, &told };
	struct decisions d;
	told.agreement = edit_find(&t->top, "agreement", a->name, false);
	whole.place = place_of(&told, told.agreement);
	if (!decide_traced(p, &trace, &f, t->arena, &d, e))
		return false;
	if (d.refusal.code == ERR_MALFORMED || d.refusal.code == ERR_LIMIT)
		return err_set(e, d.refusal.code, "the report is refused: %.*s",
		    (int)d.refusal.detail.len, (const char *)d.refusal.detail.data);
	const struct recipient_decision *mine = decision_for(&d, ask->to);
	told.out = &whole;
	lead_in(&told, &d, mine != NULL);
	for (size_t i = 0; i < checks.step_count; i++)
		whole.steps[whole.step_count++] = checks.steps[i];
	conclude(&whole, mine);
	*out = whole;
	return true;
}
