/*
 * on_upkeep.h - what operators do to the store: Backup, Erase.
 * Each takes the role operate and leaves a record, of what failed too.
 * Threads: the session's worker.
 */
#pragma once
#include "daemon/desk.h"

/* A Backup or an Erase came home. */
void upkeep_home(struct worker *w, struct job *j);
/* Tells a session that waits for a backup how far it is, about once a second. */
void upkeep_tick(struct worker *w);
