#include "audit/checkpoint.h"
#include "daemon/await.h"
#include "daemon/batch.h"
#include "daemon/cosigner.h"
#include "daemon/log.h"
#include "daemon/mailbox.h"
#include "daemon/role.h"
#include "daemon/ruleset.h"
#include "proto/dry.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum { TICK_MS = 250, WAITING_MOST = 8192 };

bool
committer_new(const struct committer_setup *setup, struct committer **out, struct err *e)
{
	SCOPED(committer_free) struct committer *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return err_set(e, ERR_NOMEM, "committer");
	c->set = *setup;
	c->shell = setup->shell;
	c->ledger = setup->ledger;
	c->published = setup->published;
	c->acks = calloc(BATCH_ACKS, sizeof(*c->acks));
	if (c->acks == NULL)
		return err_set(e, ERR_NOMEM, "committer");
	if (!await_init(c, e))
		return false;
	if (setup->notary != NULL) {
		c->key = *c->shell->log_key;
		*out = MOVE(c);
		return true;
	}
	struct note_name name = { c->shell->origin, NOTE_ED25519 };
	dry_begin();
	if (!note_key_of(&c->ledger->sha, &name, setup->key, &c->key, e))
		return dry_ran() ? err_set(e, ERR_NOMEM, "log key") : err_wrap(e, "log key");
	*out = MOVE(c);
	return true;
}

void
committer_free(struct committer *c)
{
	ASSERT_ON(ROLE_MAIN);
	if (c == NULL)
		return;
	ruleset_unref(c->rules);
	free(c->acks);
	await_done(c);
	free(c->note);
	salt_done(&c->salts);
	free(c);
}

bool
committer_take(struct shell *s, struct job **j)
{
	if (atomic_load(&s->broken) || !mailbox_post(s->committer, &(*j)->letter.item))
		return false;
	*j = NULL;
	return true;
}

void
committer_return(struct shell *s, struct job *j)
{
	if (j->home == JOB_HOME_MAIN)
		mailbox_reply(s->main, &j->letter.item);
	else if (j->home == JOB_HOME_NOBODY)
		job_free(j);
	else
		worker_mail(s->workers[j->home], LETTER_JOB, &j->letter);
}

void
job_fail(struct job *j, enum err_code code, const char *why)
{
	j->fate = JOB_FAILED;
	(void)err_set(&j->err, code, "%s", why);
}

/* ---- heads ---- */

/* Signs the head of what is durable.  Two heads of one size are never signed: Ed25519 gives the
 * same bytes for the same text, and a size has one root. */
static bool
sign(struct committer *c, struct err *e)
{
	struct ledger *l = c->ledger;
	if (c->set.notary != NULL)
		return await_ask(c, e);
	struct checkpoint head = { .origin = c->shell->origin, .size = l->log.tree.leaf_count };
	struct note_signer signer = { .key = c->set.key, .as = &c->key };
	struct bytes note;
	if (!ledger_root(l, head.root, e) ||
	    !checkpoint_sign(&l->scratch, &signer, &head, &note, e))
		return false;
	uint8_t *copy = malloc(note.len);
	if (copy == NULL)
		return err_set(e, ERR_NOMEM, "checkpoint");
	memcpy(copy, note.data, note.len);
	free(c->note);
	c->note = copy;
	c->note_len = note.len;
	c->note_size = head.size;
	atomic_store(&c->shell->signed_size, head.size);
	return true;
}

/* The checkpoint of the batch before goes into this one. */
static bool
store_note(struct committer *c, struct err *e)
{
	if (c->note == NULL)
		return true;
	struct store_checkpoint cp = { .size = c->note_size,
		.published = c->note_publish,
		.note = bytes_from(c->note, c->note_len) };
	c->ledger->dirty |= c->note_publish;
	return store_put_checkpoint(c->ledger->store, &cp, e);
}

