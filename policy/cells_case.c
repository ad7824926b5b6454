/* One crowd of receivers in one scene: labels judged together and apart, and what must stand beside
 * them so that a difference shows. */
#include "policy/cells_case.h"
#include "policy/party.h"
#include "proto/limits.h"

enum { AT_ONCE = LIMIT_LABELS_PER_PORTION, RELEVANT_MAX = 64 };

struct summary { /* of labels judged together, but for what no label of them can settle: */
	uint8_t verdict[2];
	bool marked[2]; /* one of them is of a vocabulary with releasability */
};
struct tuple {					      /* one label of each of some realms */
	size_t count, realm[AT_ONCE], label[AT_ONCE]; /* among the relevant ones; in its cover */
};
struct part { /* labels of these realms can be judged so */
	uint64_t realms;
	struct summary is;
	struct tuple example;
};
struct group { /* differences that are alike */
	struct tuple example;
	uint32_t classes[AT_ONCE];
	struct summary is;
	struct {
		enum reason reason;
		const uint8_t *rule;
	} why[2];
	size_t moment;
	uint64_t count;
};

struct desk {
	struct cells_run *run;
	const struct case_ *of;
	struct bench bench;
	size_t relevant[RELEVANT_MAX], relevant_count;
	uint64_t
	    beside[RELEVANT_MAX]; /* realms whose labels a rule can see together with this one's */
	struct cover covers[RELEVANT_MAX];
	struct summary *alone[RELEVANT_MAX]; /* by label: by itself */
	struct part *parts;
	size_t part_count, part_room;
	struct group *groups;
	size_t group_count, group_room;
	size_t moment;
	uint64_t left;
	/* of the realms judged now */
	uint64_t realms;
	bool mark_known[2], marked[2];
};

static bool
no_memory(struct desk *d)
{
	return err_set(d->run->err, ERR_NOMEM, "cells");
}

static const struct sight *
sight_at(const struct desk *d, size_t i, size_t side)
{
	return &d->run->sights[d->relevant[i]][side];
}

/* ---- which vocabularies matter, and which together ---- */

static bool
find_relevant(struct desk *d)
{
	for (size_t i = 0; i < d->run->realms.count; i++) {
		bool any = false;
		for (size_t s = 0; s < 2; s++) {
			const struct lens *through;
			const struct member *m = d->of->member[s];
			any = any ||
			      (m != NULL && sight_clearance(&d->run->sights[i][s], m, &through));
		}
		if (!any)
			continue;
		if (d->relevant_count == RELEVANT_MAX)
			return cover_too_many(d->run->err);
		d->relevant[d->relevant_count++] = i;
	}
	return true;
}

static bool
speaks_of(const struct rule *r, const struct vocab *v)
{
	for (size_t i = 0; v != NULL && i < r->condition_count; i++)
		if (r->conditions[i].kind == CONDITION_LABEL && r->conditions[i].vocab == v)
			return true;
	return false;
}

static bool
sees(const struct desk *d, size_t side, const struct rule *r, size_t i)
{
	const struct sight *s = sight_at(d, i, side);
	return speaks_of(r, s->written.to) || speaks_of(r, s->mapped.to);
}

static void
find_beside(struct desk *d)
{
	for (size_t s = 0; s < 2; s++) {
		const struct agreement *of = d->of->side[s].agreement;
		for (size_t r = 0; d->of->member[s] != NULL && r < of->rule_count; r++) {
			uint64_t seen = 0;
			for (size_t i = 0; d->of->applies[s][r] && i < d->relevant_count; i++)
				seen |= (uint64_t)sees(d, s, &of->rules[r], i) << i;
			for (size_t i = 0; i < d->relevant_count; i++)
				if ((seen >> i & 1) != 0)
					d->beside[i] |= seen & ~(UINT64_C(1) << i);
		}
	}
}

static uint64_t
beside_all(const struct desk *d, uint64_t realms)
{
	uint64_t out = 0;
	for (size_t i = 0; i < d->relevant_count; i++)
		if ((realms >> i & 1) != 0)
			out |= d->beside[i];
	return out;
}

static bool
is_connected(const struct desk *d, uint64_t realms)
{
	uint64_t reached = realms & (~realms + 1), more = reached;
	while (more != 0) {
		more = beside_all(d, reached) & realms & ~reached;
		reached |= more;
	}
	return reached == realms;
}

