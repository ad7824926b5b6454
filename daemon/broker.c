#include "daemon/broker.h"

#include "daemon/cosigner.h"
#include "daemon/drain.h"
#include "daemon/expiry.h"
#include "daemon/health.h"
#include "daemon/log.h"
#include "daemon/mailbox.h"
#include "daemon/observe_text.h"
#include "daemon/reload.h"
#include "daemon/restore_carry.h"
#include "daemon/role.h"
#include "daemon/startup.h"
#include "daemon/startup_said.h"
#include "proto/dry.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COMMITTER_MAIL = 8192, MAIN_MAIL = 64, STORE_VIEWS_EXTRA = 6 };

/* ---- opening ---- */

static bool
read_boot_id(uint8_t out[16], struct err *e)
{
	char text[64] = { 0 };
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		(void)close(fd);
	size_t k = 0;
	for (ssize_t i = 0; i < n && k < 32; i++) {
		char c = text[i];
		int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
		if (v < 0)
			continue;
		out[k / 2] = (uint8_t)(k % 2 == 0 ? v << 4 : out[k / 2] | v);
		k++;
	}
	return k == 32 || err_set(e, ERR_IO, "the kernel gives no boot id");
}

/* N of "name/gN". */
static uint64_t
generation(const char *origin)
{
	const char *g = strrchr(origin, '/');
	return g == NULL || g[1] != 'g' ? 1 : strtoull(g + 2, NULL, 10);
}

static bool
open_store(struct broker *b, struct err *e)
{
	const struct config *c = b->config;
	struct store_config sc = { .path = c->store_path,
		.map_bytes = c->store_map_size,
		.reserve_bytes = c->store_reserve,
		.reserve_percent = LIMIT_DISK_FREE_PERCENT,
		.views = b->worker_count + STORE_VIEWS_EXTRA,
		.generation = generation(c->log_origin),
		.archive = c->store_archive };
	if (!store_open(&sc, &b->shell.store, e))
		return err_wrap(e, "store '%s'", c->store_path);
	b->ledger = calloc(1, sizeof(*b->ledger));
	if (b->ledger == NULL)
		return err_set(e, ERR_NOMEM, "ledger");
	return ledger_init(b->ledger, b->shell.store, e);
}

/* Parties with their trees, and subscriptions. */
static bool
load_roll(struct broker *b, struct store_view *v, struct err *e)
{
	struct roll *roll = &b->ledger->roll;
	struct store_head heads[8];
	struct store_subscription subs[32];
	uint32_t after = STORE_MAIN_TREE, sub = 0;
	for (size_t n = 8; n == 8;) {
		if (!store_read_heads(v, after, heads, &n, e))
			return false;
		for (size_t i = 0; i < n; i++) {
			struct bytes name;
			bool found = false;
			if (!store_name_text(v, STORE_NAME_PARTY, heads[i].tree, &name, &found, e))
				return false;
			struct roll_party *p = found ? roll_add(roll, heads[i].tree, name) : NULL;
			if (p == NULL)
				return err_set(
				    e, found ? ERR_NOMEM : ERR_CORRUPT, "a tree without a party");
			p->tree.leaf_count = heads[i].size;
			memcpy(p->tree.frontier, heads[i].frontier, sizeof(p->tree.frontier));
			p->head_index = heads[i].head_index;
			p->head_size = heads[i].head_size;
			p->worker = worker_of_party(b->workers[0], name)->index;
			after = heads[i].tree;
		}
	}
	for (size_t n = 32; n == 32;) {
		n = 32;
		if (!store_read_subscriptions(v, sub, subs, &n, e))
			return false;
		for (size_t i = 0; i < n; i++) {
			struct roll_party *p = roll_find(roll, subs[i].party);
			if (p == NULL)
				return err_set(e, ERR_CORRUPT, "a subscription without a party");
			if (!roll_subscribe(p, &subs[i]))
				return err_set(e, ERR_NOMEM, "subscriptions");
			sub = subs[i].id;
		}
	}
	return true;
}

