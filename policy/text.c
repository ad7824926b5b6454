/* From bytes to a tree of statements: hand-written recursive descent with recovery at line ends. */
#include "policy/text.h"
#include "policy/text_chars.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/dry.h"

enum token_kind {
	TOKEN_END,
	TOKEN_NEWLINE,
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_LIST,
	TOKEN_LIST_END,
	TOKEN_WORD,
	TOKEN_STRING,
	TOKEN_BAD /* its error is already in the list */
};

struct token {
	enum token_kind kind;
	struct bytes text;
	struct text_pos pos;
};

struct parser {
	struct arena *arena;
	struct text_errors *errors;
	const struct text_file *file;
	size_t at;
	uint32_t line, col;
	struct token token; /* the one to look at */
	unsigned depth;
	bool out_of_memory;
};

#define SHOWN_NAME(b) (int)((b).len < 200 ? (b).len : 200), (const char *)(b).data

static bool
no_memory(struct parser *p)
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
static bool
check_characters(struct text_errors *errors, const struct text_file *file)
{
	static const char *const what[] = {
		[TEXT_CHAR_CONTROL] = "control character",
		[TEXT_CHAR_BIDI] = "bidirectional control character",
		[TEXT_CHAR_INVISIBLE] = "invisible character",
	};
	struct text_pos pos = { file, 1, 1 };
	struct bytes s = file->source;
	bool ok = true;
	for (size_t i = 0; i < s.len && errors->error_count <= LIMIT_POLICY_ERRORS; pos.col++) {
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
here(const struct parser *p)
{
	return (struct text_pos){ p->file, p->line, p->col };
}

static bool
at_end(const struct parser *p)
{
	return p->at >= p->file->source.len;
}

static uint8_t
peek(const struct parser *p)
{
	return at_end(p) ? 0 : p->file->source.data[p->at];
}

/* Over one character; the source is known to be UTF-8. */
static void
skip_char(struct parser *p)
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

static void
skip_blanks(struct parser *p)
{
	while (!at_end(p) && (peek(p) == ' ' || peek(p) == '\t' || peek(p) == '\r'))
		skip_char(p);
	if (peek(p) != '#' || at_end(p))
		return;
	while (!at_end(p) && peek(p) != '\n')
		skip_char(p);
}

/* The text between quotes with its escapes resolved; copies only if there are any. */
static bool
unescape(struct parser *p, struct bytes raw, struct bytes *out)
{
	if (raw.len == 0 || memchr(raw.data, '\\', raw.len) == NULL) {
		*out = raw;
		return true;
	}
	uint8_t *to = arena_alloc(p->arena, raw.len);
	if (to == NULL)
		return no_memory(p);
	size_t n = 0;
	for (size_t i = 0; i < raw.len; i++) {
		if (raw.data[i] == '\\')
			i++; /* scan_string saw that one follows */
		to[n++] = raw.data[i];
	}
	*out = (struct bytes){ to, n };
	return true;
}

static enum token_kind
scan_string(struct parser *p, struct bytes *text)
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
		return TOKEN_BAD;
	}
	struct bytes raw = { p->file->source.data + first, p->at - first };
	skip_char(p);
	return ok && unescape(p, raw, text) ? TOKEN_STRING : TOKEN_BAD;
}

static enum token_kind
scan_word(struct parser *p, struct bytes *text)
{
	size_t first = p->at;
	while (!at_end(p) && text_char_in_word(peek(p)))
		skip_char(p);
	*text = (struct bytes){ p->file->source.data + first, p->at - first };
	return TOKEN_WORD;
}

static enum token_kind
scan_other(struct parser *p)
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
	return TOKEN_BAD;
}

/* The character after a word or string must end it: a"b" is a slip of the pen. */
static enum token_kind
check_gap(struct parser *p, enum token_kind kind)
{
	if (kind == TOKEN_BAD || at_end(p))
		return kind;
	if (peek(p) != '"' && (kind != TOKEN_STRING || !text_char_in_word(peek(p))))
		return kind;
	struct text_pos pos = here(p);
	(void)text_error(p->errors, &pos, "put a blank between two values", "a blank is missing");
	return TOKEN_BAD;
}

