/*
 * verify_order.h - what must hold from one record to the next: time, links, policy, deliveries,
 * acknowledgements, statements about the tree (docs/audit-format.md section 9).
 */
#pragma once
#include "audit/verify_run.h"

/* Before the record's own leaf is in v->log. */
MUST_USE bool verify_order_record(struct verify *v, const struct verify_slots *s, struct err *e);
/* When all records were walked. */
MUST_USE bool verify_order_finish(struct verify *v, struct err *e);
