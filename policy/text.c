/* From tokens to a tree of statements: hand-written recursive descent with recovery at line ends.
 */
#include "policy/text.h"
#include "policy/text_lex.h"
#include "proto/dry.h"

#include <stdlib.h>

struct parser {
	struct text_lexer lex;
	unsigned depth;
};

#define SHOWN_NAME(b) (int)((b).len < 200 ? (b).len : 200), (const char *)(b).data

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
is_text(enum text_token_kind k)
{
	return k == TEXT_TOKEN_WORD || k == TEXT_TOKEN_STRING;
}

/* Adds a value at *tail; false on shortage. */
static bool
push_value(struct parser *p, struct value_node ***tail, const struct text_value *v)
{
	struct value_node *n = arena_zalloc(p->lex.arena, 1, sizeof(*n));
	if (n == NULL)
		return text_lex_no_memory(&p->lex);
	n->value = *v;
	**tail = n;
	*tail = &n->next;
	return true;
}

static bool
gather_values(
    struct parser *p, const struct value_node *list, size_t count, const struct text_value **out)
{
	struct text_value *array = arena_zalloc(p->lex.arena, count, sizeof(*array));
	if (array == NULL)
		return text_lex_no_memory(&p->lex);
	for (size_t i = 0; i < count && list != NULL; i++, list = list->next)
		array[i] = list->value;
	*out = array;
	return true;
}

static struct text_value
value_of(const struct text_token *t)
{
	return (struct text_value){ .kind = t->kind == TEXT_TOKEN_WORD ? TEXT_WORD : TEXT_STRING,
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
		return text_lex_no_memory(&p->lex);
	}
	for (size_t i = 0; i < count; i++)
		order[i] = &items[i];
	qsort(order, count, sizeof(struct text_value *), compare_values);
	bool ok = true;
	for (size_t i = 1; i < count; i++)
		if (bytes_equal(order[i - 1]->text, order[i]->text))
			ok = text_error(p->lex.errors, &order[i]->pos, "name it once",
			    "'%.*s' is twice in this list", SHOWN_NAME(order[i]->text));
	free(order);
	return ok;
}

/* After a fault inside a list: to its end, if that can be seen. */
static void
leave_list(struct parser *p)
{
	while (p->lex.token.kind != TEXT_TOKEN_LIST_END && p->lex.token.kind != TEXT_TOKEN_END &&
	       p->lex.token.kind != TEXT_TOKEN_OPEN && p->lex.token.kind != TEXT_TOKEN_CLOSE)
		text_lex_advance(&p->lex);
	if (p->lex.token.kind == TEXT_TOKEN_LIST_END)
		text_lex_advance(&p->lex);
}

