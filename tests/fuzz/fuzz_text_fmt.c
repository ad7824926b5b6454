/* The formatter.  What it lays out says the same word for word, comments too, and is laid out to
 * itself; what does not parse, or would grow too large, is refused with an error. */
#include <stdint.h>
#include <stdlib.h>

#include "policy/text_fmt.h"
#include "policy/text_lex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bytes
trimmed(struct bytes b)
{
	while (b.len > 0 &&
	       (b.data[b.len - 1] == ' ' || b.data[b.len - 1] == '\t' || b.data[b.len - 1] == '\r'))
		b.len--;
	return b;
}

/* To the next token that is no line end, or the next comment, which is given as text. */
static void
next(struct text_lexer *x, struct bytes *comment)
{
	do {
		text_lex_advance(x);
		*comment = trimmed(x->token.comment);
	} while (x->token.kind == TEXT_TOKEN_NEWLINE && comment->len == 0);
}

static void
same_tokens(struct arena *a, struct text_errors *l, struct bytes before, struct bytes after)
{
	const struct text_file files[] = { { bytes_of("before"), before },
		{ bytes_of("after"), after } };
	struct text_lexer x = text_lexer_over(a, l, &files[0]);
	struct text_lexer y = text_lexer_over(a, l, &files[1]);
	struct bytes p, q;
	do {
		next(&x, &p);
		next(&y, &q);
		bool ends = x.token.kind == TEXT_TOKEN_END && y.token.kind == TEXT_TOKEN_NEWLINE;
		if (p.len != q.len || (p.len > 0 && memcmp(p.data, q.data, p.len) != 0))
			abort();
		if (ends) /* the last comment's line end is ours */
			next(&y, &q);
		if (x.token.kind != y.token.kind)
			abort();
		if (x.token.kind != TEXT_TOKEN_NEWLINE &&
		    (x.token.raw.len != y.token.raw.len ||
			(x.token.raw.len > 0 &&
			    memcmp(x.token.raw.data, y.token.raw.data, x.token.raw.len) != 0)))
			abort();
	} while (x.token.kind != TEXT_TOKEN_END);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED(arena_done) struct arena a;
	SCOPED(text_errors_done) struct text_errors l;
	struct bytes out, again, source = bytes_from(data, size);
	struct text_block b;
	arena_init(&a, 64 << 20);
	text_errors_init(&l);
	bool parses = text_parse(&a, bytes_of("fuzz"), source, &l, &b);
	size_t before = l.error_count;
	bool ok = text_fmt(&a, bytes_of("fuzz"), source, &l, &out);
	if (ok == (l.error_count > before) || (!parses && ok))
		abort();
	if (!ok && parses && size < 32768) /* it cannot have grown over the limit of a file */
		abort();
	if (!ok)
		return 0;
	same_tokens(&a, &l, source, out);
	if (!text_fmt(&a, bytes_of("fuzz"), out, &l, &again) || !bytes_equal(out, again))
		abort();
	return 0;
}
