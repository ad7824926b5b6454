/*
 * text.h - the block grammar of policy files, reltod.conf and contexts (DESIGN section 4): one
 * parser with several schemas.  A file becomes a tree of statements in which everything has its
 * position, so that whoever finds a fault later, of form or of meaning, can point at it.
 *
 *     statement = ( WORD | STRING ) { value } [ block ]        value = WORD | STRING | list
 *
 * Pure: files are read through callbacks of the caller.  The tree lives in the arena given and
 * borrows from the sources, which the reader puts into the same arena.
 * Threads: values; an error list has one owner.
 *
 * How a loader uses it:
 *     struct text_errors l; text_errors_init(&l);
 *     if (text_load(arena, "policy/relto.policy", &reader, &l, &block))   form
 *         text_check(&l, "", &block, settings, COUNT);                    schema of a block
 *     ... text_error(&l, &statement->pos, help, "…") ...                  meaning
 *     if (l.error_count != 0) fputs(text_errors_format(&l, arena), stderr);
 */
#pragma once
#include "proto/arena.h"
#include "proto/facts.h"
#include "proto/limits.h"

/* ---- positions and errors ---- */

struct text_file {
	struct bytes name;   /* as the caller or the include named it, joined and normalised */
	struct bytes source; /* borrowed; its line is shown under an error */
};
struct text_pos {
	const struct text_file *file; /* NULL: no place (a file that cannot be read) */
	uint32_t line;		      /* from 1; 0: the file as a whole */
	uint32_t col;		      /* from 1, in characters (code points), a tab is one */
};

struct text_fault {
	const char *name; /* of a warning of the linter (lint.def), static; NULL: none */
	const char *file; /* never NULL, perhaps "" */
	uint32_t line, col;
	const char *text;
	const char *help; /* NULL: none */
	const char
	    *source;	/* the line or a part of it, invisible characters replaced; NULL: none */
	uint32_t caret; /* characters of 'source' before the fault */
};
/* Errors and warnings of one run.  The first LIMIT_POLICY_ERRORS of each are kept, all are counted.
 * The list owns its texts: it may outlive arena and sources. */
struct text_errors {
	struct text_fault errors[LIMIT_POLICY_ERRORS];
	struct text_fault warnings[LIMIT_POLICY_ERRORS];
	size_t error_count;   /* may exceed LIMIT_POLICY_ERRORS */
	size_t warning_count; /* likewise */
	struct arena arena;
	struct arena notes; /* of text_note: a large policy fills it without a fault */
};

