/* cmd_lab.c - relto lab init|revoke. */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/cmd.h"
#include "client/cli/context.h"
#include "client/cli/disk.h"
#include "client/cli/lab.h"
#include "client/cli/out.h"
#include "proto/syntax.h"

#define ARENA_BYTES (32u << 20)
#define PORT 4774

const char cmd_lab_usage[] = "lab init DIR [--parties A,B,C] [--port N] [--signer] [--json]\n"
			     "       relto lab revoke DIR PARTY AGENT";

static const struct lab_agent party_agents[] = {
	{ "fusion-desk", "publish subscribe", "" },
	{ "watch", "subscribe", "-watch" },
	{ "release-office", "approve sign", "-release-office" },
	{ "inspector", "audit", "-inspector" },
};
static const struct lab_agent hub_agents[] = {
	{ "inspector", "audit", "auditor" },
	{ "operator", "operate", "operator" },
};

const struct lab_agent *
lab_agents(bool hub, size_t *count)
{
	*count = hub ? sizeof(hub_agents) / sizeof(hub_agents[0])
		     : sizeof(party_agents) / sizeof(party_agents[0]);
	return hub ? hub_agents : party_agents;
}

const char *
lab_lower(struct lab *l, const char *party)
{
	char *lower = arena_printf(&l->arena, "%s", party);
	for (char *p = lower; p != NULL && *p != '\0'; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
	return lower;
}

const char *
lab_path(struct lab *l, const char *fmt, ...)
{
	char below[PATH_MAX];
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(below, sizeof(below), fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(below))
		return NULL;
	return arena_printf(&l->arena, "%s/%s", l->dir, below);
}

bool
lab_put(struct lab *l, const char *path, mode_t mode, struct bytes data, struct err *e)
{
	const char *slash = path == NULL ? NULL : strrchr(path, '/');
	const char *folder =
	    slash == NULL ? NULL : arena_printf(&l->arena, "%.*s", (int)(slash - path), path);
	if (folder == NULL)
		return err_set(e, ERR_NOMEM, "a path of the lab");
	return disk_folder(folder, e) && disk_write(path, mode, data, e);
}

/* ---- configuration and contexts ---- */

static bool
put_config(struct lab *l, struct err *e)
{
	/* a lab that root made is run by root: said, so that reltod does not refuse it */
	const char *user = geteuid() == 0 ? "user         root\n" : "";
	char *text = arena_printf(&l->arena,
	    "# The broker of the lab; 'reltod -T' prints every setting with its value.\n"
	    "node         hub-1\n"
	    "listen       127.0.0.1:%u\n"
	    "%s"
	    "run-dir      \"run\"\n"
	    "policy       \"policy\"\n"
	    "crl-max-age  %dd                 # a lab has nobody who issues lists daily\n"
	    "identity {\n"
	    "    certificate  \"hub/broker.pem\"\n"
	    "    key          \"hub/broker.key\"\n"
	    "}\n"
	    "store {\n"
	    "    path      \"spool\"\n"
	    "    map-size  16GiB\n"
	    "    reserve   64MiB                 # a lab may run on a small disk\n"
	    "}\n"
	    "log {\n"
	    "    origin  %s\n"
	    "    %s\n"
	    "}\n",
	    l->port, user, LAB_CRL_DAYS, LAB_ORIGIN,
	    l->signer ? "signer  \"run/signer.sock\"" : "key     \"hub/log.key\"");
	if (text == NULL)
		return err_set(e, ERR_NOMEM, "configuration");
	return lab_put(l, lab_path(l, "reltod.conf"), 0600, bytes_of(text), e);
}

static bool
put_context(struct lab *l, const char *name, const char *party, const char *agent, struct err *e)
{
	char *server = l->port == 0
			   ? arena_printf(&l->arena, "server-file  \"../../run/addresses\"\n")
			   : arena_printf(&l->arena, "server       127.0.0.1:%u\n", l->port);
	char *text = arena_printf(&l->arena,
	    "%s"
	    "hub-id       %s\n"
	    "hub-ca       \"../../hub/ca.pem\"\n"
	    "certificate  \"../../parties/%s/%s.pem\"\n"
	    "key          \"../../parties/%s/%s.key\"\n"
	    "trust        \"../trust\"\n"
	    "log-key      \"../log.vkey\"\n",
	    server == NULL ? "" : server, LAB_HUB_ID, party, agent, party, agent);
	if (server == NULL || text == NULL)
		return err_set(e, ERR_NOMEM, "context");
	return lab_put(l, lab_path(l, "home/contexts/%s.conf", name), 0600, bytes_of(text), e);
}

const char *
lab_context(struct lab *l, const char *party, const struct lab_agent *agent)
{
	return strcmp(party, LAB_HUB) == 0
		   ? agent->context
		   : arena_printf(&l->arena, "%s%s", lab_lower(l, party), agent->context);
}

static bool
put_contexts(struct lab *l, struct err *e)
{
	for (size_t i = 0; i <= l->party_count; i++) {
		bool hub = i == l->party_count;
		const char *party = hub ? LAB_HUB : l->parties[i];
		size_t count;
		const struct lab_agent *agents = lab_agents(hub, &count);
		for (size_t j = 0; j < count; j++) {
			const char *name = lab_context(l, party, &agents[j]);
			if (name == NULL)
				return err_set(e, ERR_NOMEM, "context");
			if (!put_context(l, name, party, agents[j].name, e))
				return false;
		}
	}
	char *current = arena_printf(&l->arena, "%s\n", lab_lower(l, l->parties[0]));
	if (current == NULL)
		return err_set(e, ERR_NOMEM, "context");
	return lab_put(l, lab_path(l, "home/current"), 0600, bytes_of(current), e);
}

/* ---- init ---- */

static bool
parse_parties(struct lab *l, const char *list, struct err *e)
{
	char *words = arena_printf(&l->arena, "%s", list), *rest = words;
	if (words == NULL)
		return err_set(e, ERR_NOMEM, "parties");
	for (char *p; (p = strsep(&rest, ",")) != NULL;) {
		if (!syntax_is_name(bytes_of(p)) || strcmp(p, LAB_HUB) == 0)
			return err_set(e, ERR_USAGE,
			    "'%s' cannot be a party of a lab (letters and digits; not %s)", p,
			    LAB_HUB);
		if (!lab_policy_knows(p))
			return err_set(e, ERR_USAGE,
			    "'%s' is no value of Releasable To in the vocabulary ATLAS", p);
		for (size_t i = 0; i < l->party_count; i++)
			if (strcasecmp(l->parties[i], p) == 0)
				return err_set(e, ERR_USAGE, "party '%s' twice", p);
		if (l->party_count == LAB_PARTIES)
			return err_set(e, ERR_USAGE, "more than %d parties", LAB_PARTIES);
		l->parties[l->party_count++] = p;
	}
	return l->party_count >= 2 || err_set(e, ERR_USAGE, "a lab needs two parties or more");
}

/* A folder that is not there, or empty: a lab never writes over anything. */
static bool
take_folder(struct lab *l, const char *dir, struct err *e)
{
	char real[PATH_MAX];
	if (!disk_folder(dir, e))
		return false;
	if (realpath(dir, real) == NULL)
		return err_set(e, ERR_IO, "%s: %s", dir, strerror(errno));
	l->dir = arena_printf(&l->arena, "%s", real);
	DIR *d = opendir(real);
	if (l->dir == NULL || d == NULL)
		return err_set(e, ERR_IO, "%s: %s", dir, strerror(errno));
	bool empty = true;
	for (struct dirent *entry; (entry = readdir(d)) != NULL;)
		empty &= strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	(void)closedir(d);
	return empty || err_set(e, ERR_USAGE, "%s exists and is not empty", dir);
}

static bool
make_all(struct lab *l, struct err *e)
{
	char *spool = arena_printf(&l->arena, "%s/spool", l->dir);
	char *run = arena_printf(&l->arena, "%s/run", l->dir);
	if (spool == NULL || run == NULL)
		return err_set(e, ERR_NOMEM, "lab");
	return disk_folder(spool, e) && disk_folder(run, e) && lab_pki(l, e) && lab_policy(l, e) &&
	       put_contexts(l, e) && put_config(l, e) && lab_terms(l, e);
}

/* What makes the anchor, once, and what runs the signer. */
static const char *
signer_command(struct lab *l, bool fresh)
{
	const char *user = geteuid() == 0 ? " --user root" : "";
	const char *text =
	    fresh ? arena_printf(&l->arena,
			"relto-signer --new --origin %s --anchor %s/signer/anchor%s", LAB_ORIGIN,
			l->dir, user)
		  : arena_printf(&l->arena,
			"relto-signer --origin %s --key %s/signer/log.key --anchor %s/signer/anchor"
			" --socket %s/run/signer.sock%s",
			LAB_ORIGIN, l->dir, l->dir, l->dir, user);
	return text == NULL ? "relto-signer" : text;
}

static void
show_json(struct lab *l)
{
	struct out_json j = { .to = stdout };
	out_json_begin(&j, NULL, '{');
	out_json_text(&j, "dir", l->dir);
	out_json_text(&j, "config", arena_printf(&l->arena, "%s/reltod.conf", l->dir));
	out_json_text(&j, "home", arena_printf(&l->arena, "%s/home", l->dir));
	out_json_text(&j, "hub", LAB_HUB_ID);
	if (l->signer) {
		out_json_begin(&j, "signer", '[');
		out_json_text(&j, NULL, signer_command(l, true));
		out_json_text(&j, NULL, signer_command(l, false));
		out_json_end(&j, ']');
	}
	out_json_begin(&j, "parties", '[');
	for (size_t i = 0; i < l->party_count; i++)
		out_json_text(&j, NULL, l->parties[i]);
	out_json_end(&j, ']');
	out_json_begin(&j, "contexts", '[');
	for (size_t i = 0; i <= l->party_count; i++) {
		bool hub = i == l->party_count;
		size_t count;
		const struct lab_agent *agents = lab_agents(hub, &count);
		for (size_t k = 0; k < count; k++)
			out_json_text(
			    &j, NULL, lab_context(l, hub ? LAB_HUB : l->parties[i], &agents[k]));
	}
	out_json_end(&j, ']');
	out_json_end(&j, '}');
	out_json_line(&j);
}

static void
show_text(struct lab *l)
{
	(void)printf("lab        %s\nparties    ", l->dir);
	for (size_t i = 0; i < l->party_count; i++)
		(void)printf("%s%s", l->parties[i], i + 1 < l->party_count ? " " : "\n");
	(void)printf("contexts   ");
	for (size_t i = 0; i < l->party_count; i++)
		(void)printf("%s ", lab_lower(l, l->parties[i]));
	(void)printf("auditor operator (and %s-watch, %s-release-office, %s-inspector, ..)\n",
	    lab_lower(l, l->parties[0]), lab_lower(l, l->parties[0]), lab_lower(l, l->parties[0]));
	if (l->signer) {
		(void)printf("signer     %s\n", signer_command(l, true));
		(void)printf("           %s\n", signer_command(l, false));
	}
	(void)printf("start      reltod -c %s/reltod.conf\n", l->dir);
	(void)printf("use        export RELTO_HOME=%s/home; relto whoami\n", l->dir);
}

static int
run_init(int argc, char **argv)
{
	enum { PARTIES = 1, PORT_OPTION, SIGNER, JSON };
	static const struct option options[] = { { "parties", required_argument, NULL, PARTIES },
		{ "port", required_argument, NULL, PORT_OPTION },
		{ "signer", no_argument, NULL, SIGNER }, { "json", no_argument, NULL, JSON },
		{ NULL, 0, NULL, 0 } };
	struct lab l = { .port = PORT, .now_s = (int64_t)time(NULL) };
	const char *parties = "GBR,NOR,KEN";
	struct err e = { 0 };
	bool json = false;
	char *end = NULL;
	optind = 0;
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		unsigned long port = o == PORT_OPTION ? strtoul(optarg, &end, 10) : 0;
		if (o == '?' ||
		    (o == PORT_OPTION && (*end != '\0' || end == optarg || port > 65535)))
			return out_usage(cmd_lab_usage,
			    o == '?' ? "what is '%s'?" : "--port '%s' is not right: 0 to 65535",
			    o == '?' ? argv[optind - 1] : optarg);
		parties = o == PARTIES ? optarg : parties;
		l.port = o == PORT_OPTION ? (unsigned)port : l.port;
		json |= o == JSON;
		l.signer |= o == SIGNER;
	}
	if (argc - optind != 1)
		return out_usage(cmd_lab_usage, "lab init: one DIR");
	arena_init(&l.arena, ARENA_BYTES);
	(void)umask(077);
	bool ok =
	    parse_parties(&l, parties, &e) && take_folder(&l, argv[optind], &e) && make_all(&l, &e);
	if (ok && json)
		show_json(&l);
	else if (ok)
		show_text(&l);
	arena_done(&l.arena);
	return ok ? 0 : out_error(&e);
}

