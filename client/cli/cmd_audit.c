/* cmd_audit.c - relto audit list|show|stats|receipt|pull|replay|report: the log, as far as I may
 * see it.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/verify_filter.h"
#include "audit/verify_tally_print.h"
#include "client/cli/audit_pull.h"
#include "client/cli/audit_read.h"
#include "client/cli/audit_receipt.h"
#include "client/cli/audit_replay.h"
#include "client/cli/audit_report.h"
#include "client/cli/cmd.h"

const char cmd_audit_usage[] =
    "audit list [FIELD=VALUE..] [from TIME] [until TIME] [--from-index N] [--limit N] "
    "[--json|--csv] |\n"
    "      audit show INDEX|FIELD=VALUE.. [from TIME] [until TIME] [--json|--csv] |\n"
    "      audit stats [FIELD=VALUE..] [from TIME] [until TIME] [--from-index N] [--json] |\n"
    "      audit receipt REPORT-ID [--out FILE|DIR] [--type TYPE] [--wait DURATION] [--json] |\n"
    "      audit pull DIR [--from-index N] [--as-shown] [--json]\n"
    "       relto audit replay BUNDLE [--key VKEY] [--context NAME] [--json]\n"
    "       relto audit report BUNDLE --html [--out FILE] [--key VKEY] [--context NAME] [--json]";

enum { WORDS = 80 };

struct call {
	struct context_flags flags;
	char *words[WORDS]; /* behind the command's own */
	size_t count;
	const char *what;
	uint64_t from, limit;
	bool limited, as_shown;
	enum print_form form;
	const char *out, *type; /* of `receipt`.. */
	uint64_t wait_ms;
	/* list, show, stats */
	struct verify_filter filter;
	struct audit_read read;
	struct tally tally;
	uint64_t picked;
	bool counts; /* stats */
};

enum { FROM = 1, LIMIT, JSON, CSV, OUT, TYPE, WAIT, AS_SHOWN };
static const struct option options[] = {
	{ "from-index", required_argument, NULL, FROM },
	{ "limit", required_argument, NULL, LIMIT },
	{ "from", required_argument, NULL, FROM },   /* the same.. */
	{ "count", required_argument, NULL, LIMIT }, /* ..by an earlier name */
	{ "json", no_argument, NULL, JSON },
	{ "csv", no_argument, NULL, CSV },
	{ "out", required_argument, NULL, OUT },
	{ "type", required_argument, NULL, TYPE },
	{ "wait", required_argument, NULL, WAIT },
	{ "as-shown", no_argument, NULL, AS_SHOWN },
	CONTEXT_OPTIONS,
	{ NULL, 0, NULL, 0 },
};

static bool
number(const char *text, uint64_t *out)
{
	char *end = NULL;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == 0 && errno == 0 && *out <= INT64_MAX;
}

/* False: its value is not right. */
static bool
take_option(struct call *c, int code)
{
	switch (code) {
	case FROM:
		return number(optarg, &c->from);
	case LIMIT:
		c->limited = true;
		return number(optarg, &c->limit);
	case JSON:
	case CSV:
		c->form = code == JSON ? PRINT_JSON : PRINT_CSV;
		return true;
	case OUT:
		c->out = optarg;
		return true;
	case AS_SHOWN:
		return c->as_shown = true;
	case TYPE:
		c->type = optarg;
		return true;
	case WAIT:
		return session_duration_parse(optarg, &c->wait_ms);
	default:
		return context_flag(&c->flags, code, optarg);
	}
}

static int
parse(struct call *c, int argc, char **argv)
{
	int code;
	opterr = 0;
	optind = 1;
	c->limit = UINT64_MAX;
	c->form = PRINT_TEXT;
	while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (code == '?')
			return out_usage(cmd_audit_usage, "what is '%s'?", argv[optind - 1]);
		if (!take_option(c, code))
			return out_usage(cmd_audit_usage,
			    code == WAIT ? "'%s' is no duration such as 30s" : "'%s' is no number",
			    optarg);
	}
	if (optind == argc)
		return out_usage(cmd_audit_usage, "say what to do");
	c->what = argv[optind++];
	for (; optind < argc; optind++) {
		if (c->count == WORDS)
			return out_usage(cmd_audit_usage, "more than %d words", WORDS);
		c->words[c->count++] = argv[optind];
	}
	return c->limit == 0 ? out_usage(cmd_audit_usage, "--limit is 1 or more") : 0;
}

/* ---- records ---- */

static bool
each(void *arg, const struct verify_record *r)
{
	struct call *c = arg;
	/* times never fall: nothing behind it is wanted */
	if (r->common.time >= c->filter.until)
		return false;
	if (!verify_filter_picks(&c->filter, r))
		return true;
	c->picked++;
	if (c->counts) {
		tally_record(&c->tally, r);
		return !c->tally.dry;
	}
	if (c->picked == 1 && c->form == PRINT_CSV)
		verify_print_csv_head(stdout);
	verify_print_record(stdout, c->form, r);
	return c->picked < c->limit;
}

