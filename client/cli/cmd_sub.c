/* cmd_sub.c - relto sub: receives, verifies, shows, saves or hands over, and acknowledges. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/cli/cmd.h"
#include "client/cli/handover.h"

const char cmd_sub_usage[] =
    "sub [--name N] [--topic PATTERN] [--exercise] [--from start] [--save DIR] [--exec CMD]\n"
    "      [--count N] [--credit N] [--wait DURATION] [--no-ack] [--unverified] [--json]";

enum option_code {
	OPT_NAME = 1,
	OPT_TOPIC,
	OPT_EXERCISE,
	OPT_FROM,
	OPT_SAVE,
	OPT_EXEC,
	OPT_COUNT,
	OPT_CREDIT,
	OPT_WAIT,
	OPT_NO_ACK,
	OPT_UNVERIFIED,
	OPT_JSON
};
enum {
	CREDIT_MAX = 1024,
	TURN_MS = 1000 /* how long a wait goes on without a look round */
};
struct call {
	struct context_flags flags;
	struct relto_subscription_request want;
	const char *save, *exec;
	uint64_t count, wait_ms;
	bool no_ack, json;
	struct session *session;
	uint64_t seen;
	bool bad;    /* a report that could not be verified came */
	bool unkept; /* one could not be shown, saved or handed over */
	struct handover_done done;
	struct relto_subscription got;
	uint64_t open[CREDIT_MAX]; /* deliveries that came and are not acknowledged */
	size_t open_count, overdue;
};

static const struct option options[] = {
	{ "name", required_argument, NULL, OPT_NAME },
	{ "topic", required_argument, NULL, OPT_TOPIC },
	{ "exercise", no_argument, NULL, OPT_EXERCISE },
	{ "from", required_argument, NULL, OPT_FROM },
	{ "save", required_argument, NULL, OPT_SAVE },
	{ "exec", required_argument, NULL, OPT_EXEC },
	{ "count", required_argument, NULL, OPT_COUNT },
	{ "credit", required_argument, NULL, OPT_CREDIT },
	{ "wait", required_argument, NULL, OPT_WAIT },
	{ "no-ack", no_argument, NULL, OPT_NO_ACK },
	{ "unverified", no_argument, NULL, OPT_UNVERIFIED },
	{ "json", no_argument, NULL, OPT_JSON },
	CONTEXT_OPTIONS,
	{ NULL, 0, NULL, 0 },
};

static bool
option(struct call *c, int code, const char *value)
{
	char *end = NULL;
	switch (code) {
	case OPT_NAME:
		c->want.name = value;
		return true;
	case OPT_TOPIC:
		c->want.topic = value;
		return true;
	case OPT_EXERCISE:
		c->want.exercise = true;
		return true;
	case OPT_FROM:
		c->want.from_start = true;
		return strcmp(value, "start") == 0;
	case OPT_SAVE:
		c->save = value;
		return true;
	case OPT_EXEC:
		c->exec = value;
		return true;
	case OPT_COUNT:
		c->count = strtoull(value, &end, 10);
		return c->count > 0 && *end == 0;
	case OPT_CREDIT:
		c->want.credit = (uint32_t)strtoul(value, &end, 10);
		return c->want.credit > 0 && c->want.credit <= CREDIT_MAX && *end == 0;
	case OPT_WAIT:
		return session_duration_parse(value, &c->wait_ms);
	case OPT_NO_ACK:
		c->no_ack = true;
		return true;
	case OPT_UNVERIFIED:
		c->session->unverified = true;
		return true;
	case OPT_JSON:
		c->json = true;
		return true;
	default:
		return context_flag(&c->flags, code, value);
	}
}

/* What would be, where a value can be wrong. */
static const char *
right(int code)
{
	return code == OPT_FROM	    ? "start"
	       : code == OPT_COUNT  ? "a number from 1 on"
	       : code == OPT_CREDIT ? "1 to 1024"
	       : code == OPT_WAIT   ? "a duration such as 30s, 5m, 2h or 1d"
				    : "";
}

static int
parse(struct call *c, int argc, char **argv)
{
	int code, index = 0;
	opterr = 0;
	optind = 1;
	c->wait_ms = UINT64_MAX;
	while ((code = getopt_long(argc, argv, ":", options, &index)) != -1) {
		if (code == '?' || code == ':')
			return out_usage(cmd_sub_usage,
			    code == '?' ? "what is '%s'?" : "%s takes a value", argv[optind - 1]);
		if (!option(c, code, optarg))
			return out_usage(cmd_sub_usage, "--%s '%s' is not right: %s",
			    options[index].name, optarg, right(code));
	}
	return optind < argc ? out_usage(cmd_sub_usage, "what is '%s'?", argv[optind]) : 0;
}

/* ---- one report ---- */

/* Safe on disk before it is acknowledged. */
static bool
save(struct call *c, const struct relto_delivery *d, struct delivery_place *at)
{
	if (!delivery_save(c->session, d, c->save, at)) {
		(void)fprintf(stderr, "relto: cannot save under %s: %s; not acknowledged\n",
		    c->save, strerror(errno));
		return false;
	}
	if (at->beside)
		(void)fprintf(stderr,
		    "relto: ANOTHER report has this party and id: this one is in %s/%s\n", c->save,
		    at->name);
	return true;
}

