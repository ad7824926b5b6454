/*
 * kernel.c - what the kernel decides, with all that `relto policy eval` does not print.
 *     kernel [--brief] FOLDER..
 * For each line of FOLDER/facts.jsonl, judged by FOLDER/relto.policy: an object as that of eval,
 * with "good_until", per portion "mask", per obligation "deadline", "fresh" and "indirect".
 * --brief: a line of "recipient count", then a letter a portion for each recipient in byte order
 * ('A' is the first reason of rules.def), or a refusal's token.
 *
 * Each line is decided twice: as always, and with every member judged by itself (the plain path
 * that members judged together must not differ from).  Exit 1 if the two differ.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/facts_json.h"
#include "client/cli/files.h"
#include "client/cli/out.h"
#include "policy/decide.h"
#include "policy/text.h"

enum { ROOM = 1 << 30 };

/* ---- as JSON ---- */

static void
name(struct out_json *j, const char *key, struct bytes value)
{
	if (value.data == NULL)
		out_json_text(j, key, NULL);
	else
		out_json_bytes(j, key, value);
}

static void
write_open(struct out_json *j, const struct open_obligation *o)
{
	out_json_begin(j, NULL, '{');
	out_json_text(j, "kind", obligation_name(o->what.kind));
	out_json_bytes(j, "agreement", o->what.agreement);
	if (o->what.kind != OBLIGATION_SIGNER)
		out_json_bytes(
		    j, o->what.kind == OBLIGATION_REVIEW ? "rule" : "source", o->what.subject);
	out_json_bytes(j, "approver", o->what.approver);
	out_json_uint(j, "deadline", o->deadline);
	out_json_bool(j, "fresh", o->fresh);
	out_json_bool(j, "indirect", o->indirect);
	out_json_end(j, '}');
}

static void
write_portion(struct out_json *j, size_t index, const struct portion_decision *p)
{
	out_json_begin(j, NULL, '{');
	out_json_uint(j, "portion", index);
	out_json_text(j, "verdict", verdict_name(p->verdict));
	name(j, "agreement", p->agreement == NULL ? (struct bytes){ NULL, 0 } : p->agreement->name);
	out_json_text(j, "reason", reason_token(p->reason));
	name(j, "rule", p->rule);
	out_json_begin(j, "obligations", '[');
	for (size_t i = 0; i < p->open_count; i++)
		write_open(j, &p->open[i]);
	out_json_end(j, ']');
	out_json_uint(j, "mask", p->mask);
	out_json_end(j, '}');
}

static void
write_decisions(const struct decisions *d)
{
	struct out_json j = { .to = stdout };
	out_json_begin(&j, NULL, '{');
	if (d->refusal.code != ERR_NONE) {
		out_json_text(&j, "refused", err_token(d->refusal.code));
	} else {
		out_json_begin(&j, "decisions", '[');
		for (size_t i = 0; i < d->recipient_count; i++) {
			const struct recipient_decision *r = &d->recipients[i];
			out_json_begin(&j, NULL, '{');
			out_json_bytes(&j, "recipient", r->recipient);
			out_json_text(&j, "outcome", outcome_name(r->outcome));
			out_json_begin(&j, "portions", '[');
			for (size_t k = 0; k < d->portion_count; k++)
				write_portion(&j, k, &r->portions[k]);
			out_json_end(&j, ']');
			out_json_end(&j, '}');
		}
		out_json_end(&j, ']');
		out_json_uint(&j, "good_until", d->good_until);
	}
	out_json_end(&j, '}');
	out_json_line(&j);
}

static void
write_brief(const struct decisions *d)
{
	if (d->refusal.code != ERR_NONE)
		(void)fputs(err_token(d->refusal.code), stdout);
	for (size_t i = 0; i < d->recipient_count; i++)
		for (size_t k = 0; k < d->portion_count; k++)
			(void)putchar('A' - 1 + (int)d->recipients[i].portions[k].reason);
	(void)putchar('\n');
}

/* ---- the same, each member by itself ---- */

static void
hear(void *ctx, const struct member *m, uint32_t portion, const struct check_said *s)
{
	(void)ctx, (void)m, (void)portion, (void)s;
}

