/*
 * verify_terms.h - who signed an agreement (docs/audit-format.md, type 14 and section 9): the
 * signers that an AGREEMENT record names are those that its terms require, and each signature holds
 * over these terms, by a certificate that was good when they were first told of and ends in an
 * anchor that the terms have for that party.  Whether it was revoked cannot be judged.
 */
#pragma once
#include "audit/verify_run.h"

MUST_USE bool verify_terms_record(struct verify *v, const struct verify_slots *s, struct err *e);
