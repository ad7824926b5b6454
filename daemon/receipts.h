/*
 * receipts.h - the receipts of a report: the records that a party may open, each with its proof
 * (Prove, ProofList; docs/PROTOCOL.md section 5b).
 * Threads: the session's worker.
 */
#pragma once
#include "daemon/desk.h"

struct receipts;

/* The AUDIT_READ record of a Prove is durable, or failed. */
void receipts_home(struct conn *c, const struct job *j);
/* NULL is accepted. */
void receipts_free(struct receipts *r);
