/* Constraints: what must and what must not stand beside a classification or value. */
#include "policy/spif_parts.h"

#define SHOWN(b) (int)((b).len < 100 ? (b).len : 100), (const char *)(b).data

static size_t
count_elements(const struct xml_element *x, const char *name)
{
	size_t n = 0;
	for (x = spif_next(x, name); x != NULL; x = spif_next(x->next, name))
		n++;
	return n;
}

/* Adds the values of a tag set and type with this lacv; 'encoding' 0 asks for none in particular.
 */
static bool
add_by_lacv(struct spif *s, uint32_t category, enum spif_encoding encoding, struct bytes lacv,
    uint64_t *set)
{
	bool found = false;
	for (uint32_t i = 0; i < s->v.value_count; i++) {
		const struct vocab_value *v = &s->values[i];
		if (v->category != category || !bytes_equal(v->lacv, lacv) ||
		    (encoding != 0 && s->value_encoding[i] != encoding))
			continue;
		vocab_put(set, i);
		found = true;
	}
	return found;
}

/*
 * Adds what a categoryGroup or excludedCategory refers to.  Without lacv, or with 'all', it is
 * every value of that set and type; *whole says so.  *matched is false if there is nothing.
 */
static bool
add_reference(
    struct spif *s, const struct xml_element *x, uint64_t *set, bool *whole, bool *matched)
{
	const struct bytes *name = xml_attribute(x, "tagSetRef");
	enum spif_encoding encoding = SPIF_RESTRICTIVE;
	enum vocab_type type = VOCAB_RESTRICTIVE;
	if (name == NULL)
		return spif_error(s, x, "tagSetRef is missing");
	if (!spif_type(s, x, &encoding, &type))
		return false;
	uint32_t tagset = vocab_index_find(s->index, VOCAB_SCOPE_TAGSET, *name);
	if (tagset == VOCAB_NONE)
		return spif_error(s, x, "there is no tag set '%.*s'", SHOWN(*name));
	*whole = false;
	if (!spif_boolean(s, x, "all", whole))
		return false;
	struct bytes lacv = spif_lacv(x);
	*whole = *whole || lacv.len == 0;
	uint32_t category = s->tagsets[tagset].category[type];
	*matched = category != VOCAB_NONE && s->categories[category].count != 0;
	if (*matched && *whole) {
		for (uint32_t w = 0; w < s->v.words; w++)
			set[w] |= s->categories[category].mask[w];
	} else if (*matched) {
		/* a SPIF may say 'permissive' of an enumerated permissive tag */
		*matched = add_by_lacv(s, category, encoding, lacv, set) ||
			   add_by_lacv(s, category, 0, lacv, set);
	}
	if (!*matched)
		spif_warn(s, x, "the reference to '%.*s' matches no value", SHOWN(*name));
	return true;
}

static bool
take_operation(struct spif *s, const struct xml_element *x, enum vocab_operation *out)
{
	const struct bytes *t = xml_attribute(x, "operation");
	if (t == NULL)
		return spif_error(s, x, "requiredCategory without operation");
	if (bytes_is(*t, "onlyOne"))
		*out = VOCAB_ONLY_ONE;
	else if (bytes_is(*t, "oneOrMore"))
		*out = VOCAB_ONE_OR_MORE;
	else if (bytes_is(*t, "all"))
		*out = VOCAB_ALL;
	else
		return spif_error(
		    s, x, "operation is onlyOne, oneOrMore or all, not '%.*s'", SHOWN(*t));
	return true;
}

static bool
take_required(struct spif *s, const struct xml_element *x, struct vocab_required *r)
{
	uint64_t *set = arena_zalloc(s->arena, s->v.words, sizeof(*set));
	if (set == NULL)
		return spif_no_memory(s);
	if (!take_operation(s, x, &r->operation))
		return false;
	r->values = set;
	const struct xml_element *c = spif_next(x->child, "categoryGroup");
	if (c == NULL) {
		r->unmatched = true;
		spif_warn(s, x, "requiredCategory without categoryGroup can never be met");
	}
	for (; c != NULL; c = spif_next(c->next, "categoryGroup")) {
		bool whole = true;
		bool matched = false;
		if (!add_reference(s, c, set, &whole, &matched))
			return false;
		r->unmatched = r->unmatched || !matched;
	}
	return true;
}

static bool
take_all_required(struct spif *s, const struct xml_element *x, struct vocab_rules *r)
{
	size_t count = count_elements(x->child, "requiredCategory");
	struct vocab_required *out = arena_zalloc(s->arena, count, sizeof(*out));
	if (out == NULL)
		return spif_no_memory(s);
	r->required = out;
	const struct xml_element *c = spif_next(x->child, "requiredCategory");
	for (; c != NULL; c = spif_next(c->next, "requiredCategory"))
		if (!take_required(s, c, &out[r->required_count++]))
			return false;
	return true;
}

