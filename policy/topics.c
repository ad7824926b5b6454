#include "policy/topics.h"

#include <stdlib.h>

#include "policy/rules.h"
#include "proto/limits.h"

struct split { /* a pattern or topic by its tokens */
	struct bytes tokens[LIMIT_TOPIC_TOKENS];
	size_t count;
};

struct which { /* some of the patterns */
	uint64_t bits[TOPICS_PATTERNS / 64];
};

struct topics {
	struct arena *arena;
	const struct agreement *const *of;
	size_t of_count;
	struct bytes patterns[TOPICS_PATTERNS]; /* the agreements', then the rules' */
	size_t pattern_count, own_count;
	struct bytes closed[TOPICS_CLASSES]; /* all of them, and what they have in common */
	size_t closed_count, longest;
	const char *fresh; /* a token that no pattern has */
	struct topic_class *classes;
	struct which *seen; /* by class: the patterns that match it */
	size_t class_count;
	struct err *err;
};

static bool
no_memory(struct topics *t)
{
	return err_set(t->err, ERR_NOMEM, "topics");
}

static bool
too_many(struct topics *t)
{
	struct bytes name = { NULL, 0 };
	for (size_t i = 0; i < t->of_count; i++)
		name = t->of[i] == NULL ? name : t->of[i]->name;
	return err_set(t->err, ERR_LIMIT,
	    "the topics of agreement '%.*s' fall into too many classes", (int)name.len,
	    (const char *)name.data);
}

static void
split(struct bytes in, struct split *out)
{
	size_t begin = 0;
	out->count = 0;
	for (size_t i = 0; i <= in.len && out->count < LIMIT_TOPIC_TOKENS; i++) {
		if (i < in.len && in.data[i] != '.')
			continue;
		out->tokens[out->count++] = bytes_from(in.data + begin, i - begin);
		begin = i + 1;
	}
}

/* The tokens joined; absent on shortage. */
static struct bytes
join(struct topics *t, const struct split *s)
{
	char *text = arena_printf(t->arena, "%s", "");
	for (size_t i = 0; i < s->count && text != NULL; i++)
		text = arena_printf(t->arena, "%s%s%.*s", text, i == 0 ? "" : ".",
		    (int)s->tokens[i].len, (const char *)s->tokens[i].data);
	return text == NULL ? (struct bytes){ NULL, 0 } : bytes_of(text);
}

/* What both match, as a pattern; false if nothing is. */
static bool
meet(const struct split *p, const struct split *q, struct split *out)
{
	size_t i = 0;
	for (; i < p->count && i < q->count; i++) {
		bool p_open = bytes_is(p->tokens[i], ">"), q_open = bytes_is(q->tokens[i], ">");
		if (p_open || q_open) {
			const struct split *rest = p_open ? q : p;
			for (; i < rest->count; i++)
				out->tokens[i] = rest->tokens[i];
			out->count = i;
			return true;
		}
		bool p_any = bytes_is(p->tokens[i], "*"), q_any = bytes_is(q->tokens[i], "*");
		if (!p_any && !q_any && !bytes_equal(p->tokens[i], q->tokens[i]))
			return false;
		out->tokens[i] = p_any ? q->tokens[i] : p->tokens[i];
	}
	out->count = i;
	return p->count == q->count;
}

static bool
listed(const struct bytes *list, size_t count, struct bytes what)
{
	for (size_t i = 0; i < count; i++)
		if (bytes_equal(list[i], what))
			return true;
	return false;
}

/* ---- the patterns, and what they have in common ---- */

static bool
add_pattern(struct topics *t, struct bytes pattern)
{
	struct split s;
	if (listed(t->patterns, t->pattern_count, pattern))
		return true;
	if (t->pattern_count == TOPICS_PATTERNS)
		return too_many(t);
	t->patterns[t->pattern_count++] = pattern;
	t->closed[t->closed_count++] = pattern;
	split(pattern, &s);
	if (s.count > t->longest)
		t->longest = s.count;
	return true;
}

static bool
gather_rule(struct topics *t, const struct rule *r)
{
	for (size_t k = 0; k < r->condition_count; k++)
		if (r->conditions[k].kind == CONDITION_TOPIC &&
		    !add_pattern(t, r->conditions[k].pattern))
			return false;
	return true;
}

static bool
gather(struct topics *t)
{
	for (size_t n = 0; n < t->of_count; n++)
		for (size_t i = 0; t->of[n] != NULL && i < t->of[n]->topics.count; i++)
			if (!add_pattern(t, t->of[n]->topics.items[i]))
				return false;
	t->own_count = t->pattern_count;
	for (size_t n = 0; n < t->of_count; n++)
		for (size_t i = 0; t->of[n] != NULL && i < t->of[n]->rule_count; i++)
			if (!gather_rule(t, &t->of[n]->rules[i]))
				return false;
	return true;
}

