#include "audit/checkpoint.h"
#include "daemon/batch.h"
#include "daemon/log.h"
#include "daemon/mailbox.h"
#include "daemon/role.h"
#include "daemon/ruleset.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum { TICK_MS = 250 };

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
	c->notices = calloc(c->shell->worker_count, sizeof(struct notice *));
	if (c->acks == NULL || c->notices == NULL)
		return err_set(e, ERR_NOMEM, "committer");
	struct note_name name = { c->shell->origin, NOTE_ED25519 };
	if (!note_key_of(&c->ledger->sha, &name, setup->key, &c->key, e))
		return err_wrap(e, "log key");
	*out = MOVE(c);
	return true;
}

void
committer_free(struct committer *c)
{
	if (c == NULL)
		return;
	ruleset_unref(c->rules);
	free(c->acks);
	free(c->notices);
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

/* ---- notices ---- */

struct notice *
batch_notice(struct committer *c, unsigned worker)
{
	struct notice **n = &c->notices[worker];
	if (*n == NULL) {
		*n = calloc(1, sizeof(**n));
		if (*n != NULL)
			(*n)->letter.kind = LETTER_NOTICE;
	}
	return *n;
}

void
batch_tell(struct committer *c, struct roll_party *p, struct roll_subscription *s)
{
	struct notice *n = batch_notice(c, p->worker);
	/* without memory the worker finds it at its next look: on_tick asks for itself */
	if (n == NULL || s->told == c->number)
		return;
	s->told = c->number;
	if (n->count == NOTICE_ROOM)
		n->all = true;
	else
		n->subscriptions[n->count++] = s->id;
}

/* Room for one more; false: the worker reads that record itself. */
static bool
reach(struct notice *n)
{
	if (n->delivery_count < n->delivery_room)
		return true;
	size_t room = n->delivery_room == 0 ? 64 : 2 * n->delivery_room;
	struct evidence *more = reallocarray(n->deliveries, room, sizeof(*more));
	if (more == NULL)
		return false;
	n->deliveries = more;
	n->delivery_room = room;
	return true;
}

void
batch_show(struct committer *c, struct roll_party *p, const struct evidence *v)
{
	struct notice *n = v->delivery == STORE_NONE ? NULL : batch_notice(c, p->worker);
	if (n != NULL && reach(n))
		n->deliveries[n->delivery_count++] = *v;
}

static void
send_notices(struct committer *c, bool heads)
{
	for (unsigned i = 0; i < c->shell->worker_count; i++) {
		struct notice *n = heads ? batch_notice(c, i) : c->notices[i];
		if (n == NULL)
			continue;
		n->heads = heads;
		c->notices[i] = NULL;
		worker_mail(c->shell->workers[i], LETTER_NOTICE, &n->letter);
	}
}

static void
drop_notices(struct committer *c)
{
	for (unsigned i = 0; i < c->shell->worker_count; i++) {
		notice_free(c->notices[i]);
		c->notices[i] = NULL;
	}
}

/* ---- heads ---- */

/* Signs the head of what is durable.  Two heads of one size are never signed: Ed25519 gives the
 * same bytes for the same text, and a size has one root. */
static bool
sign(struct committer *c, struct err *e)
{
	struct ledger *l = c->ledger;
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
	if (c->note == NULL)
		return;
	c->note_published = c->note_publish;
	if (c->note_publish)
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
	bool round = c->set.pad <= 1 || c->note_size % c->set.pad == 0;
	if (c->note == NULL || c->note_size <= c->published || !round ||
	    (now < c->next_heads_us && !c->publish_now))
		return;
	c->publish_now = false;
	uint64_t grid = (uint64_t)c->set.heads_ms * 1000;
	c->next_heads_us = (now / grid + 1) * grid;
	c->note_publish = true;
}

/* ---- one batch ---- */

static void
stop_for_good(struct committer *c, const struct err *e)
{
	atomic_store(&c->shell->broken, true);
	log_error("store.broken", "code=%s why=%s action=%s", err_token(e->code),
	    log_quote_text(e->text), log_quote_text("stopping; the next start verifies the log"));
	/* nothing may be acknowledged or sent any more, and what is true only the disk knows (I3)
	 */
	_exit(74);
}

static struct store_stamp
stamp(struct committer *c)
{
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
			c->culprit = e->code == ERR_LIMIT;
			return err_wrap(e, "job of kind %d", (int)jobs[i]->kind);
		}
	return apply_acks(c, e) && apply_time(c, e);
}