static bool
resume(struct broker *b, struct store_state *st, bool *old_ids, struct err *e)
{
	SCOPED(store_view_free) struct store_view *v = NULL;
	struct arena a;
	arena_init(&a, 256 << 20);
	bool ok = store_view_new(b->shell.store, &v, e) && store_view_open(v, &a, e) &&
		  store_read_state(v, st, e) && load_roll(b, v, e) && old_id_any(v, old_ids, e);
	if (v != NULL)
		store_view_close(v);
	arena_done(&a);
	return ok;
}

/* With relto-signer: its keys, which are those of the log, and where it stands. */
static bool
meet_signer(struct broker *b, struct notary_met *met, struct err *e)
{
	const struct config *c = b->config;
	struct notary_setup ns = { .shell = &b->shell, .path = c->log_signer };
	if (b->log_key != NULL)
		return true;
	if (!load_user(c->log_signer_user, &ns.uid, e))
		return err_wrap(e, "log { signer-user }");
	if (!mailbox_new(NOTARY_ASKS, &b->signed_, e))
		return false;
	ns.home = b->signed_;
	if (!notary_new(&ns, &b->notary, e) || !notary_meet(b->notary, met, e))
		return false;
	b->log_public = met->keys[0];
	b->log_then = met->keys[1];
	b->shell.log_then = met->key_count > 1 ? &b->log_then : NULL;
	return true;
}

/* What was signed is in the store.  Nothing beyond the newest checkpoint is known to be signed: the
 * first records of this run go with what is not. */
static bool
compare_signer(struct broker *b, const struct notary_met *met, const struct startup_found *found,
    struct err *e)
{
	if (b->log_key != NULL)
		return true;
	if (!notary_compare(b->notary, &met->anchor, e))
		return false;
	log_info("signer.met", "anchor=%" PRIu64 " size=%" PRIu64 " signed=%" PRIu64,
	    met->anchor.size, found->size, found->signed_size);
	atomic_store(&b->shell.signed_size, found->signed_size);
	return true;
}

static uint64_t
steady_ms(void)
{
	struct io_clock clock = io_clock_system();
	return clock.mono_ms(clock.arg);
}

static bool
open_log(struct broker *b, bool verify_all, struct err *e)
{
	struct startup_said said;
	struct startup_found found;
	struct notary_met met = { .key_count = 0 };
	struct store_state st = { 0 };
	struct startup s = { .store = b->shell.store,
		.h = &b->ledger->sha,
		.key = &b->log_public,
		.all = verify_all,
		.progress = startup_said_more,
		.arg = &said };
	memcpy(s.boot_id, b->boot_id, sizeof(s.boot_id));
	if (!meet_signer(b, &met, e))
		return false;
	s.then = b->shell.log_then;
	startup_said_begin(&said, steady_ms);
	if (!startup_verify(&s, &b->ledger->log, &found, e))
		return e->code != ERR_NOMEM &&
		       err_wrap(e, "the log was changed or is damaged; nothing was touched");
	log_info("log.verified", "size=%" PRIu64 " from=%" PRIu64 " all=%s why=%s", found.size,
	    found.from, found.all ? "yes" : "no", log_quote_text(found.why));
	bool old_ids = false;
	if (!resume(b, &st, &old_ids, e))
		return false;
	b->ledger->fence = st.fence;
	atomic_store(&b->shell.signed_size, found.size);
	if (!compare_signer(b, &met, &found, e))
		return false;
	bool rebooted = memcmp(st.stamp.boot_id, b->boot_id, sizeof(b->boot_id)) != 0;
	wall_resume(&b->shell.wall, st.stamp.time_us, st.stamp.boot_us, rebooted);
	struct committer_setup cs = { .shell = &b->shell,
		.ledger = b->ledger,
		.key = b->log_key,
		.notary = b->notary,
		.signed_ = b->signed_,
		.version = RELTO_VERSION,
		.clean = st.clean,
		.old_ids = old_ids,
		.published = found.published_size };
	memcpy(cs.boot_id, b->boot_id, sizeof(cs.boot_id));
	return committer_new(&cs, &b->committer, e);
}

