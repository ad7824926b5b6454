#include "daemon/broker.h"

#include "daemon/log.h"
#include "daemon/mailbox.h"
#include "daemon/role.h"
#include "daemon/startup.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COMMITTER_MAIL = 8192, MAIN_MAIL = 64, STORE_VIEWS_EXTRA = 4 };

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
		.generation = generation(c->log_origin) };
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
			if (p == NULL || !roll_subscribe(p, &subs[i]))
				return err_set(e, ERR_CORRUPT, "a subscription without a party");
			sub = subs[i].id;
		}
	}
	return true;
}

static bool
resume(struct broker *b, struct store_state *st, struct err *e)
{
	SCOPED(store_view_free) struct store_view *v = NULL;
	struct arena a;
	arena_init(&a, 256 << 20);
	bool ok = store_view_new(b->shell.store, &v, e) && store_view_open(v, &a, e) &&
		  store_read_state(v, st, e) && load_roll(b, v, e);
	if (v != NULL)
		store_view_close(v);
	arena_done(&a);
	return ok;
}

static bool
open_log(struct broker *b, bool verify_all, struct err *e)
{
	struct startup_found found;
	struct store_state st = { 0 };
	struct startup s = { .store = b->shell.store,
		.h = &b->ledger->sha,
		.key = &b->log_public,
		.all = verify_all };
	memcpy(s.boot_id, b->boot_id, sizeof(s.boot_id));
	if (!startup_verify(&s, &b->ledger->log, &found, e))
		return err_wrap(e, "the log was changed or is damaged; nothing was touched");
	log_info("log.verified", "size=%" PRIu64 " from=%" PRIu64 " all=%s why=%s", found.size,
	    found.from, found.all ? "yes" : "no", log_quote_text(found.why));
	if (!resume(b, &st, e))
		return false;
	b->ledger->fence = st.fence;
	atomic_store(&b->shell.signed_size, found.size);
	bool rebooted = memcmp(st.stamp.boot_id, b->boot_id, sizeof(b->boot_id)) != 0;
	wall_resume(&b->shell.wall, st.stamp.time_us, st.stamp.boot_us, rebooted);
	struct committer_setup cs = { .shell = &b->shell,
		.ledger = b->ledger,
		.key = b->log_key,
		.version = RELTO_VERSION,
		.clean = st.clean,
		.published = found.published_size,
		.pad = (uint32_t)b->config->log_pad,
		.heads_ms = (uint32_t)b->config->log_heads_every_ms,
		.party_heads_ms = LIMIT_PARTY_HEAD_MS };
	memcpy(cs.boot_id, b->boot_id, sizeof(cs.boot_id));
	return committer_new(&cs, &b->committer, e);
}

static struct io_limits
limits(const struct config *c)
{
	return (struct io_limits){ .connections = (uint32_t)c->limit_connections,
		.connections_per_party = (uint32_t)c->limit_per_party,
		.connections_per_address = (uint32_t)c->limit_per_address,
		.half_open = (uint32_t)c->limit_half_open,
		.handshake_ms = (uint32_t)c->limit_handshake_ms,
		.hello_ms = (uint32_t)c->limit_hello_ms,
		.frame_ms = (uint32_t)c->limit_frame_ms,
		.idle_ms = (uint32_t)c->limit_idle_ms,
		.drain_ms = (uint32_t)c->limit_drain_ms,
		.publish_window = (uint32_t)c->limit_publish_window,
		.publish_window_bytes = LIMIT_PUBLISH_WINDOW_BYTES };
}

