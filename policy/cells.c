#include "policy/cells.h"

#include "policy/cells_case.h"
#include "policy/party.h"

/* ---- nothing that a decision reads differs ---- */

static bool
same_condition(const struct condition *x, const struct condition *y)
{
	return x->kind == y->kind && x->test == y->test && x->classes == y->classes &&
	       x->tagset == y->tagset && x->value == y->value &&
	       vocab_same_name(x->vocab->name, y->vocab->name);
}

/* The next condition on a label, from *at on. */
static const struct condition *
next_label(const struct rule *r, size_t *at)
{
	for (; *at < r->condition_count; ++*at)
		if (r->conditions[*at].kind == CONDITION_LABEL)
			return &r->conditions[(*at)++];
	return NULL;
}

static bool
same_rule(const struct rule *x, const struct rule *y)
{
	size_t i = 0, k = 0;
	const struct condition *c, *d;
	do {
		c = next_label(x, &i);
		d = next_label(y, &k);
		if ((c == NULL) != (d == NULL) || (c != NULL && !same_condition(c, d)))
			return false;
	} while (c != NULL);
	return x->verdict == y->verdict;
}

/* The rules that apply, in their order. */
static bool
same_rules(const struct case_ *c)
{
	const struct rule *next[2];
	size_t at[2] = { 0, 0 };
	do {
		for (size_t s = 0; s < 2; s++) {
			const struct agreement *of = c->side[s].agreement;
			while (at[s] < of->rule_count && !c->applies[s][at[s]])
				at[s]++;
			next[s] = at[s] < of->rule_count ? &of->rules[at[s]++] : NULL;
		}
		if ((next[0] == NULL) != (next[1] == NULL) ||
		    (next[0] != NULL && !same_rule(next[0], next[1])))
			return false;
	} while (next[0] != NULL);
	return true;
}

static bool
same_equivalences(const struct agreement *x, const struct agreement *y)
{
	if (x->equivalence_count != y->equivalence_count)
		return false;
	for (size_t i = 0; i < x->equivalence_count; i++) {
		const struct label_map *p = &x->equivalences[i].map, *q = &y->equivalences[i].map;
		if (!vocab_same_name(p->from->name, q->from->name) ||
		    !vocab_same_name(p->to->name, q->to->name) ||
		    memcmp(p->classes, q->classes, p->from->class_count * sizeof(uint32_t)) != 0 ||
		    memcmp(p->values, q->values, p->from->value_count * sizeof(uint32_t)) != 0)
			return false;
	}
	return true;
}

static bool
same_clearances(const struct realms *all, const struct member *x, const struct member *y)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct realm *r = &all->items[i];
		const struct clearance *p = x->clearances[r->index[0]];
		const struct clearance *q = y->clearances[r->index[1]];
		if ((p == NULL) != (q == NULL))
			return false;
		if (p != NULL &&
		    (p->classes != q->classes ||
			memcmp(p->values, q->values, p->vocab->words * sizeof(uint64_t)) != 0))
			return false;
	}
	return true;
}

/* What two policies have in common outside a case. */
static bool
same_world(const struct cells_run *run)
{
	const struct agreement *x = run->ask->side[0].agreement, *y = run->ask->side[1].agreement;
	if (x == NULL || y == NULL || x->unmarked_labels != y->unmarked_labels ||
	    x->unmarked_portions != y->unmarked_portions)
		return false;
	for (size_t i = 0; i < run->realms.count; i++)
		if (!realm_is_same(&run->realms.items[i]))
			return false;
	return same_equivalences(x, y);
}

static bool
same_case(const struct cells_run *run, const struct case_ *c)
{
	if (!run->same_world || c->member[0] == NULL || c->member[1] == NULL)
		return c->member[0] == NULL && c->member[1] == NULL;
	return same_clearances(&run->realms, c->member[0], c->member[1]) && same_rules(c);
}

/* ---- one crowd of receivers in one scene ---- */

static bool
find_rules(struct cells_run *run, struct case_ *c)
{
	for (size_t s = 0; s < 2; s++) {
		const struct agreement *of = c->side[s].agreement;
		bool *applies =
		    arena_zalloc(&run->scratch, of == NULL ? 0 : of->rule_count, sizeof(*applies));
		if (applies == NULL)
			return err_set(run->err, ERR_NOMEM, "rules");
		for (size_t i = 0; of != NULL && i < of->rule_count; i++)
			applies[i] = c->scene->live[s][i] && rules_to(&of->rules[i], c->receiver);
		c->applies[s] = applies;
	}
	return true;
}

