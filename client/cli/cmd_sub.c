/* cmd_sub.c - relto sub: receives, verifies, shows, saves or hands over, and acknowledges. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/cli/alarms.h"
#include "client/cli/cmd.h"
#include "client/cli/handover.h"
#include "client/cli/mailbox.h"
#include "client/lists.h"
#include "proto/syntax.h"

const char cmd_sub_usage[] =
    "sub [--name N] [--topic PATTERN] [--exercise] [--from start] [--save DIR] [--exec CMD]\n"
    "      [--retry-delay DURATION] [--nack DURATION] [--no-ack] [--count N] [--credit N]\n"
    "      [--wait DURATION] [--proof full] [--unverified]\n"
    "      [--json] | sub --list|--dead-letters [--json] | sub --delete NAME [--exercise]";

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
	OPT_NACK,
	OPT_RETRY_DELAY,
	OPT_PROOF,
	OPT_UNVERIFIED,
	OPT_JSON,
	OPT_LIST,
	OPT_DEAD_LETTERS,
	OPT_DELETE
};
enum {
	CREDIT_MAX = 1024,
	TURN_MS = 1000,	  /* how long a wait goes on without a look round */
	BACK_MOST_S = 600 /* what cannot be kept now comes again after at most this */
};
#define NOT_SAID UINT64_MAX

struct call {
	struct context_flags flags;
	struct relto_subscription_request want;
	const char *save, *exec;
	uint64_t count, wait_ms;
	uint64_t nack_ms;  /* each is given back for so long; NOT_SAID: it is acknowledged */
	uint64_t retry_ms; /* what cannot be kept now, likewise; NOT_SAID: longer each time */
	bool no_ack, json;
	bool list, letters;	 /* instead of receiving.. */
	const char *unsubscribe; /* ..likewise */
	struct session *session;
	uint64_t seen;
	bool unproved; /* one came without the proof that was asked for */
	bool bad;      /* a report that could not be verified came */
	bool unkept;   /* one could not be shown, saved or handed over */
	bool failed;   /* the last one could not be saved or handed over now */
	struct handover_done done;
	struct relto_subscription got;
	struct alarms alarms;
	uint64_t sessions;	   /* that were up */
	bool gone;		   /* that the connection is lost was said */
	uint64_t open[CREDIT_MAX]; /* deliveries that came and are not acknowledged */
	size_t open_count;
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
	{ "nack", required_argument, NULL, OPT_NACK },
	{ "retry-delay", required_argument, NULL, OPT_RETRY_DELAY },
	{ "proof", required_argument, NULL, OPT_PROOF },
	{ "unverified", no_argument, NULL, OPT_UNVERIFIED },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "list", no_argument, NULL, OPT_LIST },
	{ "dead-letters", no_argument, NULL, OPT_DEAD_LETTERS },
	{ "delete", required_argument, NULL, OPT_DELETE },
	CONTEXT_OPTIONS,
	{ NULL, 0, NULL, 0 },
};

static bool
delay(const char *value, uint64_t *ms)
{
	return session_duration_parse(value, ms) && *ms <= LIMIT_NACK_DELAY_MS;
}

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
	case OPT_NACK:
		return delay(value, &c->nack_ms);
	case OPT_RETRY_DELAY:
		return delay(value, &c->retry_ms);
	case OPT_PROOF:
		c->want.proof = true;
		return strcmp(value, "full") == 0;
	case OPT_UNVERIFIED:
		c->session->unverified = true;
		return true;
	case OPT_JSON:
		c->json = true;
		return true;
	case OPT_LIST:
		c->list = true;
		return true;
	case OPT_DEAD_LETTERS:
		c->letters = true;
		return true;
	case OPT_DELETE:
		c->unsubscribe = value;
		return syntax_name(bytes_of(value), NULL);
	default:
		return context_flag(&c->flags, code, value);
	}
}

/* What would be, where a value can be wrong. */
static const char *
right(int code)
{
	return code == OPT_FROM	    ? "start"
	       : code == OPT_PROOF  ? "full"
	       : code == OPT_COUNT  ? "a number from 1 on"
	       : code == OPT_CREDIT ? "1 to 1024"
	       : code == OPT_WAIT   ? "a duration such as 30s, 5m, 2h or 1d"
	       : code == OPT_DELETE ? "the name of a subscription"
	       : code == OPT_NACK || code == OPT_RETRY_DELAY ? "a duration of at most 1d"
							     : "";
}

