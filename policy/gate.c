#include "policy/gate.h"

#include "policy/vocab_parts.h"

/* ---- how a realm is seen ---- */

bool
sight_of(struct arena *a, const struct realm *r, const struct sight_ask *q, struct sight *out,
    struct err *e)
{
	const struct agreement *of = q->agreement;
	*out = (struct sight){ .realm = r, .side = q->side, .vocabs = epoch_vocab_count(q->epoch) };
	if (r->vocab[q->side] == NULL || of == NULL)
		return true;
	for (size_t i = 0; i < of->equivalence_count; i++)
		if (of->equivalences[i].from == r->index[q->side] &&
		    !lens_mapped(a, r, q->side, &of->equivalences[i], &out->mapped, e))
			return false;
	return lens_written(a, r, q->side, &out->written, e);
}

static const struct clearance *
clearance_in(const struct member *m, const struct vocab *v, size_t vocabs)
{
	for (size_t i = 0; i < vocabs; i++)
		if (m->clearances[i] != NULL && m->clearances[i]->vocab == v)
			return m->clearances[i];
	return NULL;
}

const struct clearance *
sight_clearance(const struct sight *s, const struct member *m, const struct lens **through)
{
	const struct lens *both[] = { &s->written, &s->mapped };
	for (size_t i = 0; i < 2; i++) {
		const struct clearance *k =
		    both[i]->to == NULL ? NULL : clearance_in(m, both[i]->to, s->vocabs);
		if (k == NULL)
			continue;
		*through = both[i];
		return k;
	}
	return NULL;
}

bool
sight_asked(struct arena *a, const struct sight *s, const struct lens *l, const struct condition *c,
    const uint64_t **out, struct err *e)
{
	*out = NULL;
	if (c->kind != CONDITION_LABEL || l->to == NULL || c->vocab != l->to ||
	    c->test < LABEL_TEST_HAS)
		return true;
	uint64_t *set = arena_zalloc(a, l->to->words, sizeof(*set));
	for (size_t t = VOCAB_RESTRICTIVE; set != NULL && t <= VOCAB_INFORMATIVE; t++) {
		uint32_t k = l->to->tagsets[c->tagset].category[t];
		for (uint32_t w = 0; k != VOCAB_NONE && w < l->to->words; w++)
			set[w] |= l->to->categories[k].mask[w];
	}
	if (set != NULL && c->value != VOCAB_NONE) {
		memset(set, 0, l->to->words * sizeof(*set));
		vocab_put(set, c->value);
	}
	if (set != NULL)
		*out = lens_back(a, s->realm, l, set);
	return *out != NULL || err_set(e, ERR_NOMEM, "condition");
}

/* ---- bounds ---- */

struct making {
	struct arena *a;
	struct gate *g;
	const struct sight *s;
	const struct gate_ask *q;
	bool no_memory;
};

bool
gate_put(struct arena *a, struct gate *g, const struct pick_bound *b)
{
	if (g->count == g->room) {
		size_t room = g->room == 0 ? 32 : 2 * g->room;
		struct pick_bound *more = arena_zalloc(a, room, sizeof(*more));
		if (more == NULL)
			return false;
		if (g->count > 0)
			memcpy(more, g->bounds, g->count * sizeof(*more));
		g->bounds = more;
		g->room = room;
	}
	g->bounds[g->count++] = *b;
	return true;
}

static void
put(struct making *m, const struct pick_bound *b)
{
	m->no_memory = !gate_put(m->a, m->g, b) || m->no_memory;
}

static void
put_one(struct making *m, const uint64_t *guard, const uint64_t *set, uint32_t low)
{
	const uint64_t **group = arena_zalloc(m->a, 1, sizeof(uint64_t *));
	m->no_memory = m->no_memory || group == NULL || set == NULL;
	if (m->no_memory)
		return;
	group[0] = set;
	put(m, &(struct pick_bound){ guard, group, 1, low, low });
}

bool
gate_add(struct arena *a, struct gate *g, const uint64_t *guard, const uint64_t *set, uint32_t low)
{
	struct making m = { .a = a, .g = g };
	put_one(&m, guard, set, low);
	return !m.no_memory;
}

static uint64_t *
back(struct making *m, const struct lens *l, const uint64_t *set)
{
	uint64_t *out = lens_back(m->a, m->s->realm, l, set);
	m->no_memory = m->no_memory || out == NULL;
	return out;
}

/* Each value of a set shown counts as one. */
static void
put_count(struct making *m, const struct lens *l, const uint64_t *guard, const uint64_t *set,
    const uint32_t range[2])
{
	const uint64_t **groups = arena_zalloc(m->a, l->to->value_count, sizeof(uint64_t *));
	uint32_t n = 0;
	m->no_memory = m->no_memory || groups == NULL;
	for (uint32_t i = 0; !m->no_memory && i < l->to->value_count; i++)
		if (vocab_has(set, i))
			groups[n++] = l->shown[i];
	if (!m->no_memory)
		put(m, &(struct pick_bound){ guard, groups, n, range[0], range[1] });
}

/* ---- what the SPIF demands ---- */

static void
require(
    struct making *m, const struct lens *l, const uint64_t *guard, const struct vocab_required *r)
{
	uint32_t n = 0;
	for (uint32_t w = 0; w < l->to->words; w++)
		n += (uint32_t)__builtin_popcountll(r->values[w]);
	if (r->operation == VOCAB_ONE_OR_MORE)
		put_one(m, guard, back(m, l, r->values), 1);
	else if (r->operation == VOCAB_ONLY_ONE)
		put_count(m, l, guard, r->values, (uint32_t[2]){ 1, 1 });
	else if (r->operation == VOCAB_ALL && !r->unmatched)
		put_count(m, l, guard, r->values, (uint32_t[2]){ n, n });
	else /* it can never be met */
		put(m, &(struct pick_bound){ guard, NULL, 0, 1, 1 });
}

