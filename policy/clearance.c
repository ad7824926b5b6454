#include "policy/clearance.h"

bool
clearance_init(struct arena *a, const struct vocab *v, struct clearance *out, struct err *e)
{
	uint64_t *values = arena_zalloc(a, v->words, sizeof(*values));
	if (values == NULL)
		return err_set(e, ERR_NOMEM, "clearance");
	*out = (struct clearance){ v, 0, values };
	return true;
}

struct clearance_groups
clearance_add_groups(struct clearance *c, uint32_t value, uint64_t from, uint64_t until)
{
	const struct vocab *v = c->vocab;
	struct clearance_groups found = { 0, 0 };
	for (uint32_t i = 0; i < v->member_count; i++) {
		const struct vocab_member *m = &v->members[i];
		if (m->value != value)
			continue;
		bool ends = m->not_after != UINT64_MAX && m->not_after + 1 < until;
		if (m->not_before > from || ends) {
			found.partly++;
			continue;
		}
		vocab_put(c->values, m->group);
		found.whole++;
	}
	return found;
}

/* At least one value of the category is held, if the label has any (category by category). */
static bool
permits(const struct clearance *c, const struct label *l, const struct vocab_category *category)
{
	uint64_t present = 0;
	uint64_t held = 0;
	for (uint32_t w = 0; w < l->vocab->words; w++) {
		uint64_t on_label = l->values[w] & category->mask[w];
		present |= on_label;
		held |= on_label & c->values[w];
	}
	return present == 0 || held != 0;
}

enum acdf
clearance_acdf(const struct clearance *c, const struct label *l)
{
	const struct vocab *v = l->vocab;
	if (c->vocab != v)
		return ACDF_VOCABULARY;
	if ((c->classes >> l->classification & 1) == 0)
		return ACDF_CLASSIFICATION;
	for (uint32_t w = 0; w < v->words; w++)
		if ((l->values[w] & v->restrictive[w] & ~c->values[w]) != 0)
			return ACDF_RESTRICTIVE;
	for (uint32_t i = 0; i < v->category_count; i++)
		if (v->categories[i].type == VOCAB_PERMISSIVE && !permits(c, l, &v->categories[i]))
			return ACDF_PERMISSIVE;
	return ACDF_PERMIT;
}
