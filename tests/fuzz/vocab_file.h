/* vocab_file.h - the shipped ATLAS vocabulary, for targets that need one.  Run in the project's
 * root, or anywhere with a copy of policy/vocab. */
#pragma once
#include "policy/spif.h"
#include "tests/lib/slurp.h"

static inline const struct vocab *
vocab_file(void)
{
	static struct arena arena;
	static struct text_errors errors;
	static struct vocab *v;
	if (v != NULL)
		return v;
	arena_init(&arena, 16 << 20);
	text_errors_init(&errors);
	struct bytes spif = slurp(&arena, "policy/vocab/atlas.spif.xml");
	if (spif.data == NULL || !spif_load(&arena, bytes_of("atlas"), spif, &errors, &v))
		abort();
	return v;
}
