/* 'member NAME { may precedence clearance }', and the groups of members. */
#include <stdlib.h>

#include "policy/compile.h"

#define SHOWN(b) (int)(b).len, (const char *)(b).data

enum { SET_MAY, SET_PRECEDENCE, SET_CLEARANCE, SET_COUNT };
static const struct text_setting settings[SET_COUNT] = {
	[SET_MAY] = { "may", "l", TEXT_BLOCK_NONE, false, true, "may [ originate receive ]" },
	[SET_PRECEDENCE] = { "precedence", "vv", TEXT_BLOCK_NONE, false, false,
	    "precedence at-most PRIORITY" },
	[SET_CLEARANCE] = { "clearance", "va?v", TEXT_BLOCK_OPTIONAL, true, false,
	    "clearance VOCABULARY up-to CLASSIFICATION { .. }, or with a list in [ ]" },
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

/* ---- clearances ---- */

/* Names of a vocabulary are the same but for white space and case, so the parser cannot see it. */
static void
twice(struct compile *c, const struct text_value *v)
{
	text_error(c->errors, &v->pos, NULL, "'%.*s' is twice in this list", SHOWN(v->text));
}

static void
read_classes(struct compile *c, const struct text_statement *s, struct clearance *k)
{
	const struct text_value *v = &s->values[1];
	uint32_t class_;
	if (v->kind != TEXT_LIST) {
		if (s->value_count != 3 || !bytes_is(v->text, "up-to"))
			text_error(c->errors, &v->pos, settings[SET_CLEARANCE].usage,
			    "'up-to CLASSIFICATION' or a list in [ ] stands here");
		else if (compile_find_class(c, k->vocab, &s->values[2], &class_))
			clearance_add_up_to(k, class_);
		return;
	}
	if (s->value_count != 2)
		text_error(c->errors, &s->values[2].pos, settings[SET_CLEARANCE].usage,
		    "nothing may follow the list");
	for (size_t i = 0; i < v->count; i++) {
		if (!compile_find_class(c, k->vocab, &v->items[i], &class_))
			continue;
		if ((k->classes >> class_ & 1) != 0)
			twice(c, &v->items[i]);
		clearance_add_class(k, class_);
	}
}

static void
read_category(struct compile *c, const struct text_statement *s, struct clearance *k)
{
	uint32_t tagset, value;
	if (s->has_block || s->value_count != 1 || s->values[0].kind != TEXT_LIST) {
		text_error(c->errors, &s->pos, "\"Releasable To\" [ GBR NOR ]",
		    "a category takes a list of values in [ ]");
		return;
	}
	if (!compile_find_tagset(c, k->vocab, &s->pos, s->name, &tagset))
		return;
	for (size_t i = 0; i < s->values[0].count; i++) {
		const struct text_value *v = &s->values[0].items[i];
		if (!compile_find_value(c, k->vocab, tagset, v, &value))
			continue;
		if (vocab_has(k->values, value))
			twice(c, v);
		clearance_add_value(k, value);
	}
}

static void
read_categories(struct compile *c, const struct text_statement *s, struct clearance *k)
{
	for (size_t i = 0; i < s->block.count; i++) {
		read_category(c, &s->block.items[i], k);
		for (size_t j = 0; j < i; j++)
			if (vocab_same_name(s->block.items[i].name, s->block.items[j].name))
				text_error(c->errors, &s->block.items[i].pos, NULL,
				    "the category '%.*s' stands here twice",
				    SHOWN(s->block.items[i].name));
	}
}

static bool
read_clearance(struct compile *c, const struct text_statement *s, struct member *m,
    const struct clearance **of)
{
	size_t at;
	struct err e = { 0 };
	const struct vocab *v = compile_find_vocab(c, &s->values[0], &at);
	if (v == NULL)
		return true;
	struct clearance *k = arena_zalloc(c->a, 1, sizeof(*k));
	if (k == NULL || !clearance_init(c->a, v, k, &e))
		return compile_no_memory(c);
	if (of[at] != NULL)
		text_error(c->errors, &s->values[0].pos, NULL,
		    "member '%.*s' has two clearances in '%.*s'", SHOWN(m->party->name),
		    SHOWN(v->name));
	read_classes(c, s, k);
	read_categories(c, s, k);
	of[at] = k;
	return true;
}

bool
compile_member_one(struct compile *c, const struct text_statement *s, struct member *m)
{
	const struct text_block *b = &s->block;
	const struct clearance **of =
	    arena_zalloc(c->a, c->e->vocab_count, sizeof(struct clearance *));
	if (of == NULL)
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
		else if (which == SET_CLEARANCE && !read_clearance(c, t, m, of))
			return false;
	}
	return true;
}

/* ---- groups: members with equal clearances that every rule's 'to' treats alike ---- */

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
key_length(const struct compile *c, const struct agreement *a)
{
	size_t len = a->rule_count + sizeof(uint32_t);
	for (size_t i = 0; i < c->e->vocab_count; i++)
		len += 1 + sizeof(uint64_t) * (1 + c->e->vocabs[i]->words);
	return len;
}

static void
write_key(const struct compile *c, const struct agreement *a, const struct member *m, uint8_t *to)
{
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
	for (size_t i = 0; i < a->rule_count; i++)
		*to++ = rules_to(&a->rules[i], m->party->name);
	if (asks_recipient(a))
		put_u32(to, m->party->index + 1);
}

static int
by_key(const void *x, const void *y)
{
	const struct keyed *a = x, *b = y;
	return memcmp(a->key, b->key, a->len);
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
	a->group_count = 0;
	for (size_t i = 0; i < a->member_count; i++) {
		if (i > 0 && memcmp(keys[i - 1].key, keys[i].key, len) != 0)
			a->group_count++;
		keys[i].member->group = a->group_count;
	}
	a->group_count = a->member_count == 0 ? 0 : a->group_count + 1;
	arena_done(&scratch);
	return true;
}
