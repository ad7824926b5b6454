#include "policy/court.h"

#include "policy/compile.h"
#include "policy/duty.h"
#include "proto/syntax.h"

static bool
no_memory(struct court *c)
{
	return err_set(c->err, ERR_NOMEM, "decision");
}

void
court_until(struct court *c, uint64_t time)
{
	if (time > c->facts->time && time < c->good_until)
		c->good_until = time;
}

/* ---- labels ---- */

static size_t
vocab_index(const struct epoch *e, struct bytes name)
{
	const struct vocab *v = vocab_find(e->vocabs, e->vocab_count, name);
	size_t i = 0;
	while (i < e->vocab_count && e->vocabs[i] != v)
		i++;
	return i; /* vocab_count: none */
}

/* The names of a set, for "did you mean". */
static void
suggest(struct refusal *r, struct arena *a, struct bytes name, const struct vocab *v)
{
	struct bytes *known = arena_zalloc(a, v->class_count, sizeof(*known));
	if (known == NULL)
		return;
	for (uint32_t i = 0; i < v->class_count; i++)
		known[i] = v->classes[i].name;
	ptrdiff_t at = text_nearest(name, known, v->class_count);
	if (at >= 0)
		r->nearest = known[at];
}

static void
suggest_value(
    struct refusal *r, struct arena *a, struct bytes name, const struct vocab *v, uint32_t tagset)
{
	struct bytes *known = arena_zalloc(a, v->value_count, sizeof(*known));
	size_t n = 0;
	if (known == NULL)
		return;
	for (uint32_t i = 0; i < v->value_count; i++)
		if (v->values[i].tagset == tagset)
			known[n++] = v->values[i].name;
	ptrdiff_t at = text_nearest(name, known, n);
	if (at >= 0)
		r->nearest = known[at];
}

static void
suggest_category(struct refusal *r, struct arena *a, const struct vocab *v, struct bytes name)
{
	struct bytes *known = arena_zalloc(a, v->tagset_count, sizeof(*known));
	if (known == NULL)
		return;
	for (uint32_t i = 0; i < v->tagset_count; i++)
		known[i] = v->tagsets[i].name;
	ptrdiff_t at = text_nearest(name, known, v->tagset_count);
	if (at >= 0)
		r->nearest = known[at];
}

/* Field and nearest valid value of a label that could not be resolved; best effort. */
static void
locate(struct refusal *r, struct arena *a, const struct vocab *v, const struct raw_label *raw)
{
	const char *base = (const char *)r->field.data;
	if (v == NULL) {
		r->field = bytes_of(arena_printf(a, "%s.vocabulary", base));
		return;
	}
	if (vocab_class(v, raw->classification) == VOCAB_NONE) {
		r->field = bytes_of(arena_printf(a, "%s.classification", base));
		suggest(r, a, raw->classification, v);
		return;
	}
	for (size_t i = 0; i < raw->category_count; i++) {
		const struct raw_category *k = &raw->categories[i];
		uint32_t tagset = vocab_tagset(v, k->name);
		if (tagset == VOCAB_NONE) {
			r->field = bytes_of(arena_printf(a, "%s.categories[%zu]", base, i));
			suggest_category(r, a, v, k->name);
			return;
		}
		for (size_t j = 0; j < k->values.count; j++) {
			if (vocab_value(v, tagset, k->values.items[j]) != VOCAB_NONE)
				continue;
			r->field =
			    bytes_of(arena_printf(a, "%s.categories[%zu].values[%zu]", base, i, j));
			suggest_value(r, a, k->values.items[j], v, tagset);
			return;
		}
	}
}

static bool
refuse_label(struct court *c, struct refusal *r, size_t portion, size_t label, struct bytes detail)
{
	const struct raw_label *raw = &c->facts->portions[portion].labels[label];
	char *field = arena_printf(c->arena, "portions[%zu].labels[%zu]", portion, label);
	if (field == NULL)
		return no_memory(c);
	*r = (struct refusal){ .code = ERR_INVALID_LABEL, .field = bytes_of(field) };
	if (!arena_copy(c->arena, detail, &r->detail, c->err))
		return false;
	const struct epoch *e = c->epoch;
	locate(r, c->arena, vocab_find(e->vocabs, e->vocab_count, raw->vocabulary), raw);
	return r->field.data != NULL || no_memory(c);
}

