#include "policy/situation.h"

#include "policy/contents.h"
#include "policy/party.h"
#include "policy/topics.h"

struct build {
	struct arena *arena;
	const struct agreement *of;
	bool failed, undecided;

	const struct topic_class *topics;
	const struct content_class *contents;
	size_t topic_count, content_count;

	struct situation *items;
	uint32_t *table; /* 1 + index, by hash */
	size_t count, steps;
	const struct member *(*receivers)[2];
};

static void *
get(struct build *b, size_t count, size_t size)
{
	void *p = arena_zalloc(b->arena, count == 0 ? 1 : count, size);
	b->failed = b->failed || p == NULL;
	return p;
}

/* Topics and content types; more of them than can be told apart leave it undecided. */
static bool
find_classes(struct build *b)
{
	struct err e = { 0 };
	if (topics_classes(b->arena, &b->of, 1, &b->topics, &b->topic_count, &e) &&
	    contents_classes(b->arena, &b->of, 1, &b->contents, &b->content_count, &e))
		return true;
	b->undecided = e.code == ERR_LIMIT;
	return b->undecided;
}

/* ---- situations ---- */

static uint32_t
hash(const bool *live, size_t count, const struct party *p)
{
	uint32_t h = 2166136261u ^ (p == NULL ? 0 : p->index + 1);
	for (size_t i = 0; i < count; i++)
		h = (h ^ live[i]) * 16777619u;
	return h;
}

/* Keeps a copy of 'live' if it is new. */
static void
add_situation(struct build *b, const bool *live, const struct party *sole)
{
	size_t n = b->of->rule_count;
	uint32_t at = hash(live, n, sole) % (2 * SITUATIONS_MAX);
	for (; b->table[at] != 0; at = (at + 1) % (2 * SITUATIONS_MAX)) {
		const struct situation *s = &b->items[b->table[at] - 1];
		if (s->only == sole && (n == 0 || memcmp(s->live, live, n) == 0))
			return;
	}
	if (b->count == SITUATIONS_MAX) {
		b->undecided = true;
		return;
	}
	bool *kept = get(b, n, sizeof(*kept));
	if (b->failed)
		return;
	if (n > 0)
		memcpy(kept, live, n);
	b->items[b->count] = (struct situation){ kept, sole };
	b->table[at] = (uint32_t)++b->count;
}

bool
situation_content(const struct rule *rule, struct bytes type)
{
	struct view v = { .content_type = type };
	bool holds = true;
	for (size_t i = 0; i < rule->condition_count; i++) {
		struct rule one = { .conditions = &rule->conditions[i], .condition_count = 1 };
		if (one.conditions->kind == CONDITION_CONTENT_TYPE)
			holds = holds && rules_portion(&one, &v);
	}
	return holds;
}

static void
each_content(struct build *b, const bool *live, bool *scratch, const struct party *sole)
{
	for (size_t i = 0; i < b->content_count && !b->undecided && !b->failed; i++) {
		if (b->steps++ == SITUATION_STEPS)
			b->undecided = true;
		for (size_t k = 0; k < b->of->rule_count; k++)
			scratch[k] =
			    live[k] && situation_content(&b->of->rules[k], b->contents[i].witness);
		add_situation(b, scratch, sole);
	}
}

static void
each_topic(struct build *b, const struct member *m, const struct party *sole)
{
	bool *live = get(b, b->of->rule_count, sizeof(*live));
	bool *scratch = get(b, b->of->rule_count, sizeof(*scratch));
	for (size_t t = 0; t < b->topic_count && !b->failed; t++)
		for (enum precedence p = PRECEDENCE_ROUTINE; p <= m->at_most; p++) {
			struct facts f = { .originator = m->party->name,
				.topic = b->topics[t].witness,
				.precedence = p };
			for (size_t k = 0; k < b->of->rule_count; k++)
				live[k] = rules_live(&b->of->rules[k], &f);
			each_content(b, live, scratch, sole);
		}
}

bool
situation_from(const struct rule *rule, struct bytes originator)
{
	struct facts f = { .originator = originator };
	bool holds = true;
	for (size_t i = 0; i < rule->condition_count; i++) {
		struct rule one = { .conditions = &rule->conditions[i], .condition_count = 1 };
		if (one.conditions->kind == CONDITION_FROM)
			holds = holds && rules_live(&one, &f);
	}
	return holds;
}

/* Whether every rule treats two originators alike. */
static bool
alike(const struct build *b, const struct member *x, const struct member *y)
{
	bool same = x->at_most == y->at_most;
	for (size_t i = 0; same && i < b->of->rule_count; i++)
		same = situation_from(&b->of->rules[i], x->party->name) ==
		       situation_from(&b->of->rules[i], y->party->name);
	return same;
}

static void
each_originator(struct build *b)
{
	const struct agreement *of = b->of;
	const struct member **first = get(b, of->member_count, sizeof(struct member *));
	size_t *members = get(b, of->member_count, sizeof(*members));
	size_t classes = 0;
	for (size_t i = 0; !b->failed && i < of->member_count; i++) {
		size_t k = 0;
		if (!of->members[i].may_originate)
			continue;
		while (k < classes && !alike(b, first[k], &of->members[i]))
			k++;
		if (k == classes)
			first[classes++] = &of->members[i];
		members[k]++;
	}
	for (size_t k = 0; !b->failed && k < classes; k++)
		each_topic(b, first[k], members[k] == 1 ? first[k]->party : NULL);
}

static void
find_receivers(struct build *b)
{
	b->receivers = get(b, b->of->group_count, sizeof(*b->receivers));
	for (size_t i = 0; !b->failed && i < b->of->member_count; i++) {
		const struct member *m = &b->of->members[i];
		const struct member **two = b->receivers[m->group];
		if (m->may_receive && two[1] == NULL)
			two[two[0] == NULL ? 0 : 1] = m;
	}
}

bool
situations_of(struct arena *a, const struct agreement *of, struct situations *out)
{
	struct build b = { .arena = a, .of = of };
	if (!find_classes(&b))
		return false;
	b.items = get(&b, SITUATIONS_MAX, sizeof(*b.items));
	b.table = get(&b, (size_t)2 * SITUATIONS_MAX, sizeof(*b.table));
	find_receivers(&b);
	if (!b.failed)
		each_originator(&b);
	*out = (struct situations){ b.items, b.count, b.receivers, b.undecided };
	return !b.failed;
}
