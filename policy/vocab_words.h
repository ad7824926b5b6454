/*
 * vocab_words.h - what a vocabulary demands of labels, in words for people.
 * Threads: values over immutable vocabularies.
 */
#pragma once
#include "policy/vocab_parts.h"

/* Each text is NUL-terminated, in 'a', empty if there is nothing to say; false (ERR_NOMEM) on
 * shortage. */

/* The values of a set by category: "Releasable To: GBR, NOR; Handling", where all of a category
 * but perhaps 'self' are said by its name alone.  'self' may be VOCAB_NONE. */
MUST_USE bool vocab_words_set(struct arena *a, const struct vocab *v, const uint64_t *set,
    uint32_t self, struct bytes *out, struct err *e);
/* What must stand beside a classification or value, and what must not.  'rules' may be NULL. */
MUST_USE bool vocab_words_needs(struct arena *a, const struct vocab *v,
    const struct vocab_rules *rules, struct bytes *out, struct err *e);
MUST_USE bool vocab_words_bars(
    struct arena *a, const struct vocab *v, uint32_t self, struct bytes *out, struct err *e);
/* A day where the moment begins (or, 'late', ends) one, else the time; "" where there is none. */
MUST_USE bool vocab_words_moment(
    struct arena *a, uint64_t us, bool late, struct bytes *out, struct err *e);
/* How a classification or value prints in a language (absent: without one); "" if it does not. */
MUST_USE bool vocab_words_class(struct arena *a, const struct vocab *v, uint32_t class_,
    struct bytes lang, struct bytes *out, struct err *e);
MUST_USE bool vocab_words_value(struct arena *a, const struct vocab *v, uint32_t value,
    struct bytes lang, struct bytes *out, struct err *e);
/* "onlyOne", "oneOrMore", "all", as in the SPIF. */
const char *vocab_operation_name(enum vocab_operation o);