static bool
make_workers(struct broker *b, struct err *e)
{
	b->limits = ruleset_limits(b->config);
	b->workers = calloc(b->worker_count, sizeof(struct worker *));
	if (b->workers == NULL)
		return err_set(e, ERR_NOMEM, "workers");
	for (unsigned i = 0; i < b->worker_count; i++) {
		struct worker_setup ws = { .index = i,
			.count = b->worker_count,
			.all = b->workers,
			.limits = &b->limits,
			.clock = io_clock_system(),
			.shell = &b->shell };
		if (!worker_new(&ws, &b->workers[i], e))
			return false;
	}
	b->shell.workers = b->workers;
	b->shell.worker_count = b->worker_count;
	return true;
}

static bool
fill_shell(struct broker *b, struct err *e)
{
	struct shell *s = &b->shell;
	struct sha256 sha;
	s->config = b->config;
	shell_take_settings(s, b->config);
	s->node = bytes_of(b->config->node);
	s->origin = bytes_of(b->config->log_origin);
	s->log_key = &b->log_public;
	wall_init(&s->wall, b->config->limit_clock_gap_ms * 1000);
	s->credit_count = LIMIT_PARTIES * 4;
	s->credit = calloc(s->credit_count, sizeof(*s->credit));
	if (s->credit == NULL)
		return err_set(e, ERR_NOMEM, "hints");
	if (!mailbox_new(COMMITTER_MAIL, &s->committer, e) ||
	    !mailbox_new(MAIN_MAIL, &s->main, e) || !sha256_init(&sha, e))
		return false;
	struct note_name name = { s->origin, NOTE_ED25519 };
	dry_begin();
	bool ok = b->log_key == NULL || note_key_of(&sha, &name, b->log_key, &b->log_public, e);
	bool dry = !ok && dry_ran();
	sha256_done(&sha);
	return dry ? err_set(e, ERR_NOMEM, "log key") : ok;
}

/* Without witnesses nothing waits for them, and nothing that demands them leaves. */
static bool
make_cosigner(struct broker *b, struct err *e)
{
	bool any = false;
	struct quorum *q = calloc(1, sizeof(*q));
	if (q == NULL)
		return err_set(e, ERR_NOMEM, "quorum");
	struct cosigner_setup cs = { &b->shell, q };
	bool ok = load_quorum(b->config, &b->log_public, q, &any, e) &&
		  (!any || cosigner_new(&cs, &b->shell.cosigner, e));
	if (!ok || !any)
		free(q);
	atomic_store(&b->shell.settled_size, any ? 0 : UINT64_MAX);
	return ok;
}

static bool
make_run_dir(const struct broker *b, struct err *e)
{
	if (mkdir(b->config->run_dir, 0700) != 0 && errno != EEXIST)
		return err_set(e, ERR_IO, "run-dir '%s': %s", b->config->run_dir, strerror(errno));
	return true;
}

bool
broker_open(struct broker *b, bool verify_all, struct err *e)
{
	ASSERT_ON(ROLE_MAIN);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	b->worker_count = (unsigned)b->config->workers;
	if (b->worker_count == 0)
		b->worker_count = cores > 0 ? (unsigned)cores : 1;
	b->base = event_base_new();
	if (b->base == NULL)
		return err_set(e, ERR_NOMEM, "event base");
	bool own_key = b->config->log_signer[0] == '\0';
	return read_boot_id(b->boot_id, e) &&
	       (!own_key || load_log_key(b->config, &b->log_key, e)) && fill_shell(b, e) &&
	       load_rules(&(struct load){ .config = b->config, .folders = &b->folders }, stderr,
		   &b->rules, e) &&
	       make_run_dir(b, e) && make_workers(b, e) && open_store(b, e) &&
	       open_log(b, verify_all, e) && make_cosigner(b, e);
}

/* ---- running ---- */

static bool
listen_all(struct broker *b, struct err *e)
{
	struct listener_setup ls = { b->base, &b->limits, b->workers, b->worker_count };
	char path[4096];
	if (!listener_new(&ls, &b->listener, e))
		return false;
	/* what a service manager listens on for us is listened on instead */
	for (unsigned i = 0; i < b->service.sockets; i++)
		if (!listener_adopt(b->listener, SERVICE_FIRST_FD + (int)i, e))
			return false;
	for (size_t i = 0; b->service.sockets == 0 && i < b->config->listen.count; i++) {
		const struct config_listen *l = &b->config->listen.items[i];
		if (!listener_add(b->listener, l->address, l->port, e))
			return err_wrap(e, "listen %s", l->text);
	}
	(void)snprintf(path, sizeof(path), "%s/addresses", b->config->run_dir);
	return listener_start(b->listener, e) && listener_publish(b->listener, path, e);
}

