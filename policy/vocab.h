/*
 * vocab.h - a vocabulary: a security policy in the sense of STANAG 4774, loaded from an Open XML
 * SPIF by spif_load (DESIGN section 3).  Immutable once loaded and given its releasability
 * category; shared by all threads.  It lives in the arena that it was loaded into.
 *
 * Classifications, tag sets, categories and values are numbered from 0 in the order of the SPIF;
 * labels and clearances are sets of these numbers.  A category is a tag set and a type: tags of
 * one type in a set, enumerated ones included, are one category; tags of different types are
 * several categories that share the tag set's name.
 */
#pragma once
#include "policy/text.h"

#define VOCAB_NONE UINT32_MAX

enum vocab_type { VOCAB_RESTRICTIVE = 1, VOCAB_PERMISSIVE, VOCAB_INFORMATIVE };

struct vocab_rules; /* constraints of a classification, tag or value: policy/constraint.c */
struct vocab_marks; /* phrases and qualifiers: policy/marking.c */
struct vocab_index; /* names -> numbers */

struct vocab_class {
	struct bytes name; /* as in the SPIF */
	int64_t lacv;
	int64_t hierarchy;   /* rank comes from it alone; two may share one */
	struct bytes colour; /* absent: none; for people */
	bool obsolete;
	const struct vocab_rules *rules; /* NULL: none */
	const struct vocab_marks *marks; /* NULL: none */
};
struct vocab_tagset {
	struct bytes name;
	struct bytes id;      /* absent: none */
	uint32_t category[4]; /* by enum vocab_type; VOCAB_NONE: no tag of that type */
};
struct vocab_category {
	uint32_t tagset;
	enum vocab_type type;
	const uint64_t *mask; /* its values, 'words' words */
	uint32_t count;	      /* how many */
};
struct vocab_tag {
	uint32_t tagset, category;
	uint32_t first, count; /* its values */
	uint32_t min, max;     /* selection; 0, UINT32_MAX: none */
	const struct vocab_marks *marks;
};
struct vocab_value {
	struct bytes name; /* as in the SPIF */
	uint32_t tagset, category, tag;
	struct bytes lacv; /* as text, leading zeros dropped: not every encoding has numbers */
	bool obsolete;
	uint64_t not_before, not_after;	 /* µs since 1970; 0, UINT64_MAX: none */
	const struct vocab_rules *rules; /* NULL: none */
	const struct vocab_marks *marks; /* NULL: none */
};

/* "In this category, whoever holds 'value' belongs to the group, from .. to": both moments count.
 * From the membership lists of the SPIF's extensions; both are permissive values. */
struct vocab_member {
	uint32_t group, value;
	uint64_t not_before, not_after; /* µs since 1970; 0, UINT64_MAX: none */
};

struct vocab {
	struct bytes name;		       /* the policy name */
	struct bytes id;		       /* an OID, as written; absent: none */
	struct bytes version, schema, created; /* as written; absent: none; for people */
	struct bytes spif;  /* the bytes it was loaded from, borrowed from the caller */
	uint8_t digest[32]; /* SHA-256 of them */
	const struct vocab_class *classes;
	uint32_t class_count; /* 1..64: a set of classes is one uint64_t, bit i = class i */
	const struct vocab_tagset *tagsets;
	uint32_t tagset_count;
	const struct vocab_category *categories;
	uint32_t category_count;
	const struct vocab_tag *tags;
	uint32_t tag_count;
	const struct vocab_value *values;
	uint32_t value_count;
	const struct vocab_member *members; /* by group */
	uint32_t member_count;
	uint32_t words;		     /* 64-bit words of a set of values */
	const uint64_t *restrictive; /* the values of all restrictive categories, 'words' words */
	uint32_t releasability;	     /* category, permissive; VOCAB_NONE: the vocabulary has none */
	bool readable;		     /* every label's marking can be read back (marking_read) */
	const struct vocab_marks *marks;
	const struct vocab_marks *name_marks; /* of the policy name */
	const struct vocab_index *index;
};

/* Sets the releasability category (trap 1): a tag set with a tag of permissive type. */
MUST_USE bool vocab_set_releasability(struct vocab *v, struct bytes tagset, struct err *e);

/*
 * Names compare after dropping white space at both ends, making each run of space, tab, CR and LF
 * one space and lower-casing A-Z; every other byte counts, whatever the locale.
 */
bool vocab_same_name(struct bytes a, struct bytes b);
/* The folded form, in 'a'; false (ERR_NOMEM) on shortage. */
MUST_USE bool vocab_fold(struct arena *a, struct bytes name, struct bytes *out, struct err *e);

/* Numbers by name; VOCAB_NONE if there is none. */
uint32_t vocab_class(const struct vocab *v, struct bytes name);
uint32_t vocab_tagset(const struct vocab *v, struct bytes name);
uint32_t vocab_value(const struct vocab *v, uint32_t tagset, struct bytes name);
/* The same, with ERR_INVALID_LABEL naming the fault and the nearest valid one. */
MUST_USE bool vocab_need_class(
    const struct vocab *v, struct bytes name, uint32_t *out, struct err *e);
MUST_USE bool vocab_need_tagset(
    const struct vocab *v, struct bytes name, uint32_t *out, struct err *e);
MUST_USE bool vocab_need_value(
    const struct vocab *v, uint32_t tagset, struct bytes name, uint32_t *out, struct err *e);

/* The vocabulary of that name among several; NULL if there is none. */
const struct vocab *vocab_find(const struct vocab *const *set, size_t count, struct bytes name);
/* The same, with ERR_INVALID_LABEL and the nearest name. */
MUST_USE bool vocab_need(const struct vocab *const *set, size_t count, struct bytes name,
    const struct vocab **out, struct err *e);
/* The classes whose hierarchy is at most (at least) that of 'class_', as a set. */
uint64_t vocab_up_to(const struct vocab *v, uint32_t class_);
uint64_t vocab_from(const struct vocab *v, uint32_t class_);
/* Whether a value may be used at 'time' (µs): neither obsolete nor outside its dates. */
bool vocab_value_current(const struct vocab *v, uint32_t value, uint64_t time);
const char *vocab_type_name(enum vocab_type t);

/* Sets of values. */
static inline bool
vocab_has(const uint64_t *set, uint32_t i)
{
	return (set[i / 64] >> (i % 64) & 1) != 0;
}

static inline void
vocab_put(uint64_t *set, uint32_t i)
{
	set[i / 64] |= UINT64_C(1) << (i % 64);
}
