/* Files that include files: one tree of statements out of many. */
#include "policy/text.h"

#include <stdlib.h>

struct chain { /* the files being read, innermost first */
	const struct chain *outer;
	struct bytes path;
	unsigned depth;
};
struct load {
	struct arena *arena;
	const struct text_reader *reader;
	struct text_errors *errors;
	size_t files;
	struct node *first, **tail;
	size_t count;
};
struct node {
	struct text_statement statement;
	struct node *next;
};

static bool load_file(struct load *ld, const struct chain *outer, struct bytes path,
    const struct text_pos *from, struct text_pos *end);

static bool
no_memory(struct load *ld)
{
	return text_error(ld->errors, NULL, NULL, "out of memory: the policy is too large");
}

/* 'name' as seen from the folder of 'base': without '.', '..' and doubled slashes where they can
 * be resolved by reading, so that one file has one name. */
static struct bytes
join(struct arena *a, struct bytes base, struct bytes name)
{
	struct bytes none = { NULL, 0 };
	const uint8_t *slash = base.len == 0 ? NULL : memrchr(base.data, '/', base.len);
	size_t folder = name.len != 0 && name.data[0] == '/' ? 0
			: slash == NULL			     ? 0
							     : (size_t)(slash - base.data) + 1;
	size_t len = folder + name.len;
	char *out = arena_alloc(a, len + 1);
	if (out == NULL)
		return none;
	if (folder != 0)
		memcpy(out, base.data, folder);
	if (name.len != 0)
		memcpy(out + folder, name.data, name.len);
	size_t to = len != 0 && out[0] == '/';
	size_t floor = to; /* what '..' may not eat */
	for (size_t i = to; i < len;) {
		size_t n = 0;
		while (i + n < len && out[i + n] != '/')
			n++;
		bool up = n == 2 && out[i] == '.' && out[i + 1] == '.';
		if (up && to > floor) {
			to--;
			while (to > floor && out[to - 1] != '/')
				to--;
		} else if (n != 0 && !(n == 1 && out[i] == '.') && !(up && out[0] == '/')) {
			memmove(out + to, out + i, n);
			to += n;
			if (up)
				floor = to + 1;
			out[to++] = '/';
		}
		i += n + 1;
	}
	if (to > 1 || (to == 1 && out[0] != '/'))
		to--; /* the last slash */
	out[to] = 0;
	return (struct bytes){ (const uint8_t *)out, to };
}

static bool
check_chain(
    struct load *ld, const struct chain *outer, struct bytes path, const struct text_pos *from)
{
	for (const struct chain *c = outer; c != NULL; c = c->outer) {
		if (!bytes_equal(c->path, path))
			continue;
		const char *cycle = text_note(ld->errors, "%s", (const char *)path.data);
		for (const struct chain *d = outer; d != c; d = d->outer)
			cycle =
			    text_note(ld->errors, "%s -> %s", (const char *)d->path.data, cycle);
		return text_error(ld->errors, from, "a file cannot include itself",
		    "cycle of includes: %s -> %s", (const char *)path.data, cycle);
	}
	if (outer != NULL && outer->depth == LIMIT_POLICY_DEPTH)
		return text_error(ld->errors, from, NULL, "includes are nested deeper than %u",
		    LIMIT_POLICY_DEPTH);
	if (ld->files == LIMIT_POLICY_FILES)
		return text_error(ld->errors, from, NULL, "more than %u files", LIMIT_POLICY_FILES);
	ld->files++;
	return true;
}

/* The one path that an include names. */
static bool
include_path(
    struct load *ld, const struct text_statement *s, const struct chain *self, struct bytes *out)
{
	if (s->value_count != 1 || s->values[0].kind == TEXT_LIST || s->has_block ||
	    s->values[0].text.len == 0)
		return text_error(ld->errors, &s->pos,
		    text_note(
			ld->errors, "%.*s \"PATH\"", (int)s->name.len, (const char *)s->name.data),
		    "'%.*s' takes one path", (int)s->name.len, (const char *)s->name.data);
	*out = join(ld->arena, self->path, s->values[0].text);
	return out->data != NULL || no_memory(ld);
}