static void
note_stored(struct committer *c)
{
	c->note_published = c->note != NULL && c->note_publish;
	if (!c->note_published)
		return; /* it stays: it may be published though nothing more is recorded */
	c->published = c->note_size;
	c->note_publish = false;
	free(c->note);
	c->note = NULL;
}

/* Heads are given out on a grid, and only of round sizes if the log is padded, so that its growth
 * tells little (AUDIT 5).  One that is not round waits: apply_time pads the batch that follows. */
static void
plan_heads(struct committer *c)
{
	uint64_t now = wall_boot(&c->shell->wall);
	const struct config *set = committer_settings(c);
	bool round = set->log_pad <= 1 || c->note_size % set->log_pad == 0;
	bool asked = c->publish_now && c->note_size >= c->publish_from;
	if (c->note == NULL || c->note_size <= c->published || !round ||
	    (now < c->next_heads_us && !asked))
		return;
	c->publish_now &= !asked;
	uint64_t grid = set->log_heads_every_ms * 1000;
	c->next_heads_us = (now / grid + 1) * grid;
	c->note_publish = true;
}

/* ---- one batch ---- */

static void
stop_for_good(struct committer *c, const struct err *e)
{
	atomic_store(&c->shell->broken, true);
	shell_end(c->shell);
	log_error("store.broken", "code=%s why=%s action=%s", err_token(e->code),
	    log_quote_text(e->text), log_quote_text("stopping; the next start verifies the log"));
	/* nothing may be acknowledged or sent any more, and what is true only the disk knows (I3)
	 */
	_exit(74);
}

struct store_stamp
committer_stamp(struct committer *c)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct store_stamp s = { .time_us = c->ledger->log.time,
		.boot_us = wall_boot(&c->shell->wall) };
	if (s.time_us < c->ledger->now_us)
		s.time_us = c->ledger->now_us;
	memcpy(s.boot_id, c->set.boot_id, sizeof(s.boot_id));
	return s;
}

static bool
fill(struct committer *c, struct job **jobs, size_t count, struct err *e)
{
	plan_heads(c);
	if (!store_note(c, e))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!apply_job(c, jobs[i], e)) {
			job_fail(jobs[i], e->code, e->text);
			c->culprit = e->code == ERR_LIMIT || e->code == ERR_IO;
			return err_wrap(e, "job of kind %d", (int)jobs[i]->kind);
		}
	return apply_acks(c, e) && apply_time(c, e);
}

static bool
finish(struct committer *c, struct err *e)
{
	if (!c->ledger->dirty) {
		ledger_undo(c->ledger);
		await_push(c);
		return true;
	}
	struct store_stamp now = committer_stamp(c);
	bool grew = c->ledger->appended > 0;
	if (!ledger_commit(c->ledger, &now, e))
		return false;
	if (c->next != NULL)
		atomic_store(&c->shell->in_force, c->next->number);
	wall_committed(&c->shell->wall, now.time_us);
	note_stored(c);
	if (!grew || sign(c, e)) {
		await_push(c);
		return true;
	}
	/* durable but not signed: nobody may hear of it, so it is as bad as a failed flush */
	store_break(c->ledger->store);
	return false;
}

static void
answer(struct committer *c, struct job **jobs, size_t count, const struct err *failed)
{
	for (size_t i = 0; i < count; i++) {
		struct job *j = jobs[i];
		/* what was known or in conflict may have been so only with a report of this batch
		 */
		if (failed != NULL && j->fate != JOB_FAILED && j->fate != JOB_STALE) {
			j->fate = JOB_FAILED;
			j->err = *failed;
		} else if (j->fate == JOB_PENDING)
			j->fate = JOB_DONE;
		if (j->fate == JOB_UNFINISHED)
			c->stepping = j;
		else if (j->fate == JOB_FAILED || j->fate == JOB_STALE)
			committer_return(c->shell, j); /* nothing of it is to be signed */
		else
			await_job(c, j);
	}
}

/* Nothing is in doubt: memory or the disk ran out, or one job cannot be done, by itself: the others
 * may come again. */
