/* Schemas: which settings a block knows, how often, with what. */
#include "policy/text.h"

enum { KNOWN_MAX = 64 }; /* settings of one block that "did you mean" looks at */

#define SHOWN_NAME(b) (int)((b).len < 200 ? (b).len : 200), (const char *)(b).data

static bool
values_fit(const struct text_statement *s, const char *pattern)
{
	size_t i = 0;
	bool optional = false;
	for (const char *p = pattern; *p != 0; p++) {
		if (*p == '?') {
			optional = true;
			continue;
		}
		if (*p == '*')
			return true;
		if (i == s->value_count)
			return optional;
		bool list = s->values[i++].kind == TEXT_LIST;
		if ((*p == 'v' && list) || (*p == 'l' && !list))
			return false;
	}
	return i == s->value_count;
}

bool
text_fits(const struct text_statement *s, const struct text_setting *setting)
{
	if (s->has_block && setting->block == TEXT_BLOCK_NONE)
		return false;
	if (!s->has_block && setting->block == TEXT_BLOCK_REQUIRED)
		return false;
	return setting->values == NULL || values_fit(s, setting->values);
}

static bool
check_fit(struct text_errors *l, const struct text_statement *s, const struct text_setting *t)
{
	const char *usage = t->usage == NULL ? NULL : text_note(l, "usage: %s", t->usage);
	if (text_fits(s, t))
		return true;
	if (s->has_block && t->block == TEXT_BLOCK_NONE)
		return text_error(l, &s->pos, usage, "'%s' takes no block", t->name);
	if (!s->has_block && t->block == TEXT_BLOCK_REQUIRED)
		return text_error(l, &s->pos, usage, "'%s' needs a block { }", t->name);
	if (t->values[0] == 'v' && t->values[1] == 0)
		return text_error(l, &s->pos, usage, "'%s' takes one value", t->name);
	if (t->values[0] == 'l' && t->values[1] == 0)
		return text_error(l, &s->pos, usage, "'%s' takes a list in [ ]", t->name);
	return text_error(l, &s->pos, usage, "these are not the values that '%s' takes", t->name);
}

static const char *
in_block(struct text_errors *l, const char *of)
{
	return of[0] == 0 ? "" : text_note(l, " in %s", of);
}

static bool
unknown(struct text_errors *l, const char *of, const struct text_statement *s,
    const struct text_setting *settings, size_t count)
{
	struct bytes known[KNOWN_MAX];
	size_t n = count < KNOWN_MAX ? count : KNOWN_MAX;
	const char *all = "";
	for (size_t i = 0; i < n; i++) {
		known[i] = bytes_of(settings[i].name);
		all = text_note(l, "%s%s%s", all, i == 0 ? "" : " ", settings[i].name);
	}
	const char *help = text_did_you_mean(l, s->name, known, n,
	    n == 0 ? "nothing may stand here" : text_note(l, "known here: %s", all));
	return text_error(
	    l, &s->pos, help, "unknown setting '%.*s'%s", SHOWN_NAME(s->name), in_block(l, of));
}

static bool
check_statement(struct text_errors *l, const char *of, const struct text_block *b, size_t at,
    const struct text_setting *settings, size_t count)
{
	const struct text_statement *s = &b->items[at];
	const struct text_setting *t = NULL;
	for (size_t i = 0; i < count && t == NULL; i++)
		if (bytes_is(s->name, settings[i].name))
			t = &settings[i];
	if (t == NULL)
		return unknown(l, of, s, settings, count);
	const struct text_statement *first = text_find(b, t->name);
	if (!t->repeats && first != s)
		return text_error(l, &s->pos,
		    text_note(l, "first in %s", text_place(l, &first->pos)), "'%s' is set twice%s",
		    t->name, in_block(l, of));
	return check_fit(l, s, t);
}

bool
text_check(struct text_errors *l, const char *of, const struct text_block *b,
    const struct text_setting *settings, size_t count)
{
	bool ok = true;
	for (size_t i = 0; i < b->count; i++)
		ok = check_statement(l, of, b, i, settings, count) && ok;
	for (size_t i = 0; i < count; i++) {
		const struct text_setting *t = &settings[i];
		if (t->required && text_find(b, t->name) == NULL)
			ok = text_error(l, &b->end,
			    t->usage == NULL ? NULL : text_note(l, "usage: %s", t->usage),
			    "'%s' is missing%s", t->name, in_block(l, of));
	}
	return ok;
}

const struct text_statement *
text_find(const struct text_block *b, const char *name)
{
	for (size_t i = 0; i < b->count; i++)
		if (bytes_is(b->items[i].name, name))
			return &b->items[i];
	return NULL;
}
