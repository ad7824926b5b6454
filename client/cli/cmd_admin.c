/* cmd_admin.c - relto admin: the operator's commands. */
#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/admin_sessions.h"
#include "client/cli/admin_upkeep.h"
#include "client/cli/cmd.h"
#include "client/cli/mailbox.h"
#include "client/cli/session.h"
#include "client/lists.h"
#include "proto/limits.h"
#include "proto/syntax.h"

const char cmd_admin_usage[] =
    "admin status|sessions|reload|drain [--json] | admin clock accept [--json] "
    "| admin backup NAME [--json] | admin erase INDEX.. --because TEXT [--json] "
    "| admin subscriptions PARTY [--json] | admin dead-letters list [PARTY] [--json] "
    "| admin dead-letters retry|drop PARTY REPORT-ID [--json]";

static const struct option options[] = {
	{ "json", no_argument, NULL, 1 },
	{ "because", required_argument, NULL, 2 },
	CONTEXT_OPTIONS,
	{ NULL, 0, NULL, 0 },
};

/* One on a line; of an object the strings, "atlas: NOR". */
static void
print_item(const json_t *item)
{
	const char *key, *between = "";
	json_t *value;
	if (json_is_string(item))
		out_clean(stdout, bytes_of(json_string_value(item)));
	json_object_foreach((json_t *)(uintptr_t)item, key, value)
	{
		if (!json_is_string(value))
			continue;
		out_cleanf(stdout, "%s%s", between, json_string_value(value));
		between = ": ";
	}
	(void)putchar('\n');
}

static void
print_list(const char *key, const json_t *list, int depth)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		out_cleanf(stdout, "%*s%-23s ", depth * 2, "", key);
		print_item(json_array_get(list, i));
	}
}

