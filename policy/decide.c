#include "policy/decide.h"

#include "policy/court.h"

/* ---- names of things ---- */

const char *
verdict_name(enum verdict v)
{
	static const char *const names[] = { "none", "release", "hold", "withhold" };
	return v <= VERDICT_WITHHOLD ? names[v] : "none";
}

const char *
outcome_name(enum outcome o)
{
	static const char *const names[] = { "none", "release", "redact", "hold", "withhold" };
	return o <= OUTCOME_WITHHOLD ? names[o] : "none";
}

static const struct {
	const char *token, *text;
} reasons[REASON_COUNT] = {
	{ "none", "no decision" },
#define R(name, token, verdict, source, text) { token, text },
#include "policy/rules.def"
};

const char *
reason_token(enum reason r)
{
	return r < REASON_COUNT ? reasons[r].token : "none";
}

const char *
reason_text(enum reason r)
{
	return r < REASON_COUNT ? reasons[r].text : "no decision";
}

const char *
precedence_name(enum precedence p)
{
	static const char *const names[] = { "none", "ROUTINE", "PRIORITY", "IMMEDIATE", "FLASH" };
	return p <= PRECEDENCE_FLASH ? names[p] : "none";
}

const char *
mode_name(enum mode m)
{
	return m == MODE_LIVE ? "live" : m == MODE_EXERCISE ? "exercise" : "none";
}

const char *
obligation_name(enum obligation_kind k)
{
	static const char *const names[] = { "none", "review", "consent", "signer" };
	return k <= OBLIGATION_SIGNER ? names[k] : "none";
}

/* ---- a first decision ---- */

void
decide_combine(struct portion_decision *into, const struct portion_decision *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint8_t mask = into[i].mask | rows[i].mask;
		if (into[i].verdict == 0 || rows[i].verdict < into[i].verdict)
			into[i] = rows[i];
		into[i].mask = mask;
	}
}

enum outcome
decide_outcome(const struct portion_decision *rows, size_t count)
{
	size_t released = 0;
	for (size_t i = 0; i < count; i++) {
		if (rows[i].verdict == VERDICT_HOLD)
			return OUTCOME_HOLD;
		if (rows[i].verdict == VERDICT_RELEASE)
			released++;
	}
	if (released == 0)
		return OUTCOME_WITHHOLD;
	return released == count ? OUTCOME_RELEASE : OUTCOME_REDACT;
}

/* One recipient: its rows under each agreement in which it may receive. */
struct bench {
	const struct portion_decision *rows[LIMIT_AGREEMENTS_PER_REPORT];
	size_t count;
	const struct portion_decision *merged;
};

/* Recipients with the same rows under the same agreements share what comes of them. */
#define BENCHES 64
struct benches {
	struct bench seen[BENCHES];
	size_t count;
};

static const struct portion_decision *
merge(struct court *c, struct benches *all, const struct bench *b)
{
	size_t portions = c->facts->portion_count;
	if (b->count == 1)
		return b->rows[0];
	for (size_t i = 0; i < all->count; i++)
		if (all->seen[i].count == b->count &&
		    memcmp(all->seen[i].rows, b->rows, b->count * sizeof(b->rows[0])) == 0)
			return all->seen[i].merged;
	struct portion_decision *m = arena_zalloc(c->arena, portions, sizeof(*m));
	if (m == NULL)
		return NULL;
	for (size_t i = 0; i < b->count; i++)
		decide_combine(m, b->rows[i], portions);
	if (all->count < BENCHES) {
		all->seen[all->count] = *b;
		all->seen[all->count++].merged = m;
	}
	return m;
}

void
decide_until(struct court *c, const struct portion_decision *rows)
{
	for (size_t i = 0; i < c->facts->portion_count; i++)
		for (size_t k = 0; k < rows[i].open_count; k++)
			court_until(c, rows[i].open[k].deadline);
}

/* Walks the members of all usable agreements at once, in byte order of their names. */
struct walk {
	size_t next[LIMIT_AGREEMENTS_PER_REPORT];
};

static const struct party *
walk_next(const struct court *c, struct walk *w)
{
	const struct party *least = NULL;
	for (size_t i = 0; i < c->named_count; i++) {
		const struct agreement *a = c->named[i].agreement;
		if (c->named[i].fault != NULL || w->next[i] == a->member_count)
			continue;
		const struct party *p = a->members[w->next[i]].party;
		if (least == NULL || p->index < least->index)
			least = p;
	}
	return least;
}

/* The agreements under which the party at the walk's head may receive; steps over it. */
static bool
judge_party(struct court *c, struct walk *w, const struct party *p, struct bench *b)
{
	bool originator = bytes_equal(p->name, c->facts->originator);
	for (size_t i = 0; i < c->named_count; i++) {
		struct named *n = &c->named[i];
		if (n->fault != NULL || w->next[i] == n->agreement->member_count)
			continue;
		const struct member *m = &n->agreement->members[w->next[i]];
		if (m->party != p)
			continue;
		w->next[i]++;
		if (originator || !m->may_receive)
			continue;
		b->rows[b->count] = court_judge(c, n, m);
		if (b->rows[b->count++] == NULL)
			return false;
	}
	return true;
}

