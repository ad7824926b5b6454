/* cmd_recall.c - relto recall: calls a report back, says how far that has come, and answers one. */
#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "client/cli/cmd.h"
#include "client/cli/notice_arg.h"
#include "client/cli/session.h"
#include "client/cli/table.h"

const char cmd_recall_usage[] =
    "recall REPORT-ID.. [--code CODE] [--json]\n"
    "       relto recall answer REPORT-ID ANSWER\n"
    "       relto recall status REPORT-ID [--late-after DURATION] [--json]";

enum { IDS_MAX = 256, DAY_MS = 86400000 };
enum option_code { OPT_JSON = 1, OPT_CODE, OPT_LATE };

struct call {
	struct context_flags flags;
	const char *words[IDS_MAX];
	size_t count;
	const char *code;
	uint64_t late_ms;
	bool json;
};

static const struct option options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "code", required_argument, NULL, OPT_CODE },
	{ "late-after", required_argument, NULL, OPT_LATE },
	CONTEXT_OPTIONS,
	{ NULL, 0, NULL, 0 },
};

static int
parse(struct call *c, int argc, char **argv)
{
	int code;
	opterr = 0;
	optind = 1;
	c->late_ms = DAY_MS;
	while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (code == OPT_JSON)
			c->json = true;
		else if (code == OPT_CODE)
			c->code = optarg;
		else if (code == OPT_LATE && !session_duration_parse(optarg, &c->late_ms))
			return out_usage(cmd_recall_usage,
			    "--late-after '%s' is not right: a duration such as 30m, 2h or 1d",
			    optarg);
		else if (code == '?' ||
			 (code != OPT_LATE && !context_flag(&c->flags, code, optarg)))
			return out_usage(cmd_recall_usage, "what is '%s'?", argv[optind - 1]);
	}
	for (; optind < argc; optind++) {
		if (c->count == IDS_MAX)
			return out_usage(cmd_recall_usage, "at most %d reports", IDS_MAX);
		c->words[c->count++] = argv[optind];
	}
	return c->code == NULL ? 0 : notice_arg_code(cmd_recall_usage, RELTO_RECALL, c->code);
}

/* ---- recalling ---- */

static void
say_recalled(const struct call *c, const char *report, const struct relto_receipt *r)
{
	char id[RELTO_ID_TEXT];
	struct out_json j = { .to = stdout };
	relto_id_print(r->id, id);
	if (!c->json) {
		(void)printf("recalled %s\n  by report %s; 'relto recall status %s' says who "
			     "answered\n",
		    report, id, report);
		return;
	}
	out_json_begin(&j, NULL, '{');
	out_json_text(&j, "report", report);
	out_json_text(&j, "notice", id);
	out_json_uint(&j, "index", r->index);
	out_json_uint(&j, "accepted_us", r->accepted_us);
	out_json_end(&j, '}');
	out_json_line(&j);
}

/* One after the other: what could not be recalled stops nothing behind it. */
static int
run_recall(struct session *s, const struct call *c)
{
	int status = 0;
	for (size_t i = 0; i < c->count; i++) {
		struct relto_receipt *r = NULL;
		struct relto_error e = { 0 };
		uint8_t id[RELTO_ID_BYTES];
		(void)relto_id_parse(c->words[i], id);
		if (relto_recall(s->connection, id, c->code, &r, &e)) {
			say_recalled(c, c->words[i], r);
		} else {
			(void)fprintf(stderr, "relto: %s: ", c->words[i]);
			status = session_error(&e);
		}
		relto_receipt_free(r);
		if (e.fatal)
			break;
	}
	return status;
}

/* ---- how far it has come ---- */

static uint64_t
now_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static bool
is_late(const struct call *c, const struct relto_recalled *r)
{
	return r->notified_us != 0 && r->answered_us == 0 &&
	       now_us() / 1000 >= r->notified_us / 1000 + c->late_ms;
}

static void
status_json(const struct call *c, const struct relto_recall_status *x)
{
	char id[RELTO_ID_TEXT];
	struct out_json j = { .to = stdout };
	out_json_begin(&j, NULL, '{');
	relto_id_print(x->report, id);
	out_json_text(&j, "report", id);
	out_json_text(&j, "topic", x->topic);
	out_json_text(&j, "mode", x->exercise ? "exercise" : "live");
	out_json_bool(&j, "recalled", x->recalled);
	if (x->recalled) {
		relto_id_print(x->notice, id);
		out_json_text(&j, "notice", id);
		out_json_text(&j, "code", x->code[0] == 0 ? NULL : x->code);
		out_json_uint(&j, "recalled_us", x->recalled_us);
	}
	out_json_begin(&j, "recipients", '[');
	for (size_t i = 0; i < x->recipient_count; i++) {
		const struct relto_recalled *r = &x->recipients[i];
		out_json_begin(&j, NULL, '{');
		out_json_text(&j, "recipient", r->recipient);
		out_json_bool(&j, "withdrawn", r->withdrawn);
		out_json_uint(&j, "notified_us", r->notified_us);
		out_json_uint(&j, "received_us", r->received_us);
		out_json_text(&j, "answer", r->answer[0] == 0 ? NULL : r->answer);
		out_json_uint(&j, "answered_us", r->answered_us);
		out_json_bool(&j, "late", is_late(c, r));
		out_json_end(&j, '}');
	}
	out_json_end(&j, ']');
	out_json_end(&j, '}');
	out_json_line(&j);
}

