/* The matrix as a table for people, as CSV and as JSON. */
#include <stdio.h>

#include "client/cli/out.h"
#include "client/cli/policy_matrix.h"
#include "client/cli/table.h"

#define SHOWN(b) (int)(b).len, (const char *)(b).data

/* A text that grows; NULL once memory ran out. */
struct text {
	struct arena *arena;
	const char *so_far;
};

static void
put(struct text *t, const char *between, struct bytes more)
{
	if (t->so_far != NULL)
		t->so_far = arena_printf(
		    t->arena, "%s%s%.*s", t->so_far, *t->so_far == 0 ? "" : between, SHOWN(more));
}

static const char *
classes(struct policy_load *l, const struct vocab *v, uint64_t set)
{
	struct text t = { &l->arena, "" };
	for (uint32_t i = 0; i < v->class_count; i++)
		if ((set >> i & 1) != 0)
			put(&t, "; ", v->classes[i].name);
	return t.so_far;
}

/* "Releasable To: ATLAS; Releasable To: NOR" */
static const char *
values(struct policy_load *l, const struct vocab *v, const uint64_t *set)
{
	struct text t = { &l->arena, "" };
	for (uint32_t i = 0; i < v->value_count && set != NULL; i++) {
		if (!vocab_has(set, i))
			continue;
		put(&t, "; ", v->tagsets[v->values[i].tagset].name);
		put(&t, ": ", v->values[i].name);
	}
	return t.so_far;
}

static const char *
copy(struct policy_load *l, struct bytes b)
{
	return b.data == NULL ? "" : arena_printf(&l->arena, "%.*s", SHOWN(b));
}

static void
cell_fields(struct policy_load *l, const struct matrix_row *row, const char *out[FIELD_COUNT])
{
	const struct vocab *v = row->vocab;
	const struct matrix_cell *c = &row->cell;
	out[FIELD_VOCABULARY] = copy(l, v->name);
	out[FIELD_RELEASED] = classes(l, v, c->released);
	out[FIELD_HELD] = classes(l, v, c->held);
	out[FIELD_HELD_BY] = copy(l, c->held_by);
	if (c->highest == VOCAB_NONE)
		return;
	out[FIELD_HIGHEST] = copy(l, v->classes[c->highest].name);
	out[FIELD_LABEL] = policy_load_marking(l, c->label);
	out[FIELD_ONE_OF] = values(l, v, c->one_of);
	out[FIELD_CARRIES] = values(l, v, c->carries);
	if (c->beside != NULL)
		out[FIELD_BESIDE] = policy_load_marking(l, c->beside);
}

bool
matrix_fields(struct policy_load *l, const struct matrix_row *row, const char *out[FIELD_COUNT],
    struct err *e)
{
	for (size_t i = 0; i < FIELD_COUNT; i++)
		out[i] = "";
	out[FIELD_FROM] = copy(l, row->from->name);
	out[FIELD_TO] = copy(l, row->to->name);
	out[FIELD_AGREEMENT] = copy(l, row->agreement->name);
	out[FIELD_MODE] = mode_name(row->agreement->mode);
	out[FIELD_STATUS] = row->status != NULL	      ? row->status
			    : row->topic.data == NULL ? "nothing goes"
						      : "usable";
	if (row->topic.data != NULL) {
		out[FIELD_TOPIC] = copy(l, row->topic);
		out[FIELD_CONTENT] = copy(l, row->content);
		out[FIELD_LOW] = precedence_name(row->low);
		out[FIELD_HIGH] = precedence_name(row->high);
		if (row->vocab != NULL)
			cell_fields(l, row, out);
	}
	if (row->verdict != 0) {
		out[FIELD_VERDICT] = verdict_name(row->verdict);
		out[FIELD_REASON] = reason_token(row->reason);
		out[FIELD_RULE] = copy(l, row->rule);
	}
	for (size_t i = 0; i < FIELD_COUNT; i++)
		if (out[i] == NULL)
			return err_set(e, ERR_NOMEM, "matrix");
	return true;
}

/* ---- the table ---- */

