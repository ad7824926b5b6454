/*
 * verify_judged.h - that nobody was passed over: behind an INTAKE stand, without a gap, DECISIONs
 * for every party that may receive under an agreement that was judged.  Which agreements were
 * usable only the policy kernel knows (relto audit replay); but every one that a reason names was,
 * and of those that the facts name at least one.
 */
#pragma once
#include "audit/verify_run.h"

/* Before each record: does it go on with the run, or end it?  Sets v->in_run. */
MUST_USE bool verify_judged_next(struct verify *v, const struct verify_slots *s, struct err *e);
/* At an INTAKE. */
MUST_USE bool verify_judged_begin(struct verify *v, const struct verify_slots *s, struct err *e);
/* What a decision released by is what its reasons name, in the version of its policy's export. */
MUST_USE bool verify_judged_agreements(
    struct verify *v, const struct verify_slots *s, struct err *e);
/* *no: the policy is here, and has no such agreement, or one without 'backfill'. */
MUST_USE bool verify_judged_no_backfill(
    struct verify *v, const uint8_t policy[32], struct bytes agreement, bool *no, struct err *e);
/* ..or one under which 'who' may not receive. */
MUST_USE bool verify_judged_no_receiver(struct verify *v, const uint8_t policy[32],
    struct bytes agreement, struct bytes who, bool *no, struct err *e);
/* When all records were walked. */
MUST_USE bool verify_judged_end(struct verify *v, struct err *e);
