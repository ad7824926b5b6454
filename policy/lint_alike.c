/* Names that are easily taken for one another. */
#include "policy/lint_parts.h"
#include "policy/party.h"

enum {
	NAME_MAX = 64,
	TOKEN_LEAST =
	    5 /* shorter parts are codes and numbers, which differ by a letter on purpose */
};

/* A name as a hurried eye sees it: no case, no separators, 0 as o, 1 and i as l, no doubles. */
static struct bytes
skeleton(struct bytes name, uint8_t out[NAME_MAX])
{
	size_t n = 0;
	for (size_t i = 0; i < name.len && n < NAME_MAX; i++) {
		uint8_t c = name.data[i];
		if (c == '-' || c == '_')
			continue;
		if (c >= 'A' && c <= 'Z')
			c = (uint8_t)(c + 32);
		c = c == '0' ? 'o' : c == '1' || c == 'i' ? 'l' : c;
		if (n > 0 && out[n - 1] == c)
			continue;
		out[n++] = c;
	}
	return bytes_from(out, n);
}

static bool
parts(uint8_t c)
{
	return c == '-' || c == '_';
}

static bool
is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* The length of the part of the name, between separators, in which 'at' lies. */
static size_t
part_length(struct bytes name, size_t at)
{
	size_t first = at, end = at;
	while (first > 0 && !parts(name.data[first - 1]))
		first--;
	while (end < name.len && !parts(name.data[end]))
		end++;
	return end - first;
}

/* One letter is another, too many, or has changed places with its neighbour; a digit tells names
 * apart on purpose. */
static bool
one_edit(struct bytes x, struct bytes y)
{
	size_t i = 0, tail = 0;
	if (x.len > y.len) {
		struct bytes longer = x;
		x = y;
		y = longer;
	}
	if (y.len - x.len > 1)
		return false;
	while (i < x.len && x.data[i] == y.data[i])
		i++;
	while (tail < x.len - i && x.data[x.len - 1 - tail] == y.data[y.len - 1 - tail])
		tail++;
	size_t left = x.len - i - tail, more = y.len - i - tail;
	bool turned =
	    left == 2 && more == 2 && x.data[i] == y.data[i + 1] && x.data[i + 1] == y.data[i];
	if (more > 1 && !turned)
		return false;
	return part_length(y, i) >= TOKEN_LEAST && !is_digit(y.data[i]) && !parts(y.data[i]) &&
	       (left == 0 || (!is_digit(x.data[i]) && !parts(x.data[i])));
}

static bool
alike(struct bytes x, struct bytes y)
{
	uint8_t a[NAME_MAX], b[NAME_MAX];
	return one_edit(x, y) || bytes_equal(skeleton(x, a), skeleton(y, b));
}

/* One name among those before it; told once. */
static void
compare(struct linter *l, const struct text_block *block, const char *what, size_t i)
{
	const struct text_statement *mine = &block->items[i];
	for (size_t k = 0; k < i; k++) {
		const struct text_statement *s = &block->items[k];
		if (!bytes_is(s->name, what) || s->value_count == 0 ||
		    !alike(s->values[0].text, mine->values[0].text))
			continue;
		text_warning_named(l->warnings, lint_name(LINT_LOOK_ALIKE), &mine->pos,
		    text_note(l->warnings, "rename one of them; the other stands in %s",
			text_place(l->warnings, &s->pos)),
		    "%s '%.*s' looks like '%.*s'", what, SHOWN(mine->values[0].text),
		    SHOWN(s->values[0].text));
		return;
	}
}

static void
compare_all(struct linter *l, const struct text_block *block, const char *what)
{
	for (size_t i = 0; i < block->count; i++)
		if (bytes_is(block->items[i].name, what) && block->items[i].value_count > 0)
			compare(l, block, what, i);
}

void
lint_alike(struct linter *l)
{
	compare_all(l, l->top, "party");
	for (size_t i = 0; i < l->top->count; i++)
		if (bytes_is(l->top->items[i].name, "agreement"))
			compare_all(l, &l->top->items[i].block, "rule");
}
