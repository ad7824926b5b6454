/* main.c - reltod: arguments, privileges, signals (DESIGN 12). */
#include "audit/quorum.h"
#include "daemon/broker.h"
#include "daemon/log.h"
#include "daemon/mailbox.h"
#include "daemon/reload.h"
#include "daemon/restore.h"
#include "proto/dry.h"

#include <errno.h>
#include <event2/event.h>
#include <grp.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const char usage[] = "usage: reltod -c FILE [-t | -T] [--verify-all]\n"
			    "       reltod -c FILE --restore DIR [--head FILE]..\n"
			    "  -c FILE       the configuration\n"
			    "  -t            check configuration and policy, and exit\n"
			    "  -T            print the effective settings, and exit\n"
			    "  --verify-all  hash the whole log again before starting\n"
			    "  --restore DIR a new generation of the log from a backup, and exit\n"
			    "  --head FILE   a signed head of the old log that somebody has\n"
			    "  --version, --help\n";

struct options {
	const char *file;
	bool test, print, verify_all;
	struct restore restore; /* from: NULL, none */
};

static bool
parse(int argc, char **argv, struct options *o)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
			o->file = argv[++i];
		else if (strcmp(argv[i], "-t") == 0)
			o->test = true;
		else if (strcmp(argv[i], "-T") == 0)
			o->print = true;
		else if (strcmp(argv[i], "--verify-all") == 0)
			o->verify_all = true;
		else if (strcmp(argv[i], "--restore") == 0 && i + 1 < argc)
			o->restore.from = argv[++i];
		else if (strcmp(argv[i], "--head") == 0 && i + 1 < argc &&
			 o->restore.head_count < RESTORE_HEADS)
			o->restore.heads[o->restore.head_count++] = argv[++i];
		else
			return false;
	}
	bool restores = o->restore.from != NULL;
	if ((restores && (o->test || o->print || o->verify_all)) ||
	    (!restores && o->restore.head_count > 0))
		return false;
	return o->file != NULL && !(o->test && o->print);
}

static int
failed(const struct err *e)
{
	(void)fprintf(stderr, "reltod: %s\n", e->text);
	return err_exit(e->code);
}

/* Started as root: become the user of the configuration; root without one is refused. */
static bool
drop_root(const struct config *c, struct err *e)
{
	if (geteuid() != 0)
		return true;
	if (c->user[0] == 0)
		return err_set(e, ERR_CONFIG,
		    "started as root without the setting `user`: name the user to become");
	errno = 0;
	const struct passwd *p = getpwnam(c->user);
	if (p == NULL && errno == ENOMEM)
		return err_set(e, ERR_NOMEM, "user '%s'", c->user);
	if (p == NULL)
		return err_set(e, ERR_CONFIG, "user '%s' does not exist", c->user);
	if (setgroups(0, NULL) != 0 || setgid(p->pw_gid) != 0 || setuid(p->pw_uid) != 0)
		return err_set(e, ERR_CONFIG, "cannot become user '%s'", c->user);
	if (p->pw_uid != 0 && setuid(0) == 0)
		return err_set(e, ERR_CONFIG, "root was not left for good");
	return true;
}

/* No core, no ptrace by others, no descriptors lost to a low default. */
static void
harden(void)
{
	struct rlimit none = { 0, 0 }, files;
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)umask(077);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

/* ---- signals ---- */

static void
on_mail(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	broker_mail(arg);
}

static void
on_hup(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	log_info("reload.asked", "by=SIGHUP");
	broker_reload(arg, NULL);
}

static void
on_slow_reload(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	broker_reload_is_slow(arg);
}

static void
on_end(evutil_socket_t signal, short what, void *arg)
{
	struct broker *b = arg;
	(void)what;
	b->cause = signal == SIGTERM ? "SIGTERM" : "SIGINT";
	b->stopping = true;
	(void)event_base_loopbreak(b->base);
}

static bool
watch(struct broker *b, struct err *e)
{
	(void)signal(SIGPIPE, SIG_IGN);
	b->mail_event =
	    event_new(b->base, mailbox_fd(b->shell.main), EV_READ | EV_PERSIST, on_mail, b);
	b->hup_event = evsignal_new(b->base, SIGHUP, on_hup, b);
	b->term_event = evsignal_new(b->base, SIGTERM, on_end, b);
	b->int_event = evsignal_new(b->base, SIGINT, on_end, b);
	b->slow_event = event_new(b->base, -1, 0, on_slow_reload, b);
	struct event *all[] = { b->mail_event, b->hup_event, b->term_event, b->int_event };
	if (b->slow_event == NULL)
		return err_set(e, ERR_NOMEM, "signals");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i] == NULL || event_add(all[i], NULL) != 0)
			return err_set(e, ERR_NOMEM, "signals");
	return true;
}

