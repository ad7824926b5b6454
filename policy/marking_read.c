/*
 * From a marking back to the label that prints so.  All ways to read it are tried; the answer must
 * be the only one.  The vocabulary's own pieces are the grammar, so there is none of ours to err.
 */
#include "policy/marking.h"
#include "policy/marking_parts.h"

enum {
	TEXT_MAX = 4096, /* bytes of a marking: also bounds the recursion */
	STEPS_MAX = 1 << 20,
	NO_MATCH = -1
};

struct vocab_list {
	const struct vocab *const *items;
	size_t count;
};

struct reading {
	const struct vocab *vocab;
	struct bytes text;     /* folded */
	struct bytes *phrases; /* by value */
	uint64_t *values;      /* read so far */
	uint32_t class_;
	uint64_t *found; /* the first complete reading.. */
	uint32_t found_class;
	bool is_found, ambiguous; /* ..and whether another one differs from it */
	unsigned steps;
	int furthest; /* how far any reading came, for the message */
};

static bool read_sections(struct reading *r, int at);

static bool
is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static uint8_t
lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

/* White space of a piece at 'at': the text has one space, or had it as the end of the piece
 * before, or ends here. */
static int
match_space(struct bytes text, int at, bool optional)
{
	if ((size_t)at == text.len || text.data[at] == ' ')
		return (size_t)at == text.len ? at : at + 1;
	return optional || at == 0 || text.data[at - 1] == ' ' ? at : NO_MATCH;
}

/* Where the text goes on after a piece, or NO_MATCH. */
static int
match(struct bytes text, int at, struct bytes piece, bool optional_space)
{
	for (size_t i = 0; i < piece.len && at != NO_MATCH;) {
		if (is_space(piece.data[i])) {
			at = match_space(text, at, optional_space);
			while (i < piece.len && is_space(piece.data[i]))
				i++;
			continue;
		}
		if ((size_t)at == text.len || text.data[at] != lower(piece.data[i]))
			return NO_MATCH;
		at++;
		i++;
	}
	return at;
}

/* In ", " the blank may be left out; in a separator of blanks alone it may not. */
static int
match_separator(struct bytes text, int at, struct bytes piece)
{
	bool visible = false;
	for (size_t i = 0; i < piece.len; i++)
		visible = visible || !is_space(piece.data[i]);
	return match(text, at, piece, visible);
}

static void
complete(struct reading *r)
{
	size_t size = r->vocab->words * sizeof(*r->values);
	if (!r->is_found) {
		memcpy(r->found, r->values, size);
		r->found_class = r->class_;
		r->is_found = true;
	} else if (r->found_class != r->class_ || memcmp(r->found, r->values, size) != 0) {
		r->ambiguous = true;
	}
}

/* Steps are counted so that no text can keep us busy; false when they are used up. */
static bool
step(struct reading *r)
{
	return ++r->steps < STEPS_MAX && !r->ambiguous;
}

/* The values of a tag from 'at' on, at least one. */
static bool
read_values(struct reading *r, const struct vocab_tag *t, int at)
{
	const struct bytes none = { NULL, 0 };
	r->furthest = at > r->furthest ? at : r->furthest;
	for (uint32_t i = t->first; i < t->first + t->count; i++) {
		if (!step(r))
			return false;
		if (r->phrases[i].len == 0 || vocab_has(r->values, i))
			continue;
		int next = match(r->text, at, r->phrases[i], false);
		if (next == NO_MATCH || next == at)
			continue;
		vocab_put(r->values, i);
		int end = match(
		    r->text, next, marking_qualifier(t->marks, VOCAB_SUFFIX, none, ""), false);
		int more = match_separator(
		    r->text, next, marking_qualifier(t->marks, VOCAB_SEPARATOR, none, "/"));
		bool ok = (end == NO_MATCH || read_sections(r, end)) &&
			  (more == NO_MATCH || read_values(r, t, more));
		r->values[i / 64] &= ~(UINT64_C(1) << (i % 64));
		if (!ok)
			return false;
	}
	return true;
}