static int
parse(struct call *c, int argc, char **argv)
{
	int code, index = 0;
	opterr = 0;
	optind = 1;
	c->wait_ms = UINT64_MAX;
	c->nack_ms = c->retry_ms = NOT_SAID;
	while ((code = getopt_long(argc, argv, ":", options, &index)) != -1) {
		if (code == '?' || code == ':')
			return out_usage(cmd_sub_usage,
			    code == '?' ? "what is '%s'?" : "%s takes a value", argv[optind - 1]);
		if (!option(c, code, optarg))
			return out_usage(cmd_sub_usage, "--%s '%s' is not right: %s",
			    options[index].name, optarg, right(code));
	}
	if (c->list + c->letters + (c->unsubscribe != NULL) > 1)
		return out_usage(cmd_sub_usage, "one of --list, --dead-letters and --delete");
	if (c->no_ack && c->nack_ms != NOT_SAID)
		return out_usage(cmd_sub_usage, "one of --no-ack and --nack");
	if (c->nack_ms != NOT_SAID && c->count == 0) /* else each would come until it is dead */
		return out_usage(
		    cmd_sub_usage, "--nack takes --count too: how many are given back");
	return optind < argc ? out_usage(cmd_sub_usage, "what is '%s'?", argv[optind]) : 0;
}

