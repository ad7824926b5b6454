#include "client/cli/pins.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/bundle.h"
#include "client/cli/disk.h"
#include "policy/text.h"

static int
by_name(const void *x, const void *y)
{
	const struct pin *a = x, *b = y;
	return strcmp(a->agreement, b->agreement);
}

/* "atlas 3 HEX" */
static void
read_pin(struct arena *a, struct text_errors *l, const struct text_statement *s, struct pin *out)
{
	static const struct text_setting line = { "AGREEMENT", "vv", TEXT_BLOCK_NONE, true, false,
		"AGREEMENT VERSION DIGEST" };
	if (!text_fits(s, &line)) {
		text_error(l, &s->pos, line.usage, "this is no line of accepted terms");
		return;
	}
	if (!text_integer(l, &s->values[0], 1, INT64_MAX, &out->version))
		return;
	if (!bundle_unhex(s->values[1].text, out->terms))
		text_error(l, &s->values[1].pos, NULL, "a digest has 64 hexadecimal digits");
	out->agreement = arena_printf(a, "%.*s", (int)s->name.len, (const char *)s->name.data);
	if (out->agreement == NULL)
		text_error(l, NULL, NULL, "out of memory");
}

static bool
parse(struct pins *p, struct bytes text, struct arena *a, struct text_errors *l)
{
	struct text_block b;
	if (!text_parse(a, bytes_of(p->path), text, l, &b))
		return false;
	p->items = arena_zalloc(a, b.count, sizeof(*p->items));
	for (size_t i = 0; p->items != NULL && i < b.count; i++)
		read_pin(a, l, &b.items[i], &p->items[i]);
	if (p->items == NULL)
		text_error(l, NULL, NULL, "out of memory");
	if (l->error_count > 0)
		return false;
	p->count = b.count;
	if (p->count > 1)
		qsort(p->items, p->count, sizeof(*p->items), by_name);
	for (size_t i = 1; i < p->count; i++)
		if (by_name(&p->items[i - 1], &p->items[i]) == 0)
			text_error(l, NULL, NULL, "%s: two lines of agreement '%s'", p->path,
			    p->items[i].agreement);
	return l->error_count == 0;
}

bool
pins_load(const char *path, struct arena *a, struct pins *out, struct err *e)
{
	struct pins p = { .path = path };
	struct text_errors l;
	struct bytes text;
	struct err why = { 0 };
	if (!context_read_file(path, true, a, &text, &why)) {
		if (why.code != ERR_NOT_FOUND)
			return err_set(e, why.code, "%s", why.text);
		*out = p;
		return true;
	}
	text_errors_init(&l);
	/* a file of nothing but blanks is no statement, and no fault here */
	bool ok = text.len == 0 || parse(&p, text, a, &l) || text_errors_to_err(&l, ERR_CONFIG, e);
	text_errors_done(&l);
	if (ok)
		*out = p;
	return ok;
}

const struct pin *
pins_find(const struct pins *p, const char *agreement)
{
	const struct pin wanted = { .agreement = agreement };
	return p->count == 0 ? NULL
			     : bsearch(&wanted, p->items, p->count, sizeof(*p->items), by_name);
}

static bool
write_all(const struct pins *p, struct arena *a, struct err *e)
{
	const char *text = "# What was accepted, by 'relto agreement accept'.\n";
	for (size_t i = 0; text != NULL && i < p->count; i++) {
		char hex[BUNDLE_HEX_LEN + 1];
		bundle_hex(p->items[i].terms, hex);
		text = arena_printf(a, "%s%s %" PRIu64 " %s\n", text, p->items[i].agreement,
		    p->items[i].version, hex);
	}
	const char *end = strrchr(p->path, '/');
	const char *folder =
	    end == NULL ? "." : arena_printf(a, "%.*s", (int)(end - p->path), p->path);
	if (text == NULL || folder == NULL)
		return err_set(e, ERR_NOMEM, "accepted terms");
	return disk_folder(folder, e) && disk_write(p->path, 0600, bytes_of(text), e);
}

bool
pins_put(struct pins *p, struct arena *a, const struct pin *pin, struct err *e)
{
	struct pins next = { .path = p->path };
	next.items = arena_zalloc(a, p->count + 1, sizeof(*next.items));
	if (next.items == NULL)
		return err_set(e, ERR_NOMEM, "accepted terms");
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->items[i].agreement, pin->agreement) != 0)
			next.items[next.count++] = p->items[i];
	next.items[next.count++] = *pin;
	qsort(next.items, next.count, sizeof(*next.items), by_name);
	if (!write_all(&next, a, e))
		return false;
	*p = next;
	return true;
}
