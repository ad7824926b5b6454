/*
 * sweep.h - what ends a connection from our side: deadlines, and who is no longer allowed in
 * (DESIGN S9, section 11).  Deadlines are absolute and looked at by one timer for all connections.
 * Threads: the connection's worker.
 */
#pragma once
#include <stdint.h>

struct conn;
struct trust_refusal;

/* Puts its deadlines off: for 'ms' nothing was read. */
void sweep_forgive(struct conn *c, uint64_t ms);
/* Looks at every deadline of this connection. */
void sweep_deadlines(struct conn *c);
/* Judges the peer under the worker's present trust, and that which is to come; ends the connection
 * if one of them says no. */
void sweep_judge(struct conn *c);
/* One line for the operator. */
void sweep_log_refusal(const struct conn *c, const struct trust_refusal *why);
