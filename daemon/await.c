#include "daemon/await.h"

#include "daemon/log.h"
#include "daemon/mailbox.h"
#include "daemon/ruleset.h"

#include <stdlib.h>

enum { TICK_MS = 250, RING = NOTARY_ASKS + 1 };

/* ---- the ring ---- */

bool
await_init(struct committer *c, struct err *e)
{
	ASSERT_ON(ROLE_MAIN);
	size_t workers = c->shell->worker_count;
	c->notice_room = calloc(RING * workers, sizeof(struct notice *));
	if (c->notice_room == NULL)
		return err_set(e, ERR_NOMEM, "committer");
	for (size_t i = 0; i < RING; i++) {
		c->unsigned_[i] = (struct unsigned_batch){ .at_home = true };
		c->unsigned_[i].notices = c->notice_room + i * workers;
		c->unsigned_[i].jobs_end = &c->unsigned_[i].jobs;
	}
	return true;
}

void
await_done(struct committer *c)
{
	ASSERT_ON(ROLE_MAIN);
	free(c->notice_room);
}

/* The one that is being filled. */
static struct unsigned_batch *
open_batch(struct committer *c)
{
	return &c->unsigned_[(c->unsigned_first + c->unsigned_count) % RING];
}

bool
await_has_room(const struct committer *c)
{
	return c->unsigned_count < NOTARY_ASKS;
}

/* ---- notices ---- */

static struct notice *
notice_in(struct notice **n)
{
	if (*n == NULL) {
		*n = calloc(1, sizeof(**n));
		if (*n != NULL)
			(*n)->letter.kind = LETTER_NOTICE;
	}
	return *n;
}

struct notice *
batch_notice(struct committer *c, unsigned worker)
{
	ASSERT_ON(ROLE_COMMITTER);
	return notice_in(&open_batch(c)->notices[worker]);
}

void
batch_tell(struct committer *c, struct roll_party *p, struct roll_subscription *s)
{
	ASSERT_ON(ROLE_COMMITTER);
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

bool
batch_back(struct committer *c, struct roll_party *p, const struct store_queued *q, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct notice *n = batch_notice(c, p->worker);
	if (n != NULL && n->back_count == n->back_room) {
		size_t room = n->back_room == 0 ? 16 : 2 * n->back_room;
		struct notice_back *more = reallocarray(n->backs, room, sizeof(*more));
		if (more == NULL)
			return err_set(e, ERR_NOMEM, "what came back to a queue");
		n->backs = more;
		n->back_room = room;
	}
	if (n == NULL)
		return err_set(e, ERR_NOMEM, "what came back to a queue");
	n->backs[n->back_count++] = (struct notice_back){ q->key, q->report.originator };
	return true;
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
	ASSERT_ON(ROLE_COMMITTER);
	struct notice *n = v->delivery == STORE_NONE ? NULL : batch_notice(c, p->worker);
	if (n != NULL && reach(n))
		n->deliveries[n->delivery_count++] = *v;
}

static void
send_notices(struct committer *c, struct unsigned_batch *b)
{
	bool heads = b->heads || c->heads_untold;
	c->heads_untold = false;
	for (unsigned i = 0; i < c->shell->worker_count; i++) {
		struct notice *n = heads ? notice_in(&b->notices[i]) : b->notices[i];
		c->heads_untold |= heads && n == NULL; /* exports wait for it */
		if (n == NULL)
			continue;
		n->heads = heads;
		b->notices[i] = NULL;
		worker_mail(c->shell->workers[i], LETTER_NOTICE, &n->letter);
	}
}

static void
drop_notices(struct committer *c, struct unsigned_batch *b)
{
	for (unsigned i = 0; i < c->shell->worker_count; i++) {
		notice_free(b->notices[i]);
		b->notices[i] = NULL;
	}
}

/* ---- in ---- */

bool
await_ask(struct committer *c, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct notary_ask *ask = &open_batch(c)->ask;
	ask->tree = c->ledger->log.tree;
	if (!ledger_root(c->ledger, ask->root, e))
		return false;
	open_batch(c)->at_home = false;
	notary_ask_for(c->set.notary, ask);
	return true;
}

void
await_push(struct committer *c)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct unsigned_batch *b = open_batch(c);
	b->size = c->ledger->log.tree.leaf_count;
	b->heads = c->note_published;
	c->unsigned_count++;
}

void
await_job(struct committer *c, struct job *j)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct unsigned_batch *b =
	    &c->unsigned_[(c->unsigned_first + c->unsigned_count - 1) % RING];
	j->letter.item.next = NULL;
	*b->jobs_end = &j->letter.item;
	b->jobs_end = &j->letter.item.next;
}

void
await_drop(struct committer *c)
{
	ASSERT_ON(ROLE_COMMITTER);
	drop_notices(c, open_batch(c));
}

/* ---- out ---- */