/* Kept and handed over, as far as asked for. */
static bool
keep(struct call *c, const struct relto_delivery *d)
{
	struct delivery_place at;
	const char *folder = NULL;
	if (c->save != NULL) {
		if (!save(c, d, &at))
			return false;
		folder = arena_printf(&c->session->arena, "%s/%s", c->save, at.name);
	}
	return c->exec == NULL || handover_run(c->session, c->exec, folder, d);
}

static void
not_shown(struct call *c, const struct relto_delivery *d)
{
	char id[RELTO_ID_TEXT];
	relto_id_print(d->id, id);
	(void)fprintf(stderr, "relto: report %s is not shown: ", id);
	out_clean(stderr, bytes_of(d->why));
	(void)fputs(d->trust == RELTO_UNPINNED
			? "; pin them with 'relto context trust', or see --unverified\n"
			: "\n",
	    stderr);
	c->bad = true;
}

/* Shows it, saves it, hands it over; whether it is safe with its reader. */
static bool
take(struct call *c, const struct relto_delivery *d)
{
	bool whole = true; /* nothing is acknowledged that is nowhere in full */
	if (c->json)
		delivery_json(stdout, c->session, d, false);
	else
		whole = delivery_show(c->session, d) || c->save != NULL || c->exec != NULL;
	(void)fflush(stdout);
	if (!whole)
		(void)fputs(
		    "relto: not acknowledged: use --save for what cannot be shown\n", stderr);
	bool safe = whole && keep(c, d) && ferror(stdout) == 0;
	c->unkept |= !safe;
	return safe;
}

/* Which deliveries hold the credit of the subscription. */
static void
note_open(struct call *c, uint64_t number, bool open)
{
	size_t i = 0;
	while (i < c->open_count && c->open[i] != number)
		i++;
	if (open && i == c->open_count && i < CREDIT_MAX)
		c->open[c->open_count++] = number;
	else if (!open && i < c->open_count)
		c->open[i] = c->open[--c->open_count];
}

/* What came again after it was dealt with only waits for its acknowledgement. */
static bool
handle(struct call *c, const struct relto_delivery *d, struct relto_error *e)
{
	bool again = d->portion_count > 0 && handover_is_done(&c->done, d), safe = again;
	c->seen += !again;
	if (d->portion_count == 0) /* librelto gives none of what may not be shown */
		not_shown(c, d);
	else if (!again)
		safe = take(c, d);
	if (safe && !again)
		handover_set_done(&c->done, d);
	bool ack = safe && !c->no_ack;
	note_open(c, d->number, !ack);
	return !ack || relto_ack_later(c->session->connection, d, e);
}

/* ---- all of them ---- */

static int64_t
now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* When nothing more is waited for. */
static int64_t
patience(const struct call *c)
{
	return c->wait_ms == UINT64_MAX ? INT64_MAX : now_ms() + (int64_t)c->wait_ms;
}

/* The alarm that a client is there for: the broker keeps records out of the log. */
static void
watch(struct call *c)
{
	size_t overdue = relto_overdue(c->session->connection);
	if (overdue > c->overdue) {
		(void)fprintf(stderr,
		    "relto: ALARM: %zu reports are not in a signed head of your party's tree after "
		    "120 s; the broker may keep records out of its log: tell your auditor\n",
		    overdue);
		c->overdue = overdue;
	}
}

/* Nothing more can come until one of them is acknowledged. */
static bool
is_blocked(const struct call *c)
{
	if (c->open_count < c->got.credit)
		return false;
	(void)fprintf(stderr,
	    "relto: nothing more can come: %zu reports, all that may be on their way, are not "
	    "acknowledged\n",
	    c->open_count);
	return true;
}

static bool
receive(struct call *c, struct relto_error *e)
{
	int64_t until = patience(c);
	while ((c->count == 0 || c->seen < c->count) && !is_blocked(c)) {
		struct relto_delivery *d = NULL;
		int64_t left = until - now_ms();
		int turn_ms = left < 0 ? 0 : left < TURN_MS ? (int)left : TURN_MS;
		if (relto_next(c->session->connection, turn_ms, &d, e)) {
			bool ok = handle(c, d, e);
			relto_delivery_free(d);
			if (!ok)
				return false;
			until = patience(c);
		} else if (strcmp(e->code, err_token(ERR_TIMEOUT)) != 0) {
			return false;
		} else if (now_ms() >= until) {
			break;
		}
		watch(c);
	}
	watch(c);
	return relto_settle(c->session->connection, e);
}

int
cmd_sub(int argc, char **argv)
{
	static struct call c;
	struct session s = { 0 };
	struct relto_error e = { 0 };
	struct err why = { 0 };
	c = (struct call){ .session = &s };
	int status = parse(&c, argc, argv);
	if (status != 0)
		return status;
	status = session_open(&s, &c.flags);
	if (status == 0 && !session_vocabs(&s, &why))
		status = out_error(&why);
	if (status == 0 && !relto_subscribe(s.connection, &c.want, &c.got, &e))
		status = session_error(&e);
	if (status == 0 && !receive(&c, &e))
		status = session_error(&e);
	session_close(&s);
	if (status == 0 && c.overdue > 0)
		return err_exit(ERR_PROTOCOL);
	if (status == 0 && c.bad)
		return 77;
	if (status == 0 && c.unkept)
		return err_exit(ERR_IO);
	return status == 0 && c.count > 0 && c.seen < c.count ? 75 : status;
}
