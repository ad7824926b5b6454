/*
 * label_arg.h - a label as people give it on the command line: a marking ("ATLAS SECRET//REL TO
 * GBR"), JSON ({"vocabulary":..,"classification":..,"categories":{..}}), or the name of a STANAG
 * 4774 XML file (it ends in .xml).
 * Threads: one.
 */
#pragma once
#include "policy/vocab.h"

struct label_arg { /* what it is read with */
	struct arena *arena;
	const struct vocab *const *set;
	size_t count;
	struct text_errors *warnings; /* of XML files */
};

/* Reads 'arg'; the names in it are not resolved yet.  ERR_DATA, ERR_NOT_FOUND or ERR_IO with what
 * is wrong. */
MUST_USE bool label_arg_read(
    const struct label_arg *with, const char *arg, struct raw_label *out, struct err *e);