static void
advance(struct parser *p)
{
	static const char marks[] = "\n{}[]";
	static const enum token_kind kinds[] = { TOKEN_NEWLINE, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_LIST,
		TOKEN_LIST_END };
	skip_blanks(p);
	struct token t = { .pos = here(p) };
	const char *mark = at_end(p) || peek(p) == 0 ? NULL : strchr(marks, peek(p));
	if (at_end(p)) {
		t.kind = TOKEN_END;
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
	p->token = t;
}

/* ---- statements ---- */

struct value_node {
	struct text_value value;
	struct value_node *next;
};
struct statement_node {
	struct text_statement statement;
	struct statement_node *next;
};

static bool parse_statements(struct parser *p, struct text_block *out);

static bool
is_text(enum token_kind k)
{
	return k == TOKEN_WORD || k == TOKEN_STRING;
}

/* Adds a value at *tail; false on shortage. */
static bool
push_value(struct parser *p, struct value_node ***tail, const struct text_value *v)
{
	struct value_node *n = arena_zalloc(p->arena, 1, sizeof(*n));
	if (n == NULL)
		return no_memory(p);
	n->value = *v;
	**tail = n;
	*tail = &n->next;
	return true;
}

static bool
gather_values(
    struct parser *p, const struct value_node *list, size_t count, const struct text_value **out)
{
	struct text_value *array = arena_zalloc(p->arena, count, sizeof(*array));
	if (array == NULL)
		return no_memory(p);
	for (size_t i = 0; i < count && list != NULL; i++, list = list->next)
		array[i] = list->value;
	*out = array;
	return true;
}

static struct text_value
value_of(const struct token *t)
{
	return (struct text_value){ .kind = t->kind == TOKEN_WORD ? TEXT_WORD : TEXT_STRING,
		.text = t->text,
		.pos = t->pos };
}

static int
compare_values(const void *a, const void *b)
{
	const struct text_value *x = *(const struct text_value *const *)a;
	const struct text_value *y = *(const struct text_value *const *)b;
	int c = bytes_compare(x->text, y->text);
	if (c != 0)
		return c;
	return (x > y) - (x < y); /* both of one array: the later one is the repetition */
}

/* A name twice in a list is an error; sorted, since a list may be long. */
static bool
check_list(struct parser *p, const struct text_value *items, size_t count)
{
	if (count < 2)
		return true;
	const struct text_value **order = malloc(count * sizeof(struct text_value *));
	if (order == NULL) {
		dry_note();
		return no_memory(p);
	}
	for (size_t i = 0; i < count; i++)
		order[i] = &items[i];
	qsort(order, count, sizeof(struct text_value *), compare_values);
	bool ok = true;
	for (size_t i = 1; i < count; i++)
		if (bytes_equal(order[i - 1]->text, order[i]->text))
			ok = text_error(p->errors, &order[i]->pos, "name it once",
			    "'%.*s' is twice in this list", SHOWN_NAME(order[i]->text));
	free(order);
	return ok;
}

/* After a fault inside a list: to its end, if that can be seen. */
static void
leave_list(struct parser *p)
{
	while (p->token.kind != TOKEN_LIST_END && p->token.kind != TOKEN_END &&
	       p->token.kind != TOKEN_OPEN && p->token.kind != TOKEN_CLOSE)
		advance(p);
	if (p->token.kind == TOKEN_LIST_END)
		advance(p);
}

static bool
parse_list(struct parser *p, struct text_value *out)
{
	struct value_node *first = NULL;
	struct value_node **tail = &first;
	struct text_value list = { .kind = TEXT_LIST, .pos = p->token.pos };
	advance(p);
	while (p->token.kind != TOKEN_LIST_END) {
		struct text_value item = value_of(&p->token);
		if (p->token.kind == TOKEN_NEWLINE) {
			advance(p);
			continue;
		}
		if (!is_text(p->token.kind)) {
			if (p->token.kind == TOKEN_LIST)
				(void)text_error(p->errors, &p->token.pos,
				    "a list holds words and strings", "a list inside a list");
			else if (p->token.kind != TOKEN_BAD)
				(void)text_error(p->errors, &list.pos, "close it with ']'",
				    "the list is not closed");
			leave_list(p);
			return false;
		}
		if (!push_value(p, &tail, &item))
			return false;
		list.count++;
		advance(p);
	}
	advance(p);
	if (!gather_values(p, first, list.count, &list.items) ||
	    !check_list(p, list.items, list.count))
		return false;
	*out = list;
	return true;
}

/* The values after a name, up to block or line end. */
static bool
parse_values(struct parser *p, struct text_statement *s)
{
	struct value_node *first = NULL;
	struct value_node **tail = &first;
	while (is_text(p->token.kind) || p->token.kind == TOKEN_LIST) {
		struct text_value v = value_of(&p->token);
		if (p->token.kind == TOKEN_LIST) {
			if (!parse_list(p, &v))
				return false;
		} else {
			advance(p);
		}
		if (!push_value(p, &tail, &v))
			return false;
		s->value_count++;
	}
	return gather_values(p, first, s->value_count, &s->values);
}

/* From '{' to '}'.  A block that is too deep is read over, so that one error is enough. */
static bool
parse_block(struct parser *p, struct text_block *out)
{
	struct text_pos open = p->token.pos;
	if (p->depth == LIMIT_POLICY_DEPTH) {
		unsigned inner = 0;
		do {
			inner += p->token.kind == TOKEN_OPEN;
			inner -= p->token.kind == TOKEN_CLOSE;
			advance(p);
		} while (inner != 0 && p->token.kind != TOKEN_END);
		return text_error(
		    p->errors, &open, NULL, "blocks are nested deeper than %u", LIMIT_POLICY_DEPTH);
	}
	advance(p);
	p->depth++;
	bool ok = parse_statements(p, out);
	p->depth--;
	if (p->token.kind != TOKEN_CLOSE)
		return text_error(p->errors, &open, "close it with '}'", "the block is not closed");
	out->end = p->token.pos;
	advance(p);
	return ok;
}

/* After a fault: to the end of the line, over a block that begins on it. */
static void
recover(struct parser *p)
{
	while (p->token.kind != TOKEN_NEWLINE && p->token.kind != TOKEN_END &&
	       p->token.kind != TOKEN_CLOSE) {
		if (p->token.kind == TOKEN_OPEN) {
			struct text_block ignored;
			(void)parse_block(p, &ignored);
		} else {
			advance(p);
		}
	}
}

/* What stands where a statement should have ended. */
static bool
complain(struct parser *p)
{
	const struct text_pos *pos = &p->token.pos;
	switch (p->token.kind) {
	case TOKEN_LIST_END:
		return text_error(p->errors, pos, "a list begins with '['", "']' without '['");
	case TOKEN_OPEN:
	case TOKEN_LIST:
		return text_error(p->errors, pos, "a statement begins with its name",
		    "'%s' where a statement should begin", p->token.kind == TOKEN_OPEN ? "{" : "[");
	case TOKEN_WORD:
	case TOKEN_STRING:
		return text_error(p->errors, pos, "begin a new line",
		    "'%.*s' follows on the same line", SHOWN_NAME(p->token.text));
	case TOKEN_END:
	case TOKEN_NEWLINE:
	case TOKEN_CLOSE:
	case TOKEN_BAD:
		return false; /* BAD has its error; the others end a statement */
	}
	return false;
}

static bool
ends_statement(enum token_kind k)
{
	return k == TOKEN_NEWLINE || k == TOKEN_END || k == TOKEN_CLOSE;
}

static bool
parse_statement(struct parser *p, struct text_statement *s)
{
	*s = (struct text_statement){ .name = p->token.text, .pos = p->token.pos };
	if (!is_text(p->token.kind))
		return complain(p);
	advance(p);
	if (!parse_values(p, s))
		return false;
	s->block.end = s->pos;
	if (p->token.kind == TOKEN_OPEN) {
		s->has_block = true;
		if (!parse_block(p, &s->block))
			return false;
	}
	return ends_statement(p->token.kind) || complain(p);
}

static bool
gather_statements(
    struct parser *p, const struct statement_node *list, size_t count, struct text_block *out)
{
	struct text_statement *array = arena_zalloc(p->arena, count, sizeof(*array));
	if (array == NULL)
		return no_memory(p);
	for (size_t i = 0; i < count && list != NULL; i++, list = list->next)
		array[i] = list->statement;
	*out = (struct text_block){ array, count, p->token.pos };
	return true;
}

/* Statements up to '}' or the end of the file, which is left to the caller. */
static bool
parse_statements(struct parser *p, struct text_block *out)
{
	struct statement_node *first = NULL;
	struct statement_node **tail = &first;
	size_t count = 0;
	bool ok = true;
	while (p->token.kind != TOKEN_END && p->token.kind != TOKEN_CLOSE && !p->out_of_memory) {
		if (p->token.kind == TOKEN_NEWLINE) {
			advance(p);
			continue;
		}
		struct statement_node *n = arena_zalloc(p->arena, 1, sizeof(*n));
		if (n == NULL)
			return no_memory(p);
		if (parse_statement(p, &n->statement)) {
			*tail = n;
			tail = &n->next;
			count++;
		} else {
			ok = false;
			recover(p);
		}
	}
	return ok && !p->out_of_memory && gather_statements(p, first, count, out);
}

bool
text_parse(struct arena *a, struct bytes name, struct bytes source, struct text_errors *l,
    struct text_block *out)
{
	struct text_file *file = arena_zalloc(a, 1, sizeof(*file));
	if (file == NULL)
		return text_error(l, NULL, NULL, "out of memory");
	*file = (struct text_file){ name, source };
	struct text_pos whole = { file, 0, 0 };
	if (source.len > LIMIT_POLICY_FILE_BYTES)
		return text_error(l, &whole, NULL, "larger than %u bytes", LIMIT_POLICY_FILE_BYTES);
	if (!check_characters(l, file))
		return false;
	struct parser p = { .arena = a, .errors = l, .file = file, .line = 1, .col = 1 };
	struct text_block block = { NULL, 0, { NULL, 0, 0 } };
	advance(&p);
	bool ok = parse_statements(&p, &block);
	while (p.token.kind == TOKEN_CLOSE) { /* and go on, for more errors */
		ok = text_error(l, &p.token.pos, NULL, "'}' without '{'");
		advance(&p);
		struct text_block ignored;
		(void)parse_statements(&p, &ignored);
	}
	if (ok)
		*out = block;
	return ok;
}
