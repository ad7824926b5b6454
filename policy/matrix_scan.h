/*
 * matrix_scan.h - one sender under one agreement, on one topic, with one content type and
 * precedence: what goes to each member.  Of matrix.c.
 */
#pragma once
#include "policy/matrix.h"
#include "policy/rules.h"

struct scan {
	const struct matrix_ask *ask;
	const struct agreement *agreement;
	struct facts facts;    /* without labels */
	struct arena *arena;   /* of what is kept */
	struct arena *scratch; /* of the scan */
	uint64_t *tries;
	struct err *err;
	struct found *found; /* by member, vocabulary and classification */
	size_t *first;	     /* of each vocabulary, within a member */
	size_t per_member;
};

/* Tries everything.  False on shortage and past the most decisions. */
MUST_USE bool scan_run(struct scan *s);
/* What it found, for one member and vocabulary; what is kept lives in the arena. */
MUST_USE bool scan_cell(struct scan *s, size_t member, size_t vocab, struct matrix_cell *out);
/* The facts with these labels judged; *out and what it points to live in 'a'. */
MUST_USE bool scan_judge(struct scan *s, const struct raw_label *labels, size_t count,
    struct arena *a, struct decisions *out);
