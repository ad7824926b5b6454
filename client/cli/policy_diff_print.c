/* The differences of two policies as tables for people and as JSON. */
#include "client/cli/policy_diff.h"
#include "client/cli/policy_out.h"
#include "client/cli/table.h"
#include "policy/example.h"

#define SHOWN(b) (int)(b).len, (const char *)(b).data

static struct arena *
arena_of(struct differing *d)
{
	return &d->loads[1].arena;
}

/* ---- for people ---- */

static const char *
joined(struct differing *d, const struct names *list)
{
	const char *text = "";
	for (size_t i = 0; i < list->count && text != NULL; i++)
		text = arena_printf(
		    arena_of(d), "%s%s%.*s", text, i == 0 ? "" : " ", SHOWN(list->items[i]));
	return text;
}

static const char *
cell_text(struct differing *d, struct bytes in)
{
	return in.data == NULL ? "-" : arena_printf(arena_of(d), "%.*s", SHOWN(in));
}

static const char *
precedences(struct differing *d, const struct diff_where *w)
{
	if (w->low == w->high)
		return precedence_name(w->low);
	return arena_printf(
	    arena_of(d), "%s..%s", precedence_name(w->low), precedence_name(w->high));
}

static const char *
classes(struct differing *d, const struct cell *c)
{
	const char *text = "";
	for (size_t i = 0; i < c->own_count && text != NULL; i++)
		text = arena_printf(arena_of(d), "%s%s%.*s %.*s", text, i == 0 ? "" : " + ",
		    SHOWN(c->labels[i].vocabulary), SHOWN(c->labels[i].classification));
	return text;
}

static const char *
example(struct differing *d, const struct cell *c)
{
	const struct epoch *epochs[2] = { d->loads[0].epoch, d->loads[1].epoch };
	const char *text = "";
	for (size_t i = 0; i < c->label_count && text != NULL; i++) {
		const char *label = example_label_of(arena_of(d), epochs, &c->labels[i]);
		text = label == NULL
			   ? NULL
			   : arena_printf(arena_of(d), "%s%s%s", text, i == 0 ? "" : " + ", label);
	}
	return text;
}

static bool
add_row(struct differing *d, struct table *t, const struct diff_row *r, struct err *e)
{
	const char *cells[] = { diff_turn_name(r->turn), cell_text(d, r->agreement),
		joined(d, &r->where.from), joined(d, &r->to), joined(d, &r->where.topics),
		r->where.content.data == NULL ? "any" : cell_text(d, r->where.content),
		precedences(d, &r->where), classes(d, &r->cell),
		policy_out_verdict(arena_of(d), &r->cell.said[0]),
		policy_out_verdict(arena_of(d), &r->cell.said[1]),
		arena_printf(arena_of(d), "%llu", (unsigned long long)r->cell.count),
		example(d, &r->cell) };
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		if (cells[i] == NULL)
			return err_set(e, ERR_NOMEM, "rows");
	return table_add(t, cells, e);
}

static bool
print_rows(struct differing *d, struct err *e)
{
	static const char *const head[] = { "CHANGE", "AGREEMENT", "FROM", "TO", "TOPIC", "CONTENT",
		"PRECEDENCE", "LABELS", "THEN", "NOW", "CLASSES", "FOR EXAMPLE" };
	struct table t;
	table_init(&t, arena_of(d), "", sizeof(head) / sizeof(head[0]));
	if (!table_head(&t, head, e))
		return false;
	for (size_t i = 0; i < d->diff.row_count; i++)
		if (!add_row(d, &t, &d->diff.rows[i], e))
			return false;
	if (d->diff.row_count > 0)
		table_print(&t, stdout);
	return true;
}

static bool
print_notes(struct differing *d, struct err *e)
{
	static const char *const head[] = { "CHANGE", "AGREEMENT", "OF", "THEN", "NOW" };
	struct table t;
	table_init(&t, arena_of(d), "", sizeof(head) / sizeof(head[0]));
	if (!table_head(&t, head, e))
		return false;
	for (size_t i = 0; i < d->diff.note_count; i++) {
		const struct diff_note *n = &d->diff.notes[i];
		const char *cells[] = { diff_turn_name(n->turn), cell_text(d, n->agreement),
			cell_text(d, n->what), cell_text(d, n->then), cell_text(d, n->now) };
		for (size_t k = 0; k < sizeof(cells) / sizeof(cells[0]); k++)
			if (cells[k] == NULL)
				return err_set(e, ERR_NOMEM, "rows");
		if (!table_add(&t, cells, e))
			return false;
	}
	if (d->diff.note_count > 0 && d->diff.row_count > 0)
		(void)fputc('\n', stdout);
	if (d->diff.note_count > 0)
		table_print(&t, stdout);
	return true;
}