static bool
has_begun(const struct reading *r, const struct vocab_tag *t)
{
	for (uint32_t i = t->first; i < t->first + t->count; i++)
		if (vocab_has(r->values, i))
			return true;
	return false;
}

/* What follows the classification or a tag: the end, or another tag. */
static bool
read_sections(struct reading *r, int at)
{
	const struct bytes none = { NULL, 0 };
	const struct vocab *v = r->vocab;
	r->furthest = at > r->furthest ? at : r->furthest;
	int end = match(r->text, at, marking_qualifier(v->marks, VOCAB_SUFFIX, none, ""), false);
	if (end != NO_MATCH && (size_t)end == r->text.len)
		complete(r);
	int next =
	    match_separator(r->text, at, marking_qualifier(v->marks, VOCAB_SEPARATOR, none, " "));
	if (next == NO_MATCH || (size_t)next == r->text.len)
		return true;
	for (uint32_t i = 0; i < v->tag_count; i++) {
		const struct vocab_tag *t = &v->tags[i];
		if (!step(r))
			return false;
		if (has_begun(r, t))
			continue;
		int values = match(
		    r->text, next, marking_qualifier(t->marks, VOCAB_PREFIX, none, ""), false);
		if (values != NO_MATCH && !read_values(r, t, values))
			return false;
	}
	return true;
}

static bool
prepare(struct arena *a, const struct vocab *v, struct bytes text, struct reading *r)
{
	const struct bytes none = { NULL, 0 };
	*r = (struct reading){ .vocab = v, .text = text };
	r->phrases = arena_zalloc(a, v->value_count, sizeof(*r->phrases));
	r->values = arena_zalloc(a, v->words, sizeof(*r->values));
	r->found = arena_zalloc(a, v->words, sizeof(*r->found));
	if (r->phrases == NULL || r->values == NULL || r->found == NULL)
		return false;
	for (uint32_t i = 0; i < v->value_count; i++) {
		struct page p = { .arena = a };
		marking_put_value(&p, &v->values[i], none);
		if (p.failed)
			return false;
		r->phrases[i] = bytes_from(p.text, p.len);
	}
	return true;
}

/* Tries each classification of a vocabulary; the vocabulary's other pieces are made only if one
 * matches.  False on shortage or when the steps are used up. */
static bool
read_in(struct arena *a, const struct vocab *v, struct bytes text, struct reading *r, struct err *e)
{
	bool prepared = false;
	*r = (struct reading){ .vocab = v };
	for (uint32_t c = 0; c < v->class_count; c++) {
		struct bytes header;
		if (!marking_of_class(a, v, c, &header))
			return err_set(e, ERR_NOMEM, "marking");
		int at = match(text, 0, header, false);
		if (at == NO_MATCH)
			continue;
		if (!prepared && !prepare(a, v, text, r))
			return err_set(e, ERR_NOMEM, "marking");
		prepared = true;
		r->class_ = c;
		if (!read_sections(r, at) && !r->ambiguous)
			return err_set(e, ERR_DATA, "the marking takes too long to read");
	}
	return true;
}

#define SHOWN(b) (int)((b).len < 200 ? (b).len : 200), (const char *)(b).data

static bool
two_ways(struct bytes text, struct err *e)
{
	return err_set(
	    e, ERR_DATA, "'%.*s' can be read in two ways; write the label as JSON", SHOWN(text));
}

/* Up to the next mark that parts values: what somebody may have misspelt. */
static struct bytes
first_word(struct bytes text)
{
	while (text.len != 0 && strchr(" /,", text.data[0]) != NULL && text.data[0] != 0)
		text = (struct bytes){ text.data + 1, text.len - 1 };
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] == ',' || text.data[i] == '/')
			text.len = i;
	return text;
}

