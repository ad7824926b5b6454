#include "policy/marking.h"

#include "policy/marking_parts.h"

#include <stdlib.h>

static const struct bytes no_lang = { NULL, 0 };

/* ---- phrases ---- */

static bool
same_lang(struct bytes a, struct bytes b)
{
	if (a.len == 0 || b.len == 0)
		return a.len == b.len;
	return vocab_same_name(a, b);
}

/* The language whose phrases count: the asked one if there are any of it, else none. */
static struct bytes
phrase_lang(const struct vocab_marks *m, struct bytes lang)
{
	for (size_t i = 0; i < m->phrase_count && lang.len != 0; i++)
		if (same_lang(m->phrases[i].lang, lang))
			return lang;
	return no_lang;
}

/* All codes that stand on it in the language that counts. */
static unsigned
codes_of(const struct vocab_marks *m, struct bytes lang)
{
	unsigned codes = 0;
	if (m == NULL)
		return 0;
	struct bytes use = phrase_lang(m, lang);
	for (size_t i = 0; i < m->phrase_count; i++)
		if (same_lang(m->phrases[i].lang, use))
			codes |= m->phrases[i].codes;
	return codes;
}

/* The first phrase whose replacePolicy is as asked; absent if there is none. */
static struct bytes
phrase_of(const struct vocab_marks *m, struct bytes lang, unsigned replaces)
{
	if (m == NULL)
		return no_lang;
	struct bytes use = phrase_lang(m, lang);
	for (size_t i = 0; i < m->phrase_count; i++) {
		const struct vocab_phrase *p = &m->phrases[i];
		if (p->text.data != NULL && same_lang(p->lang, use) &&
		    (p->codes & VOCAB_CODE_REPLACE_POLICY) == replaces)
			return p->text;
	}
	return no_lang;
}

struct bytes
marking_qualifier(const struct vocab_marks *m, enum vocab_qualifier_code code, struct bytes lang,
    const char *otherwise)
{
	struct bytes found = bytes_of(otherwise);
	if (m == NULL)
		return found;
	for (size_t i = 0; i < m->qualifier_count; i++) {
		const struct vocab_qualifier *q = &m->qualifiers[i];
		if (q->code != code)
			continue;
		if (lang.len != 0 && same_lang(q->lang, lang))
			return q->text;
		if (q->lang.len == 0)
			found = q->text;
	}
	return found;
}

/* Its phrase or name; absent if its codes hide it. */
static struct bytes
shown(const struct vocab_marks *m, struct bytes name, struct bytes lang)
{
	if ((codes_of(m, lang) & (VOCAB_CODE_NO_NAME | VOCAB_CODE_NO_MARKING)) != 0)
		return no_lang;
	struct bytes phrase = phrase_of(m, lang, 0);
	return phrase.data == NULL ? name : phrase;
}

/* The same with what stands around it. */
static void
put_phrase(struct page *p, const struct vocab_marks *m, struct bytes name, struct bytes lang)
{
	struct bytes text = shown(m, name, lang);
	if (text.data == NULL)
		return;
	page_bytes(p, marking_qualifier(m, VOCAB_PREFIX, lang, ""));
	page_bytes(p, text);
	page_bytes(p, marking_qualifier(m, VOCAB_SUFFIX, lang, ""));
}

/* Whether put_phrase puts anything. */
static bool
prints(const struct vocab_marks *m, struct bytes name, struct bytes lang)
{
	struct bytes text = shown(m, name, lang);
	return text.len != 0 ||
	       (text.data != NULL && (marking_qualifier(m, VOCAB_PREFIX, lang, "").len != 0 ||
					 marking_qualifier(m, VOCAB_SUFFIX, lang, "").len != 0));
}

void
marking_put_value(struct page *p, const struct vocab_value *v, struct bytes lang)
{
	put_phrase(p, v->marks, v->name, lang);
}

/* ---- a label ---- */

/* Replaces *policy if the marks say so. */
static void
replace_policy(const struct vocab_marks *m, struct bytes lang, struct bytes *policy)
{
	struct bytes phrase = phrase_of(m, lang, VOCAB_CODE_REPLACE_POLICY);
	if (phrase.data != NULL)
		*policy = phrase;
}

