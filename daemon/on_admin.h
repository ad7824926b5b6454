/*
 * on_admin.h - the operator's requests: Status, Reload, AcceptClock.
 * Each takes the role operate and leaves an ADMIN record; none shows contents (ASSURANCE K7).
 * Threads: the session's worker.
 */
#pragma once
#include "daemon/desk.h"

/* A Reload or AcceptClock came home. */
void admin_home(struct worker *w, struct job *j);
