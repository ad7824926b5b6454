/* cmd_witness.c - relto witness: a witness of logs, as a process of its own (C2SP tlog-witness;
 * AUDIT 5). */
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/cli/cmd.h"
#include "client/cli/files.h"
#include "client/cli/out.h"
#include "client/cli/witness_serve.h"
#include "proto/arena.h"

const char cmd_witness_usage[] =
    "witness --key FILE --state DIR --listen ADDRESS:PORT --log VKEY.. "
    "[--json] | witness --new NAME --key FILE --state DIR [--json]";

enum { OPT_KEY = 1, OPT_STATE, OPT_LISTEN, OPT_LOG, OPT_NEW, OPT_JSON };
static const struct option options[] = {
	{ "key", required_argument, NULL, OPT_KEY },
	{ "state", required_argument, NULL, OPT_STATE },
	{ "listen", required_argument, NULL, OPT_LISTEN },
	{ "log", required_argument, NULL, OPT_LOG },
	{ "new", required_argument, NULL, OPT_NEW },
	{ "json", no_argument, NULL, OPT_JSON },
	{ NULL, 0, NULL, 0 },
};

struct call {
	struct witness_place place;
	const char *listen, *new_name;
	const char *logs[WITNESS_LOGS_MAX];
	size_t log_count;
	bool json;
};

/* A vkey as text, or from a file of that name. */
static bool
read_log(struct sha256 *h, const char *text, struct witness_book *book, struct err *e)
{
	struct arena a;
	struct bytes vkey = bytes_of(text);
	struct note_key *key = &book->logs[book->count];
	arena_init(&a, 1 << 20);
	bool ok = (access(text, F_OK) != 0 || files_read(text, &a, &vkey, e)) &&
		  note_key_parse(h, vkey, key, e);
	arena_done(&a);
	if (!ok)
		return err_wrap(e, "--log %s", text);
	if (key->type != NOTE_ED25519)
		return err_set(e, ERR_USAGE, "--log %s: not the vkey of a log", key->name);
	for (size_t i = 0; i < book->count; i++)
		if (memcmp(book->logs[i].public, key->public, sizeof(key->public)) == 0)
			return err_set(e, ERR_USAGE, "--log %s: the key is there twice", key->name);
	book->count++;
	return true;
}

static bool
read_logs(const struct call *c, struct witness_book *out, struct err *e)
{
	struct sha256 h;
	bool ok = sha256_init(&h, e);
	for (size_t i = 0; ok && i < c->log_count; i++)
		ok = read_log(&h, c->logs[i], out, e);
	sha256_done(&h);
	return ok;
}

static void
say_key(const struct note_key *key, bool json)
{
	char vkey[NOTE_VKEY_MAX];
	note_key_print(key, vkey);
	if (!json) {
		(void)puts(vkey);
		return;
	}
	struct out_json j = { .to = stdout };
	out_json_begin(&j, NULL, '{');
	out_json_text(&j, "name", key->name);
	out_json_text(&j, "vkey", vkey);
	out_json_end(&j, '}');
	out_json_line(&j);
}

static void
say_where(const struct witness_state *s, const char *bound, bool json)
{
	struct out_json j = { .to = stdout };
	if (!json)
		(void)printf("%s listens on %s\n", s->me.name, bound);
	else {
		out_json_begin(&j, NULL, '{');
		out_json_text(&j, "name", s->me.name);
		out_json_text(&j, "listens", bound);
		out_json_end(&j, '}');
		out_json_line(&j);
	}
	(void)fflush(stdout);
}

static int
make(const struct call *c)
{
	struct err e = { 0 };
	struct note_key key;
	if (!witness_state_make(&c->place, c->new_name, &key, &e))
		return out_error(&e);
	say_key(&key, c->json);
	return 0;
}

static int
serve(const struct call *c)
{
	struct err e = { 0 };
	struct witness_book logs = { 0 };
	char bound[WITNESS_ADDRESS_ROOM];
	int listener = -1;
	struct witness_state *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return out_error(&(struct err){ ERR_NOMEM, "out of memory" });
	bool open = read_logs(c, &logs, &e) && witness_state_open(&c->place, &logs, s, &e);
	bool ok = open && witness_listen(c->listen, &listener, bound, &e);
	if (ok) {
		say_where(s, bound, c->json);
		ok = witness_serve(s, listener, &e);
		(void)close(listener);
	}
	if (open)
		witness_state_close(s);
	free(s);
	return ok ? 0 : out_error(&e);
}

static bool
take(struct call *c, int code, const char *value)
{
	switch (code) {
	case OPT_KEY:
		c->place.key = value;
		return true;
	case OPT_STATE:
		c->place.folder = value;
		return true;
	case OPT_LISTEN:
		c->listen = value;
		return true;
	case OPT_LOG:
		if (c->log_count == WITNESS_LOGS_MAX)
			return false;
		c->logs[c->log_count++] = value;
		return true;
	case OPT_NEW:
		c->new_name = value;
		return true;
	case OPT_JSON:
		c->json = true;
		return true;
	default:
		return false;
	}
}

int
cmd_witness(int argc, char **argv)
{
	struct call c = { 0 };
	int code;
	opterr = 0;
	optind = 1;
	while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (code == OPT_LOG && c.log_count == WITNESS_LOGS_MAX)
			return out_usage(
			    cmd_witness_usage, "more than %d logs", (int)WITNESS_LOGS_MAX);
		if (!take(&c, code, optarg))
			return out_usage(cmd_witness_usage, "what is '%s'?", argv[optind - 1]);
	}
	if (optind < argc)
		return out_usage(cmd_witness_usage, "what is '%s'?", argv[optind]);
	if (c.place.key == NULL || c.place.folder == NULL)
		return out_usage(cmd_witness_usage, "--key and --state are needed");
	if (c.new_name != NULL) {
		if (c.listen != NULL || c.log_count != 0)
			return out_usage(cmd_witness_usage, "--new makes a witness and ends");
		return make(&c);
	}
	if (c.listen == NULL || c.log_count == 0)
		return out_usage(cmd_witness_usage, "--listen and a --log are needed");
	return serve(&c);
}