void
marking_put_header(struct page *p, const struct label *l, struct bytes lang)
{
	const struct vocab *v = l->vocab;
	const struct vocab_class *c = &v->classes[l->classification];
	struct bytes policy = v->name;
	struct bytes own = phrase_of(v->name_marks, lang, 0);
	unsigned codes = codes_of(c->marks, lang);
	if (own.data != NULL)
		policy = own;
	replace_policy(v->marks, lang, &policy);
	replace_policy(c->marks, lang, &policy);
	for (uint32_t w = 0; w < v->words; w++) {
		for (uint64_t left = l->values[w]; left != 0; left &= left - 1) {
			const struct vocab_value *x =
			    &v->values[w * 64 + (uint32_t)__builtin_ctzll(left)];
			replace_policy(x->marks, lang, &policy); /* the last one counts */
			codes |= codes_of(x->marks, lang) & VOCAB_CODE_SUPPRESS_CLASS;
		}
	}
	page_bytes(p, marking_qualifier(v->marks, VOCAB_PREFIX, lang, ""));
	size_t start = p->len;
	page_bytes(p, policy);
	if ((codes & (VOCAB_CODE_SUPPRESS_CLASS | VOCAB_CODE_NO_NAME)) != 0)
		return;
	if (p->len != start)
		page_bytes(p, marking_qualifier(v->marks, VOCAB_SEPARATOR, lang, " "));
	put_phrase(p, c->marks, c->name, lang);
}

/* The values of one tag, if any prints. */
static void
put_tag(struct page *p, const struct label *l, const struct vocab_tag *t, struct bytes lang)
{
	const struct vocab *v = l->vocab;
	bool begun = false;
	for (uint32_t i = t->first; i < t->first + t->count; i++) {
		if (i % 64 == 0 && l->values[i / 64] == 0) {
			i += 63; /* a word without values */
			continue;
		}
		if (!label_has_value(l, i) || !prints(v->values[i].marks, v->values[i].name, lang))
			continue;
		if (begun) {
			page_bytes(p, marking_qualifier(t->marks, VOCAB_SEPARATOR, lang, "/"));
		} else {
			page_bytes(p, marking_qualifier(v->marks, VOCAB_SEPARATOR, lang, " "));
			page_bytes(p, marking_qualifier(t->marks, VOCAB_PREFIX, lang, ""));
		}
		marking_put_value(p, &v->values[i], lang);
		begun = true;
	}
	if (begun)
		page_bytes(p, marking_qualifier(t->marks, VOCAB_SUFFIX, lang, ""));
}

static void
put_label(struct page *p, const struct label *l, struct bytes lang)
{
	const struct vocab *v = l->vocab;
	marking_put_header(p, l, lang);
	for (uint32_t i = 0; i < v->tag_count; i++)
		put_tag(p, l, &v->tags[i], lang);
	page_bytes(p, marking_qualifier(v->marks, VOCAB_SUFFIX, lang, ""));
}

static bool
finish(struct page *p, struct bytes *out, struct err *e)
{
	page_add(p, "");
	if (p->failed)
		return err_set(e, ERR_NOMEM, "marking");
	*out = bytes_from(p->text, p->len);
	return true;
}

bool
marking_print(
    struct arena *a, const struct label *l, struct bytes lang, struct bytes *out, struct err *e)
{
	struct page p = { .arena = a };
	put_label(&p, l, lang);
	return finish(&p, out, e);
}

bool
marking_print_banner(
    struct arena *a, const struct banner *b, struct bytes lang, struct bytes *out, struct err *e)
{
	struct page p = { .arena = a };
	put_label(&p, &b->label, lang);
	if (b->originator_only)
		page_add(&p, " (originator only)");
	return finish(&p, out, e);
}

/* ---- the record form ---- */

