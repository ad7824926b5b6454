/* Rows that say the same of more precedences, or of more topics, become one. */
#include "policy/diff.h"

static bool
same_bytes(struct bytes x, struct bytes y)
{
	return (x.data == NULL) == (y.data == NULL) && bytes_equal(x, y);
}

static bool
same_label(const struct raw_label *x, const struct raw_label *y)
{
	bool same = bytes_equal(x->vocabulary, y->vocabulary) &&
		    bytes_equal(x->classification, y->classification) &&
		    x->category_count == y->category_count;
	for (size_t i = 0; same && i < x->category_count; i++)
		same = bytes_equal(x->categories[i].name, y->categories[i].name) &&
		       names_equal(&x->categories[i].values, &y->categories[i].values);
	return same;
}

static bool
same_said(const struct cell_said *x, const struct cell_said *y)
{
	return x->verdict == y->verdict && x->refused == y->refused && x->reason == y->reason &&
	       same_bytes(x->rule, y->rule);
}

static bool
same_cell(const struct cell *x, const struct cell *y)
{
	bool same = x->to == y->to && x->count == y->count && x->own_count == y->own_count &&
		    x->label_count == y->label_count && x->time == y->time &&
		    same_said(&x->said[0], &y->said[0]) && same_said(&x->said[1], &y->said[1]);
	for (size_t i = 0; same && i < x->label_count; i++)
		same = same_label(&x->labels[i], &y->labels[i]);
	return same;
}

/* Of the same senders and content; 'y' goes into 'x'. */
static bool
join(struct arena *a, struct diff_where *x, const struct diff_where *y)
{
	if (!names_equal(&x->from, &y->from) || !same_bytes(x->content, y->content))
		return false;
	if (names_equal(&x->topics, &y->topics)) {
		bool above = x->high + 1 == y->low, below = y->high + 1 == x->low;
		x->high = above ? y->high : x->high;
		x->low = below ? y->low : x->low;
		return above || below;
	}
	if (x->low != y->low || x->high != y->high)
		return false;
	struct bytes *list = arena_zalloc(a, x->topics.count + y->topics.count, sizeof(*list));
	size_t n = 0;
	if (list == NULL)
		return false; /* two rows say it as well */
	for (size_t i = 0; i < x->topics.count; i++)
		list[n++] = x->topics.items[i];
	for (size_t i = 0; i < y->topics.count; i++)
		list[n++] = y->topics.items[i];
	x->topics = (struct names){ list, n };
	return true;
}

/* Rows of one agreement; those of one crowd of receivers stand together. */
void
diff_merge(struct diff_making *m, size_t first)
{
	struct diff *d = m->out;
	for (bool again = true; again;) {
		size_t kept = first;
		again = false;
		for (size_t i = first; i < d->row_count; i++) {
			bool gone = false;
			for (size_t k = kept; k-- > first && !gone;) {
				struct diff_row *x = &d->rows[k];
				if (x->cell.to != d->rows[i].cell.to)
					break;
				gone = same_cell(&x->cell, &d->rows[i].cell) &&
				       join(m->arena, &x->where, &d->rows[i].where);
			}
			if (!gone)
				d->rows[kept++] = d->rows[i];
			again = again || gone;
		}
		d->row_count = kept;
	}
}
