#include "policy/cover.h"

struct features { /* sets of values of which a condition asks whether a label has any */
	const uint64_t **sets;
	size_t count;
};
struct making {
	struct arena *a;
	const struct cover_ask *q;
	const struct realm *realm;
	struct cover *out;
	struct features features[2];
	uint32_t class_;
	bool passes[2]; /* of the labels looked for */
	struct err *err;
};

static bool
no_memory(struct making *m)
{
	return err_set(m->err, ERR_NOMEM, "label classes");
}

bool
cover_too_many(struct err *e)
{
	return err_set(e, ERR_INTERNAL, "not decided: too many classes of labels");
}

/* ---- what the rules ask ---- */

static bool
is_known(const struct making *m, const struct features *f, const uint64_t *set)
{
	for (size_t i = 0; i < f->count; i++)
		if (memcmp(f->sets[i], set, m->realm->words * sizeof(*set)) == 0)
			return true;
	return false;
}

/* Through both lenses: a withhold rule sees a label as written and as mapped. */
static bool
ask(struct making *m, size_t side, const struct condition *c)
{
	const struct sight *s = &m->q->sight[side];
	const struct lens *lenses[] = { &s->written, &s->mapped };
	struct features *f = &m->features[side];
	for (size_t i = 0; i < 2; i++) {
		const uint64_t *set;
		if (!sight_asked(m->a, s, lenses[i], c, &set, m->err))
			return false;
		if (set != NULL && !is_known(m, f, set))
			f->sets[f->count++] = set;
	}
	return true;
}

static bool
ask_all(struct making *m, size_t side)
{
	const struct agreement *of = m->q->agreement[side];
	size_t most = 0;
	for (size_t i = 0; of != NULL && i < of->rule_count; i++)
		most += 2 * of->rules[i].condition_count;
	m->features[side].sets = arena_zalloc(m->a, most, sizeof(uint64_t *));
	if (m->features[side].sets == NULL)
		return no_memory(m);
	for (size_t i = 0; of != NULL && i < of->rule_count; i++)
		for (size_t k = 0; m->q->applies[side][i] && k < of->rules[i].condition_count; k++)
			if (!ask(m, side, &of->rules[i].conditions[k]))
				return false;
	return true;
}

/* ---- every answer that a label can give ---- */

static bool
keep(struct making *m, const uint64_t *values)
{
	struct cover *c = m->out;
	size_t size = m->realm->words * sizeof(*values);
	if (*m->q->left == 0)
		return cover_too_many(m->err);
	--*m->q->left;
	if (c->count == c->room) {
		size_t room = c->room == 0 ? 16 : 2 * c->room;
		struct cover_label *items = arena_zalloc(m->a, room, sizeof(*items));
		if (items == NULL)
			return no_memory(m);
		if (c->count > 0)
			memcpy(items, c->items, c->count * sizeof(*items));
		c->items = items;
		c->room = room;
	}
	uint64_t *copy = arena_zalloc(m->a, m->realm->words, sizeof(*copy));
	if (copy == NULL)
		return no_memory(m);
	if (size > 0)
		memcpy(copy, values, size);
	c->items[c->count++] =
	    (struct cover_label){ m->class_, { m->passes[0], m->passes[1] }, copy };
	return true;
}

/* 'values' keeps all bounds of 'g'.  Feature by feature it answers one of two ways; whether a label
 * answers the other, the search says. */
static bool
branch(
    struct making *m, struct gate *g, const struct features *f, size_t from, const uint64_t *values)
{
	uint64_t other[PICK_WORDS];
	if (from == f->count)
		return keep(m, values);
	bool has = pick_meets(values, f->sets[from], g->words);
	size_t before = g->count;
	if (!gate_add(m->a, g, NULL, f->sets[from], has))
		return no_memory(m);
	bool ok = branch(m, g, f, from + 1, values);
	g->count = before;
	if (!ok)
		return false;
	if (!gate_add(m->a, g, NULL, f->sets[from], !has))
		return no_memory(m);
	enum pick_answer answer = pick(g->bounds, g->count, g->words, other);
	if (answer == PICK_UNDECIDED)
		return cover_too_many(m->err);
	ok = answer == PICK_NONE || branch(m, g, f, from + 1, other);
	g->count = before;
	return ok;
}

static bool
each_answer(struct making *m, struct gate *g, const struct features *f)
{
	uint64_t values[PICK_WORDS];
	switch (pick(g->bounds, g->count, g->words, values)) {
	case PICK_NONE:
		return true;
	case PICK_SOME:
		return branch(m, g, f, 0, values);
	case PICK_UNDECIDED:
	default:
		return cover_too_many(m->err);
	}
}