/* One label.  A fault of it is told in 'e' as ERR_INVALID_LABEL. */
static bool
resolve(struct court *c, const struct raw_label *raw, struct written *w, struct err *e)
{
	w->vocab = vocab_index(c->epoch, raw->vocabulary);
	if (w->vocab == c->epoch->vocab_count)
		/* no nearest one: the names of others' communities are not the publisher's to learn
		 * (S7) */
		return err_set(e, ERR_INVALID_LABEL, "there is no vocabulary '%.*s' here",
		    (int)(raw->vocabulary.len < 100 ? raw->vocabulary.len : 100),
		    (const char *)raw->vocabulary.data);
	const struct vocab *v = c->epoch->vocabs[w->vocab];
	if (!label_resolve(c->arena, v, raw, &w->label, e))
		return false;
	if (!c->facts->later && !label_check(&w->label, c->facts->accepted, e))
		return false;
	w->known = true;
	return true;
}

static bool
two_alike(const struct written *w, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (w[i].vocab == w[count].vocab)
			return true;
	return false;
}

/* The labels of one portion. */
static bool
resolve_portion(struct court *c, size_t portion, struct written *w, struct refusal *refusal)
{
	const struct fact_portion *p = &c->facts->portions[portion];
	for (size_t i = 0; i < p->label_count; i++) {
		struct err e = { 0 };
		bool good = resolve(c, &p->labels[i], &w[i], &e);
		if (!good && e.code == ERR_NOMEM)
			return no_memory(c);
		if (good && two_alike(w, i)) {
			good = err_set(&e, ERR_INVALID_LABEL, "two labels of one vocabulary");
			w[i].known = false;
		}
		if (good || c->facts->later)
			continue;
		return refuse_label(c, refusal, portion, i, bytes_of(e.text));
	}
	return true;
}

bool
court_labels(struct court *c, struct refusal *refusal)
{
	const struct facts *f = c->facts;
	struct written **all = arena_zalloc(c->arena, f->portion_count, sizeof(struct written *));
	if (all == NULL)
		return no_memory(c);
	for (size_t i = 0; i < f->portion_count && refusal->code == ERR_NONE; i++) {
		all[i] = arena_zalloc(c->arena, f->portions[i].label_count, sizeof(struct written));
		if (all[i] == NULL)
			return no_memory(c);
		if (!resolve_portion(c, i, all[i], refusal))
			return false;
	}
	c->labels = all;
	return true;
}

/* ---- what was opened and said ---- */

static uint32_t
portion_opened(const struct facts *f, size_t i)
{
	return f->opened[i].portion;
}

static uint32_t
portion_approved(const struct facts *f, size_t i)
{
	return f->approvals[i].portion;
}

/* The places of the entries of each portion; an entry of none counts nowhere. */
static bool
by_portion(struct court *c, size_t count, uint32_t (*portion)(const struct facts *, size_t),
    struct ask_list **out)
{
	const struct facts *f = c->facts;
	struct ask_list *lists = arena_zalloc(c->arena, f->portion_count, sizeof(*lists));
	uint32_t *next = arena_zalloc(c->arena, f->portion_count, sizeof(*next));
	uint32_t *room = arena_zalloc(c->arena, count, sizeof(*room));
	if (lists == NULL || next == NULL || room == NULL)
		return no_memory(c);
	for (size_t i = 0; i < count; i++)
		if (portion(f, i) < f->portion_count)
			lists[portion(f, i)].count++;
	for (size_t p = 0, at = 0; p < f->portion_count; at += lists[p].count, p++) {
		lists[p].at = room + at;
		next[p] = (uint32_t)at;
	}
	for (size_t i = 0; i < count; i++)
		if (portion(f, i) < f->portion_count)
			room[next[portion(f, i)]++] = (uint32_t)i;
	*out = lists;
	return true;
}

bool
court_portions(struct court *c)
{
	return by_portion(c, c->facts->opened_count, portion_opened, &c->opened) &&
	       by_portion(c, c->facts->approval_count, portion_approved, &c->approvals);
}

/* ---- agreements ---- */