static bool
is_benign(const struct committer *c, struct err *e)
{
	if (store_is_broken(c->ledger->store))
		return false;
	if (!c->culprit)
		return e->code == ERR_FULL || e->code == ERR_NOMEM;
	e->code = ERR_BUSY;
	return true;
}

static void
run(struct committer *c, struct job **jobs, size_t count)
{
	struct err e = { 0 };
	c->number++;
	c->next = NULL;
	c->ack_count = 0;
	c->room_checked = false;
	c->note_published = c->culprit = c->cosigned = false;
	c->doubt_in_batch = c->accepted_in_batch = false;
	c->archive.in_batch = 0;
	bool ok = ledger_begin(c->ledger, wall_best(&c->shell->wall), &e) &&
		  fill(c, jobs, count, &e) && finish(c, &e);
	if (!ok) {
		ledger_undo(c->ledger);
		if (!is_benign(c, &e))
			stop_for_good(c, &e);
		log_error("batch.failed", "jobs=%zu code=%s why=%s", count, err_token(e.code),
		    log_quote_text(e.text));
		if (c->note_publish) /* it waits no longer than what time brings */
			c->next_heads_us = c->next_sweep_us;
		c->note_publish = false;
		await_drop(c);
		if (c->publish_from > c->ledger->log.tree.leaf_count)
			c->publish_from = c->ledger->log.tree.leaf_count;
	}
	if (ok && c->accepted_in_batch) {
		(void)wall_accept(&c->shell->wall);
		c->doubt_told = false; /* a jump from here on is another one */
	}
	if (ok && c->doubt_in_batch) {
		c->doubt_told = true;
		log_error("clock.doubt", "action=%s",
		    log_quote_text("intake and delivery wait for `relto admin clock accept`"));
	}
	if (ok) {
		c->step_untold = c->sync_untold = false;
		if (c->archive.in_batch != 0)
			c->archive.at = c->archive.in_batch;
		apply_take_rules(c);
	}
	batch_withdrew(c);
	answer(c, jobs, count, ok ? NULL : &e);
	await_settle(c);
	if (ok && (c->note_published || c->cosigned))
		cosigner_wake(c->shell->cosigner);
}

/* ---- the thread ---- */

/* Appends what the mailbox has to what waits already. */
static void
gather(struct committer *c)
{
	struct mailbox_item *chain = mailbox_take(c->shell->committer, LIMIT_BATCH_RECORDS);
	if (chain == NULL)
		return;
	if (c->waiting == NULL)
		c->waiting = chain;
	else
		c->waiting_last->next = chain;
	while (chain->next != NULL)
		chain = chain->next;
	c->waiting_last = chain;
}

static bool
stands_alone(const struct job *j)
{
	return j->kind == JOB_RULES || j->kind == JOB_ERASE || j->kind == JOB_BACKUP ||
	       j->kind == JOB_ARCHIVE;
}

/* The oldest jobs that make a batch: at most LIMIT_BATCH_RECORDS or _BYTES, one always.  New rules
 * are alone in theirs, and so is what operators do: what is wrong with it is nobody else's. */
static size_t
pick(struct committer *c, struct job **jobs, size_t room)
{
	size_t count = 0, records = 0, bytes = 0;
	size_t most = c->party_heads_due ? LIMIT_BATCH_RECORDS / 2 : LIMIT_BATCH_RECORDS;
	while (c->waiting != NULL && count < room) {
		struct letter *l = MAILBOX_ENTRY(c->waiting, struct letter, item);
		struct job *j = MAILBOX_ENTRY(l, struct job, letter);
		records += j->records;
		bytes += j->bytes;
		if (count > 0 && (records > most || bytes > LIMIT_BATCH_BYTES || stands_alone(j)))
			break;
		c->waiting = c->waiting->next;
		jobs[count++] = j;
		if (stands_alone(j))
			break;
	}
	return count;
}

