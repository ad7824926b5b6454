#include "policy/label.h"

#include "policy/vocab_parts.h"

#define SHOWN(b) (int)((b).len < 100 ? (b).len : 100), (const char *)(b).data

static bool
no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "label");
}

/* ---- from names to numbers ---- */

static bool
resolve_category(const struct vocab *v, const struct raw_category *raw, uint32_t tagset,
    uint64_t *values, struct err *e)
{
	if (raw->values.count == 0)
		return err_set(
		    e, ERR_INVALID_LABEL, "category '%.*s' has no value", SHOWN(raw->name));
	if (raw->values.count > LIMIT_VALUES_PER_CATEGORY)
		return err_set(e, ERR_LIMIT, "category '%.*s' has more than %u values",
		    SHOWN(raw->name), LIMIT_VALUES_PER_CATEGORY);
	for (size_t i = 0; i < raw->values.count; i++) {
		uint32_t n;
		if (!vocab_need_value(v, tagset, raw->values.items[i], &n, e))
			return false;
		vocab_put(values, n);
	}
	return true;
}

bool
label_resolve(struct arena *a, const struct vocab *v, const struct raw_label *raw,
    struct label *out, struct err *e)
{
	uint32_t seen[LIMIT_CATEGORIES_PER_LABEL];
	struct label l = { .vocab = v };
	if (!vocab_need_class(v, raw->classification, &l.classification, e))
		return false;
	if (raw->category_count > LIMIT_CATEGORIES_PER_LABEL)
		return err_set(e, ERR_LIMIT, "a label with more than %u categories",
		    LIMIT_CATEGORIES_PER_LABEL);
	uint64_t *values = arena_zalloc(a, v->words, sizeof(*values));
	if (values == NULL)
		return no_memory(e);
	for (size_t i = 0; i < raw->category_count; i++) {
		const struct raw_category *c = &raw->categories[i];
		if (!vocab_need_tagset(v, c->name, &seen[i], e))
			return false;
		for (size_t j = 0; j < i; j++)
			if (seen[j] == seen[i])
				return err_set(e, ERR_INVALID_LABEL,
				    "category '%.*s' is named twice", SHOWN(c->name));
		if (!resolve_category(v, c, seen[i], values, e))
			return false;
	}
	l.values = values;
	*out = l;
	return true;
}

/* ---- questions ---- */

static bool
intersects(const uint64_t *a, const uint64_t *b, uint32_t words)
{
	for (uint32_t w = 0; w < words; w++)
		if ((a[w] & b[w]) != 0)
			return true;
	return false;
}

bool
label_has_category(const struct label *l, uint32_t category)
{
	return category != VOCAB_NONE &&
	       intersects(l->values, l->vocab->categories[category].mask, l->vocab->words);
}

bool
label_has_tagset(const struct label *l, uint32_t tagset)
{
	for (size_t i = VOCAB_RESTRICTIVE; i <= VOCAB_INFORMATIVE; i++)
		if (label_has_category(l, l->vocab->tagsets[tagset].category[i]))
			return true;
	return false;
}

bool
label_has_releasability(const struct label *l)
{
	return label_has_category(l, l->vocab->releasability);
}

bool
label_equal(const struct label *x, const struct label *y)
{
	return x->vocab == y->vocab && x->classification == y->classification &&
	       memcmp(x->values, y->values, x->vocab->words * sizeof(*x->values)) == 0;
}

/* ---- equivalence ---- */

bool
label_map_init(struct arena *a, const struct vocab *from, const struct vocab *to,
    struct label_map *out, struct err *e)
{
	uint32_t *classes = arena_zalloc(a, from->class_count, sizeof(*classes));
	uint32_t *values = arena_zalloc(a, from->value_count, sizeof(*values));
	if (classes == NULL || values == NULL)
		return err_set(e, ERR_NOMEM, "equivalence");
	for (uint32_t i = 0; i < from->class_count; i++)
		classes[i] = VOCAB_NONE;
	for (uint32_t i = 0; i < from->value_count; i++)
		values[i] = VOCAB_NONE;
	*out = (struct label_map){ from, to, classes, values };
	return true;
}

bool
label_map_apply(struct arena *a, const struct label_map *m, const struct label *in,
    struct label *out, struct err *e)
{
	if (in->vocab != m->from)
		return err_set(e, ERR_INTERNAL, "a label of another vocabulary than the map");
	uint32_t class_ = m->classes[in->classification];
	if (class_ == VOCAB_NONE)
		return err_set(e, ERR_INVALID_LABEL, "classification '%.*s' has no equivalent",
		    SHOWN(m->from->classes[in->classification].name));
	uint64_t *values = arena_zalloc(a, m->to->words, sizeof(*values));
	if (values == NULL)
		return no_memory(e);
	for (uint32_t w = 0; w < m->from->words; w++) {
		for (uint64_t left = in->values[w]; left != 0; left &= left - 1) {
			uint32_t i = w * 64 + (uint32_t)__builtin_ctzll(left);
			const struct vocab_value *v = &m->from->values[i];
			if (m->values[i] != VOCAB_NONE)
				vocab_put(values, m->values[i]);
			else if (m->from->categories[v->category].type != VOCAB_INFORMATIVE)
				return err_set(e, ERR_INVALID_LABEL,
				    "value '%.*s' has no equivalent", SHOWN(v->name));
		}
	}
	*out = (struct label){ m->to, class_, values };
	return true;
}

/* ---- roll-up ---- */

/* Intersects one permissive category over all labels; sets *empty if nothing is left of it. */
static void
intersect(const struct label *const *labels, size_t count, uint32_t category, uint64_t *values,
    bool *empty)
{
	const struct vocab *v = labels[0]->vocab;
	bool present = false; /* on any label: without it, "all values" is no category */
	uint64_t any = 0;
	for (size_t i = 0; i < count; i++)
		present = present || label_has_category(labels[i], category);
	bool releasability = category == v->releasability;
	for (uint32_t w = 0; w < v->words; w++) {
		uint64_t left = v->categories[category].mask[w];
		for (size_t i = 0; i < count; i++)
			if (releasability || label_has_category(labels[i], category))
				left &= labels[i]->values[w];
		if (present)
			values[w] |= left;
		any |= left;
	}
	if ((present || releasability) && any == 0)
		*empty = true;
}

bool
label_rollup(struct arena *a, const struct label *const *labels, size_t count, struct banner *out,
    struct err *e)
{
	const struct vocab *v = labels[0]->vocab;
	uint64_t *values = arena_zalloc(a, v->words, sizeof(*values));
	if (values == NULL)
		return no_memory(e);
	struct banner b = { .label = { v, labels[0]->classification, values } };
	for (size_t i = 0; i < count; i++) {
		uint32_t c = labels[i]->classification;
		int64_t above = v->classes[c].hierarchy;
		int64_t now = v->classes[b.label.classification].hierarchy;
		if (above > now || (above == now && c < b.label.classification))
			b.label.classification = c;
	}
	for (uint32_t c = 0; c < v->category_count; c++) {
		if (v->categories[c].type == VOCAB_PERMISSIVE) {
			intersect(labels, count, c, values, &b.originator_only);
			continue;
		}
		for (size_t i = 0; i < count; i++)
			for (uint32_t w = 0; w < v->words; w++)
				values[w] |= labels[i]->values[w] & v->categories[c].mask[w];
	}
	*out = b;
	return true;
}
