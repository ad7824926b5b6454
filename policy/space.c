#include "policy/space.h"

#include "policy/vocab_parts.h"

enum { TIMES_MAX = 16, NEEDS_MAX = SPACE_CONDITIONS + SPACE_GROUPS };

/* What is known of the labels looked for. */
struct wanted {
	uint64_t classes;
	uint32_t needs[NEEDS_MAX]; /* tag sets of which any value must be there */
	size_t need_count;
	uint64_t *have, *never; /* values */
};
struct search {
	const struct space_query *q;
	const struct vocab *v;
	struct arena arena;
	size_t nodes; /* that may still be looked at */
	uint64_t time;
};

/* ---- building a query ---- */

void
space_add(struct space_query *q, struct space_group *g, const struct condition *c)
{
	if (g == NULL || g->count == SPACE_CONDITIONS)
		q->too_large = true;
	else
		g->items[g->count++] = c;
}

void
space_must(struct space_query *q, const struct condition *c)
{
	space_add(q, &q->must, c);
}

struct space_group *
space_not_all(struct space_query *q)
{
	if (q->not_all_count == SPACE_GROUPS) {
		q->too_large = true;
		return NULL;
	}
	q->not_all[q->not_all_count].count = 0;
	return &q->not_all[q->not_all_count++];
}

/* ---- sets ---- */

static uint64_t *
copy(struct search *s, const uint64_t *set)
{
	uint64_t *out = arena_zalloc(&s->arena, s->v->words, sizeof(*out));
	if (out != NULL && set != NULL)
		memcpy(out, set, s->v->words * sizeof(*out));
	return out;
}

static bool
meets(const struct search *s, const uint64_t *x, const uint64_t *y)
{
	for (uint32_t w = 0; w < s->v->words; w++)
		if ((x[w] & y[w]) != 0)
			return true;
	return false;
}

static void
unite(const struct search *s, uint64_t *into, const uint64_t *set)
{
	for (uint32_t w = 0; w < s->v->words; w++)
		into[w] |= set[w];
}

static void
unite_tagset(const struct search *s, uint64_t *into, uint32_t tagset)
{
	for (size_t t = VOCAB_RESTRICTIVE; t <= VOCAB_INFORMATIVE; t++) {
		uint32_t c = s->v->tagsets[tagset].category[t];
		if (c != VOCAB_NONE)
			unite(s, into, s->v->categories[c].mask);
	}
}

static bool
wanted_copy(struct search *s, const struct wanted *in, struct wanted *out)
{
	*out = *in;
	out->have = copy(s, in->have);
	out->never = copy(s, in->never);
	return out->have != NULL && out->never != NULL;
}

/* ---- from a label that has only what it must to one that nothing finds wanting ---- */

/* A requirement that is not met: 'out' gets the values of which one must be added. */
static bool
unmet_by_rules(const struct search *s, const struct wanted *w, const struct vocab_rules *r,
    uint64_t *out, bool *all)
{
	for (uint32_t i = 0; r != NULL && i < r->required_count; i++) {
		const struct vocab_required *q = &r->required[i];
		*all = q->operation == VOCAB_ALL;
		bool unmet = !meets(s, w->have, q->values);
		for (uint32_t k = 0; *all && k < s->v->words && !unmet; k++)
			unmet = (q->values[k] & ~w->have[k]) != 0;
		if (!unmet)
			continue;
		unite(s, out, q->values);
		return true;
	}
	return false;
}

static bool
unmet_by_spif(
    const struct search *s, const struct wanted *w, uint32_t class_, uint64_t *out, bool *all)
{
	const struct vocab *v = s->v;
	if (unmet_by_rules(s, w, v->classes[class_].rules, out, all))
		return true;
	for (uint32_t i = 0; i < v->value_count; i++)
		if (vocab_has(w->have, i) && unmet_by_rules(s, w, v->values[i].rules, out, all))
			return true;
	*all = false;
	for (uint32_t i = 0; i < v->tag_count; i++) {
		const struct vocab_tag *t = &v->tags[i];
		uint32_t n = 0;
		for (uint32_t k = t->first; k < t->first + t->count; k++)
			n += vocab_has(w->have, k);
		if (n >= t->min)
			continue;
		for (uint32_t k = t->first; k < t->first + t->count; k++)
			if (!vocab_has(w->have, k))
				vocab_put(out, k);
		return true;
	}
	return false;
}