static const struct agreement *
lookup(const struct court *c, struct bytes name)
{
	if (c->only != NULL)
		return bytes_equal(c->only->name, name) ? c->only : NULL;
	return epoch_agreement(c->epoch, name);
}

/* Every mention of the agreement must carry its terms. */
static bool
terms_differ(const struct court *c, const struct agreement *a)
{
	for (size_t i = 0; i < c->facts->agreement_count; i++) {
		const struct fact_agreement *n = &c->facts->agreements[i];
		if (n->has_terms && bytes_equal(n->name, a->name) &&
		    (!a->has_terms || memcmp(n->terms, a->terms, sizeof(a->terms)) != 0))
			return true;
	}
	return false;
}

/* What is wrong with an agreement that the originator is a member of; NULL: nothing. */
static const char *
fault_of(const struct court *c, const struct agreement *a, const struct member *m)
{
	const struct facts *f = c->facts;
	if (a->refused != NULL)
		return a->refused;
	if (c->only == NULL && a->state == STATE_DRAFT)
		return "it is a draft";
	if (c->only == NULL && a->state != STATE_IN_FORCE)
		return "it is terminated";
	if (f->time < a->valid_from)
		return "it is not in force yet";
	if (f->time >= a->valid_until)
		return "it is no longer in force";
	if (c->only == NULL && a->unsigned_)
		return "it lacks signatures that it requires";
	if (c->only == NULL && a->suspended && !f->later)
		return "it is suspended";
	if (!f->later && terms_differ(c, a))
		return "its terms are not those named";
	if (!m->may_originate)
		return "you may not originate under it";
	if (!agreement_covers(a, f->topic))
		return "the topic is outside its topics";
	if (f->precedence > m->at_most)
		return "the precedence is above your right";
	if (f->mode != a->mode)
		return "it is of the other mode";
	return NULL;
}

void
court_agreements(struct court *c)
{
	const struct facts *f = c->facts;
	for (size_t i = 0; i < f->agreement_count && i < LIMIT_AGREEMENTS_PER_REPORT; i++) {
		struct bytes name = f->agreements[i].name;
		bool again = false;
		for (size_t k = 0; k < c->named_count; k++)
			again = again || bytes_equal(c->named[k].name, name);
		if (again)
			continue;
		struct named *n = &c->named[c->named_count++];
		*n = (struct named){ .name = name, .bit = (unsigned)i };
		n->agreement = lookup(c, name);
		const struct member *m =
		    n->agreement == NULL ? NULL : agreement_member(n->agreement, f->originator);
		/* S7: unknown and not yours are one answer */
		n->fault = m == NULL ? "unknown" : fault_of(c, n->agreement, m);
		n->suspended = n->agreement != NULL && n->agreement->suspended && c->only == NULL;
	}
}

/* ---- views ---- */

static const struct equivalence *
equivalence_from(const struct agreement *a, size_t vocab)
{
	for (size_t i = 0; i < a->equivalence_count; i++)
		if (a->equivalences[i].from == vocab)
			return &a->equivalences[i];
	return NULL;
}

/* The label mapped and found good by the vocabulary that it is mapped into, or NULL. */
static bool
map_label(
    struct court *c, const struct equivalence *q, const struct label *in, const struct label **out)
{
	struct label *l = arena_alloc(c->arena, sizeof(*l));
	struct err e = { 0 };
	if (l == NULL)
		return no_memory(c);
	bool good =
	    label_map_apply(c->arena, &q->map, in, l, &e) && label_check(l, c->facts->accepted, &e);
	if (!good && e.code == ERR_NOMEM)
		return no_memory(c);
	*out = good ? l : NULL;
	return true;
}

static bool
see(struct court *c, const struct agreement *a, size_t portion, struct view *v, const bool *live)
{
	size_t count = c->facts->portions[portion].label_count;
	struct seen_label *s = arena_zalloc(c->arena, count, sizeof(*s));
	bool *matches = arena_zalloc(c->arena, a->rule_count, sizeof(*matches));
	if (s == NULL || matches == NULL)
		return no_memory(c);
	for (size_t i = 0; i < count; i++) {
		const struct written *w = &c->labels[portion][i];
		s[i].vocab = w->vocab;
		if (!w->known)
			continue;
		s[i].written = &w->label;
		s[i].equivalence = equivalence_from(a, w->vocab);
		if (s[i].equivalence != NULL &&
		    !map_label(c, s[i].equivalence, &w->label, &s[i].mapped))
			return false;
	}
	*v = (struct view){ .labels = s, .label_count = count, .matches = matches };
	if (!syntax_media_type(c->facts->portions[portion].content_type, &v->content_type))
		v->content_type = bytes_of("");
	for (size_t i = 0; i < a->rule_count; i++)
		matches[i] = live[i] && rules_portion(&a->rules[i], v);
	return true;
}

