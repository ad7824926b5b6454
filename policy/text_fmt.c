#include "policy/text_fmt.h"

#include "policy/page.h"
#include "policy/text_lex.h"

/* A token as it will be printed.  A comment is one of its own, before its line end. */
struct piece {
	uint8_t kind; /* enum text_token_kind */
	bool comment; /* 'kind' is then TEXT_TOKEN_BAD */
	bool wide;    /* of '{' and '[': it ends its line */
	uint32_t at, len;
};
struct line {
	size_t first, end; /* pieces without the comment */
	size_t comment;	   /* its piece; SIZE_MAX: none */
	uint32_t depth;
	bool gap; /* an empty line before it */
};
struct fmt {
	struct arena *arena;
	struct text_errors *errors;
	const struct text_file *file;
	struct piece *pieces;
	size_t piece_count;
	struct line *lines;
	size_t line_count;
};

static bool
no_memory(struct fmt *f)
{
	struct text_pos whole = { f->file, 0, 0 };
	return text_error(f->errors, &whole, NULL, "out of memory");
}

/* ---- tokens ---- */

static struct bytes
trimmed(struct bytes b)
{
	while (b.len > 0 && strchr(" \t\r", b.data[b.len - 1]) != NULL)
		b.len--;
	return b;
}

/* Fills 'to' (NULL: only counts). */
static size_t
scan(struct fmt *f, struct piece *to)
{
	struct text_lexer lex = text_lexer_over(f->arena, f->errors, f->file);
	const uint8_t *base = f->file->source.data;
	size_t n = 0;
	do {
		text_lex_advance(&lex);
		const struct text_token *t = &lex.token;
		struct bytes comment = trimmed(t->comment);
		if (comment.len > 0 && to != NULL)
			to[n] = (struct piece){ TEXT_TOKEN_BAD, true, false,
				(uint32_t)(comment.data - base), (uint32_t)comment.len };
		n += comment.len > 0;
		if (to != NULL)
			to[n] = (struct piece){ (uint8_t)t->kind, false, false,
				t->raw.len == 0 ? 0 : (uint32_t)(t->raw.data - base),
				(uint32_t)t->raw.len };
		n++;
	} while (lex.token.kind != TEXT_TOKEN_END && !lex.out_of_memory);
	return n;
}

static bool
opens(const struct piece *p)
{
	return p->kind == TEXT_TOKEN_OPEN || p->kind == TEXT_TOKEN_LIST;
}

static bool
closes(const struct piece *p)
{
	return p->kind == TEXT_TOKEN_CLOSE || p->kind == TEXT_TOKEN_LIST_END;
}

/* Which brackets end their line: those with a line end inside, and something to put on lines. */
static void
find_wide(struct fmt *f)
{
	size_t open[LIMIT_POLICY_DEPTH + 2] = { 0 }; /* a list is the innermost */
	bool ends[LIMIT_POLICY_DEPTH + 2] = { false };
	size_t n = 0;
	for (size_t i = 0; i < f->piece_count; i++) {
		struct piece *p = &f->pieces[i];
		if (p->kind == TEXT_TOKEN_NEWLINE)
			for (size_t k = 0; k < n; k++)
				ends[k] = true;
		if (opens(p)) {
			open[n] = i;
			ends[n++] = false;
		}
		if (!closes(p))
			continue;
		n--;
		bool filled = false;
		for (size_t k = open[n] + 1; k < i && !filled; k++)
			filled = f->pieces[k].kind != TEXT_TOKEN_NEWLINE;
		f->pieces[open[n]].wide = ends[n] && filled;
	}
}

static bool
take_tokens(struct fmt *f)
{
	size_t before = f->errors->error_count;
	size_t count = scan(f, NULL);
	f->pieces = arena_zalloc(f->arena, count, sizeof(*f->pieces));
	if (f->pieces == NULL)
		return no_memory(f);
	f->piece_count = scan(f, f->pieces);
	if (f->errors->error_count != before)
		return false;
	find_wide(f);
	return true;
}

/* ---- lines ---- */

struct layout {
	struct line now;
	size_t newlines; /* in a row, since the last piece */
	bool wide[LIMIT_POLICY_DEPTH + 2];
	uint32_t nested, depth; /* open brackets; those of several lines */
	bool edge;		/* nothing stands before in this bracket */
	bool full;		/* the line ends here, but for a comment */
};

static void
end_line(struct fmt *f, struct layout *y)
{
	if (y->now.first != y->now.end || y->now.comment != SIZE_MAX)
		f->lines[f->line_count++] = y->now;
	y->now = (struct line){ .comment = SIZE_MAX };
	y->full = false;
}

static void
begin_piece(struct fmt *f, struct layout *y, size_t i)
{
	const struct piece *p = &f->pieces[i];
	bool fresh = y->now.first == y->now.end;
	if (!fresh && !p->comment && (y->full || (closes(p) && y->wide[y->nested]))) {
		end_line(f, y);
		fresh = true;
	}
	if (fresh) {
		bool closing = closes(p) && y->wide[y->nested];
		y->now = (struct line){ i, i, SIZE_MAX, y->depth - closing,
			y->newlines > 1 && !y->edge && !closing };
		y->edge = false;
	}
	y->newlines = 0;
}

