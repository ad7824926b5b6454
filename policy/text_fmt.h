/*
 * text_fmt.h - one layout for texts of the block grammar: `relto policy fmt`.
 * Words, strings, comments and the author's line breaks stay; blanks are ours:
 *   - four blanks an indent, one between values, two before a comment: no columns, so that an edit
 *     moves no other line and a diff shows the edit alone;
 *   - at most one empty line in a row, none at the edges of a file, block or list;
 *   - a block or list that was on one line stays on one, else its brackets end and begin lines.
 * Threads: pure.
 */
#pragma once
#include "policy/text.h"

/*
 * The text laid out, in 'a'.  False, with an error in 'l', if it does not parse or would not be a
 * legal file any more.  What comes out says the same, statement by statement (it is parsed again
 * and compared), and is laid out to itself.
 */
MUST_USE bool text_fmt(struct arena *a, struct bytes name, struct bytes source,
    struct text_errors *l, struct bytes *out);