void text_errors_init(struct text_errors *l);
void text_errors_done(struct text_errors *l);
/* Adds an error.  'pos' and 'help' may be NULL; both are copied.  Always returns false. */
bool text_error(struct text_errors *l, const struct text_pos *pos, const char *help,
    const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Gives the last error its help, if it has none. */
void text_error_help(struct text_errors *l, const char *help);
/* Adds a warning: it is shown and stops nothing. */
void text_warning(struct text_errors *l, const struct text_pos *pos, const char *help,
    const char *fmt, ...) PRINTF_LIKE(4, 5);
/* The same with the linter's stable name for it, a static text: shown in brackets at the end. */
void text_warning_named(struct text_errors *l, const char *name, const struct text_pos *pos,
    const char *help, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* Adds an error with the story of 'e', for faults that another module found.  Returns false. */
bool text_error_from(struct text_errors *l, const struct text_pos *pos, const struct err *e);
/* Warnings, then errors, as people read them:
 *     FILE:LINE:COL: error: TEXT
 *     the source line
 *         ^
 *     help: HELP
 * and, where some were left out, a last line that says how many.  NULL on shortage. */
char *text_errors_format(const struct text_errors *l, struct arena *a);
/* The first error as a struct err of 'code', with how many more there are.  Returns false. */
bool text_errors_to_err(const struct text_errors *l, enum err_code code, struct err *e);

/* A help line "did you mean 'x'?" if one of the names is near, else 'otherwise' (may be NULL).
 * Lives as long as the list. */
const char *text_did_you_mean(struct text_errors *l, struct bytes name, const struct bytes *known,
    size_t count, const char *otherwise);
/* The index of the name nearest to 'name' (ASCII case ignored), or -1 if none is near. */
ptrdiff_t text_nearest(struct bytes name, const struct bytes *known, size_t count);
/* A formatted text that lives as long as the list; "" on shortage.  For help lines. */
const char *text_note(struct text_errors *l, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* "'FILE' line N", for help lines that point at a second place. */
const char *text_place(struct text_errors *l, const struct text_pos *pos);

/* ---- the tree ---- */

enum text_kind { TEXT_WORD = 1, TEXT_STRING, TEXT_LIST };

struct text_value {
	enum text_kind kind;
	struct bytes text; /* WORD or STRING, unescaped; absent for a list */
	struct text_pos pos;
	const struct text_value *items; /* of a list: words and strings, no two alike (error) */
	size_t count;
};
struct text_block {
	const struct text_statement *items;
	size_t count;
	struct text_pos end; /* its '}' or the end of the file, for "x is missing" */
};
struct text_statement {
	struct bytes name; /* WORD or STRING; a quoted keyword is the keyword */
	struct text_pos pos;
	const struct text_value *values;
	size_t value_count;
	bool has_block;
	struct text_block block; /* empty without one */
};

/* What cannot be read is an error whose text names the path. */
struct text_reader {
	/* The bytes of a file, in 'a'.  A file over LIMIT_POLICY_FILE_BYTES may be cut after the
	 * first byte too many. */
	bool (*read)(
	    void *context, const char *path, struct arena *a, struct bytes *out, struct err *e);
	/* The plain names (no folder, any order) of the files in a folder, in 'a'. */
	bool (*list)(
	    void *context, const char *folder, struct arena *a, struct names *out, struct err *e);
	void *context;
};

/*
 * Reads 'path' and all that it includes ('include "x"', 'include-dir "d"': *.policy in byte
 * order, relative to the including file, at the top level only); the statements of included files
 * stand in place of the include.  False if an error was added.
 */
MUST_USE bool text_load(struct arena *a, const char *path, const struct text_reader *reader,
    struct text_errors *l, struct text_block *out);
/* Parses one text that may not include ('include' is then a statement like any other, for the
 * schema to refuse).  'source' and 'name' must outlive the tree.  False if an error was added. */
MUST_USE bool text_parse(struct arena *a, struct bytes name, struct bytes source,
    struct text_errors *l, struct text_block *out);
/* The same of a canonical export, which is all files of a policy in one: of any size. */
MUST_USE bool text_parse_export(struct arena *a, struct bytes name, struct bytes source,
    struct text_errors *l, struct text_block *out);

/* ---- schemas ---- */

enum text_block_need { TEXT_BLOCK_NONE, TEXT_BLOCK_OPTIONAL, TEXT_BLOCK_REQUIRED };
/*
 * A setting of a block.  'values' says what follows its name: one letter a value, 'v' a word or
 * string, 'l' a list, 'a' either; a '?' makes all that follows it optional, a '*' at the end
 * allows any more; NULL checks nothing.  'usage' is the help line when they do not fit.
 */
struct text_setting {
	const char *name;
	const char *values;
	enum text_block_need block;
	bool repeats;
	bool required;
	const char *usage;
};
/*
 * Checks names ("did you mean"), repetition, values, blocks and presence for each statement of a
 * block.  'of' names the block in messages ("party NOR"; "" is the file).  False if an error was
 * added; statements found at fault are to be skipped by asking text_fits.
 */
bool text_check(struct text_errors *l, const char *of, const struct text_block *b,
    const struct text_setting *settings, size_t count);
/* Whether the values and block of one statement are as the setting says; adds nothing. */
bool text_fits(const struct text_statement *s, const struct text_setting *setting);
/* The first statement of that name, or NULL. */
const struct text_statement *text_find(const struct text_block *b, const char *name);

/* ---- typed values: each adds an error at the value and returns false if it is not one ---- */

/* A word or string (not a list), at most 'max' bytes, not empty. */
MUST_USE bool text_string(
    struct text_errors *l, const struct text_value *v, size_t max, struct bytes *out);
/* A name of a party, agreement, rule, subscription, node: [A-Za-z0-9][A-Za-z0-9_-]{0,63}. 'what'
 * names it in the message ("agreement"). */
MUST_USE bool text_name(
    struct text_errors *l, const struct text_value *v, const char *what, struct bytes *out);
/* One of the keywords; *index is its place in 'known'. */
MUST_USE bool text_choice(struct text_errors *l, const struct text_value *v,
    const char *const *known, size_t count, size_t *index);
/* The keyword itself, as in 'valid from .. until ..'. */
MUST_USE bool text_keyword(struct text_errors *l, const struct text_value *v, const char *word);
/* A decimal integer without sign or leading zero, min..max. */
MUST_USE bool text_integer(
    struct text_errors *l, const struct text_value *v, uint64_t min, uint64_t max, uint64_t *out);
/* integer + ms|s|m|h|d, in milliseconds. */
MUST_USE bool text_duration(struct text_errors *l, const struct text_value *v, uint64_t min_ms,
    uint64_t max_ms, uint64_t *ms);
/* integer + KiB|MiB|GiB, in bytes. */
MUST_USE bool text_size(
    struct text_errors *l, const struct text_value *v, uint64_t min, uint64_t max, uint64_t *bytes);
/* RFC 3339 UTC with Z, in microseconds since 1970. */
MUST_USE bool text_time(struct text_errors *l, const struct text_value *v, uint64_t *us);
/* YYYY-MM-DD, as the microsecond at which that UTC day begins. */
MUST_USE bool text_date(struct text_errors *l, const struct text_value *v, uint64_t *us);
/* The texts of a list, in 'a'.  An empty list is an error unless 'empty_ok'. */
MUST_USE bool text_list(struct text_errors *l, const struct text_value *v, struct arena *a,
    bool empty_ok, struct names *out);

/* The same readings without a list of errors, for command-line options and JSON. */
MUST_USE bool text_to_integer(struct bytes in, uint64_t *out);
MUST_USE bool text_to_duration(struct bytes in, uint64_t *ms);
MUST_USE bool text_to_size(struct bytes in, uint64_t *bytes);
MUST_USE bool text_to_time(struct bytes in, uint64_t *us);
MUST_USE bool text_to_date(struct bytes in, uint64_t *us);
/* The UTC day of a moment (µs) as YYYY-MM-DD; NULL on shortage. */
char *text_day(struct arena *a, uint64_t us);
bool text_is_name(struct bytes in);
/* Whether the text may stand as a WORD, without quotes. */
bool text_is_word(struct bytes in);
/* UTF-8 without overlong forms, surrogates, controls other than tab and LF, bidi controls
 * and zero-width characters.  *at is the offset of the first fault. */
bool text_is_clean(struct bytes in, size_t *at);
/* WORD or quoted, as the canonical export writes it; NULL on shortage or if the text cannot be
 * quoted (a control character). */
char *text_quote(struct arena *a, struct bytes in);

static inline void
text_errors_done_scoped(struct text_errors *l)
{
	text_errors_done(l);
}