/* A permissive category on the label of which nothing is held. */
static bool
unmet_by_clearance(const struct search *s, const struct wanted *w, uint64_t *out)
{
	const struct clearance *k = s->q->clearance;
	for (uint32_t i = 0; k != NULL && i < s->v->category_count; i++) {
		const struct vocab_category *c = &s->v->categories[i];
		bool present = false, held = false;
		for (uint32_t x = 0; x < s->v->words; x++) {
			present = present || (w->have[x] & c->mask[x]) != 0;
			held = held || (w->have[x] & c->mask[x] & k->values[x]) != 0;
		}
		if (c->type != VOCAB_PERMISSIVE || !present || held)
			continue;
		for (uint32_t x = 0; x < s->v->words; x++)
			out[x] |= c->mask[x] & k->values[x];
		return true;
	}
	return false;
}

static bool
unmet(const struct search *s, const struct wanted *w, uint32_t class_, uint64_t *out, bool *all)
{
	*all = false;
	for (size_t i = 0; i < w->need_count; i++) {
		memset(out, 0, s->v->words * sizeof(*out));
		unite_tagset(s, out, w->needs[i]);
		if (!meets(s, w->have, out))
			return true;
	}
	memset(out, 0, s->v->words * sizeof(*out));
	if (s->q->releasability && s->v->releasability != VOCAB_NONE) {
		unite(s, out, s->v->categories[s->v->releasability].mask);
		if (!meets(s, w->have, out))
			return true;
		memset(out, 0, s->v->words * sizeof(*out));
	}
	return unmet_by_clearance(s, w, out) ||
	       (s->q->accepted && unmet_by_spif(s, w, class_, out, all));
}

/* The decision's own functions on the label found: nothing is unmet, so what they still refuse
 * more values cannot mend. */
static bool
is_good(const struct search *s, const struct wanted *w, uint32_t class_)
{
	const struct space_query *q = s->q;
	struct label l = { s->v, class_, w->have };
	struct err e;
	if (q->clearance != NULL && clearance_acdf(q->clearance, &l) != ACDF_PERMIT)
		return false;
	if (q->releasability && s->v->releasability != VOCAB_NONE && !label_has_releasability(&l))
		return false;
	for (size_t i = 0; i < q->must.count; i++)
		if (!rules_satisfies(q->must.items[i], &l))
			return false;
	for (size_t i = 0; i < q->not_all_count; i++) {
		bool all = true;
		for (size_t k = 0; k < q->not_all[i].count; k++)
			all = all && rules_satisfies(q->not_all[i].items[k], &l);
		if (all)
			return false;
	}
	return !q->accepted || label_check(&l, s->time, &e);
}

/* Depth: each step adds a value, SPACE_NODES bounds them all. */
static enum space_answer
complete(struct search *s, const struct wanted *in, uint32_t class_)
{
	struct wanted w;
	bool all = false;
	uint64_t *out = copy(s, NULL);
	if (s->nodes == 0 || out == NULL || !wanted_copy(s, in, &w))
		return SPACE_UNDECIDED;
	s->nodes--;
	if (meets(s, w.have, w.never))
		return SPACE_NONE;
	if (!unmet(s, &w, class_, out, &all))
		return is_good(s, &w, class_) ? SPACE_SOME : SPACE_NONE;
	if (all) {
		if (!meets(s, out, out))
			return SPACE_NONE; /* of values that there are not */
		unite(s, w.have, out);
		return complete(s, &w, class_);
	}
	enum space_answer answer = SPACE_NONE;
	for (uint32_t i = 0; i < s->v->value_count; i++) {
		if (!vocab_has(out, i) || vocab_has(w.never, i))
			continue;
		vocab_put(w.have, i);
		enum space_answer got = complete(s, &w, class_);
		w.have[i / 64] &= ~(UINT64_C(1) << (i % 64));
		if (got == SPACE_SOME)
			return got;
		if (got == SPACE_UNDECIDED)
			answer = got;
		vocab_put(w.never, i); /* labels with it have been looked at */
	}
	return answer;
}