static bool
make_workers(struct broker *b, struct err *e)
{
	b->limits = limits(b->config);
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
	bool ok = note_key_of(&sha, &name, b->log_key, &b->log_public, e);
	sha256_done(&sha);
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
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	b->worker_count = (unsigned)b->config->workers;
	if (b->worker_count == 0)
		b->worker_count = cores > 0 ? (unsigned)cores : 1;
	b->base = event_base_new();
	if (b->base == NULL)
		return err_set(e, ERR_NOMEM, "event base");
	return read_boot_id(b->boot_id, e) && load_log_key(b->config, &b->log_key, e) &&
	       fill_shell(b, e) &&
	       load_rules(&(struct load){ b->config, false, NULL }, stderr, &b->rules, e) &&
	       make_run_dir(b, e) && make_workers(b, e) && open_store(b, e) &&
	       open_log(b, verify_all, e);
}

/* ---- rules ---- */

static void
give_rules(struct broker *b, struct job *j)
{
	ASSERT_ON(ROLE_MAIN);
	j->policy.given = true;
	atomic_init(&j->policy.untold, b->worker_count);
	for (unsigned i = 0; i < b->worker_count; i++) {
		struct rules_letter *l = calloc(1, sizeof(*l));
		if (l == NULL) {
			/* a worker that keeps the old rules could release what is forbidden now */
			log_error("rules.no-memory", "action=stopping");
			_exit(75);
		}
		l->letter.kind = LETTER_RULES;
		l->rules = ruleset_ref(b->rules);
		l->job = j;
		worker_mail(b->workers[i], LETTER_RULES, &l->letter);
	}
}

static void
answer(struct broker *b, struct job *j)
{
	if (j->policy.asked_conn == 0) {
		job_free(j);
		return;
	}
	j->home = j->policy.asked_home;
	committer_return(&b->shell, j);
}

/* What the POLICY record says beside the digest: the lists in use, and who is shut out. */
static bool
describe(struct job *j, const struct ruleset *r, struct err *e)
{
	uint8_t crls[32];
	char *shut_out = load_shut_out(r);
	if (shut_out == NULL)
		return err_set(e, ERR_NOMEM, "policy record");
	bool ok = arena_copy(j->arena, bytes_of(shut_out), &j->policy.shut_out, e);
	free(shut_out);
	if (ok && trust_lists_digest(r->trust, crls))
		ok = arena_copy(j->arena, bytes_from(crls, sizeof(crls)), &j->policy.crls, e);
	return ok;
}

/* The file of settings is not taken over by a reload; whoever changed it is told what waits. */
static void
compare_settings(const struct broker *b)
{
	SCOPED(config_free) struct config *next = NULL;
	char *report = NULL, names[1024];
	struct err e = { 0 };
	if (!config_load(b->config->path, &next, &report, &e))
		log_error("config.unusable", "why=%s action=%s", log_quote_text(e.text),
		    log_quote_text("the settings in force stay; the next start would fail"));
	else if (config_needs_restart(b->config, next, names, sizeof(names)))
		log_warn("config.waits", "settings=%s action=%s", log_quote_text(names),
		    log_quote_text("they take a restart"));
	free(report);
}

/* Compile, commit the POLICY record; broker_mail swaps once it is durable. */
void
broker_reload(struct broker *b, struct job *asked)
{
	ASSERT_ON(ROLE_MAIN);
	struct err e = { 0 };
	struct ruleset *next = NULL;
	struct job *j = asked;
	if (b->reloading) {
		b->reload_again |= asked == NULL;
		if (asked != NULL) {
			asked->fate = JOB_FAILED;
			(void)err_set(&asked->err, ERR_BUSY, "a reload is under way");
			answer(b, asked);
		}
		return;
	}
	compare_settings(b);
	if (j == NULL)
		j = job_new(JOB_RULES, NULL, 65536);
	if (j == NULL ||
	    !load_rules(&(struct load){ b->config, true, b->rules }, stderr, &next, &e)) {
		log_error("reload.failed", "code=%s why=%s action=%s", err_token(e.code),
		    log_quote_text(e.text), log_quote_text("the old policy stays"));
		if (j != NULL) {
			j->fate = JOB_FAILED;
			j->err = e;
			answer(b, j);
		}
		return;
	}
	if (!describe(j, next, &e)) {
		ruleset_unref(next);
		j->fate = JOB_FAILED;
		j->err = e;
		answer(b, j);
		return;
	}
	j->policy.rules = next;
	j->home = JOB_HOME_MAIN;
	b->reloading = true;
	if (!committer_take(&b->shell, &j)) {
		b->reloading = false;
		ruleset_unref(next);
		log_error(
		    "reload.failed", "code=busy action=%s", log_quote_text("the old policy stays"));
		j->policy.rules = NULL;
		j->fate = JOB_FAILED;
		(void)err_set(&j->err, ERR_BUSY, "the committer is busy");
		answer(b, j);
	}
}

