/*
 * clearance_xml.h - a confidentiality clearance as STANAG 4774 writes it in XML.
 * A clearance is what an operator lets somebody see, so it is read strictly: what is not understood
 * might limit it and is an error.  The one exception narrows: categories and values that the
 * vocabulary does not have are dropped with a warning (DESIGN section 3).
 * Threads: values.
 */
#pragma once
#include "policy/clearance.h"

#define CLEARANCE_XML_NAMESPACE "urn:nato:stanag:4774:confidentialityclearance:1:0"

/*
 * Reads the ConfidentialityClearance in 'file', whose vocabulary, named by its PolicyIdentifier, is
 * one of 'set'.  DOCTYPE is refused.  False (*out untouched) if an error was added to 'l'.
 */
MUST_USE bool clearance_xml_read(struct arena *a, const struct vocab *const *set, size_t count,
    const struct text_file *file, struct text_errors *l, struct clearance *out);
