/* 'member NAME { may precedence clearance groups-of }', and the groups of members. */
#include <stdlib.h>

#include "policy/alike.h"
#include "policy/compile.h"

#define SHOWN(b) (int)(b).len, (const char *)(b).data

enum { SET_MAY, SET_PRECEDENCE, SET_CLEARANCE, SET_GROUPS_OF, SET_COUNT };
static const struct text_setting settings[SET_COUNT] = {
	[SET_MAY] = { "may", "l", TEXT_BLOCK_NONE, false, true, "may [ originate receive ]" },
	[SET_PRECEDENCE] = { "precedence", "vv", TEXT_BLOCK_NONE, false, false,
	    "precedence at-most PRIORITY" },
	[SET_CLEARANCE] = { "clearance", "va?v", TEXT_BLOCK_OPTIONAL, true, false,
	    COMPILE_CLEARANCE_USAGE },
	[SET_GROUPS_OF] = { "groups-of", "vvv", TEXT_BLOCK_NONE, true, false,
	    "groups-of VOCABULARY CATEGORY VALUE" },
};

static void
read_may(struct compile *c, const struct text_value *list, struct member *m)
{
	static const char *const known[] = { "originate", "receive" };
	size_t at;
	if (list->count == 0)
		text_error(c->errors, &list->pos, "may [ originate receive ]",
		    "member '%.*s' may do nothing", SHOWN(m->party->name));
	for (size_t i = 0; i < list->count; i++) {
		if (!text_choice(c->errors, &list->items[i], known, 2, &at))
			continue;
		m->may_originate = m->may_originate || at == 0;
		m->may_receive = m->may_receive || at == 1;
	}
}

static const char *const precedences[] = { "ROUTINE", "PRIORITY", "IMMEDIATE", "FLASH" };

static void
read_precedence(struct compile *c, const struct text_statement *s, struct member *m)
{
	size_t at;
	if (text_keyword(c->errors, &s->values[0], "at-most") &&
	    text_choice(c->errors, &s->values[1], precedences, 4, &at))
		m->at_most = (enum precedence)(at + 1);
}

bool
compile_member_one(
    struct compile *c, const struct agreement *a, const struct text_statement *s, struct member *m)
{
	const struct text_block *b = &s->block;
	const struct clearance **of =
	    arena_zalloc(c->a, c->e->vocab_count, sizeof(struct clearance *));
	const struct text_statement **groups =
	    arena_zalloc(c->a, b->count, sizeof(struct text_statement *));
	size_t group_count = 0;
	if (of == NULL || groups == NULL)
		return compile_no_memory(c);
	m->at_most = PRECEDENCE_PRIORITY;
	m->clearances = of;
	text_check(c->errors, text_note(c->errors, "member '%.*s'", SHOWN(m->party->name)), b,
	    settings, SET_COUNT);
	for (size_t i = 0; i < b->count; i++) {
		const struct text_statement *t = &b->items[i];
		ptrdiff_t which = compile_setting(t, settings, SET_COUNT);
		if (which == SET_MAY)
			read_may(c, &t->values[0], m);
		else if (which == SET_PRECEDENCE)
			read_precedence(c, t, m);
		else if (which == SET_CLEARANCE && !compile_clearance_one(c, t, m, of))
			return false;
		else if (which == SET_GROUPS_OF)
			groups[group_count++] = t;
	}
	return compile_clearance_groups(c, a, m, groups, group_count);
}

/* ---- places: members that every rule's 'to' treats alike; groups: with equal clearances too ----
 */

struct keyed {
	const uint8_t *key;
	size_t len;
	struct member *member;
};

/* Whether a rule asks the recipient itself: then its obligations differ from everybody else's. */
static bool
asks_recipient(const struct agreement *a)
{
	for (size_t i = 0; i < a->rule_count; i++)
		if (a->rules[i].verdict == VERDICT_HOLD &&
		    a->rules[i].approver == APPROVER_RECIPIENT)
			return true;
	return false;
}

static size_t
place_length(const struct agreement *a)
{
	return a->rule_count + sizeof(uint32_t);
}

static size_t
key_length(const struct compile *c, const struct agreement *a)
{
	size_t len = place_length(a);
	for (size_t i = 0; i < c->e->vocab_count; i++)
		len += 1 + sizeof(uint64_t) * (1 + c->e->vocabs[i]->words);
	return len;
}

/* The place, then the clearances. */
static void
write_key(const struct compile *c, const struct agreement *a, const struct member *m, uint8_t *to)
{
	for (size_t i = 0; i < a->rule_count; i++)
		*to++ = rules_to(&a->rules[i], m->party->name);
	if (asks_recipient(a))
		put_u32(to, m->party->index + 1);
	to += sizeof(uint32_t);
	for (size_t i = 0; i < c->e->vocab_count; i++) {
		size_t values = sizeof(uint64_t) * c->e->vocabs[i]->words;
		const struct clearance *k = m->clearances[i];
		if (k != NULL) {
			*to = 1;
			memcpy(to + 1, &k->classes, sizeof(k->classes));
			if (values > 0)
				memcpy(to + 1 + sizeof(k->classes), k->values, values);
		}
		to += 1 + sizeof(k->classes) + values;
	}
}

static int
by_key(const void *x, const void *y)
{
	const struct keyed *a = x, *b = y;
	return memcmp(a->key, b->key, a->len);
}

/* Numbers what is equal among the sorted keys. */
static void
number_keys(const struct keyed *keys, struct agreement *a)
{
	uint32_t place = 0;
	size_t group = 0;
	for (size_t i = 0; i < a->member_count; i++) {
		if (i > 0 && memcmp(keys[i - 1].key, keys[i].key, place_length(a)) != 0)
			place++;
		if (i > 0 && memcmp(keys[i - 1].key, keys[i].key, keys[i].len) != 0)
			group++;
		keys[i].member->place = place;
		keys[i].member->group = group;
	}
	a->place_count = a->member_count == 0 ? 0 : place + 1;
	a->group_count = a->member_count == 0 ? 0 : group + 1;
}

bool
compile_member_groups(struct compile *c, struct agreement *a)
{
	struct arena scratch; /* keys are long, and needed here only */
	size_t len = key_length(c, a);
	struct member *members = (struct member *)(uintptr_t)a->members;
	arena_init(&scratch, SIZE_MAX);
	struct keyed *keys = arena_zalloc(&scratch, a->member_count, sizeof(*keys));
	uint8_t *space = arena_zalloc(&scratch, a->member_count, len);
	if (keys == NULL || space == NULL) {
		arena_done(&scratch);
		return compile_no_memory(c);
	}
	for (size_t i = 0; i < a->member_count; i++) {
		keys[i] = (struct keyed){ space + i * len, len, &members[i] };
		write_key(c, a, &members[i], space + i * len);
	}
	if (a->member_count > 1)
		qsort(keys, a->member_count, sizeof(*keys), by_key);
	number_keys(keys, a);
	arena_done(&scratch);
	return holders_make(c->a, a, c->e->vocabs, c->e->vocab_count, &a->holders) ||
	       compile_no_memory(c);
}
