/*
 * parties.h - the parties of a worker: those with connections on it, and those whose quota still
 * owes something, which is not forgotten because they leave and come back.
 * Threads: the worker's.
 */
#pragma once
#include "daemon/worker.h"

/* Spreads names, which come from the policy and not from peers. */
uint32_t parties_hash(struct bytes name);
/* NULL: it has no connections here, and owes nothing. */
struct worker_party *parties_find(struct worker *w, struct bytes name);
/* ERR_QUOTA: the party has its connections already. */
MUST_USE bool parties_enter(struct worker *w, struct conn *c, struct bytes name, struct err *e);
void parties_leave(struct worker *w, struct conn *c);
/* Every tick: lets go on who may, forgets who is gone. */
void parties_look(struct worker *w);
/* There are other rates for publishing: who waits goes on at once if it may now. */
void parties_new_rates(struct worker *w);
/* At the end, when no connection is left. */
void parties_free(struct worker *w);
