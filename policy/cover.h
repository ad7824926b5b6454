/*
 * cover.h - labels of one realm such that every label that can pass a gate is like one of them to
 * the decision: one for each class of labels.
 * Threads: pure; what is built lives in the arena given.
 */
#pragma once
#include "policy/gate.h"

struct cover_label {
	uint32_t class_; /* of the realm */
	bool passes[2];	 /* at least here.. */
	const uint64_t *values;
};
struct cover {
	struct cover_label *items;
	size_t count, room;
};
struct cover_ask {
	const struct sight *sight; /* of the two sides */
	const struct agreement *agreement[2];
	const struct member *member[2]; /* NULL: on that side nothing passes */
	const bool *applies[2];		/* by rule: it is live and speaks to the member */
	uint64_t time;
	uint64_t *left; /* cells that may still be made */
};
/* ERR_INTERNAL ("not decided") when none is left, or where the search for a label ends at its
 * bounds. */
MUST_USE bool cover_make(
    struct arena *a, const struct cover_ask *q, struct cover *out, struct err *e);
/* "not decided: .." */
bool cover_too_many(struct err *e);
