/* vocab_show.c - what a vocabulary holds, as tables, in the order of the SPIF. */
#include <inttypes.h>
#include <stdio.h>

#include "client/cli/out.h"
#include "client/cli/table.h"
#include "client/cli/vocab_tool.h"
#include "policy/vocab_words.h"

struct show {
	struct arena *arena;
	const struct vocab *v;
	struct bytes lang;
	struct table table;
	struct err *err;
};

static bool
no_memory(struct show *s)
{
	return err_set(s->err, ERR_NOMEM, "the vocabulary is too large to show");
}

/* ", WHAT text", where there is one. */
static void
remark(const char *what, struct bytes text)
{
	if (text.len == 0)
		return;
	printf(", %s ", what);
	out_clean(stdout, text);
}

static void
show_head(const struct vocab *v)
{
	(void)fputs("vocabulary ", stdout);
	out_clean(stdout, v->name);
	remark("id", v->id);
	remark("version", v->version);
	remark("created", v->created);
	remark("SPIF schema", v->schema);
	(void)fputs("\nSPIF digest ", stdout);
	for (size_t i = 0; i < sizeof(v->digest); i++)
		printf("%02x", v->digest[i]);
	printf("\nmarkings %s be read back\n", v->readable ? "can" : "cannot");
}

/* A text of ours as a cell; NULL where there is none. */
static const char *
cell(struct bytes text)
{
	return text.len == 0 ? NULL : (const char *)text.data;
}

/* ---- classifications ---- */

static bool
add_class(struct show *s, uint32_t i)
{
	const struct vocab_class *c = &s->v->classes[i];
	struct bytes marking, needs;
	const char *rank = arena_printf(s->arena, "%" PRId64, c->hierarchy);
	const char *lacv = arena_printf(s->arena, "%" PRId64, c->lacv);
	struct bytes name, colour = { NULL, 0 };
	if (rank == NULL || lacv == NULL || !arena_copy(s->arena, c->name, &name, NULL) ||
	    (c->colour.len != 0 && !arena_copy(s->arena, c->colour, &colour, NULL)))
		return no_memory(s);
	if (!vocab_words_class(s->arena, s->v, i, s->lang, &marking, s->err) ||
	    !vocab_words_needs(s->arena, s->v, c->rules, &needs, s->err))
		return false;
	const char *cells[] = { cell(name), rank, lacv, cell(marking), cell(colour), cell(needs),
		c->obsolete ? "obsolete" : NULL };
	return table_add(&s->table, cells, s->err);
}

static bool
show_classes(struct show *s)
{
	static const char *const head[] = { "NAME", "RANK", "LACV", "MARKING", "COLOUR", "NEEDS",
		"STATE" };
	(void)fputs("\nclassifications\n", stdout);
	table_init(&s->table, s->arena, "  ", sizeof(head) / sizeof(head[0]));
	if (!table_head(&s->table, head, s->err))
		return false;
	for (uint32_t i = 0; i < s->v->class_count; i++)
		if (!add_class(s, i))
			return false;
	table_print(&s->table, stdout);
	return true;
}

/* ---- categories ---- */

static bool
add_value(struct show *s, uint32_t i)
{
	const struct vocab_value *x = &s->v->values[i];
	struct arena *a = s->arena;
	struct bytes marking, from, until, needs, bars, name, lacv;
	if (!arena_copy(a, x->name, &name, NULL) || !arena_copy(a, x->lacv, &lacv, NULL))
		return no_memory(s);
	if (!vocab_words_value(a, s->v, i, s->lang, &marking, s->err) ||
	    !vocab_words_moment(a, x->not_before, false, &from, s->err) ||
	    !vocab_words_moment(a, x->not_after, true, &until, s->err) ||
	    !vocab_words_needs(a, s->v, x->rules, &needs, s->err) ||
	    !vocab_words_bars(a, s->v, i, &bars, s->err))
		return false;
	const char *prints = marking.len == 0 ? "-" : cell(marking);
	if (bytes_equal(marking, x->name))
		prints = NULL;
	const char *cells[] = { cell(name), cell(lacv), prints, cell(from), cell(until),
		cell(needs), cell(bars), x->obsolete ? "obsolete" : NULL };
	return table_add(&s->table, cells, s->err);
}

static void
show_selection(const struct vocab_tag *t)
{
	if (t->min != 0 && t->max != UINT32_MAX)
		printf(", %u to %u values", t->min, t->max);
	else if (t->min != 0)
		printf(", %u values or more", t->min);
	else if (t->max != UINT32_MAX)
		printf(", %u value%s at most", t->max, t->max == 1 ? "" : "s");
}

static bool
show_tag(struct show *s, const struct vocab_tag *t)
{
	static const char *const head[] = { "VALUE", "LACV", "PRINTS", "FROM", "UNTIL", "NEEDS",
		"NOT WITH", "STATE" };
	const struct vocab *v = s->v;
	(void)fputc('\n', stdout);
	out_clean(stdout, v->tagsets[t->tagset].name);
	remark("id", v->tagsets[t->tagset].id);
	printf(", %s", vocab_type_name(v->categories[t->category].type));
	show_selection(t);
	(void)fputc('\n', stdout);
	table_init(&s->table, s->arena, "  ", sizeof(head) / sizeof(head[0]));
	if (!table_head(&s->table, head, s->err))
		return false;
	for (uint32_t i = t->first; i < t->first + t->count; i++)
		if (!add_value(s, i))
			return false;
	if (t->count != 0)
		table_print(&s->table, stdout);
	return true;
}

/* ---- groups ---- */

static bool
add_member(struct show *s, const struct vocab_member *m)
{
	const struct vocab_value *group = &s->v->values[m->group];
	struct bytes from, until, in, name, member;
	if (!arena_copy(s->arena, s->v->tagsets[group->tagset].name, &in, NULL) ||
	    !arena_copy(s->arena, group->name, &name, NULL) ||
	    !arena_copy(s->arena, s->v->values[m->value].name, &member, NULL))
		return no_memory(s);
	if (!vocab_words_moment(s->arena, m->not_before, false, &from, s->err) ||
	    !vocab_words_moment(s->arena, m->not_after, true, &until, s->err))
		return false;
	const char *cells[] = { cell(in), cell(name), cell(member), cell(from), cell(until) };
	return table_add(&s->table, cells, s->err);
}

static bool
show_groups(struct show *s)
{
	static const char *const head[] = { "CATEGORY", "GROUP", "MEMBER", "FROM", "UNTIL" };
	if (s->v->member_count == 0)
		return true;
	(void)fputs("\ngroups and their members\n", stdout);
	table_init(&s->table, s->arena, "  ", sizeof(head) / sizeof(head[0]));
	if (!table_head(&s->table, head, s->err))
		return false;
	for (uint32_t i = 0; i < s->v->member_count; i++)
		if (!add_member(s, &s->v->members[i]))
			return false;
	table_print(&s->table, stdout);
	return true;
}

bool
vocab_show(struct vocab_loaded *l, const struct vocab_call *k, struct err *e)
{
	struct show s = { .arena = &l->arena, .v = l->vocab, .err = e };
	if (k->lang != NULL)
		s.lang = bytes_of(k->lang);
	show_head(s.v);
	if (!show_classes(&s))
		return false;
	for (uint32_t i = 0; i < s.v->tag_count; i++)
		if (!show_tag(&s, &s.v->tags[i]))
			return false;
	return show_groups(&s);
}
