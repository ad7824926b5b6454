#include "policy/page.h"

#include <stdio.h>

void
page_put(struct page *p, const char *text, size_t len)
{
	if (!p->failed && len >= p->cap - p->len) {
		size_t cap = (p->cap + len) * 2 + 64;
		char *grown = arena_alloc(p->arena, cap);
		p->failed = grown == NULL;
		if (grown != NULL) {
			if (p->len != 0)
				memcpy(grown, p->text, p->len);
			p->text = grown;
			p->cap = cap;
		}
	}
	if (p->failed)
		return;
	if (len != 0)
		memcpy(p->text + p->len, text, len);
	p->len += len;
	p->text[p->len] = 0;
}

void
page_add(struct page *p, const char *text)
{
	page_put(p, text, strlen(text));
}

void
page_bytes(struct page *p, struct bytes b)
{
	page_put(p, (const char *)b.data, b.len);
}

void
page_number(struct page *p, const char *before, uint64_t n, const char *after)
{
	char text[64];
	(void)snprintf(text, sizeof(text), "%s%llu%s", before, (unsigned long long)n, after);
	page_add(p, text);
}