static void
take_piece(struct fmt *f, struct layout *y, size_t i)
{
	const struct piece *p = &f->pieces[i];
	if (p->comment) {
		y->now.comment = i;
		return;
	}
	y->now.end = i + 1;
	if (opens(p)) {
		y->wide[++y->nested] = p->wide;
		y->depth += p->wide;
		y->full = y->edge = p->wide;
	} else if (closes(p)) {
		y->depth -= y->wide[y->nested--];
	}
}

static bool
make_lines(struct fmt *f)
{
	struct layout y = { .now = { .comment = SIZE_MAX }, .edge = true };
	f->lines = arena_zalloc(f->arena, f->piece_count + 1, sizeof(*f->lines));
	if (f->lines == NULL)
		return no_memory(f);
	for (size_t i = 0; i < f->piece_count; i++) {
		const struct piece *p = &f->pieces[i];
		if (p->kind == TEXT_TOKEN_NEWLINE || p->kind == TEXT_TOKEN_END) {
			bool narrow = y.nested > 0 && !y.wide[y.nested];
			y.newlines++;
			if (!narrow) /* else: an empty bracket, which is put on one line */
				end_line(f, &y);
			continue;
		}
		begin_piece(f, &y, i);
		take_piece(f, &y, i);
	}
	return true;
}

/* ---- printing ---- */

static void
print_piece(const struct fmt *f, struct page *out, size_t piece)
{
	const struct piece *p = &f->pieces[piece];
	page_put(out, (const char *)f->file->source.data + p->at, p->len);
}

static void
print_line(const struct fmt *f, struct page *out, const struct line *l)
{
	if (l->gap)
		page_put(out, "\n", 1);
	for (uint32_t i = 0; i < l->depth; i++)
		page_add(out, "    ");
	for (size_t i = l->first; i < l->end; i++) {
		if (f->pieces[i].kind == TEXT_TOKEN_NEWLINE)
			continue;
		page_add(out, i > l->first ? " " : "");
		print_piece(f, out, i);
	}
	if (l->comment != SIZE_MAX) {
		page_add(out, l->first != l->end ? "  " : "");
		print_piece(f, out, l->comment);
	}
	page_put(out, "\n", 1);
}

static bool
print(struct fmt *f, struct bytes *out)
{
	struct page page = { .arena = f->arena };
	struct text_pos whole = { f->file, 0, 0 };
	page_add(&page, "");
	for (size_t i = 0; i < f->line_count && page.len <= LIMIT_POLICY_FILE_BYTES; i++)
		print_line(f, &page, &f->lines[i]);
	if (page.failed)
		return no_memory(f);
	if (page.len > LIMIT_POLICY_FILE_BYTES)
		return text_error(f->errors, &whole, "include-dir reads many files as one",
		    "laid out it would be larger than %u bytes", LIMIT_POLICY_FILE_BYTES);
	*out = bytes_from(page.text, page.len);
	return true;
}

/* ---- the proof ---- */

static bool
same_values(const struct text_value *x, const struct text_value *y, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (x[i].kind != y[i].kind || !bytes_equal(x[i].text, y[i].text) ||
		    x[i].count != y[i].count || !same_values(x[i].items, y[i].items, x[i].count))
			return false;
	return true;
}

static bool
same_block(const struct text_block *x, const struct text_block *y)
{
	bool same = x->count == y->count;
	for (size_t i = 0; same && i < x->count; i++) {
		const struct text_statement *a = &x->items[i], *b = &y->items[i];
		same = bytes_equal(a->name, b->name) && a->value_count == b->value_count &&
		       a->has_block == b->has_block &&
		       same_values(a->values, b->values, a->value_count) &&
		       same_block(&a->block, &b->block); /* LIMIT_POLICY_DEPTH deep at most */
	}
	return same;
}

static bool
same_comments(const struct fmt *x, const struct fmt *y)
{
	size_t i = 0, k = 0;
	for (;; i++, k++) {
		while (i < x->piece_count && !x->pieces[i].comment)
			i++;
		while (k < y->piece_count && !y->pieces[k].comment)
			k++;
		if (i == x->piece_count || k == y->piece_count)
			return i == x->piece_count && k == y->piece_count;
		const struct piece *a = &x->pieces[i], *b = &y->pieces[k];
		if (a->len != b->len ||
		    memcmp(x->file->source.data + a->at, y->file->source.data + b->at, a->len) != 0)
			return false;
	}
}

/* What is about to be written over an agreement says what the agreement said. */
static bool
prove(struct fmt *f, const struct text_block *before, struct bytes out)
{
	struct text_pos whole = { f->file, 0, 0 };
	struct text_file file = { f->file->name, out };
	struct fmt again = { .arena = f->arena, .errors = f->errors, .file = &file };
	struct text_block after;
	if (!text_parse(f->arena, file.name, out, f->errors, &after) || !take_tokens(&again))
		return false;
	return (same_block(before, &after) && same_comments(f, &again)) ||
	       text_error(f->errors, &whole, "it is left as it is; report it",
		   "a fault of ours: laid out it would not say the same");
}

bool
text_fmt(struct arena *a, struct bytes name, struct bytes source, struct text_errors *l,
    struct bytes *out)
{
	struct text_file file = { name, source };
	struct fmt f = { .arena = a, .errors = l, .file = &file };
	struct text_block before;
	struct bytes text;
	if (!text_parse(a, name, source, l, &before) || !take_tokens(&f) || !make_lines(&f) ||
	    !print(&f, &text) || !prove(&f, &before, text))
		return false;
	*out = text;
	return true;
}
