/*
 * label_xml.h - a confidentiality label as STANAG 4774 writes it in XML: read leniently (what is
 * missing or misspelt without changing the meaning becomes a warning), written strictly.
 * Threads: values.
 */
#pragma once
#include "policy/label.h"

#define LABEL_XML_NAMESPACE "urn:nato:stanag:4774:confidentialitymetadatalabel:1:0"

/*
 * Reads the label of 'file', which must outlive it.  The first originatorConfidentialityLabel
 * (or alternative one, with a warning) counts.  DOCTYPE is refused.  The types that the label
 * gives to its categories are compared with those of its vocabulary if that is in 'set'; a
 * difference is an error, for it would change the decision.  False if an error was added to 'l'.
 */
MUST_USE bool label_xml_read(struct arena *a, const struct vocab *const *set, size_t count,
    const struct text_file *file, struct text_errors *l, struct raw_label *out);

struct label_xml_dates {  /* µs since 1970 */
	uint64_t created; /* CreationDateTime, which the schema requires */
	uint64_t review;  /* ReviewDateTime; 0: none */
};
/*
 * Writes an originatorConfidentialityLabel that the schema of ADatP-4774 accepts, with the names of
 * the SPIF, one category for each tag set and type, in the order of the SPIF.  The bytes are their
 * own canonical form (Canonical XML 1.0), without a line feed at the end: one label has one text.
 * ERR_NOMEM on shortage.
 */
MUST_USE bool label_xml_write(struct arena *a, const struct label *l,
    const struct label_xml_dates *dates, struct bytes *out, struct err *e);
