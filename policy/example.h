/*
 * example.h - a label as people write it and the tools read it back.
 * Threads: pure.
 */
#pragma once
#include "policy/epoch.h"
#include "proto/facts.h"

/* Its marking, where the vocabulary's markings can be read back; else JSON.  NULL on shortage. */
const char *example_label(struct arena *a, const struct epoch *p, const struct raw_label *l);
/* The same where either policy may know the label alone. */
const char *example_label_of(
    struct arena *a, const struct epoch *const p[2], const struct raw_label *l);
