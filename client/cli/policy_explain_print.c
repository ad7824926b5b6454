/* What relto policy explain found, for people and for programs. */
#include <stdio.h>

#include "client/cli/out.h"
#include "client/cli/policy_explain.h"
#include "client/cli/policy_out.h"
#include "client/cli/session.h"
#include "client/cli/table.h"

static const char *
text_of(struct policy_load *l, struct bytes b)
{
	const char *s =
	    b.data == NULL ? "" : arena_printf(&l->arena, "%.*s", (int)b.len, (const char *)b.data);
	return s == NULL ? "" : s;
}

/* ---- for people ---- */

static const char *
colour(enum verdict v, bool on)
{
	if (!on)
		return "";
	return v == VERDICT_RELEASE ? "\033[32m" : v == VERDICT_HOLD ? "\033[33m" : "\033[31m";
}

static void
print_verdict(const char *lead, enum verdict v, struct bytes reason)
{
	bool on = session_colour(stdout);
	(void)printf("%s%s%s%s", lead, colour(v, on), verdict_name(v), on ? "\033[0m" : "");
	if (reason.data != NULL && v != VERDICT_RELEASE) {
		(void)fputs("  ", stdout);
		out_clean(stdout, reason);
	}
	(void)fputc('\n', stdout);
}

static const char *
detail(struct policy_load *l, const struct reasons_step *s)
{
	const char *text = text_of(l, s->text), *rule = text_of(l, s->rule);
	const char *out = text;
	if (s->label != UINT32_MAX)
		out = arena_printf(&l->arena, "label %u: %s", s->label + 1, text);
	else if (s->rule.data != NULL)
		out = arena_printf(&l->arena, "rule %s%s%s", rule, *text == 0 ? "" : ": ", text);
	return out == NULL ? "" : out;
}

static bool
print_steps(struct policy_load *l, const struct reasons *r, struct err *e)
{
	struct table t;
	table_init(&t, &l->arena, "  ", 5);
	for (size_t i = 0; i < r->step_count; i++) {
		const struct reasons_step *s = &r->steps[i];
		const char *cells[] = { s->check,
			s->verdict == VERDICT_RELEASE ? "pass" : verdict_name(s->verdict),
			text_of(l, s->reason), text_of(l, s->place), detail(l, s) };
		if (s->verdict != 0 && !table_add(&t, cells, e))
			return false;
	}
	table_print(&t, stdout);
	return true;
}

static void
print_obligations(struct policy_load *l, const struct reasons *r)
{
	for (size_t i = 0; i < r->open_count; i++) {
		const struct open_obligation *o = &r->open[i];
		(void)printf("  open: %s", obligation_name(o->what.kind));
		out_cleanf(stdout, " by %s", text_of(l, o->what.approver));
		if (o->what.subject.len > 0)
			out_cleanf(stdout, " (%s)", text_of(l, o->what.subject));
		(void)printf(" until %s\n", policy_load_moment(l, o->deadline));
	}
}

static bool
print_list(struct policy_load *l, const struct remedies *m, bool refused, struct err *e)
{
	struct table t;
	table_init(&t, &l->arena, "    ", 3);
	for (size_t i = 0; i < m->count; i++) {
		const struct remedy *r = &m->items[i];
		const char *cells[] = { r->place.data == NULL ? "the report" : text_of(l, r->place),
			text_of(l, r->text), text_of(l, r->refused) };
		if ((r->refused.data != NULL) == refused && !table_add(&t, cells, e))
			return false;
	}
	table_print(&t, stdout);
	return true;
}

static bool
print_changes(struct policy_load *l, const struct remedies *m, struct err *e)
{
	size_t refused = 0;
	for (size_t i = 0; i < m->count; i++)
		refused += m->items[i].refused.data != NULL;
	if (m->count > refused)
		(void)puts("  single changes that release it, smallest first:");
	else
		(void)puts("  no single change of those tried releases it");
	if (!print_list(l, m, false, e))
		return false;
	if (m->left_out > 0)
		(void)printf("    and %zu more\n", m->left_out);
	if (m->loads_ended)
		(void)puts("    not all changes of the policy were tried: ask for one "
			   "--agreement");
	if (refused > 0)
		(void)puts("  changes that the policy's own promises forbid:");
	return print_list(l, m, true, e);
}

static bool
print_agreement(struct policy_load *l, const struct explained *x, struct err *e)
{
	const struct reasons *r = &x->reasons;
	(void)fputs("\nagreement ", stdout);
	out_clean(stdout, r->agreement->name);
	(void)printf("  version %llu  ", (unsigned long long)r->agreement->version);
	out_clean(stdout, r->place);
	(void)fputc('\n', stdout);
	if (!print_steps(l, r, e))
		return false;
	print_verdict("  verdict    ", r->verdict, r->reason);
	print_obligations(l, r);
	return r->verdict == VERDICT_RELEASE || print_changes(l, &x->remedies, e);
}

bool
explanation_print(struct policy_load *l, const struct explanation *x, struct err *e)
{
	const struct facts *f = &x->facts;
	out_cleanf(stdout, "%s -> %s  %s  %s  %s  %s  %s", text_of(l, f->originator),
	    text_of(l, x->to), text_of(l, f->topic), precedence_name(f->precedence),
	    text_of(l, f->portions[0].content_type), mode_name(f->mode),
	    policy_load_moment(l, f->time));
	(void)fputc('\n', stdout);
	for (size_t i = 0; i < f->portions[0].label_count; i++) {
		out_cleanf(stdout, "label %zu  %s", i + 1,
		    policy_load_marking(l, &f->portions[0].labels[i]));
		(void)fputc('\n', stdout);
	}
	print_verdict("", x->verdict, (struct bytes){ NULL, 0 });
	if (x->count == 0)
		out_cleanf(stdout, "no agreement has both %s and %s as members",
		    text_of(l, f->originator), text_of(l, x->to));
	if (x->count == 0)
		(void)fputc('\n', stdout);
	for (size_t i = 0; i < x->count; i++)
		if (!print_agreement(l, &x->list[i], e))
			return false;
	return true;
}

