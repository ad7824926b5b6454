/*
 * verify_progress.h - how far the walk over a bundle has come, for a person at a terminal.
 * On standard error.  Threads: one.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct verify_progress {
	bool shown;
	uint64_t percent; /* that was written last */
};
/* 'shown': standard error is a terminal. */
void verify_progress_begin(struct verify_progress *p, bool shown);
/* Record 'index' of 'size' was read. */
void verify_progress_more(struct verify_progress *p, uint64_t index, uint64_t size);
/* What was written goes. */
void verify_progress_end(struct verify_progress *p);