static bool
take_excluded_classes(struct spif *s, const struct xml_element *x, struct vocab_rules *r)
{
	const struct xml_element *c = spif_next(x->child, "excludedClass");
	for (; c != NULL; c = spif_next(c->next, "excludedClass")) {
		uint32_t n = vocab_index_find(s->index, VOCAB_SCOPE_CLASS, c->text);
		if (n == VOCAB_NONE)
			return spif_error(s, c, "excludedClass: there is no classification '%.*s'",
			    SHOWN(c->text));
		if ((r->excluded_classes >> n & 1) != 0)
			return spif_error(
			    s, c, "excludedClass '%.*s' stands twice", SHOWN(c->text));
		r->excluded_classes |= UINT64_C(1) << n;
	}
	return true;
}

static bool
take_excluded(struct spif *s, const struct xml_element *x, uint32_t self, struct vocab_rules *r)
{
	const struct xml_element *c = spif_next(x->child, "excludedCategory");
	if (c == NULL)
		return true;
	uint64_t *set = arena_zalloc(s->arena, s->v.words, sizeof(*set));
	uint64_t *one = arena_zalloc(s->work, s->v.words, sizeof(*one));
	if (set == NULL || one == NULL)
		return spif_no_memory(s);
	for (; c != NULL; c = spif_next(c->next, "excludedCategory")) {
		bool whole = true;
		bool matched = false;
		memset(one, 0, s->v.words * sizeof(*one));
		if (!add_reference(s, c, one, &whole, &matched))
			return false;
		if (whole) /* every other one */
			one[self / 64] &= ~(UINT64_C(1) << (self % 64));
		else if (vocab_has(one, self))
			spif_warn(s, c, "the value excludes itself: it can never be used");
		for (uint32_t w = 0; w < s->v.words; w++)
			set[w] |= one[w];
	}
	r->excluded = set;
	return true;
}

static bool
add_required_class(
    struct spif *s, const struct xml_element *x, struct bytes name, struct vocab_rules *r)
{
	uint32_t n = vocab_index_find(s->index, VOCAB_SCOPE_CLASS, name);
	if (n == VOCAB_NONE)
		return spif_error(
		    s, x, "requiredClass: there is no classification '%.*s'", SHOWN(name));
	r->required_classes |= UINT64_C(1) << n;
	return true;
}

/* An attribute in the schema; SPIFs that write it as elements, like excludedClass, are understood:
 * one of the classifications must stand with the value. */
static bool
take_required_class(struct spif *s, const struct xml_element *x, struct vocab_rules *r)
{
	const struct bytes *t = xml_attribute(x, "requiredClass");
	if (t != NULL && !add_required_class(s, x, *t, r))
		return false;
	const struct xml_element *c = spif_next(x->child, "requiredClass");
	for (; c != NULL; c = spif_next(c->next, "requiredClass"))
		if (!add_required_class(s, c, c->text, r))
			return false;
	return true;
}

/* 'self': the value; VOCAB_NONE for a classification. */
static bool
take_rules(
    struct spif *s, const struct xml_element *x, uint32_t self, const struct vocab_rules **out)
{
	struct vocab_rules *r = arena_zalloc(s->arena, 1, sizeof(*r));
	if (r == NULL)
		return spif_no_memory(s);
	if (!take_all_required(s, x, r))
		return false;
	if (self != VOCAB_NONE &&
	    (!take_excluded_classes(s, x, r) || !take_excluded(s, x, self, r) ||
		!take_required_class(s, x, r)))
		return false;
	if (r->required_classes != 0 && (r->required_classes & ~r->excluded_classes) == 0)
		spif_warn(s, x, "the required classification is excluded, too");
	*out = r;
	return true;
}

static bool
has_rules(const struct xml_element *x)
{
	return spif_next(x->child, "requiredCategory") != NULL ||
	       spif_next(x->child, "excludedClass") != NULL ||
	       spif_next(x->child, "excludedCategory") != NULL ||
	       spif_next(x->child, "requiredClass") != NULL ||
	       xml_attribute(x, "requiredClass") != NULL;
}

bool
spif_rules(struct spif *s)
{
	bool ok = true;
	for (uint32_t i = 0; i < s->v.class_count; i++)
		if (has_rules(s->class_at[i]))
			ok = take_rules(s, s->class_at[i], VOCAB_NONE, &s->classes[i].rules) && ok;
	for (uint32_t i = 0; i < s->v.value_count; i++)
		if (has_rules(s->value_at[i]))
			ok = take_rules(s, s->value_at[i], i, &s->values[i].rules) && ok;
	return ok;
}
