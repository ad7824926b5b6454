/*
 * overdue.h - reports that still wait, past the deadline of their lane: told while they do, and not
 * only when they leave (flight_wait_ends).  For each subscription and lane one line when the oldest
 * of them is too late, and no other until none is; how many stand so is in /metrics.
 * Waiting begins where flight_wait_begins says; what waits for its not-before, for witnesses that
 * have not signed, or after a Nack is not late.
 * Threads: the worker of the party.
 */
#pragma once
#include "daemon/outlet.h"

/* Once a second. */
void overdue_look(struct outlet *o);
/* Nobody asks any more. */
void overdue_end(struct outlet *o);
