/*
 * spif.h - an Open XML SPIF becomes a vocabulary (DESIGN section 3).
 * Schema 2.1, 2.0 or 1.0; the SPIF namespace is required, 3.0 and any DOCTYPE are refused.
 * Threads: one call at a time per arena.
 */
#pragma once
#include "policy/vocab.h"

/*
 * Loads 'spif' into 'a'.  'file' names it in errors; both must outlive the vocabulary.  All faults
 * go to 'l'; false if there was one.  The vocabulary has no releasability category yet.
 */
MUST_USE bool spif_load(struct arena *a, struct bytes file, struct bytes spif,
    struct text_errors *l, struct vocab **out);
/* The same, and what a linter says and no decision depends on, as warnings. */
MUST_USE bool spif_check(struct arena *a, struct bytes file, struct bytes spif,
    struct text_errors *l, struct vocab **out);