static bool
same_open(const struct open_obligation *x, const struct open_obligation *y)
{
	return x->what.kind == y->what.kind && bytes_equal(x->what.agreement, y->what.agreement) &&
	       bytes_equal(x->what.subject, y->what.subject) &&
	       bytes_equal(x->what.approver, y->what.approver) && x->deadline == y->deadline &&
	       x->fresh == y->fresh && x->indirect == y->indirect;
}

static bool
same_portion(const struct portion_decision *x, const struct portion_decision *y)
{
	if (x->verdict != y->verdict || x->reason != y->reason || x->agreement != y->agreement ||
	    !bytes_equal(x->rule, y->rule) || !bytes_equal(x->place, y->place) ||
	    x->mask != y->mask || x->open_count != y->open_count)
		return false;
	for (size_t i = 0; i < x->open_count; i++)
		if (!same_open(&x->open[i], &y->open[i]))
			return false;
	return true;
}

static bool
same(const struct decisions *x, const struct decisions *y)
{
	if (x->refusal.code != y->refusal.code || x->recipient_count != y->recipient_count ||
	    x->good_until != y->good_until)
		return false;
	for (size_t i = 0; i < x->recipient_count; i++) {
		const struct recipient_decision *a = &x->recipients[i], *b = &y->recipients[i];
		if (!bytes_equal(a->recipient, b->recipient) || a->party != b->party ||
		    a->outcome != b->outcome)
			return false;
		for (size_t k = 0; k < x->portion_count; k++)
			if (!same_portion(&a->portions[k], &b->portions[k]))
				return false;
	}
	return true;
}

/* ---- lines and folders ---- */

static bool
judge(const struct epoch *p, struct bytes line, bool brief, struct err *e)
{
	static const struct decide_trace plain = { hear, NULL };
	SCOPED(arena_done) struct arena a;
	struct facts f;
	struct decisions d = { .refusal = { .code = ERR_MALFORMED } }, again;
	arena_init(&a, ROOM);
	if (facts_json_read(line, &a, &f, e)) {
		if (!policy_decide(p, &f, &a, &d, e) ||
		    !decide_traced(p, &plain, &f, &a, &again, e))
			return false;
		if (!same(&d, &again))
			return err_set(e, ERR_INTERNAL, "judged together is not judged alone: %.*s",
			    (int)line.len, (const char *)line.data);
	} else if (e->code != ERR_MALFORMED) {
		return false;
	}
	if (brief)
		write_brief(&d);
	else
		write_decisions(&d);
	return true;
}

static bool
judge_all(const struct epoch *p, struct bytes text, bool brief, struct err *e)
{
	while (text.len > 0) {
		const uint8_t *end = memchr(text.data, '\n', text.len);
		size_t len = end == NULL ? text.len : (size_t)(end - text.data);
		if (!judge(p, bytes_from(text.data, len), brief, e))
			return false;
		len += end != NULL;
		text = bytes_from(text.data + len, text.len - len);
	}
	return true;
}

static bool
folder(const char *path, bool brief, struct err *e)
{
	SCOPED(arena_done) struct arena a;
	struct epoch_source src;
	struct text_errors errors;
	struct epoch *p = NULL;
	struct bytes text;
	const char *root;
	arena_init(&a, ROOM);
	text_errors_init(&errors);
	files_source(&src);
	bool good = files_root(path, &a, &root, e) &&
		    epoch_load(&src, root, EPOCH_TRUST_OPTIONAL | EPOCH_PARTIAL, &errors, &p, e) &&
		    files_read(arena_printf(&a, "%s/facts.jsonl", path), &a, &text, e) &&
		    judge_all(p, text, brief, e);
	text_errors_done(&errors);
	epoch_free(p);
	return good;
}

int
main(int argc, char **argv)
{
	bool brief = argc > 1 && strcmp(argv[1], "--brief") == 0;
	for (int i = brief ? 2 : 1; i < argc; i++) {
		struct err e = { 0 };
		if (!folder(argv[i], brief, &e)) {
			(void)out_error(&e);
			return 1;
		}
	}
	return out_end(0);
}
