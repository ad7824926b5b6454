/*
 * vocab_parts.h - the insides of a vocabulary, for the files of policy/ that build and use them and
 * for 'relto vocab show': constraints (label_check.c), phrases (marking.c), names (vocab.c).
 */
#pragma once
#include "policy/vocab.h"

enum vocab_operation { VOCAB_ONLY_ONE = 1, VOCAB_ONE_OR_MORE, VOCAB_ALL };

/* requiredCategory: the references of its categoryGroups taken together as one set of values. */
struct vocab_required {
	enum vocab_operation operation;
	const uint64_t *values;
	bool unmatched; /* a reference matches no value: 'all' can never be met */
	struct text_pos pos;
};
struct vocab_rules {
	const struct vocab_required *required;
	uint32_t required_count;
	const uint64_t *excluded;  /* excludedCategory: values that must not stand beside */
	uint64_t excluded_classes; /* a set */
	uint64_t required_classes; /* a set: one of them; 0: any */
};

enum { /* the codes of markingData that change what is printed */
	VOCAB_CODE_REPLACE_POLICY = 1,
	VOCAB_CODE_NO_NAME = 2,
	VOCAB_CODE_NO_MARKING = 4,
	VOCAB_CODE_SUPPRESS_CLASS = 8
};
struct vocab_phrase {
	struct bytes lang; /* absent: none */
	struct bytes text; /* absent: the name */
	unsigned codes;
};
enum vocab_qualifier_code { VOCAB_PREFIX = 1, VOCAB_SUFFIX, VOCAB_SEPARATOR };
struct vocab_qualifier {
	struct bytes lang;
	struct bytes text;
	enum vocab_qualifier_code code;
};
struct vocab_marks {
	const struct vocab_phrase *phrases;
	size_t phrase_count;
	const struct vocab_qualifier *qualifiers;
	size_t qualifier_count;
};

/* Names by their folded form: open addressing, at most half full. */
struct vocab_entry {
	uint32_t scope;	 /* VOCAB_SCOPE_*, or VOCAB_SCOPE_VALUES + tag set */
	uint32_t number; /* VOCAB_NONE: free */
	struct bytes folded;
};
enum { VOCAB_SCOPE_CLASS, VOCAB_SCOPE_TAGSET, VOCAB_SCOPE_VALUES };
struct vocab_index {
	struct vocab_entry *entries;
	uint32_t mask; /* entries - 1, a power of two less one */
};

/* An index with room for 'count' names; NULL on shortage. */
struct vocab_index *vocab_index_new(struct arena *a, size_t count);
/* Adds a name.  *taken is the number that has it already in this scope (and nothing is added), or
 * VOCAB_NONE.  False on shortage. */
MUST_USE bool vocab_index_add(struct arena *a, struct vocab_index *x, uint32_t scope,
    struct bytes name, uint32_t number, uint32_t *taken);
uint32_t vocab_index_find(const struct vocab_index *x, uint32_t scope, struct bytes name);