static bool
be_watched(struct broker *b, struct err *e)
{
	struct health_setup hs = { b->base, &b->shell, &b->service, HEALTH_STILL_MS };
	struct observe_setup os = { .base = b->base,
		.socket = b->config->observe_socket,
		.port = (uint16_t)b->config->observe_port,
		.answer = observe_text,
		.arg = b };
	struct expiry_setup es = { b->base, &b->shell.wall, &b->rules };
	if (!drain_init(b, e) || !health_new(&hs, &b->health, e) ||
	    !expiry_new(&es, &b->expiry, e) || !observe_new(&os, &b->observe, e))
		return false;
	expiry_begin(b->expiry);
	return true;
}

/* From the first rules on: partners are let in, and who watches is told. */
static void
serve(struct broker *b)
{
	log_info("broker.ready", "node=%s version=%s workers=%u landlock=%d seccomp=%s",
	    b->config->node, RELTO_VERSION, b->worker_count, b->sandbox.landlock,
	    b->sandbox.seccomp ? "yes" : "no");
	b->ready = true;
	if (!service_tell(&b->service, "READY=1\nSTATUS=serving"))
		log_warn("service.not-told", "what=READY");
	(void)event_base_dispatch(b->base);
	b->ready = false;
	log_info("broker.stopping", "cause=%s", b->cause == NULL ? "end" : b->cause);
	(void)service_tell(&b->service, "STOPPING=1\nSTATUS=stopping");
}

bool
broker_run(struct broker *b, struct err *e)
{
	ASSERT_ON(ROLE_MAIN);
	role_set(ROLE_MAIN);
	if (!sandbox_enter(b->config, &b->folders, &b->sandbox, e))
		return false;
	if ((b->notary != NULL && !notary_start(b->notary, e)) || !committer_start(b->committer, e))
		return false;
	for (unsigned i = 0; i < b->worker_count; i++)
		if (!worker_start(b->workers[i], e))
			return false;
	if (!broker_first_rules(b, e) || !be_watched(b, e) ||
	    (b->shell.cosigner != NULL && !cosigner_start(b->shell.cosigner, e)) ||
	    !listen_all(b, e))
		return false;
	serve(b);
	listener_stop(b->listener);
	cosigner_stop(b->shell.cosigner);
	for (unsigned i = 0; i < b->worker_count; i++)
		worker_stop(b->workers[i]);
	for (unsigned i = 0; i < b->worker_count; i++)
		worker_wait(b->workers[i]);
	bool finished = committer_stop(b->committer, b->cause == NULL ? "end" : b->cause, e);
	for (unsigned i = 0; i < b->worker_count; i++)
		worker_join(b->workers[i]);
	notary_stop(b->notary);
	role_set(ROLE_NONE); /* alone again */
	broker_drop_mail(b);
	return finished;
}

void
broker_close(struct broker *b)
{
	ASSERT_ON(ROLE_MAIN);
	for (unsigned i = 0; b->workers != NULL && i < b->worker_count; i++)
		worker_free(b->workers[i]);
	drain_done(b);
	observe_free(b->observe);
	health_free(b->health);
	expiry_free(b->expiry);
	listener_free(b->listener);
	service_close(&b->service);
	notary_free(b->notary);
	if (b->signed_ != NULL)
		(void)mailbox_take(b->signed_, SIZE_MAX);
	mailbox_free(b->signed_);
	committer_free(b->committer);
	cosigner_free(b->shell.cosigner);
	if (b->ledger != NULL)
		ledger_done(b->ledger);
	free(b->ledger);
	store_free(b->shell.store);
	ruleset_unref(b->rules);
	mailbox_free(b->shell.committer);
	mailbox_free(b->shell.main);
	free((void *)(uintptr_t)b->shell.credit);
	free(b->workers);
	folders_done(&b->folders);
	EVP_PKEY_free(b->log_key);
	if (b->base != NULL)
		event_base_free(b->base);
}
