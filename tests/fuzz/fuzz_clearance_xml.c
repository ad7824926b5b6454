/* STANAG 4774 clearances in XML. */
#include <stdint.h>
#include <stdlib.h>

#include "policy/clearance_xml.h"
#include "tests/fuzz/vocab_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED(arena_done) struct arena a;
	SCOPED(text_errors_done) struct text_errors l;
	const struct vocab *v = vocab_file();
	struct text_file f = { bytes_of("fuzz"), bytes_from(data, size) };
	struct clearance c = { NULL, 0, NULL };
	arena_init(&a, 64 << 20);
	text_errors_init(&l);
	bool ok = clearance_xml_read(&a, &v, 1, &f, &l, &c);
	if (ok != (l.error_count == 0) || ok != (c.vocab == v))
		abort();
	if (!ok)
		return 0;
	if (c.classes == 0 || (v->class_count < 64 && c.classes >> v->class_count != 0))
		abort();
	for (uint32_t i = v->value_count; i < v->words * 64; i++)
		if (vocab_has(c.values, i))
			abort();
	return 0;
}
