#include "policy/alike.h"

#include <assert.h>

#include "proto/limits.h"

/* members and parts are counted in 16 bits */
static_assert(2 * LIMIT_MEMBERS_PER_AGREEMENT + 1 <= UINT16_MAX, "too many members");

static size_t
words_of(const struct agreement *of)
{
	return (of->member_count + 63) / 64;
}

/* ---- holders ---- */

/* How many different values the members hold; the row of each, from 1. */
static uint32_t
number_values(const struct agreement *of, size_t vocab, uint32_t *rows)
{
	uint32_t count = 0;
	for (size_t m = 0; m < of->member_count; m++) {
		const struct clearance *c = of->members[m].clearances[vocab];
		for (uint32_t i = 0; c != NULL && i < c->vocab->value_count; i++)
			if (vocab_has(c->values, i) && rows[i] == 0)
				rows[i] = ++count;
	}
	return count;
}

static bool
holders_of(struct arena *a, const struct agreement *of, const struct vocab *v, size_t vocab,
    struct holders *out)
{
	size_t words = words_of(of);
	uint64_t *cleared = arena_zalloc(a, words, sizeof(*cleared));
	uint64_t *classes = arena_zalloc(a, v->class_count, words * sizeof(*classes));
	uint32_t *rows = arena_zalloc(a, v->value_count, sizeof(*rows));
	if (cleared == NULL || classes == NULL || rows == NULL)
		return false;
	size_t count = number_values(of, vocab, rows);
	uint64_t *values = arena_zalloc(a, count + 1, words * sizeof(*values));
	if (values == NULL)
		return false;
	for (uint32_t m = 0; m < of->member_count; m++) {
		const struct clearance *c = of->members[m].clearances[vocab];
		if (c == NULL)
			continue;
		vocab_put(cleared, m);
		for (uint32_t i = 0; i < v->class_count; i++)
			if ((c->classes >> i & 1) != 0)
				vocab_put(classes + i * words, m);
		for (uint32_t i = 0; i < v->value_count; i++)
			if (vocab_has(c->values, i))
				vocab_put(values + rows[i] * words, m);
	}
	*out = (struct holders){ cleared, classes, rows, values };
	return true;
}

bool
holders_make(struct arena *a, const struct agreement *of, const struct vocab *const *vocabs,
    size_t count, const struct holders **out)
{
	struct holders *list = arena_zalloc(a, count, sizeof(*list));
	if (list == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		for (size_t m = 0; m < of->member_count && list[i].cleared == NULL; m++)
			if (of->members[m].clearances[i] != NULL &&
			    !holders_of(a, of, vocabs[i], i, &list[i]))
				return false;
	*out = list;
	return true;
}

/* ---- the partition ---- */

static void
put_names(const struct alike *k, const struct names *list, uint64_t *set)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct member *m = agreement_member(k->of, list->items[i]);
		if (m != NULL)
			vocab_put(set, (uint32_t)(m - k->of->members));
	}
}

/* The members that the audience lists do not leave out. */
static void
find_rest(struct alike *k, const struct facts *f)
{
	if (f->has_only_to)
		put_names(k, &f->only_to, k->rest);
	for (uint32_t m = 0; m < k->of->member_count && !f->has_only_to; m++)
		vocab_put(k->rest, m);
	put_names(k, &f->not_to, k->set);
	for (size_t w = 0; w < k->words; w++)
		k->rest[w] &= ~k->set[w];
}

bool
alike_init(struct alike *k, const struct agreement *of, const struct facts *f, struct arena *a)
{
	size_t members = of->member_count, words = words_of(of);
	size_t most = of->place_count + 1 + members; /* parts: of those at first some stay empty */
	uint16_t *space = arena_zalloc(a, 2 * members + 3 * most, sizeof(*space));
	uint64_t *sets = arena_zalloc(a, 3, words * sizeof(*sets));
	if (space == NULL || sets == NULL)
		return false;
	*k = (struct alike){ .of = of,
		.words = words,
		.part = space,
		.list = space + members,
		.size = space + 2 * members,
		.found = space + 2 * members + most,
		.moved = space + 2 * members + 2 * most,
		.rest = sets,
		.set = sets + words,
		.any = sets + 2 * words,
		.count = (uint16_t)(of->place_count + 1) };
	find_rest(k, f);
	for (uint32_t m = 0; m < members; m++) {
		bool in = vocab_has(k->rest, m);
		k->part[m] = (uint16_t)(in ? of->members[m].place : of->place_count);
		k->size[k->part[m]]++;
		k->rest_count += in;
	}
	return true;
}

