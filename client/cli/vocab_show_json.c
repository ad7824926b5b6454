/* vocab_show_json.c - what a vocabulary holds, as one line of JSON. */
#include <stdio.h>

#include "client/cli/out.h"
#include "client/cli/vocab_tool.h"
#include "policy/vocab_words.h"

struct show {
	struct out_json j;
	struct arena *arena;
	const struct vocab *v;
	struct bytes lang;
	struct err *err;
};

static void
put_optional(struct show *s, const char *key, struct bytes text)
{
	if (text.len == 0)
		out_json_text(&s->j, key, NULL);
	else
		out_json_bytes(&s->j, key, text);
}

static void
put_classes(struct show *s, const char *key, uint64_t classes)
{
	out_json_begin(&s->j, key, '[');
	for (uint32_t i = 0; i < s->v->class_count; i++)
		if ((classes >> i & 1) != 0)
			out_json_bytes(&s->j, NULL, s->v->classes[i].name);
	out_json_end(&s->j, ']');
}

/* [{"category":NAME,"value":NAME},..] */
static void
put_set(struct show *s, const char *key, const uint64_t *set)
{
	const struct vocab *v = s->v;
	out_json_begin(&s->j, key, '[');
	for (uint32_t i = 0; set != NULL && i < v->value_count; i++) {
		if (!vocab_has(set, i))
			continue;
		out_json_begin(&s->j, NULL, '{');
		out_json_bytes(&s->j, "category", v->tagsets[v->values[i].tagset].name);
		out_json_bytes(&s->j, "value", v->values[i].name);
		out_json_end(&s->j, '}');
	}
	out_json_end(&s->j, ']');
}

static void
put_required(struct show *s, const struct vocab_rules *r)
{
	out_json_begin(&s->j, "requires", '[');
	for (uint32_t i = 0; r != NULL && i < r->required_count; i++) {
		out_json_begin(&s->j, NULL, '{');
		out_json_text(&s->j, "operation", vocab_operation_name(r->required[i].operation));
		out_json_bool(&s->j, "unmatched", r->required[i].unmatched);
		put_set(s, "values", r->required[i].values);
		out_json_end(&s->j, '}');
	}
	out_json_end(&s->j, ']');
}

static bool
put_span(struct show *s, uint64_t not_before, uint64_t not_after)
{
	struct bytes from, until;
	if (!vocab_words_moment(s->arena, not_before, false, &from, s->err) ||
	    !vocab_words_moment(s->arena, not_after, true, &until, s->err))
		return false;
	put_optional(s, "not_before", from);
	put_optional(s, "not_after", until);
	return true;
}

static bool
put_class(struct show *s, uint32_t i)
{
	const struct vocab_class *c = &s->v->classes[i];
	struct bytes marking;
	if (!vocab_words_class(s->arena, s->v, i, s->lang, &marking, s->err))
		return false;
	out_json_begin(&s->j, NULL, '{');
	out_json_bytes(&s->j, "name", c->name);
	out_json_int(&s->j, "hierarchy", c->hierarchy);
	out_json_int(&s->j, "lacv", c->lacv);
	out_json_bytes(&s->j, "marking", marking);
	put_optional(s, "colour", c->colour);
	out_json_bool(&s->j, "obsolete", c->obsolete);
	put_required(s, c->rules);
	out_json_end(&s->j, '}');
	return true;
}

static bool
put_value(struct show *s, uint32_t i)
{
	const struct vocab_value *x = &s->v->values[i];
	const struct vocab_rules *r = x->rules;
	struct bytes marking;
	if (!vocab_words_value(s->arena, s->v, i, s->lang, &marking, s->err))
		return false;
	out_json_begin(&s->j, NULL, '{');
	out_json_bytes(&s->j, "name", x->name);
	out_json_bytes(&s->j, "lacv", x->lacv);
	put_optional(s, "marking", marking);
	out_json_bool(&s->j, "obsolete", x->obsolete);
	if (!put_span(s, x->not_before, x->not_after))
		return false;
	put_classes(s, "required_classifications", r == NULL ? 0 : r->required_classes);
	put_classes(s, "excluded_classifications", r == NULL ? 0 : r->excluded_classes);
	put_set(s, "excludes", r == NULL ? NULL : r->excluded);
	put_required(s, r);
	out_json_end(&s->j, '}');
	return true;
}

static bool
put_tag(struct show *s, const struct vocab_tag *t)
{
	const struct vocab *v = s->v;
	out_json_begin(&s->j, NULL, '{');
	out_json_bytes(&s->j, "category", v->tagsets[t->tagset].name);
	put_optional(s, "id", v->tagsets[t->tagset].id);
	out_json_text(&s->j, "type", vocab_type_name(v->categories[t->category].type));
	out_json_uint(&s->j, "min", t->min);
	if (t->max == UINT32_MAX)
		out_json_text(&s->j, "max", NULL);
	else
		out_json_uint(&s->j, "max", t->max);
	out_json_begin(&s->j, "values", '[');
	for (uint32_t i = t->first; i < t->first + t->count; i++)
		if (!put_value(s, i))
			return false;
	out_json_end(&s->j, ']');
	out_json_end(&s->j, '}');
	return true;
}

static bool
put_member(struct show *s, const struct vocab_member *m)
{
	const struct vocab_value *group = &s->v->values[m->group];
	out_json_begin(&s->j, NULL, '{');
	out_json_bytes(&s->j, "category", s->v->tagsets[group->tagset].name);
	out_json_bytes(&s->j, "group", group->name);
	out_json_bytes(&s->j, "member", s->v->values[m->value].name);
	if (!put_span(s, m->not_before, m->not_after))
		return false;
	out_json_end(&s->j, '}');
	return true;
}

static void
put_head(struct show *s)
{
	const struct vocab *v = s->v;
	out_json_bytes(&s->j, "vocabulary", v->name);
	put_optional(s, "id", v->id);
	put_optional(s, "version", v->version);
	put_optional(s, "created", v->created);
	put_optional(s, "schema", v->schema);
	out_json_hex(&s->j, "digest", v->digest, sizeof(v->digest));
	out_json_bool(&s->j, "markings_read_back", v->readable);
}

bool
vocab_show_json(struct vocab_loaded *l, const struct vocab_call *k, struct err *e)
{
	struct show s = { .j = { .to = stdout }, .arena = &l->arena, .v = l->vocab, .err = e };
	if (k->lang != NULL)
		s.lang = bytes_of(k->lang);
	out_json_begin(&s.j, NULL, '{');
	put_head(&s);
	out_json_begin(&s.j, "classifications", '[');
	for (uint32_t i = 0; i < s.v->class_count; i++)
		if (!put_class(&s, i))
			return false;
	out_json_end(&s.j, ']');
	out_json_begin(&s.j, "tags", '[');
	for (uint32_t i = 0; i < s.v->tag_count; i++)
		if (!put_tag(&s, &s.v->tags[i]))
			return false;
	out_json_end(&s.j, ']');
	out_json_begin(&s.j, "groups", '[');
	for (uint32_t i = 0; i < s.v->member_count; i++)
		if (!put_member(&s, &s.v->members[i]))
			return false;
	out_json_end(&s.j, ']');
	out_json_end(&s.j, '}');
	out_json_line(&s.j);
	return true;
}
