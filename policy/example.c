#include "policy/example.h"

#include "policy/marking.h"

static const char *
quoted(struct arena *a, struct bytes text)
{
	char *out = arena_zalloc(a, 2 * text.len + 3, 1), *at = out;
	if (out == NULL)
		return NULL;
	*at++ = '"';
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '"' || text.data[i] == '\\')
			*at++ = '\\';
		*at++ = (char)text.data[i];
	}
	*at = '"';
	return out;
}

static const char *
add(struct arena *a, const char *text, const char *between, struct bytes name)
{
	const char *q = quoted(a, name);
	return text == NULL || q == NULL ? NULL : arena_printf(a, "%s%s%s", text, between, q);
}

static const char *
as_json(struct arena *a, const struct raw_label *l)
{
	const char *text = add(a, "{\"vocabulary\":", "", l->vocabulary);
	text = add(a, text, ",\"classification\":", l->classification);
	if (text != NULL)
		text = arena_printf(a, "%s,\"categories\":{", text);
	for (size_t i = 0; i < l->category_count; i++) {
		const struct names *values = &l->categories[i].values;
		text = add(a, text, i == 0 ? "" : ",", l->categories[i].name);
		for (size_t k = 0; k < values->count; k++)
			text = add(a, text, k == 0 ? ":[" : ",", values->items[k]);
		if (text != NULL)
			text = arena_printf(a, "%s]", text);
	}
	return text == NULL ? NULL : arena_printf(a, "%s}}", text);
}

const char *
example_label(struct arena *a, const struct epoch *p, const struct raw_label *l)
{
	const struct vocab *v = epoch_vocab(p, l->vocabulary);
	struct label label;
	struct bytes text;
	struct err e = { .code = ERR_NONE };
	if (v != NULL && v->readable && label_resolve(a, v, l, &label, &e) &&
	    marking_print(a, &label, (struct bytes){ NULL, 0 }, &text, &e))
		return (const char *)text.data;
	return as_json(a, l);
}

const char *
example_label_of(struct arena *a, const struct epoch *const p[2], const struct raw_label *l)
{
	const char *text = example_label(a, p[1], l);
	return text != NULL && text[0] == '{' ? example_label(a, p[0], l) : text;
}
