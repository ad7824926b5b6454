#include "policy/diff.h"

#include <stdlib.h>

#include "policy/party.h"

const char *
diff_turn_name(enum diff_turn t)
{
	static const char *const names[] = { "-", "widens", "narrows", "differs" };
	return t <= DIFF_DIFFERS ? names[t] : "-";
}

static bool
no_memory(struct diff_making *m)
{
	return err_set(m->err, ERR_NOMEM, "difference");
}

static bool
grow(struct diff_making *m, void **list, size_t *room, size_t count, size_t size)
{
	if (count < *room)
		return true;
	size_t more = *room == 0 ? 32 : 2 * *room;
	void *out = arena_zalloc(m->arena, more, size);
	if (out == NULL)
		return no_memory(m);
	if (count > 0)
		memcpy(out, *list, count * size);
	*list = out;
	*room = more;
	return true;
}

bool
diff_note(struct diff_making *m, enum diff_turn turn, const char *what, struct bytes then,
    struct bytes now)
{
	struct diff *d = m->out;
	const struct agreement *of = m->of[1] != NULL ? m->of[1] : m->of[0];
	if (what == NULL)
		return no_memory(m);
	if (!grow(m, (void **)&d->notes, &m->note_room, d->note_count, sizeof(*d->notes)))
		return false;
	d->notes[d->note_count++] = (struct diff_note){ turn,
		of == NULL ? (struct bytes){ NULL, 0 } : of->name, bytes_of(what), then, now };
	d->widens = d->widens || turn == DIFF_WIDENS;
	return true;
}

/* ---- cells ---- */

static bool
add_row(struct diff_making *m, const struct cell *c, const struct diff_where *where,
    const struct names *to)
{
	struct diff *d = m->out;
	if (!grow(m, (void **)&d->rows, &m->row_room, d->row_count, sizeof(*d->rows)))
		return false;
	bool widens = c->said[1].verdict < c->said[0].verdict;
	d->rows[d->row_count++] = (struct diff_row){ widens ? DIFF_WIDENS : DIFF_NARROWS,
		m->of[m->of[1] != NULL]->name, *where, *to, *c };
	d->widens = d->widens || widens;
	return true;
}

static bool
take(void *ctx, const struct cell *c)
{
	struct diff_making *m = ctx;
	struct bytes *names = arena_zalloc(m->arena, c->to->count, sizeof(*names));
	struct names to = { names, c->to->count };
	if (names == NULL)
		return no_memory(m);
	for (size_t i = 0; i < c->to->count; i++)
		names[i] = c->to->people[i].name;
	if (!diff_wheres(m, c))
		return false;
	for (size_t i = 0; i < m->where_count; i++)
		if (!add_row(m, c, &m->wheres[i], &to))
			return false;
	return true;
}

/* What is terminated releases nothing, and cannot come back as it is. */
static const struct agreement *
alive(const struct agreement *of)
{
	return of == NULL || of->state == STATE_TERMINATED ? NULL : of;
}

static uint64_t
last_moment(const struct diff_making *m)
{
	uint64_t until = m->ask->time + 1;
	for (size_t s = 0; s < 2; s++)
		if (m->of[s] != NULL && m->of[s]->valid_until > until)
			until = m->of[s]->valid_until;
	return until;
}

static bool
leave_open(struct diff_making *m, const char *why)
{
	struct bytes text;
	if (!arena_copy(m->arena, bytes_of(why), &text, m->err))
		return false;
	m->out->open[m->out->open_count++] =
	    (struct diff_open){ m->of[m->of[1] != NULL]->name, text };
	return true;
}

static bool
compare(struct diff_making *m)
{
	const struct diff_ask *q = m->ask;
	struct err e = { .code = ERR_NONE };
	struct cells_ask cells = { .side = { { q->epochs[0], alive(m->of[0]) },
				       { q->epochs[1], alive(m->of[1]) } },
		.from = q->time,
		.until = last_moment(m),
		.most = q->most,
		.each = q->each,
		.progress = q->progress,
		.progress_ctx = q->progress_ctx };
	size_t first = m->out->row_count;
	m->scene = NULL;
	m->err->code = ERR_NONE;
	bool done = cells_compare(&cells, m->arena, take, m, &e);
	if (!q->each)
		diff_merge(m, first);
	if (done)
		return true;
	if (e.code == ERR_INTERNAL)
		return leave_open(m, e.text);
	if (e.code != ERR_NONE)
		*m->err = e;
	return false;
}

/* ---- all agreements of both, by name ---- */

static bool
one_agreement(struct diff_making *m, const struct agreement *old, const struct agreement *new)
{
	struct bytes only = m->ask->agreement;
	m->of[0] = old;
	m->of[1] = new;
	if (only.data != NULL && !bytes_equal(m->of[new != NULL]->name, only))
		return true;
	m->out->agreements++;
	return compare(m) && diff_beside_agreement(m);
}

static bool
each_agreement(struct diff_making *m)
{
	const struct epoch *old = m->ask->epochs[0], *new = m->ask->epochs[1];
	size_t i = 0, k = 0;
	while (i < epoch_agreement_count(old) || k < epoch_agreement_count(new)) {
		const struct agreement *x =
		    i < epoch_agreement_count(old) ? epoch_agreement_at(old, i) : NULL;
		const struct agreement *y =
		    k < epoch_agreement_count(new) ? epoch_agreement_at(new, k) : NULL;
		int c = x == NULL ? 1 : y == NULL ? -1 : bytes_compare(x->name, y->name);
		if (!one_agreement(m, c <= 0 ? x : NULL, c >= 0 ? y : NULL))
			return false;
		i += c <= 0;
		k += c >= 0;
	}
	m->of[0] = m->of[1] = NULL;
	return true;
}

/* Widening first; the rest as it came. */
static bool
order(struct diff_making *m)
{
	struct diff *d = m->out;
	struct diff_row *rows = arena_zalloc(m->arena, d->row_count, sizeof(*rows));
	struct diff_note *notes = arena_zalloc(m->arena, d->note_count, sizeof(*notes));
	size_t n = 0, k = 0;
	if (rows == NULL || notes == NULL)
		return no_memory(m);
	for (enum diff_turn t = DIFF_WIDENS; t <= DIFF_DIFFERS; t++) {
		for (size_t i = 0; i < d->row_count; i++)
			if (d->rows[i].turn == t)
				rows[n++] = d->rows[i];
		for (size_t i = 0; i < d->note_count; i++)
			if (d->notes[i].turn == t)
				notes[k++] = d->notes[i];
	}
	d->rows = rows;
	d->notes = notes;
	return true;
}

bool
diff_make(const struct diff_ask *q, struct arena *a, struct diff *out, struct err *e)
{
	struct diff_making m = { .ask = q, .arena = a, .out = out, .err = e };
	size_t most = epoch_agreement_count(q->epochs[0]) + epoch_agreement_count(q->epochs[1]);
	*out = (struct diff){ .open = arena_zalloc(a, most, sizeof(*out->open)),
		.refused = arena_zalloc(a, most, sizeof(*out->refused)),
		.anchors_compared =
		    epoch_has_trust(q->epochs[0]) && epoch_has_trust(q->epochs[1]) };
	if (out->open == NULL || out->refused == NULL)
		return no_memory(&m);
	if ((q->agreement.data == NULL && !diff_beside(&m)) || !each_agreement(&m))
		return false;
	return m.short_of_memory ? no_memory(&m) : order(&m);
}
