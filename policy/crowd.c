#include "policy/crowd.h"

#include "policy/party.h"
#include "policy/situation.h"

struct gathering {
	struct arena *a;
	const struct agreement *const *of;
	const struct person *all;
	size_t count;
};

typedef bool likeness(const struct gathering *g, const struct person *x, const struct person *y);
typedef bool admission(const struct member *m);

static bool
originates(const struct member *m)
{
	return m != NULL && m->may_originate;
}

static bool
receives(const struct member *m)
{
	return m != NULL && m->may_receive;
}

static bool
send_alike(const struct gathering *g, const struct person *x, const struct person *y)
{
	for (size_t s = 0; s < 2; s++) {
		const struct member *p = x->member[s], *q = y->member[s];
		if (originates(p) != originates(q))
			return false;
		if (!originates(p))
			continue;
		if (p->at_most != q->at_most)
			return false;
		for (size_t i = 0; i < g->of[s]->rule_count; i++)
			if (situation_from(&g->of[s]->rules[i], x->name) !=
			    situation_from(&g->of[s]->rules[i], y->name))
				return false;
	}
	return true;
}

/* Groups know clearances and the rules that the agreement was loaded with; a rule that is only
 * asked about ("never ..") may be among them now. */
static bool
receive_alike(const struct gathering *g, const struct person *x, const struct person *y)
{
	for (size_t s = 0; s < 2; s++) {
		const struct member *p = x->member[s], *q = y->member[s];
		if (receives(p) != receives(q) || (receives(p) && p->group != q->group))
			return false;
	}
	for (size_t s = 0; s < 2; s++)
		for (size_t i = 0; receives(x->member[s]) && i < g->of[s]->rule_count; i++)
			if (rules_to(&g->of[s]->rules[i], x->name) !=
			    rules_to(&g->of[s]->rules[i], y->name))
				return false;
	return true;
}

/* Both lists are in byte order. */
static bool
gather(struct gathering *g)
{
	size_t n[2] = { 0, 0 }, count[2];
	for (size_t s = 0; s < 2; s++)
		count[s] = g->of[s] == NULL ? 0 : g->of[s]->member_count;
	struct person *all = arena_zalloc(g->a, count[0] + count[1], sizeof(*all));
	if (all == NULL)
		return false;
	while (n[0] < count[0] || n[1] < count[1]) {
		struct person *p = &all[g->count++];
		for (size_t s = 0; s < 2; s++) {
			if (n[s] == count[s])
				continue;
			struct bytes name = g->of[s]->members[n[s]].party->name;
			if (p->name.data == NULL || bytes_compare(name, p->name) < 0)
				p->name = name;
		}
		for (size_t s = 0; s < 2; s++)
			if (n[s] < count[s] &&
			    bytes_equal(g->of[s]->members[n[s]].party->name, p->name))
				p->member[s] = &g->of[s]->members[n[s]++];
	}
	g->all = all;
	return true;
}

static bool
divide(const struct gathering *g, admission *admits, likeness *alike, const struct crowd **out,
    size_t *out_count)
{
	struct crowd *crowds = arena_zalloc(g->a, g->count, sizeof(*crowds));
	size_t *which = arena_zalloc(g->a, g->count, sizeof(*which)); /* from 1; 0: in none */
	const struct person **first = arena_zalloc(g->a, g->count, sizeof(struct person *));
	size_t n = 0;
	if (crowds == NULL || which == NULL || first == NULL)
		return false;
	for (size_t i = 0; i < g->count; i++) {
		const struct person *p = &g->all[i];
		size_t k = 0;
		if (!admits(p->member[0]) && !admits(p->member[1]))
			continue;
		while (k < n && !alike(g, first[k], p))
			k++;
		if (k == n)
			first[n++] = p;
		which[i] = k + 1;
		crowds[k].count++;
	}
	for (size_t k = 0; k < n; k++) {
		struct person *people = arena_zalloc(g->a, crowds[k].count, sizeof(*people));
		size_t at = 0;
		if (people == NULL)
			return false;
		for (size_t i = 0; i < g->count; i++)
			if (which[i] == k + 1)
				people[at++] = g->all[i];
		crowds[k].people = people;
	}
	*out = crowds;
	*out_count = n;
	return true;
}

bool
crowds_of(struct arena *a, const struct agreement *const of[2], struct crowds *out, struct err *e)
{
	struct gathering g = { .a = a, .of = of };
	if (gather(&g) && divide(&g, originates, send_alike, &out->senders, &out->sender_count) &&
	    divide(&g, receives, receive_alike, &out->receivers, &out->receiver_count))
		return true;
	return err_set(e, ERR_NOMEM, "members");
}

bool
crowd_pair(const struct crowd *from, const struct crowd *to, const struct person **sender,
    const struct person **receiver)
{
	for (size_t i = 0; i < from->count && i < 2; i++)
		for (size_t k = 0; k < to->count && k < 2; k++) {
			*sender = &from->people[i];
			*receiver = &to->people[k];
			if (!bytes_equal((*sender)->name, (*receiver)->name))
				return true;
		}
	return false;
}