/* What a reload does that nobody should fail to notice: it is hard to undo. */
static void
tell_changes(const struct epoch *was, const struct epoch *now)
{
	for (size_t i = 0; i < epoch_agreement_count(now); i++) {
		const struct agreement *g = epoch_agreement_at(now, i);
		if (g->refused != NULL)
			log_error("policy.agreement-refused",
			    "name=%s version=%" PRIu64 " why=%s action=%s", log_quote(g->name),
			    g->version, log_quote_text(g->refused),
			    log_quote_text("nothing goes under it; other terms, or an earlier "
					   "state, take a higher version"));
		else if (!g->has_terms)
			log_error("policy.agreement-waits", "name=%s version=%" PRIu64 " action=%s",
			    log_quote(g->name), g->version,
			    log_quote_text("nothing is published under it until the trust bundle "
					   "of each member can be read"));
	}
	for (size_t i = 0; was != now && i < epoch_agreement_count(was); i++) {
		const struct agreement *old = epoch_agreement_at(was, i);
		const struct agreement *g = epoch_agreement(now, old->name);
		if (g == NULL)
			log_warn("policy.agreement-gone", "name=%s version=%" PRIu64 " action=%s",
			    log_quote(old->name), old->version,
			    log_quote_text("what waits under it is withheld"));
		else if (old->suspended && !g->suspended)
			log_warn("policy.suspension-ended", "name=%s version=%" PRIu64,
			    log_quote(g->name), g->version);
	}
}

static void
end_reload(struct broker *b, struct job *j)
{
	b->reloading = false;
	answer(b, j);
	if (b->reload_again) {
		b->reload_again = false;
		broker_reload(b, NULL);
	}
}

/* The POLICY record is durable, or there is none. */
static void
rules_home(struct broker *b, struct job *j)
{
	SCOPED(ruleset_unref) struct ruleset *next = MOVE(j->policy.rules);
	if (j->fate != JOB_DONE) {
		log_error("reload.failed", "code=%s why=%s action=%s", err_token(j->err.code),
		    log_quote_text(j->err.text), log_quote_text("the old policy stays"));
		b->rules_failed = j->err.code;
		end_reload(b, j);
		return;
	}
	struct ruleset *was = b->rules;
	b->rules = MOVE(next);
	tell_changes(was->epoch, b->rules->epoch);
	ruleset_unref(was);
	give_rules(b, j);
}

/* Every worker goes by them: who is told so now meets no decision under older ones. */
static void
rules_taken(struct broker *b, struct job *j)
{
	b->has_rules = true;
	log_info("policy.in-force", "record=%" PRIu64 " policy=%s", b->rules->number,
	    log_hex(epoch_digest(b->rules->epoch), 32));
	end_reload(b, j);
}

void
broker_mail(struct broker *b)
{
	ASSERT_ON(ROLE_MAIN);
	struct mailbox_item *next, *item = mailbox_take(b->shell.main, MAIN_MAIL);
	for (; item != NULL; item = next) {
		next = item->next;
		struct letter *l = MAILBOX_ENTRY(item, struct letter, item);
		struct job *j = MAILBOX_ENTRY(l, struct job, letter);
		if (j->policy.given)
			rules_taken(b, j);
		else if (j->policy.rules == NULL)
			broker_reload(b, j);
		else
			rules_home(b, j);
	}
}

