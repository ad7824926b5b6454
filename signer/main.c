/* main.c - relto-signer: the key of the log in a process of its own (AUDIT section 5). */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "audit/base64.h"
#include "signer/confine.h"
#include "signer/serve.h"

static const char usage[] =
    "usage: relto-signer --origin NAME/gN --key FILE [--then FILE] --anchor FILE --socket PATH\n"
    "                    [--peer USER] [--user USER]\n"
    "       relto-signer --new --origin NAME/gN --anchor FILE [--user USER]\n"
    "       relto-signer --show --anchor FILE [--key FILE] [--then FILE] [--json]\n"
    "  --key FILE     the Ed25519 key that signs heads\n"
    "  --then FILE    the key that follows it: each head is signed by both\n"
    "  --anchor FILE  the last head that was signed; best on another volume than the store\n"
    "  --socket PATH  where the broker asks\n"
    "  --peer USER    whom the broker runs as (default: who runs the signer)\n"
    "  --user USER    whom to become when started as root\n"
    "  --new          make the anchor of a log that has no record yet\n"
    "  --show         print the anchor and the keys\n"
    "  --version, --help\n";

struct options {
	const char *origin, *key, *then, *anchor, *socket, *peer, *user;
	bool fresh, show, json;
};

static bool
parse(int argc, char **argv, struct options *o)
{
	enum { ORIGIN = 1, KEY, THEN, ANCHOR, SOCKET, PEER, USER, NEW, SHOW, JSON };
	static const struct option options[] = { { "origin", required_argument, NULL, ORIGIN },
		{ "key", required_argument, NULL, KEY }, { "then", required_argument, NULL, THEN },
		{ "anchor", required_argument, NULL, ANCHOR },
		{ "socket", required_argument, NULL, SOCKET },
		{ "peer", required_argument, NULL, PEER },
		{ "user", required_argument, NULL, USER }, { "new", no_argument, NULL, NEW },
		{ "show", no_argument, NULL, SHOW }, { "json", no_argument, NULL, JSON },
		{ NULL, 0, NULL, 0 } };
	const char **texts[] = { [ORIGIN] = &o->origin,
		[KEY] = &o->key,
		[THEN] = &o->then,
		[ANCHOR] = &o->anchor,
		[SOCKET] = &o->socket,
		[PEER] = &o->peer,
		[USER] = &o->user };
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == '?')
			return false;
		if (c <= USER)
			*texts[c] = optarg;
		o->fresh |= c == NEW;
		o->show |= c == SHOW;
		o->json |= c == JSON;
	}
	if (optind != argc || o->anchor == NULL || (o->fresh && o->show) || (o->json && !o->show) ||
	    (o->then != NULL && o->key == NULL))
		return false;
	if (o->show)
		return o->socket == NULL && o->peer == NULL;
	if (o->fresh)
		return o->origin != NULL && o->key == NULL && o->socket == NULL && o->peer == NULL;
	return o->origin != NULL && o->key != NULL && o->socket != NULL;
}

static int
failed(const struct err *e)
{
	(void)fprintf(stderr, "relto-signer: %s\n", e->text);
	return err_exit(e->code);
}

static bool
add_keys(struct sign *s, const struct options *o, struct bytes origin, struct err *e)
{
	return (o->key == NULL || sign_add_key(s, o->key, origin, e)) &&
	       (o->then == NULL || sign_add_key(s, o->then, origin, e));
}

/* The anchor, which must be that of the log. */
static bool
load_anchor(struct sign *s, const char *path, const char *origin, struct err *e)
{
	if (!keep_load(&s->keep, &s->anchor, e)) {
		if (e->code == ERR_NOT_FOUND)
			return err_wrap(e,
			    "nothing is signed without the anchor: bring it back from its backup, "
			    "or, for a log that has no record yet, make one with --new");
		return err_wrap(e, "nothing is signed");
	}
	if (origin != NULL && strcmp(s->anchor.origin, origin) != 0)
		return err_set(e, ERR_CONFIG, "the anchor '%s' is of the log '%s', not '%s'", path,
		    s->anchor.origin, origin);
	if (s->anchor.alone)
		(void)fprintf(stderr,
		    "relto-signer: one slot of the anchor '%s' is torn, as by a power cut, or "
		    "damaged: the other one, of %" PRIu64 " records, is taken\n",
		    path, s->anchor.head.size);
	return true;
}