/* It comes first: what such an agreement has waiting is withheld for good. */
static void
print_refused(const struct diff *x)
{
	for (size_t i = 0; i < x->refused_count; i++) {
		out_cleanf(stdout,
		    "agreement %.*s: the broker would refuse it: %.*s; raise the version",
		    SHOWN(x->refused[i].agreement), SHOWN(x->refused[i].why));
		(void)fputc('\n', stdout);
	}
	if (x->refused_count > 0)
		(void)fputc('\n', stdout);
}

bool
policy_diff_print(struct differing *d, struct err *e)
{
	const struct diff *x = &d->diff;
	print_refused(x);
	if (!print_rows(d, e) || !print_notes(d, e))
		return false;
	for (size_t i = 0; i < x->open_count; i++) {
		out_cleanf(stdout, "agreement %.*s: %.*s", SHOWN(x->open[i].agreement),
		    SHOWN(x->open[i].why));
		(void)fputc('\n', stdout);
	}
	if (x->row_count + x->note_count + x->open_count == 0)
		printf("no change: %zu agreement%s%s\n", x->agreements,
		    x->agreements == 1 ? "" : "s",
		    x->anchors_compared ? "" : " (anchors not compared)");
	if (d->bundle == NULL)
		return true;
	(void)fputc('\n', stdout);
	return replay_print(&d->replay, arena_of(d), e);
}

/* ---- JSON ---- */

static void
put_names(struct out_json *j, const char *key, const struct names *list)
{
	out_json_begin(j, key, '[');
	for (size_t i = 0; i < list->count; i++)
		out_json_bytes(j, NULL, list->items[i]);
	out_json_end(j, ']');
}

static void
put_row(struct differing *d, struct out_json *j, const struct diff_row *r)
{
	out_json_begin(j, NULL, '{');
	out_json_text(j, "change", diff_turn_name(r->turn));
	out_json_bytes(j, "agreement", r->agreement);
	put_names(j, "from", &r->where.from);
	put_names(j, "to", &r->to);
	put_names(j, "topics", &r->where.topics);
	out_json_bytes_or_null(
	    j, "content", r->where.content.data == NULL ? bytes_of("any") : r->where.content);
	out_json_begin(j, "precedences", '[');
	for (enum precedence p = r->where.low; p <= r->where.high; p++)
		out_json_text(j, NULL, precedence_name(p));
	out_json_end(j, ']');
	out_json_text(j, "classes", classes(d, &r->cell));
	out_json_uint(j, "own_labels", r->cell.own_count);
	out_json_uint(j, "label_classes", r->cell.count);
	policy_out_said(j, "then", &r->cell.said[0]);
	policy_out_said(j, "now", &r->cell.said[1]);
	out_json_begin(j, "example", '{');
	policy_out_example(&d->loads[1], j, &r->cell);
	out_json_end(j, '}');
	out_json_end(j, '}');
}

static void
put_notes(struct out_json *j, const struct diff *x)
{
	out_json_begin(j, "beside", '[');
	for (size_t i = 0; i < x->note_count; i++) {
		out_json_begin(j, NULL, '{');
		out_json_text(j, "change", diff_turn_name(x->notes[i].turn));
		out_json_bytes_or_null(j, "agreement", x->notes[i].agreement);
		out_json_bytes(j, "of", x->notes[i].what);
		out_json_bytes_or_null(j, "then", x->notes[i].then);
		out_json_bytes_or_null(j, "now", x->notes[i].now);
		out_json_end(j, '}');
	}
	out_json_end(j, ']');
}

/* Agreements, and why for each. */
static void
put_why(struct out_json *j, const char *key, const struct diff_open *list, size_t count)
{
	out_json_begin(j, key, '[');
	for (size_t i = 0; i < count; i++) {
		out_json_begin(j, NULL, '{');
		out_json_bytes(j, "agreement", list[i].agreement);
		out_json_bytes(j, "text", list[i].why);
		out_json_end(j, '}');
	}
	out_json_end(j, ']');
}

void
policy_diff_json(struct differing *d)
{
	const struct diff *x = &d->diff;
	struct out_json j = { .to = stdout };
	out_json_begin(&j, NULL, '{');
	out_json_uint(&j, "agreements", x->agreements);
	put_why(&j, "refused", x->refused, x->refused_count);
	out_json_bool(&j, "widens", x->widens);
	out_json_bool(&j, "anchors_compared", x->anchors_compared);
	out_json_begin(&j, "cells", '[');
	for (size_t i = 0; i < x->row_count; i++)
		put_row(d, &j, &x->rows[i]);
	out_json_end(&j, ']');
	put_notes(&j, x);
	put_why(&j, "undecided", x->open, x->open_count);
	if (d->bundle != NULL)
		replay_json(&d->replay, &j);
	out_json_end(&j, '}');
	out_json_line(&j);
}
