/*
 * turns.h - whose turn it is on a worker (share.h has the rule).  A connection that was touched has
 * its turn at the end of this round of events; what is left then waits for the next round, by
 * party.  Threads: the worker's.
 */
#pragma once
#include "daemon/worker.h"

/* Into this round's list: its output is written when the round ends. */
void turns_touch(struct worker *w, struct conn *c);
/* Among those who wait: it has used up its share. */
void turns_again(struct worker *w, struct conn *c);
/* Out of whatever list it stands in. */
void turns_leave(struct worker *w, struct conn *c);
/* Freed at the end of the round, since callers may still hold it. */
void turns_end(struct worker *w, struct conn *c);
/* Whose time the connection uses. */
struct share *turns_share(struct worker *w, struct conn *c);

/* ---- for worker.c ---- */

/* Those who were touched. */
void turns_run(struct worker *w);
/* Those who wait, for one slice. */
void turns_serve(struct worker *w);
/* There is something to do in the next round. */
void turns_wake(struct worker *w);
/* Frees who ended, for one slice. */
void turns_bury(struct worker *w);
void turns_bury_all(struct worker *w);
