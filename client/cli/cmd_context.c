/* cmd_context.c - relto context add|use|list|trust|accept-log. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/cmd.h"
#include "client/cli/context_accept.h"
#include "client/cli/context_trust.h"
#include "client/cli/out.h"
#include "proto/chain.h"
#include "proto/syntax.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#define ARENA_BYTES (16u << 20)

const char cmd_context_usage[] =
    "context add NAME --server ADDRESS:PORT|--server-file FILE --hub-id ID --hub-ca FILE\n"
    "           --certificate FILE --key FILE --log-key FILE [--trust DIR] [--quorum FILE]\n"
    "           [--quorum-age TIME] [--replace] [--json]\n"
    "       relto context use NAME [--json]\n"
    "       relto context list [--json]\n"
    "       relto context trust [PARTY FILE [--domain DOMAIN] [--replace]] [--context NAME]"
    " [--json]\n"
    "       relto context accept-log [ORIGIN|VKEY] [--context NAME] [--json]";

struct request {
	struct context_flags flags;
	const char *domain;
	bool json, replace;
	int argc;
	char **argv; /* what is no option */
};

static bool
request_parse(int argc, char **argv, struct request *r)
{
	enum { JSON = 1, REPLACE, DOMAIN };
	static const struct option options[] = { CONTEXT_OPTIONS,
		{ "json", no_argument, NULL, JSON }, { "replace", no_argument, NULL, REPLACE },
		{ "domain", required_argument, NULL, DOMAIN }, { NULL, 0, NULL, 0 } };
	*r = (struct request){ .argc = 0 };
	optind = 0; /* the words may be read more than once in a process */
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (o == JSON)
			r->json = true;
		else if (o == REPLACE)
			r->replace = true;
		else if (o == DOMAIN)
			r->domain = optarg;
		else if (!context_flag(&r->flags, o, optarg))
			return false;
	}
	r->argc = argc - optind;
	r->argv = argv + optind;
	return true;
}

/* ---- what a file holds ---- */

/* PEM may ask for a passphrase on the terminal: not for what is public. */
static int
no_passphrase(char *buf, int size, int writing, void *ctx)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)ctx;
	return -1;
}

/* The SPIFFE id of a certificate file, in 'a'; NULL if there is none to be read. */
static const char *
agent_of(const char *path, struct arena *a)
{
	struct bytes pem;
	struct err e = { 0 };
	if (path == NULL || !context_read_file(path, false, a, &pem, &e))
		return NULL;
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	X509 *x = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
	struct cert cert;
	const char *id = NULL;
	if (x != NULL && cert_read(x, &cert, &e))
		id = arena_printf(a, "%s", cert.id_text);
	X509_free(x);
	BIO_free(bio);
	ERR_clear_error();
	return id;
}

static bool
bundle_read(const char *path, struct arena *a, struct chain_anchors **out, struct err *e)
{
	struct bytes pem;
	if (!context_read_file(path, false, a, &pem, e))
		return false;
	return chain_anchors_new(pem, NULL, 0, out, e) || err_wrap(e, "%s", path);
}

/* ---- add, use ---- */

static bool
add_check(const struct request *r, struct arena *a, struct err *e)
{
	static const enum context_field files[] = { CONTEXT_hub_ca, CONTEXT_certificate,
		CONTEXT_key, CONTEXT_log_key, CONTEXT_quorum };
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		const char *path = r->flags.value[files[i]];
		if (path != NULL && access(path, R_OK) != 0)
			return err_set(e, ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
	}
	const char *certificate = r->flags.value[CONTEXT_certificate];
	if (certificate != NULL && agent_of(certificate, a) == NULL)
		return err_set(
		    e, ERR_DATA, "%s: no certificate with exactly one SPIFFE id", certificate);
	SCOPED(chain_anchors_free) struct chain_anchors *hub = NULL;
	const char *hub_ca = r->flags.value[CONTEXT_hub_ca];
	return hub_ca == NULL || bundle_read(hub_ca, a, &hub, e);
}

static int
run_add(const struct request *r)
{
	SCOPED(arena_done) struct arena a;
	struct err e = { 0 };
	const char *home, *current;
	arena_init(&a, ARENA_BYTES);
	if (r->argc != 1)
		return out_usage(cmd_context_usage, "context add: one NAME");
	if (r->flags.value[CONTEXT_name] != NULL)
		return out_usage(
		    cmd_context_usage, "context add: NAME stands by itself, without --context");
	bool said = false;
	for (int f = CONTEXT_name + 1; f < CONTEXT_FIELDS; f++)
		said |= r->flags.value[f] != NULL;
	if (!said)
		return out_usage(cmd_context_usage, "context add: no setting is said");
	if (!context_home(&a, &home, &e) || !add_check(r, &a, &e))
		return out_error(&e);
	const char *path = arena_printf(&a, "%s/contexts/%s.conf", home, r->argv[0]);
	if (path != NULL && access(path, F_OK) == 0 && !r->replace)
		return out_usage(
		    cmd_context_usage, "there is a context '%s' already; --replace", r->argv[0]);
	if (!context_save(r->argv[0], &r->flags, &e) || !context_current(&a, &current, &e))
		return out_error(&e);
	/* the first one is the one that is meant */
	if (current[0] == '\0' && !context_choose(r->argv[0], &e))
		return out_error(&e);
	if (r->json) {
		struct out_json j = { .to = stdout };
		out_json_begin(&j, NULL, '{');
		out_json_text(&j, "context", r->argv[0]);
		out_json_text(&j, "file", path);
		out_json_end(&j, '}');
		out_json_line(&j);
	} else
		(void)fprintf(stderr, "context '%s' is in %s%s\n", r->argv[0], path,
		    current[0] == '\0' ? ", and is the one in use" : "");
	return 0;
}

