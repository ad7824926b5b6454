/*
 * bytes.h - borrowed views of bytes, and the bounded cursor through which foreign bytes are read.
 * A struct bytes never owns.  { NULL, 0 } is "absent"; a non-NULL pointer with length 0 is "empty".
 * A cursor's failure sticks: read everything, then ask cursor_finished() once.
 * Threads: values; no shared state.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	const uint8_t *data;
	size_t len;
};

/* A literal or other NUL-terminated text, without its NUL. */
static inline struct bytes
bytes_of(const char *text)
{
	return (struct bytes){ (const uint8_t *)text, text == NULL ? 0 : strlen(text) };
}

static inline struct bytes
bytes_from(const void *data, size_t len)
{
	return (struct bytes){ (const uint8_t *)data, len };
}

static inline bool
bytes_equal(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool
bytes_is(struct bytes a, const char *text)
{
	return bytes_equal(a, bytes_of(text));
}

/* Byte order, a shorter prefix first: <0, 0, >0. */
static inline int
bytes_compare(struct bytes a, struct bytes b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n == 0 ? 0 : memcmp(a.data, b.data, n);
	if (c != 0)
		return c;
	return (a.len > b.len) - (a.len < b.len);
}

struct cursor {
	const uint8_t *at;
	size_t left;
	bool failed;
};

static inline struct cursor
cursor_over(struct bytes in)
{
	return (struct cursor){ in.data, in.len, false };
}

/* The next n bytes, borrowed; on shortage the cursor fails and the view is empty. */
static inline struct bytes
cursor_take(struct cursor *c, size_t n)
{
	if (c->failed || n > c->left) {
		c->failed = true;
		return (struct bytes){ NULL, 0 };
	}
	struct bytes out = { c->at, n };
	c->at += n;
	c->left -= n;
	return out;
}

/* Copies the next n bytes; on shortage 'to' is zeroed. */
static inline void
cursor_copy(struct cursor *c, void *to, size_t n)
{
	struct bytes b = cursor_take(c, n);
	if (n == 0)
		return;
	if (b.data == NULL)
		memset(to, 0, n);
	else
		memcpy(to, b.data, n);
}

static inline uint64_t
cursor_uint_(struct cursor *c, size_t width)
{
	struct bytes b = cursor_take(c, width);
	uint64_t v = 0;
	for (size_t i = 0; i < b.len; i++)
		v = v << 8 | b.data[i];
	return v;
}

/* Big-endian integers; 0 on shortage. */
static inline uint8_t
cursor_u8(struct cursor *c)
{
	return (uint8_t)cursor_uint_(c, 1);
}

static inline uint16_t
cursor_u16(struct cursor *c)
{
	return (uint16_t)cursor_uint_(c, 2);
}

static inline uint32_t
cursor_u32(struct cursor *c)
{
	return (uint32_t)cursor_uint_(c, 4);
}

static inline uint64_t
cursor_u64(struct cursor *c)
{
	return cursor_uint_(c, 8);
}

/* True if nothing failed and nothing is left. */
static inline bool
cursor_finished(const struct cursor *c)
{
	return !c->failed && c->left == 0;
}

/* Big-endian stores. */
static inline void
put_u16(uint8_t *to, uint16_t v)
{
	to[0] = (uint8_t)(v >> 8);
	to[1] = (uint8_t)v;
}

static inline void
put_u32(uint8_t *to, uint32_t v)
{
	put_u16(to, (uint16_t)(v >> 16));
	put_u16(to + 2, (uint16_t)v);
}

static inline void
put_u64(uint8_t *to, uint64_t v)
{
	put_u32(to, (uint32_t)(v >> 32));
	put_u32(to + 4, (uint32_t)v);
}
