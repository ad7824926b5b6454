#include "policy/edit.h"

#include "policy/vocab.h"

bool
edit_load(struct arena *a, const struct epoch_source *src, const char *root, struct edit_text *out,
    struct err *e)
{
	struct text_reader reader = { src->read, src->list, src->ctx };
	const char *slash = strrchr(root, '/');
	SCOPED(text_errors_done) struct text_errors errors;
	struct edit_text t = { .arena = a };
	t.folder = bytes_from(root, slash == NULL ? 0 : (size_t)(slash - root) + 1);
	text_errors_init(&errors);
	if (!text_load(a, root, &reader, &errors, &t.top))
		return text_errors_to_err(&errors, ERR_POLICY, e);
	*out = t;
	return true;
}

struct bytes
edit_place(const struct edit_text *t, const struct text_pos *pos)
{
	struct bytes name = pos->file->name;
	if (name.len >= t->folder.len &&
	    bytes_equal(bytes_from(name.data, t->folder.len), t->folder))
		name = bytes_from(name.data + t->folder.len, name.len - t->folder.len);
	char *text =
	    arena_printf(t->arena, "%.*s:%u", (int)name.len, (const char *)name.data, pos->line);
	return text == NULL ? bytes_of("") : bytes_of(text);
}

const struct text_statement *
edit_find(const struct text_block *b, const char *setting, struct bytes name, bool folded)
{
	for (size_t i = 0; i < b->count; i++) {
		const struct text_statement *s = &b->items[i];
		if (!bytes_is(s->name, setting))
			continue;
		if (name.data == NULL)
			return s;
		if (s->value_count == 0 || s->values[0].kind == TEXT_LIST)
			continue;
		struct bytes is = s->values[0].text;
		if (folded ? vocab_same_name(is, name) : bytes_equal(is, name))
			return s;
	}
	return NULL;
}

const struct text_statement *
edit_category(const struct text_block *b, struct bytes name)
{
	for (size_t i = 0; i < b->count; i++)
		if (vocab_same_name(b->items[i].name, name))
			return &b->items[i];
	return NULL;
}

/* ---- where things are in the bytes of their file ---- */

static size_t
offset_of(const struct text_pos *pos)
{
	struct bytes s = pos->file->source;
	size_t at = 0;
	for (uint32_t line = 1; line < pos->line && at < s.len; at++)
		line += s.data[at] == '\n';
	for (uint32_t col = 1; col < pos->col && at < s.len; col++)
		do
			at++;
		while (at < s.len && (s.data[at] & 0xc0) == 0x80);
	return at;
}

/* The end of a word or string that begins at 'at'. */
static size_t
end_of_word(struct bytes s, size_t at)
{
	if (at < s.len && s.data[at] == '"') {
		for (at++; at < s.len && s.data[at] != '"'; at++)
			at += s.data[at] == '\\';
		return at + 1;
	}
	while (at < s.len && text_is_word(bytes_from(s.data + at, 1)))
		at++;
	return at;
}

static size_t
end_of_line(struct bytes s, size_t at)
{
	while (at < s.len && s.data[at] != '\n')
		at++;
	return at;
}

/* The ']' of a list that begins at 'at'. */
static size_t
end_of_list(struct bytes s, size_t at)
{
	while (at < s.len && s.data[at] != ']') {
		if (s.data[at] == '"')
			at = end_of_word(s, at);
		else if (s.data[at] == '#')
			at = end_of_line(s, at);
		else
			at++;
	}
	return at;
}

static size_t
end_of_value(const struct text_value *v)
{
	struct bytes s = v->pos.file->source;
	size_t at = offset_of(&v->pos);
	return v->kind == TEXT_LIST ? end_of_list(s, at) + 1 : end_of_word(s, at);
}

static size_t
end_of_statement(const struct text_statement *s)
{
	if (s->has_block)
		return offset_of(&s->block.end) + 1;
	if (s->value_count > 0)
		return end_of_value(&s->values[s->value_count - 1]);
	return end_of_word(s->pos.file->source, offset_of(&s->pos));
}

