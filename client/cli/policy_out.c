#include "client/cli/policy_out.h"

#include <unistd.h>

#include "policy/example.h"
#include "policy/marking.h"

#define SHOWN(b) (int)(b).len, (const char *)(b).data

static void
put_faults(struct out_json *j, const struct text_fault *faults, size_t count)
{
	for (size_t i = 0; i < count && i < LIMIT_POLICY_ERRORS; i++) {
		out_json_begin(j, NULL, '{');
		if (faults[i].name != NULL)
			out_json_text(j, "name", faults[i].name);
		out_json_text(j, "file", faults[i].file);
		out_json_uint(j, "line", faults[i].line);
		out_json_uint(j, "col", faults[i].col);
		out_json_text(j, "text", faults[i].text);
		out_json_text(j, "help", faults[i].help);
		out_json_end(j, '}');
	}
}

void
policy_out_faults(
    struct out_json *j, const char *key, const struct text_fault *faults, size_t count)
{
	out_json_begin(j, key, '[');
	put_faults(j, faults, count);
	out_json_end(j, ']');
}

void
policy_out_warnings(struct out_json *j, const char *key, const struct text_errors *first,
    const struct text_errors *second)
{
	out_json_begin(j, key, '[');
	put_faults(j, first->warnings, first->warning_count);
	put_faults(j, second->warnings, second->warning_count);
	out_json_end(j, ']');
}

/* ---- labels and examples ---- */

/* NUL-terminated; "" on shortage. */
static const char *
text_of(struct policy_load *l, struct bytes in)
{
	const char *text = arena_printf(&l->arena, "%.*s", SHOWN(in));
	return text == NULL ? "" : text;
}

static void
put_label(struct policy_load *l, struct out_json *j, const struct raw_label *raw)
{
	out_json_begin(j, NULL, '{');
	out_json_text(j, "marking", policy_load_marking(l, raw));
	out_json_bytes(j, "vocabulary", raw->vocabulary);
	out_json_bytes(j, "classification", raw->classification);
	out_json_begin(j, "categories", '{');
	for (size_t i = 0; i < raw->category_count; i++) {
		out_json_begin(j, text_of(l, raw->categories[i].name), '[');
		for (size_t k = 0; k < raw->categories[i].values.count; k++)
			out_json_bytes(j, NULL, raw->categories[i].values.items[k]);
		out_json_end(j, ']');
	}
	out_json_end(j, '}');
	out_json_end(j, '}');
}

void
policy_out_labels(
    struct policy_load *l, struct out_json *j, const struct raw_label *labels, size_t count)
{
	out_json_begin(j, "labels", '[');
	for (size_t i = 0; i < count; i++)
		put_label(l, j, &labels[i]);
	out_json_end(j, ']');
}

/* In quotes of the shell. */
static const char *
shell_word(struct policy_load *l, const char *text)
{
	const char *out = "'";
	if (text == NULL || strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					 "0123456789_.:/+-") == strlen(text))
		return text;
	for (; *text != 0 && out != NULL; text++)
		out = *text == '\'' ? arena_printf(&l->arena, "%s'\\''", out)
				    : arena_printf(&l->arena, "%s%c", out, *text);
	return out == NULL ? NULL : arena_printf(&l->arena, "%s'", out);
}

static const char *
option(struct policy_load *l, const char *line, const char *name, const char *value)
{
	const char *word = shell_word(l, value);
	if (line == NULL || word == NULL)
		return NULL;
	return arena_printf(&l->arena, "%s --%s %s", line, name, word);
}

const char *
policy_out_question(
    struct policy_load *l, const char *dir, const struct agreement *of, const struct cell *c)
{
	const struct occasion *o = c->occasion;
	const char *word = shell_word(l, dir);
	const char *line =
	    word == NULL ? NULL : arena_printf(&l->arena, "relto policy explain %s", word);
	line = option(l, line, "agreement", text_of(l, of->name));
	if (of->mode != MODE_LIVE)
		line = option(l, line, "mode", mode_name(of->mode));
	line = option(l, line, "from", text_of(l, c->sender));
	line = option(l, line, "to", text_of(l, c->receiver));
	line = option(l, line, "topic", text_of(l, o->topic->witness));
	if (o->precedence != PRECEDENCE_ROUTINE)
		line = option(l, line, "precedence", precedence_name(o->precedence));
	if (!bytes_is(o->content->witness, "text/plain"))
		line = option(l, line, "content-type", text_of(l, o->content->witness));
	for (size_t i = 0; i < c->label_count; i++)
		line = option(l, line, "label", example_label(&l->arena, l->epoch, &c->labels[i]));
	return option(l, line, "at", policy_load_moment(l, c->time));
}

void
policy_out_example(struct policy_load *l, struct out_json *j, const struct cell *c)
{
	out_json_bytes(j, "from", c->sender);
	out_json_bytes(j, "to", c->receiver);
	out_json_bytes(j, "topic", c->occasion->topic->witness);
	out_json_text(j, "precedence", precedence_name(c->occasion->precedence));
	out_json_bytes(j, "content_type", c->occasion->content->witness);
	out_json_text(j, "at", policy_load_moment(l, c->time));
	policy_out_labels(l, j, c->labels, c->label_count);
}

/* ---- progress ---- */

void
policy_out_progress(void *ctx, size_t done, size_t of)
{
	(void)ctx;
	if (isatty(STDERR_FILENO) && of > 0 && done % 16 == 0)
		(void)fprintf(stderr, "\r%zu of %zu pairs ", done, of);
}

void
policy_out_progress_end(void)
{
	if (isatty(STDERR_FILENO))
		(void)fputs("\r\033[K", stderr);
}

const char *
policy_out_verdict(struct arena *a, const struct cell_said *s)
{
	if (s->refused)
		return "refused";
	if (s->rule.data != NULL)
		return arena_printf(a, "%s %.*s", verdict_name(s->verdict), (int)s->rule.len,
		    (const char *)s->rule.data);
	return arena_printf(a, "%s %s", verdict_name(s->verdict), reason_token(s->reason));
}

void
policy_out_said(struct out_json *j, const char *key, const struct cell_said *s)
{
	out_json_begin(j, key, '{');
	out_json_text(j, "verdict", s->refused ? "refused" : verdict_name(s->verdict));
	out_json_text(j, "reason", s->refused ? NULL : reason_token(s->reason));
	out_json_bytes_or_null(j, "rule", s->rule);
	out_json_bytes_or_null(j, "place", s->place);
	out_json_end(j, '}');
}
