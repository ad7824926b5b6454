#include "policy/compile.h"

#include <stdlib.h>

#define SHOWN(b) (int)(b).len, (const char *)(b).data

ptrdiff_t
compile_setting(const struct text_statement *s, const struct text_setting *settings, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (bytes_is(s->name, settings[i].name))
			return text_fits(s, &settings[i]) ? (ptrdiff_t)i : -1;
	return -1;
}

const struct text_pos *
compile_second(const struct text_block *b, const char *setting, struct bytes name,
    const struct text_pos *otherwise)
{
	bool first = true;
	for (size_t i = 0; i < b->count; i++) {
		const struct text_statement *s = &b->items[i];
		if (!bytes_is(s->name, setting) || s->value_count == 0 ||
		    !bytes_equal(s->values[0].text, name))
			continue;
		if (!first)
			return &s->values[0].pos;
		first = false;
	}
	return otherwise;
}

bool
compile_no_memory(struct compile *c)
{
	return text_error(c->errors, NULL, NULL, "out of memory");
}

/* The folder of a path, with its slash; empty if it has none. */
static struct bytes
folder_of(struct bytes path)
{
	while (path.len > 0 && path.data[path.len - 1] != '/')
		path.len--;
	return path;
}

struct bytes
compile_place(struct compile *c, const struct text_pos *pos)
{
	struct bytes name = pos->file->name;
	if (name.len >= c->folder.len &&
	    bytes_equal(bytes_from(name.data, c->folder.len), c->folder))
		name = bytes_from(name.data + c->folder.len, name.len - c->folder.len);
	return bytes_of(arena_printf(c->a, "%.*s:%u", SHOWN(name), pos->line));
}

const char *
compile_path(struct compile *c, const struct text_pos *pos, struct bytes path)
{
	struct bytes folder = folder_of(pos->file->name);
	if (path.len > 0 && path.data[0] == '/')
		folder.len = 0;
	return arena_printf(c->a, "%.*s%.*s", SHOWN(folder), SHOWN(path));
}

bool
compile_read(struct compile *c, const char *path, struct bytes *out, struct err *e)
{
	if (path == NULL)
		return err_set(e, ERR_NOMEM, "policy");
	return c->src->read(c->src->ctx, path, c->a, out, e);
}

bool
compile_digest(struct compile *c, const struct text_value *v, uint8_t out[32])
{
	struct bytes t = v->kind == TEXT_LIST ? bytes_of("") : v->text;
	bool good = t.len == 64;
	for (size_t i = 0; good && i < 64; i++) {
		uint8_t ch = t.data[i];
		bool digit = ch >= '0' && ch <= '9';
		good = digit || (ch >= 'a' && ch <= 'f');
		unsigned nibble = digit ? ch - (unsigned)'0' : ch - (unsigned)'a' + 10;
		out[i / 2] = (uint8_t)(i % 2 == 0 ? nibble << 4 : out[i / 2] | nibble);
	}
	return good ||
	       text_error(c->errors, &v->pos, NULL, "64 digits 0-9, a-f of a SHA-256 stand here");
}

static int
by_bytes(const void *x, const void *y)
{
	return bytes_compare(*(const struct bytes *)x, *(const struct bytes *)y);
}

bool
compile_sorted(struct compile *c, const struct names *in, struct names *out)
{
	struct bytes *items = arena_zalloc(c->a, in->count, sizeof(*items));
	if (items == NULL)
		return compile_no_memory(c);
	if (in->count > 0)
		memcpy(items, in->items, in->count * sizeof(*items));
	if (in->count > 1)
		qsort(items, in->count, sizeof(*items), by_bytes);
	*out = (struct names){ items, in->count };
	return true;
}

void
compile_no_party(struct compile *c, const struct text_value *v)
{
	const struct epoch *e = c->e;
	struct bytes *known = arena_zalloc(c->a, e->party_count, sizeof(*known));
	for (size_t i = 0; known != NULL && i < e->party_count; i++)
		known[i] = e->parties[i].name;
	text_error(c->errors, &v->pos,
	    known == NULL ? NULL
			  : text_did_you_mean(c->errors, v->text, known, e->party_count,
				"parties are declared by 'party NAME { .. }'"),
	    "there is no party '%.*s'", SHOWN(v->text));
}

/* ---- names of a vocabulary ---- */

const struct vocab *
compile_find_vocab(struct compile *c, const struct text_value *v, size_t *index)
{
	struct bytes *known;
	const struct epoch *e = c->e;
	if (v->kind == TEXT_LIST) {
		text_error(c->errors, &v->pos, NULL, "the name of a vocabulary stands here");
		return NULL;
	}
	for (size_t i = 0; i < e->vocab_count; i++)
		if (vocab_same_name(e->vocabs[i]->name, v->text)) {
			*index = i;
			return e->vocabs[i];
		}
	known = arena_zalloc(c->a, e->vocab_count, sizeof(*known));
	if (known == NULL) {
		compile_no_memory(c);
		return NULL;
	}
	for (size_t i = 0; i < e->vocab_count; i++)
		known[i] = e->vocabs[i]->name;
	text_error(c->errors, &v->pos,
	    text_did_you_mean(c->errors, v->text, known, e->vocab_count,
		"vocabularies are declared by 'vocabulary NAME { spif \"FILE\" }'"),
	    "there is no vocabulary '%.*s'", SHOWN(v->text));
	return NULL;
}

/* The story of a name that a vocabulary lacks, as an error at the value. */
static bool
misnamed(struct compile *c, const struct text_value *v, const struct err *e)
{
	return text_error_from(c->errors, &v->pos, e);
}

bool
compile_find_class(
    struct compile *c, const struct vocab *of, const struct text_value *v, uint32_t *out)
{
	struct err e = { 0 };
	if (v->kind == TEXT_LIST)
		return text_error(
		    c->errors, &v->pos, NULL, "the name of a classification stands here");
	return vocab_need_class(of, v->text, out, &e) || misnamed(c, v, &e);
}

bool
compile_find_tagset(struct compile *c, const struct vocab *of, const struct text_pos *pos,
    struct bytes name, uint32_t *out)
{
	struct err e = { 0 };
	return vocab_need_tagset(of, name, out, &e) || text_error_from(c->errors, pos, &e);
}

bool
compile_find_value(struct compile *c, const struct vocab *of, uint32_t tagset,
    const struct text_value *v, uint32_t *out)
{
	struct err e = { 0 };
	if (v->kind == TEXT_LIST)
		return text_error(c->errors, &v->pos, NULL, "the name of a value stands here");
	return vocab_need_value(of, tagset, v->text, out, &e) || misnamed(c, v, &e);
}
