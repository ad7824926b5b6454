/* cmd_feedback.c - relto feedback: what a report is worth to who had it, said and read. */
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#include "client/cli/cmd.h"
#include "client/cli/notice_arg.h"
#include "client/cli/session.h"
#include "client/cli/table.h"

const char cmd_feedback_usage[] = "feedback REPORT-ID CODE [--at TIME]\n"
				  "       relto feedback status REPORT-ID [--json]";

enum option_code { OPT_AT = 1, OPT_JSON };
enum { WORDS = 3 };

struct call {
	struct context_flags flags;
	const char *words[WORDS];
	size_t count;
	uint64_t at_ms;
	bool json;
};

static const struct option options[] = {
	{ "at", required_argument, NULL, OPT_AT },
	{ "json", no_argument, NULL, OPT_JSON },
	CONTEXT_OPTIONS,
	{ NULL, 0, NULL, 0 },
};

static int
parse(struct call *c, int argc, char **argv)
{
	int code;
	opterr = 0;
	optind = 1;
	while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (code == OPT_JSON)
			c->json = true;
		else if (code == OPT_AT && !session_time_parse(optarg, &c->at_ms))
			return out_usage(cmd_feedback_usage,
			    "--at '%s' is not right: a time such as 2026-06-01T12:00:00Z", optarg);
		else if (code == '?' || (code != OPT_AT && !context_flag(&c->flags, code, optarg)))
			return out_usage(cmd_feedback_usage, "what is '%s'?", argv[optind - 1]);
	}
	for (; optind < argc; optind++) {
		if (c->count == WORDS)
			return out_usage(cmd_feedback_usage, "what is '%s'?", argv[optind]);
		c->words[c->count++] = argv[optind];
	}
	return 0;
}

/* ---- reading ---- */

static void
status_json(const struct relto_feedback_status *x)
{
	char id[RELTO_ID_TEXT];
	struct out_json j = { .to = stdout };
	relto_id_print(x->report, id);
	out_json_begin(&j, NULL, '{');
	out_json_text(&j, "report", id);
	out_json_begin(&j, "recipients", '[');
	for (size_t i = 0; i < x->recipient_count; i++) {
		const struct relto_feedback_by *r = &x->recipients[i];
		out_json_begin(&j, NULL, '{');
		out_json_text(&j, "recipient", r->recipient);
		out_json_uint(&j, "count", r->count);
		out_json_begin(&j, "said", '[');
		for (size_t n = 0; n < r->said_count; n++) {
			out_json_begin(&j, NULL, '{');
			out_json_text(&j, "code", r->said[n].code);
			out_json_uint(&j, "said_us", r->said[n].said_us);
			out_json_uint(&j, "sighted_us", r->said[n].sighted_us);
			out_json_end(&j, '}');
		}
		out_json_end(&j, ']');
		out_json_end(&j, '}');
	}
	out_json_end(&j, ']');
	out_json_end(&j, '}');
	out_json_line(&j);
}

static bool
row(struct session *s, struct table *t, const char *recipient, const struct relto_feedback_said *f,
    struct err *e)
{
	char said[32], sighted[32];
	const char *cells[] = { arena_printf(&s->arena, "%s", recipient),
		arena_printf(&s->arena, "%s", f->code),
		arena_printf(&s->arena, "%s", session_time(f->said_us / 1000, said)),
		f->sighted_us == 0
		    ? "-"
		    : arena_printf(&s->arena, "%s", session_time(f->sighted_us / 1000, sighted)) };
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		if (cells[i] == NULL)
			return err_set(e, ERR_NOMEM, "table");
	return table_add(t, cells, e);
}

static int
status_print(struct session *s, const struct relto_feedback_status *x)
{
	static const char *const head[] = { "RECIPIENT", "SAYS", "WHEN", "SIGHTED" };
	struct table t;
	struct err e = { 0 };
	if (x->recipient_count == 0) {
		(void)puts("nobody said anything of it");
		return 0;
	}
	table_init(&t, &s->arena, "", sizeof(head) / sizeof(head[0]));
	bool ok = table_head(&t, head, &e);
	for (size_t i = 0; i < x->recipient_count; i++)
		for (size_t n = 0; ok && n < x->recipients[i].said_count; n++)
			ok = row(s, &t, x->recipients[i].recipient, &x->recipients[i].said[n], &e);
	if (!ok)
		return out_error(&e);
	table_print(&t, stdout);
	for (size_t i = 0; i < x->recipient_count; i++) {
		const struct relto_feedback_by *r = &x->recipients[i];
		if (r->count > r->said_count) {
			out_cleanf(stdout,
			    "%s said more before, %" PRIu64 " times: relto audit list "
			    "type=feedback",
			    r->recipient, r->count - r->said_count);
			(void)putchar('\n');
		}
	}
	return 0;
}

static int
run_status(struct session *s, const struct call *c, const uint8_t id[RELTO_ID_BYTES])
{
	struct relto_feedback_status *x = NULL;
	struct relto_error e = { 0 };
	int status = 0;
	if (!relto_feedback_status(s->connection, id, &x, &e))
		return session_error(&e);
	if (c->json)
		status_json(x);
	else
		status = status_print(s, x);
	relto_feedback_status_free(x);
	return status;
}

/* ---- saying ---- */

static int
run_say(struct session *s, const struct call *c, const uint8_t id[RELTO_ID_BYTES])
{
	struct relto_error e = { 0 };
	return relto_feedback(s->connection, id, c->words[1], c->at_ms * 1000, &e)
		   ? 0
		   : session_error(&e);
}

/* 0, or the exit status of a wrong call, said. */
static int
check(const struct call *c, bool ask, uint8_t id[RELTO_ID_BYTES])
{
	if (c->count != 2 || !relto_id_parse(c->words[ask], id))
		return out_usage(cmd_feedback_usage,
		    ask ? "status takes one REPORT-ID" : "which report, and what of it?");
	if (ask)
		return c->at_ms == 0 ? 0 : out_usage(cmd_feedback_usage, "status takes no --at");
	if (c->json)
		return out_usage(cmd_feedback_usage, "--json goes with status");
	if (!notice_arg_said(cmd_feedback_usage, relto_feedback_code, c->words[1]))
		return err_exit(ERR_USAGE);
	if ((strcmp(c->words[1], "sighted") == 0) != (c->at_ms != 0))
		return out_usage(cmd_feedback_usage, "--at goes with sighted, and only with it");
	return 0;
}

int
cmd_feedback(int argc, char **argv)
{
	struct call c = { 0 };
	struct session s = { 0 };
	uint8_t id[RELTO_ID_BYTES];
	int status = parse(&c, argc, argv);
	bool ask = status == 0 && c.count > 0 && strcmp(c.words[0], "status") == 0;
	if (status == 0)
		status = check(&c, ask, id);
	if (status != 0)
		return status;
	status = session_open(&s, &c.flags);
	if (status == 0)
		status = ask ? run_status(&s, &c, id) : run_say(&s, &c, id);
	session_close(&s);
	return status;
}