static int
by_bytes(const void *a, const void *b)
{
	return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

/* The labels of a vocabulary among all; returns how many. */
static size_t
gather(const struct label *labels, size_t count, const struct vocab *v, const struct label **same)
{
	size_t n = 0;
	for (size_t i = 0; i < count; i++)
		if (labels[i].vocab == v)
			same[n++] = &labels[i];
	return n;
}

/* Whether a label before 'at' is of the same vocabulary: its line is written already. */
static bool
is_done(const struct label *labels, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (labels[i].vocab == labels[at].vocab)
			return true;
	return false;
}

/* The line of some labels of one vocabulary. */
static bool
print_line(struct arena *a, const struct label *const *same, size_t count, struct bytes *line,
    struct err *e)
{
	struct banner b;
	return label_rollup(a, same, count, &b, e) && marking_print_banner(a, &b, no_lang, line, e);
}

bool
marking_record(
    struct arena *a, const struct label *labels, size_t count, struct bytes *out, struct err *e)
{
	struct bytes *lines = arena_zalloc(a, count, sizeof(*lines));
	const struct label **same = arena_zalloc(a, count, sizeof(struct label *));
	struct page p = { .arena = a };
	size_t n = 0;
	if (lines == NULL || same == NULL)
		return err_set(e, ERR_NOMEM, "marking");
	for (size_t i = 0; i < count; i++) {
		if (is_done(labels, i))
			continue;
		size_t found = gather(labels, count, labels[i].vocab, same);
		if (!print_line(a, same, found, &lines[n++], e))
			return false;
	}
	qsort(lines, n, sizeof(*lines), by_bytes);
	for (size_t i = 0; i < n; i++) {
		page_add(&p, i == 0 ? "" : "\n");
		page_bytes(&p, lines[i]);
	}
	return finish(&p, out, e);
}

/* ---- back to names ---- */

/* The values that a label has of one tag set, as names. */
static bool
raw_category(struct arena *a, const struct label *l, uint32_t tagset, struct raw_category *out)
{
	const struct vocab *v = l->vocab;
	size_t count = 0;
	for (uint32_t i = 0; i < v->value_count; i++)
		count += v->values[i].tagset == tagset && label_has_value(l, i);
	struct bytes *items = arena_zalloc(a, count, sizeof(*items));
	if (items == NULL)
		return false;
	count = 0;
	for (uint32_t i = 0; i < v->value_count; i++)
		if (v->values[i].tagset == tagset && label_has_value(l, i))
			items[count++] = v->values[i].name;
	*out = (struct raw_category){ v->tagsets[tagset].name, { items, count } };
	return true;
}

bool
marking_raw(struct arena *a, const struct label *l, struct raw_label *out, struct err *e)
{
	const struct vocab *v = l->vocab;
	struct raw_category *categories = arena_zalloc(a, v->tagset_count, sizeof(*categories));
	size_t count = 0;
	if (categories == NULL)
		return err_set(e, ERR_NOMEM, "label");
	for (uint32_t t = 0; t < v->tagset_count; t++)
		if (label_has_tagset(l, t) && !raw_category(a, l, t, &categories[count++]))
			return err_set(e, ERR_NOMEM, "label");
	*out = (struct raw_label){ v->name, v->classes[l->classification].name, categories, count };
	return true;
}

/* ---- for the linter ---- */

bool
marking_of_value(struct arena *a, const struct vocab *v, uint32_t value, struct bytes *out)
{
	const struct vocab_value *x = &v->values[value];
	const struct vocab_marks *tag = v->tags[x->tag].marks;
	struct page one = { .arena = a };
	struct page p = { .arena = a };
	marking_put_value(&one, x, no_lang);
	if (one.len != 0) {
		page_bytes(&p, marking_qualifier(tag, VOCAB_PREFIX, no_lang, ""));
		page_put(&p, one.text, one.len);
		page_bytes(&p, marking_qualifier(tag, VOCAB_SUFFIX, no_lang, ""));
	}
	return !one.failed && finish(&p, out, NULL);
}

bool
marking_of_class(struct arena *a, const struct vocab *v, uint32_t class_, struct bytes *out)
{
	struct page p = { .arena = a };
	uint64_t *none = arena_zalloc(a, v->words, sizeof(*none));
	struct label l = { v, class_, none };
	if (none == NULL)
		return false;
	marking_put_header(&p, &l, no_lang);
	return finish(&p, out, NULL);
}

bool
marking_changes_header(const struct vocab *v, uint32_t value)
{
	return (codes_of(v->values[value].marks, no_lang) &
		   (VOCAB_CODE_REPLACE_POLICY | VOCAB_CODE_SUPPRESS_CLASS)) != 0;
}