/* Lists the set at hand or its complement, whichever is smaller: both tell the same apart. */
static size_t
list_few(struct alike *k)
{
	size_t count = 0, n = 0;
	for (size_t w = 0; w < k->words; w++)
		count += (size_t)__builtin_popcountll(k->set[w] & k->rest[w]);
	bool other = count > k->rest_count / 2;
	for (size_t w = 0; w < k->words; w++)
		for (uint64_t left = k->rest[w] & (other ? ~k->set[w] : k->set[w]); left != 0;
		     left &= left - 1)
			k->list[n++] = (uint16_t)(w * 64 + (unsigned)__builtin_ctzll(left));
	return n;
}

/* Parts that lie partly in the set at hand become two. */
static void
split(struct alike *k)
{
	size_t n = list_few(k);
	memset(k->found, 0, k->count * sizeof(*k->found));
	memset(k->moved, 0, k->count * sizeof(*k->moved));
	for (size_t i = 0; i < n; i++)
		k->found[k->part[k->list[i]]]++;
	for (size_t i = 0; i < n; i++) {
		uint16_t *part = &k->part[k->list[i]], from = *part;
		if (k->moved[from] == 0 && k->found[from] < k->size[from])
			k->moved[from] = k->count++;
		if (k->moved[from] == 0)
			continue; /* all of it lies there */
		*part = k->moved[from];
		k->size[from]--;
		k->size[*part]++;
	}
}

/* ---- what tells apart ---- */

static void
only_those(struct alike *k, const uint64_t *others)
{
	for (size_t w = 0; w < k->words; w++)
		k->set[w] &= others[w];
}

/* Those who hold every restrictive value. */
static void
only_restrictive(struct alike *k, const struct holders *h, const struct label *l)
{
	for (uint32_t w = 0; w < l->vocab->words; w++)
		for (uint64_t left = l->values[w] & l->vocab->restrictive[w]; left != 0;
		     left &= left - 1)
			only_those(
			    k, h->values +
				   h->rows[w * 64 + (uint32_t)__builtin_ctzll(left)] * k->words);
}

/* Those who hold a value of one permissive category, if the label has any. */
static void
only_permissive(struct alike *k, const struct holders *h, const struct label *l,
    const struct vocab_category *category)
{
	bool present = false;
	memset(k->any, 0, k->words * sizeof(*k->any));
	for (uint32_t w = 0; w < l->vocab->words; w++)
		for (uint64_t left = l->values[w] & category->mask[w]; left != 0;
		     left &= left - 1) {
			const uint64_t *row =
			    h->values +
			    h->rows[w * 64 + (uint32_t)__builtin_ctzll(left)] * k->words;
			for (size_t i = 0; i < k->words; i++)
				k->any[i] |= row[i];
			present = true;
		}
	if (present)
		only_those(k, k->any);
}

void
alike_by_clearance(struct alike *k, size_t vocab)
{
	const struct holders *h = &k->of->holders[vocab];
	if (h->cleared == NULL)
		return;
	memcpy(k->set, h->cleared, k->words * sizeof(*k->set));
	split(k);
}

/* The steps of clearance_acdf: at each, who is still permitted. */
void
alike_by_label(struct alike *k, const struct label *l, size_t vocab)
{
	const struct holders *h = &k->of->holders[vocab];
	alike_by_clearance(k, vocab);
	if (h->cleared == NULL)
		return;
	only_those(k, h->classes + l->classification * k->words);
	split(k);
	only_restrictive(k, h, l);
	split(k);
	for (uint32_t i = 0; i < l->vocab->category_count; i++)
		if (l->vocab->categories[i].type == VOCAB_PERMISSIVE)
			only_permissive(k, h, l, &l->vocab->categories[i]);
	split(k);
}

void
alike_by_names(struct alike *k, const struct names *list)
{
	memset(k->set, 0, k->words * sizeof(*k->set));
	put_names(k, list, k->set);
	split(k);
}

void
alike_by_name(struct alike *k, struct bytes name)
{
	alike_by_names(k, &(struct names){ &name, 1 });
}