static bool
finish(struct committer *c, struct err *e)
{
	if (!c->ledger->dirty) {
		ledger_undo(c->ledger);
		return true;
	}
	struct store_stamp now = stamp(c);
	bool grew = c->ledger->appended > 0;
	if (!ledger_commit(c->ledger, &now, e))
		return false;
	if (c->next != NULL)
		atomic_store(&c->shell->in_force, c->next->number);
	wall_committed(&c->shell->wall, now.time_us);
	note_stored(c);
	if (!grew || sign(c, e))
		return true;
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
		else
			committer_return(c->shell, j);
	}
}

/* Nothing is in doubt: memory or the disk ran out, or one job is too large for the store, which it
 * alone is to blame for; the others may come again. */
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

/* The POLICY record is durable: from here on decisions of other rules are stale. */
static void
take_rules(struct committer *c)
{
	if (c->next == NULL)
		return;
	ruleset_unref(c->rules);
	c->rules = ruleset_ref(c->next);
	c->ledger->fence.epoch = c->rules->number;
	memcpy(c->ledger->fence.policy, epoch_digest(c->rules->epoch), STORE_HASH_BYTES);
}

static void
run(struct committer *c, struct job **jobs, size_t count)
{
	struct err e = { 0 };
	c->number++;
	c->next = NULL;
	c->ack_count = 0;
	c->room_checked = false;
	c->note_published = c->culprit = false;
	c->doubt_in_batch = c->accepted_in_batch = false;
	bool ok = ledger_begin(c->ledger, wall_best(&c->shell->wall), &e) &&
		  fill(c, jobs, count, &e) && finish(c, &e);
	if (!ok) {
		ledger_undo(c->ledger);
		if (!is_benign(c, &e))
			stop_for_good(c, &e);
		log_error("batch.failed", "jobs=%zu code=%s why=%s", count, err_token(e.code),
		    log_quote_text(e.text));
		c->note_publish = false;
		drop_notices(c);
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
	if (ok)
		take_rules(c);
	answer(c, jobs, count, ok ? NULL : &e);
	if (ok)
		send_notices(c, c->note_published);
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

/* The oldest jobs that make a batch: at most LIMIT_BATCH_RECORDS or _BYTES, one always.  New rules
 * are alone in theirs: what is wrong with them is nobody else's. */
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
		if (count > 0 &&
		    (records > most || bytes > LIMIT_BATCH_BYTES || j->kind == JOB_RULES))
			break;
		c->waiting = c->waiting->next;
		jobs[count++] = j;
		if (j->kind == JOB_RULES)
			break;
	}
	return count;
}

static bool
time_has_come(const struct committer *c)
{
	uint64_t now = wall_boot(&c->shell->wall);
	return c->publish_now || c->party_heads_due || now >= c->next_sweep_us ||
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
	while (ok && c->party_heads_due)
		ok = ledger_begin(c->ledger, wall_best(&c->shell->wall), e) && store_note(c, e) &&
		     apply_party_heads(c, e) && finish(c, e);
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
	if (!last_party_heads(c, e) || !ledger_root(c->ledger, root, e))
		return false;
	event_body_begin(&b, EVENT_STOP);
	event_body_bytes(&b, BODY_STOP_CAUSE, bytes_of(c->stop_cause));
	event_body_uint(&b, BODY_STOP_SIZE, c->ledger->log.tree.leaf_count);
	event_body_bytes(&b, BODY_STOP_ROOT, bytes_from(root, sizeof(root)));
	if (!say(c, &b, e) || !ledger_begin(c->ledger, wall_best(&c->shell->wall), e))
		return false;
	bool ok = store_note(c, e);
	store_say_goodbye(c->ledger->store);
	c->ledger->dirty = true;
	ok = ok && finish(c, e);
	if (!ok)
		ledger_undo(c->ledger);
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

static void
serve(struct committer *c)
{
	static _Thread_local struct job *jobs[LIMIT_BATCH_RECORDS];
	for (;;) {
		bool stopping = atomic_load(&c->stopping);
		go_on(c, stopping);
		if (c->waiting == NULL && c->stepping == NULL && !c->party_heads_due && !stopping)
			(void)mailbox_wait(c->shell->committer, TICK_MS);
		if (c->waiting == NULL) /* what waits elsewhere is what slows the senders */
			gather(c);
		size_t count = pick(c, jobs, LIMIT_BATCH_RECORDS);
		if (count > 0 || (time_has_come(c) && !stopping))
			run(c, jobs, count);
		else if (stopping)
			return;
	}
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
	return NULL;
}

bool
committer_start(struct committer *c, struct err *e)
{
	if (pthread_create(&c->thread, NULL, committer_run, c) != 0)
		return err_set(e, ERR_NOMEM, "committer thread");
	c->running = true;
	return true;
}

bool
committer_stop(struct committer *c, const char *cause, struct err *e)
{
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
