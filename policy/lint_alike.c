/* Names that are easily taken for one another. */
#include "policy/lint_parts.h"
#include "policy/party.h"

enum {
	NAME_MAX = 64,
	TOKEN_LEAST =
	    5 /* shorter parts are codes and numbers, which differ by a letter on purpose */
};

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

/* A name as a hurried eye sees it: no case, no separators, 0 as o, 1 and i as l, no
 * doubled letters. */
static struct bytes
skeleton(struct bytes name, uint8_t out[NAME_MAX])
{
	size_t n = 0;
	for (size_t i = 0; i < name.len && n < NAME_MAX; i++) {
		uint8_t c = name.data[i];
		if (parts(c))
			continue;
		if (c >= 'A' && c <= 'Z')
			c = (uint8_t)(c + 32);
		c = c == '0' ? 'o' : c == '1' || c == 'i' ? 'l' : c;
		if (i > 0 && name.data[i] == name.data[i - 1] && !is_digit(name.data[i]))
			continue;
		out[n++] = c;
	}
	return bytes_from(out, n);
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

struct seen {
	struct bytes name, skeleton;
	const struct text_pos *pos;
};

/* One name among those before it; told once. */
static void
compare(struct linter *l, const char *what, const struct seen *all, const struct seen *mine)
{
	for (const struct seen *s = all; s < mine; s++) {
		if (!bytes_equal(s->skeleton, mine->skeleton) && !one_edit(s->name, mine->name))
			continue;
		text_warning_named(l->warnings, lint_name(LINT_LOOK_ALIKE), mine->pos,
		    text_note(l->warnings, "rename one of them; the other stands in %s",
			text_place(l->warnings, s->pos)),
		    "%s '%.*s' looks like '%.*s'", what, SHOWN(mine->name), SHOWN(s->name));
		return;
	}
}

static bool
compare_all(struct linter *l, const struct text_block *block, const char *what)
{
	struct arena arena;
	arena_init(&arena, (size_t)256 << 20);
	struct seen *all = arena_zalloc(&arena, block->count + 1, sizeof(*all));
	size_t n = 0;
	bool ok = all != NULL;
	for (size_t i = 0; ok && i < block->count; i++) {
		const struct text_statement *s = &block->items[i];
		uint8_t *out = arena_alloc(&arena, NAME_MAX);
		ok = out != NULL;
		if (!ok || !bytes_is(s->name, what) || s->value_count == 0)
			continue;
		struct bytes name = s->values[0].text;
		all[n] = (struct seen){ name, skeleton(name, out), &s->pos };
		compare(l, what, all, &all[n++]);
	}
	arena_done(&arena);
	return ok;
}

bool
lint_alike(struct linter *l)
{
	bool ok = compare_all(l, l->top, "party");
	for (size_t i = 0; ok && i < l->top->count; i++)
		if (bytes_is(l->top->items[i].name, "agreement"))
			ok = compare_all(l, &l->top->items[i].block, "rule");
	return ok;
}