/* ---- --new ---- */

static bool
make_new(struct sign *s, const struct options *o, struct err *e)
{
	struct note_key checked;
	static const uint8_t any[32];
	struct note_name name = { bytes_of(o->origin), NOTE_ED25519 };
	return note_key_make(&s->h, &name, any, &checked, e) &&
	       anchor_new(&s->h, name.name, &s->anchor, e) && keep_lock(&s->keep, e) &&
	       keep_new(&s->keep, &s->anchor, e);
}

/* ---- --show ---- */

/* Origins and vkeys have no character that JSON escapes but '"' and '\'. */
static void
print_text(const char *text, bool json)
{
	if (json)
		(void)fputc('"', stdout);
	for (; *text != '\0'; text++) {
		if (json && (*text == '"' || *text == '\\'))
			(void)fputc('\\', stdout);
		(void)fputc(*text, stdout);
	}
	if (json)
		(void)fputc('"', stdout);
}

static void
print(const struct sign *s, bool json)
{
	char root[45] = { 0 }, vkey[NOTE_VKEY_MAX];
	base64_write(bytes_from(s->anchor.head.root, 32), root);
	(void)fputs(json ? "{\"origin\":" : "origin  ", stdout);
	print_text(s->anchor.origin, json);
	(void)printf(json ? ",\"size\":%" PRIu64 ",\"root\":\"%s\",\"keys\":["
			  : "\nsize    %" PRIu64 "\nroot    %s\n",
	    s->anchor.head.size, root);
	for (size_t i = 0; i < s->key_count; i++) {
		note_key_print(&s->keys[i].public, vkey);
		(void)fputs(!json ? "key     " : i > 0 ? "," : "", stdout);
		print_text(vkey, json);
		(void)fputs(json ? "" : "\n", stdout);
	}
	(void)fputs(json ? "]}\n" : "", stdout);
}

static bool
show(struct sign *s, const struct options *o, struct err *e)
{
	if (!load_anchor(s, o->anchor, o->origin, e) ||
	    !add_keys(s, o, bytes_of(s->anchor.origin), e))
		return false;
	print(s, o->json);
	return fflush(stdout) == 0 || err_set(e, ERR_IO, "standard output");
}

/* ---- serving ---- */

static bool
serve(struct sign *s, const struct options *o, struct err *e)
{
	struct serve v = {
		.sign = s, .path = o->socket, .peer = geteuid(), .listener = -1, .signals = -1
	};
	gid_t group;
	if (o->peer != NULL && !confine_user(o->peer, &v.peer, &group, e))
		return err_wrap(e, "--peer");
	if (!keep_lock(&s->keep, e) || !load_anchor(s, o->anchor, o->origin, e) ||
	    !add_keys(s, o, bytes_of(o->origin), e) || !keep_settle(&s->keep, &s->anchor, e))
		return false;
	bool ok = serve_open(&v, e);
	if (ok && !confine_late())
		(void)fprintf(stderr, "relto-signer: this kernel has no seccomp: not confined\n");
	if (ok)
		(void)fprintf(stderr, "relto-signer: ready at %" PRIu64 " records of %s\n",
		    s->anchor.head.size, s->anchor.origin);
	ok = ok && serve_run(&v, e);
	serve_done(&v);
	return ok;
}

int
main(int argc, char **argv)
{
	struct options o = { 0 };
	struct sign s = { .keep = { .folder = -1, .lock = -1, .file = -1 } };
	struct err e = { 0 };
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return printf("relto-signer %s\n", RELTO_VERSION) < 0;
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return fputs(usage, stdout) < 0;
	if (!parse(argc, argv, &o)) {
		(void)fputs(usage, stderr);
		return 64;
	}
	confine_early();
	(void)signal(SIGPIPE, SIG_IGN);
	bool ok = (o.show || confine_become(o.user, &e)) && sha256_init(&s.h, &e) &&
		  keep_open(&s.keep, &s.h, o.anchor, &e) &&
		  (o.show	? show(&s, &o, &e)
		      : o.fresh ? make_new(&s, &o, &e)
				: serve(&s, &o, &e));
	sign_done(&s);
	return ok ? 0 : failed(&e);
}
