/*
 * marking.h - labels as the text that people read (DESIGN section 3, "Markings for people"), and
 * read back from it.
 * Printed: policy name or the last replacePolicy phrase, classification, then tags and values in
 * the order of the SPIF with the phrases of the asked language, prefixes, separators and suffixes
 * of markingQualifier.
 * Threads: values over immutable vocabularies.
 */
#pragma once
#include "policy/label.h"

/* The marking of one label, NUL-terminated, in 'a'.  'lang': an xml:lang as in the SPIF; absent:
 * the phrases without a language.  ERR_NOMEM on shortage. */
MUST_USE bool marking_print(
    struct arena *a, const struct label *l, struct bytes lang, struct bytes *out, struct err *e);
/* As marking_print, with " (originator only)" where the flag is set. */
MUST_USE bool marking_print_banner(
    struct arena *a, const struct banner *b, struct bytes lang, struct bytes *out, struct err *e);
/*
 * The marking of a set of portions as audit records hold it (AUDIT section 1): the labels of all
 * of them, in any order, rolled up vocabulary by vocabulary, one line each, in byte order, LF
 * between.  No labels: empty.
 */
MUST_USE bool marking_record(
    struct arena *a, const struct label *labels, size_t count, struct bytes *out, struct err *e);

/*
 * Reads a marking back as a raw label, in the vocabulary whose printing it is.  Only vocabularies
 * that are 'readable' take part.  ERR_DATA if none reads it, or if two read it differently.
 * White space folds and ASCII case is ignored as in names; values may stand in any order.
 */
MUST_USE bool marking_read(struct arena *a, const struct vocab *const *set, size_t count,
    struct bytes text, struct raw_label *out, struct err *e);
/* The raw form of a label, names as in the SPIF, categories and values in its order. */
MUST_USE bool marking_raw(
    struct arena *a, const struct label *l, struct raw_label *out, struct err *e);