/* An occasion on which somebody may send to the crowd; false: there is none. */
static bool
find_pair(struct case_ *c)
{
	for (size_t i = 0; i < c->scene->count; i++) {
		const struct person *sender, *receiver;
		const struct occasion *o = &c->scene->occasions[i];
		if (!crowd_pair(o->from, c->to, &sender, &receiver))
			continue;
		c->occasion = o;
		c->sender = sender->name;
		c->receiver = receiver->name;
		for (size_t s = 0; s < 2; s++) {
			const struct member *m = receiver->member[s];
			bool gets = m != NULL && m->may_receive && c->scene->usable[s];
			c->member[s] = gets ? m : NULL;
			c->from[s] = sender->member[s];
		}
		return true;
	}
	return false;
}

static bool
one_case(struct cells_run *run, const struct crowd *to, const struct scene *scene)
{
	struct case_ c = { .to = to, .scene = scene };
	arena_reset(&run->scratch, SIZE_MAX);
	for (size_t s = 0; s < 2; s++)
		c.side[s] = run->ask->side[s];
	if (!find_pair(&c))
		return true;
	if (!find_rules(run, &c))
		return false;
	return same_case(run, &c) || case_run(run, &c);
}

/* ---- moments ---- */

enum { MOMENTS = 16 };

static bool
add_moment(struct cells_run *run, uint64_t t)
{
	if (t <= run->ask->from || t >= run->ask->until)
		return true;
	for (size_t i = 0; i < run->moment_count; i++)
		if (run->moments[i] == t)
			return true;
	if (run->moment_count == MOMENTS)
		return err_set(run->err, ERR_INTERNAL,
		    "not decided: values of labels come into use at more than %d moments", MOMENTS);
	run->moments[run->moment_count++] = t;
	return true;
}

/* When more labels are accepted than before: a label that is accepted at any moment is accepted at
 * one of these. */
static bool
find_moments(struct cells_run *run)
{
	run->moments[run->moment_count++] = run->ask->from;
	for (size_t i = 0; i < run->realms.count; i++)
		for (size_t s = 0; s < 2; s++) {
			const struct vocab *v = run->realms.items[i].vocab[s];
			for (uint32_t k = 0; v != NULL && k < v->value_count; k++)
				if (!add_moment(run, v->values[k].not_before))
					return false;
		}
	return true;
}

/* ---- all of it ---- */

static bool
see(struct cells_run *run)
{
	struct sight(*sights)[2] = arena_zalloc(run->arena, run->realms.count, sizeof(*sights));
	if (sights == NULL)
		return err_set(run->err, ERR_NOMEM, "vocabularies");
	for (size_t i = 0; i < run->realms.count; i++)
		for (size_t s = 0; s < 2; s++) {
			struct sight_ask q = { run->ask->side[s].epoch, run->ask->side[s].agreement,
				s };
			if (!sight_of(
				run->arena, &run->realms.items[i], &q, &sights[i][s], run->err))
				return false;
		}
	run->sights = (const struct sight(*)[2])sights;
	return true;
}

static bool
each_case(struct cells_run *run)
{
	const struct crowds *crowds = &run->scenes.crowds;
	size_t all = run->scenes.count * crowds->receiver_count, done = 0;
	for (size_t k = 0; k < crowds->receiver_count; k++)
		for (size_t i = 0; i < run->scenes.count; i++) {
			if (run->ask->progress != NULL)
				run->ask->progress(run->ask->progress_ctx, done++, all);
			if (!one_case(run, &crowds->receivers[k], &run->scenes.items[i]))
				return false;
		}
	return true;
}

bool
cells_compare(
    const struct cells_ask *q, struct arena *a, cells_taker *take, void *ctx, struct err *e)
{
	struct cells_run run = { .ask = q, .arena = a, .take = take, .ctx = ctx, .err = e };
	const struct epoch *epochs[2] = { q->side[0].epoch, q->side[1].epoch };
	const struct agreement *of[2] = { q->side[0].agreement, q->side[1].agreement };
	arena_init(&run.scratch, SIZE_MAX);
	arena_init(&run.words, SIZE_MAX);
	arena_init(&run.court, 64u << 20);
	bool ok = realms_of(a, epochs, &run.realms, e) && find_moments(&run) &&
		  scenes_of(a, of, &run.scenes, e) && see(&run);
	run.same_world = ok && same_world(&run);
	ok = ok && each_case(&run);
	arena_done(&run.scratch);
	arena_done(&run.words);
	arena_done(&run.court);
	if (!ok && e->code == ERR_LIMIT) {
		struct err why = *e;
		return err_set(e, ERR_INTERNAL, "not decided: %s", why.text);
	}
	return ok;
}