static bool
close_up(struct topics *t)
{
	for (size_t i = 1; i < t->closed_count; i++) {
		for (size_t k = 0; k < i; k++) {
			struct split p, q, both = { .count = 0 };
			split(t->closed[i], &p);
			split(t->closed[k], &q);
			if (!meet(&p, &q, &both))
				continue;
			struct bytes joined = join(t, &both);
			if (joined.data == NULL)
				return no_memory(t);
			if (listed(t->closed, t->closed_count, joined))
				continue;
			if (t->closed_count == TOPICS_CLASSES)
				return too_many(t);
			t->closed[t->closed_count++] = joined;
		}
	}
	return true;
}

static bool
find_fresh(struct topics *t)
{
	for (unsigned n = 0; n <= t->pattern_count; n++) {
		bool used = false;
		t->fresh = arena_printf(t->arena, "any%u", n);
		if (t->fresh == NULL)
			return no_memory(t);
		for (size_t i = 0; i < t->pattern_count; i++) {
			struct split s;
			split(t->patterns[i], &s);
			used = used || listed(s.tokens, s.count, bytes_of(t->fresh));
		}
		if (!used)
			return true;
	}
	return true; /* one of so many names is none of the patterns' tokens */
}

/* ---- the classes ---- */

/* The pattern of all topics that these patterns match. */
static bool
common(struct topics *t, const struct which *which, struct bytes *out)
{
	struct split all = { .count = 0 };
	for (size_t i = 0; i < t->pattern_count; i++) {
		struct split s, both = { .count = 0 };
		if ((which->bits[i / 64] >> (i % 64) & 1) == 0)
			continue;
		split(t->patterns[i], &s);
		if (all.count == 0)
			all = s;
		else if (meet(&all, &s, &both))
			all = both;
	}
	*out = join(t, &all);
	return out->data != NULL || no_memory(t);
}

/* The class of a topic, unless it is there or the agreement does not cover it. */
static bool
add_class(struct topics *t, struct bytes topic)
{
	struct which which = { { 0 } };
	bool own = false;
	if (topic_check(topic) != TOPIC_GOOD)
		return true;
	for (size_t i = 0; i < t->pattern_count; i++) {
		if (!topic_matches(t->patterns[i], topic))
			continue;
		which.bits[i / 64] |= UINT64_C(1) << (i % 64);
		own = own || i < t->own_count;
	}
	if (!own)
		return true;
	for (size_t i = 0; i < t->class_count; i++)
		if (memcmp(&t->seen[i], &which, sizeof(which)) == 0)
			return true;
	if (t->class_count == TOPICS_CLASSES)
		return too_many(t);
	t->seen[t->class_count] = which;
	struct topic_class *c = &t->classes[t->class_count++];
	c->witness = topic;
	return common(t, &which, &c->pattern);
}

/* Topics of a pattern that have nothing more in common with any other, one of each length that
 * makes a difference. */
static bool
add_topics(struct topics *t, struct bytes pattern)
{
	struct split s;
	split(pattern, &s);
	bool open = bytes_is(s.tokens[s.count - 1], ">");
	size_t most = open ? t->longest + 1 : s.count;
	for (size_t i = 0; i < s.count; i++)
		if (bytes_is(s.tokens[i], "*") || bytes_is(s.tokens[i], ">"))
			s.tokens[i] = bytes_of(t->fresh);
	for (; s.count <= most && s.count <= LIMIT_TOPIC_TOKENS; s.count++) {
		struct bytes topic = join(t, &s);
		if (topic.data == NULL)
			return no_memory(t);
		if (!add_class(t, topic))
			return false;
		if (s.count < LIMIT_TOPIC_TOKENS)
			s.tokens[s.count] = bytes_of(t->fresh);
	}
	return true;
}

static int
by_pattern(const void *x, const void *y)
{
	const struct topic_class *a = x, *b = y;
	int c = bytes_compare(a->pattern, b->pattern);
	return c != 0 ? c : bytes_compare(a->witness, b->witness);
}

bool
topics_classes(struct arena *a, const struct agreement *const *of, size_t of_count,
    const struct topic_class **out, size_t *count, struct err *e)
{
	struct topics *t = arena_zalloc(a, 1, sizeof(*t));
	if (t == NULL)
		return err_set(e, ERR_NOMEM, "topics");
	*t = (struct topics){ .arena = a, .of = of, .of_count = of_count, .err = e };
	t->classes = arena_zalloc(a, TOPICS_CLASSES, sizeof(*t->classes));
	t->seen = arena_zalloc(a, TOPICS_CLASSES, sizeof(*t->seen));
	if (t->classes == NULL || t->seen == NULL)
		return no_memory(t);
	if (!gather(t) || !find_fresh(t) || !close_up(t))
		return false;
	for (size_t i = 0; i < t->closed_count; i++)
		if (!add_topics(t, t->closed[i]))
			return false;
	if (t->class_count > 1)
		qsort(t->classes, t->class_count, sizeof(*t->classes), by_pattern);
	*out = t->classes;
	*count = t->class_count;
	return true;
}