static int
by_bytes(const void *a, const void *b)
{
	return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

static bool
is_policy_file(struct bytes name)
{
	static const char suffix[] = ".policy";
	size_t n = sizeof(suffix) - 1;
	return name.len > n && name.data[0] != '.' &&
	       memcmp(name.data + name.len - n, suffix, n) == 0;
}

static bool
include_folder(struct load *ld, const struct text_statement *s, const struct chain *self)
{
	struct bytes folder = { NULL, 0 };
	if (!include_path(ld, s, self, &folder))
		return false;
	struct names found = { NULL, 0 };
	struct err e = { 0 };
	if (!ld->reader->list(
		ld->reader->context, (const char *)folder.data, ld->arena, &found, &e))
		return text_error_from(ld->errors, &s->values[0].pos, &e);
	struct bytes *names = arena_zalloc(ld->arena, found.count, sizeof(*names));
	if (names == NULL)
		return no_memory(ld);
	size_t count = 0;
	for (size_t i = 0; i < found.count; i++)
		if (is_policy_file(found.items[i]))
			names[count++] = found.items[i];
	qsort(names, count, sizeof(*names), by_bytes);
	bool ok = true;
	for (size_t i = 0; i < count; i++) {
		char *path = arena_printf(ld->arena, "%s/%.*s", (const char *)folder.data,
		    (int)names[i].len, (const char *)names[i].data);
		struct text_pos end;
		if (path == NULL)
			return no_memory(ld);
		ok = load_file(ld, self, bytes_of(path), &s->pos, &end) && ok;
	}
	return ok;
}

static bool
include_file(struct load *ld, const struct text_statement *s, const struct chain *self)
{
	struct bytes path = { NULL, 0 };
	struct text_pos end;
	return include_path(ld, s, self, &path) &&
	       load_file(ld, self, path, &s->values[0].pos, &end);
}

/* Includes stand at the top level only. */
static bool
check_inner(struct load *ld, const struct text_block *b)
{
	bool ok = true;
	for (size_t i = 0; i < b->count; i++) {
		const struct text_statement *s = &b->items[i];
		if (bytes_is(s->name, "include") || bytes_is(s->name, "include-dir"))
			ok = text_error(ld->errors, &s->pos, "move it out of the block",
			    "an include inside a block");
		ok = check_inner(ld, &s->block) && ok; /* at most LIMIT_POLICY_DEPTH deep */
	}
	return ok;
}

static bool
take_statement(struct load *ld, const struct text_statement *s, const struct chain *self)
{
	if (bytes_is(s->name, "include"))
		return include_file(ld, s, self);
	if (bytes_is(s->name, "include-dir"))
		return include_folder(ld, s, self);
	struct node *n = arena_zalloc(ld->arena, 1, sizeof(*n));
	if (n == NULL)
		return no_memory(ld);
	n->statement = *s;
	*ld->tail = n;
	ld->tail = &n->next;
	ld->count++;
	return check_inner(ld, &s->block);
}

/* What a full disk or a slip of the hand leaves. */
static bool
is_blank(struct bytes source)
{
	for (size_t i = 0; i < source.len; i++) {
		uint8_t c = source.data[i];
		if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
			return false;
	}
	return true;
}

static bool
load_file(struct load *ld, const struct chain *outer, struct bytes path,
    const struct text_pos *from, struct text_pos *end)
{
	if (!check_chain(ld, outer, path, from))
		return false;
	struct bytes source = { NULL, 0 };
	struct err e = { 0 };
	if (!ld->reader->read(ld->reader->context, (const char *)path.data, ld->arena, &source, &e))
		return text_error_from(ld->errors, from, &e);
	struct text_block block = { NULL, 0, { NULL, 0, 0 } };
	if (!text_parse(ld->arena, path, source, ld->errors, &block))
		return false;
	if (is_blank(source))
		return text_error(ld->errors, &block.end,
		    "remove it, or write a comment into a file that is meant to say nothing",
		    "the file is empty");
	struct chain self = { outer, path, outer == NULL ? 0 : outer->depth + 1 };
	bool ok = true;
	for (size_t i = 0; i < block.count; i++)
		ok = take_statement(ld, &block.items[i], &self) && ok;
	*end = block.end;
	return ok;
}

bool
text_load(struct arena *a, const char *path, const struct text_reader *reader,
    struct text_errors *l, struct text_block *out)
{
	struct load ld = { .arena = a, .reader = reader, .errors = l };
	ld.tail = &ld.first;
	struct bytes name = join(a, bytes_of(""), bytes_of(path));
	if (name.data == NULL)
		return no_memory(&ld);
	struct text_block block = { NULL, 0, { NULL, 0, 0 } };
	if (!load_file(&ld, NULL, name, NULL, &block.end))
		return false;
	struct text_statement *items = arena_zalloc(a, ld.count, sizeof(*items));
	if (items == NULL)
		return no_memory(&ld);
	const struct node *n = ld.first;
	for (; n != NULL; n = n->next)
		items[block.count++] = n->statement;
	block.items = items;
	*out = block;
	return true;
}
