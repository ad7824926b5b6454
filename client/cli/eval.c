#include "client/cli/eval.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "client/cli/facts_json.h"
#include "client/cli/out.h"

enum { ARENA_FACTOR = 64, ARENA_EXTRA = 64 << 20 };

static void
write_obligation(struct out_json *j, const struct obligation *o)
{
	out_json_begin(j, NULL, '{');
	out_json_text(j, "kind", obligation_name(o->kind));
	out_json_bytes(j, "agreement", o->agreement);
	if (o->kind != OBLIGATION_SIGNER)
		out_json_bytes(j, o->kind == OBLIGATION_REVIEW ? "rule" : "source", o->subject);
	out_json_bytes(j, "approver", o->approver);
	out_json_end(j, '}');
}

static void
write_portion(struct out_json *j, size_t index, const struct portion_decision *p)
{
	out_json_begin(j, NULL, '{');
	out_json_uint(j, "portion", index);
	out_json_text(j, "verdict", verdict_name(p->verdict));
	out_json_bytes_or_null(
	    j, "agreement", p->agreement == NULL ? (struct bytes){ NULL, 0 } : p->agreement->name);
	out_json_text(j, "reason", reason_token(p->reason));
	out_json_bytes_or_null(j, "rule", p->rule);
	out_json_begin(j, "obligations", '[');
	for (size_t i = 0; i < p->open_count; i++)
		write_obligation(j, &p->open[i].what);
	out_json_end(j, ']');
	out_json_end(j, '}');
}

static void
write_decisions(struct out_json *j, const struct decisions *d)
{
	out_json_begin(j, NULL, '{');
	if (d->refusal.code != ERR_NONE) {
		out_json_text(j, "refused", err_token(d->refusal.code));
		out_json_end(j, '}');
		return;
	}
	out_json_begin(j, "decisions", '[');
	for (size_t i = 0; i < d->recipient_count; i++) {
		const struct recipient_decision *r = &d->recipients[i];
		out_json_begin(j, NULL, '{');
		out_json_bytes(j, "recipient", r->recipient);
		out_json_text(j, "outcome", outcome_name(r->outcome));
		out_json_begin(j, "portions", '[');
		for (size_t k = 0; k < d->portion_count; k++)
			write_portion(j, k, &r->portions[k]);
		out_json_end(j, ']');
		out_json_end(j, '}');
	}
	out_json_end(j, ']');
	out_json_end(j, '}');
}

static bool
eval_line(const struct epoch *p, struct bytes line, struct arena *a, FILE *out, struct err *e)
{
	struct facts f;
	struct decisions d = { .refusal = { .code = ERR_MALFORMED } };
	struct out_json j = { .to = out };
	bool read = facts_json_read(line, a, &f, e);
	if (!read && e->code != ERR_MALFORMED)
		return false;
	if (read && !policy_decide(p, &f, a, &d, e))
		return false;
	write_decisions(&j, &d);
	out_json_line(&j);
	return fflush(out) == 0 || err_set(e, ERR_IO, "standard output: %s", strerror(errno));
}

bool
eval_stream(const struct epoch *p, FILE *in, FILE *out, struct err *e)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	bool ok = true;
	while (ok && (len = getline(&line, &room, in)) >= 0) {
		struct arena a;
		size_t n = (size_t)len;
		if (n > 0 && line[n - 1] == '\n')
			n--;
		arena_init(&a, n * ARENA_FACTOR + ARENA_EXTRA);
		ok = eval_line(p, bytes_from(line, n), &a, out, e);
		arena_done(&a);
	}
	if (ok && ferror(in) != 0)
		ok = err_set(e, ERR_IO, "standard input: %s", strerror(errno));
	free(line);
	return ok;
}