static struct text_pos
pos_of(const struct text_file *f, size_t at)
{
	struct text_pos p = { f, 1, 1 };
	for (size_t i = 0; i < at && i < f->source.len; i++) {
		if (f->source.data[i] == '\n') {
			p.line++;
			p.col = 1;
		} else {
			p.col += (f->source.data[i] & 0xc0) != 0x80;
		}
	}
	return p;
}

static bool
make(const struct text_file *f, size_t at, size_t end, struct bytes insert, struct edit *out)
{
	*out = (struct edit){ .pos = pos_of(f, at),
		.at = at,
		.remove = bytes_from(f->source.data + at, end - at),
		.insert = insert };
	return true;
}

static bool
make_text(const struct text_file *f, size_t at, const char *insert, struct edit *out, struct err *e)
{
	if (insert == NULL)
		return err_set(e, ERR_NOMEM, "edit");
	return make(f, at, at, bytes_of(insert), out);
}

/* ---- changes ---- */

#define SHOWN(b) (int)(b).len, (const char *)(b).data

bool
edit_replace_values(const struct edit_text *t, const struct text_value *const ends[2],
    struct bytes text, struct edit *out, struct err *e)
{
	struct bytes copy;
	if (!arena_copy(t->arena, text, &copy, e))
		return false;
	return make(ends[0]->pos.file, offset_of(&ends[0]->pos), end_of_value(ends[1]), copy, out);
}

bool
edit_replace(const struct edit_text *t, const struct text_value *v, struct bytes text,
    struct edit *out, struct err *e)
{
	const struct text_value *const ends[] = { v, v };
	return edit_replace_values(t, ends, text, out, e);
}

bool
edit_list_add(const struct edit_text *t, const struct text_value *list, struct bytes item,
    struct edit *out, struct err *e)
{
	const struct text_file *f = list->pos.file;
	size_t at = end_of_value(list) - 1;
	bool space = f->source.data[at - 1] == ' ' || f->source.data[at - 1] == '\t' ||
		     f->source.data[at - 1] == '\n';
	return make_text(
	    f, at, arena_printf(t->arena, "%s%.*s ", space ? "" : " ", SHOWN(item)), out, e);
}

/* Where the line of 'at' begins, if only white space stands before it; otherwise 'at'. */
static size_t
line_start(struct bytes s, size_t at)
{
	size_t i = at;
	while (i > 0 && (s.data[i - 1] == ' ' || s.data[i - 1] == '\t'))
		i--;
	return i == 0 || s.data[i - 1] == '\n' ? i : at;
}

bool
edit_block_add(const struct edit_text *t, const struct text_statement *s, struct bytes text,
    struct edit *out, struct err *e)
{
	const struct text_file *f = s->pos.file;
	size_t brace = offset_of(&s->block.end), own = offset_of(&s->pos);
	size_t at = line_start(f->source, brace), begin = line_start(f->source, own);
	bool one_line = at == brace && at > 0 && f->source.data[at - 1] != '\n';
	struct bytes indent = bytes_from(f->source.data + begin, own - begin);
	return make_text(f, at,
	    arena_printf(t->arena, "%s%.*s    %.*s\n%.*s", one_line ? "\n" : "", SHOWN(indent),
		SHOWN(text), one_line ? (int)indent.len : 0, (const char *)indent.data),
	    out, e);
}

bool
edit_block_new(const struct edit_text *t, const struct text_statement *s, struct bytes text,
    struct edit *out, struct err *e)
{
	return make_text(s->pos.file, end_of_statement(s),
	    arena_printf(t->arena, " { %.*s }", SHOWN(text)), out, e);
}

bool
edit_remove(
    const struct edit_text *t, const struct text_statement *s, struct edit *out, struct err *e)
{
	(void)t;
	(void)e;
	return make(s->pos.file, offset_of(&s->pos), end_of_statement(s), bytes_of(""), out);
}
