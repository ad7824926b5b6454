#include "policy/vocab_words.h"

#include <stdio.h>

#include "policy/marking_parts.h"

#define DAY UINT64_C(86400000000)

static bool
finish(struct page *p, struct bytes *out, struct err *e)
{
	page_add(p, "");
	if (p->failed)
		return err_set(e, ERR_NOMEM, "vocabulary");
	*out = bytes_from(p->text, p->len);
	return true;
}

/* ---- sets ---- */

/* How many values of a category are in the set. */
static uint32_t
count_in(const struct vocab *v, const uint64_t *set, uint32_t category)
{
	uint32_t n = 0;
	for (uint32_t w = 0; w < v->words; w++)
		n += (uint32_t)__builtin_popcountll(set[w] & v->categories[category].mask[w]);
	return n;
}

static void
put_category(
    struct page *p, const struct vocab *v, const uint64_t *set, uint32_t category, uint32_t self)
{
	const struct vocab_category *c = &v->categories[category];
	uint32_t n = count_in(v, set, category);
	bool own =
	    self != VOCAB_NONE && v->values[self].category == category && !vocab_has(set, self);
	bool first = true;
	if (n == 0)
		return;
	page_add(p, p->len == 0 ? "" : "; ");
	page_bytes(p, v->tagsets[c->tagset].name);
	if (n + (own ? 1 : 0) == c->count && c->count > 1)
		return;
	for (uint32_t i = 0; i < v->value_count; i++) {
		if (v->values[i].category != category || !vocab_has(set, i))
			continue;
		page_add(p, first ? ": " : ", ");
		page_bytes(p, v->values[i].name);
		first = false;
	}
}

bool
vocab_words_set(struct arena *a, const struct vocab *v, const uint64_t *set, uint32_t self,
    struct bytes *out, struct err *e)
{
	struct page p = { .arena = a };
	for (uint32_t c = 0; c < v->category_count; c++)
		put_category(&p, v, set, c, self);
	return finish(&p, out, e);
}

/* ---- constraints ---- */

static void
put_classes(struct page *p, const struct vocab *v, uint64_t classes)
{
	bool first = true;
	for (uint32_t i = 0; i < v->class_count; i++) {
		if ((classes >> i & 1) == 0)
			continue;
		page_add(p, first ? "" : ", ");
		page_bytes(p, v->classes[i].name);
		first = false;
	}
}

static bool
is_empty(const struct vocab *v, const uint64_t *set)
{
	uint64_t any = 0;
	for (uint32_t w = 0; w < v->words; w++)
		any |= set[w];
	return any == 0;
}

static const char *
operation_words(enum vocab_operation o)
{
	switch (o) {
	case VOCAB_ONLY_ONE:
		return "one alone of ";
	case VOCAB_ONE_OR_MORE:
		return "one or more of ";
	case VOCAB_ALL:
		return "all of ";
	}
	return "";
}

static bool
put_required(struct page *p, const struct vocab *v, const struct vocab_required *r, struct err *e)
{
	struct bytes set;
	if (!vocab_words_set(p->arena, v, r->values, VOCAB_NONE, &set, e))
		return false;
	page_add(p, p->len == 0 ? "" : "; ");
	if (is_empty(v, r->values) || (r->unmatched && r->operation == VOCAB_ALL)) {
		page_add(p, "what no label can have");
		return true;
	}
	page_add(p, operation_words(r->operation));
	page_bytes(p, set);
	return true;
}

bool
vocab_words_needs(struct arena *a, const struct vocab *v, const struct vocab_rules *rules,
    struct bytes *out, struct err *e)
{
	struct page p = { .arena = a };
	if (rules != NULL && rules->required_classes != 0)
		put_classes(&p, v, rules->required_classes);
	for (uint32_t i = 0; rules != NULL && i < rules->required_count; i++)
		if (!put_required(&p, v, &rules->required[i], e))
			return false;
	return finish(&p, out, e);
}

bool
vocab_words_bars(
    struct arena *a, const struct vocab *v, uint32_t self, struct bytes *out, struct err *e)
{
	const struct vocab_rules *rules = v->values[self].rules;
	struct page p = { .arena = a };
	struct bytes set = { NULL, 0 };
	if (rules != NULL)
		put_classes(&p, v, rules->excluded_classes);
	if (rules != NULL && rules->excluded != NULL) {
		if (!vocab_words_set(a, v, rules->excluded, self, &set, e))
			return false;
		page_add(&p, p.len == 0 || set.len == 0 ? "" : "; ");
		page_bytes(&p, set);
	}
	return finish(&p, out, e);
}

const char *
vocab_operation_name(enum vocab_operation o)
{
	switch (o) {
	case VOCAB_ONLY_ONE:
		return "onlyOne";
	case VOCAB_ONE_OR_MORE:
		return "oneOrMore";
	case VOCAB_ALL:
		return "all";
	}
	return "unknown";
}

/* ---- moments ---- */

bool
vocab_words_moment(struct arena *a, uint64_t us, bool late, struct bytes *out, struct err *e)
{
	*out = bytes_of("");
	if (us == (late ? UINT64_MAX : 0))
		return true;
	char fraction[16] = "";
	uint64_t s = us % DAY / 1000000;
	const char *day = text_day(a, us);
	const char *text = day;
	if (us % 1000000 != 0)
		(void)snprintf(fraction, sizeof(fraction), ".%06u", (unsigned)(us % 1000000));
	if (day != NULL && us % DAY != (late ? DAY - 1 : 0))
		text = arena_printf(a, "%sT%02u:%02u:%02u%sZ", day, (unsigned)(s / 3600),
		    (unsigned)(s / 60 % 60), (unsigned)(s % 60), fraction);
	if (text == NULL)
		return err_set(e, ERR_NOMEM, "vocabulary");
	*out = bytes_of(text);
	return true;
}

/* ---- phrases ---- */

bool
vocab_words_class(struct arena *a, const struct vocab *v, uint32_t class_, struct bytes lang,
    struct bytes *out, struct err *e)
{
	struct page p = { .arena = a };
	uint64_t *none = arena_zalloc(a, v->words, sizeof(*none));
	struct label l = { v, class_, none };
	if (none == NULL)
		return err_set(e, ERR_NOMEM, "vocabulary");
	marking_put_header(&p, &l, lang);
	return finish(&p, out, e);
}

bool
vocab_words_value(struct arena *a, const struct vocab *v, uint32_t value, struct bytes lang,
    struct bytes *out, struct err *e)
{
	struct page p = { .arena = a };
	marking_put_value(&p, &v->values[value], lang);
	return finish(&p, out, e);
}