/* "up to SECRET" where nothing below is missing, otherwise the list. */
static const char *
release_cell(struct policy_load *l, const struct matrix_row *row, const char *list)
{
	const struct matrix_cell *c = &row->cell;
	if (row->vocab == NULL || c->highest == VOCAB_NONE)
		return "";
	if (vocab_up_to(row->vocab, c->highest) != c->released || row->vocab->class_count == 1)
		return list;
	return arena_printf(&l->arena, "up to %.*s", SHOWN(row->vocab->classes[c->highest].name));
}

static const char *
or_empty(const char *text)
{
	return text == NULL ? "" : text;
}

static bool
table_row_of(struct policy_load *l, struct table *t, const struct matrix_row *row, bool labels,
    struct err *e)
{
	const char *f[FIELD_COUNT];
	if (!matrix_fields(l, row, f, e))
		return false;
	const char *precedence =
	    *f[FIELD_LOW] == 0 || row->low == row->high
		? f[FIELD_LOW]
		: arena_printf(&l->arena, "%s..%s", f[FIELD_LOW], f[FIELD_HIGH]);
	const char *held = *f[FIELD_HELD_BY] == 0 ? f[FIELD_HELD]
						  : arena_printf(&l->arena, "%s (%s)",
							f[FIELD_HELD], f[FIELD_HELD_BY]);
	const char *mode = row->agreement->mode == MODE_EXERCISE ? "exercise" : "";
	const char *status = row->topic.data == NULL ? f[FIELD_STATUS] : f[FIELD_TOPIC];
	const char *plain[] = { f[FIELD_FROM], f[FIELD_TO], f[FIELD_AGREEMENT], mode, status,
		f[FIELD_CONTENT], or_empty(precedence), f[FIELD_VOCABULARY],
		or_empty(release_cell(l, row, f[FIELD_RELEASED])), f[FIELD_LABEL], f[FIELD_BESIDE],
		or_empty(held) };
	const char *asked[] = { f[FIELD_FROM], f[FIELD_TO], f[FIELD_AGREEMENT], mode, status,
		f[FIELD_CONTENT], or_empty(precedence), f[FIELD_VERDICT], f[FIELD_REASON],
		f[FIELD_RULE], "", "" };
	return table_add(t, labels ? asked : plain, e);
}

bool
matrix_table(struct policy_load *l, const struct matrix *m, bool labels, struct err *e)
{
	static const char *const plain[] = { "FROM", "TO", "AGREEMENT", "MODE", "TOPIC", "CONTENT",
		"PRECEDENCE", "VOCABULARY", "RELEASED", "FOR EXAMPLE", "BESIDE", "HELD" };
	static const char *const asked[] = { "FROM", "TO", "AGREEMENT", "MODE", "TOPIC", "CONTENT",
		"PRECEDENCE", "VERDICT", "REASON", "RULE", "", "" };
	struct table t;
	table_init(&t, &l->arena, "", 12);
	if (m->count == 0) {
		(void)puts("nobody may send anything to anybody");
		return true;
	}
	if (!table_head(&t, labels ? asked : plain, e))
		return false;
	for (size_t i = 0; i < m->count; i++)
		if (!table_row_of(l, &t, &m->rows[i], labels, e))
			return false;
	table_print(&t, stdout);
	return true;
}

/* ---- CSV (RFC 4180, but lines end in LF) ---- */

static const char *const names[FIELD_COUNT] = {
	[FIELD_FROM] = "from",
	[FIELD_TO] = "to",
	[FIELD_AGREEMENT] = "agreement",
	[FIELD_MODE] = "mode",
	[FIELD_STATUS] = "status",
	[FIELD_TOPIC] = "topic",
	[FIELD_CONTENT] = "content_type",
	[FIELD_LOW] = "precedence_from",
	[FIELD_HIGH] = "precedence_to",
	[FIELD_VOCABULARY] = "vocabulary",
	[FIELD_HIGHEST] = "highest",
	[FIELD_RELEASED] = "released",
	[FIELD_LABEL] = "label",
	[FIELD_ONE_OF] = "one_of",
	[FIELD_CARRIES] = "may_carry",
	[FIELD_BESIDE] = "beside",
	[FIELD_HELD] = "held",
	[FIELD_HELD_BY] = "held_by",
	[FIELD_VERDICT] = "verdict",
	[FIELD_REASON] = "reason",
	[FIELD_RULE] = "rule",
};

