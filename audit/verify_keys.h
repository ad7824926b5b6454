/*
 * verify_keys.h - what KEY records say together (docs/audit-format.md, type 15 and section 9).
 */
#pragma once
#include "audit/verify_run.h"

MUST_USE bool verify_keys_record(struct verify *v, const struct verify_slots *s, struct err *e);
/* A POLICY: the anchors that parties were told of before are those of its export. */
MUST_USE bool verify_keys_policy(struct verify *v, const struct verify_slots *s, struct err *e);
/* At the end: every party was told of the key that signed. */
void verify_keys_finish(struct verify *v);
