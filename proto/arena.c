#include "proto/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/dry.h"

/* Under AddressSanitizer what was not handed out may not be touched. */
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define HIDE(at, len) ASAN_POISON_MEMORY_REGION(at, len)
#define SHOW(at, len) ASAN_UNPOISON_MEMORY_REGION(at, len)
#else
#define HIDE(at, len) ((void)(at), (void)(len))
#define SHOW(at, len) ((void)(at), (void)(len))
#endif

enum { ALIGN = 16, BLOCK_MIN = 4096, BLOCK_MAX = 65536 };

struct arena_block {
	struct arena_block *next;
	size_t size; /* of data */
	size_t used;
	_Alignas(ALIGN) uint8_t data[];
};

void
arena_init(struct arena *a, size_t cap)
{
	*a = (struct arena){ .cap = cap };
}

static void
drop_block(struct arena_block *b)
{
	SHOW(b->data, b->size);
	explicit_bzero(b->data, b->used);
	free(b);
}

void
arena_done(struct arena *a)
{
	if (a == NULL)
		return;
	while (a->blocks != NULL) {
		struct arena_block *b = a->blocks;
		a->blocks = b->next;
		drop_block(b);
	}
	*a = (struct arena){ 0 };
}

void
arena_reset(struct arena *a, size_t cap)
{
	struct arena_block *b = a->blocks;
	struct arena rest = { .blocks = b == NULL ? NULL : b->next };
	if (b != NULL && (b->size > BLOCK_MAX || b->size + sizeof(*b) > cap)) {
		rest.blocks = b;
		b = NULL;
	}
	arena_done(&rest);
	*a = (struct arena){ .blocks = b, .cap = cap };
	if (b == NULL)
		return;
	SHOW(b->data, b->used);
	explicit_bzero(b->data, b->used);
	HIDE(b->data, b->size);
	b->used = 0;
	b->next = NULL;
	a->cap -= sizeof(*b) + b->size;
}

static struct arena_block *
take_block(struct arena *a, size_t size)
{
	if (size > SIZE_MAX - sizeof(struct arena_block) ||
	    size + sizeof(struct arena_block) > a->cap)
		return NULL;
	struct arena_block *b = malloc(sizeof(*b) + size);
	if (b == NULL) {
		dry_note();
		return NULL;
	}
	a->cap -= sizeof(*b) + size;
	b->size = size;
	b->used = 0;
	HIDE(b->data, size);
	return b;
}

/* A block with room for 'size'.  Blocks double up to BLOCK_MAX.  What is large beside that has one
 * of its own, behind the block in use: doubled for it, or with its tail lost to it, a cap of three
 * times a message would not hold the message twice. */
static struct arena_block *
grow(struct arena *a, size_t size)
{
	struct arena_block *head = a->blocks;
	bool alone = head != NULL && size > BLOCK_MAX / 2;
	size_t want = head == NULL ? BLOCK_MIN : head->size * 2;
	want = want > BLOCK_MAX ? BLOCK_MAX : want;
	if (alone || want < size || want + sizeof(*head) > a->cap)
		want = size;
	struct arena_block *b = take_block(a, want);
	if (b == NULL)
		return NULL;
	b->next = alone ? head->next : head;
	*(alone ? &head->next : &a->blocks) = b;
	return b;
}

void *
arena_alloc(struct arena *a, size_t size)
{
	if (size > SIZE_MAX - ALIGN)
		return NULL;
	size_t asked = size;
	size = (size + ALIGN - 1) / ALIGN * ALIGN;
	struct arena_block *b = a->blocks;
	if (b == NULL || size > b->size - b->used)
		b = grow(a, size);
	if (b == NULL)
		return NULL;
	void *out = b->data + b->used;
	SHOW(out, asked);
	b->used += size;
	a->used += size;
	return out;
}

void *
arena_zalloc(struct arena *a, size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / size)
		return NULL;
	void *out = arena_alloc(a, count * size);
	if (out != NULL)
		memset(out, 0, count * size);
	return out;
}

bool
arena_copy(struct arena *a, struct bytes in, struct bytes *out, struct err *e)
{
	uint8_t *copy = in.len == SIZE_MAX ? NULL : arena_alloc(a, in.len + 1);
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