/* ---- labels that pass both gates, and those that pass one ---- */

static bool
copy_gate(struct making *m, const struct gate *g, size_t more, struct gate *out)
{
	*out = *g;
	out->room = g->count + more;
	out->bounds = arena_zalloc(m->a, out->room, sizeof(*out->bounds));
	if (out->bounds == NULL)
		return no_memory(m);
	if (g->count > 0)
		memcpy(out->bounds, g->bounds, g->count * sizeof(*out->bounds));
	return true;
}

static bool
has_bound(const struct gate *g, const struct pick_bound *b)
{
	for (size_t i = 0; i < g->count; i++)
		if (gate_bound_equal(&g->bounds[i], b, g->words))
			return true;
	return false;
}

/* Bound 'i' of 'other' is one of 'g': mostly the same one. */
static bool
shares(const struct gate *g, const struct gate *other, size_t i)
{
	const struct pick_bound *b = &other->bounds[i];
	return (i < g->count && gate_bound_equal(&g->bounds[i], b, g->words)) || has_bound(g, b);
}

static bool
pass_both(struct making *m, const struct gate gates[2])
{
	struct gate g;
	struct features all = { .count = 0 };
	all.sets =
	    arena_zalloc(m->a, m->features[0].count + m->features[1].count, sizeof(uint64_t *));
	if (all.sets == NULL || !copy_gate(m, &gates[0], gates[1].count, &g))
		return no_memory(m);
	for (size_t i = 0; i < gates[1].count; i++)
		if (!shares(&gates[0], &gates[1], i))
			g.bounds[g.count++] = gates[1].bounds[i];
	for (size_t s = 0; s < 2; s++)
		for (size_t i = 0; i < m->features[s].count; i++)
			if (!is_known(m, &all, m->features[s].sets[i]))
				all.sets[all.count++] = m->features[s].sets[i];
	m->passes[0] = m->passes[1] = true;
	return each_answer(m, &g, &all);
}

/* Labels that do not keep 'b': its guard applies, and there is too little of it or too much. */
static bool
break_bound(struct making *m, struct gate *g, const struct pick_bound *b, size_t side)
{
	size_t before = g->count;
	struct pick_bound less = { NULL, b->groups, b->count, 0, b->low - 1 };
	struct pick_bound more = { NULL, b->groups, b->count, b->high + 1, b->count };
	if (b->guard != NULL && !gate_add(m->a, g, NULL, b->guard, 1))
		return no_memory(m);
	size_t guarded = g->count;
	bool ok = true;
	for (size_t i = 0; ok && i < 2; i++) {
		if (i == 0 ? b->low == 0 : b->high >= b->count)
			continue;
		if (!gate_put(m->a, g, i == 0 ? &less : &more))
			return no_memory(m);
		ok = each_answer(m, g, &m->features[side]);
		g->count = guarded;
	}
	g->count = before;
	return ok;
}

static bool
pass_one(struct making *m, const struct gate gates[2], size_t side)
{
	struct gate g;
	const struct gate *other = &gates[!side];
	m->passes[side] = true;
	m->passes[!side] = false;
	if (!copy_gate(m, &gates[side], 1, &g))
		return false;
	if (other->closed)
		return each_answer(m, &g, &m->features[side]);
	for (size_t i = 0; i < other->count; i++)
		if (!shares(&gates[side], other, i) && !break_bound(m, &g, &other->bounds[i], side))
			return false;
	return true;
}

static bool
each_class(struct making *m)
{
	struct gate gates[2];
	for (size_t s = 0; s < 2; s++) {
		struct gate_ask ask = { m->q->agreement[s], m->q->member[s], m->class_,
			m->q->time };
		if (!gate_make(m->a, &m->q->sight[s], &ask, &gates[s], m->err))
			return false;
	}
	if (!gates[0].closed && !gates[1].closed && !pass_both(m, gates))
		return false;
	for (size_t s = 0; s < 2; s++)
		if (!gates[s].closed && !pass_one(m, gates, s))
			return false;
	return true;
}

bool
cover_make(struct arena *a, const struct cover_ask *q, struct cover *out, struct err *e)
{
	struct making m = { .a = a, .q = q, .realm = q->sight[0].realm, .out = out, .err = e };
	*out = (struct cover){ .count = 0 };
	if (m.realm->words > PICK_WORDS)
		return cover_too_many(e);
	if (!ask_all(&m, 0) || !ask_all(&m, 1))
		return false;
	for (; m.class_ < m.realm->class_count; m.class_++)
		if (!each_class(&m))
			return false;
	return true;
}
