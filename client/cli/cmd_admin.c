/* cmd_admin.c - relto admin status|reload|clock accept: the operator's commands. */
#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cmd.h"
#include "client/cli/session.h"

const char cmd_admin_usage[] = "admin status|reload|clock accept [--json]";

static const struct option options[] = {
	{ "json", no_argument, NULL, 1 },
	CONTEXT_OPTIONS,
	{ NULL, 0, NULL, 0 },
};

/* One line a value, objects indented. */
static void
print_tree(const json_t *o, int depth)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)o, key, value)
	{
		out_cleanf(stdout, "%*s%-23s ", depth * 2, "", key);
		if (json_is_object(value)) {
			(void)putchar('\n');
			print_tree(value, depth + 1);
		} else if (json_is_string(value)) {
			out_clean(stdout, bytes_of(json_string_value(value)));
			(void)putchar('\n');
		} else if (json_is_integer(value))
			(void)printf("%" JSON_INTEGER_FORMAT "\n", json_integer_value(value));
		else
			(void)puts(json_is_true(value) ? "yes" : "no");
	}
}

/* Encoded anew: what a broker sends may steer a terminal as JSON too. */
static void
print_json(const json_t *o)
{
	(void)json_dumpf(o, stdout, JSON_ENSURE_ASCII | JSON_COMPACT);
	(void)putchar('\n');
}

static int
say(const char *json, bool as_json)
{
	json_error_t why;
	json_t *o = json_loads(json, 0, &why);
	if (o == NULL) {
		out_cleanf(stderr, "relto: the broker's answer is no JSON: %s", why.text);
		(void)fputc('\n', stderr);
		return 76;
	}
	if (as_json)
		print_json(o);
	else
		print_tree(o, 0);
	json_decref(o);
	return 0;
}

/* The code's text speaks of a clock that is in doubt: here it is not. */
static int
not_accepted(const struct relto_error *e)
{
	if (strcmp(e->code, err_token(ERR_CLOCK)) != 0)
		return session_error(e);
	(void)fputs(
	    "relto: the broker's clock is not in doubt: there is nothing to accept\n", stderr);
	return 1;
}

int
cmd_admin(int argc, char **argv)
{
	struct context_flags flags = { 0 };
	struct session s = { 0 };
	struct relto_error e = { 0 };
	char *json = NULL;
	bool as_json = false, ok = true;
	int code;
	opterr = 0;
	optind = 1;
	while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (code == 1)
			as_json = true;
		else if (code == '?' || !context_flag(&flags, code, optarg))
			return out_usage(cmd_admin_usage, "what is '%s'?", argv[optind - 1]);
	}
	const char *what = optind < argc ? argv[optind++] : "";
	bool clock = strcmp(what, "clock") == 0;
	if (clock && (optind >= argc || strcmp(argv[optind++], "accept") != 0))
		return out_usage(cmd_admin_usage, "the clock can only be accepted: 'clock accept'");
	if (optind < argc || (!clock && strcmp(what, "status") != 0 && strcmp(what, "reload") != 0))
		return out_usage(cmd_admin_usage, "say what to do");
	int status = session_open(&s, &flags);
	if (status == 0) {
		if (clock)
			ok = relto_accept_clock(s.connection, &json, &e);
		else if (strcmp(what, "reload") == 0)
			ok = relto_reload(s.connection, &json, &e);
		else
			ok = relto_status(s.connection, &json, &e);
		status = ok ? say(json, as_json) : clock ? not_accepted(&e) : session_error(&e);
	}
	free(json);
	session_close(&s);
	return status;
}
