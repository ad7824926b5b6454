/*
 * pull.h - an export of the log on its way to an auditor, a page at a time, never more than the
 * connection has room for (docs/audit-format.md section 8).
 * Threads: the session's worker.
 */
#pragma once
#include "daemon/desk.h"

struct pull;

/* Begins; what is sent first waits until the head that covers its AUDIT_READ record is published.
 */
MUST_USE bool pull_begin(struct conn *c, uint64_t request, uint64_t first, struct err *e);
/* The AUDIT_READ record is durable at 'index'. */
void pull_recorded(struct conn *c, uint64_t index);
/* A head was published, or there is room: goes on. */
void pull_step(struct conn *c);
void pull_free(struct pull *p);
/* Gives the session's export up. */
void pull_drop(struct conn *c);
/* A record that a reading waited for came home (on_audit.c). */
void audit_home(struct conn *c, const struct job *j);