static int
print_stats(struct call *c)
{
	const struct audit_read *r = &c->read;
	bool json = c->form == PRINT_JSON;
	if (json)
		(void)printf("{\"from\":%" PRIu64 ",\"shown\":%" PRIu64 ",\"picked\":%" PRIu64
			     ",\"proved\":%" PRIu64 ",",
		    r->from, r->seen, c->picked, r->proved);
	if (c->tally.dry || !tally_print_stats(stdout, c->form, &c->tally))
		return out_error(&(struct err){ ERR_NOMEM, "out of memory: nothing was counted" });
	(void)fputs(json ? "}\n" : "", stdout);
	return 0;
}

static int
read_log(struct session *s, struct call *c)
{
	const struct relto_identity *me = relto_session(s->connection);
	bool hub = strcmp(me->party, me->hub_party) == 0;
	tally_init(&c->tally, &s->arena, bytes_of(hub ? "" : me->party));
	c->read.from = c->from;
	c->read.each = each;
	c->read.arg = c;
	int status = audit_read_run(s, &c->read);
	if (c->counts && (status == 0 || c->read.bad)) {
		int printed = print_stats(c);
		status = printed != 0 ? printed : status;
	}
	if (status != 0)
		return status;
	if (c->read.one && c->picked == 0) {
		(void)fprintf(stderr, "relto: no record %" PRIu64 " that you may see\n", c->from);
		return err_exit(ERR_NOT_FOUND);
	}
	if (!c->read.one)
		audit_read_say(&c->read, c->picked);
	if (strcmp(c->what, "show") == 0 && c->picked == 0)
		return err_exit(ERR_NOT_FOUND);
	return 0;
}

/* ---- the call ---- */

static int
check_filter(struct call *c)
{
	struct err e = { 0 };
	if (!verify_filter_parse(&c->filter, c->words, c->count, &e))
		return out_usage(cmd_audit_usage, "%s", e.text);
	return 0;
}

static int
check_show(struct call *c)
{
	if (c->limited || c->from != 0)
		return out_usage(cmd_audit_usage, "show takes an index or terms alone");
	if (c->count == 0)
		return out_usage(cmd_audit_usage, "say which: an index, or terms");
	c->read.one = c->count == 1 && number(c->words[0], &c->from);
	c->count = c->read.one ? 0 : c->count;
	return check_filter(c);
}

/* What every command but some does not take. */
static int
check_options(const struct call *c)
{
	bool list = strcmp(c->what, "list") == 0, show = strcmp(c->what, "show") == 0;
	bool receipt = strcmp(c->what, "receipt") == 0;
	if ((c->out != NULL || c->type != NULL || c->wait_ms != 0) && !receipt)
		return out_usage(cmd_audit_usage, "--out, --type and --wait are of audit receipt");
	if (c->form == PRINT_CSV && !list && !show)
		return out_usage(cmd_audit_usage, "%s takes no --csv", c->what);
	if (c->limited && !list && !show)
		return out_usage(cmd_audit_usage, "%s takes no --limit", c->what);
	if (c->as_shown && strcmp(c->what, "pull") != 0)
		return out_usage(cmd_audit_usage, "--as-shown is of audit pull");
	if (receipt && c->from != 0)
		return out_usage(cmd_audit_usage, "receipt takes no --from-index");
	return 0;
}

static int
check(struct call *c)
{
	int status = check_options(c);
	c->counts = strcmp(c->what, "stats") == 0;
	if (status != 0)
		return status;
	if (strcmp(c->what, "show") == 0)
		return check_show(c);
	if (strcmp(c->what, "pull") == 0)
		return c->count == 1 ? 0 : out_usage(cmd_audit_usage, "pull takes one folder");
	if (strcmp(c->what, "receipt") == 0)
		return c->count == 1
			   ? 0
			   : out_usage(cmd_audit_usage, "audit receipt takes one report id");
	if (!c->counts && strcmp(c->what, "list") != 0)
		return out_usage(cmd_audit_usage, "what is '%s'?", c->what);
	return check_filter(c);
}

static int
run(struct session *s, struct call *c)
{
	bool json = c->form == PRINT_JSON;
	const struct audit_pull pull = { c->words[0], c->from, json };
	const struct audit_receipt receipt = { c->words[0], c->out, c->type, c->wait_ms, json };
	return strcmp(c->what, "pull") == 0	 ? audit_pull_run(s, &pull)
	       : strcmp(c->what, "receipt") == 0 ? audit_receipt_run(s, &receipt)
						 : read_log(s, c);
}

int
cmd_audit(int argc, char **argv)
{
	struct call c = { 0 };
	struct session s = { 0 };
	if (argc > 1 && strcmp(argv[1], "replay") == 0)
		return audit_replay(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "report") == 0)
		return audit_report(argc - 1, argv + 1);
	int status = parse(&c, argc, argv);
	if (status == 0)
		status = check(&c);
	if (status != 0)
		return status;
	s.as_shown = c.as_shown;
	status = session_open(&s, &c.flags);
	if (status == 0)
		status = run(&s, &c);
	session_close(&s);
	return out_end(status);
}