/* The classification reads, and then something does not. */
static bool
not_read_after(const struct reading *r, struct bytes text, struct err *e)
{
	struct bytes rest = { r->text.data + r->furthest, r->text.len - (size_t)r->furthest };
	struct bytes word = first_word(rest);
	struct bytes name = r->vocab->name;
	if (word.len == 0)
		return err_set(e, ERR_DATA, "'%.*s' is not a whole marking of '%.*s'", SHOWN(text),
		    SHOWN(name));
	ptrdiff_t near = text_nearest(word, r->phrases, r->vocab->value_count);
	if (near < 0)
		return err_set(e, ERR_DATA, "'%.*s' in '%.*s' is no part of a marking of '%.*s'",
		    SHOWN(word), SHOWN(text), SHOWN(name));
	return err_set(e, ERR_DATA,
	    "'%.*s' in '%.*s' is no part of a marking of '%.*s'; did you mean '%.*s'?", SHOWN(word),
	    SHOWN(text), SHOWN(name), SHOWN(r->phrases[near]));
}

/* Not even a classification reads. */
static bool
not_read_at_all(struct arena *a, const struct vocab *v, struct bytes text, struct err *e)
{
	const struct bytes none = { NULL, 0 };
	struct bytes headers[LIMIT_SPIF_CLASSES];
	struct bytes sep = marking_qualifier(v->marks, VOCAB_SEPARATOR, none, " ");
	struct bytes head = text;
	for (uint32_t c = 0; c < v->class_count; c++)
		if (!marking_of_class(a, v, c, &headers[c]))
			return err_set(e, ERR_NOMEM, "marking");
	for (size_t i = v->name.len + 1; i + sep.len <= text.len && head.len == text.len; i++)
		if (sep.len != 0 && memcmp(text.data + i, sep.data, sep.len) == 0)
			head.len = i;
	ptrdiff_t near = text_nearest(head, headers, v->class_count);
	if (near < 0)
		return err_set(
		    e, ERR_DATA, "'%.*s' is no marking of '%.*s'", SHOWN(text), SHOWN(v->name));
	return err_set(e, ERR_DATA, "'%.*s' is no marking of '%.*s'; did you mean '%.*s'?",
	    SHOWN(text), SHOWN(v->name), SHOWN(headers[near]));
}

/* No vocabulary reads it: the most helpful thing that can be said.  'best' is the reading that came
 * furthest, if any classification read. */
static bool
not_read(struct arena *a, const struct vocab_list *set, const struct reading *best,
    struct bytes text, struct err *e)
{
	if (best->phrases != NULL)
		return not_read_after(best, text, e);
	for (size_t i = 0; i < set->count; i++) {
		const struct vocab *v = set->items[i];
		if (text.len < v->name.len ||
		    !vocab_same_name(v->name, (struct bytes){ text.data, v->name.len }))
			continue;
		if (v->readable)
			return not_read_at_all(a, v, text, e);
		return err_set(e, ERR_DATA,
		    "'%.*s': markings of '%.*s' cannot be read back; write the label as "
		    "JSON or STANAG 4774 XML",
		    SHOWN(text), SHOWN(v->name));
	}
	return err_set(e, ERR_DATA, "'%.*s' is no marking of a known vocabulary", SHOWN(text));
}

bool
marking_read(struct arena *a, const struct vocab *const *set, size_t count, struct bytes text,
    struct raw_label *out, struct err *e)
{
	struct bytes folded;
	struct reading best = { .vocab = NULL };
	if (text.len > TEXT_MAX)
		return err_set(e, ERR_DATA, "a marking of more than %d bytes", TEXT_MAX);
	if (!vocab_fold(a, text, &folded, e))
		return false;
	for (size_t i = 0; i < count; i++) {
		struct reading r;
		if (!set[i]->readable)
			continue;
		if (!read_in(a, set[i], folded, &r, e))
			return false;
		if (r.ambiguous || (r.is_found && best.is_found))
			return two_ways(text, e);
		if (r.is_found || (!best.is_found && r.furthest >= best.furthest))
			best = r;
	}
	if (!best.is_found)
		return not_read(a, &(struct vocab_list){ set, count }, &best, text, e);
	struct label l = { best.vocab, best.found_class, best.found };
	return marking_raw(a, &l, out, e);
}