static bool
parse_list(struct parser *p, struct text_value *out)
{
	struct value_node *first = NULL;
	struct value_node **tail = &first;
	struct text_value list = { .kind = TEXT_LIST, .pos = p->lex.token.pos };
	text_lex_advance(&p->lex);
	while (p->lex.token.kind != TEXT_TOKEN_LIST_END) {
		struct text_value item = value_of(&p->lex.token);
		if (p->lex.token.kind == TEXT_TOKEN_NEWLINE) {
			text_lex_advance(&p->lex);
			continue;
		}
		if (!is_text(p->lex.token.kind)) {
			if (p->lex.token.kind == TEXT_TOKEN_LIST)
				(void)text_error(p->lex.errors, &p->lex.token.pos,
				    "a list holds words and strings", "a list inside a list");
			else if (p->lex.token.kind != TEXT_TOKEN_BAD)
				(void)text_error(p->lex.errors, &list.pos, "close it with ']'",
				    "the list is not closed");
			leave_list(p);
			return false;
		}
		if (!push_value(p, &tail, &item))
			return false;
		list.count++;
		text_lex_advance(&p->lex);
	}
	text_lex_advance(&p->lex);
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
	while (is_text(p->lex.token.kind) || p->lex.token.kind == TEXT_TOKEN_LIST) {
		struct text_value v = value_of(&p->lex.token);
		if (p->lex.token.kind == TEXT_TOKEN_LIST) {
			if (!parse_list(p, &v))
				return false;
		} else {
			text_lex_advance(&p->lex);
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
	struct text_pos open = p->lex.token.pos;
	if (p->depth == LIMIT_POLICY_DEPTH) {
		unsigned inner = 0;
		do {
			inner += p->lex.token.kind == TEXT_TOKEN_OPEN;
			inner -= p->lex.token.kind == TEXT_TOKEN_CLOSE;
			text_lex_advance(&p->lex);
		} while (inner != 0 && p->lex.token.kind != TEXT_TOKEN_END);
		return text_error(p->lex.errors, &open, NULL, "blocks are nested deeper than %u",
		    LIMIT_POLICY_DEPTH);
	}
	text_lex_advance(&p->lex);
	p->depth++;
	bool ok = parse_statements(p, out);
	p->depth--;
	if (p->lex.token.kind != TEXT_TOKEN_CLOSE)
		return text_error(
		    p->lex.errors, &open, "close it with '}'", "the block is not closed");
	out->end = p->lex.token.pos;
	text_lex_advance(&p->lex);
	return ok;
}

/* After a fault: to the end of the line, over a block that begins on it. */
static void
recover(struct parser *p)
{
	while (p->lex.token.kind != TEXT_TOKEN_NEWLINE && p->lex.token.kind != TEXT_TOKEN_END &&
	       p->lex.token.kind != TEXT_TOKEN_CLOSE) {
		if (p->lex.token.kind == TEXT_TOKEN_OPEN) {
			struct text_block ignored;
			(void)parse_block(p, &ignored);
		} else {
			text_lex_advance(&p->lex);
		}
	}
}

/* What stands where a statement should have ended. */
static bool
complain(struct parser *p)
{
	const struct text_pos *pos = &p->lex.token.pos;
	switch (p->lex.token.kind) {
	case TEXT_TOKEN_LIST_END:
		return text_error(p->lex.errors, pos, "a list begins with '['", "']' without '['");
	case TEXT_TOKEN_OPEN:
	case TEXT_TOKEN_LIST:
		return text_error(p->lex.errors, pos, "a statement begins with its name",
		    "'%s' where a statement should begin",
		    p->lex.token.kind == TEXT_TOKEN_OPEN ? "{" : "[");
	case TEXT_TOKEN_WORD:
	case TEXT_TOKEN_STRING:
		return text_error(p->lex.errors, pos, "begin a new line",
		    "'%.*s' follows on the same line", SHOWN_NAME(p->lex.token.text));
	case TEXT_TOKEN_END:
	case TEXT_TOKEN_NEWLINE:
	case TEXT_TOKEN_CLOSE:
	case TEXT_TOKEN_BAD:
		return false; /* BAD has its error; the others end a statement */
	}
	return false;
}

static bool
ends_statement(enum text_token_kind k)
{
	return k == TEXT_TOKEN_NEWLINE || k == TEXT_TOKEN_END || k == TEXT_TOKEN_CLOSE;
}

static bool
parse_statement(struct parser *p, struct text_statement *s)
{
	*s = (struct text_statement){ .name = p->lex.token.text, .pos = p->lex.token.pos };
	if (!is_text(p->lex.token.kind))
		return complain(p);
	text_lex_advance(&p->lex);
	if (!parse_values(p, s))
		return false;
	s->block.end = s->pos;
	if (p->lex.token.kind == TEXT_TOKEN_OPEN) {
		s->has_block = true;
		if (!parse_block(p, &s->block))
			return false;
	}
	return ends_statement(p->lex.token.kind) || complain(p);
}

static bool
gather_statements(
    struct parser *p, const struct statement_node *list, size_t count, struct text_block *out)
{
	struct text_statement *array = arena_zalloc(p->lex.arena, count, sizeof(*array));
	if (array == NULL)
		return text_lex_no_memory(&p->lex);
	for (size_t i = 0; i < count && list != NULL; i++, list = list->next)
		array[i] = list->statement;
	*out = (struct text_block){ array, count, p->lex.token.pos };
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
	while (p->lex.token.kind != TEXT_TOKEN_END && p->lex.token.kind != TEXT_TOKEN_CLOSE &&
	       !p->lex.out_of_memory) {
		if (p->lex.token.kind == TEXT_TOKEN_NEWLINE) {
			text_lex_advance(&p->lex);
			continue;
		}
		struct statement_node *n = arena_zalloc(p->lex.arena, 1, sizeof(*n));
		if (n == NULL)
			return text_lex_no_memory(&p->lex);
		if (parse_statement(p, &n->statement)) {
			*tail = n;
			tail = &n->next;
			count++;
		} else {
			ok = false;
			recover(p);
		}
	}
	return ok && !p->lex.out_of_memory && gather_statements(p, first, count, out);
}

static struct text_file *
file_of(struct arena *a, struct bytes name, struct bytes source, struct text_errors *l)
{
	struct text_file *file = arena_zalloc(a, 1, sizeof(*file));
	if (file == NULL)
		(void)text_error(l, NULL, NULL, "out of memory");
	else
		*file = (struct text_file){ name, source };
	return file;
}

bool
text_parse(struct arena *a, struct bytes name, struct bytes source, struct text_errors *l,
    struct text_block *out)
{
	struct text_file *file = file_of(a, name, source, l);
	struct text_pos whole = { file, 0, 0 };
	if (file == NULL)
		return false;
	if (source.len > LIMIT_POLICY_FILE_BYTES)
		return text_error(l, &whole, NULL, "larger than %u bytes", LIMIT_POLICY_FILE_BYTES);
	return text_parse_export(a, name, source, l, out);
}

bool
text_parse_export(struct arena *a, struct bytes name, struct bytes source, struct text_errors *l,
    struct text_block *out)
{
	struct text_file *file = file_of(a, name, source, l);
	if (file == NULL)
		return false;
	if (!text_lex_check(l, file))
		return false;
	struct parser p = { .lex = text_lexer_over(a, l, file) };
	struct text_block block = { NULL, 0, { NULL, 0, 0 } };
	text_lex_advance(&p.lex);
	bool ok = parse_statements(&p, &block);
	while (p.lex.token.kind == TEXT_TOKEN_CLOSE) { /* and go on, for more errors */
		ok = text_error(l, &p.lex.token.pos, NULL, "'}' without '{'");
		text_lex_advance(&p.lex);
		struct text_block ignored;
		(void)parse_statements(&p, &ignored);
	}
	if (ok)
		*out = block;
	return ok;
}
