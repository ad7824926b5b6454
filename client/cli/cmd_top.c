/* cmd_top.c - relto top: what the broker does, again and again. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/cmd.h"
#include "client/cli/session.h"
#include "proto/syntax.h"

const char cmd_top_usage[] = "top [--every DURATION] [--count N] [--json]";

/* The broker hears of us before it would take us for gone; and each look is a record of its log. */
enum { EVERY_MS = 5000, LEAST_MS = 100, MOST_MS = 60000 };

struct call {
	struct context_flags flags;
	uint64_t every_ms, count; /* count 0: without end */
	bool json, in_place;
};

static const struct option options[] = {
	{ "json", no_argument, NULL, 1 },
	{ "every", required_argument, NULL, 2 },
	{ "count", required_argument, NULL, 3 },
	CONTEXT_OPTIONS,
	{ NULL, 0, NULL, 0 },
};

static json_int_t
number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* By the broker's clock, which both looks have. */
static double
seconds_between(const json_t *was, const json_t *now)
{
	return (double)(number(now, "time_us") - number(was, "time_us")) / 1e6;
}

static double
rate(json_int_t was, json_int_t now, double seconds)
{
	return seconds > 0 ? (double)(now - was) / seconds : 0;
}

static const char *
text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s == NULL ? "" : s;
}

/* The rest of the line is cleared where what stood there before is written over. */
static void
line_end(const struct call *c)
{
	(void)fputs(c->in_place ? "\033[K\n" : "\n", stdout);
}

static void
print_row(const struct call *c, const char *name, json_int_t total, const double *per_second)
{
	out_cleanf(stdout, "%-20s %16" JSON_INTEGER_FORMAT, name, total);
	if (per_second != NULL)
		(void)printf(" %14.1f", *per_second);
	line_end(c);
}

static void
print_page(const struct call *c, const json_t *was, const json_t *now)
{
	static const char *const totals[] = { "connections", "commits", "log_size", "signed_size",
		"published_size" };
	const json_t *counters = json_object_get(now, "counters");
	double seconds = was == NULL ? 0 : seconds_between(was, now), per_second;
	char when[32];
	const char *key;
	json_t *value;
	if (c->in_place)
		(void)fputs("\033[H", stdout);
	out_cleanf(stdout, "%s  %s  %s%s", text(now, "node"), text(now, "origin"),
	    session_time((uint64_t)number(now, "time_us") / 1000, when),
	    json_is_true(json_object_get(now, "clock_in_doubt")) ? "  CLOCK IN DOUBT" : "");
	line_end(c);
	(void)printf("%-20s %16s %14s", "", "total", was == NULL ? "" : "a second");
	line_end(c);
	for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++) {
		per_second = rate(number(was, totals[i]), number(now, totals[i]), seconds);
		/* connections are no sum */
		print_row(c, totals[i], number(now, totals[i]),
		    was == NULL || i == 0 ? NULL : &per_second);
	}
	json_object_foreach((json_t *)(uintptr_t)counters, key, value)
	{
		per_second = rate(number(json_object_get(was, "counters"), key),
		    json_integer_value(value), seconds);
		print_row(c, key, json_integer_value(value), was == NULL ? NULL : &per_second);
	}
	if (c->in_place)
		(void)fputs("\033[J", stdout);
}

static int
show(const struct call *c, const json_t *was, const json_t *now)
{
	if (c->json) {
		(void)json_dumpf(now, stdout, JSON_ENSURE_ASCII | JSON_COMPACT);
		(void)putchar('\n');
	} else {
		if (was != NULL && !c->in_place)
			(void)putchar('\n');
		print_page(c, was, now);
	}
	return out_end(0);
}

static int
look(struct session *s, const struct call *c, json_t **was)
{
	struct relto_error e = { 0 };
	char *answer = NULL;
	if (!relto_status(s->connection, &answer, &e))
		return session_error(&e);
	json_t *now = json_loads(answer, 0, NULL);
	free(answer);
	if (!json_is_object(now)) {
		json_decref(now);
		(void)fputs("relto: the broker's answer is no JSON object\n", stderr);
		return 76;
	}
	int status = show(c, *was, now);
	json_decref(*was);
	*was = now;
	return status;
}

static int
run(struct session *s, const struct call *c)
{
	const struct timespec pause = { .tv_sec = (time_t)(c->every_ms / 1000),
		.tv_nsec = (long)(c->every_ms % 1000) * 1000000 };
	json_t *was = NULL;
	int status = 0;
	if (c->in_place)
		(void)fputs("\033[2J", stdout);
	for (uint64_t n = 1; status == 0; n++) {
		status = look(s, c, &was);
		if (n == c->count)
			break;
		if (status == 0)
			(void)nanosleep(&pause, NULL);
	}
	json_decref(was);
	return status;
}

static bool
option(struct call *c, int code, const char *value)
{
	char *end = NULL;
	switch (code) {
	case 1:
		return c->json = true;
	case 2:
		return session_duration_parse(value, &c->every_ms) && c->every_ms >= LEAST_MS &&
		       c->every_ms <= MOST_MS;
	case 3:
		errno = 0;
		c->count = strtoull(value, &end, 10);
		return value[0] >= '0' && value[0] <= '9' && *end == '\0' && errno == 0 &&
		       c->count > 0;
	default:
		return context_flag(&c->flags, code, value);
	}
}

int
cmd_top(int argc, char **argv)
{
	struct call c = { .every_ms = EVERY_MS };
	struct session s = { 0 };
	int code;
	opterr = 0;
	optind = 1;
	while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (code == '?')
			return out_usage(cmd_top_usage, "what is '%s'?", argv[optind - 1]);
		if (!option(&c, code, optarg))
			return out_usage(cmd_top_usage,
			    "'%s' is not right: --every 100ms to 60s, --count from 1", optarg);
	}
	if (optind < argc)
		return out_usage(cmd_top_usage, "what is '%s'?", argv[optind]);
	c.in_place = !c.json && isatty(STDOUT_FILENO) == 1;
	int status = session_open(&s, &c.flags);
	if (status == 0)
		status = run(&s, &c);
	session_close(&s);
	return status;
}