/* One line a value, objects indented. */
static void
print_tree(const json_t *o, int depth)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)o, key, value)
	{
		if (json_is_array(value)) {
			print_list(key, value, depth);
			continue;
		}
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

/* The rules that were loaded are in force; what of them is not is for somebody to mend. */
static int
shortfall(const json_t *o)
{
	if (json_array_size(json_object_get(o, "refused")) == 0 &&
	    json_array_size(json_object_get(o, "unsigned")) == 0 &&
	    json_array_size(json_object_get(o, "shut_out")) == 0)
		return 0;
	(void)fputs("relto: the new rules are in force, but nothing goes under an agreement that "
		    "is refused or unsigned, nor to or from a party that is shut out: the "
		    "broker's log says what to do\n",
	    stderr);
	return 1;
}

static int
say(const char *json, bool as_json, bool reload)
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
	int status = reload ? shortfall(o) : 0;
	json_decref(o);
	return status;
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

enum what {
	NOTHING,
	STATUS,
	SESSIONS,
	RELOAD,
	DRAIN,
	CLOCK,
	UPKEEP,
	SUBSCRIPTIONS,
	LETTERS,
	RETRY,
	DROP
};
struct call {
	enum what what;
	bool as_json;
	const char *because;
	struct upkeep upkeep;
	const char *party;
	uint8_t report[RELTO_ID_BYTES];
};

/* 0, or the exit status of a wrong call. */
static int
read_upkeep(struct call *c, bool backup, char **words, int count)
{
	c->what = UPKEEP;
	if (backup && count != 1)
		return out_usage(cmd_admin_usage,
		    "say what the backup is to be called: a new folder in the broker's backup-dir");
	if (backup &&
	    (!syntax_name(bytes_of(words[0]), NULL) || strlen(words[0]) > LIMIT_PARTY_NAME_BYTES))
		return out_usage(cmd_admin_usage,
		    "a backup's name is of A-Z, a-z, 0-9, '_' and '-', at most 64: no path");
	if (backup) {
		c->upkeep.backup = words[0];
		return 0;
	}
	const char *wrong = upkeep_records(&c->upkeep, words, count);
	if (wrong != NULL)
		return out_usage(cmd_admin_usage, "%s", wrong);
	c->upkeep.because = c->because;
	if (c->because == NULL || c->because[0] == '\0')
		return out_usage(cmd_admin_usage,
		    "say why with --because TEXT: the record of the erasure has it");
	return 0;
}

/* 'subscriptions PARTY', 'dead-letters ..'. */
static int
read_mailbox(struct call *c, char **words, int count)
{
	const char *what = count > 1 ? words[1] : "";
	if (strcmp(words[0], "subscriptions") == 0) {
		c->what = SUBSCRIPTIONS;
		c->party = what;
		return count == 2 ? 0 : out_usage(cmd_admin_usage, "say of which party");
	}
	c->party = count > 2 ? words[2] : NULL;
	c->what = strcmp(what, "list") == 0    ? LETTERS
		  : strcmp(what, "retry") == 0 ? RETRY
		  : strcmp(what, "drop") == 0  ? DROP
					       : NOTHING;
	if (c->what == LETTERS && count <= 3)
		return 0;
	if (c->what == NOTHING || c->what == LETTERS || count != 4 ||
	    !relto_id_parse(words[3], c->report))
		return out_usage(
		    cmd_admin_usage, "it is: list [PARTY], or retry or drop PARTY REPORT-ID");
	return 0;
}

static int
read_words(struct call *c, char **words, int count)
{
	const char *what = count > 0 ? words[0] : "";
	bool backup = strcmp(what, "backup") == 0, erase = strcmp(what, "erase") == 0;
	if (c->because != NULL && !erase)
		return out_usage(cmd_admin_usage, "--because is for 'erase'");
	if (strcmp(what, "subscriptions") == 0 || strcmp(what, "dead-letters") == 0)
		return read_mailbox(c, words, count);
	if (backup || erase)
		return read_upkeep(c, backup, words + 1, count - 1);
	int want = 1;
	if (strcmp(what, "clock") == 0) {
		if (count < 2 || strcmp(words[1], "accept") != 0)
			return out_usage(
			    cmd_admin_usage, "the clock can only be accepted: 'clock accept'");
		c->what = CLOCK;
		want = 2;
	}
	static const struct {
		const char *word;
		enum what what;
	} plain[] = { { "reload", RELOAD }, { "status", STATUS }, { "sessions", SESSIONS },
		{ "drain", DRAIN } };
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (strcmp(what, plain[i].word) == 0)
			c->what = plain[i].what;
	if (c->what == NOTHING || count != want)
		return out_usage(cmd_admin_usage, "say what to do");
	return 0;
}

static bool
ask(const struct call *c, struct relto_connection *to, char **json, struct relto_error *e)
{
	switch (c->what) {
	case CLOCK:
		return relto_accept_clock(to, json, e);
	case RELOAD:
		return relto_reload(to, json, e);
	case DRAIN:
		return relto_drain(to, json, e);
	case UPKEEP:
		return upkeep_run(&c->upkeep, to, json, e);
	case RETRY:
		return lists_letters_retry(to, c->party, c->report, json, e);
	case DROP:
		return lists_letters_drop(to, c->party, c->report, json, e);
	case SESSIONS:
	case STATUS:
	case NOTHING:
	case SUBSCRIPTIONS:
	case LETTERS:
		break;
	}
	return relto_status(to, json, e);
}

static int
run(const struct call *c, const struct context_flags *flags)
{
	struct session s = { 0 };
	struct relto_error e = { 0 };
	char *json = NULL;
	int status = session_open(&s, flags);
	if (status == 0 && c->what == SESSIONS)
		status = sessions_print(s.connection, c->as_json);
	else if (status == 0 && c->what == SUBSCRIPTIONS)
		status = mailbox_subscriptions(&s, c->party, c->as_json);
	else if (status == 0 && c->what == LETTERS)
		status = mailbox_letters(&s, true, c->party, c->as_json);
	else if (status == 0) {
		if (ask(c, s.connection, &json, &e))
			status = say(json, c->as_json, c->what == RELOAD);
		else
			status = c->what == CLOCK ? not_accepted(&e) : session_error(&e);
	}
	free(json);
	session_close(&s);
	return status;
}

int
cmd_admin(int argc, char **argv)
{
	struct context_flags flags = { 0 };
	struct call c = { 0 };
	int code;
	opterr = 0;
	optind = 1;
	while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (code == 1)
			c.as_json = true;
		else if (code == 2)
			c.because = optarg;
		else if (code == '?' || !context_flag(&flags, code, optarg))
			return out_usage(cmd_admin_usage, "what is '%s'?", argv[optind - 1]);
	}
	int wrong = read_words(&c, argv + optind, argc - optind);
	return wrong != 0 ? wrong : run(&c, &flags);
}
