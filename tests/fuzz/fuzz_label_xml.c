/* STANAG 4774 labels in XML. */
#include <stdint.h>
#include <stdlib.h>

#include "policy/label.h"
#include "policy/label_xml.h"
#include "tests/fuzz/vocab_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED(arena_done) struct arena a;
	SCOPED(text_errors_done) struct text_errors l;
	const struct vocab *v = vocab_file();
	struct text_file f = { bytes_of("fuzz"), bytes_from(data, size) };
	struct raw_label raw;
	struct label label;
	struct err e;
	arena_init(&a, 64 << 20);
	text_errors_init(&l);
	bool ok = label_xml_read(&a, &v, 1, &f, &l, &raw);
	if (ok != (l.error_count == 0))
		abort();
	if (ok && vocab_find(&v, 1, raw.vocabulary) != NULL &&
	    label_resolve(&a, v, &raw, &label, &e) && label.vocab != v)
		abort();
	return 0;
}