/* What is done instead of receiving; -1: nothing. */
static int
instead(const struct call *c)
{
	struct relto_error e = { 0 };
	if (c->list)
		return mailbox_subscriptions(c->session, NULL, c->json);
	if (c->letters)
		return mailbox_letters(c->session, false, NULL, c->json);
	if (c->unsubscribe == NULL)
		return -1;
	return lists_unsubscribe(c->session->connection, c->unsubscribe, c->want.exercise, &e)
		   ? 0
		   : session_error(&e);
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

/* What it takes back, or the place of, is marked where it was saved. */
static bool
mark(struct call *c, const struct relto_delivery *d)
{
	struct delivery_place at;
	if (!delivery_mark(d, c->save, &at)) {
		(void)fprintf(stderr,
		    "relto: cannot mark %s/%s as no longer valid: %s; not acknowledged\n", c->save,
		    at.name, strerror(errno));
		return false;
	}
	if (at.name[0] != 0)
		(void)fprintf(stderr, "relto: %s/%s WAS %s: it is marked there (%s)\n", c->save,
		    at.name, d->about.act == RELTO_RECALL ? "RECALLED" : "SUPERSEDED",
		    delivery_mark_file(d));
	return true;
}

/* Kept and handed over, as far as asked for. */
static bool
keep(struct call *c, const struct relto_delivery *d)
{
	struct delivery_place at;
	const char *folder = NULL;
	if (c->save != NULL) {
		if (!save(c, d, &at) || !mark(c, d))
			return false;
		folder = arena_printf(&c->session->scratch, "%s/%s", c->save, at.name);
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
	if (d->unproved && !c->unproved)
		(void)fputs("relto: ALARM: the broker does not prove what it delivers; it may keep "
			    "records out of its log: tell your auditor\n",
		    stderr);
	c->unproved |= d->unproved;
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
	c->failed = whole && !keep(c, d);
	bool safe = whole && !c->failed && ferror(stdout) == 0;
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

/* What cannot be kept now comes again after a second, and each time after twice as long, if nobody
 * said otherwise. */
static uint64_t
back_ms(const struct call *c, const struct relto_delivery *d)
{
	uint32_t times = d->attempt == 0 ? 0 : d->attempt - 1;
	uint64_t s = times < 10 ? 1ull << times : BACK_MOST_S;
	if (c->nack_ms != NOT_SAID)
		return c->nack_ms;
	if (c->retry_ms != NOT_SAID)
		return c->retry_ms;
	return (s < BACK_MOST_S ? s : BACK_MOST_S) * 1000;
}

/* False: it stays where it is, until the broker makes it again by itself. */
static bool
give_back(struct call *c, const struct relto_delivery *d)
{
	uint64_t ms = back_ms(c, d);
	struct relto_error e;
	char id[RELTO_ID_TEXT];
	if (c->no_ack)
		return false;
	relto_id_print(d->id, id);
	if (!relto_nack(c->session->connection, d, ms, &e)) {
		out_cleanf(stderr, "relto: report %s could not be given back: %s", id, e.text);
		(void)fputc('\n', stderr);
		c->unkept = true;
		return false;
	}
	(void)fprintf(stderr, "relto: report %s is given back, and comes again in %g s\n", id,
	    (double)ms / 1e3);
	return true;
}

/* What came again after it was dealt with only waits for its acknowledgement. */
static bool
handle(struct call *c, const struct relto_delivery *d, struct relto_error *e)
{
	bool shown = delivery_is_shown(d);
	bool again = shown && handover_is_done(&c->done, d), safe = again;
	session_next(c->session);
	c->failed = false;
	c->seen += !again;
	if (!shown)
		not_shown(c, d);
	else if (!again)
		safe = take(c, d);
	bool later =
	    shown && !again && c->nack_ms != NOT_SAID; /* it was seen, and is not dealt with */
	if (safe && !again && !later)
		handover_set_done(&c->done, d);
	bool ack = safe && !c->no_ack && !later;
	bool back = shown && !again && (c->failed || later) && give_back(c, d);
	note_open(c, d->number, !ack && !back);
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

/* Says that the connection is gone, and that it is there again: then nothing holds credit. */
static void
follow(struct call *c)
{
	uint64_t sessions;
	struct relto_error lost;
	bool up = relto_is_up(c->session->connection, &sessions, &lost);
	if (!c->gone && (!up || sessions != c->sessions)) {
		out_cleanf(stderr, "relto: the connection was lost: %s; trying again", lost.text);
		(void)fputc('\n', stderr);
		c->gone = true;
	}
	if (up && sessions != c->sessions) {
		(void)fputs("relto: connected again\n", stderr);
		c->gone = false;
		c->open_count = 0;
		c->sessions = sessions;
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
	c->sessions = 1;
	while ((c->count == 0 || c->seen < c->count) && !is_blocked(c)) {
		struct relto_delivery *d = NULL;
		int64_t left = until - now_ms();
		int turn_ms = left < 0 ? 0 : left < TURN_MS ? (int)left : TURN_MS;
		bool came = relto_next(c->session->connection, turn_ms, &d, e);
		if (came || !e->fatal)
			follow(c);
		if (came) {
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
		alarms_watch(&c->alarms, c->session->connection);
	}
	bool ok = relto_settle(c->session->connection, e);
	alarms_watch(&c->alarms, c->session->connection);
	return ok;
}

static int
subscribe(struct call *c)
{
	struct relto_error e;
	unsigned tries = 0;
	while (!relto_subscribe(c->session->connection, &c->want, &c->got, &e))
		if (!session_again(&e, &tries))
			return session_error(&e);
	return 0;
}

int
cmd_sub(int argc, char **argv)
{
	static struct call c;
	struct session s = { 0 };
	struct relto_error e = { 0 };
	struct err why = { 0 };
	c = (struct call){ .session = &s };
	s.reconnect = true;
	int status = parse(&c, argc, argv);
	if (status != 0)
		return status;
	status = session_open(&s, &c.flags);
	int done = status == 0 ? instead(&c) : status;
	if (done >= 0) {
		session_close(&s);
		return done;
	}
	if (status == 0 && !session_vocabs(&s, &why))
		status = out_error(&why);
	if (status == 0)
		status = subscribe(&c);
	if (status == 0 && !receive(&c, &e))
		status = session_error(&e);
	session_close(&s);
	if (status == 0 && (alarms_raised(&c.alarms) || c.unproved))
		return err_exit(ERR_PROTOCOL);
	if (status == 0 && c.bad)
		return 77;
	if (status == 0 && c.unkept)
		return err_exit(ERR_IO);
	return status == 0 && c.count > 0 && c.seen < c.count ? 75 : status;
}
