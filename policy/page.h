/*
 * page.h - a text that grows in an arena; for policy/ alone.  A failure sticks: write everything,
 * then ask once.
 * Threads: values.
 */
#pragma once
#include "proto/arena.h"

struct page {
	struct arena *arena;
	char *text; /* NUL-terminated after the first addition; NULL before */
	size_t len, cap;
	bool failed;
};

void page_put(struct page *p, const char *text, size_t len);
void page_add(struct page *p, const char *text);
void page_bytes(struct page *p, struct bytes b);
/* 'before', a decimal number, 'after'. */
void page_number(struct page *p, const char *before, uint64_t n, const char *after);
