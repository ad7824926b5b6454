/* Markings.  What is read prints, and what it prints reads as the same label. */
#include <stdint.h>
#include <stdlib.h>

#include "policy/marking.h"
#include "tests/fuzz/vocab_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
read_label(struct arena *a, struct bytes text, struct label *out)
{
	const struct vocab *v = vocab_file();
	struct raw_label raw;
	struct err e;
	if (!marking_read(a, &v, 1, text, &raw, &e))
		return false;
	return label_resolve(a, v, &raw, out, &e) || e.code == ERR_LIMIT || e.code == ERR_NOMEM;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED(arena_done) struct arena a;
	const struct bytes none = { NULL, 0 };
	struct label first = { NULL, 0, NULL };
	struct label second = { NULL, 0, NULL };
	struct bytes text;
	struct err e;
	arena_init(&a, 64 << 20);
	if (!read_label(&a, bytes_from(data, size), &first) || first.vocab == NULL)
		return 0;
	if (!marking_print(&a, &first, none, &text, &e) || !read_label(&a, text, &second) ||
	    !label_equal(&first, &second))
		abort();
	return 0;
}
