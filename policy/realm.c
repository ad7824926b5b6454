#include "policy/realm.h"

#include "policy/marking.h"

static bool
no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "labels");
}

/* ---- both sides by name ---- */

static uint32_t
class_in(const struct vocab *v, struct bytes name)
{
	return v == NULL ? VOCAB_NONE : vocab_class(v, name);
}

static uint32_t
value_in(const struct vocab *v, struct bytes tagset, struct bytes name)
{
	uint32_t t = v == NULL ? VOCAB_NONE : vocab_tagset(v, tagset);
	return t == VOCAB_NONE ? VOCAB_NONE : vocab_value(v, t, name);
}

static void
number_classes(struct realm *r, uint32_t *const out[2], size_t side)
{
	const struct vocab *v = r->vocab[side];
	for (uint32_t i = 0; v != NULL && i < v->class_count; i++) {
		uint32_t other = class_in(r->vocab[!side], v->classes[i].name);
		if (side == 0 && other != VOCAB_NONE)
			continue; /* numbered with side 1 */
		out[side][r->class_count] = i;
		out[!side][r->class_count++] = other;
	}
}

static void
number_values(struct realm *r, uint32_t *const out[2], size_t side)
{
	const struct vocab *v = r->vocab[side];
	for (uint32_t i = 0; v != NULL && i < v->value_count; i++) {
		uint32_t other = value_in(
		    r->vocab[!side], v->tagsets[v->values[i].tagset].name, v->values[i].name);
		if (side == 0 && other != VOCAB_NONE)
			continue;
		out[side][r->value_count] = i;
		out[!side][r->value_count++] = other;
	}
}

static bool
number(struct arena *a, struct realm *r, struct err *e)
{
	uint32_t *classes[2], *values[2];
	size_t class_most = 0, value_most = 0;
	for (size_t s = 0; s < 2; s++) {
		class_most += r->vocab[s] == NULL ? 0 : r->vocab[s]->class_count;
		value_most += r->vocab[s] == NULL ? 0 : r->vocab[s]->value_count;
	}
	for (size_t s = 0; s < 2; s++) {
		classes[s] = arena_zalloc(a, class_most, sizeof(uint32_t));
		values[s] = arena_zalloc(a, value_most, sizeof(uint32_t));
		if (classes[s] == NULL || values[s] == NULL)
			return no_memory(e);
		r->classes[s] = classes[s];
		r->values[s] = values[s];
	}
	for (size_t s = 2; s-- > 0;) {
		number_classes(r, classes, s);
		number_values(r, values, s);
	}
	r->words = (r->value_count + 63) / 64;
	return true;
}

static bool
add(struct arena *a, const struct epoch *const epochs[2], struct realm *r, struct bytes name,
    struct err *e)
{
	for (size_t s = 0; s < 2; s++) {
		r->vocab[s] = epoch_vocab(epochs[s], name);
		for (size_t i = 0; i < epoch_vocab_count(epochs[s]); i++)
			if (epoch_vocab_at(epochs[s], i) == r->vocab[s])
				r->index[s] = i;
	}
	return number(a, r, e);
}

bool
realms_of(struct arena *a, const struct epoch *const epochs[2], struct realms *out, struct err *e)
{
	size_t most = epoch_vocab_count(epochs[0]) + epoch_vocab_count(epochs[1]);
	struct realm *list = arena_zalloc(a, most, sizeof(*list));
	size_t n = 0;
	if (list == NULL)
		return no_memory(e);
	for (size_t s = 2; s-- > 0;)
		for (size_t i = 0; i < epoch_vocab_count(epochs[s]); i++) {
			struct bytes name = epoch_vocab_at(epochs[s], i)->name;
			if (s == 0 && epoch_vocab(epochs[1], name) != NULL)
				continue;
			if (!add(a, epochs, &list[n++], name, e))
				return false;
		}
	*out = (struct realms){ list, n };
	return true;
}

bool
realm_is_same(const struct realm *r)
{
	const struct vocab *x = r->vocab[0], *y = r->vocab[1];
	return x == y || (x != NULL && y != NULL && x->releasability == y->releasability &&
			     memcmp(x->digest, y->digest, sizeof(x->digest)) == 0);
}

