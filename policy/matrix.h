/*
 * matrix.h - who may send what to whom: for each sender, recipient and agreement the highest label
 * of each vocabulary that is released, topic by topic.  Everything is found by trying it with the
 * kernel; nothing here decides.
 *
 * What is tried: each classification alone, with each single value, and where that releases
 * nothing with one value of the releasability category and one other.  A label of a vocabulary
 * without releasability that is not released alone is tried beside the lowest label of another
 * vocabulary that is.  Topics, precedences and content types come in classes that every rule treats
 * alike.
 * Threads: an epoch is read by any.
 */
#pragma once
#include "policy/decide.h"
#include "policy/vocab.h"

enum { MATRIX_TRIES = 1 << 22 }; /* what a person may wait for: some seconds to minutes */

struct matrix_ask {
	const struct epoch *epoch;
	uint64_t time;
	struct bytes from, to, agreement; /* absent: all */
	struct bytes topic;		  /* absent: all classes of them */
	const struct raw_label *labels;	  /* of one portion, to be judged as they are; 0: search */
	size_t label_count;
	uint64_t most; /* decisions; more are not made, and it says so */
};

struct matrix_cell {
	uint64_t released, held; /* classifications; held: those of which nothing is released */
	uint32_t highest;	 /* of those released; VOCAB_NONE: none */
	const struct raw_label *label; /* such a label that goes */
	bool bare;		       /* the highest needs no value; otherwise.. */
	const uint64_t *one_of;	       /* ..any one of these; NULL: two, those of 'label' */
	const uint64_t *carries;       /* what else may stand on 'label', one at a time, more of its
	      permissive category aside; NULL: nothing */
	const struct raw_label *beside; /* the highest goes only beside this; NULL: alone */
	struct bytes held_by;		/* the rule that holds the highest of 'held' */
};

struct matrix_row {
	const struct agreement *agreement;
	const struct party *from, *to;
	const char *status;   /* NULL: usable; otherwise the kernel's words, and no more */
	struct bytes topic;   /* a pattern; absent: nothing is released or held */
	struct bytes content; /* a pattern of the rules, "other" than those, or "any" */
	enum precedence low, high;
	const struct vocab *vocab; /* NULL: of labels given */
	struct matrix_cell cell;
	enum verdict verdict; /* of labels given, and why */
	enum reason reason;
	struct bytes rule;
	size_t contents; /* into how many classes the agreement's content types fall */
};

struct matrix {
	struct matrix_row *rows; /* by sender, recipient, agreement, topic, content, precedence */
	size_t count;
};

/* Makes one row of rows that differ only in content type or precedence, where all say the same. */
void matrix_merge(struct matrix *m);

/* What *out points to lives in 'a' and in the epoch.  ERR_INTERNAL ("not decided") past
 * 'most', ERR_LIMIT past the limits of topics.h. */
MUST_USE bool matrix_make(
    const struct matrix_ask *q, struct arena *a, struct matrix *out, struct err *e);
