/*
 * dry.h - whether libcrypto, or an arena, ran dry of memory.
 * libcrypto answers many a failed allocation as if what it was given were bad: a key that cannot be
 * read, a signature that does not hold.  So a judgement that goes against somebody counts only if
 * no allocation failed on the way.
 *     dry_begin();
 *     bool good = ...;
 *     if (!good && dry_ran()) the answer is "no memory"
 * A program asks for it; librelto cannot, in a process that is not its own, and then nothing of
 * libcrypto's is noted.
 * What libcrypto fetches or sets up once may be lacking for the rest of the process, so a program
 * that ends with an error also asks dry_ever(). Threads: each has its own mark; dry_ever is of them
 * all.
 */
#pragma once
#include "proto/err.h"

#include <stdbool.h>

/* Gives libcrypto allocation functions that note their failures: first of all in main, since it
 * takes none once it has allocated.  And has it set itself up: with only half of that it crashes
 * later, at a lock that is not there.  False: out of memory; end. */
MUST_USE bool dry_watch(void);

void dry_begin(void);
/* An allocation of our own failed. */
void dry_note(void);
bool dry_ran(void);
/* Some allocation failed since the process began. */
bool dry_ever(void);
