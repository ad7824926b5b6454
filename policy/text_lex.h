/*
 * text_lex.h - tokens of the block grammar (policy/text.h): for the parser and the formatter.
 * Threads: values.
 */
#pragma once
#include "policy/text.h"

enum text_token_kind {
	TEXT_TOKEN_END,
	TEXT_TOKEN_NEWLINE,
	TEXT_TOKEN_OPEN,
	TEXT_TOKEN_CLOSE,
	TEXT_TOKEN_LIST,
	TEXT_TOKEN_LIST_END,
	TEXT_TOKEN_WORD,
	TEXT_TOKEN_STRING,
	TEXT_TOKEN_BAD /* its error is already in the list */
};

struct text_token {
	enum text_token_kind kind;
	struct bytes text; /* WORD, STRING: unescaped */
	struct text_pos pos;
	struct bytes raw;     /* as it stands in the source */
	struct bytes comment; /* before a NEWLINE or END, with its '#'; absent: none */
};

struct text_lexer {
	struct arena *arena;
	struct text_errors *errors;
	const struct text_file *file;
	size_t at;
	uint32_t line, col;
	struct text_token token; /* the one to look at */
	bool out_of_memory;
};

static inline struct text_lexer
text_lexer_over(struct arena *a, struct text_errors *l, const struct text_file *file)
{
	return (struct text_lexer){ .arena = a, .errors = l, .file = file, .line = 1, .col = 1 };
}

/* Reports each character that may not stand anywhere; false if there was one. */
MUST_USE bool text_lex_check(struct text_errors *errors, const struct text_file *file);
/* The next token.  The source has passed text_lex_check. */
void text_lex_advance(struct text_lexer *p);
/* Shortage as an error of the file, once; returns false. */
bool text_lex_no_memory(struct text_lexer *p);