/* Check 3 asks whether a member is cleared for each label, as written or as mapped. */
static void
tell_by_labels(struct alike *k, const struct view *v)
{
	for (size_t i = 0; i < v->label_count; i++) {
		const struct seen_label *s = &v->labels[i];
		if (s->written != NULL)
			alike_by_label(k, s->written, s->vocab);
		if (s->equivalence != NULL)
			alike_by_clearance(k, s->equivalence->to);
		if (s->mapped != NULL)
			alike_by_label(k, s->mapped, s->equivalence->to);
	}
}

/* Check 6 asks whose a source is and who had it, check 7 for whom something was opened or said. */
static void
tell_by_facts(const struct court *c, struct alike *k)
{
	const struct facts *f = c->facts;
	for (size_t i = 0; i < f->source_count; i++) {
		const struct agreement *a = epoch_agreement(c->epoch, f->sources[i].agreement);
		alike_by_name(k, f->sources[i].originator);
		if (a != NULL && a->onward == ONWARD_MEMBERS)
			alike_by_names(k, &f->sources[i].onward_to);
	}
	for (size_t i = 0; i < f->approval_count; i++)
		if (i == 0 ||
		    !bytes_equal(f->approvals[i].recipient, f->approvals[i - 1].recipient))
			alike_by_name(k, f->approvals[i].recipient);
	for (size_t i = 0; i < f->opened_count; i++)
		if (i == 0 || !bytes_equal(f->opened[i].recipient, f->opened[i - 1].recipient))
			alike_by_name(k, f->opened[i].recipient);
}

bool
court_views(struct court *c, struct named *n)
{
	const struct agreement *a = n->agreement;
	struct view *views = arena_zalloc(c->arena, c->facts->portion_count, sizeof(*views));
	bool *live = arena_zalloc(c->arena, a->rule_count, sizeof(*live));
	if (views == NULL || live == NULL)
		return no_memory(c);
	for (size_t i = 0; i < a->rule_count; i++)
		live[i] = rules_live(&a->rules[i], c->facts);
	for (size_t i = 0; i < c->facts->portion_count; i++)
		if (!see(c, a, i, &views[i], live))
			return false;
	n->views = views;
	court_until(c, a->valid_until);
	if (!alike_init(&n->alike, a, c->facts, c->arena))
		return no_memory(c);
	for (size_t i = 0; i < c->facts->portion_count; i++)
		tell_by_labels(&n->alike, &views[i]);
	tell_by_facts(c, &n->alike);
	n->rows = arena_zalloc(c->arena, n->alike.count, sizeof(*n->rows));
	return n->rows != NULL || no_memory(c);
}

/* ---- judging ---- */

static const struct {
	enum verdict (*run)(struct ask *q, struct why *why);
} checks[] = {
#define CHECK(name, source) { rules_##name },
#include "policy/rules.def"
};
enum { CHECK_COUNT = sizeof(checks) / sizeof(checks[0]) };

static enum verdict
run_check(struct ask *q, size_t check, struct why *why)
{
	enum verdict v = checks[check].run(q, why);
	return v == VERDICT_RELEASE || v == VERDICT_HOLD ? v : VERDICT_WITHHOLD; /* zero is none */
}

/* All checks; the strictest verdict, and the first reason that gives it.  After a WITHHOLD nothing
 * can be stricter or come earlier. */
static enum verdict
run_checks(struct ask *q, struct why *kept)
{
	enum verdict strictest = VERDICT_RELEASE;
	*kept = (struct why){ .reason = REASON_RELEASE };
	for (size_t i = 0; i < CHECK_COUNT; i++) {
		struct why why = { 0 };
		enum verdict v = run_check(q, i, &why);
		if (v > strictest) {
			strictest = v;
			*kept = why;
		}
		if (strictest == VERDICT_WITHHOLD)
			break;
	}
	if (strictest == VERDICT_RELEASE)
		kept->rule = q->cover;
	return strictest;
}

