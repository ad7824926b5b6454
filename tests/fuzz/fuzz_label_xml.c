/* STANAG 4774 labels in XML. */
#include <stdint.h>
#include <stdlib.h>

#include "policy/label.h"
#include "policy/label_xml.h"
#include "tests/fuzz/vocab_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What we write, we read back without a word, as the same label. */
static void
write_and_read(struct arena *a, const struct vocab *const *set, const struct label *label)
{
	SCOPED(text_errors_done) struct text_errors l;
	struct label_xml_dates dates = { 1, 2 };
	struct text_file f = { .name = bytes_of("written") };
	struct raw_label raw;
	struct label again;
	struct err e;
	text_errors_init(&l);
	if (!label_xml_write(a, label, &dates, &f.source, &e) ||
	    !label_xml_read(a, set, 1, &f, &l, &raw) || l.warning_count != 0 ||
	    !label_resolve(a, *set, &raw, &again, &e) || !label_equal(label, &again))
		abort();
}

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
	    label_resolve(&a, v, &raw, &label, &e)) {
		if (label.vocab != v)
			abort();
		write_and_read(&a, &v, &label);
	}
	return 0;
}
