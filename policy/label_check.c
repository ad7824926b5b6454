/* Constraints of the SPIF on a label, checked when a report is accepted. */
#include "policy/label.h"
#include "policy/vocab_parts.h"

#define SHOWN(b) (int)((b).len < 100 ? (b).len : 100), (const char *)(b).data

static uint32_t
count_common(const uint64_t *a, const uint64_t *b, uint32_t words)
{
	uint32_t n = 0;
	for (uint32_t w = 0; w < words; w++)
		n += (uint32_t)__builtin_popcountll(a[w] & b[w]);
	return n;
}

static bool
contains(const uint64_t *set, const uint64_t *part, uint32_t words)
{
	for (uint32_t w = 0; w < words; w++)
		if ((part[w] & ~set[w]) != 0)
			return false;
	return true;
}

/* A value that would help to meet a requirement: the first of the set that the label lacks. */
static struct bytes
helpful(const struct label *l, const uint64_t *set)
{
	for (uint32_t i = 0; i < l->vocab->value_count; i++)
		if (vocab_has(set, i) && !vocab_has(l->values, i))
			return l->vocab->values[i].name;
	return bytes_of("-");
}

static bool
check_required(
    const struct label *l, const struct vocab_required *r, struct bytes whose, struct err *e)
{
	uint32_t n = count_common(l->values, r->values, l->vocab->words);
	switch (r->operation) {
	case VOCAB_ONE_OR_MORE:
		return n != 0 || err_set(e, ERR_INVALID_LABEL,
				     "'%.*s' requires one of several values, such as '%.*s'",
				     SHOWN(whose), SHOWN(helpful(l, r->values)));
	case VOCAB_ONLY_ONE:
		return n == 1 ||
		       err_set(e, ERR_INVALID_LABEL,
			   "'%.*s' requires exactly one of several values, and the label has %u",
			   SHOWN(whose), n);
	case VOCAB_ALL:
		return (!r->unmatched && contains(l->values, r->values, l->vocab->words)) ||
		       err_set(e, ERR_INVALID_LABEL, "'%.*s' requires the value '%.*s', too",
			   SHOWN(whose), SHOWN(helpful(l, r->values)));
	}
	return err_set(e, ERR_INTERNAL, "requiredCategory without operation");
}

static bool
check_rules(const struct label *l, const struct vocab_rules *r, struct bytes whose, struct err *e)
{
	const struct vocab *v = l->vocab;
	for (uint32_t i = 0; i < r->required_count; i++)
		if (!check_required(l, &r->required[i], whose, e))
			return false;
	if ((r->excluded_classes >> l->classification & 1) != 0)
		return err_set(e, ERR_INVALID_LABEL,
		    "'%.*s' cannot stand with classification '%.*s'", SHOWN(whose),
		    SHOWN(v->classes[l->classification].name));
	if (r->required_classes != 0 && (r->required_classes >> l->classification & 1) == 0)
		return err_set(e, ERR_INVALID_LABEL,
		    "'%.*s' stands with classification '%.*s' only", SHOWN(whose),
		    SHOWN(v->classes[__builtin_ctzll(r->required_classes)].name));
	if (r->excluded == NULL)
		return true;
	for (uint32_t i = 0; i < v->value_count; i++)
		if (vocab_has(r->excluded, i) && vocab_has(l->values, i))
			return err_set(e, ERR_INVALID_LABEL, "'%.*s' and '%.*s' exclude each other",
			    SHOWN(whose), SHOWN(v->values[i].name));
	return true;
}

static bool
refuse_old(const struct label *l, uint32_t value, uint64_t time, struct err *e)
{
	const struct vocab *v = l->vocab;
	const char *why = v->values[value].obsolete	       ? "obsolete"
			  : time < v->values[value].not_before ? "not valid yet"
							       : "no longer valid";
	return err_set(e, ERR_INVALID_LABEL, "value '%.*s' of '%.*s' is %s",
	    SHOWN(v->values[value].name), SHOWN(v->tagsets[v->values[value].tagset].name), why);
}

static bool
check_values(const struct label *l, uint64_t time, struct err *e)
{
	const struct vocab *v = l->vocab;
	for (uint32_t w = 0; w < v->words; w++) {
		for (uint64_t left = l->values[w]; left != 0; left &= left - 1) {
			uint32_t i = w * 64 + (uint32_t)__builtin_ctzll(left);
			if (!vocab_value_current(v, i, time))
				return refuse_old(l, i, time, e);
			if (v->values[i].rules != NULL &&
			    !check_rules(l, v->values[i].rules, v->values[i].name, e))
				return false;
		}
	}
	return true;
}

/* How many values of a tag the label has: the tag's values stand in one run. */
static uint32_t
selected(const struct label *l, const struct vocab_tag *t)
{
	uint32_t n = 0;
	for (uint32_t i = t->first; i < t->first + t->count; i++)
		n += vocab_has(l->values, i);
	return n;
}

static bool
check_counts(const struct label *l, struct err *e)
{
	const struct vocab *v = l->vocab;
	for (uint32_t i = 0; i < v->tag_count; i++) {
		const struct vocab_tag *t = &v->tags[i];
		if (t->min == 0 && t->max == UINT32_MAX)
			continue;
		uint32_t n = selected(l, t);
		struct bytes name = v->tagsets[t->tagset].name;
		if (n < t->min)
			return err_set(e, ERR_INVALID_LABEL,
			    "'%.*s' needs at least %u value%s, and the label has %u", SHOWN(name),
			    t->min, t->min == 1 ? "" : "s", n);
		if (n > t->max)
			return err_set(e, ERR_INVALID_LABEL,
			    "'%.*s' takes at most %u value%s, and the label has %u", SHOWN(name),
			    t->max, t->max == 1 ? "" : "s", n);
	}
	return true;
}

bool
label_check(const struct label *l, uint64_t time, struct err *e)
{
	const struct vocab_class *c = &l->vocab->classes[l->classification];
	if (c->obsolete)
		return err_set(
		    e, ERR_INVALID_LABEL, "classification '%.*s' is obsolete", SHOWN(c->name));
	if (c->rules != NULL && !check_rules(l, c->rules, c->name, e))
		return false;
	return check_values(l, time, e) && check_counts(l, e);
}
