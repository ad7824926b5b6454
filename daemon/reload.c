#include "daemon/reload.h"

#include "daemon/drain.h"
#include "daemon/expiry.h"
#include "daemon/log.h"
#include "daemon/mailbox.h"
#include "daemon/role.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAIN_MAIL = 64, TICK_MS = 250, SLOW_MS = 500 };

static void
send_rules(struct broker *b, enum letter_kind kind, struct ruleset *rules, struct job *j)
{
	for (unsigned i = 0; i < b->worker_count; i++) {
		struct rules_letter *l = calloc(1, sizeof(*l));
		if (l == NULL) {
			/* a worker that keeps the old rules could release what is forbidden now */
			shell_end(&b->shell);
			log_error("rules.no-memory", "why=%s action=stopping",
			    log_quote_text("a thread could not be given the new rules"));
			_exit(75);
		}
		l->letter.kind = kind;
		l->rules = rules == NULL ? NULL : ruleset_ref(rules);
		l->job = j;
		worker_mail(b->workers[i], kind, &l->letter);
	}
}

static void
give_rules(struct broker *b, struct job *j)
{
	j->policy.given = true;
	atomic_init(&j->policy.untold, b->worker_count);
	send_rules(b, LETTER_RULES, b->rules, j);
}

/* ---- rules that wait to be recorded (S9) ---- */

/* The record takes long: its signer is away, say.  Whoever the new rules shut out is shut out
 * within a second all the same; what they allow waits. */
void
broker_reload_is_slow(struct broker *b)
{
	ASSERT_ON(ROLE_MAIN);
	if (b->coming == NULL || b->expected)
		return;
	b->expected = true;
	log_warn("rules.coming", "action=%s",
	    log_quote_text(
		"sessions that the new rules forbid end now; the rest follows with their record"));
	send_rules(b, LETTER_COMING, b->coming, NULL);
}

static void
expect_rules(struct broker *b, struct ruleset *next)
{
	const struct timeval slow = { 0, SLOW_MS * 1000 };
	b->coming = ruleset_ref(next);
	if (event_add(b->slow_event, &slow) != 0)
		broker_reload_is_slow(b);
}

