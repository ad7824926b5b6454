/*
 * arena_once.h - the arena with an allocation of its own for everything, of which one can be made
 * to fail: that one alone, as malloc may.  A program that includes this has no other arena.
 */
#pragma once
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/arena.h"

struct arena_block {
	struct arena_block *next;
	_Alignas(16) uint8_t data[];
};

/* So many allocations from now succeed before one fails; 0: none will. */
static size_t arena_once_fails;

void
arena_init(struct arena *a, size_t cap)
{
	*a = (struct arena){ .cap = cap };
}

void
arena_done(struct arena *a)
{
	for (struct arena_block *b = a == NULL ? NULL : a->blocks, *next; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
	if (a != NULL)
		*a = (struct arena){ 0 };
}

void
arena_reset(struct arena *a, size_t cap)
{
	arena_done(a);
	arena_init(a, cap);
}

void *
arena_alloc(struct arena *a, size_t size)
{
	if ((arena_once_fails != 0 && --arena_once_fails == 0) || size > SIZE_MAX / 2 ||
	    size + sizeof(struct arena_block) > a->cap)
		return NULL;
	struct arena_block *b = malloc(sizeof(*b) + size);
	if (b == NULL)
		return NULL;
	a->cap -= sizeof(*b) + size;
	a->used += size;
	b->next = a->blocks;
	a->blocks = b;
	return b->data;
}

void *
arena_zalloc(struct arena *a, size_t count, size_t size)
{
	void *out = size != 0 && count > SIZE_MAX / size ? NULL : arena_alloc(a, count * size);
	if (out != NULL)
		memset(out, 0, count * size);
	return out;
}

bool
arena_copy(struct arena *a, struct bytes in, struct bytes *out, struct err *e)
{
	uint8_t *copy = arena_alloc(a, in.len + 1);
	if (copy == NULL)
		return err_set(e, ERR_NOMEM, "copy of %zu bytes", in.len);
	if (in.len != 0)
		memcpy(copy, in.data, in.len);
	copy[in.len] = 0;
	*out = (struct bytes){ copy, in.len };
	return true;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	char *out = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
	if (out == NULL)
		return NULL;
	va_start(args, fmt);
	(void)vsnprintf(out, (size_t)n + 1, fmt, args);
	va_end(args);
	return out;
}