/* At the end nobody is left to tell. */
static void
drop_mail(struct broker *b)
{
	struct mailbox_item *next, *item = mailbox_take(b->shell.main, SIZE_MAX);
	for (; item != NULL; item = next) {
		next = item->next;
		struct letter *l = MAILBOX_ENTRY(item, struct letter, item);
		struct job *j = MAILBOX_ENTRY(l, struct job, letter);
		ruleset_unref(j->policy.rules);
		job_free(j);
	}
}

/* The first rules: as a reload, before anybody is let in. */
static bool
first_rules(struct broker *b, struct err *e)
{
	struct job *j = job_new(JOB_RULES, NULL, 65536);
	if (j == NULL)
		return err_set(e, ERR_NOMEM, "rules");
	if (!describe(j, b->rules, e)) {
		job_free(j);
		return false;
	}
	j->policy.rules = ruleset_ref(b->rules);
	j->policy.at_start = true;
	j->home = JOB_HOME_MAIN;
	b->reloading = true;
	if (!committer_take(&b->shell, &j)) {
		job_free(j);
		return err_set(e, ERR_BUSY, "committer");
	}
	while (b->reloading) {
		(void)mailbox_wait(b->shell.main, -1);
		broker_mail(b);
	}
	enum err_code why = b->rules_failed == ERR_NONE ? ERR_STORE : b->rules_failed;
	return b->has_rules || err_set(e, why, "the policy could not be recorded");
}

/* ---- running ---- */

static bool
listen_all(struct broker *b, struct err *e)
{
	struct listener_setup ls = { b->base, &b->limits, b->workers, b->worker_count };
	char path[4096];
	if (!listener_new(&ls, &b->listener, e))
		return false;
	for (size_t i = 0; i < b->config->listen.count; i++) {
		const struct config_listen *l = &b->config->listen.items[i];
		if (!listener_add(b->listener, l->address, l->port, e))
			return err_wrap(e, "listen %s", l->text);
	}
	(void)snprintf(path, sizeof(path), "%s/addresses", b->config->run_dir);
	return listener_start(b->listener, e) && listener_publish(b->listener, path, e);
}

bool
broker_run(struct broker *b, struct err *e)
{
	if (!committer_start(b->committer, e))
		return false;
	for (unsigned i = 0; i < b->worker_count; i++)
		if (!worker_start(b->workers[i], e))
			return false;
	if (!first_rules(b, e) || !listen_all(b, e))
		return false;
	log_info("broker.ready", "node=%s version=%s workers=%u", b->config->node, RELTO_VERSION,
	    b->worker_count);
	(void)event_base_dispatch(b->base);
	log_info("broker.stopping", "cause=%s", b->cause == NULL ? "end" : b->cause);
	listener_stop(b->listener);
	for (unsigned i = 0; i < b->worker_count; i++)
		worker_stop(b->workers[i]);
	for (unsigned i = 0; i < b->worker_count; i++)
		worker_wait(b->workers[i]);
	bool finished = committer_stop(b->committer, b->cause == NULL ? "end" : b->cause, e);
	for (unsigned i = 0; i < b->worker_count; i++)
		worker_join(b->workers[i]);
	drop_mail(b);
	return finished;
}

void
broker_close(struct broker *b)
{
	for (unsigned i = 0; b->workers != NULL && i < b->worker_count; i++)
		worker_free(b->workers[i]);
	listener_free(b->listener);
	committer_free(b->committer);
	if (b->ledger != NULL)
		ledger_done(b->ledger);
	free(b->ledger);
	store_free(b->shell.store);
	ruleset_unref(b->rules);
	mailbox_free(b->shell.committer);
	mailbox_free(b->shell.main);
	free((void *)(uintptr_t)b->shell.credit);
	free(b->workers);
	EVP_PKEY_free(b->log_key);
	if (b->base != NULL)
		event_base_free(b->base);
}
