/* The words, strings, marks and comments of the block grammar. */
#include "policy/text_lex.h"

#include "policy/text_chars.h"

bool
text_lex_no_memory(struct text_lexer *p)
{
	if (!p->out_of_memory) {
		struct text_pos whole = { p->file, 0, 0 };
		(void)text_error(p->errors, &whole, NULL, "out of memory: the policy is too large");
	}
	p->out_of_memory = true;
	return false;
}

/* ---- the characters ---- */

/* Reports each character that may not stand anywhere; false if there was one. */
bool
text_lex_check(struct text_errors *errors, const struct text_file *file)
{
	static const char *const what[] = {
		[TEXT_CHAR_CONTROL] = "control character",
		[TEXT_CHAR_BIDI] = "bidirectional control character",
		[TEXT_CHAR_INVISIBLE] = "invisible character",
	};
	struct text_pos pos = { file, 1, 1 };
	struct bytes s = file->source;
	bool ok = true;
	size_t most = errors->error_count + LIMIT_POLICY_ERRORS; /* a file before may have many */
	for (size_t i = 0; i < s.len && errors->error_count <= most; pos.col++) {
		uint32_t point;
		size_t len;
		enum text_char class_ = text_char_at(s, i, &point, &len);
		if (point == '\r' && (i + 1 == s.len || s.data[i + 1] != '\n'))
			class_ = TEXT_CHAR_CONTROL;
		if (class_ == TEXT_CHAR_BAD_UTF8)
			ok = text_error(errors, &pos, "files are UTF-8", "byte 0x%02x is not UTF-8",
			    (unsigned)point);
		else if (class_ != TEXT_CHAR_PLAIN)
			ok = text_error(errors, &pos,
			    "remove it: it could make the text look other than it is",
			    "%s U+%04X is not allowed", what[class_], (unsigned)point);
		i += len;
		if (point == '\n')
			pos = (struct text_pos){ file, pos.line + 1, 0 };
	}
	return ok;
}

/* ---- tokens ---- */

static struct text_pos
here(const struct text_lexer *p)
{
	return (struct text_pos){ p->file, p->line, p->col };
}

static bool
at_end(const struct text_lexer *p)
{
	return p->at >= p->file->source.len;
}

static uint8_t
peek(const struct text_lexer *p)
{
	return at_end(p) ? 0 : p->file->source.data[p->at];
}

/* Over one character; the source is known to be UTF-8. */
static void
skip_char(struct text_lexer *p)
{
	uint32_t point;
	size_t len;
	(void)text_char_at(p->file->source, p->at, &point, &len);
	p->at += len;
	p->col++;
	if (point == '\n') {
		p->line++;
		p->col = 1;
	}
}

/* Over blanks and a comment, which it gives. */
static struct bytes
skip_blanks(struct text_lexer *p)
{
	while (!at_end(p) && (peek(p) == ' ' || peek(p) == '\t' || peek(p) == '\r'))
		skip_char(p);
	size_t first = p->at;
	if (peek(p) == '#')
		while (!at_end(p) && peek(p) != '\n')
			skip_char(p);
	return (
	    struct bytes){ p->at == first ? NULL : p->file->source.data + first, p->at - first };
}

/* The text between quotes with its escapes resolved; copies only if there are any. */
static bool
unescape(struct text_lexer *p, struct bytes raw, struct bytes *out)
{
	if (raw.len == 0 || memchr(raw.data, '\\', raw.len) == NULL) {
		*out = raw;
		return true;
	}
	uint8_t *to = arena_alloc(p->arena, raw.len);
	if (to == NULL)
		return text_lex_no_memory(p);
	size_t n = 0;
	for (size_t i = 0; i < raw.len; i++) {
		if (raw.data[i] == '\\')
			i++; /* scan_string saw that one follows */
		to[n++] = raw.data[i];
	}
	*out = (struct bytes){ to, n };
	return true;
}

static enum text_token_kind
scan_string(struct text_lexer *p, struct bytes *text)
{
	struct text_pos start = here(p);
	bool ok = true;
	skip_char(p);
	size_t first = p->at;
	while (!at_end(p) && peek(p) != '"' && peek(p) != '\n') {
		struct text_pos pos = here(p);
		if (peek(p) == '\\') {
			skip_char(p);
			if (peek(p) != '"' && peek(p) != '\\') {
				ok = text_error(p->errors, &pos,
				    "\\\" and \\\\ are the only escapes", "unknown escape");
				continue;
			}
		}
		skip_char(p);
	}
	if (peek(p) != '"' || at_end(p)) {
		(void)text_error(p->errors, &start, "a string ends on the line where it begins",
		    "the string is not closed");
		return TEXT_TOKEN_BAD;
	}
	struct bytes raw = { p->file->source.data + first, p->at - first };
	skip_char(p);
	return ok && unescape(p, raw, text) ? TEXT_TOKEN_STRING : TEXT_TOKEN_BAD;
}

static enum text_token_kind
scan_word(struct text_lexer *p, struct bytes *text)
{
	size_t first = p->at;
	while (!at_end(p) && text_char_in_word(peek(p)))
		skip_char(p);
	*text = (struct bytes){ p->file->source.data + first, p->at - first };
	return TEXT_TOKEN_WORD;
}

static enum text_token_kind
scan_other(struct text_lexer *p)
{
	struct text_pos pos = here(p);
	size_t first = p->at;
	skip_char(p);
	(void)text_error(p->errors, &pos,
	    "a word is of letters, digits and _.:/+@*%=<>~|- ; put anything else in quotes",
	    "'%.*s' must be quoted", (int)(p->at - first),
	    (const char *)p->file->source.data + first);
	/* one error for the whole of it */
	while (!at_end(p) && strchr(" \t\r\n{}[]#\"", peek(p)) == NULL)
		skip_char(p);
	return TEXT_TOKEN_BAD;
}

/* The character after a word or string must end it: a"b" is a slip of the pen. */
static enum text_token_kind
check_gap(struct text_lexer *p, enum text_token_kind kind)
{
	if (kind == TEXT_TOKEN_BAD || at_end(p))
		return kind;
	if (peek(p) != '"' && (kind != TEXT_TOKEN_STRING || !text_char_in_word(peek(p))))
		return kind;
	struct text_pos pos = here(p);
	(void)text_error(p->errors, &pos, "put a blank between two values", "a blank is missing");
	return TEXT_TOKEN_BAD;
}

void
text_lex_advance(struct text_lexer *p)
{
	static const char marks[] = "\n{}[]";
	static const enum text_token_kind kinds[] = { TEXT_TOKEN_NEWLINE, TEXT_TOKEN_OPEN,
		TEXT_TOKEN_CLOSE, TEXT_TOKEN_LIST, TEXT_TOKEN_LIST_END };
	struct bytes comment = skip_blanks(p);
	struct text_token t = { .pos = here(p), .comment = comment };
	size_t first = p->at;
	const char *mark = at_end(p) || peek(p) == 0 ? NULL : strchr(marks, peek(p));
	if (at_end(p)) {
		t.kind = TEXT_TOKEN_END;
	} else if (mark != NULL) {
		t.kind = kinds[mark - marks];
		skip_char(p);
	} else if (peek(p) == '"') {
		t.kind = check_gap(p, scan_string(p, &t.text));
	} else if (text_char_in_word(peek(p))) {
		t.kind = check_gap(p, scan_word(p, &t.text));
	} else {
		t.kind = scan_other(p);
	}
	if (p->at != first)
		t.raw = (struct bytes){ p->file->source.data + first, p->at - first };
	p->token = t;
}