static bool
time_has_come(const struct committer *c)
{
	uint64_t now = wall_boot(&c->shell->wall);
	bool publish = c->publish_now && c->note != NULL && c->note_size >= c->publish_from;
	return publish || c->party_heads_due || now >= c->next_sweep_us ||
	       now >= c->next_party_heads_us || now >= c->next_heads_us;
}

/* The first and the last words of a run: START, STOP. */
static bool
say(struct committer *c, const struct body *body, struct err *e)
{
	struct log_out out;
	bool ok = ledger_begin(c->ledger, wall_best(&c->shell->wall), e) && store_note(c, e) &&
		  apply_own_record(c, body, NULL, &out, e) && finish(c, e);
	if (!ok)
		ledger_undo(c->ledger);
	await_settle(c);
	return ok;
}

static bool
say_start(struct committer *c, struct err *e)
{
	struct body b;
	uint8_t root[32];
	char boot[33];
	for (size_t i = 0; i < 16; i++)
		(void)snprintf(boot + 2 * i, 3, "%02x", c->set.boot_id[i]);
	uint64_t size = c->ledger->log.tree.leaf_count;
	if (!ledger_root(c->ledger, root, e))
		return false;
	event_body_begin(&b, EVENT_START);
	event_body_bytes(&b, BODY_START_VERSION, bytes_of(c->set.version));
	event_body_bytes(&b, BODY_START_BOOT, bytes_of(boot));
	event_body_uint(&b, BODY_START_SIZE, size);
	event_body_bytes(&b, BODY_START_ROOT, bytes_from(root, sizeof(root)));
	event_body_enum(&b, BODY_START_LAST, size == 0 ? 1 : c->set.clean ? 2 : 3);
	return say(c, &b, e) || err_wrap(e, "START record");
}

/* What the parties have at a stop is covered by a head. */
static bool
last_party_heads(struct committer *c, struct err *e)
{
	bool ok = true;
	c->party_heads_round++;
	c->party_heads_due = true;
	while (ok && c->party_heads_due) {
		ok = await_for(c, NOTARY_ASKS - 1, e) &&
		     ledger_begin(c->ledger, wall_best(&c->shell->wall), e) && store_note(c, e) &&
		     apply_party_heads(c, e) && finish(c, e);
		await_settle(c);
	}
	if (!ok)
		ledger_undo(c->ledger);
	return ok;
}

/* STOP, and then a commit without records that keeps the checkpoint over it. */
static bool
say_stop(struct committer *c, struct err *e)
{
	struct body b;
	uint8_t root[32];
	if (!last_party_heads(c, e) || !await_for(c, NOTARY_ASKS - 1, e) ||
	    !ledger_root(c->ledger, root, e))
		return false;
	event_body_begin(&b, EVENT_STOP);
	event_body_bytes(&b, BODY_STOP_CAUSE, bytes_of(c->stop_cause));
	event_body_uint(&b, BODY_STOP_SIZE, c->ledger->log.tree.leaf_count);
	event_body_bytes(&b, BODY_STOP_ROOT, bytes_from(root, sizeof(root)));
	if (!say(c, &b, e) || !await_for(c, 0, e) ||
	    !ledger_begin(c->ledger, wall_best(&c->shell->wall), e))
		return false;
	bool ok = store_note(c, e);
	store_say_goodbye(c->ledger->store);
	c->ledger->dirty = true;
	ok = ok && finish(c, e);
	if (!ok)
		ledger_undo(c->ledger);
	await_settle(c);
	return ok;
}

/* The next step of new rules, between the batches of all others. */
static void
go_on(struct committer *c, bool stopping)
{
	struct job *j = c->stepping;
	if (j == NULL)
		return;
	c->stepping = NULL;
	j->fate = JOB_PENDING;
	if (!stopping) {
		run(c, &j, 1);
		return;
	}
	job_fail(j, ERR_BUSY, "the broker stops");
	committer_return(c->shell, j);
}

void
batch_run_one(struct committer *c, struct job *j)
{
	ASSERT_ON(ROLE_COMMITTER);
	run(c, &j, 1);
}

