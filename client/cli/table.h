/*
 * table.h - aligned columns for people: cleaned text, two spaces between columns, no spaces at the
 * end of a line.
 * Threads: one.
 */
#pragma once
#include "proto/arena.h"

#include <stdio.h>

enum { TABLE_COLUMNS = 12 };

struct table {
	struct arena *arena;
	const char *indent;
	size_t columns;
	struct table_row *first, **last;
	size_t width[TABLE_COLUMNS];
};

void table_init(struct table *t, struct arena *a, const char *indent, size_t columns);
/* One row of 'columns' cells, which must outlive the table; NULL is an empty one. */
MUST_USE bool table_add(struct table *t, const char *const *cells, struct err *e);
/* Prints and forgets the rows.  A column that is empty in all of them is left out. */
void table_print(struct table *t, FILE *to);
