#include "client/cli/table.h"

#include <string.h>

#include "client/cli/out.h"

struct table_row {
	struct table_row *next;
	const char *cells[TABLE_COLUMNS];
};

void
table_init(struct table *t, struct arena *a, const char *indent, size_t columns)
{
	*t = (struct table){ .arena = a, .indent = indent, .columns = columns };
	t->last = &t->first;
}

/* Characters, near enough to what a terminal shows. */
static size_t
width_of(const char *text)
{
	size_t n = 0;
	for (; *text != 0; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

bool
table_head(struct table *t, const char *const *cells, struct err *e)
{
	struct table_row *r = arena_zalloc(t->arena, 1, sizeof(*r));
	if (r == NULL)
		return err_set(e, ERR_NOMEM, "table");
	for (size_t i = 0; i < t->columns; i++) {
		r->cells[i] = cells[i] == NULL ? "" : cells[i];
		size_t n = width_of(r->cells[i]);
		if (n > t->width[i])
			t->width[i] = n;
	}
	*t->last = r;
	t->last = &r->next;
	return true;
}

bool
table_add(struct table *t, const char *const *cells, struct err *e)
{
	for (size_t i = 0; i < t->columns; i++)
		t->used[i] = t->used[i] || (cells[i] != NULL && *cells[i] != 0);
	return table_head(t, cells, e);
}

void
table_print(struct table *t, FILE *to)
{
	for (const struct table_row *r = t->first; r != NULL; r = r->next) {
		size_t owed = 0; /* spaces before the next text */
		(void)fputs(t->indent, to);
		for (size_t i = 0; i < t->columns; i++) {
			size_t n = width_of(r->cells[i]);
			if (!t->used[i])
				continue;
			if (n > 0) {
				(void)fprintf(to, "%*s", (int)owed, "");
				out_clean(to, bytes_of(r->cells[i]));
				owed = 0;
			}
			owed += t->width[i] - n + 2;
		}
		(void)fputc('\n', to);
	}
	table_init(t, t->arena, t->indent, t->columns);
}
