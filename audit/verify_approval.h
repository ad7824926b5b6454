/*
 * verify_approval.h - APPROVAL records, and the approvals in the facts of decisions
 * (docs/audit-format.md, section 9).
 */
#pragma once
#include "audit/verify_run.h"

enum { VERIFY_APPROVAL_BYTES = 16 }; /* of a value of the map 'approvals' */

/* An APPROVAL of which slots 2, 3, 4 and 7 are open; 'before' is what it replaces, where it is
 * counted. */
MUST_USE bool verify_approval_record(
    struct verify *v, const struct verify_slots *s, struct verify_current *before, struct err *e);
/* A decision whose facts were just read: what was approved for each of its recipients is what
 * APPROVAL records said, no more and no less. */
MUST_USE bool verify_approval_facts(struct verify *v, const struct verify_slots *s, struct err *e);
