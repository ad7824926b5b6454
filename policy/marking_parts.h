/*
 * marking_parts.h - the pieces that a marking is made of; for policy/marking*.c and the linter.
 */
#pragma once
#include "policy/marking.h"
#include "policy/page.h"
#include "policy/vocab_parts.h"

/* The text of a value alone: empty if it does not print. */
void marking_put_value(struct page *p, const struct vocab_value *v, struct bytes lang);
/* A prefix, suffix or separator; 'otherwise' where there is none. */
struct bytes marking_qualifier(const struct vocab_marks *m, enum vocab_qualifier_code code,
    struct bytes lang, const char *otherwise);
/* Policy and classification of a label, with the prefix of the whole. */
void marking_put_header(struct page *p, const struct label *l, struct bytes lang);

/* For the linter, without a language; false on shortage. */
MUST_USE bool marking_of_value(struct arena *a, const struct vocab *v, uint32_t value,
    struct bytes *out); /* with what its tag puts around it; empty if it does not print */
MUST_USE bool marking_of_class(
    struct arena *a, const struct vocab *v, uint32_t class_, struct bytes *out);
/* Whether a value changes how policy or classification print. */
bool marking_changes_header(const struct vocab *v, uint32_t value);
