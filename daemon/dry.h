/*
 * dry.h - whether libcrypto ran dry of memory.
 * It answers many a failed allocation as if what it was given were bad: a key that cannot be read,
 * a signature that does not hold.  So a judgement that goes against somebody counts only if no
 * allocation failed on the way.
 *     dry_begin();
 *     bool good = ...;
 *     if (!good && dry_ran()) the answer is "no memory"
 * Threads: each has its own mark.
 */
#pragma once
#include <stdbool.h>

/* Gives libcrypto allocation functions that note their failures: first of all in main, since it
 * takes none once it has allocated. */
void dry_watch(void);

void dry_begin(void);
bool dry_ran(void);
