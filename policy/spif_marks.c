/* markingData and markingQualifier: what is printed for a classification or value. */
#include "policy/spif_parts.h"

enum { PHRASE_MAX = 1024 };

static const struct {
	const char *name;
	unsigned code; /* 0: says where on a page; markings are printed in one place */
} codes[] = {
	{ "pageTop", 0 },
	{ "pageBottom", 0 },
	{ "pageTopBottom", 0 },
	{ "documentStart", 0 },
	{ "documentEnd", 0 },
	{ "noNameDisplay", VOCAB_CODE_NO_NAME },
	{ "noMarkingDisplay", VOCAB_CODE_NO_MARKING },
	{ "suppressClassName", VOCAB_CODE_SUPPRESS_CLASS },
	{ "firstLineOfText", 0 },
	{ "lastLineOfText", 0 },
	{ "subject", 0 },
	{ "xHeader", 0 },
	{ "portionMarking", 0 },
	{ "inputTitle", 0 },
	{ "waterMark", 0 },
	{ "replacePolicy", VOCAB_CODE_REPLACE_POLICY },
};

static unsigned
code_of(struct spif *s, const struct xml_element *x)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (vocab_same_name(x->text, bytes_of(codes[i].name)))
			return codes[i].code;
	spif_warn(s, x, "unknown marking code '%.*s'", (int)(x->text.len < 64 ? x->text.len : 64),
	    (const char *)x->text.data);
	return 0;
}

/* A text that will be printed in markings and records: one line, nothing hidden in it. */
static bool
take_text(struct spif *s, const struct xml_element *x, const struct bytes *in, struct bytes *out)
{
	size_t at;
	if (in == NULL)
		return true;
	if (in->len > PHRASE_MAX)
		return spif_error(s, x, "a phrase of more than %d bytes", PHRASE_MAX);
	if (!text_is_clean(*in, &at) || memchr(in->data, '\n', in->len) != NULL)
		return spif_error(s, x, "a phrase with a control or invisible character");
	return arena_copy(s->arena, *in, out, NULL) || spif_no_memory(s);
}

static bool
take_lang(struct spif *s, const struct xml_element *x, struct bytes *out)
{
	struct bytes lang = xml_lang(x);
	if (lang.len == 0)
		return true;
	return take_text(s, x, &lang, out);
}

static size_t
count_elements(const struct xml_element *x, const char *name)
{
	size_t n = 0;
	for (x = spif_next(x, name); x != NULL; x = spif_next(x->next, name))
		n++;
	return n;
}

static bool
take_phrases(struct spif *s, const struct xml_element *x, struct vocab_marks *m)
{
	size_t count = count_elements(x->child, "markingData");
	struct vocab_phrase *out = arena_zalloc(s->arena, count, sizeof(*out));
	if (out == NULL)
		return spif_no_memory(s);
	m->phrases = out;
	x = spif_next(x->child, "markingData");
	for (; x != NULL; x = spif_next(x->next, "markingData")) {
		struct vocab_phrase *p = &out[m->phrase_count++];
		if (!take_lang(s, x, &p->lang) ||
		    !take_text(s, x, xml_attribute(x, "phrase"), &p->text))
			return false;
		const struct xml_element *c = spif_next(x->child, "code");
		for (; c != NULL; c = spif_next(c->next, "code"))
			p->codes |= code_of(s, c);
	}
	return true;
}

static bool
take_qualifier(struct spif *s, const struct xml_element *x, struct vocab_qualifier *q)
{
	const struct bytes *code = xml_attribute(x, "qualifierCode");
	if (code == NULL)
		return spif_error(s, x, "a qualifier without qualifierCode");
	if (bytes_is(*code, "prefix"))
		q->code = VOCAB_PREFIX;
	else if (bytes_is(*code, "suffix"))
		q->code = VOCAB_SUFFIX;
	else if (bytes_is(*code, "separator"))
		q->code = VOCAB_SEPARATOR;
	else
		return spif_error(s, x, "qualifierCode is prefix, suffix or separator");
	return take_lang(s, x, &q->lang) &&
	       take_text(s, x, xml_attribute(x, "markingQualifier"), &q->text);
}

static bool
take_qualifiers(struct spif *s, const struct xml_element *x, struct vocab_marks *m)
{
	size_t count = 0;
	const struct xml_element *first = spif_next(x->child, "markingQualifier");
	for (x = first; x != NULL; x = spif_next(x->next, "markingQualifier"))
		count += count_elements(x->child, "qualifier");
	struct vocab_qualifier *out = arena_zalloc(s->arena, count, sizeof(*out));
	if (out == NULL)
		return spif_no_memory(s);
	m->qualifiers = out;
	for (x = first; x != NULL; x = spif_next(x->next, "markingQualifier")) {
		const struct xml_element *q = spif_next(x->child, "qualifier");
		for (; q != NULL; q = spif_next(q->next, "qualifier"))
			if (!take_qualifier(s, q, &out[m->qualifier_count++]))
				return false;
	}
	return true;
}

bool
spif_marks(struct spif *s, const struct xml_element *x, const struct vocab_marks **out)
{
	if (spif_next(x->child, "markingData") == NULL &&
	    spif_next(x->child, "markingQualifier") == NULL)
		return true;
	struct vocab_marks *m = arena_zalloc(s->arena, 1, sizeof(*m));
	if (m == NULL)
		return spif_no_memory(s);
	if (!take_phrases(s, x, m) || !take_qualifiers(s, x, m))
		return false;
	*out = m;
	return true;
}
