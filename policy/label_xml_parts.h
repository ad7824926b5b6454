/*
 * label_xml_parts.h - what labels and clearances in XML have in common; for policy/ alone.
 */
#pragma once
#include "policy/vocab.h"
#include "policy/xml.h"

/* The text of an element that holds text alone: a name, in 'a'.  False if an error was added. */
MUST_USE bool label_xml_text(
    struct arena *a, struct text_errors *l, const struct xml_element *x, struct bytes *out);
/* RESTRICTIVE, PERMISSIVE or INFORMATIVE, in any case.  False if an error was added. */
MUST_USE bool label_xml_type(
    struct text_errors *l, const struct xml_element *x, struct bytes text, enum vocab_type *out);
/* The URI of a PolicyIdentifier must be the object identifier of the vocabulary that its name
 * found, if both say one: another policy may have that name.  False if an error was added. */
MUST_USE bool label_xml_policy(
    struct text_errors *l, const struct xml_element *x, const struct vocab *v);
