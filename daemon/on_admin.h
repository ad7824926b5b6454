/*
 * on_admin.h - the operator's requests: Status, Reload, Drain, AcceptClock.
 * Each takes the role operate and leaves an ADMIN record; none shows contents (ASSURANCE K7).
 * Threads: the session's worker.
 */
#pragma once
#include "daemon/desk.h"

/* *yes: the session may operate; else it was refused. */
MUST_USE bool admin_allowed(struct conn *c, const struct msg *m, bool *yes, struct err *e);
/* The ADMIN record of what left nothing else. */
MUST_USE bool admin_note(struct conn *c, const char *command, const char *result, struct err *e);
MUST_USE bool admin_reply(struct conn *c, uint64_t request, const char *json, struct err *e);
/* A Reload or AcceptClock came home. */
void admin_home(struct worker *w, struct job *j);
