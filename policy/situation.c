#include "policy/situation.h"

#include "policy/party.h"

enum { TOKENS_MAX = 16, TOPICS_MAX = 4096, TOPIC_STEPS = 50000 };

struct build {
	struct arena *arena;
	const struct agreement *of;
	bool failed, undecided;

	struct bytes *patterns; /* of topics: the agreement's and its rules' */
	size_t pattern_count, pattern_tokens;
	char fresh[2]; /* a token that is in none of them */
	size_t topic_steps;
	struct bytes *topics; /* one of each class */
	bool **topic_keys;
	size_t topic_count;

	struct bytes *contents; /* content types, one of each class */
	size_t content_count;

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

/* ---- topics ---- */

/* Token 'n' of a pattern; false: it has fewer. */
static bool
token(struct bytes pattern, size_t n, struct bytes *out)
{
	size_t at = 0;
	for (size_t i = 0;; i++) {
		size_t len = 0;
		while (at + len < pattern.len && pattern.data[at + len] != '.')
			len++;
		if (i == n) {
			*out = bytes_from(pattern.data + at, len);
			return true;
		}
		if (at + len >= pattern.len)
			return false;
		at += len + 1;
	}
}

static void
add_pattern(struct build *b, struct bytes p)
{
	struct bytes t;
	size_t n = 0;
	for (size_t i = 0; i < b->pattern_count; i++)
		if (bytes_equal(b->patterns[i], p))
			return;
	b->patterns[b->pattern_count++] = p;
	while (token(p, n, &t))
		n++;
	if (n > b->pattern_tokens)
		b->pattern_tokens = n;
}

static void
gather_patterns(struct build *b)
{
	const struct agreement *of = b->of;
	size_t most = of->topics.count;
	for (size_t i = 0; i < of->rule_count; i++)
		most += of->rules[i].condition_count;
	b->patterns = get(b, most, sizeof(*b->patterns));
	if (b->failed)
		return;
	for (size_t i = 0; i < of->topics.count; i++)
		add_pattern(b, of->topics.items[i]);
	for (size_t i = 0; i < of->rule_count; i++)
		for (size_t k = 0; k < of->rules[i].condition_count; k++)
			if (of->rules[i].conditions[k].kind == CONDITION_TOPIC)
				add_pattern(b, of->rules[i].conditions[k].pattern);
}

/* A token of one character, so that the longest topic is as short as any of its class. */
static void
find_fresh(struct build *b)
{
	static const char all[] = "zyxwvutsrqponmlkjihgfedcbaZYXWVUTSRQPONMLKJIHGFEDCBA9876543210";
	for (const char *c = all; *c != 0; c++) {
		bool used = false;
		struct bytes t;
		for (size_t i = 0; i < b->pattern_count && !used; i++)
			for (size_t n = 0; token(b->patterns[i], n, &t) && !used; n++)
				used = t.len == 1 && t.data[0] == (uint8_t)*c;
		if (used)
			continue;
		b->fresh[0] = *c;
		return;
	}
	b->undecided = true;
}

static void
add_topic(struct build *b, struct bytes topic)
{
	if (topic_check(topic) != TOPIC_GOOD || !agreement_covers(b->of, topic))
		return;
	bool *key = get(b, b->pattern_count, sizeof(*key));
	if (b->failed)
		return;
	for (size_t i = 0; i < b->pattern_count; i++)
		key[i] = topic_matches(b->patterns[i], topic);
	for (size_t i = 0; i < b->topic_count; i++)
		if (memcmp(b->topic_keys[i], key, b->pattern_count) == 0)
			return;
	if (b->topic_count == TOPICS_MAX) {
		b->undecided = true;
		return;
	}
	b->topic_keys[b->topic_count] = key;
	b->topics[b->topic_count++] = topic;
}

/* How a pattern stands to a topic that has 'depth' tokens so far. */
enum stand { STAND_OUT, STAND_ALIVE, STAND_OPEN /* past its '>' */ };

static enum stand
step_pattern(struct bytes pattern, size_t depth, enum stand now, struct bytes t)
{
	struct bytes own;
	if (now != STAND_ALIVE)
		return now;
	if (!token(pattern, depth, &own))
		return STAND_OUT;
	if (bytes_is(own, ">"))
		return STAND_OPEN;
	return bytes_is(own, "*") || bytes_equal(own, t) ? STAND_ALIVE : STAND_OUT;
}

static void walk_topics(struct build *b, struct bytes prefix, size_t depth, const uint8_t *stands);

static void
try_token(struct build *b, struct bytes prefix, size_t depth, const uint8_t *stands, struct bytes t)
{
	uint8_t *next = get(b, b->pattern_count, sizeof(*next));
	char *text = arena_printf(b->arena, "%.*s%s%.*s", (int)prefix.len,
	    (const char *)prefix.data, depth == 0 ? "" : ".", (int)t.len, (const char *)t.data);
	b->failed = b->failed || text == NULL;
	if (b->failed || b->undecided)
		return;
	if (b->topic_steps++ == TOPIC_STEPS) {
		b->undecided = true;
		return;
	}
	bool any = false;
	for (size_t i = 0; i < b->pattern_count; i++) {
		next[i] = (uint8_t)step_pattern(b->patterns[i], depth, (enum stand)stands[i], t);
		any = any || next[i] != STAND_OUT;
	}
	if (!any)
		return;
	add_topic(b, bytes_of(text));
	walk_topics(b, bytes_of(text), depth + 1, next);
}

/* Every token that a pattern still alive asks for here, and one that none does.  At most
 * TOKENS_MAX deep. */
static void
walk_topics(struct build *b, struct bytes prefix, size_t depth, const uint8_t *stands)
{
	struct bytes t, other;
	if (depth > b->pattern_tokens || depth == TOKENS_MAX)
		return;
	for (size_t i = 0; i < b->pattern_count; i++) {
		bool again = false;
		if (stands[i] != STAND_ALIVE || !token(b->patterns[i], depth, &t) ||
		    bytes_is(t, "*") || bytes_is(t, ">"))
			continue;
		for (size_t k = 0; k < i && !again; k++)
			again = stands[k] == STAND_ALIVE && token(b->patterns[k], depth, &other) &&
				bytes_equal(t, other);
		if (!again)
			try_token(b, prefix, depth, stands, t);
	}
	try_token(b, prefix, depth, stands, bytes_of(b->fresh));
}

static void
make_topics(struct build *b)
{
	gather_patterns(b);
	if (b->failed)
		return;
	find_fresh(b);
	b->topics = get(b, TOPICS_MAX, sizeof(*b->topics));
	b->topic_keys = get(b, TOPICS_MAX, sizeof(bool *));
	uint8_t *stands = get(b, b->pattern_count, sizeof(*stands));
	if (b->failed)
		return;
	memset(stands, STAND_ALIVE, b->pattern_count);
	walk_topics(b, bytes_of(""), 0, stands);
}

/* ---- content types ---- */

static bool
same_text(struct bytes x, struct bytes y) /* but for case */
{
	bool same = x.len == y.len;
	for (size_t i = 0; same && i < x.len; i++) {
		uint8_t a = x.data[i], c = y.data[i];
		a = a >= 'A' && a <= 'Z' ? (uint8_t)(a + 32) : a;
		c = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
		same = a == c;
	}
	return same;
}

static bool
is_pattern(const struct build *b, struct bytes type)
{
	for (size_t i = 0; i < b->of->rule_count; i++)
		for (size_t k = 0; k < b->of->rules[i].condition_count; k++) {
			const struct condition *c = &b->of->rules[i].conditions[k];
			if (c->kind == CONDITION_CONTENT_TYPE && same_text(c->pattern, type))
				return true;
		}
	return false;
}

/* A type that begins like this and that no rule names. */
static void
add_open_content(struct build *b, struct bytes start)
{
	const char *text;
	unsigned n = 0;
	do {
		text = arena_printf(
		    b->arena, "%.*sx-%u", (int)start.len, (const char *)start.data, n++);
		b->failed = b->failed || text == NULL;
	} while (!b->failed && is_pattern(b, bytes_of(text)));
	if (!b->failed)
		b->contents[b->content_count++] = bytes_of(text);
}

static void
add_content(struct build *b, struct bytes pattern)
{
	for (size_t i = 0; i < b->content_count; i++)
		if (same_text(b->contents[i], pattern))
			return;
	if (bytes_is(bytes_from(pattern.data + pattern.len - 1, 1), "*"))
		add_open_content(b, bytes_from(pattern.data, pattern.len - 1));
	else
		b->contents[b->content_count++] = pattern;
}

static void
make_contents(struct build *b)
{
	size_t most = 1;
	for (size_t i = 0; i < b->of->rule_count; i++)
		most += b->of->rules[i].condition_count;
	b->contents = get(b, most, sizeof(*b->contents));
	for (size_t i = 0; !b->failed && i < b->of->rule_count; i++)
		for (size_t k = 0; k < b->of->rules[i].condition_count; k++)
			if (b->of->rules[i].conditions[k].kind == CONDITION_CONTENT_TYPE)
				add_content(b, b->of->rules[i].conditions[k].pattern);
	if (!b->failed)
		add_open_content(b, bytes_of("x-none/"));
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

static bool
content_holds(const struct rule *rule, const struct view *v)
{
	bool holds = true;
	for (size_t i = 0; i < rule->condition_count; i++) {
		struct rule one = { .conditions = &rule->conditions[i], .condition_count = 1 };
		if (one.conditions->kind == CONDITION_CONTENT_TYPE)
			holds = holds && rules_portion(&one, v);
	}
	return holds;
}

static void
each_content(struct build *b, const bool *live, bool *scratch, const struct party *sole)
{
	for (size_t i = 0; i < b->content_count && !b->undecided && !b->failed; i++) {
		struct view v = { .content_type = b->contents[i] };
		if (b->steps++ == SITUATION_STEPS)
			b->undecided = true;
		for (size_t k = 0; k < b->of->rule_count; k++)
			scratch[k] = live[k] && content_holds(&b->of->rules[k], &v);
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
			struct facts f = {
				.originator = m->party->name, .topic = b->topics[t], .precedence = p
			};
			for (size_t k = 0; k < b->of->rule_count; k++)
				live[k] = rules_live(&b->of->rules[k], &f);
			each_content(b, live, scratch, sole);
		}
}

static bool
from_holds(const struct rule *rule, const struct member *m)
{
	struct facts f = { .originator = m->party->name };
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
		same = from_holds(&b->of->rules[i], x) == from_holds(&b->of->rules[i], y);
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
	make_topics(&b);
	if (!b.failed)
		make_contents(&b);
	b.items = get(&b, SITUATIONS_MAX, sizeof(*b.items));
	b.table = get(&b, (size_t)2 * SITUATIONS_MAX, sizeof(*b.table));
	find_receivers(&b);
	if (!b.failed)
		each_originator(&b);
	*out = (struct situations){ b.items, b.count, b.receivers, b.undecided };
	return !b.failed;
}