static void
unwatch(struct broker *b)
{
	struct event *all[] = { b->mail_event, b->hup_event, b->term_event, b->int_event,
		b->slow_event };
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i] != NULL)
			event_free(all[i]);
}

/* ---- -t ---- */

static bool
test_quorum(const struct config *c, struct evp_pkey_st *key, struct err *e)
{
	struct sha256 h;
	struct note_key log;
	struct note_name name = { bytes_of(c->log_origin), NOTE_ED25519 };
	bool any = false;
	struct quorum *q = calloc(1, sizeof(*q));
	bool ok = sha256_init(&h, e) && (q != NULL || err_set(e, ERR_NOMEM, "quorum")) &&
		  (key == NULL || note_key_of(&h, &name, key, &log, e)) &&
		  load_quorum(c, key == NULL ? NULL : &log, q, &any, e);
	free(q);
	sha256_done(&h);
	return ok;
}

static int
test(const struct config *c)
{
	struct err e = { 0 };
	SCOPED(ruleset_unref) struct ruleset *rules = NULL;
	struct evp_pkey_st *key = NULL;
	uid_t signer;
	if (!load_rules(&(struct load){ .config = c, .test = true }, stderr, &rules, &e) ||
	    (c->log_signer[0] == '\0' ? !load_log_key(c, &key, &e)
				      : !load_user(c->log_signer_user, &signer, &e)))
		return failed(&e);
	bool good = test_quorum(c, key, &e);
	EVP_PKEY_free(key);
	if (!good)
		return failed(&e);
	(void)printf("configuration and policy are good: %zu parties, %zu agreements\n",
	    epoch_party_count(rules->epoch), epoch_agreement_count(rules->epoch));
	return 0;
}

/* Before there is a broker: the clock is believed as it is. */
static int
restore(const struct config *c, struct restore *r)
{
	struct err e = { 0 };
	struct timespec now = { 0 };
	harden();
	r->config = c;
	if (clock_gettime(CLOCK_REALTIME, &now) != 0)
		return failed(&(struct err){ .code = ERR_CLOCK, .text = "there is no clock" });
	r->now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	if (!drop_root(c, &e) || !restore_run(r, stdout, &e))
		return failed(&e);
	return 0;
}

static int
serve(struct config *c, const struct options *o)
{
	struct err e = { 0 };
	struct broker b = { .config = c };
	harden();
	bool open = service_open(&b.service, &e) && drop_root(c, &e) &&
		    broker_open(&b, o->verify_all, &e) && watch(&b, &e);
	bool ok = open && broker_run(&b, &e);
	if (open && !ok)
		shell_end(&b.shell);
	if (!ok)
		log_error(
		    "broker.failed", "code=%s why=%s", err_token(e.code), log_quote_text(e.text));
	/* a start that failed half way has threads that only the end of the process stops; a store
	 * that broke at the stop is left as it is */
	if (open && !ok)
		_exit(err_exit(e.code));
	unwatch(&b);
	broker_close(&b);
	return ok ? 0 : err_exit(e.code);
}

int
main(int argc, char **argv)
{
	struct options o = { 0 };
	struct err e = { 0 };
	SCOPED(config_free) struct config *c = NULL;
	char *report = NULL;
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return printf("reltod %s\n", RELTO_VERSION) < 0;
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return fputs(usage, stdout) < 0;
	/* a large block goes back to the system when it is freed; by itself malloc would learn to
	 * keep blocks of up to 32 MiB */
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
	/* ..but each batch takes and frees some hundred kilobytes a thread, and has to be given
	 * each page anew if they go back: 0.8 to 1.1 faults a report then, 0.3 to 0.7 so */
	(void)mallopt(M_TRIM_THRESHOLD, 8 << 20);
	if (!parse(argc, argv, &o)) {
		(void)fputs(usage, stderr);
		return 64;
	}
	bool ok = (dry_watch() || err_set(&e, ERR_NOMEM, "libcrypto")) &&
		  config_load(o.file, &c, &report, &e);
	bool dry = !ok && dry_ran(); /* then it is no fault of the file */
	if (report != NULL && !dry)
		(void)fputs(report, stderr);
	free(report);
	if (dry)
		(void)err_set(&e, ERR_NOMEM, "configuration");
	if (!ok)
		return failed(&e);
	log_setup(c->messages_level, c->messages_format, STDERR_FILENO);
	if (o.print) {
		config_print(c, stdout);
		return 0;
	}
	if (o.restore.from != NULL)
		return restore(c, &o.restore);
	return o.test ? test(c) : serve(c, &o);
}
