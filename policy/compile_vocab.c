/* Vocabularies: 'vocabulary NAME { spif "FILE" releasability "CATEGORY" }'. */
#include <stdlib.h>

#include "policy/compile.h"
#include "policy/spif.h"

#define SHOWN(b) (int)(b).len, (const char *)(b).data

enum { SET_SPIF, SET_RELEASABILITY, SET_COUNT };
static const struct text_setting settings[SET_COUNT] = {
	[SET_SPIF] = { "spif", "v", TEXT_BLOCK_NONE, false, true, "spif \"FILE\"" },
	[SET_RELEASABILITY] = { "releasability", "v", TEXT_BLOCK_NONE, false, false,
	    "releasability \"CATEGORY\"" },
};

/* In an export: no file, but its digest. */
static const struct text_setting exported[SET_COUNT] = {
	[SET_SPIF] = { "spif", "vv", TEXT_BLOCK_NONE, false, true, "spif SHA256 HEX" },
	[SET_RELEASABILITY] = { "releasability", "v", TEXT_BLOCK_NONE, false, false,
	    "releasability \"CATEGORY\"" },
};

struct declared {
	const struct text_statement *statement;
	struct bytes name, folded;
	struct vocab *vocab; /* NULL: it did not load */
};

static const struct text_setting *
settings_of(const struct compile *c)
{
	return (c->flags & EPOCH_EXPORTED) != 0 ? exported : settings;
}

/* The path of a SPIF, or the hex of its digest; NULL: at fault, or no memory. */
static const char *
spif_path(struct compile *c, const struct text_statement *s)
{
	uint8_t digest[32];
	if ((c->flags & EPOCH_EXPORTED) == 0)
		return compile_path(c, &s->pos, s->values[0].text);
	if (!text_keyword(c->errors, &s->values[0], "SHA256") ||
	    !compile_digest(c, &s->values[1], digest))
		return NULL;
	return arena_printf(c->a, "%.*s", SHOWN(s->values[1].text));
}

static bool
read_spif(struct compile *c, const struct text_statement *s, struct declared *d)
{
	const struct text_statement *spif = text_find(&s->block, "spif");
	struct bytes bytes, file;
	struct err e = { 0 };
	if (spif == NULL || !text_fits(spif, &settings_of(c)[SET_SPIF]))
		return true; /* told by text_check */
	const char *path = spif_path(c, spif);
	if (path == NULL && c->errors->error_count > 0)
		return true;
	if (!compile_read(c, path, &bytes, &e)) {
		text_error_from(c->errors, &spif->values[0].pos, &e);
		return e.code != ERR_NOMEM;
	}
	file = bytes_of(path);
	if (!spif_load(c->a, file, bytes, c->errors, &d->vocab))
		d->vocab = NULL;
	return true;
}

static void
check_name(struct compile *c, struct declared *d)
{
	if (vocab_same_name(d->vocab->name, d->name))
		return;
	text_error(c->errors, &d->statement->values[0].pos,
	    text_note(c->errors, "write: vocabulary \"%.*s\"", SHOWN(d->vocab->name)),
	    "the SPIF is the security policy '%.*s', not '%.*s'", SHOWN(d->vocab->name),
	    SHOWN(d->name));
	d->vocab = NULL;
}

static void
set_releasability(struct compile *c, struct declared *d)
{
	const struct text_statement *s = text_find(&d->statement->block, "releasability");
	struct err e = { 0 };
	if (s == NULL || !text_fits(s, &settings[SET_RELEASABILITY]))
		return;
	if (!vocab_set_releasability(d->vocab, s->values[0].text, &e))
		text_error_from(c->errors, &s->values[0].pos, &e);
}

static bool
declare(struct compile *c, const struct text_statement *s, struct declared *d)
{
	struct err e = { 0 };
	*d = (struct declared){ .statement = s };
	text_check(c->errors, "vocabulary", &s->block, settings_of(c), SET_COUNT);
	if (!text_string(c->errors, &s->values[0], LIMIT_NAME_BYTES, &d->name))
		d->name = bytes_of("");
	if (!vocab_fold(c->a, d->name, &d->folded, &e))
		return compile_no_memory(c);
	if (!read_spif(c, s, d))
		return false;
	if (d->vocab != NULL && d->name.len > 0)
		check_name(c, d);
	if (d->vocab != NULL)
		set_releasability(c, d);
	return true;
}

static int
by_name(const void *x, const void *y)
{
	const struct declared *a = x, *b = y;
	int d = bytes_compare(a->folded, b->folded);
	if (d != 0)
		return d;
	return (a->statement > b->statement) - (a->statement < b->statement);
}

static void
refuse_twins(struct compile *c, const struct declared *list, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (list[i].name.len > 0 && bytes_equal(list[i - 1].folded, list[i].folded))
			text_error(c->errors, &list[i].statement->values[0].pos,
			    text_note(c->errors, "first in %s",
				text_place(c->errors, &list[i - 1].statement->pos)),
			    "two vocabularies are named '%.*s'", SHOWN(list[i].name));
}

bool
compile_vocab_all(struct compile *c)
{
	size_t count = 0;
	struct declared *list = arena_zalloc(c->a, c->top->count, sizeof(*list));
	if (list == NULL)
		return compile_no_memory(c);
	for (size_t i = 0; i < c->top->count; i++) {
		const struct text_statement *s = &c->top->items[i];
		if (bytes_is(s->name, "vocabulary") && s->value_count == 1 && s->has_block &&
		    !declare(c, s, &list[count++]))
			return false;
	}
	if (count > 1)
		qsort(list, count, sizeof(*list), by_name);
	refuse_twins(c, list, count);
	c->e->vocabs = arena_zalloc(c->a, count, sizeof(*c->e->vocabs));
	if (c->e->vocabs == NULL)
		return compile_no_memory(c);
	for (size_t i = 0; i < count; i++)
		if (list[i].vocab != NULL)
			c->e->vocabs[c->e->vocab_count++] = list[i].vocab;
	return true;
}
