/* cmd_sub.c - relto sub: receives, verifies, shows, saves or hands over, and acknowledges. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/cli/cmd.h"
#include "client/cli/session.h"

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
	bool no_ack, unverified, json;
	struct session *session;
	uint64_t seen;
	bool bad; /* a report that could not be verified came */
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
		c->unverified = true;
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

/* ---- showing ---- */

static const char *
precedence(enum relto_precedence p)
{
	static const char *const names[] = { "?", "ROUTINE", "PRIORITY", "IMMEDIATE", "FLASH" };
	return (unsigned)p < 5 ? names[p] : names[0];
}

static bool
is_text(const char *type)
{
	return strncmp(type, "text/", 5) == 0 || strstr(type, "json") != NULL;
}

/* Line by line, since a report's text must not steer the terminal. */
static void
show_content(FILE *to, struct bytes content)
{
	while (content.len > 0) {
		const uint8_t *end = memchr(content.data, '\n', content.len);
		size_t len = end == NULL ? content.len : (size_t)(end - content.data);
		(void)fputs("    ", to);
		out_clean(to, bytes_from(content.data, len));
		(void)fputc('\n', to);
		content.data += len + (end != NULL);
		content.len -= len + (end != NULL);
	}
}

static void
show(struct call *c, const struct relto_delivery *d)
{
	char id[RELTO_ID_TEXT], time[32];
	bool colour = session_colour(stdout);
	relto_id_print(d->id, id);
	(void)printf("%sreport %s%s  %s  ", colour ? "\033[1m" : "", id, colour ? "\033[0m" : "",
	    precedence(d->precedence));
	out_clean(stdout, bytes_of(d->topic));
	(void)printf("%s\n  %s\n  created %s", d->exercise ? "  EXERCISE" : "", d->why,
	    session_time(d->created, time));
	for (size_t i = 0; i < d->agreements.count; i++)
		(void)printf("%s%s", i == 0 ? ", under " : ", ", d->agreements.items[i]);
	(void)putchar('\n');
	for (size_t i = 0; i < d->portion_count; i++) {
		const struct relto_portion *p = &d->portions[i].portion;
		(void)fputs("  [", stdout);
		for (size_t k = 0; k < p->label_count; k++) {
			(void)fputs(k == 0 ? "" : " | ", stdout);
			out_clean(stdout, bytes_of(session_marking(c->session, &p->labels[k])));
		}
		(void)fputs("] ", stdout);
		out_clean(stdout, bytes_of(p->title == NULL ? "" : p->title));
		(void)printf("  (%s, %zu bytes)\n", p->content_type, p->content.len);
		if (is_text(p->content_type) && p->content.len <= 4096)
			show_content(stdout, bytes_from(p->content.data, p->content.len));
	}
}

static void
portion_json(struct out_json *j, struct call *c, const struct relto_portion *p)
{
	out_json_begin(j, NULL, '{');
	session_labels_json(j, "labels", c->session, p->labels, p->label_count);
	out_json_text(j, "content_type", p->content_type);
	out_json_text(j, "title", p->title == NULL ? "" : p->title);
	out_json_uint(j, "bytes", p->content.len);
	if (is_text(p->content_type))
		out_json_bytes(j, "content", bytes_from(p->content.data, p->content.len));
	out_json_end(j, '}');
}

static void
show_json(struct call *c, const struct relto_delivery *d)
{
	struct out_json j = { .to = stdout };
	char id[RELTO_ID_TEXT];
	relto_id_print(d->id, id);
	out_json_begin(&j, NULL, '{');
	out_json_text(&j, "report", id);
	out_json_text(&j, "originator", d->originator);
	out_json_text(&j, "party", d->party);
	out_json_bool(&j, "verified", d->trust == RELTO_VERIFIED);
	out_json_text(&j, "signature", d->why);
	out_json_text(&j, "topic", d->topic);
	out_json_text(&j, "precedence", precedence(d->precedence));
	out_json_text(&j, "mode", d->exercise ? "exercise" : "live");
	out_json_uint(&j, "created_ms", d->created);
	out_json_uint(&j, "accepted_us", d->accepted_us);
	out_json_uint(&j, "attempt", d->attempt);
	session_texts_json(&j, "agreements", &d->agreements);
	out_json_begin(&j, "portions", '[');
	for (size_t i = 0; i < d->portion_count; i++)
		portion_json(&j, c, &d->portions[i].portion);
	out_json_end(&j, ']');
	out_json_end(&j, '}');
	out_json_line(&j);
}

/* ---- saving, handing over ---- */

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

static bool
put_file(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST; /* it came before: a redelivery */
	bool ok = write_all(fd, data, len) && fsync(fd) == 0;
	if (close(fd) != 0 || !ok) {
		(void)unlink(path);
		return false;
	}
	return true;
}

/* DIR/ID/NN.body for each portion: safe on disk before it is acknowledged. */
static bool
save(struct call *c, const struct relto_delivery *d)
{
	char id[RELTO_ID_TEXT];
	relto_id_print(d->id, id);
	const char *folder = arena_printf(&c->session->arena, "%s/%s", c->save, id);
	bool ok = folder != NULL && (mkdir(c->save, 0700) == 0 || errno == EEXIST) &&
		  (mkdir(folder, 0700) == 0 || errno == EEXIST);
	for (size_t i = 0; ok && i < d->portion_count; i++) {
		const struct relto_bytes *b = &d->portions[i].portion.content;
		const char *path = arena_printf(&c->session->arena, "%s/%02zu.body", folder, i);
		ok = path != NULL && put_file(path, b->data, b->len);
	}
	if (!ok)
		(void)fprintf(stderr, "relto: cannot save under %s; not acknowledged\n", c->save);
	return ok;
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
	bool shown = d->trust == RELTO_VERIFIED || (d->trust == RELTO_UNPINNED && c->unverified);
	c->seen++;
	*ack = false;
	if (!shown) {
		char id[RELTO_ID_TEXT];
		relto_id_print(d->id, id);
		(void)fprintf(stderr, "relto: report %s is not shown: %s\n", id, d->why);
		c->bad = true;
		return c->count == 0 || c->seen < c->count;
	}
	if (c->json)
		show_json(c, d);
	else
		show(c, d);
	(void)fflush(stdout);
	bool safe = (c->save == NULL || save(c, d)) && (c->exec == NULL || hand_over(c, d)) &&
		    ferror(stdout) == 0;
	*ack = safe && !c->no_ack;
	return c->count == 0 || c->seen < c->count;
}

int
cmd_sub(int argc, char **argv)
{
	struct call c = { 0 };
	struct session s = { 0 };
	struct relto_error e = { 0 };
	struct err why = { 0 };
	int status = parse(&c, argc, argv);
	if (status != 0)
		return status;
	c.session = &s;
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
	return status == 0 && c.count > 0 && c.seen < c.count ? 75 : status;
}
