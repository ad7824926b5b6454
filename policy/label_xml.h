/*
 * label_xml.h - a confidentiality label as STANAG 4774 writes it in XML, read leniently: what is
 * missing or misspelt without changing the meaning becomes a warning.
 * Threads: values.
 */
#pragma once
#include "policy/vocab.h"

/*
 * Reads the label of 'file', which must outlive it.  The first originatorConfidentialityLabel
 * (or alternative one, with a warning) counts.  DOCTYPE is refused.  The types that the label
 * gives to its categories are compared with those of its vocabulary if that is in 'set'; a
 * difference is an error, for it would change the decision.  False if an error was added to 'l'.
 */
MUST_USE bool label_xml_read(struct arena *a, const struct vocab *const *set, size_t count,
    const struct text_file *file, struct text_errors *l, struct raw_label *out);
