/*
 * pick.h - is there a set of values that keeps all of some bounds?  What a SPIF demands of a label,
 * what a clearance lets pass and what a condition asks are all bounds of the one form below, so
 * that "is there such a label" is answered for all of its labels without listing them. Threads:
 * pure.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"

enum { PICK_WORDS = 64 /* 4,096 values */, PICK_NODES = 20000 };

/* If the set meets 'guard', it meets at least 'low' and at most 'high' of the groups. */
struct pick_bound {
	const uint64_t *guard; /* NULL: always */
	const uint64_t *const *groups;
	uint32_t count, low, high;
};
enum pick_answer { PICK_NONE = 1, PICK_SOME, PICK_UNDECIDED };

/* 'out' gets a set of 'words' words with as little in it as the search finds.  PICK_UNDECIDED past
 * PICK_NODES steps or PICK_WORDS words. */
enum pick_answer pick(const struct pick_bound *bounds, size_t count, uint32_t words, uint64_t *out);

static inline bool
pick_meets(const uint64_t *x, const uint64_t *y, uint32_t words)
{
	for (uint32_t w = 0; w < words; w++)
		if ((x[w] & y[w]) != 0)
			return true;
	return false;
}
