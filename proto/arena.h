/*
 * arena.h - a capped allocator: many small allocations, one release.  One per request (DESIGN
 * section 11). Growth beyond the cap fails like any allocation; nothing is freed one by one.  On
 * arena_done the memory is cleansed, since it held bodies of reports. Threads: an arena has one
 * owner at a time; it may be handed over.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"

struct arena_block;
struct arena {
	struct arena_block *blocks;
	size_t cap;  /* bytes that may still be asked from malloc */
	size_t used; /* bytes handed out, for the curious and for tests */
};

/* Makes an empty arena that will take at most 'cap' bytes from malloc. */
void arena_init(struct arena *a, size_t cap);
/* Cleanses and frees all.  The arena is then empty with a cap of 0.  NULL is accepted. */
void arena_done(struct arena *a);
/* Cleanses all and begins anew with 'cap', of which one block may be kept: for what is done again
 * and again. */
void arena_reset(struct arena *a, size_t cap);
/* 'size' bytes, 16-byte aligned, not zeroed; NULL when the cap or malloc says no.  size 0 gives a
 * valid pointer. */
void *arena_alloc(struct arena *a, size_t size);
/* 'count' items of 'size' bytes, zeroed; NULL on overflow, cap or shortage. */
void *arena_zalloc(struct arena *a, size_t count, size_t size);
/* A copy that ends in a NUL not counted in len.  On shortage *out is untouched and ERR_NOMEM set.
 */
MUST_USE bool arena_copy(struct arena *a, struct bytes in, struct bytes *out, struct err *e);
/* A formatted, NUL-terminated text; NULL on shortage. */
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

static inline void
arena_done_scoped(struct arena *a)
{
	arena_done(a);
}