static int
run_revoke(int argc, char **argv)
{
	struct lab l = { .now_s = (int64_t)time(NULL) };
	struct err e = { 0 };
	char real[PATH_MAX];
	if (argc != 4)
		return out_usage(cmd_lab_usage, "lab revoke: DIR PARTY AGENT");
	const char *agent = argv[3] + (argv[3][0] == '/');
	if (!syntax_is_name(bytes_of(argv[2])) || !syntax_is_name(bytes_of(agent)))
		return out_usage(
		    cmd_lab_usage, "lab revoke: '%s' is no agent of '%s'", argv[3], argv[2]);
	if (realpath(argv[1], real) == NULL) {
		(void)err_set(&e, ERR_NOT_FOUND, "%s: %s", argv[1], strerror(errno));
		return out_error(&e);
	}
	arena_init(&l.arena, ARENA_BYTES);
	l.dir = real;
	bool ok = lab_pki_revoke(&l, argv[2], agent, &e);
	arena_done(&l.arena);
	if (!ok)
		return out_error(&e);
	(void)fprintf(
	    stderr, "revoked; 'relto admin reload' (or SIGHUP) makes the broker see it\n");
	return 0;
}

int
cmd_lab(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "init") == 0)
		return run_init(argc - 1, argv + 1);
	if (argc >= 2 && strcmp(argv[1], "revoke") == 0)
		return run_revoke(argc - 1, argv + 1);
	return out_usage(cmd_lab_usage, "lab: init or revoke");
}