static void
constrain(struct making *m, const struct lens *l, const uint64_t *guard,
    const struct vocab_rules *r, uint32_t class_)
{
	for (uint32_t i = 0; i < r->required_count; i++)
		require(m, l, guard, &r->required[i]);
	if (r->excluded != NULL)
		put_one(m, guard, back(m, l, r->excluded), 0);
	if ((r->excluded_classes >> class_ & 1) != 0 ||
	    (r->required_classes != 0 && (r->required_classes >> class_ & 1) == 0))
		put(m, &(struct pick_bound){ guard, NULL, 0, 1, 1 });
}

/* label_check as bounds, on the label as the lens shows it. */
static void
accept(struct making *m, const struct lens *l, uint32_t class_)
{
	const struct vocab *v = l->to;
	uint64_t *set = arena_zalloc(m->a, v->words, sizeof(*set));
	m->no_memory = m->no_memory || set == NULL;
	if (v->classes[class_].obsolete)
		m->g->closed = true;
	if (v->classes[class_].rules != NULL)
		constrain(m, l, NULL, v->classes[class_].rules, class_);
	for (uint32_t i = 0; !m->no_memory && i < v->value_count; i++) {
		if (!vocab_value_current(v, i, m->q->time))
			vocab_put(set, i);
		else if (v->values[i].rules != NULL)
			constrain(m, l, l->shown[i], v->values[i].rules, class_);
	}
	if (!m->no_memory)
		put_one(m, NULL, back(m, l, set), 0);
	for (uint32_t i = 0; !m->no_memory && i < v->tag_count; i++) {
		const struct vocab_tag *t = &v->tags[i];
		if (t->min == 0 && t->max == UINT32_MAX)
			continue;
		memset(set, 0, v->words * sizeof(*set));
		for (uint32_t k = t->first; k < t->first + t->count; k++)
			vocab_put(set, k);
		put_count(m, l, NULL, set, (uint32_t[2]){ t->min, t->max });
	}
}

/* ---- what the clearance lets pass ---- */

static uint64_t *
both(struct making *m, const struct vocab *v, const uint64_t *x, const uint64_t *y, bool held)
{
	uint64_t *out = arena_zalloc(m->a, v->words, sizeof(*out));
	m->no_memory = m->no_memory || out == NULL;
	for (uint32_t w = 0; out != NULL && w < v->words; w++)
		out[w] = x[w] & (held ? y[w] : ~y[w]);
	return out;
}

static void
clear(struct making *m, const struct lens *l, const struct clearance *k, uint32_t class_)
{
	const struct vocab *v = l->to;
	m->g->closed = m->g->closed || (k->classes >> class_ & 1) == 0;
	uint64_t *set = both(m, v, v->restrictive, k->values, false);
	if (set != NULL)
		put_one(m, NULL, back(m, l, set), 0);
	for (uint32_t i = 0; !m->no_memory && i < v->category_count; i++) {
		const struct vocab_category *c = &v->categories[i];
		if (c->type != VOCAB_PERMISSIVE)
			continue;
		set = both(m, v, c->mask, k->values, true);
		if (set != NULL)
			put_one(m, back(m, l, c->mask), back(m, l, set), 1);
	}
}

static void
mark(struct making *m, const struct lens *l)
{
	const struct vocab *v = l->to;
	if (!m->q->agreement->unmarked_labels && v->releasability != VOCAB_NONE)
		put_one(m, NULL, back(m, l, v->categories[v->releasability].mask), 1);
}

static void
look(struct making *m, const struct lens *l)
{
	uint32_t class_ = l->to == NULL ? VOCAB_NONE : l->classes[m->q->class_];
	if (class_ == VOCAB_NONE) {
		m->g->closed = true;
		return;
	}
	put_one(m, NULL, l->lost, 0);
	accept(m, l, class_);
}

bool
gate_make(struct arena *a, const struct sight *s, const struct gate_ask *q, struct gate *out,
    struct err *e)
{
	struct making m = { .a = a, .g = out, .s = s, .q = q };
	const struct lens *through = NULL;
	*out = (struct gate){ .words = s->realm->words };
	const struct clearance *k =
	    q->member == NULL ? NULL : sight_clearance(s, q->member, &through);
	out->closed = k == NULL;
	if (!out->closed)
		look(&m, &s->written);
	if (!out->closed && through == &s->mapped)
		look(&m, &s->mapped);
	if (!out->closed) {
		clear(&m, through, k, through->classes[q->class_]);
		mark(&m, &s->written);
		if (through == &s->mapped)
			mark(&m, &s->mapped);
	}
	return !m.no_memory || err_set(e, ERR_NOMEM, "label class");
}

bool
gate_bound_equal(const struct pick_bound *x, const struct pick_bound *y, uint32_t words)
{
	size_t n = words * sizeof(uint64_t);
	if ((x->guard == NULL) != (y->guard == NULL) || x->count != y->count || x->low != y->low ||
	    x->high != y->high)
		return false;
	if (x->guard != NULL && memcmp(x->guard, y->guard, n) != 0)
		return false;
	for (uint32_t i = 0; i < x->count; i++)
		if (memcmp(x->groups[i], y->groups[i], n) != 0)
			return false;
	return true;
}
