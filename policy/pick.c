#include "policy/pick.h"

struct picked { /* what is in the set, and what is not; the rest is open */
	uint64_t yes[PICK_WORDS], no[PICK_WORDS];
};
struct picking {
	const struct pick_bound *bounds;
	size_t count;
	uint32_t words;
	unsigned nodes; /* left */
};

enum guard { GUARD_OFF, GUARD_OPEN, GUARD_ON };

static bool
is_possible(const struct picking *p, const struct picked *s, const uint64_t *group)
{
	for (uint32_t w = 0; w < p->words; w++)
		if ((group[w] & ~s->no[w]) != 0)
			return true;
	return false;
}

static enum guard
guard_of(const struct picking *p, const struct picked *s, const struct pick_bound *b)
{
	if (b->guard == NULL || pick_meets(b->guard, s->yes, p->words))
		return GUARD_ON;
	return is_possible(p, s, b->guard) ? GUARD_OPEN : GUARD_OFF;
}

static void
forbid(const struct picking *p, struct picked *s, const uint64_t *set, bool *changed)
{
	for (uint32_t w = 0; w < p->words; w++) {
		*changed = *changed || (set[w] & ~s->no[w]) != 0;
		s->no[w] |= set[w];
	}
}

/* The one value of a group that is left, into the set. */
static void
take_last(const struct picking *p, struct picked *s, const uint64_t *group, bool *changed)
{
	unsigned left = 0;
	for (uint32_t w = 0; w < p->words; w++)
		left += (unsigned)__builtin_popcountll(group[w] & ~s->no[w]);
	if (left != 1)
		return;
	*changed = true;
	for (uint32_t w = 0; w < p->words; w++)
		s->yes[w] |= group[w] & ~s->no[w];
}

/* What follows of one bound; false: it cannot be kept. */
static bool
follow(const struct picking *p, struct picked *s, const struct pick_bound *b, bool *changed)
{
	enum guard g = guard_of(p, s, b);
	uint32_t have = 0, can = 0;
	if (g == GUARD_OFF)
		return true;
	for (uint32_t i = 0; i < b->count; i++) {
		have += pick_meets(b->groups[i], s->yes, p->words);
		can += is_possible(p, s, b->groups[i]);
	}
	if (have > b->high || can < b->low) {
		if (g == GUARD_OPEN)
			forbid(p, s, b->guard, changed);
		return g == GUARD_OPEN;
	}
	for (uint32_t i = 0; g == GUARD_ON && i < b->count; i++) {
		if (pick_meets(b->groups[i], s->yes, p->words))
			continue;
		if (have == b->high)
			forbid(p, s, b->groups[i], changed);
		else if (can == b->low)
			take_last(p, s, b->groups[i], changed);
	}
	return true;
}

static bool
follow_all(const struct picking *p, struct picked *s)
{
	bool changed = true;
	while (changed) {
		changed = false;
		for (size_t i = 0; i < p->count; i++)
			if (!follow(p, s, &p->bounds[i], &changed) ||
			    pick_meets(s->yes, s->no, p->words))
				return false;
	}
	return true;
}

/* A value that might help a bound which is not kept yet; false: all are, with what is there. */
static bool
find_open(const struct picking *p, const struct picked *s, uint32_t *word, uint64_t *bit)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct pick_bound *b = &p->bounds[i];
		uint32_t have = 0;
		if (b->low == 0 || guard_of(p, s, b) != GUARD_ON)
			continue;
		for (uint32_t k = 0; k < b->count; k++)
			have += pick_meets(b->groups[k], s->yes, p->words);
		for (uint32_t k = 0; have < b->low && k < b->count; k++) {
			if (pick_meets(b->groups[k], s->yes, p->words))
				continue;
			for (*word = 0; *word < p->words; ++*word) {
				uint64_t open = b->groups[k][*word] & ~s->no[*word];
				*bit = open & (~open + 1);
				if (open != 0)
					return true;
			}
		}
	}
	return false;
}

/* Each step settles one value, PICK_NODES bounds them all. */
static enum pick_answer
search(struct picking *p, const struct picked *in, uint64_t *out)
{
	struct picked s = *in;
	uint32_t word = 0;
	uint64_t bit = 0;
	if (p->nodes == 0)
		return PICK_UNDECIDED;
	p->nodes--;
	if (!follow_all(p, &s))
		return PICK_NONE;
	if (!find_open(p, &s, &word, &bit)) {
		memcpy(out, s.yes, p->words * sizeof(*out));
		return PICK_SOME;
	}
	s.yes[word] |= bit;
	enum pick_answer with = search(p, &s, out);
	if (with == PICK_SOME)
		return with;
	s.yes[word] &= ~bit;
	s.no[word] |= bit;
	enum pick_answer without = search(p, &s, out);
	return without == PICK_NONE ? with : without;
}

enum pick_answer
pick(const struct pick_bound *bounds, size_t count, uint32_t words, uint64_t *out)
{
	struct picking p = { bounds, count, words, PICK_NODES };
	struct picked none = { { 0 }, { 0 } };
	return words > PICK_WORDS ? PICK_UNDECIDED : search(&p, &none, out);
}
