/* SPIFs.  What loads is used: every name is found again and every class prints. */
#include <stdint.h>
#include <stdlib.h>

#include "policy/clearance.h"
#include "policy/marking.h"
#include "policy/spif.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
use(struct arena *a, const struct vocab *v)
{
	const struct bytes none = { NULL, 0 };
	struct err e;
	for (uint32_t i = 0; i < v->value_count; i++)
		if (vocab_value(v, v->values[i].tagset, v->values[i].name) != i)
			abort();
	uint64_t *all = arena_zalloc(a, v->words, sizeof(*all));
	if (all == NULL)
		return;
	for (uint32_t i = 0; i < v->value_count; i++)
		vocab_put(all, i);
	for (uint32_t i = 0; i < v->class_count; i++) {
		struct label l = { v, i, all };
		struct clearance c;
		struct bytes text;
		if (vocab_class(v, v->classes[i].name) != i)
			abort();
		bool valid = label_check(&l, 0, &e);
		if (valid && v->classes[i].obsolete)
			abort();
		if (!marking_print(a, &l, none, &text, &e) || !clearance_init(a, v, &c, &e))
			return;
		if (clearance_acdf(&c, &l) != ACDF_CLASSIFICATION)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED(arena_done) struct arena a;
	SCOPED(text_errors_done) struct text_errors l;
	struct vocab *v = NULL;
	arena_init(&a, 64 << 20);
	text_errors_init(&l);
	bool ok = spif_check(&a, bytes_of("fuzz"), bytes_from(data, size), &l, &v);
	if (ok != (l.error_count == 0) || ok != (v != NULL))
		abort();
	if (ok)
		use(&a, v);
	else if (text_errors_format(&l, &a) == NULL)
		abort();
	return 0;
}
