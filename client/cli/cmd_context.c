/* cmd_context.c - relto context add|use|list|trust. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/cmd.h"
#include "client/cli/context.h"
#include "client/cli/disk.h"
#include "client/cli/out.h"
#include "proto/chain.h"
#include "proto/syntax.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#define ARENA_BYTES (16u << 20)
#define NAMES 4096u

static const char usage[] =
    "context add NAME --server ADDRESS:PORT --hub-id ID --hub-ca FILE --certificate FILE"
    " --key FILE --log-key FILE [--trust DIR] [--replace]\n"
    "       relto context use NAME\n"
    "       relto context list [--json]\n"
    "       relto context trust [PARTY FILE] [--context NAME] [--json]";

struct request {
	struct context_flags flags;
	bool json, replace;
	int argc;
	char **argv; /* what is no option */
};

static bool
request_parse(int argc, char **argv, struct request *r)
{
	enum { JSON = 1, REPLACE };
	static const struct option options[] = { CONTEXT_OPTIONS,
		{ "json", no_argument, NULL, JSON }, { "replace", no_argument, NULL, REPLACE },
		{ NULL, 0, NULL, 0 } };
	*r = (struct request){ .argc = 0 };
	optind = 0; /* the words may be read more than once in a process */
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (o == JSON)
			r->json = true;
		else if (o == REPLACE)
			r->replace = true;
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
		CONTEXT_key, CONTEXT_log_key };
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
		return out_usage(usage, "context add: one NAME");
	if (r->flags.value[CONTEXT_name] != NULL)
		return out_usage(usage, "context add: NAME stands by itself, without --context");
	if (!context_home(&a, &home, &e) || !add_check(r, &a, &e))
		return out_error(&e);
	const char *path = arena_printf(&a, "%s/contexts/%s.conf", home, r->argv[0]);
	if (path != NULL && access(path, F_OK) == 0 && !r->replace)
		return out_usage(usage, "there is a context '%s' already; --replace", r->argv[0]);
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
	}
	return 0;
}

