/*
 * startup_said.h - how far the verification at a start has come, told to the operator every so
 * often: of a large log it takes minutes, in which the broker is silent and lets nobody in.
 * Threads: startup.c's.
 */
#pragma once
#include <stdint.h>

enum { STARTUP_SAID_MS = 5000 };
struct startup_said {
	uint64_t (*now_ms)(void); /* a clock that only rises */
	uint64_t told_ms;	  /* when it was told last; before, when it began */
};

void startup_said_begin(struct startup_said *s, uint64_t (*now_ms)(void));
/* 'done' of 'of' records stand; a line if none was for STARTUP_SAID_MS. */
void startup_said_more(void *said, uint64_t done, uint64_t of);