static bool
cover_all(struct desk *d)
{
	for (size_t i = 0; i < d->relevant_count; i++) {
		struct cover_ask q = { .sight = d->run->sights[d->relevant[i]],
			.time = d->bench.time,
			.left = &d->left };
		for (size_t s = 0; s < 2; s++) {
			q.agreement[s] = d->of->side[s].agreement;
			q.member[s] = d->of->member[s];
			q.applies[s] = d->of->applies[s];
		}
		if (!cover_make(&d->run->scratch, &q, &d->covers[i], d->run->err))
			return false;
		d->alone[i] =
		    arena_zalloc(&d->run->scratch, d->covers[i].count, sizeof(struct summary));
		if (d->alone[i] == NULL)
			return no_memory(d);
	}
	return true;
}

/* ---- judging labels together ---- */

/* As a publisher writes them, until the next call: there may be too many to keep. */
static bool
labels_of(struct desk *d, const struct tuple *t, struct raw_label *out)
{
	arena_reset(&d->run->words, SIZE_MAX);
	for (size_t i = 0; i < t->count; i++) {
		const struct cover_label *l = &d->covers[t->realm[i]].items[t->label[i]];
		if (!realm_label(&d->run->words, sight_at(d, t->realm[i], 0)->realm, l->class_,
			l->values, &out[i], d->run->err))
			return false;
	}
	return true;
}

/* Whether a portion with these realms' labels alone lacks releasability: the same for all that are
 * not withheld otherwise, so it is asked once. */
static bool
find_mark(struct desk *d, size_t side, const struct raw_label *labels, size_t count)
{
	struct cell_said said;
	if (d->mark_known[side])
		return true;
	if (!bench_judge(&d->bench, side, labels, count, false, &said))
		return false;
	d->mark_known[side] = true;
	d->marked[side] = said.verdict != VERDICT_WITHHOLD;
	return true;
}

static bool
judge(struct desk *d, const struct tuple *t, struct summary *is, struct cell_said said[2])
{
	struct raw_label labels[AT_ONCE];
	size_t count = t->count;
	if (!labels_of(d, t, labels))
		return false;
	for (size_t s = 0; s < 2; s++) {
		if (!bench_judge(&d->bench, s, labels, count, true, &said[s]))
			return false;
		is->verdict[s] = (uint8_t)said[s].verdict;
		is->marked[s] = true;
		if (said[s].verdict == VERDICT_WITHHOLD)
			continue;
		if (!find_mark(d, s, labels, count))
			return false;
		is->marked[s] = d->marked[s];
	}
	return true;
}

static bool
same_summary(const struct summary *x, const struct summary *y)
{
	return x->verdict[0] == y->verdict[0] && x->verdict[1] == y->verdict[1] &&
	       x->marked[0] == y->marked[0] && x->marked[1] == y->marked[1];
}

static bool
differs(const struct summary *is)
{
	return is->verdict[0] != is->verdict[1] || is->marked[0] != is->marked[1];
}

static bool
grow(struct desk *d, void **list, size_t *room, size_t count, size_t size)
{
	if (count < *room)
		return true;
	size_t more = *room == 0 ? 16 : 2 * *room;
	void *out = arena_zalloc(&d->run->scratch, more, size);
	if (out == NULL)
		return no_memory(d);
	if (count > 0)
		memcpy(out, *list, count * size);
	*list = out;
	*room = more;
	return true;
}

static bool
note_part(struct desk *d, const struct tuple *t, const struct summary *is)
{
	for (size_t i = 0; i < d->part_count; i++)
		if (d->parts[i].realms == d->realms && same_summary(&d->parts[i].is, is))
			return true;
	if (!grow(d, (void **)&d->parts, &d->part_room, d->part_count, sizeof(*d->parts)))
		return false;
	d->parts[d->part_count++] = (struct part){ d->realms, *is, *t };
	return true;
}

static uint32_t
class_at(const struct desk *d, const struct tuple *t, size_t i)
{
	return d->covers[t->realm[i]].items[t->label[i]].class_;
}

static bool
is_of(const struct desk *d, const struct group *g, const struct tuple *t, const struct summary *is,
    const struct cell_said said[2])
{
	if (g->example.count != t->count || !same_summary(&g->is, is))
		return false;
	for (size_t s = 0; s < 2; s++)
		if (g->why[s].reason != said[s].reason || g->why[s].rule != said[s].rule.data)
			return false;
	for (size_t i = 0; i < t->count; i++)
		if (g->example.realm[i] != t->realm[i] || g->classes[i] != class_at(d, t, i))
			return false;
	return true;
}

