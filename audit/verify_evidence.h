/*
 * verify_evidence.h - the lines that clients keep of every receipt and delivery (client/keep.h):
 * the record of that leaf hash must be here, of that report, at that place of the party's history.
 */
#pragma once
#include "audit/verify_run.h"

/* Before the first record. */
MUST_USE bool verify_evidence_begin(struct verify *v, struct err *e);
/* Every opened record. */
void verify_evidence_record(struct verify *v, const struct verify_slots *s);
/* When all records were walked. */
void verify_evidence_finish(struct verify *v);