/* ---- from conditions to what they demand ---- */

static bool
demand(struct search *s, struct wanted *w, const struct condition *c, bool holds)
{
	bool has = (c->test == LABEL_TEST_HAS) == holds;
	if (c->test < LABEL_TEST_HAS) {
		w->classes &= holds ? c->classes : ~c->classes;
		return true;
	}
	if (c->value != VOCAB_NONE) {
		vocab_put(has ? w->have : w->never, c->value);
		return true;
	}
	if (!has) {
		unite_tagset(s, w->never, c->tagset);
		return true;
	}
	if (w->need_count == NEEDS_MAX)
		return false;
	w->needs[w->need_count++] = c->tagset;
	return true;
}

static enum space_answer
each_class(struct search *s, const struct wanted *w)
{
	enum space_answer answer = SPACE_NONE;
	for (uint32_t i = 0; i < s->v->class_count; i++) {
		if ((w->classes >> i & 1) == 0)
			continue;
		enum space_answer got = complete(s, w, i);
		if (got == SPACE_SOME)
			return got;
		if (got == SPACE_UNDECIDED)
			answer = got;
	}
	return answer;
}

/* Of each group from 'group' on, every way in which not all of it holds. */
static enum space_answer
each_way(struct search *s, const struct wanted *in, size_t group)
{
	enum space_answer answer = SPACE_NONE;
	if (group == s->q->not_all_count)
		return each_class(s, in);
	const struct space_group *g = &s->q->not_all[group];
	for (size_t i = 0; i < g->count; i++) {
		struct wanted w;
		if (s->nodes == 0 || !wanted_copy(s, in, &w) || !demand(s, &w, g->items[i], false))
			return SPACE_UNDECIDED;
		s->nodes--;
		enum space_answer got = (w.classes == 0 || meets(s, w.have, w.never))
					    ? SPACE_NONE
					    : each_way(s, &w, group + 1);
		if (got == SPACE_SOME)
			return got;
		if (got == SPACE_UNDECIDED)
			answer = got;
	}
	return answer;
}

static enum space_answer
at_one_time(struct search *s)
{
	const struct space_query *q = s->q;
	struct wanted w = { .classes = UINT64_MAX, .have = copy(s, NULL), .never = copy(s, NULL) };
	if (w.have == NULL || w.never == NULL)
		return SPACE_UNDECIDED;
	for (size_t i = 0; i < q->must.count; i++)
		if (!demand(s, &w, q->must.items[i], true))
			return SPACE_UNDECIDED;
	if (q->clearance != NULL) {
		w.classes &= q->clearance->classes;
		for (uint32_t x = 0; x < s->v->words; x++)
			w.never[x] |= s->v->restrictive[x] & ~q->clearance->values[x];
	}
	return each_way(s, &w, 0);
}

/* The moments at which more labels become good than before. */
static size_t
times(const struct space_query *q, uint64_t out[TIMES_MAX])
{
	size_t n = 0;
	out[n++] = q->from;
	for (uint32_t i = 0; q->accepted && i < q->vocab->value_count; i++) {
		uint64_t t = q->vocab->values[i].not_before;
		bool known = t <= q->from || t >= q->until;
		for (size_t k = 0; k < n && !known; k++)
			known = out[k] == t;
		if (known)
			continue;
		if (n == TIMES_MAX)
			return TIMES_MAX + 1;
		out[n++] = t;
	}
	return n;
}

enum space_answer
space_ask(const struct space_query *q)
{
	uint64_t when[TIMES_MAX];
	size_t count = times(q, when);
	enum space_answer answer = SPACE_NONE;
	struct search s = { .q = q, .v = q->vocab, .nodes = SPACE_NODES };
	if (q->too_large || count > TIMES_MAX)
		return SPACE_UNDECIDED;
	for (size_t i = 0; i < count; i++) {
		arena_init(&s.arena, 64 << 20);
		s.time = when[i];
		enum space_answer got = at_one_time(&s);
		arena_done(&s.arena);
		if (got == SPACE_SOME)
			return got;
		if (got == SPACE_UNDECIDED)
			answer = got;
	}
	return answer;
}
