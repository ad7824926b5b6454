/* cmd_sub.c - relto sub: receives, verifies, shows, saves or hands over, and acknowledges. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/cli/cmd.h"
#include "client/cli/delivery.h"

static const char usage[] =
    "sub [--name N] [--topic PATTERN] [--exercise] [--from start] [--save DIR] [--exec CMD]\n"
    "      [--count N] [--wait DURATION] [--no-ack] [--unverified] [--json]";

enum option_code {
	OPT_NAME = 1,
	OPT_TOPIC,
	OPT_EXERCISE,
	OPT_FROM,
	OPT_SAVE,
	OPT_EXEC,
	OPT_COUNT,
	OPT_WAIT,
	OPT_NO_ACK,
	OPT_UNVERIFIED,
	OPT_JSON
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
};

static const struct option options[] = {
	{ "name", required_argument, NULL, OPT_NAME },
	{ "topic", required_argument, NULL, OPT_TOPIC },
	{ "exercise", no_argument, NULL, OPT_EXERCISE },
	{ "from", required_argument, NULL, OPT_FROM },
	{ "save", required_argument, NULL, OPT_SAVE },
	{ "exec", required_argument, NULL, OPT_EXEC },
	{ "count", required_argument, NULL, OPT_COUNT },
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

static int
parse(struct call *c, int argc, char **argv)
{
	int code, index = 0;
	opterr = 0;
	optind = 1;
	c->wait_ms = UINT64_MAX;
	while ((code = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (code == '?' || code == ':')
			return out_usage(usage, "what is '%s'?", argv[optind - 1]);
		if (!option(c, code, optarg))
			return out_usage(
			    usage, "--%s '%s' is not right", options[index].name, optarg);
	}
	return optind < argc ? out_usage(usage, "what is '%s'?", argv[optind]) : 0;
}

/* ---- handing over ---- */

static bool
write_all(int fd, const void *data, size_t len)
{
	const char *at = data;
	while (len > 0) {
		ssize_t n = write(fd, at, len);
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return true;
}

/* Safe on disk before it is acknowledged. */
static bool
save(struct call *c, const struct relto_delivery *d)
{
	if (delivery_save(c->session, d, c->save))
		return true;
	(void)fprintf(stderr, "relto: cannot save under %s: %s; not acknowledged\n", c->save,
	    strerror(errno));
	return false;
}

/* The portions on standard input, one after the other, and RELTO_REPORT, _TOPIC, _ORIGINATOR in the
 * environment; acknowledged if the program says 0. */
static bool
hand_over(struct call *c, const struct relto_delivery *d)
{
	int pipes[2], status = 0;
	char id[RELTO_ID_TEXT];
	relto_id_print(d->id, id);
	if (pipe2(pipes, O_CLOEXEC) != 0)
		return false;
	(void)fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		(void)dup2(pipes[0], STDIN_FILENO);
		(void)setenv("RELTO_REPORT", id, 1);
		(void)setenv("RELTO_TOPIC", d->topic, 1);
		(void)setenv("RELTO_ORIGINATOR", d->originator, 1);
		(void)execl("/bin/sh", "sh", "-c", c->exec, (char *)NULL);
		_exit(127);
	}
	(void)close(pipes[0]);
	for (size_t i = 0; child > 0 && i < d->portion_count; i++) {
		const struct relto_bytes *b = &d->portions[i].portion.content;
		if (!write_all(pipes[1], b->data, b->len))
			break; /* it need not read all; its own status counts */
	}
	(void)close(pipes[1]);
	if (child < 0 || waitpid(child, &status, 0) != child)
		return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool
handle(void *arg, const struct relto_delivery *d, bool *ack)
{
	struct call *c = arg;
	c->seen++;
	*ack = false;
	if (d->portion_count == 0) { /* librelto gives none of what may not be shown */
		char id[RELTO_ID_TEXT];
		relto_id_print(d->id, id);
		(void)fprintf(stderr, "relto: report %s is not shown: ", id);
		out_clean(stderr, bytes_of(d->why));
		(void)fputs(d->trust == RELTO_UNPINNED
				? "; pin them with 'relto context trust', or see --unverified\n"
				: "\n",
		    stderr);
		c->bad = true;
		return c->count == 0 || c->seen < c->count;
	}
	bool whole = true; /* nothing is acknowledged that is nowhere in full */
	if (c->json)
		delivery_json(stdout, c->session, d, false);
	else
		whole = delivery_show(c->session, d) || c->save != NULL || c->exec != NULL;
	(void)fflush(stdout);
	if (!whole)
		(void)fputs(
		    "relto: not acknowledged: use --save for what cannot be shown\n", stderr);
	bool safe = whole && (c->save == NULL || save(c, d)) &&
		    (c->exec == NULL || hand_over(c, d)) && ferror(stdout) == 0;
	c->unkept |= !safe;
	*ack = safe && !c->no_ack;
	return c->count == 0 || c->seen < c->count;
}

int
cmd_sub(int argc, char **argv)
{
	struct session s = { 0 };
	struct call c = { .session = &s };
	struct relto_error e = { 0 };
	struct err why = { 0 };
	int status = parse(&c, argc, argv);
	if (status != 0)
		return status;
	status = session_open(&s, &c.flags);
	if (status == 0 && !session_vocabs(&s, &why))
		status = out_error(&why);
	if (status == 0 && !relto_subscribe(s.connection, &c.want, NULL, &e))
		status = session_error(&e);
	struct relto_handler h = { .handle = handle,
		.arg = &c,
		.idle_ms = c.wait_ms == UINT64_MAX ? -1 : (int)c.wait_ms };
	if (status == 0 && !relto_run(s.connection, &h, &e))
		status = session_error(&e);
	session_close(&s);
	if (status == 0 && c.bad)
		return 77;
	if (status == 0 && c.unkept)
		return err_exit(ERR_IO);
	return status == 0 && c.count > 0 && c.seen < c.count ? 75 : status;
}
