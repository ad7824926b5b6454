/*
 * xml.h - an XML document as a small tree, for SPIFs and labels; for policy/ alone.
 * expat reads it; any DOCTYPE is refused, so there are no entities of its own and no expansion.
 * Threads: values.
 */
#pragma once
#include "policy/text.h"

struct xml_attribute {
	struct bytes ns; /* absent: none */
	struct bytes name;
	struct bytes value;
};
struct xml_element {
	struct bytes ns; /* absent: none */
	struct bytes name;
	struct text_pos pos;
	const struct xml_attribute *attributes;
	size_t attribute_count;
	struct bytes text; /* its character data, without that of its children */
	const struct xml_element *parent, *child, *next;
};

/*
 * Parses a document of at most 'max' bytes into 'a'.  'file' must outlive the tree.  Whether it is
 * well-formed is found out first: if it is not, that is the one error.  False if an error was
 * added to 'l'.
 */
MUST_USE bool xml_parse(struct arena *a, const struct text_file *file, size_t max,
    struct text_errors *l, const struct xml_element **out);

/* An attribute without namespace; NULL if there is none. */
const struct bytes *xml_attribute(const struct xml_element *x, const char *name);
/* xml:lang; absent if there is none. */
struct bytes xml_lang(const struct xml_element *x);