static bool
note_group(
    struct desk *d, const struct tuple *t, const struct summary *is, const struct cell_said said[2])
{
	bool each = d->run->ask->each && d->moment == 0;
	for (size_t i = 0; !each && i < d->group_count; i++) {
		struct group *g = &d->groups[i];
		if (!is_of(d, g, t, is, said))
			continue;
		g->count += g->moment == d->moment; /* later ones have it all again */
		return true;
	}
	if (!grow(d, (void **)&d->groups, &d->group_room, d->group_count, sizeof(*d->groups)))
		return false;
	struct group *g = &d->groups[d->group_count++];
	*g = (struct group){ .example = *t, .is = *is, .moment = d->moment, .count = 1 };
	for (size_t s = 0; s < 2; s++) {
		g->why[s].reason = said[s].reason;
		g->why[s].rule = said[s].rule.data;
	}
	for (size_t i = 0; i < t->count; i++)
		g->classes[i] = class_at(d, t, i);
	return true;
}

/* ---- every tuple of realms that are judged together ---- */

/* One of the labels alone makes the same difference: those beside it change nothing. */
static bool
is_told_alone(const struct desk *d, const struct tuple *t, const struct summary *is)
{
	for (size_t i = 0; t->count > 1 && i < t->count; i++)
		if (same_summary(&d->alone[t->realm[i]][t->label[i]], is))
			return true;
	return false;
}

static bool
take_tuple(struct desk *d, const struct tuple *t)
{
	struct summary is;
	struct cell_said said[2];
	bool passes[2] = { true, true };
	for (size_t i = 0; i < t->count; i++)
		for (size_t s = 0; s < 2; s++)
			passes[s] =
			    passes[s] && d->covers[t->realm[i]].items[t->label[i]].passes[s];
	if (!passes[0] && !passes[1])
		return true; /* withheld by both */
	if (d->left == 0)
		return cover_too_many(d->run->err);
	d->left--;
	if (!judge(d, t, &is, said) || !note_part(d, t, &is))
		return false;
	if (t->count == 1)
		d->alone[t->realm[0]][t->label[0]] = is;
	if (!differs(&is) || (!d->run->ask->each && is_told_alone(d, t, &is)))
		return true;
	return note_group(d, t, &is, said);
}

static bool
each_tuple(struct desk *d, struct tuple *t, size_t realm)
{
	while (realm < d->relevant_count && (d->realms >> realm & 1) == 0)
		realm++;
	if (realm == d->relevant_count)
		return take_tuple(d, t);
	size_t at = t->count++;
	t->realm[at] = realm;
	for (size_t i = 0; i < d->covers[realm].count; i++) {
		t->label[at] = i;
		if (!each_tuple(d, t, realm + 1))
			return false;
	}
	t->count = at;
	return true;
}

/* Every set of 'size' realms that hang together. */
static bool
each_set(struct desk *d, uint64_t realms, size_t from, size_t size)
{
	if (size == 0) {
		struct tuple t = { .count = 0 };
		d->realms = realms;
		d->mark_known[0] = d->mark_known[1] = false;
		return !is_connected(d, realms) || each_tuple(d, &t, 0);
	}
	for (size_t i = from; i < d->relevant_count; i++)
		if (!each_set(d, realms | UINT64_C(1) << i, i + 1, size - 1))
			return false;
	return true;
}

static bool
each_size(struct desk *d)
{
	for (size_t size = 1; size <= AT_ONCE; size++)
		if (!each_set(d, 0, 0, size))
			return false;
	return true;
}

/* ---- what must stand beside a difference so that it shows ---- */

struct shown {
	struct tuple tuple;
	int steps; /* below zero: it narrows; 0: it does not show */
};
struct beside_search {
	const struct desk *d;
	const struct group *g;
	struct shown widest, narrowest;
};

static struct summary
together(const struct summary *x, const struct summary *y)
{
	struct summary out;
	for (size_t s = 0; s < 2; s++) {
		out.verdict[s] = x->verdict[s] > y->verdict[s] ? x->verdict[s] : y->verdict[s];
		out.marked[s] = x->marked[s] || y->marked[s];
	}
	return out;
}

static int
steps_of(const struct summary *is)
{
	int v[2];
	for (size_t s = 0; s < 2; s++)
		v[s] = is->marked[s] ? is->verdict[s] : VERDICT_WITHHOLD;
	return v[0] - v[1];
}

