/* The block grammar.  What parses is quoted and parsed again: every value must come back. */
#include <stdint.h>
#include <stdlib.h>

#include "policy/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_value(struct arena *a, const struct text_value *v)
{
	struct text_errors l;
	struct text_block b;
	for (size_t i = 0; i < v->count; i++)
		check_value(a, &v->items[i]);
	if (v->kind == TEXT_LIST)
		return;
	char *quoted = text_quote(a, v->text);
	char *text = quoted == NULL ? NULL : arena_printf(a, "x %s", quoted);
	if (text == NULL)
		return;
	text_errors_init(&l);
	if (!text_parse(a, bytes_of("again"), bytes_of(text), &l, &b) ||
	    !bytes_equal(b.items[0].values[0].text, v->text))
		abort();
	text_errors_done(&l);
}

static void
check_block(struct arena *a, const struct text_block *b)
{
	for (size_t i = 0; i < b->count && i < 100; i++) {
		for (size_t j = 0; j < b->items[i].value_count && j < 20; j++)
			check_value(a, &b->items[i].values[j]);
		check_block(a, &b->items[i].block);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED(arena_done) struct arena a;
	SCOPED(text_errors_done) struct text_errors l;
	struct text_block b;
	arena_init(&a, 16 << 20);
	text_errors_init(&l);
	bool ok = text_parse(&a, bytes_of("fuzz"), bytes_from(data, size), &l, &b);
	if (ok != (l.error_count == 0))
		abort();
	if (ok)
		check_block(&a, &b);
	else if (text_errors_format(&l, &a) == NULL)
		abort();
	return 0;
}