/* ---- for programs ---- */

static void
steps_json(struct out_json *j, const struct reasons *r)
{
	out_json_begin(j, "checks", '[');
	for (size_t i = 0; i < r->step_count; i++) {
		const struct reasons_step *s = &r->steps[i];
		out_json_begin(j, NULL, '{');
		out_json_text(j, "check", s->check);
		out_json_text(j, "verdict", s->verdict == 0 ? NULL : verdict_name(s->verdict));
		out_json_bytes_or_null(j, "reason", s->reason);
		out_json_bytes_or_null(j, "text", s->text);
		out_json_bytes_or_null(j, "rule", s->rule);
		out_json_bytes_or_null(j, "place", s->place);
		if (s->label == UINT32_MAX)
			out_json_text(j, "label", NULL);
		else
			out_json_uint(j, "label", s->label + 1);
		out_json_end(j, '}');
	}
	out_json_end(j, ']');
}

static void
obligations_json(struct out_json *j, const struct reasons *r)
{
	out_json_begin(j, "obligations", '[');
	for (size_t i = 0; i < r->open_count; i++) {
		out_json_begin(j, NULL, '{');
		out_json_text(j, "kind", obligation_name(r->open[i].what.kind));
		out_json_bytes(j, "subject", r->open[i].what.subject);
		out_json_bytes(j, "approver", r->open[i].what.approver);
		out_json_uint(j, "deadline_us", r->open[i].deadline);
		out_json_end(j, '}');
	}
	out_json_end(j, ']');
}

static void
edit_json(struct policy_load *l, struct out_json *j, const struct edit *d)
{
	struct bytes file = d->pos.file->name;
	size_t folder = l->text.folder.len;
	if (file.len >= folder && bytes_equal(bytes_from(file.data, folder), l->text.folder))
		file = bytes_from(file.data + folder, file.len - folder);
	out_json_begin(j, "edit", '{');
	out_json_bytes(j, "file", file);
	out_json_uint(j, "line", d->pos.line);
	out_json_uint(j, "col", d->pos.col);
	out_json_bytes(j, "remove", d->remove);
	out_json_bytes(j, "insert", d->insert);
	out_json_end(j, '}');
}

static void
changes_json(struct policy_load *l, struct out_json *j, const struct explanation *x,
    const struct remedies *m, bool refused)
{
	out_json_begin(j, refused ? "forbidden_by_expects" : "changes", '[');
	for (size_t i = 0; i < m->count; i++) {
		const struct remedy *r = &m->items[i];
		if ((r->refused.data != NULL) != refused)
			continue;
		out_json_begin(j, NULL, '{');
		out_json_text(j, "kind", remedy_token(r->kind));
		out_json_bytes_or_null(j, "text", r->text);
		out_json_bytes_or_null(j, "place", r->place);
		if (refused)
			out_json_bytes_or_null(j, "expect", r->refused);
		if (r->place.data != NULL) {
			edit_json(l, j, &r->edit);
		} else {
			policy_out_labels(l, j, r->labels, x->facts.portions[0].label_count);
			out_json_text(j, "precedence", precedence_name(r->precedence));
			out_json_text(j, "mode", mode_name(r->mode));
		}
		out_json_end(j, '}');
	}
	out_json_end(j, ']');
}

static void
agreement_json(struct policy_load *l, struct out_json *j, const struct explanation *x,
    const struct explained *one)
{
	const struct reasons *r = &one->reasons;
	out_json_begin(j, NULL, '{');
	out_json_bytes(j, "agreement", r->agreement->name);
	out_json_uint(j, "version", r->agreement->version);
	out_json_bytes_or_null(j, "place", r->place);
	out_json_text(j, "verdict", verdict_name(r->verdict));
	out_json_bytes_or_null(j, "reason", r->reason);
	steps_json(j, r);
	obligations_json(j, r);
	changes_json(l, j, x, &one->remedies, false);
	changes_json(l, j, x, &one->remedies, true);
	out_json_uint(j, "changes_left_out", one->remedies.left_out);
	out_json_bool(j, "all_tried", !one->remedies.loads_ended);
	out_json_end(j, '}');
}

void
explanation_json(struct policy_load *l, const struct explanation *x)
{
	const struct facts *f = &x->facts;
	struct out_json j = { .to = stdout };
	out_json_begin(&j, NULL, '{');
	out_json_bytes(&j, "from", f->originator);
	out_json_bytes(&j, "to", x->to);
	out_json_bytes(&j, "topic", f->topic);
	out_json_text(&j, "precedence", precedence_name(f->precedence));
	out_json_bytes(&j, "content_type", f->portions[0].content_type);
	out_json_text(&j, "mode", mode_name(f->mode));
	out_json_text(&j, "time", policy_load_moment(l, f->time));
	policy_out_labels(l, &j, f->portions[0].labels, f->portions[0].label_count);
	out_json_text(&j, "verdict", verdict_name(x->verdict));
	out_json_begin(&j, "agreements", '[');
	for (size_t i = 0; i < x->count; i++)
		agreement_json(l, &j, x, &x->list[i]);
	out_json_end(&j, ']');
	out_json_end(&j, '}');
	out_json_line(&j);
}