/* While nothing can be committed: what comes is looked at all the same, so much of it. */
static void
gather_more(struct committer *c)
{
	size_t count = 0;
	for (const struct mailbox_item *at = c->waiting; at != NULL; at = at->next)
		count++;
	if (count < WAITING_MOST)
		gather(c);
}

/* While the signer is away: new reports get their answer, and at a stop everything does; the rest
 * waits until there is room for a batch again. */
static void
turn_away(struct committer *c, bool all)
{
	struct mailbox_item **at = &c->waiting, *last = NULL;
	while (*at != NULL) {
		struct letter *l = MAILBOX_ENTRY(*at, struct letter, item);
		struct job *j = MAILBOX_ENTRY(l, struct job, letter);
		if (!all && j->kind != JOB_PUBLISH) {
			last = *at;
			at = &(*at)->next;
			continue;
		}
		*at = (*at)->next;
		job_fail(j, ERR_SIGNER, "the log's signer does not answer");
		committer_return(c->shell, j);
	}
	c->waiting_last = last;
}

/* No further batch before a signature.  False: there will be none, and the broker stops. */
static bool
wait_for_signer(struct committer *c, bool stopping)
{
	(void)mailbox_wait(c->set.signed_, TICK_MS);
	gather_more(c);
	await_hold_back(c);
	if (!atomic_load(&c->shell->signer_away))
		return true;
	turn_away(c, stopping);
	if (!stopping)
		return true;
	while (mailbox_wait(c->shell->committer, 0)) {
		gather(c);
		turn_away(c, true);
	}
	go_on(c, true);
	upkeep_give_up(c);
	return false;
}

static void
serve(struct committer *c)
{
	static _Thread_local struct job *jobs[LIMIT_BATCH_RECORDS];
	for (;;) {
		bool stopping = atomic_load(&c->stopping);
		atomic_fetch_add(&c->shell->beats, 1);
		await_take(c);
		await_hold_back(c);
		if (await_has_room(c))
			upkeep_next(c, false);
		if (await_has_room(c))
			go_on(c, stopping);
		if (!await_has_room(c)) {
			if (!wait_for_signer(c, stopping))
				return;
			continue;
		}
		if (c->waiting == NULL && c->stepping == NULL && !c->party_heads_due && !stopping)
			await_wait(c, c->shell->committer);
		if (c->waiting == NULL) /* what waits elsewhere is what slows the senders */
			gather(c);
		size_t count = pick(c, jobs, LIMIT_BATCH_RECORDS);
		if (count == 1 && jobs[0]->kind == JOB_BACKUP)
			upkeep_backup(c, jobs[0]);
		else if (count > 0 || (time_has_come(c) && !stopping))
			run(c, jobs, count);
		else if (stopping)
			break;
	}
	upkeep_next(c, true);
}

static void *
committer_run(void *arg)
{
	struct committer *c = arg;
	struct err e = { 0 };
	role_set(ROLE_COMMITTER);
	if (!say_start(c, &e))
		stop_for_good(c, &e);
	serve(c);
	if (!say_stop(c, &e)) {
		log_error("stop.unfinished", "why=%s", log_quote_text(e.text));
		c->unfinished = e;
	}
	await_abandon(c);
	return NULL;
}

bool
committer_start(struct committer *c, struct err *e)
{
	ASSERT_ON(ROLE_MAIN);
	if (pthread_create(&c->thread, NULL, committer_run, c) != 0)
		return err_set(e, ERR_NOMEM, "committer thread");
	c->running = true;
	return true;
}

bool
committer_stop(struct committer *c, const char *cause, struct err *e)
{
	ASSERT_ON(ROLE_MAIN);
	if (!c->running)
		return true;
	c->stop_cause = cause;
	mailbox_close(c->shell->committer);
	atomic_store(&c->stopping, true);
	(void)pthread_join(c->thread, NULL);
	c->running = false;
	if (c->unfinished.code == ERR_NONE)
		return true;
	return err_set(e, c->unfinished.code, "the stop is unfinished: %s", c->unfinished.text);
}
