/*
 * verify_backfill.h - a DECISION for a party that was not judged when the report came: what three
 * conditions of docs/audit-format.md section 2 a bundle shows of it.
 */
#pragma once
#include "audit/verify_run.h"

/* A DECISION outside of a run, for somebody of whom no decision spoke: whether it may be. */
MUST_USE bool verify_backfill_link(struct verify *v, const struct verify_slots *s, struct err *e);
/* Of any decision: field 19 of its facts, which v->facts has read. */
MUST_USE bool verify_backfill_facts(struct verify *v, const struct verify_slots *s, struct err *e);