/* They are recorded, and on_rules takes them back; or they came to nothing. */
static void
expect_no_rules(struct broker *b, bool recorded)
{
	if (b->coming == NULL)
		return; /* the first rules: nobody is in yet */
	(void)event_del(b->slow_event);
	ruleset_unref(MOVE(b->coming));
	if (b->expected && !recorded)
		send_rules(b, LETTER_COMING, NULL, NULL);
	b->expected = false;
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

/* The file of settings as a reload takes it over; whoever changed what it does not is told what
 * waits. */
static bool
load_settings(const struct broker *b, struct config **out, struct err *e)
{
	char *report = NULL, names[1024];
	bool ok = config_load(b->config->path, out, &report, e);
	if (report != NULL)
		(void)fputs(report, stderr);
	free(report);
	if (!ok)
		return false;
	if (config_needs_restart(b->config, *out, names, sizeof(names)))
		log_warn("config.waits", "settings=%s action=%s", log_quote_text(names),
		    log_quote_text("they take a restart"));
	config_take_over(b->config, *out);
	return true;
}

/* Files become rules and settings, or nothing does. */
static bool
load_all(struct broker *b, struct job *j, struct ruleset **next, struct err *e)
{
	SCOPED(config_free) struct config *settings = NULL;
	if (!load_settings(b, &settings, e))
		return false;
	const struct load from = { .config = settings, .reload = true, .previous = b->rules };
	if (!load_rules(&from, stderr, next, e))
		return false;
	ruleset_settle(*next, settings, &settings);
	return describe(j, *next, e);
}

/* Where the service manager waits for a word: it goes on, as it was or with the new policy. */
static void
say_reloaded(struct broker *b)
{
	b->reload_failed = false;
	if (b->ready)
		(void)service_tell(&b->service, "READY=1\nSTATUS=serving");
}

static void
say_not_reloaded(struct broker *b, const struct err *e)
{
	log_error("reload.failed", "code=%s why=%s action=%s", err_token(e->code),
	    log_quote_text(e->text), log_quote_text("the old policy and settings stay"));
	b->reload_failed = true;
	if (b->ready)
		(void)service_tell(&b->service, "READY=1\nSTATUS=serving; the last reload failed");
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
	(void)service_tell_reload(&b->service);
	if (j == NULL)
		j = job_new(JOB_RULES, NULL, 65536);
	if (j == NULL)
		(void)err_set(&e, ERR_NOMEM, "reload");
	else if (load_all(b, j, &next, &e)) {
		j->policy.rules = next;
		j->home = JOB_HOME_MAIN;
		b->reloading = true;
		expect_rules(b, next);
		if (committer_take(&b->shell, &j))
			return;
		expect_no_rules(b, false);
		b->reloading = false;
		j->policy.rules = NULL;
		(void)err_set(&e, ERR_BUSY, "the committer is busy");
	}
	ruleset_unref(next);
	say_not_reloaded(b, &e);
	if (j == NULL)
		return;
	j->fate = JOB_FAILED;
	j->err = e;
	answer(b, j);
}

/* Each signature that is missing; of files that are good the log says why they were not taken. */
static void
tell_unsigned(const struct agreement *g)
{
	const char *action = "nothing goes under it until each party has signed these terms";
	bool told = false;
	for (size_t i = 0; i < g->signers.count; i++) {
		const struct signature *s = &g->signatures[i];
		if (s->why == NULL)
			continue;
		log_error("policy.agreement-unsigned",
		    "name=%s version=%" PRIu64 " party=%s why=%s action=%s", log_quote(g->name),
		    g->version, log_quote(s->party), log_quote_text(s->why),
		    log_quote_text(action));
		told = true;
	}
	if (!told)
		log_error("policy.agreement-unsigned",
		    "name=%s version=%" PRIu64 " why=%s action=%s", log_quote(g->name), g->version,
		    log_quote_text("a signer's certificate is not valid at the time of the record"),
		    log_quote_text(action));
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
		else if (g->unsigned_ && g->has_terms)
			tell_unsigned(g);
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

/* Without witnesses the quorum of nobody never signs: fail closed, and say so. */
static void
tell_unwitnessed(const struct broker *b)
{
	const struct epoch *now = b->rules->epoch;
	for (size_t i = 0; b->shell.cosigner == NULL && i < epoch_agreement_count(now); i++) {
		const struct agreement *g = epoch_agreement_at(now, i);
		if (g->require_cosign)
			log_error("policy.agreement-unwitnessed",
			    "name=%s version=%" PRIu64 " action=%s", log_quote(g->name), g->version,
			    log_quote_text("it has require-cosign, and log { quorum } names no "
					   "witnesses: nothing is delivered under it"));
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

/* Main's own part of the settings; the workers' goes with the rules. */
static void
take_settings(struct broker *b, const struct config *was)
{
	const struct config *now = b->rules->settings;
	char names[1024];
	b->limits = b->rules->limits;
	log_setup(now->messages_level, now->messages_format, STDERR_FILENO);
	if (config_changes(was, now, names, sizeof(names)))
		log_info("config.taken", "settings=%s", log_quote_text(names));
}

/* The POLICY record is durable, or there is none. */
static void
rules_home(struct broker *b, struct job *j)
{
	SCOPED(ruleset_unref) struct ruleset *next = MOVE(j->policy.rules);
	expect_no_rules(b, j->fate == JOB_DONE);
	if (j->fate != JOB_DONE) {
		say_not_reloaded(b, &j->err);
		b->rules_failed = j->err.code;
		end_reload(b, j);
		return;
	}
	struct ruleset *was = b->rules;
	b->rules = MOVE(next);
	tell_changes(was->epoch, b->rules->epoch);
	tell_unwitnessed(b);
	if (was != b->rules)
		take_settings(b, was->settings);
	ruleset_unref(was);
	give_rules(b, j);
}

/* Every worker goes by them: who is told so now meets no decision under older ones. */
static void
rules_taken(struct broker *b, struct job *j)
{
	b->has_rules = true;
	say_reloaded(b);
	log_info("policy.in-force", "record=%" PRIu64 " policy=%s", b->rules->number,
	    log_hex(epoch_digest(b->rules->epoch), 32));
	expiry_begin(b->expiry);
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
		if (j->kind == JOB_DRAIN) {
			job_free(j);
			drain_begin(b);
		} else if (j->policy.given)
			rules_taken(b, j);
		else if (j->policy.rules == NULL)
			broker_reload(b, j);
		else
			rules_home(b, j);
	}
}

/* At the end nobody is left to tell. */
void
broker_drop_mail(struct broker *b)
{
	ASSERT_ON(ROLE_MAIN);
	struct mailbox_item *next, *item = mailbox_take(b->shell.main, SIZE_MAX);
	for (; item != NULL; item = next) {
		next = item->next;
		struct letter *l = MAILBOX_ENTRY(item, struct letter, item);
		struct job *j = MAILBOX_ENTRY(l, struct job, letter);
		if (j->kind != JOB_DRAIN)
			ruleset_unref(j->policy.rules);
		job_free(j);
	}
	ruleset_unref(MOVE(b->coming));
}

/* The first rules: as a reload, before anybody is let in. */
bool
broker_first_rules(struct broker *b, struct err *e)
{
	ASSERT_ON(ROLE_MAIN);
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
		if (!mailbox_wait(b->shell.main, TICK_MS) && atomic_load(&b->shell.signer_away))
			return err_set(e, ERR_SIGNER, "the log's signer does not answer");
		broker_mail(b);
	}
	enum err_code why = b->rules_failed == ERR_NONE ? ERR_STORE : b->rules_failed;
	return b->has_rules || err_set(e, why, "the policy could not be recorded");
}
