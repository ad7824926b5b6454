/*
 * spif_parts.h - what the passes of spif_load share; for policy/spif*.c alone.
 */
#pragma once
#include "policy/spif.h"
#include "policy/vocab_parts.h"
#include "policy/xml.h"

#define SPIF_NAMESPACE "http://www.xmlspif.org/spif"

/* A tag type as the SPIF writes it: within a set, lacv count from anew in each. */
enum spif_encoding {
	SPIF_RESTRICTIVE = 1,
	SPIF_PERMISSIVE,
	SPIF_TAG7,
	SPIF_ENUM_RESTRICTIVE,
	SPIF_ENUM_PERMISSIVE
};

struct spif {
	struct arena *arena; /* the vocabulary's */
	struct arena *work;  /* of this load alone */
	struct text_errors *errors;
	bool warns; /* whether what the linter says is wanted */
	const struct xml_element *root;
	struct vocab v;
	struct vocab_index *index;
	/* v's arrays, while they are filled; the elements they came from stand beside them */
	struct vocab_class *classes;
	struct vocab_tagset *tagsets;
	struct vocab_category *categories;
	struct vocab_tag *tags;
	struct vocab_value *values;
	const struct xml_element **class_at, **tagset_at, **tag_at, **value_at;
	enum spif_encoding *value_encoding;
};

/* Names and attributes of all elements against what the schema knows; false if an error. */
bool spif_shape(struct spif *s);
/* Constraints of classes and values, once all names are known. */
bool spif_rules(struct spif *s);
/* The membership lists of the extensions; false on shortage or past a limit. */
MUST_USE bool spif_groups(struct spif *s);
/* What a linter says; adds warnings only, and finds out whether markings can be read back. */
MUST_USE bool spif_lint(struct spif *s);
/* The phrases and qualifiers under an element; *out is NULL if there are none.  False on error. */
MUST_USE bool spif_marks(
    struct spif *s, const struct xml_element *x, const struct vocab_marks **out);

/* The next SPIF element of that name from 'x' on, along the siblings; NULL at the end. */
const struct xml_element *spif_next(const struct xml_element *x, const char *name);
/* Error at an element.  Returns false. */
bool spif_error(struct spif *s, const struct xml_element *x, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void spif_warn(struct spif *s, const struct xml_element *x, const char *fmt, ...) PRINTF_LIKE(3, 4);
bool spif_no_memory(struct spif *s);
/* tagType and enumType; false with an error if they are not one of ours. */
MUST_USE bool spif_type(struct spif *s, const struct xml_element *x, enum spif_encoding *encoding,
    enum vocab_type *type);
/* A boolean attribute; *out is untouched without one. */
MUST_USE bool spif_boolean(
    struct spif *s, const struct xml_element *x, const char *name, bool *out);
/* Without white space at both ends. */
struct bytes spif_trim(struct bytes in);
/* A moment in µs since 1970; 'late': a day without a time is its last microsecond.  *without says
 * that no zone was given: it is UTC then.  False (*out untouched) if it is none. */
MUST_USE bool spif_moment(struct bytes text, bool late, bool *without, uint64_t *out);
/* 'lacv' as text without white space and leading zeros; absent if there is none. */
struct bytes spif_lacv(const struct xml_element *x);
/* The same of a text. */
struct bytes spif_lacv_text(struct bytes text);