static int
run_use(const struct request *r)
{
	struct context *c = NULL;
	struct err e = { 0 };
	if (r->argc != 1)
		return out_usage(cmd_context_usage, "context use: one NAME");
	struct context_flags named = { .value = { [CONTEXT_name] = r->argv[0] } };
	bool exists = context_load(&named, &c, &e);
	context_free(c);
	if (!exists)
		return out_error(&e);
	if (!context_choose(r->argv[0], &e))
		return out_error(&e);
	if (r->json) {
		struct out_json j = { .to = stdout };
		out_json_begin(&j, NULL, '{');
		out_json_text(&j, "context", r->argv[0]);
		out_json_end(&j, '}');
		out_json_line(&j);
	}
	return 0;
}

/* ---- list ---- */

/* Where the broker is: as said, or as it said itself in server-file; "" while it does not run. */
static const char *
server_of(const struct context *c, struct arena *a)
{
	struct bytes text;
	if (c->server != NULL || c->server_file == NULL)
		return c->server;
	if (!context_read_file(c->server_file, false, a, &text, NULL))
		return arena_printf(a, "(%s)", c->server_file);
	return arena_printf(
	    a, "%.*s", (int)strcspn((const char *)text.data, " \r\n"), (const char *)text.data);
}

static void
list_one(struct out_json *j, const char *name, bool current, struct arena *a)
{
	struct context_flags named = { .value = { [CONTEXT_name] = name } };
	struct context *c = NULL;
	struct err e = { 0 };
	bool ok = context_load(&named, &c, &e);
	const char *agent = ok ? agent_of(c->certificate, a) : NULL;
	const char *server = ok ? server_of(c, a) : NULL;
	if (j != NULL) {
		out_json_begin(j, NULL, '{');
		out_json_text(j, "name", name);
		out_json_bool(j, "current", current);
		out_json_text(j, "server", server);
		out_json_text(j, "hub_id", ok ? c->hub_id : NULL);
		out_json_text(j, "agent", agent);
		out_json_text(j, "error", ok ? NULL : e.text);
		out_json_end(j, '}');
	} else {
		out_cleanf(stdout, "%c %-20s %-22s ", current ? '*' : ' ', name,
		    server != NULL ? server : "-");
		out_clean(stdout, bytes_of(ok ? agent != NULL ? agent : "-" : e.text));
		(void)putchar('\n');
	}
	context_free(c);
}

static int
run_list(const struct request *r)
{
	SCOPED(arena_done) struct arena a;
	struct err e = { 0 };
	const char *home, *current;
	char **names;
	size_t count;
	arena_init(&a, ARENA_BYTES);
	if (r->argc != 0)
		return out_usage(cmd_context_usage, "context list takes no names");
	if (!context_home(&a, &home, &e) || !context_current(&a, &current, &e))
		return out_error(&e);
	const char *folder = arena_printf(&a, "%s/contexts", home);
	if (folder == NULL || !context_names(folder, ".conf", &a, &names, &count, &e))
		return out_error(&e);
	struct out_json j = { .to = stdout };
	if (r->json) {
		out_json_begin(&j, NULL, '{');
		out_json_text(&j, "home", home);
		out_json_begin(&j, "contexts", '[');
	}
	for (size_t i = 0; i < count; i++)
		list_one(r->json ? &j : NULL, names[i], strcmp(names[i], current) == 0, &a);
	if (r->json) {
		out_json_end(&j, ']');
		out_json_end(&j, '}');
		out_json_line(&j);
	}
	return 0;
}

/* ---- trust ---- */

static int
run_trust(const struct request *r)
{
	SCOPED(context_free) struct context *c = NULL;
	struct err e = { 0 };
	if (r->argc != 0 && r->argc != 2)
		return out_usage(cmd_context_usage, "context trust: nothing, or PARTY and FILE");
	if (!context_load(&r->flags, &c, &e))
		return out_error(&e);
	if (c->trust == NULL)
		return out_usage(
		    cmd_context_usage, "the context says no trust folder (--trust DIR)");
	struct context_trust t = { c, r->argc == 0 ? NULL : r->argv[0],
		r->argc == 0 ? NULL : r->argv[1], r->domain, r->replace, r->json };
	return context_trust_run(&t);
}

/* ---- accept-log ---- */

static int
run_accept_log(const struct request *r)
{
	if (r->argc > 1)
		return out_usage(
		    cmd_context_usage, "context accept-log: at most one ORIGIN or VKEY");
	const struct context_accept a = { &r->flags, r->argc == 0 ? NULL : r->argv[0], r->json };
	return context_accept_run(&a);
}

int
cmd_context(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct request *r);
	} verbs[] = { { "add", run_add }, { "use", run_use }, { "list", run_list },
		{ "trust", run_trust }, { "accept-log", run_accept_log } };
	struct request r;
	if (argc < 2)
		return out_usage(cmd_context_usage, "context: what?");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(argv[1], verbs[i].name) != 0)
			continue;
		if (!request_parse(argc - 1, argv + 1, &r))
			return out_usage(cmd_context_usage, "context %s: wrong options", argv[1]);
		return verbs[i].run(&r);
	}
	return out_usage(cmd_context_usage, "context: there is no '%s'", argv[1]);
}
