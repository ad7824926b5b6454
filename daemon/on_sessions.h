/*
 * on_sessions.h - Sessions: who is connected, for the operator.  A worker's connections are its
 * own, so the question travels to each worker in turn, a page an answer. Threads: a session's
 * worker, and each other one for what is its own.
 */
#pragma once
#include "daemon/desk.h"

/* A JOB_SESSIONS came: to be looked into here, or home with its answer. */
void sessions_letter(struct worker *w, struct job *j);