static size_t
count_members(const struct court *c)
{
	size_t n = 0;
	for (size_t i = 0; i < c->named_count; i++)
		if (c->named[i].fault == NULL)
			n += c->named[i].agreement->member_count;
	return n;
}

static bool
judge_all(struct court *c, struct decisions *out)
{
	struct recipient_decision *list = arena_zalloc(c->arena, count_members(c), sizeof(*list));
	/* under one agreement nothing is merged, and five kilobytes need not be cleared */
	bool merged = c->named_count > 1;
	struct benches *benches = merged ? arena_zalloc(c->arena, 1, sizeof(*benches)) : NULL;
	if (list == NULL || (merged && benches == NULL))
		return err_set(c->err, ERR_NOMEM, "decision");
	struct walk w = { 0 };
	const struct party *p;
	const struct portion_decision *last = NULL;
	size_t n = 0;
	while ((p = walk_next(c, &w)) != NULL) {
		struct bench b = { 0 };
		if (!judge_party(c, &w, p, &b))
			return false;
		if (b.count == 0)
			continue;
		struct recipient_decision *d = &list[n++];
		*d = (struct recipient_decision){ .recipient = p->name, .party = p };
		d->portions = merge(c, benches, &b);
		if (d->portions == NULL)
			return err_set(c->err, ERR_NOMEM, "decision");
		d->outcome = decide_outcome(d->portions, c->facts->portion_count);
		if (d->portions != last)
			decide_until(c, d->portions);
		last = d->portions;
	}
	out->recipients = list;
	out->recipient_count = n;
	return true;
}

static bool
list_unusable(struct court *c, struct decisions *out)
{
	struct unusable *list = arena_zalloc(c->arena, c->named_count, sizeof(*list));
	if (list == NULL)
		return err_set(c->err, ERR_NOMEM, "decision");
	for (size_t i = 0; i < c->named_count; i++)
		if (c->named[i].fault != NULL)
			list[out->unusable_count++] =
			    (struct unusable){ c->named[i].name, bytes_of(c->named[i].fault) };
	out->unusable = list;
	return true;
}

/* The refusals up to the labels, in their order; the first that applies stands in out->refusal. */
static bool
refuse_before_labels(struct court *c, struct decisions *out)
{
	struct refusal *r = &out->refusal;
	if (!refuse_limit(c->facts, c->arena, r))
		return err_set(c->err, ERR_NOMEM, "decision");
	if (r->code != ERR_NONE)
		return true;
	court_agreements(c);
	if (!list_unusable(c, out) || !refuse_agreements(c, r))
		return false;
	if (r->code == ERR_NONE && !refuse_audience(c, r))
		return false;
	if (r->code == ERR_NONE && !refuse_unlabelled(c->facts, c->arena, r))
		return err_set(c->err, ERR_NOMEM, "decision");
	return true;
}

static bool
first_decide(struct court *c, struct decisions *out)
{
	if (!refuse_before_labels(c, out))
		return false;
	if (out->refusal.code != ERR_NONE)
		return true;
	if (!court_labels(c, &out->refusal) || !court_portions(c))
		return false;
	if (out->refusal.code != ERR_NONE)
		return true;
	for (size_t i = 0; i < c->named_count; i++)
		if (c->named[i].fault == NULL && !court_views(c, &c->named[i]))
			return false;
	return judge_all(c, out);
}

static bool
decide(struct court c, struct decisions *out)
{
	const struct facts *f = c.facts;
	struct decisions d = { .portion_count = f->portion_count };
	court_until(&c, f->expires == 0 ? UINT64_MAX : f->expires);
	refuse_malformed(f, &d.refusal);
	if (d.refusal.code == ERR_NONE && !(f->later ? later_decide(&c, &d) : first_decide(&c, &d)))
		return false;
	d.good_until = c.good_until;
	*out = d;
	return true;
}

bool
decide_under(const struct epoch *p, const struct agreement *only, const struct facts *f,
    struct arena *a, struct decisions *out, struct err *e)
{
	return decide((struct court){ .epoch = p,
			  .only = only,
			  .facts = f,
			  .arena = a,
			  .good_until = UINT64_MAX,
			  .err = e },
	    out);
}

bool
decide_traced(const struct epoch *p, const struct decide_trace *trace, const struct facts *f,
    struct arena *a, struct decisions *out, struct err *e)
{
	return decide((struct court){ .epoch = p,
			  .trace = trace,
			  .facts = f,
			  .arena = a,
			  .good_until = UINT64_MAX,
			  .err = e },
	    out);
}

bool
policy_decide(const struct epoch *p, const struct facts *f, struct arena *a, struct decisions *out,
    struct err *e)
{
	return decide_under(p, NULL, f, a, out, e);
}