bool
realm_label(struct arena *a, const struct realm *r, uint32_t class_, const uint64_t *values,
    struct raw_label *out, struct err *e)
{
	size_t s = r->vocab[1] != NULL && r->classes[1][class_] != VOCAB_NONE;
	for (uint32_t i = 0; s == 1 && i < r->value_count; i++)
		if (vocab_has(values, i) && r->values[1][i] == VOCAB_NONE)
			s = 0;
	const struct vocab *v = r->vocab[s];
	uint64_t *own = arena_zalloc(a, v->words, sizeof(*own));
	if (own == NULL)
		return no_memory(e);
	for (uint32_t i = 0; i < r->value_count; i++)
		if (vocab_has(values, i))
			vocab_put(own, r->values[s][i]);
	struct label l = { v, r->classes[s][class_], own };
	return marking_raw(a, &l, out, e);
}

/* ---- lenses ---- */

static bool
blank(struct arena *a, const struct realm *r, const struct vocab *to, uint64_t ***shown,
    uint64_t **lost)
{
	*lost = arena_zalloc(a, r->words, sizeof(uint64_t));
	*shown = arena_zalloc(a, to->value_count, sizeof(uint64_t *));
	if (*lost == NULL || *shown == NULL)
		return false;
	for (uint32_t i = 0; i < to->value_count; i++) {
		(*shown)[i] = arena_zalloc(a, r->words, sizeof(uint64_t));
		if ((*shown)[i] == NULL)
			return false;
	}
	return true;
}

bool
lens_written(struct arena *a, const struct realm *r, size_t side, struct lens *out, struct err *e)
{
	const struct vocab *v = r->vocab[side];
	uint64_t **shown, *lost;
	*out = (struct lens){ .to = NULL };
	if (v == NULL)
		return true;
	if (!blank(a, r, v, &shown, &lost))
		return no_memory(e);
	for (uint32_t i = 0; i < r->value_count; i++)
		vocab_put(r->values[side][i] == VOCAB_NONE ? lost : shown[r->values[side][i]], i);
	*out = (struct lens){ v, r->classes[side], (const uint64_t *const *)shown, lost };
	return true;
}

static void
map_value(const struct realm *r, size_t side, const struct equivalence *q, uint32_t i,
    uint64_t *const *shown, uint64_t *lost)
{
	const struct vocab *from = q->map.from;
	uint32_t own = r->values[side][i];
	if (own == VOCAB_NONE)
		vocab_put(lost, i);
	else if (q->map.values[own] != VOCAB_NONE)
		vocab_put(shown[q->map.values[own]], i);
	else if (from->categories[from->values[own].category].type != VOCAB_INFORMATIVE)
		vocab_put(lost, i);
}

bool
lens_mapped(struct arena *a, const struct realm *r, size_t side, const struct equivalence *q,
    struct lens *out, struct err *e)
{
	uint64_t **shown, *lost;
	uint32_t *classes = arena_zalloc(a, r->class_count, sizeof(*classes));
	if (classes == NULL || !blank(a, r, q->map.to, &shown, &lost))
		return no_memory(e);
	for (uint32_t i = 0; i < r->class_count; i++) {
		uint32_t own = r->classes[side][i];
		classes[i] = own == VOCAB_NONE ? VOCAB_NONE : q->map.classes[own];
	}
	for (uint32_t i = 0; i < r->value_count; i++)
		map_value(r, side, q, i, shown, lost);
	*out = (struct lens){ q->map.to, classes, (const uint64_t *const *)shown, lost };
	return true;
}

uint64_t *
lens_back(struct arena *a, const struct realm *r, const struct lens *l, const uint64_t *set)
{
	uint64_t *out = arena_zalloc(a, r->words, sizeof(*out));
	for (uint32_t i = 0; out != NULL && i < l->to->value_count; i++)
		for (uint32_t w = 0; vocab_has(set, i) && w < r->words; w++)
			out[w] |= l->shown[i][w];
	return out;
}