/* A spreadsheet runs what begins with one of these, quoted or not: an apostrophe makes it text. */
static bool
is_formula(const char *text)
{
	return *text != 0 && strchr("=+-@\t\r", *text) != NULL;
}

static void
csv_field(const char *text)
{
	bool formula = is_formula(text);
	if (!formula && strpbrk(text, ",\"\r\n;'") == NULL) {
		out_clean(stdout, bytes_of(text));
		return;
	}
	(void)fputs(formula ? "\"'" : "\"", stdout);
	for (; *text != 0; text++) {
		size_t n = strcspn(text, "\"");
		out_clean(stdout, bytes_from(text, n));
		text += n;
		if (*text == 0)
			break;
		(void)fputs("\"\"", stdout);
	}
	(void)fputc('"', stdout);
}

static void
csv_line(const char *const fields[FIELD_COUNT])
{
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if (i > 0)
			(void)fputc(',', stdout);
		csv_field(fields[i]);
	}
	(void)fputc('\n', stdout);
}

bool
matrix_csv(struct policy_load *l, const struct matrix *m, struct err *e)
{
	csv_line(names);
	for (size_t i = 0; i < m->count; i++) {
		const char *f[FIELD_COUNT];
		if (!matrix_fields(l, &m->rows[i], f, e))
			return false;
		csv_line(f);
	}
	return true;
}

/* ---- JSON ---- */

static void
json_classes(struct out_json *j, const char *key, const struct matrix_row *row, uint64_t set)
{
	out_json_begin(j, key, '[');
	for (uint32_t i = 0; row->vocab != NULL && i < row->vocab->class_count; i++)
		if ((set >> i & 1) != 0)
			out_json_bytes(j, NULL, row->vocab->classes[i].name);
	out_json_end(j, ']');
}

static void
json_values(struct out_json *j, const char *key, const struct matrix_row *row, const uint64_t *set)
{
	const struct vocab *v = row->vocab;
	out_json_begin(j, key, '[');
	for (uint32_t i = 0; v != NULL && set != NULL && i < v->value_count; i++) {
		if (!vocab_has(set, i))
			continue;
		out_json_begin(j, NULL, '{');
		out_json_bytes(j, "category", v->tagsets[v->values[i].tagset].name);
		out_json_bytes(j, "value", v->values[i].name);
		out_json_end(j, '}');
	}
	out_json_end(j, ']');
}

static void
json_row(struct out_json *j, const struct matrix_row *row, const char *const f[FIELD_COUNT])
{
	out_json_begin(j, NULL, '{');
	for (size_t i = 0; i < FIELD_COUNT; i++)
		if (i != FIELD_RELEASED && i != FIELD_HELD && i != FIELD_ONE_OF &&
		    i != FIELD_CARRIES)
			out_json_text(j, names[i], *f[i] == 0 ? NULL : f[i]);
	json_classes(j, "released", row, row->cell.released);
	json_classes(j, "held", row, row->cell.held);
	json_values(j, "one_of", row, row->cell.one_of);
	json_values(j, "may_carry", row, row->cell.carries);
	out_json_bool(j, "needs_a_value",
	    row->vocab != NULL && row->cell.highest != VOCAB_NONE && !row->cell.bare);
	out_json_end(j, '}');
}

bool
matrix_json(struct policy_load *l, const struct matrix *m, struct err *e)
{
	struct out_json j = { .to = stdout };
	out_json_begin(&j, NULL, '[');
	for (size_t i = 0; i < m->count; i++) {
		const char *f[FIELD_COUNT];
		if (!matrix_fields(l, &m->rows[i], f, e))
			return false;
		json_row(&j, &m->rows[i], f);
	}
	out_json_end(&j, ']');
	out_json_line(&j);
	return true;
}