static const char *
when(struct session *s, uint64_t us)
{
	char time[32];
	return us == 0 ? "-" : arena_printf(&s->arena, "%s", session_time(us / 1000, time));
}

static bool
row(struct session *s, const struct call *c, struct table *t, const struct relto_recalled *r,
    struct err *e)
{
	const char *answer = r->answer[0] != 0	   ? r->answer
			     : r->notified_us == 0 ? "it never had it"
			     : is_late(c, r)	   ? "LATE"
						   : "-";
	const char *cells[] = { arena_printf(&s->arena, "%s", r->recipient),
		r->withdrawn ? "yes" : "no", when(s, r->notified_us), when(s, r->received_us),
		arena_printf(&s->arena, "%s", answer), when(s, r->answered_us) };
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		if (cells[i] == NULL)
			return err_set(e, ERR_NOMEM, "table");
	return table_add(t, cells, e);
}

static int
status_print(struct session *s, const struct call *c, const struct relto_recall_status *x)
{
	static const char *const head[] = { "RECIPIENT", "WITHDRAWN", "NOTIFIED", "RECEIVED",
		"ANSWER", "ANSWERED" };
	char id[RELTO_ID_TEXT], notice[RELTO_ID_TEXT], time[32];
	struct table t;
	struct err e = { 0 };
	relto_id_print(x->report, id);
	relto_id_print(x->notice, notice);
	(void)printf("report    %s%s\nrecalled  %s by %s", id, x->exercise ? "  EXERCISE" : "",
	    session_time(x->recalled_us / 1000, time), notice);
	out_cleanf(stdout, "%s%s", x->code[0] == 0 ? "" : ", ", x->code);
	(void)putchar('\n');
	if (x->recipient_count == 0) {
		(void)puts("nobody had it, and it waited for nobody");
		return 0;
	}
	table_init(&t, &s->arena, "", sizeof(head) / sizeof(head[0]));
	bool ok = table_head(&t, head, &e);
	for (size_t i = 0; ok && i < x->recipient_count; i++)
		ok = row(s, c, &t, &x->recipients[i], &e);
	if (!ok)
		return out_error(&e);
	table_print(&t, stdout);
	return 0;
}

/* Exit 1: it was not recalled, or somebody is late. */
static int
run_status(struct session *s, const struct call *c)
{
	struct relto_recall_status *x = NULL;
	struct relto_error e = { 0 };
	uint8_t id[RELTO_ID_BYTES];
	(void)relto_id_parse(c->words[1], id);
	if (!relto_recall_status(s->connection, id, &x, &e))
		return session_error(&e);
	int status = x->recalled ? 0 : 1;
	for (size_t i = 0; i < x->recipient_count; i++)
		status = is_late(c, &x->recipients[i]) ? 1 : status;
	if (c->json)
		status_json(c, x);
	else if (!x->recalled)
		(void)printf("report %s was not recalled\n", c->words[1]);
	else if (status_print(s, c, x) != 0)
		status = err_exit(ERR_NOMEM);
	relto_recall_status_free(x);
	return status;
}

/* ---- what a recipient says ---- */

static int
run_answer(const struct call *c)
{
	struct session s = { 0 };
	struct relto_error e = { 0 };
	uint8_t id[RELTO_ID_BYTES];
	if (c->count != 3 || !relto_id_parse(c->words[1], id))
		return out_usage(cmd_recall_usage, "answer takes a REPORT-ID and an ANSWER");
	if (!notice_arg_said(cmd_recall_usage, relto_answer_code, c->words[2]))
		return 64;
	int status = session_open(&s, &c->flags);
	if (status == 0 && !relto_recall_answer(s.connection, id, c->words[2], &e))
		status = session_error(&e);
	session_close(&s);
	return status;
}

int
cmd_recall(int argc, char **argv)
{
	struct call c = { 0 };
	struct session s = { 0 };
	uint8_t id[RELTO_ID_BYTES];
	int status = parse(&c, argc, argv);
	if (status != 0)
		return status;
	bool ask = c.count > 0 && strcmp(c.words[0], "status") == 0;
	bool answer = c.count > 0 && strcmp(c.words[0], "answer") == 0;
	if (answer)
		return run_answer(&c);
	if (c.count < 1u + ask || (ask && c.count > 2))
		return out_usage(
		    cmd_recall_usage, ask ? "status takes one REPORT-ID" : "which report?");
	for (size_t i = ask; i < c.count; i++)
		if (!relto_id_parse(c.words[i], id))
			return out_usage(cmd_recall_usage,
			    "REPORT-ID is a UUID, as relto pub prints it, not '%s'", c.words[i]);
	status = session_open(&s, &c.flags);
	if (status == 0)
		status = ask ? run_status(&s, &c) : run_recall(&s, &c);
	session_close(&s);
	return status;
}
