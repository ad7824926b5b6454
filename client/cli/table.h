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
	bool used[TABLE_COLUMNS]; /* something stands in it below the head */
};

void table_init(struct table *t, struct arena *a, const char *indent, size_t columns);
/* The names of the columns; before the rows. */
MUST_USE bool table_head(struct table *t, const char *const *cells, struct err *e);
/* One row of 'columns' cells, which must outlive the table; NULL is an empty one. */
MUST_USE bool table_add(struct table *t, const char *const *cells, struct err *e);
/* Prints and forgets the rows.  A column without anything below its name is left out. */
void table_print(struct table *t, FILE *to);
