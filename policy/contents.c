#include "policy/contents.h"

#include "policy/rules.h"
#include "policy/vocab.h"

struct contents {
	struct arena *arena;
	const struct agreement *const *of;
	size_t of_count;
	struct content_class *items;
	size_t count;
	struct err *err;
};

static bool
no_memory(struct contents *c)
{
	return err_set(c->err, ERR_NOMEM, "content types");
}

typedef bool visitor(struct contents *c, struct bytes pattern);

static bool
visit(struct contents *c, visitor *v, struct bytes only)
{
	for (size_t i = 0; i < c->of_count; i++)
		for (size_t r = 0; c->of[i] != NULL && r < c->of[i]->rule_count; r++)
			for (size_t k = 0; k < c->of[i]->rules[r].condition_count; k++) {
				const struct condition *x = &c->of[i]->rules[r].conditions[k];
				if (x->kind != CONDITION_CONTENT_TYPE ||
				    (only.data != NULL && !vocab_same_name(only, x->pattern)))
					continue;
				if (!v(c, x->pattern))
					return false;
			}
	return true;
}

static bool
never(struct contents *c, struct bytes pattern)
{
	(void)c;
	(void)pattern;
	return false;
}

static bool
plain_is_free(struct contents *c, struct bytes start)
{
	struct bytes plain = bytes_of("text/plain"), text = bytes_of("text/*");
	if (!visit(c, never, plain))
		return false;
	return bytes_is(start, "x-none/") ? visit(c, never, text)
					  : vocab_same_name(start, bytes_of("text/"));
}

/* A type that begins like this and that no rule names: the one that most reports have, if it may
 * stand for them. */
static bool
open_type(struct contents *c, struct bytes start, struct bytes *out)
{
	*out = bytes_of("text/plain");
	if (plain_is_free(c, start))
		return true;
	for (unsigned n = 0;; n++) {
		const char *text =
		    arena_printf(c->arena, "%.*sx-%u", (int)start.len, (const char *)start.data, n);
		if (text == NULL)
			return no_memory(c);
		*out = bytes_of(text);
		if (visit(c, never, *out))
			return true;
	}
}

static bool
add(struct contents *c, struct bytes pattern)
{
	struct content_class *x = &c->items[c->count];
	for (size_t i = 0; i < c->count; i++)
		if (vocab_same_name(c->items[i].name, pattern)) /* case does not count */
			return true;
	*x = (struct content_class){ pattern, pattern };
	if (pattern.data[pattern.len - 1] == '*' &&
	    !open_type(c, bytes_from(pattern.data, pattern.len - 1), &x->witness))
		return false;
	c->count++;
	return true;
}

bool
contents_classes(struct arena *a, const struct agreement *const *of, size_t of_count,
    const struct content_class **out, size_t *count, struct err *e)
{
	struct contents c = { .arena = a, .of = of, .of_count = of_count, .err = e };
	size_t most = 1;
	for (size_t i = 0; i < of_count; i++)
		for (size_t r = 0; of[i] != NULL && r < of[i]->rule_count; r++)
			most += of[i]->rules[r].condition_count;
	c.items = arena_zalloc(a, most, sizeof(*c.items));
	if (c.items == NULL)
		return no_memory(&c);
	c.items[c.count].name = bytes_of("other");
	if (!open_type(&c, bytes_of("x-none/"), &c.items[c.count].witness))
		return false;
	c.count++;
	if (!visit(&c, add, (struct bytes){ NULL, 0 }))
		return false;
	*out = c.items;
	*count = c.count;
	return true;
}