static struct ask
ask_of(const struct court *c, const struct named *n, const struct member *r, uint32_t portion)
{
	return (struct ask){ .epoch = c->epoch,
		.facts = c->facts,
		.sources = c->sources,
		.agreement = n->agreement,
		.recipient = r,
		.view = &n->views[portion],
		.portion = portion,
		.opened = c->opened[portion],
		.approvals = c->approvals[portion],
		.arena = c->arena,
		.in_force_until = UINT64_MAX };
}

/* Tells what every check says of a portion; asked anew, so that the decision is what it is. */
static bool
tell_portion(struct court *c, const struct named *n, const struct member *r, uint32_t portion)
{
	static const char *const names[] = {
#define CHECK(name, source) #name,
#include "policy/rules.def"
	};
	struct ask q = ask_of(c, n, r, portion);
	for (size_t i = 0; i < CHECK_COUNT; i++) {
		struct why why = { 0 };
		q.fault = 0;
		enum verdict v = run_check(&q, i, &why);
		struct check_said s = { .name = names[i],
			.verdict = v,
			.reason = v == VERDICT_RELEASE ? REASON_NONE : why.reason,
			.label = (uint32_t)q.fault - 1,
			.rule = why.rule };
		c->trace->said(c->trace->ctx, r, portion, &s);
	}
	return !q.no_memory || no_memory(c);
}

static bool
judge_portion(struct court *c, const struct named *n, const struct member *r, uint32_t portion,
    struct portion_decision *out)
{
	struct ask q = ask_of(c, n, r, portion);
	struct why why;
	enum verdict v = run_checks(&q, &why);
	if (q.no_memory)
		return no_memory(c);
	struct portion_decision d = {
		.verdict = v, .reason = why.reason, .agreement = n->agreement
	};
	if (why.rule != NULL) {
		d.rule = why.rule->name;
		d.place = why.rule->place;
	}
	if (v == VERDICT_HOLD && !duty_open(&q, &d.open, &d.open_count))
		return no_memory(c);
	if (v != VERDICT_WITHHOLD) {
		d.mask = (uint8_t)(1u << n->bit);
		court_until(c, q.in_force_until);
	}
	*out = d;
	return true;
}

/* Once for each recipient and not for each of its portions: the lists can be long. */
static bool
see_sources(struct court *c, const struct member *r)
{
	const struct facts *f = c->facts;
	bool first = c->sources == NULL;
	if (f->source_count == 0)
		return true;
	if (first)
		c->sources = arena_zalloc(c->arena, f->source_count, sizeof(*c->sources));
	if (c->sources == NULL)
		return no_memory(c);
	for (size_t i = 0; i < f->source_count; i++) {
		const struct fact_source *s = &f->sources[i];
		struct ask_source *to = &c->sources[i];
		if (first)
			to->from = epoch_agreement(c->epoch, s->agreement);
		to->own = bytes_equal(s->originator, f->originator) ||
			  bytes_equal(s->originator, r->party->name);
		to->had = to->from != NULL && to->from->onward == ONWARD_MEMBERS && !to->own &&
			  rules_listed(&s->onward_to, r->party->name);
	}
	return true;
}

const struct portion_decision *
court_judge(struct court *c, struct named *n, const struct member *r)
{
	struct portion_decision **shared = &n->rows[alike_part(&n->alike, r)];
	size_t count = c->facts->portion_count;
	if (*shared != NULL && c->trace == NULL) /* each member is told of */
		return *shared;
	struct portion_decision *rows = arena_zalloc(c->arena, count, sizeof(*rows));
	if (rows == NULL) {
		no_memory(c);
		return NULL;
	}
	if (!see_sources(c, r))
		return NULL;
	for (uint32_t i = 0; i < count; i++)
		if ((c->trace != NULL && !tell_portion(c, n, r, i)) ||
		    !judge_portion(c, n, r, i, &rows[i]))
			return NULL;
	*shared = rows;
	return rows;
}
