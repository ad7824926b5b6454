/* cmd_me.c - relto whoami, explain: what the broker says of me and mine. */
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#include "client/cli/agreements.h"
#include "client/cli/cmd.h"
#include "client/cli/decisions.h"

struct call {
	struct context_flags flags;
	const char *words[4];
	size_t count;
	bool json;
};

static const struct option options[] = {
	{ "json", no_argument, NULL, 1 },
	CONTEXT_OPTIONS,
	{ NULL, 0, NULL, 0 },
};

static int
parse(struct call *c, const char *usage, int argc, char **argv)
{
	int code;
	opterr = 0;
	optind = 1;
	while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (code == 1)
			c->json = true;
		else if (code == '?' || !context_flag(&c->flags, code, optarg))
			return out_usage(usage, "what is '%s'?", argv[optind - 1]);
	}
	for (; optind < argc; optind++) {
		if (c->count == 4)
			return out_usage(usage, "what is '%s'?", argv[optind]);
		c->words[c->count++] = argv[optind];
	}
	return 0;
}

static void
texts_print(const char *what, const struct relto_texts *t)
{
	(void)fputs(what, stdout);
	for (size_t i = 0; i < t->count; i++)
		out_cleanf(stdout, " %s", t->items[i]);
	(void)putchar('\n');
}

static void
identity_json(const struct relto_identity *me)
{
	struct out_json j = { .to = stdout };
	out_json_begin(&j, NULL, '{');
	out_json_text(&j, "party", me->party);
	out_json_text(&j, "agent", me->agent);
	session_texts_json(&j, "roles", &me->roles);
	out_json_text(&j, "hub", me->hub_party);
	out_json_text(&j, "node", me->node);
	out_json_uint(&j, "certificate_until_ms", me->certificate_until);
	if (me->has_policy)
		out_json_hex(&j, "policy", me->policy, sizeof(me->policy));
	agreements_json(&j, me, NULL);
	out_json_end(&j, '}');
	out_json_line(&j);
}

static void
identity_print(const struct relto_identity *me)
{
	char until[32];
	out_cleanf(stdout, "party        %s", me->party);
	(void)putchar('\n');
	out_cleanf(stdout, "agent        %s", me->agent);
	(void)putchar('\n');
	texts_print("roles       ", &me->roles);
	out_cleanf(stdout, "hub          %s, node %s", me->hub_party, me->node);
	(void)printf("\ncertificate  good until %s\n", session_time(me->certificate_until, until));
	for (size_t i = 0; i < me->agreement_count; i++)
		agreements_print(&me->agreements[i], NULL);
}

static int
ask(struct call *c)
{
	struct session s = { 0 };
	struct relto_identity *me = NULL;
	struct relto_error e = { 0 };
	int status = session_open(&s, &c->flags);
	if (status == 0 && !relto_whoami(s.connection, &me, &e))
		status = session_error(&e);
	if (status == 0 && c->json)
		identity_json(me);
	else if (status == 0)
		identity_print(me);
	relto_identity_free(me);
	session_close(&s);
	return status;
}

const char cmd_whoami_usage[] = "whoami [--json]";

int
cmd_whoami(int argc, char **argv)
{
	struct call c = { 0 };
	int status = parse(&c, cmd_whoami_usage, argc, argv);
	if (status == 0 && c.count > 0)
		status = out_usage(cmd_whoami_usage, "what is '%s'?", c.words[0]);
	return status == 0 ? ask(&c) : status;
}

const char cmd_explain_usage[] = "explain REPORT-ID [--json]";

int
cmd_explain(int argc, char **argv)
{
	struct call c = { 0 };
	struct session s = { 0 };
	struct relto_explanation *x = NULL;
	struct relto_error e = { 0 };
	uint8_t id[RELTO_ID_BYTES];
	int status = parse(&c, cmd_explain_usage, argc, argv);
	if (status != 0)
		return status;
	if (c.count != 1 || !relto_id_parse(c.words[0], id))
		return out_usage(cmd_explain_usage, "REPORT-ID is a UUID, as relto pub prints it");
	status = session_open(&s, &c.flags);
	if (status == 0 && !relto_explain(s.connection, id, &x, &e))
		status = session_error(&e);
	if (status == 0 && c.json) {
		struct out_json j = { .to = stdout };
		out_json_begin(&j, NULL, '{');
		out_json_text(&j, "report", c.words[0]);
		decisions_json(&j, "decisions", x);
		decisions_unusable_json(&j, x->unusable, x->unusable_count);
		out_json_end(&j, '}');
		out_json_line(&j);
	} else if (status == 0) {
		(void)printf("report %s\n", c.words[0]);
		decisions_print(stdout, x);
	}
	relto_explanation_free(x);
	session_close(&s);
	return status;
}
