/*
 * edit.h - the text of a policy as it stands: where its statements are, and single changes of it as
 * an operator would write them.
 * Threads: values over the text.
 */
#pragma once
#include "policy/overlay.h"
#include "policy/text.h"

struct edit_text {
	struct arena *arena;
	struct text_block top;
	struct bytes folder; /* of the root file, with its slash: cut from places */
};

/* Reads the text of a policy that loads. */
MUST_USE bool edit_load(struct arena *a, const struct epoch_source *src, const char *root,
    struct edit_text *out, struct err *e);

/* "agreements.d/atlas.policy:48". */
struct bytes edit_place(const struct edit_text *t, const struct text_pos *pos);
/* The statement 'setting NAME ..' of a block; 'name' absent: any.  Vocabularies compare as DESIGN 3
 * says, so 'folded' ones do.  NULL: none. */
const struct text_statement *edit_find(
    const struct text_block *b, const char *setting, struct bytes name, bool folded);
/* The category of that name in a clearance; NULL: none. */
const struct text_statement *edit_category(const struct text_block *b, struct bytes name);

/* Each makes one change; false (ERR_NOMEM) on shortage. */
/* A value (a list too) becomes 'text'. */
MUST_USE bool edit_replace(const struct edit_text *t, const struct text_value *v, struct bytes text,
    struct edit *out, struct err *e);
/* One more item at the end of a list. */
MUST_USE bool edit_list_add(const struct edit_text *t, const struct text_value *list,
    struct bytes item, struct edit *out, struct err *e);
/* One more statement (a line, or several) at the end of a block. */
MUST_USE bool edit_block_add(const struct edit_text *t, const struct text_statement *s,
    struct bytes text, struct edit *out, struct err *e);
/* A block of one statement for a statement that has none. */
MUST_USE bool edit_block_new(const struct edit_text *t, const struct text_statement *s,
    struct bytes text, struct edit *out, struct err *e);
/* The values from 'first' to 'last' become 'text'. */
MUST_USE bool edit_replace_values(const struct edit_text *t, const struct text_value *const ends[2],
    struct bytes text, struct edit *out, struct err *e);
/* The statement goes. */
MUST_USE bool edit_remove(
    const struct edit_text *t, const struct text_statement *s, struct edit *out, struct err *e);
