/*
 * bucket.h - how much of something may be had a second: a bucket that leaks at a rate and holds a
 * second of it (decision 0030).  After a pause a second's worth may be had at once; what is larger
 * than that is had when the bucket is empty, and what it is larger by is owed.  So in any time t no
 * more than rate x (t + 1 s) is had, and one thing more if it is so large.
 * Pure: the time comes in, from a clock that does not step.  If it jumps ahead the bucket is empty,
 * no more than that; if it stepped back, what was had would count for longer.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { BUCKET_US = 1000000 }; /* what it holds, in time at its rate */

struct bucket {
	uint64_t empty_ns; /* when it will be, if nothing more is had; 0: now */
};

/* How long until so many units may be had, 0: now.  'units' below 2^34, 'rate' in units a second
 * and not 0 (both asserted). */
uint64_t bucket_wait_us(const struct bucket *b, uint64_t units, uint64_t rate, uint64_t now_us);
/* They are had. */
void bucket_add(struct bucket *b, uint64_t units, uint64_t rate, uint64_t now_us);
bool bucket_is_empty(const struct bucket *b, uint64_t now_us);
