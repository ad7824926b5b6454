#include "client/cli/notice_arg.h"

#include <string.h>

/* Supersede and about: what relto pub says.  A recall is a command of its own. */
static const char *
option_of(const struct relto_notice *n)
{
	return n->act == RELTO_SUPERSEDE ? "--supersedes" : "--about";
}

int
notice_arg_code(const char *usage, enum relto_act act, const char *code)
{
	const char *known;
	for (size_t i = 0; (known = relto_notice_code(act, i)) != NULL; i++)
		if (strcmp(known, code) == 0)
			return 0;
	int status = out_usage(usage, "--code '%s' is none of these:", code);
	for (size_t i = 0; (known = relto_notice_code(act, i)) != NULL; i++)
		(void)fprintf(stderr, "  %s\n", known);
	return status;
}

bool
notice_arg_set(struct relto_notice *n, enum relto_act act, const char *id)
{
	bool first = n->act == 0;
	n->act = act;
	return first && relto_id_parse(id, n->report);
}

int
notice_arg_check(const char *usage, const struct relto_notice *n)
{
	if (n->code == NULL)
		return 0;
	if (n->act == 0)
		return out_usage(usage, "--code goes with --supersedes or --about");
	return notice_arg_code(usage, n->act, n->code);
}

void
notice_arg_json(struct out_json *j, const struct relto_notice *n)
{
	char id[RELTO_ID_TEXT];
	if (n->act == 0)
		return;
	relto_id_print(n->report, id);
	out_json_begin(j, "notice", '{');
	out_json_text(j, "act", n->act == RELTO_SUPERSEDE ? "supersede" : "about");
	out_json_text(j, "report", id);
	out_json_text(j, "code", n->code);
	out_json_end(j, '}');
}

void
notice_arg_preview(FILE *to, const struct relto_notice *n, const struct relto_explanation *x)
{
	char id[RELTO_ID_TEXT];
	if (n->act == 0)
		return;
	relto_id_print(n->report, id);
	if (n->act == RELTO_ABOUT) {
		(void)fprintf(
		    to, "it would be about report %s, for who had that or published it\n", id);
		return;
	}
	(void)fprintf(to,
	    "it would supersede report %s: withdrawn where it waits, for whom some of this is "
	    "released\n",
	    id);
	for (size_t i = 0; i < x->decision_count; i++) {
		const struct relto_decision *d = &x->decisions[i];
		if (d->outcome == RELTO_WITHHOLD || d->outcome == RELTO_HOLD) {
			out_cleanf(to, "  not for %s%s", d->recipient,
			    d->outcome == RELTO_HOLD ? ", as long as it is held" : "");
			(void)fputc('\n', to);
		}
	}
}

void
notice_arg_done(FILE *to, const struct relto_notice *n, const struct relto_receipt *r)
{
	char id[RELTO_ID_TEXT];
	if (n->act == 0)
		return;
	relto_id_print(n->report, id);
	(void)fprintf(
	    to, "it %s report %s\n", n->act == RELTO_SUPERSEDE ? "supersedes" : "is about", id);
	if (n->act == RELTO_SUPERSEDE && r->held + r->withheld > 0)
		(void)fprintf(to,
		    "  but not for the %u to whom none of this is released%s: 'relto recall %s' "
		    "takes that back from all\n",
		    r->held + r->withheld, r->held > 0 ? " (yet)" : "", id);
}

void
notice_arg_refused(const struct relto_notice *n, bool exercise, const struct relto_error *e)
{
	char id[RELTO_ID_TEXT];
	if (n->act == 0)
		return;
	relto_id_print(n->report, id);
	if (strcmp(e->code, err_token(ERR_UNKNOWN_REPORT)) == 0)
		(void)fprintf(stderr,
		    "  %s %s: your party %s no report of this id that is %s; who %s\n",
		    option_of(n), id,
		    n->act == RELTO_SUPERSEDE ? "published" : "published and was delivered",
		    exercise ? "exercise traffic (without --exercise: live)"
			     : "live (with --exercise: exercise traffic)",
		    n->act == RELTO_SUPERSEDE
			? "published a report supersedes it, any other party says --about"
			: "has a report names it");
	else if (strcmp(e->field, "notice.report") == 0)
		(void)fprintf(stderr,
		    "  %s %s: that report is a recall, which nothing takes the place of\n",
		    option_of(n), id);
}

bool
notice_arg_said(const char *usage, const char *(*codes)(size_t), const char *said)
{
	for (size_t i = 0; codes(i) != NULL; i++)
		if (strcmp(codes(i), said) == 0)
			return true;
	(void)out_usage(usage, "'%s' is none of these:", said);
	for (size_t i = 0; codes(i) != NULL; i++)
		(void)fprintf(stderr, "  %s\n", codes(i));
	return false;
}