static void
search_beside(struct beside_search *q, const struct tuple *t, const struct summary *is,
    uint64_t realms, size_t from)
{
	int steps = steps_of(is);
	if (steps > q->widest.steps ||
	    (steps == q->widest.steps && steps > 0 && t->count < q->widest.tuple.count))
		q->widest = (struct shown){ *t, steps };
	if (steps < q->narrowest.steps ||
	    (steps == q->narrowest.steps && steps < 0 && t->count < q->narrowest.tuple.count))
		q->narrowest = (struct shown){ *t, steps };
	for (size_t i = from; i < q->d->part_count; i++) {
		const struct part *p = &q->d->parts[i];
		struct tuple more = *t;
		if (t->count + p->example.count > AT_ONCE ||
		    ((realms | beside_all(q->d, realms)) & p->realms) != 0)
			continue;
		for (size_t k = 0; k < p->example.count; k++) {
			more.realm[more.count] = p->example.realm[k];
			more.label[more.count++] = p->example.label[k];
		}
		struct summary both = together(is, &p->is);
		search_beside(q, &more, &both, realms | p->realms, i + 1);
	}
}

static bool
copy_label(struct arena *a, const struct raw_label *in, struct raw_label *out)
{
	struct raw_category *list = arena_zalloc(a, in->category_count, sizeof(*list));
	*out = *in;
	if (list == NULL)
		return false;
	for (size_t i = 0; i < in->category_count; i++) {
		size_t n = in->categories[i].values.count;
		struct bytes *values = arena_zalloc(a, n, sizeof(*values));
		if (values == NULL)
			return false;
		memcpy(values, in->categories[i].values.items, n * sizeof(*values));
		list[i] = (struct raw_category){ in->categories[i].name, { values, n } };
	}
	out->categories = list;
	return true;
}

static bool
give(struct desk *d, const struct group *g, const struct shown *shown)
{
	struct arena *a = d->run->arena;
	struct raw_label *labels = arena_zalloc(a, AT_ONCE, sizeof(*labels));
	struct raw_label built[AT_ONCE];
	struct cell c = { .scenes = &d->run->scenes,
		.scene = d->of->scene,
		.to = d->of->to,
		.count = g->count,
		.occasion = d->of->occasion,
		.sender = d->of->sender,
		.receiver = d->of->receiver,
		.time = d->bench.time,
		.labels = labels,
		.own_count = g->example.count };
	c.label_count = shown->tuple.count;
	if (!labels_of(d, &shown->tuple, built))
		return false;
	for (size_t i = 0; labels != NULL && i < c.label_count; i++)
		if (!copy_label(a, &built[i], &labels[i]))
			return no_memory(d);
	if (labels == NULL)
		return no_memory(d);
	for (size_t s = 0; s < 2; s++)
		if (!bench_judge(&d->bench, s, built, c.label_count, false, &c.said[s]))
			return false;
	/* the kernel has the last word: what was put together must be what it says */
	if ((int)c.said[0].verdict - (int)c.said[1].verdict != shown->steps)
		return err_set(d->run->err, ERR_INTERNAL,
		    "not decided: labels judged together are not what they are apart");
	return d->run->take(d->run->ctx, &c);
}

static bool
give_all(struct desk *d)
{
	for (size_t i = 0; i < d->group_count; i++) {
		const struct group *g = &d->groups[i];
		uint64_t realms = 0;
		struct beside_search q = { .d = d, .g = g };
		if (g->moment != d->moment)
			continue;
		for (size_t k = 0; k < g->example.count; k++)
			realms |= UINT64_C(1) << g->example.realm[k];
		if (g->is.marked[0] && g->is.marked[1]) /* nothing beside it can show more */
			q.widest = q.narrowest = (struct shown){ g->example, steps_of(&g->is) };
		else
			search_beside(&q, &g->example, &g->is, realms, 0);
		if (q.widest.steps > 0 && !give(d, g, &q.widest))
			return false;
		if (q.narrowest.steps < 0 && !give(d, g, &q.narrowest))
			return false;
	}
	return true;
}

/* ---- all of it ---- */

bool
case_run(struct cells_run *run, const struct case_ *c)
{
	struct desk *d = arena_zalloc(&run->scratch, 1, sizeof(*d));
	if (d == NULL)
		return err_set(run->err, ERR_NOMEM, "cells");
	d->run = run;
	d->of = c;
	d->left = run->ask->most;
	if (!bench_init(&d->bench, run, c) || !find_relevant(d))
		return false;
	find_beside(d);
	for (d->moment = 0; d->moment < run->moment_count; d->moment++) {
		d->bench.time = run->moments[d->moment];
		d->part_count = 0;
		if (!cover_all(d) || !each_size(d) || !give_all(d))
			return false;
	}
	return true;
}
