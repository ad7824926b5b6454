/* The 'never' and 'expect' lines: no verdict hangs on them, but whoever drops one should see it. */
#include "policy/diff.h"

#include <stdlib.h>

/* A statement on one line, whose lists and blocks are sorted: counted first, then written. */
struct line {
	struct arena *arena;
	uint8_t *to; /* NULL: counts */
	size_t len;
	bool failed; /* no memory */
};

static void
put(struct line *l, struct bytes text)
{
	if (l->to != NULL && text.len > 0)
		memcpy(l->to + l->len, text.data, text.len);
	l->len += text.len;
}

static void
put_word(struct line *l, struct bytes text)
{
	if (text_is_word(text)) {
		put(l, text);
		return;
	}
	put(l, bytes_of("\""));
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '"' || text.data[i] == '\\')
			put(l, bytes_of("\\"));
		put(l, bytes_from(text.data + i, 1));
	}
	put(l, bytes_of("\""));
}

static int
by_bytes(const void *x, const void *y)
{
	return bytes_compare(*(const struct bytes *)x, *(const struct bytes *)y);
}

static void
put_list(struct line *l, const struct text_value *list)
{
	struct bytes *items = arena_zalloc(l->arena, list->count + 1, sizeof(*items));
	if (items == NULL) {
		l->failed = true;
		return;
	}
	for (size_t i = 0; i < list->count; i++)
		items[i] = list->items[i].text;
	qsort(items, list->count, sizeof(*items), by_bytes);
	put(l, bytes_of(" ["));
	for (size_t i = 0; i < list->count; i++) {
		put(l, bytes_of(" "));
		put_word(l, items[i]);
	}
	put(l, bytes_of(" ]"));
}

static bool line_of(struct arena *a, const struct text_statement *s, struct bytes *out);

static void
put_block(struct line *l, const struct text_block *b)
{
	struct bytes *items = arena_zalloc(l->arena, b->count + 1, sizeof(*items));
	l->failed = l->failed || items == NULL;
	for (size_t i = 0; !l->failed && i < b->count; i++)
		l->failed = !line_of(l->arena, &b->items[i], &items[i]);
	if (l->failed)
		return;
	qsort(items, b->count, sizeof(*items), by_bytes);
	put(l, bytes_of(" {"));
	for (size_t i = 0; i < b->count; i++) {
		put(l, bytes_of(i == 0 ? " " : "; "));
		put(l, items[i]);
	}
	put(l, bytes_of(" }"));
}

static void
put_statement(struct line *l, const struct text_statement *s)
{
	put_word(l, s->name);
	for (size_t i = 0; i < s->value_count; i++) {
		if (s->values[i].kind == TEXT_LIST) {
			put_list(l, &s->values[i]);
			continue;
		}
		put(l, bytes_of(" "));
		put_word(l, s->values[i].text);
	}
	if (s->has_block)
		put_block(l, &s->block);
}

/* Blocks are nested no deeper than LIMIT_POLICY_DEPTH. */
static bool
line_of(struct arena *a, const struct text_statement *s, struct bytes *out)
{
	struct line l = { .arena = a };
	put_statement(&l, s);
	l.to = arena_alloc(a, l.len);
	*out = bytes_from(l.to, l.len);
	l.len = 0;
	if (l.to != NULL)
		put_statement(&l, s);
	return l.to != NULL && !l.failed;
}

/* ---- both sides ---- */

struct promises {
	struct bytes *lines; /* sorted */
	size_t count;
};

static bool
collect(struct diff_making *m, const struct text_block *b, struct promises *out)
{
	*out = (struct promises){ .lines =
				      arena_zalloc(m->arena, b->count + 1, sizeof(struct bytes)) };
	for (size_t i = 0; out->lines != NULL && i < b->count; i++) {
		struct bytes name = b->items[i].name;
		if (!bytes_is(name, "never") && !bytes_is(name, "expect"))
			continue;
		if (!line_of(m->arena, &b->items[i], &out->lines[out->count++]))
			return err_set(m->err, ERR_NOMEM, "promises");
	}
	if (out->lines == NULL)
		return err_set(m->err, ERR_NOMEM, "promises");
	qsort(out->lines, out->count, sizeof(struct bytes), by_bytes);
	size_t kept = 0; /* said twice is said once */
	for (size_t i = 0; i < out->count; i++)
		if (kept == 0 || !bytes_equal(out->lines[kept - 1], out->lines[i]))
			out->lines[kept++] = out->lines[i];
	out->count = kept;
	return true;
}

/* "never" or "expect", and the rest of the line on its side. */
static bool
note(struct diff_making *m, struct bytes line, bool dropped)
{
	const char *what = line.data[0] == 'n' ? "never" : "expect";
	size_t skip = strlen(what) + 1;
	struct bytes none = { NULL, 0 };
	struct bytes rest =
	    line.len < skip ? bytes_of("") : bytes_from(line.data + skip, line.len - skip);
	return diff_note(m, DIFF_DIFFERS, what, dropped ? rest : none, dropped ? none : rest);
}

static bool
merge(struct diff_making *m, const struct promises *x, const struct promises *y)
{
	size_t i = 0, k = 0;
	while (i < x->count || k < y->count) {
		int c = i == x->count	? 1
			: k == y->count ? -1
					: bytes_compare(x->lines[i], y->lines[k]);
		if (c != 0 && !note(m, c < 0 ? x->lines[i] : y->lines[k], c < 0))
			return false;
		i += c <= 0;
		k += c >= 0;
	}
	return true;
}

bool
diff_promises(struct diff_making *m, struct bytes of)
{
	struct promises both[2];
	for (size_t s = 0; s < 2; s++) {
		const struct text_block *b = &m->ask->texts[s]->top;
		const struct text_statement *g =
		    of.data == NULL ? NULL : edit_find(b, "agreement", of, false);
		if (!collect(m, g == NULL ? b : &g->block, &both[s]))
			return false;
	}
	return merge(m, &both[0], &both[1]);
}