static int
run_use(const struct request *r)
{
	struct context *c = NULL;
	struct err e = { 0 };
	if (r->argc != 1)
		return out_usage(usage, "context use: one NAME");
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

/* ---- names in a folder ---- */

static int
name_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a folder that end in 'suffix', without it, sorted; none if there is no folder. */
static bool
names_in(const char *folder, const char *suffix, struct arena *a, char ***out, size_t *count,
    struct err *e)
{
	DIR *d = opendir(folder);
	char **names = arena_zalloc(a, NAMES, sizeof(*names));
	*count = 0;
	*out = names;
	if (names == NULL || (d == NULL && errno != ENOENT)) {
		(void)err_set(e, ERR_IO, "%s: %s", folder, strerror(errno));
		if (d != NULL)
			(void)closedir(d);
		return false;
	}
	for (struct dirent *entry; d != NULL && (entry = readdir(d)) != NULL && *count < NAMES;) {
		size_t len = strlen(entry->d_name), end = strlen(suffix);
		if (len <= end || strcmp(entry->d_name + len - end, suffix) != 0)
			continue;
		char *name = arena_printf(a, "%.*s", (int)(len - end), entry->d_name);
		if (name != NULL && syntax_is_name(bytes_of(name)))
			names[(*count)++] = name;
	}
	if (d != NULL)
		(void)closedir(d);
	qsort(names, *count, sizeof(*names), name_order);
	return true;
}

/* ---- list ---- */

static void
list_one(struct out_json *j, const char *name, bool current, struct arena *a)
{
	struct context_flags named = { .value = { [CONTEXT_name] = name } };
	struct context *c = NULL;
	struct err e = { 0 };
	bool ok = context_load(&named, &c, &e);
	const char *agent = ok ? agent_of(c->certificate, a) : NULL;
	const char *server = !ok ? NULL : c->server != NULL ? c->server : c->server_file;
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
		(void)printf(
		    "%c %-20s %-22s ", current ? '*' : ' ', name, server != NULL ? server : "-");
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
		return out_usage(usage, "context list takes no names");
	if (!context_home(&a, &home, &e) || !context_current(&a, &current, &e))
		return out_error(&e);
	const char *folder = arena_printf(&a, "%s/contexts", home);
	if (folder == NULL || !names_in(folder, ".conf", &a, &names, &count, &e))
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

static void
trust_show(struct out_json *j, const char *party, const struct chain_anchors *bundle)
{
	if (j != NULL) {
		out_json_begin(j, NULL, '{');
		out_json_text(j, "party", party);
		out_json_begin(j, "anchors", '[');
	}
	for (size_t i = 0; i < chain_anchors_count(bundle); i++) {
		const uint8_t *digest = chain_anchors_digest(bundle, i);
		if (j != NULL) {
			out_json_hex(j, NULL, digest, 32);
			continue;
		}
		(void)printf("%-12s ", i == 0 ? party : "");
		for (int b = 0; b < 32; b++)
			(void)printf("%02x", digest[b]);
		(void)putchar('\n');
	}
	if (j != NULL) {
		out_json_end(j, ']');
		out_json_end(j, '}');
	}
}

static bool
trust_list(const struct context *c, struct out_json *j, struct arena *a, struct err *e)
{
	char **names;
	size_t count;
	if (!names_in(c->trust, ".pem", a, &names, &count, e))
		return false;
	for (size_t i = 0; i < count; i++) {
		SCOPED(chain_anchors_free) struct chain_anchors *bundle = NULL;
		char *path = arena_printf(a, "%s/%s.pem", c->trust, names[i]);
		if (path == NULL)
			return err_set(e, ERR_NOMEM, "trust");
		if (!bundle_read(path, a, &bundle, e))
			return false;
		trust_show(j, names[i], bundle);
	}
	return true;
}

static bool
trust_add(const struct context *c, const struct request *r, struct out_json *j, struct arena *a,
    struct err *e)
{
	SCOPED(chain_anchors_free) struct chain_anchors *bundle = NULL;
	struct bytes pem;
	if (!syntax_is_name(bytes_of(r->argv[0])))
		return err_set(e, ERR_USAGE, "'%s' cannot be the name of a party", r->argv[0]);
	if (!context_read_file(r->argv[1], false, a, &pem, e))
		return false;
	if (!chain_anchors_new(pem, NULL, 0, &bundle, e))
		return err_wrap(e, "%s", r->argv[1]);
	char *path = arena_printf(a, "%s/%s.pem", c->trust, r->argv[0]);
	if (path == NULL)
		return err_set(e, ERR_NOMEM, "trust");
	if (!disk_folder(c->trust, e) || !disk_write(path, 0600, pem, e))
		return false;
	trust_show(j, r->argv[0], bundle);
	return true;
}

static int
run_trust(const struct request *r)
{
	SCOPED(arena_done) struct arena a;
	SCOPED(context_free) struct context *c = NULL;
	struct err e = { 0 };
	arena_init(&a, ARENA_BYTES);
	if (r->argc != 0 && r->argc != 2)
		return out_usage(usage, "context trust: nothing, or PARTY and FILE");
	if (!context_load(&r->flags, &c, &e))
		return out_error(&e);
	if (c->trust == NULL)
		return out_usage(usage, "the context says no trust folder (--trust DIR)");
	struct out_json j = { .to = stdout };
	struct out_json *to = r->json ? &j : NULL;
	if (r->json)
		out_json_begin(&j, NULL, '[');
	bool ok = r->argc == 0 ? trust_list(c, to, &a, &e) : trust_add(c, r, to, &a, &e);
	if (!ok)
		return out_error(&e);
	if (r->json) {
		out_json_end(&j, ']');
		out_json_line(&j);
	}
	return 0;
}

int
cmd_context(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct request *r);
	} verbs[] = { { "add", run_add }, { "use", run_use }, { "list", run_list },
		{ "trust", run_trust } };
	struct request r;
	if (argc < 2)
		return out_usage(usage, "context: what?");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(argv[1], verbs[i].name) != 0)
			continue;
		if (!request_parse(argc - 1, argv + 1, &r))
			return out_usage(usage, "context %s: wrong options", argv[1]);
		return verbs[i].run(&r);
	}
	return out_usage(usage, "context: there is no '%s'", argv[1]);
}
