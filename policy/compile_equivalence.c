/* 'equivalence FROM to TO { classification X Y  category A x B y }'. */
#include "policy/compile.h"

#define SHOWN(b) (int)(b).len, (const char *)(b).data

enum { SET_CLASSIFICATION, SET_CATEGORY, SET_COUNT };
static const struct text_setting settings[SET_COUNT] = {
	[SET_CLASSIFICATION] = { "classification", "vv", TEXT_BLOCK_NONE, true, false,
	    "classification FROM-CLASS TO-CLASS" },
	[SET_CATEGORY] = { "category", "vvvv", TEXT_BLOCK_NONE, true, false,
	    "category \"From Category\" VALUE \"To Category\" VALUE" },
};

static bool
twice(struct compile *c, const struct text_value *v)
{
	return text_error(c->errors, &v->pos, "every source value is mapped once at most",
	    "'%.*s' is mapped twice", SHOWN(v->text));
}

static void
read_class(struct compile *c, const struct text_statement *s, struct label_map *m)
{
	uint32_t from, to;
	if (!compile_find_class(c, m->from, &s->values[0], &from) ||
	    !compile_find_class(c, m->to, &s->values[1], &to))
		return;
	if (m->classes[from] != VOCAB_NONE) {
		twice(c, &s->values[0]);
		return;
	}
	if (m->to->classes[to].obsolete) {
		text_error(c->errors, &s->values[1].pos, "nothing new is labelled so",
		    "the classification '%.*s' is obsolete", SHOWN(m->to->classes[to].name));
		return;
	}
	m->classes[from] = to;
}

/* Whether a value of the one type may become one of the other: never a weaker. */
static bool
keeps_strength(enum vocab_type from, enum vocab_type to)
{
	switch (from) {
	case VOCAB_RESTRICTIVE:
		return to == VOCAB_RESTRICTIVE;
	case VOCAB_PERMISSIVE:
		return to == VOCAB_PERMISSIVE || to == VOCAB_RESTRICTIVE;
	case VOCAB_INFORMATIVE:
		return to == VOCAB_INFORMATIVE;
	}
	return false;
}

/* Alternatives of two categories in one would make of "and" an "or". */
static bool
merges(const struct label_map *m, uint32_t from, uint32_t to)
{
	uint32_t target = m->to->values[to].category;
	if (m->to->categories[target].type != VOCAB_PERMISSIVE)
		return false;
	for (uint32_t i = 0; i < m->from->value_count; i++)
		if (m->values[i] != VOCAB_NONE && m->to->values[m->values[i]].category == target &&
		    m->from->values[i].category != m->from->values[from].category)
			return true;
	return false;
}

static bool
check_value(struct compile *c, const struct text_statement *s, const struct label_map *m,
    uint32_t from, uint32_t to)
{
	enum vocab_type a = m->from->categories[m->from->values[from].category].type;
	enum vocab_type b = m->to->categories[m->to->values[to].category].type;
	if (m->values[from] != VOCAB_NONE)
		return twice(c, &s->values[1]);
	if (m->to->values[to].obsolete)
		return text_error(c->errors, &s->values[3].pos, "nothing new is labelled so",
		    "the value '%.*s' is obsolete", SHOWN(m->to->values[to].name));
	if (!keeps_strength(a, b))
		return text_error(c->errors, &s->values[3].pos,
		    "restrictive to restrictive, permissive to permissive or restrictive, "
		    "informative to informative",
		    "the equivalence weakens: %s becomes %s", vocab_type_name(a),
		    vocab_type_name(b));
	if (merges(m, from, to))
		return text_error(c->errors, &s->values[2].pos,
		    "a label with both would need one of them only",
		    "the equivalence weakens: two categories become one permissive category");
	return true;
}

static void
read_value(struct compile *c, const struct text_statement *s, struct label_map *m)
{
	const struct text_value *v = s->values;
	uint32_t tagset, from, to;
	if (!compile_find_tagset(c, m->from, &v[0].pos, v[0].text, &tagset) ||
	    !compile_find_value(c, m->from, tagset, &v[1], &from) ||
	    !compile_find_tagset(c, m->to, &v[2].pos, v[2].text, &tagset) ||
	    !compile_find_value(c, m->to, tagset, &v[3], &to))
		return;
	if (check_value(c, s, m, from, to))
		m->values[from] = to;
}

/* If x is not above y, the image of x is not above that of y. */
static void
check_order(struct compile *c, const struct text_statement *s, const struct label_map *m)
{
	const struct vocab_class *from = m->from->classes, *to = m->to->classes;
	for (uint32_t x = 0; x < m->from->class_count; x++)
		for (uint32_t y = 0; y < m->from->class_count; y++) {
			if (m->classes[x] == VOCAB_NONE || m->classes[y] == VOCAB_NONE ||
			    from[x].hierarchy > from[y].hierarchy ||
			    to[m->classes[x]].hierarchy <= to[m->classes[y]].hierarchy)
				continue;
			text_error(c->errors, &s->pos, NULL,
			    "the equivalence weakens: '%.*s' is not above '%.*s', but its image "
			    "'%.*s' is above '%.*s'",
			    SHOWN(from[x].name), SHOWN(from[y].name), SHOWN(to[m->classes[x]].name),
			    SHOWN(to[m->classes[y]].name));
			return;
		}
}

bool
compile_equivalence_one(
    struct compile *c, const struct text_statement *s, struct equivalence *out, bool *good)
{
	struct err e = { 0 };
	*good = false;
	text_check(c->errors, "equivalence", &s->block, settings, SET_COUNT);
	if (!text_keyword(c->errors, &s->values[1], "to"))
		return true;
	const struct vocab *from = compile_find_vocab(c, &s->values[0], &out->from);
	const struct vocab *to = compile_find_vocab(c, &s->values[2], &out->to);
	if (from == NULL || to == NULL)
		return true;
	if (from == to) {
		text_error(c->errors, &s->values[2].pos, NULL, "'%.*s' is mapped to itself",
		    SHOWN(to->name));
		return true;
	}
	if (!label_map_init(c->a, from, to, &out->map, &e))
		return compile_no_memory(c);
	for (size_t i = 0; i < s->block.count; i++) {
		const struct text_statement *t = &s->block.items[i];
		ptrdiff_t which = compile_setting(t, settings, SET_COUNT);
		if (which == SET_CLASSIFICATION)
			read_class(c, t, &out->map);
		else if (which == SET_CATEGORY)
			read_value(c, t, &out->map);
	}
	check_order(c, s, &out->map);
	*good = true;
	return true;
}
