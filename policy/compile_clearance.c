/*
 * What a member may see: 'clearance VOCABULARY ..', 'clearance [VOCABULARY] file "FILE"' and
 * 'groups-of VOCABULARY CATEGORY VALUE'.
 */
#include "policy/clearance_xml.h"
#include "policy/compile.h"

#define SHOWN(b) (int)(b).len, (const char *)(b).data

/* ---- in the policy itself ---- */

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
			text_error(c->errors, &v->pos, COMPILE_CLEARANCE_USAGE,
			    "'up-to CLASSIFICATION' or a list in [ ] stands here");
		else if (compile_find_class(c, k->vocab, &s->values[2], &class_))
			clearance_add_up_to(k, class_);
		return;
	}
	if (s->value_count != 2)
		text_error(c->errors, &s->values[2].pos, COMPILE_CLEARANCE_USAGE,
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
read_typed(
    struct compile *c, const struct text_statement *s, struct clearance *k, size_t *at, bool *good)
{
	struct err e = { 0 };
	const struct vocab *v = compile_find_vocab(c, &s->values[0], at);
	*good = v != NULL;
	if (v == NULL)
		return true;
	if (!clearance_init(c->a, v, k, &e))
		return compile_no_memory(c);
	read_classes(c, s, k);
	read_categories(c, s, k);
	return true;
}

/* ---- in a file ---- */

const struct text_value *
compile_clearance_file(const struct text_statement *s)
{
	size_t n = s->value_count;
	if ((n != 2 && n != 3) || s->values[n - 1].kind == TEXT_LIST ||
	    !bytes_is(s->values[n - 2].text, "file"))
		return NULL;
	return &s->values[n - 1];
}

/* The file's vocabulary must be the one that the statement names, if it does. */
static void
check_vocab(struct compile *c, const struct text_statement *s, const struct vocab *v, bool *good)
{
	size_t at;
	if (s->value_count != 3)
		return;
	const struct vocab *named = compile_find_vocab(c, &s->values[0], &at);
	*good = named == v;
	if (named != NULL && named != v)
		text_error(c->errors, &s->values[2].pos, NULL,
		    "the clearance in the file is in '%.*s', not '%.*s'", SHOWN(v->name),
		    SHOWN(named->name));
}

static bool
read_file(struct compile *c, const struct text_statement *s, const struct text_value *path,
    struct clearance *k, bool *good)
{
	SCOPED(arena_done) struct arena work;
	struct text_file f = { bytes_of(""), { NULL, 0 } };
	struct err e = { 0 };
	arena_init(&work, SIZE_MAX); /* the source knows a limit */
	*good = false;
	if (s->has_block)
		text_error(c->errors, &s->pos,
		    "write the clearance here, or the values in the file",
		    "a clearance from a file has no block");
	const char *name = compile_path(c, &s->pos, path->text);
	if (name == NULL)
		return compile_no_memory(c);
	if (!c->src->read(c->src->ctx, name, &work, &f.source, &e)) {
		text_error_from(c->errors, &path->pos, &e);
		return e.code != ERR_NOMEM;
	}
	f.name = bytes_of(name);
	*good = clearance_xml_read(c->a, c->e->vocabs, c->e->vocab_count, &f, c->errors, k);
	if (*good)
		check_vocab(c, s, k->vocab, good);
	return true;
}

static size_t
index_of(const struct compile *c, const struct vocab *v)
{
	size_t i = 0;
	while (i < c->e->vocab_count && c->e->vocabs[i] != v)
		i++;
	return i;
}

bool
compile_clearance_one(struct compile *c, const struct text_statement *s, struct member *m,
    const struct clearance **of)
{
	const struct text_value *path = compile_clearance_file(s);
	struct clearance *k = arena_zalloc(c->a, 1, sizeof(*k));
	size_t at = 0;
	bool good;
	if (k == NULL)
		return compile_no_memory(c);
	if (path == NULL ? !read_typed(c, s, k, &at, &good) : !read_file(c, s, path, k, &good))
		return false;
	if (!good)
		return true;
	if (path != NULL)
		at = index_of(c, k->vocab);
	if (of[at] != NULL)
		text_error(c->errors, &s->values[0].pos, NULL,
		    "member '%.*s' has two clearances in '%.*s'", SHOWN(m->party->name),
		    SHOWN(k->vocab->name));
	of[at] = k;
	return true;
}

/* ---- groups ---- */

struct asked { /* one 'groups-of' */
	const struct text_statement *at;
	struct clearance *k;
	uint32_t value;
};

/* The value that it names, which the clearance must hold in a permissive category. */
static bool
find_held(
    struct compile *c, const struct text_statement *s, const struct member *m, struct asked *out)
{
	size_t at;
	uint32_t tagset, value;
	const struct vocab *v = compile_find_vocab(c, &s->values[0], &at);
	if (v == NULL ||
	    !compile_find_tagset(c, v, &s->values[1].pos, s->values[1].text, &tagset) ||
	    !compile_find_value(c, v, tagset, &s->values[2], &value))
		return false;
	enum vocab_type type = v->categories[v->values[value].category].type;
	if (type != VOCAB_PERMISSIVE)
		return text_error(c->errors, &s->values[2].pos,
		    "only a permissive category has groups", "'%.*s' is %s",
		    SHOWN(v->values[value].name), vocab_type_name(type));
	if (m->clearances[at] == NULL || !vocab_has(m->clearances[at]->values, value))
		return text_error(c->errors, &s->values[2].pos,
		    "membership is for whoever holds the value",
		    "member '%.*s' does not hold '%.*s'", SHOWN(m->party->name),
		    SHOWN(s->values[2].text));
	/* the loader's own, which only the member calls constant */
	*out = (struct asked){ s, (struct clearance *)(uintptr_t)m->clearances[at], value };
	return true;
}

/* What the lists of the SPIF give for as long as the agreement is valid. */
static void
add_groups(struct compile *c, const struct agreement *a, const struct asked *q)
{
	const struct text_statement *s = q->at;
	struct clearance_groups g =
	    clearance_add_groups(q->k, q->value, a->valid_from, a->valid_until);
	if (g.partly != 0)
		text_warning(c->errors, &s->pos,
		    "a list counts if it names the value for as long as the agreement is valid",
		    "%zu membership list%s '%.*s' for a part of that time alone: nothing is added",
		    g.partly, g.partly == 1 ? " names" : "s name", SHOWN(s->values[2].text));
	if (g.whole == 0 && g.partly == 0)
		text_warning(c->errors, &s->pos, NULL,
		    "no membership list in the SPIF of '%.*s' names '%.*s': nothing is added",
		    SHOWN(q->k->vocab->name), SHOWN(s->values[2].text));
}

/* All are found before anything is added: then groups of groups are not followed, and the order of
 * the statements is nothing. */
bool
compile_clearance_groups(struct compile *c, const struct agreement *a, const struct member *m,
    const struct text_statement *const *list, size_t count)
{
	SCOPED(arena_done) struct arena work;
	size_t n = 0;
	arena_init(&work, SIZE_MAX);
	struct asked *asked = arena_zalloc(&work, count, sizeof(*asked));
	if (asked == NULL)
		return compile_no_memory(c);
	for (size_t i = 0; i < count; i++) {
		struct asked *q = &asked[n];
		if (!find_held(c, list[i], m, q))
			continue;
		n++;
		for (size_t k = 0; k + 1 < n; k++)
			if (asked[k].k == q->k && asked[k].value == q->value)
				text_error(c->errors, &list[i]->pos, NULL,
				    "the groups of '%.*s' are asked for twice",
				    SHOWN(list[i]->values[2].text));
	}
	for (size_t i = 0; i < n; i++)
		add_groups(c, a, &asked[i]);
	return true;
}
