/*
 * cells.h - what of an agreement's verdicts differs between two policies, over all labels that
 * their SPIFs accept.  docs/policy.md says what a cell is and why no difference hides between them.
 *
 * A cell is a crowd of receivers, a scene (scene.h) and a class of labels.  Labels of a class pass
 * the gates (gate.h) of the same sides and satisfy the same conditions of the rules that are live,
 * so that the decision cannot tell them apart; one label of each class is judged, by the kernel.
 * Labels of several vocabularies are judged together where a rule could see them together, and
 * otherwise apart: the strictest verdict wins, so a portion changes only if a part of it does.
 * Threads: pure; epochs are read by any.
 */
#pragma once
#include "policy/scene.h"

enum { CELLS_MOST = 1 << 24 /* of one pair of receivers and scene */ };

struct cells_side {
	const struct epoch *epoch;
	const struct agreement *agreement; /* NULL: the policy has none of the name */
};
struct cells_ask {
	struct cells_side side[2];
	uint64_t from,
	    until;     /* µs: labels whose values are current at a moment from.. and before.. */
	uint64_t most; /* cells of one pair; past it ERR_INTERNAL ("not decided") */
	bool each;     /* every cell by itself; otherwise those alike are counted */
	void (*progress)(void *ctx, size_t done, size_t of); /* may be NULL */
	void *progress_ctx;
};

struct cell_said {	      /* of one side, by the kernel, on the example */
	enum verdict verdict; /* a refusal is a WITHHOLD.. */
	bool refused; /* ..that says so: the report is not accepted, or the party no member */
	enum reason reason;
	struct bytes rule, place; /* absent: none */
};
/* Cells that differ, alike in classification, verdicts, reasons and rules. */
struct cell {
	const struct scenes *scenes;
	const struct scene *scene;
	const struct crowd *to;
	uint64_t count; /* label classes */

	/* An example: a report of one portion that both policies judge as 'said' has it, as if the
	 * agreement were in force. */
	const struct occasion *occasion;
	struct bytes sender, receiver;
	uint64_t time;
	const struct raw_label *labels; /* own_count that differ, then what must stand beside */
	size_t label_count, own_count;
	struct cell_said said[2];
};
/* False stops: with an error set, or without, when enough was seen. */
typedef bool cells_taker(void *ctx, const struct cell *c);

/* Gives every difference to 'take'; what a cell points to lives in 'a' and in the epochs.  False:
 * ERR_INTERNAL or ERR_LIMIT (not decided), ERR_NOMEM, or 'take' stopped. */
MUST_USE bool cells_compare(
    const struct cells_ask *q, struct arena *a, cells_taker *take, void *ctx, struct err *e);
