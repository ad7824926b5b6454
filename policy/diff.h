/*
 * diff.h - what changes between two policies: the verdicts, cell by cell (cells.h), and beside them
 * what a verdict does not show: dates, state, mode, rights, who may speak for a party, who
 * approves, what is promised; and first of all what a broker that has the old policy would refuse.
 * Threads: pure; epochs are read by any.
 */
#pragma once
#include "policy/cells.h"
#include "policy/edit.h"

enum diff_turn { DIFF_WIDENS = 1, DIFF_NARROWS, DIFF_DIFFERS };

struct diff_where { /* occasions, as few as say it */
	struct names from, topics;
	struct bytes content; /* absent: any */
	enum precedence low, high;
};
struct diff_row {
	enum diff_turn turn;
	struct bytes agreement;
	struct diff_where where;
	struct names to; /* a sender among them aside */
	struct cell cell;
};
struct diff_note {
	enum diff_turn turn;
	struct bytes agreement; /* absent: of the policy as a whole */
	struct bytes what;
	struct bytes then, now; /* absent: none */
};
struct diff_open { /* an agreement whose cells are not all compared, or that is refused */
	struct bytes agreement, why;
};
struct diff {
	struct diff_row *rows; /* widening first, then by agreement */
	struct diff_note *notes;
	struct diff_open *open;
	struct diff_open *refused; /* a broker that accepted the old one would; says why */
	size_t row_count, note_count, open_count, refused_count;
	size_t agreements;     /* that either policy has */
	bool anchors_compared; /* both policies have their trust files */
	bool widens;
};
struct diff_ask {
	const struct epoch *epochs[2];
	const struct edit_text *texts[2];
	uint64_t time;
	struct bytes agreement; /* absent: all */
	uint64_t most;		/* cells of a pair */
	bool each;
	void (*progress)(void *ctx, size_t done, size_t of);
	void *progress_ctx;
};
/* What *out points to lives in 'a' and in the epochs.  False for want of memory. */
MUST_USE bool diff_make(const struct diff_ask *q, struct arena *a, struct diff *out, struct err *e);
const char *diff_turn_name(enum diff_turn t);

/* ---- parts ---- */

struct diff_making {
	const struct diff_ask *ask;
	struct arena *arena;
	struct diff *out;
	size_t row_room, note_room;
	const struct agreement *of[2];
	const struct scene *scene; /* of the wheres */
	const struct crowd *to;
	const struct diff_where *wheres;
	size_t where_count;
	bool short_of_memory; /* what is said beside the cells may lack words */
	struct err *err;
};
/* Occasions of a scene on which somebody may send to somebody else of 'to'. */
MUST_USE bool diff_wheres(struct diff_making *m, const struct cell *c);
/* Joins rows from 'first' on that say the same of more occasions. */
void diff_merge(struct diff_making *m, size_t first);
/* What the cells do not show. */
MUST_USE bool diff_beside(struct diff_making *m);
MUST_USE bool diff_beside_agreement(struct diff_making *m);
/* Version and terms of m->of, both there, and whether they take back what was accepted. */
MUST_USE bool diff_terms(struct diff_making *m);
/* The 'never' and 'expect' of one agreement, or ('of' absent) beside the agreements. */
MUST_USE bool diff_promises(struct diff_making *m, struct bytes of);
MUST_USE bool diff_note(struct diff_making *m, enum diff_turn turn, const char *what,
    struct bytes then, struct bytes now);
