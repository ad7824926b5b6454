/*
 * verify_recover.h - RECOVER records, with which a new generation of a log begins, against the
 * heads of the old one that they have (docs/audit-format.md, type 23 and section 9). Threads: those
 * of verify.c.
 */
#pragma once
#include "audit/verify_run.h"

MUST_USE bool verify_recover_record(struct verify *v, const struct verify_slots *s, struct err *e);