static struct job *
next_job(struct unsigned_batch *b)
{
	struct mailbox_item *item = b->jobs;
	if (item == NULL)
		return NULL;
	b->jobs = item->next;
	if (b->jobs == NULL)
		b->jobs_end = &b->jobs;
	struct letter *l = MAILBOX_ENTRY(item, struct letter, item);
	return MAILBOX_ENTRY(l, struct job, letter);
}

static void
pop(struct committer *c)
{
	c->unsigned_first = (c->unsigned_first + 1) % RING;
	c->unsigned_count--;
}

void
await_settle(struct committer *c)
{
	ASSERT_ON(ROLE_COMMITTER);
	uint64_t size = atomic_load(&c->shell->signed_size);
	while (c->unsigned_count > 0) {
		struct unsigned_batch *b = &c->unsigned_[c->unsigned_first];
		if (b->size > size || !b->at_home)
			return;
		for (struct job *j; (j = next_job(b)) != NULL;)
			committer_return(c->shell, j);
		send_notices(c, b);
		pop(c);
	}
}

/* The newest signed head goes into the next batch; one of a round size, which may be published,
 * is not lost to one that is not. */
static void
keep_note(struct committer *c, const struct notary_ask *ask)
{
	uint64_t pad = committer_settings(c)->log_pad;
	if (pad > 1 && c->note != NULL && c->note_size > c->published && c->note_size % pad == 0 &&
	    ask->tree.leaf_count % pad != 0)
		return;
	uint8_t *copy = malloc(ask->note_len);
	if (copy == NULL)
		return; /* the next head says it too */
	memcpy(copy, ask->note, ask->note_len);
	free(c->note);
	c->note = copy;
	c->note_len = ask->note_len;
	c->note_size = ask->tree.leaf_count;
}

void
await_take(struct committer *c)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct mailbox_item *next, *item = NULL;
	if (c->set.signed_ != NULL)
		item = mailbox_take(c->set.signed_, SIZE_MAX);
	for (; item != NULL; item = next) {
		struct notary_ask *ask = MAILBOX_ENTRY(item, struct notary_ask, item);
		struct unsigned_batch *b = MAILBOX_ENTRY(ask, struct unsigned_batch, ask);
		next = item->next;
		b->at_home = true;
		if (ask->note_len == 0)
			continue;
		keep_note(c, ask);
		atomic_store(&c->shell->signed_size, ask->tree.leaf_count);
	}
	await_settle(c);
}

void
await_wait(struct committer *c, struct mailbox *work)
{
	ASSERT_ON(ROLE_COMMITTER);
	if (c->set.signed_ == NULL)
		(void)mailbox_wait(work, TICK_MS);
	else
		(void)mailbox_wait_either(work, c->set.signed_, TICK_MS);
}

bool
await_for(struct committer *c, size_t most, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	for (;;) {
		atomic_fetch_add(&c->shell->beats, 1);
		await_take(c);
		if (c->unsigned_count <= most)
			return true;
		if (atomic_load(&c->shell->signer_away))
			return err_set(e, ERR_SIGNER,
			    "the log's signer does not answer; what came last is not signed");
		(void)mailbox_wait(c->set.signed_, TICK_MS);
	}
}

static bool
rules_wait(const struct committer *c)
{
	for (struct mailbox_item *at = c->waiting; at != NULL; at = at->next) {
		struct letter *l = MAILBOX_ENTRY(at, struct letter, item);
		if (MAILBOX_ENTRY(l, struct job, letter)->kind == JOB_RULES)
			return true;
	}
	return c->stepping != NULL;
}

void
await_hold_back(struct committer *c)
{
	ASSERT_ON(ROLE_COMMITTER);
	bool full = !await_has_room(c), back = (full || c->held_back) && rules_wait(c);
	if (full && !c->behind && atomic_load(&c->shell->signer_away))
		log_warn("signer.behind", "batches=%zu action=%s", c->unsigned_count,
		    log_quote_text("nothing more is recorded until the signer is back"));
	c->behind = full && (c->behind || atomic_load(&c->shell->signer_away));
	if (back == c->held_back)
		return;
	c->held_back = back;
	if (back)
		log_warn("rules.wait", "action=%s",
		    log_quote_text("nothing leaves until new rules can be recorded"));
	/* committed meanwhile, or failed: those that are in force now */
	atomic_store(&c->shell->in_force, back || c->rules == NULL ? STORE_NONE : c->rules->number);
}

void
await_abandon(struct committer *c)
{
	ASSERT_ON(ROLE_COMMITTER);
	for (; c->unsigned_count > 0; pop(c)) {
		struct unsigned_batch *b = &c->unsigned_[c->unsigned_first];
		for (struct job *j; (j = next_job(b)) != NULL;) {
			job_fail(j, ERR_SIGNER, "the log's signer does not answer");
			committer_return(c->shell, j);
		}
		drop_notices(c, b);
	}
}
