/*
 * backfilled.h - for whom a report was backfilled: a note of the report has the index of the newest
 * such DECISION, and part 13 of each the one before it.
 * Threads: whoever has the view.
 */
#pragma once
#include "daemon/store.h"

enum { BACKFILLED_ROOM = 96, BACKFILLED_BYTES = 8 };
/* The name of the note. */
void backfilled_note(const struct store_report_key *report, char out[BACKFILLED_ROOM]);
/* The newest; STORE_NONE: there is none. */
MUST_USE bool backfilled_newest(
    struct store_view *v, const struct store_report_key *report, uint64_t *decision, struct err *e);
/* The one before; STORE_NONE: there is none. */
MUST_USE bool backfilled_before(
    struct store_view *v, uint64_t decision, uint64_t *before, struct err *e);
