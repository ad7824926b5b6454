/* Rows of the matrix that say the same. */
#include <stdlib.h>

#include "policy/matrix.h"

static int
by_pair(const struct matrix_row *a, const struct matrix_row *b)
{
	int c = bytes_compare(a->from->name, b->from->name);
	if (c == 0)
		c = bytes_compare(a->to->name, b->to->name);
	if (c == 0)
		c = bytes_compare(a->agreement->name, b->agreement->name);
	return c != 0 ? c : bytes_compare(a->topic, b->topic);
}

static int
by_vocab(const struct matrix_row *a, const struct matrix_row *b)
{
	if (a->vocab == b->vocab || a->vocab == NULL || b->vocab == NULL)
		return 0;
	return bytes_compare(a->vocab->name, b->vocab->name);
}

static int
by_content(const struct matrix_row *a, const struct matrix_row *b)
{
	int c = bytes_compare(a->content, b->content);
	return c != 0 ? c : (a->low > b->low) - (a->low < b->low);
}

/* For reading: topic, then content and precedence, then vocabulary. */
static int
for_people(const void *x, const void *y)
{
	int c = by_pair(x, y);
	if (c == 0)
		c = by_content(x, y);
	return c != 0 ? c : by_vocab(x, y);
}

/* For merging: what may be merged stands together. */
static int
for_merging(const void *x, const void *y)
{
	int c = by_pair(x, y);
	if (c == 0)
		c = by_vocab(x, y);
	return c != 0 ? c : by_content(x, y);
}

/* ---- equal cells ---- */

static bool
same_set(const struct vocab *v, const uint64_t *a, const uint64_t *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return memcmp(a, b, v->words * sizeof(*a)) == 0;
}

static bool
same_label(const struct raw_label *a, const struct raw_label *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	if (!bytes_equal(a->vocabulary, b->vocabulary) ||
	    !bytes_equal(a->classification, b->classification) ||
	    a->category_count != b->category_count)
		return false;
	for (size_t i = 0; i < a->category_count; i++) {
		const struct raw_category *x = &a->categories[i], *y = &b->categories[i];
		if (!bytes_equal(x->name, y->name) || x->values.count != y->values.count)
			return false;
		for (size_t k = 0; k < x->values.count; k++)
			if (!bytes_equal(x->values.items[k], y->values.items[k]))
				return false;
	}
	return true;
}

static bool
same_cell(const struct matrix_row *a, const struct matrix_row *b)
{
	const struct matrix_cell *x = &a->cell, *y = &b->cell;
	if (a->verdict != b->verdict || a->reason != b->reason || !bytes_equal(a->rule, b->rule))
		return false;
	if (a->vocab == NULL)
		return true;
	return x->released == y->released && x->held == y->held && x->highest == y->highest &&
	       x->bare == y->bare && same_set(a->vocab, x->one_of, y->one_of) &&
	       same_set(a->vocab, x->carries, y->carries) && same_label(x->label, y->label) &&
	       same_label(x->beside, y->beside) && bytes_equal(x->held_by, y->held_by);
}

/* ---- merging ---- */

static bool
same_place(const struct matrix_row *a, const struct matrix_row *b)
{
	return by_pair(a, b) == 0 && by_vocab(a, b) == 0;
}

/* Ranges of precedences that follow one another. */
static void
merge_precedences(struct matrix *m)
{
	size_t n = 0;
	for (size_t i = 0; i < m->count; i++) {
		struct matrix_row *last = n == 0 ? NULL : &m->rows[n - 1], *row = &m->rows[i];
		if (last != NULL && same_place(last, row) &&
		    bytes_equal(last->content, row->content) && last->high + 1 == row->low &&
		    same_cell(last, row))
			last->high = row->high;
		else
			m->rows[n++] = *row;
	}
	m->count = n;
}

/* Whether the rows fall into as many equal parts as there are content types. */
static bool
all_contents_alike(const struct matrix_row *rows, size_t count)
{
	size_t parts = rows[0].contents, each = parts == 0 ? 0 : count / parts;
	if (parts == 0 || each * parts != count)
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct matrix_row *first = &rows[i % each], *row = &rows[i];
		if (!bytes_equal(row->content, rows[i / each * each].content) ||
		    row->low != first->low || row->high != first->high || !same_cell(first, row))
			return false;
	}
	return true;
}

static void
merge_contents(struct matrix *m)
{
	size_t n = 0;
	for (size_t i = 0, end; i < m->count; i = end) {
		for (end = i + 1; end < m->count && same_place(&m->rows[i], &m->rows[end]); end++)
			;
		size_t keep = end - i;
		bool alike = all_contents_alike(&m->rows[i], keep);
		if (alike)
			keep /= m->rows[i].contents;
		for (size_t k = 0; k < keep; k++) {
			m->rows[n] = m->rows[i + k];
			if (alike)
				m->rows[n].content = bytes_of("any");
			n++;
		}
	}
	m->count = n;
}

void
matrix_merge(struct matrix *m)
{
	if (m->count == 0)
		return;
	qsort(m->rows, m->count, sizeof(*m->rows), for_merging);
	merge_precedences(m);
	merge_contents(m);
	qsort(m->rows, m->count, sizeof(*m->rows), for_people);
}
