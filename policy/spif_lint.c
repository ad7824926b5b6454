/* What "relto vocab check" says beyond faults: nothing here stops a SPIF from loading. */
#include "policy/marking.h"
#include "policy/marking_parts.h"
#include "policy/spif_parts.h"

#define SHOWN(b) (int)((b).len < 100 ? (b).len : 100), (const char *)(b).data

static bool
is_stray(struct bytes name)
{
	bool space = true; /* one at the start, one at the end, two in a row, or none but ' ' */
	for (size_t i = 0; i < name.len; i++) {
		bool now = name.data[i] == ' ' || name.data[i] == '\t';
		if ((now && space) || name.data[i] == '\t')
			return true;
		space = now;
	}
	return space;
}

/* The colours of the schema, its spelling of the fourth included, or "#RRGGBB". */
static bool
is_colour(struct bytes text)
{
	static const char *const names[] = { "aqua", "black", "blue", "fuschia", "gray", "green",
		"lime", "maroon", "navy", "olive", "purple", "red", "silver", "teal", "white",
		"yellow" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (bytes_is(text, names[i]))
			return true;
	bool ok = text.len == 7 && text.data[0] == '#';
	for (size_t i = 1; ok && i < 7; i++)
		ok = text.data[i] != 0 && strchr("0123456789abcdefABCDEF", text.data[i]) != NULL;
	return ok;
}

/* The schema lets a name have 256 characters. */
static void
lint_length(struct spif *s, const struct xml_element *x, struct bytes name)
{
	size_t n = 0;
	for (size_t i = 0; i < name.len; i++)
		n += (name.data[i] & 0xc0) != 0x80;
	if (n > 256)
		spif_warn(s, x, "a name of %zu characters; the schema lets it have 256", n);
}

static void
lint_colour(struct spif *s, uint32_t i)
{
	const struct vocab_class *c = &s->classes[i];
	if (c->colour.len == 0)
		return;
	if (!is_colour(c->colour))
		spif_warn(
		    s, s->class_at[i], "color '%.*s' is none of the schema", SHOWN(c->colour));
	for (uint32_t j = 0; j < i; j++)
		if (bytes_equal(s->classes[j].colour, c->colour))
			spif_warn(s, s->class_at[i], "'%.*s' and '%.*s' have one color",
			    SHOWN(s->classes[j].name), SHOWN(c->name));
}

static void
lint_classes(struct spif *s)
{
	for (uint32_t i = 0; i < s->v.class_count; i++) {
		const struct vocab_class *c = &s->classes[i];
		if (is_stray(c->name))
			spif_warn(s, s->class_at[i], "stray white space in the name '%.*s'",
			    SHOWN(c->name));
		lint_length(s, s->class_at[i], c->name);
		lint_colour(s, i);
		for (uint32_t j = 0; j < i; j++)
			if (s->classes[j].hierarchy == c->hierarchy)
				spif_warn(s, s->class_at[i],
				    "'%.*s' and '%.*s' have one hierarchy: neither is "
				    "above the other",
				    SHOWN(s->classes[j].name), SHOWN(c->name));
	}
}

/* The number of a name among those of a scope so far; false on shortage. */
static bool
seen(struct spif *s, struct vocab_index *x, uint32_t scope, struct bytes name, uint32_t number,
    uint32_t *before)
{
	return vocab_index_add(s->work, x, scope, name, number, before) || spif_no_memory(s);
}

static bool
lint_values(struct spif *s)
{
	struct vocab_index *lacvs = vocab_index_new(s->work, s->v.value_count);
	if (lacvs == NULL)
		return spif_no_memory(s);
	for (uint32_t i = 0; i < s->v.value_count; i++) {
		const struct vocab_value *v = &s->values[i];
		uint32_t before;
		/* lacv are told apart within a set and an encoding */
		if (!seen(s, lacvs, v->tagset * 8 + s->value_encoding[i], v->lacv, i, &before))
			return false;
		if (before != VOCAB_NONE)
			spif_warn(s, s->value_at[i], "lacv %.*s is that of '%.*s', too",
			    SHOWN(v->lacv), SHOWN(s->values[before].name));
		if (is_stray(v->name))
			spif_warn(s, s->value_at[i], "stray white space in the name '%.*s'",
			    SHOWN(v->name));
		if (v->not_before > v->not_after)
			spif_warn(
			    s, s->value_at[i], "'%.*s' ends before it begins", SHOWN(v->name));
	}
	return true;
}

/* "1.2.3", as the schema wants the names of policies and tag sets among machines. */
static bool
is_oid(struct bytes id)
{
	bool digit = false;
	bool dots = false;
	for (size_t i = 0; i < id.len; i++) {
		bool now = id.data[i] >= '0' && id.data[i] <= '9';
		if (!now && (id.data[i] != '.' || !digit))
			return false;
		dots = dots || !now;
		digit = now;
	}
	return digit && dots && id.data[0] <= '2';
}

static bool
lint_tagsets(struct spif *s)
{
	struct vocab_index *ids = vocab_index_new(s->work, s->v.tagset_count);
	if (ids == NULL)
		return spif_no_memory(s);
	for (uint32_t i = 0; i < s->v.tagset_count; i++) {
		const struct vocab_tagset *t = &s->tagsets[i];
		uint32_t before = VOCAB_NONE;
		if (is_stray(t->name))
			spif_warn(s, s->tagset_at[i], "stray white space in the name '%.*s'",
			    SHOWN(t->name));
		lint_length(s, s->tagset_at[i], t->name);
		if (t->id.len != 0 && !is_oid(t->id))
			spif_warn(
			    s, s->tagset_at[i], "id '%.*s' is no object identifier", SHOWN(t->id));
		if (t->id.len != 0 && !seen(s, ids, 0, t->id, i, &before))
			return false;
		if (before != VOCAB_NONE)
			spif_warn(s, s->tagset_at[i], "id %.*s is that of '%.*s', too",
			    SHOWN(t->id), SHOWN(s->tagsets[before].name));
	}
	return true;
}

static void
lint_tags(struct spif *s)
{
	for (uint32_t i = 0; i < s->v.tag_count; i++) {
		const struct vocab_tag *t = &s->tags[i];
		if (t->min > t->max || t->min > t->count)
			spif_warn(s, s->tag_at[i],
			    "minSelection %u can never be met: no label is valid", t->min);
		if (t->count == 0)
			spif_warn(s, s->tag_at[i], "a tag without values");
	}
}

/* Whether each value prints something and no two the same; each that does not is a warning. */
static bool
lint_phrases(struct spif *s, bool *readable)
{
	struct vocab_index *printed = vocab_index_new(s->work, s->v.value_count);
	if (printed == NULL)
		return spif_no_memory(s);
	*readable = true;
	for (uint32_t i = 0; i < s->v.value_count; i++) {
		struct bytes text;
		uint32_t before = VOCAB_NONE;
		if (!marking_of_value(s->work, &s->v, i, &text))
			return spif_no_memory(s);
		if (text.len != 0 && !seen(s, printed, 0, text, i, &before))
			return false;
		if (text.len == 0)
			spif_warn(s, s->value_at[i],
			    "'%.*s' does not print: markings cannot be read back",
			    SHOWN(s->values[i].name));
		else if (before != VOCAB_NONE)
			spif_warn(s, s->value_at[i],
			    "'%.*s' prints like '%.*s': markings cannot be read back",
			    SHOWN(s->values[i].name), SHOWN(s->values[before].name));
		else if (!marking_changes_header(&s->v, i))
			continue;
		else
			spif_warn(s, s->value_at[i],
			    "'%.*s' changes how policy or classification print: markings cannot "
			    "be read back",
			    SHOWN(s->values[i].name));
		*readable = false;
	}
	return true;
}

static bool
lint_headers(struct spif *s, bool *readable)
{
	struct vocab_index *printed = vocab_index_new(s->work, s->v.class_count);
	if (printed == NULL)
		return spif_no_memory(s);
	for (uint32_t i = 0; i < s->v.class_count; i++) {
		struct bytes text;
		uint32_t before;
		if (!marking_of_class(s->work, &s->v, i, &text))
			return spif_no_memory(s);
		if (!seen(s, printed, 0, text, i, &before))
			return false;
		if (before == VOCAB_NONE)
			continue;
		*readable = false;
		spif_warn(s, s->class_at[i],
		    "'%.*s' prints like '%.*s': markings cannot be read back",
		    SHOWN(s->classes[i].name), SHOWN(s->classes[before].name));
	}
	return true;
}

bool
spif_lint(struct spif *s)
{
	if (is_stray(s->v.name))
		spif_warn(
		    s, s->root, "stray white space in the policy name '%.*s'", SHOWN(s->v.name));
	if (xml_attribute(s->root, "notBefore") != NULL ||
	    xml_attribute(s->root, "notAfter") != NULL)
		spif_warn(s, s->root, "notBefore and notAfter of the whole SPIF are not looked at");
	lint_length(s, s->root, s->v.name);
	if (s->v.id.len != 0 && !is_oid(s->v.id))
		spif_warn(
		    s, s->root, "the policy's id '%.*s' is no object identifier", SHOWN(s->v.id));
	lint_classes(s);
	lint_tags(s);
	return lint_tagsets(s) && lint_values(s) && lint_phrases(s, &s->v.readable) &&
	       lint_headers(s, &s->v.readable);
}
