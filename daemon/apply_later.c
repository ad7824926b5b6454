/* apply_later.c - what comes after the first decision: narrowing, holds, expiry, and what time
 * brings. */
#include "daemon/batch.h"
#include "daemon/config.h"
#include "daemon/log.h"
#include "daemon/role.h"
#include "daemon/ruleset.h"
#include "proto/envelope.h"

#include <assert.h>

enum {
	SWEEP_US = 1000000,	      /* how often queues and holds are looked over */
	RETENTION_REST_US = 60000000, /* after everything was looked at */
	STORE_TICK_US = 60000000,
	DUE_HOLDS = 256,      /* told of in one sweep.. */
	DUE_BYTES = 32 << 20, /* ..and no more once so much was read */
	DUE_PAGE = 32,
	SWEEP_ENTRIES = 4096,
	SWEEP_PAGE = 64
};

/* ---- AGAIN ---- */

struct requeue {
	bool keep; /* false: the entries go */
	uint64_t good_until_us;
	uint64_t epoch;
};

/* Changes or drops the entry of one subscription; *was false: it has none any more. */
static bool
requeue_one(struct committer *c, const struct store_queue_key *key, const struct requeue *how,
    bool *was, struct err *e)
{
	struct store *s = c->ledger->store;
	struct store_queued entry;
	if (!store_find_queued(store_batch_view(s), key, &entry, was, e) || !*was)
		return e->code == ERR_NONE;
	if (!how->keep)
		return store_dequeue(s, key, NULL, e);
	entry.good_until_us = how->good_until_us;
	entry.epoch = how->epoch;
	return store_enqueue(s, &entry, e);
}

/* What waits of this report for this party, in all its subscriptions; those that had it go into
 * 'owed', 4 bytes each. */
static bool
requeue(struct committer *c, const struct job_again *a, const struct requeue *how,
    struct bytes *owed, struct err *e)
{
	struct roll_party *p = roll_find(&c->ledger->roll, a->given.party);
	uint8_t *ids = arena_alloc(&c->ledger->scratch, p == NULL ? 4 : 4 * p->sub_count + 4);
	if (ids == NULL)
		return err_set(e, ERR_NOMEM, "subscriptions");
	*owed = bytes_from(ids, 0);
	for (size_t i = 0; p != NULL && i < p->sub_count; i++) {
		struct store_queue_key key = { .subscription = p->subs[i].id,
			.precedence = a->precedence,
			.decision = a->queued.decision };
		bool was = false;
		if (p->subs[i].mode != a->mode ||
		    !topic_matches(bytes_of(p->subs[i].pattern), a->topic))
			continue;
		if (!requeue_one(c, &key, how, &was, e))
			return false;
		if (was)
			put_u32(ids + owed->len, p->subs[i].id);
		owed->len += was ? 4 : 0;
	}
	return true;
}

/* Out of its hold into the queues: it becomes deliverable by this record. */
static bool
queue_anew(struct committer *c, struct job *j, const struct store_report *r, struct bytes owed,
    struct err *e)
{
	struct job_again *a = &j->again;
	struct roll_party *p = roll_find(&c->ledger->roll, a->given.party);
	struct apply_queue q = { .mode = a->mode,
		.topic = a->topic,
		.owed = owed,
		.entry = { .key = { .precedence = a->precedence, .decision = a->index },
		    .not_before_ms = a->not_before_ms,
		    .epoch = j->rules,
		    .good_until_us = a->good_until_us == UINT64_MAX ? 0 : a->good_until_us,
		    .expires_us = r->expires_us,
		    .intake = r->intake,
		    .report = r->key,
		    .bytes = r->body_bytes } };
	size_t count;
	return p == NULL || apply_enqueue(c, p, &q, &count, e);
}

/* Held (again): the subscriptions that it is taken from are remembered until it goes on. */
static bool
hold_back(struct committer *c, const struct job_again *a, struct bytes owed, struct err *e)
{
	struct store_held h = { .deadline_us = a->hold_deadline_us,
		.decision = a->index,
		.intake = a->given.intake,
		.party = a->given.party,
		.report = a->given.report };
	struct store *s = c->ledger->store;
	return (owed.data == NULL || store_put_part(s, a->index, JOB_PART_OWED, owed, e)) &&
	       apply_hold_put(c, &h, a->waits, e);
}

/* What a newer report takes the place of goes once the newer one does. */
static bool
supersede(struct committer *c, const struct job_again *a, struct err *e)
{
	struct named n;
	struct roll_party *p = roll_find(&c->ledger->roll, a->given.party);
	if (!named_find(store_batch_view(c->ledger->store), a->given.intake, &n, e))
		return false;
	return n.act != ENVELOPE_SUPERSEDE || p == NULL ||
	       apply_superseded(c, &a->given.report, a->given.intake, p, e);
}

static bool
move(struct committer *c, struct job *j, const struct store_report *r, struct err *e)
{
	struct job_again *a = &j->again;
	struct store *s = c->ledger->store;
	bool goes = a->outcome == OUTCOME_RELEASE || a->outcome == OUTCOME_REDACT;
	bool was_held = a->queued.decision == STORE_NONE;
	struct requeue how = { .keep = goes,
		.good_until_us = a->good_until_us == UINT64_MAX ? 0 : a->good_until_us,
		.epoch = j->rules };
	struct bytes owed = { NULL, 0 };
	bool found = false;
	if (!was_held && !requeue(c, a, &how, &owed, e))
		return false;
	/* a report that was held from the start is owed to all, and has no such part */
	if (was_held && (!apply_hold_drop(c, a->held_deadline_us, a->given.decision, e) ||
			    !store_read_part(store_batch_view(s), a->given.decision, JOB_PART_OWED,
				&owed, &found, e)))
		return false;
	if (was_held && !found)
		owed = (struct bytes){ NULL, 0 };
	if (was_held && !apply_still_owed(c, a->given.decision, &owed, e))
		return false;
	if (a->outcome == OUTCOME_WITHHOLD &&
	    !apply_dead_forget(c, a->given.party, &a->given.report, e))
		return false;
	if (was_held && goes)
		return supersede(c, a, e) && queue_anew(c, j, r, owed, e);
	return a->outcome != OUTCOME_HOLD || hold_back(c, a, owed, e);
}

/* Whether the job was made from what is true now. */
static bool
is_current(struct committer *c, struct job *j, struct store_report *r, bool *current, struct err *e)
{
	struct job_again *a = &j->again;
	const struct ruleset *rules = c->next != NULL ? c->next : c->rules;
	struct store_view *v = store_batch_view(c->ledger->store);
	struct store_given now;
	bool given = false, report = false;
	*current = false;
	if (!store_find_given(v, a->given.party, &a->given.report, &now, &given, e) ||
	    !store_find_report(v, &a->given.report, r, &report, e))
		return false;
	uint64_t at = c->ledger->now_us;
	uint64_t recorded = at > c->ledger->log.time ? at : c->ledger->log.time;
	bool gone = false;
	if (!withdrawn_is(v, a->given.party, &a->given.report, &gone, e))
		return false;
	*current = given && report && !gone && now.decision == a->given.decision &&
		   now.delivery == a->given.delivery && rules->number == j->rules &&
		   a->decided_us <= recorded && at < a->good_until_us &&
		   (a->approver == 0 || recorded < a->before_us);
	return true;
}

/* What the recipient had before stays known: whoever asks is told that it was delivered. */
static bool
delivered_before(struct committer *c, const struct job_again *a, struct bytes *out, struct err *e)
{
	bool found = false;
	struct bytes part = { NULL, 0 };
	*out = part;
	if (a->given.delivery == STORE_NONE) {
		if (!store_read_part(store_batch_view(c->ledger->store), a->given.decision,
			JOB_PART_DELIVERED, &part, &found, e))
			return false;
		if (found)
			*out = part;
		return true;
	}
	uint8_t *index = arena_alloc(&c->ledger->scratch, 8);
	if (index == NULL)
		return err_set(e, ERR_NOMEM, "delivery");
	put_u64(index, a->given.delivery);
	*out = bytes_from(index, 8);
	return true;
}

/* Its entries stay where they are: an ack finds them. */
static bool
put_queued(struct committer *c, const struct job_again *a, struct err *e)
{
	uint8_t key[8];
	put_u64(key, a->queued.decision);
	return store_put_part(
	    c->ledger->store, a->index, JOB_PART_QUEUED, bytes_from(key, sizeof(key)), e);
}

/* Slot 8: the approver's tree, unless it is the publisher's too; else that of the recipient, if it
 * had something. */
static struct roll_party *
whose_place(struct committer *c, const struct job_again *a)
{
	if (a->approver != 0)
		return a->approver == a->publisher ? NULL
						   : roll_find(&c->ledger->roll, a->approver);
	return a->given.delivery == STORE_NONE ? NULL : roll_find(&c->ledger->roll, a->given.party);
}

bool
apply_again(struct committer *c, struct job *j, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct job_again *a = &j->again;
	struct store_report report;
	bool current = false;
	if (!is_current(c, j, &report, &current, e))
		return false;
	if (!current) {
		j->fate = JOB_STALE;
		return true;
	}
	/* people's answers are no work that the reserve is for (section 11) */
	if (a->approver != 0 && !apply_has_room(c, j))
		return true;
	struct ledger_place at = { .publisher = roll_find(&c->ledger->roll, a->publisher),
		.recipient = whose_place(c, a),
		.link = a->given.decision };
	if (a->approver != 0 && a->approver != a->publisher && at.recipient == NULL) {
		job_fail(j, ERR_INTERNAL, "an approver that is not on the roll");
		return true;
	}
	struct log_out out;
	struct store *s = c->ledger->store;
	struct bytes delivered;
	bool stays = a->queued.decision != STORE_NONE &&
		     (a->outcome == OUTCOME_RELEASE || a->outcome == OUTCOME_REDACT);
	if (!delivered_before(c, a, &delivered, e) ||
	    !ledger_append(c->ledger, &a->record, &at, &out, e))
		return false;
	a->index = out.index;
	struct store_given now = a->given;
	now.decision = out.index;
	now.delivery = STORE_NONE;
	now.epoch = j->rules;
	now.good_until_us = a->good_until_us == UINT64_MAX ? 0 : a->good_until_us;
	now.masks = a->masks;
	return store_put_part(s, out.index, STORE_PART_FACTS, a->facts, e) &&
	       (a->opened.len == 0 ||
		   store_put_part(s, out.index, JOB_PART_OPENED, a->opened, e)) &&
	       store_put_given(s, &now, e) && move(c, j, &report, e) &&
	       (delivered.len == 0 ||
		   store_put_part(s, out.index, JOB_PART_DELIVERED, delivered, e)) &&
	       (!stays || put_queued(c, a, e)) &&
	       (a->waits.len == 0 || store_put_part(s, out.index, JOB_PART_WAITS, a->waits, e));
}

/* ---- EXPIRE ---- */

static bool
put_expire(struct committer *c, const struct store_queued *q, struct roll_party *recipient,
    struct roll_party *publisher, const struct store_given *g, struct err *e)
{
	struct arena *a = &c->ledger->scratch;
	struct record r;
	struct body body;
	struct log_out out;
	struct apply_begin b = { .type = EVENT_EXPIRE, .report = q->report.id, .hub = true };
	struct slot_release release = { .recipient = bytes_of(recipient->name) };
	struct slot_publication publication = { .party = bytes_of(publisher->name),
		.index = SLOT_LATER };
	struct ledger_place at = { .publisher = publisher,
		.recipient = g->delivery == STORE_NONE ? NULL : recipient };
	event_body_begin(&body, EVENT_EXPIRE);
	event_body_uint(&body, BODY_EXPIRE_EXPIRY, q->expires_us);
	event_body_uint(&body, BODY_EXPIRE_DECISION, g->decision);
	return apply_record(c, &b, &r, e) && record_set_release(&r, a, &release, e) &&
	       record_set_publication(&r, a, &publication, e) && record_set_body(&r, a, &body, e) &&
	       ledger_append(c->ledger, &r, &at, &out, e);
}

/* One record a recipient, and all its subscriptions let go. */
static bool
expire(struct committer *c, uint32_t party, const struct store_queued *q, struct err *e)
{
	struct store_given g;
	bool found = false;
	struct store_view *v = store_batch_view(c->ledger->store);
	struct roll_party *recipient = roll_find(&c->ledger->roll, party);
	struct roll_party *publisher = roll_find(&c->ledger->roll, q->report.originator);
	if (!store_find_given(v, party, &q->report, &g, &found, e))
		return false;
	if (!found || recipient == NULL || publisher == NULL)
		return err_set(e, ERR_CORRUPT, "a queue entry without what was given");
	if (!put_expire(c, q, recipient, publisher, &g, e))
		return false;
	for (size_t i = 0; i < recipient->sub_count; i++) {
		struct store_queue_key key = q->key;
		key.subscription = recipient->subs[i].id;
		if (!store_dequeue(c->ledger->store, &key, NULL, e))
			return false;
	}
	return apply_dead_forget(c, party, &q->report, e);
}

static struct roll_party *
owner(struct roll *r, uint32_t subscription)
{
	struct roll_party *p, *tmp;
	HASH_ITER (hh, r->parties, p, tmp) {
		for (size_t i = 0; i < p->sub_count; i++)
			if (p->subs[i].id == subscription)
				return p;
	}
	return NULL;
}

/* Looks over some of the queues each time, so that expiry costs no index and no memory. */
static bool
sweep_queues(struct committer *c, struct err *e)
{
	struct store_queued page[SWEEP_PAGE];
	uint64_t now = c->ledger->now_us;
	for (size_t seen = 0; seen < SWEEP_ENTRIES; seen += SWEEP_PAGE) {
		size_t count = SWEEP_PAGE;
		if (!store_read_queues(store_batch_view(c->ledger->store),
			c->sweep_begun ? &c->sweep_at : NULL, page, &count, e))
			return false;
		c->sweep_begun = count > 0;
		if (count == 0)
			return true;
		c->sweep_at = page[count - 1].key;
		for (size_t i = 0; i < count; i++) {
			bool still = false;
			if (page[i].expires_us == 0 || page[i].expires_us > now)
				continue;
			struct roll_party *p = owner(&c->ledger->roll, page[i].key.subscription);
			if (p == NULL)
				return err_set(e, ERR_CORRUPT, "a queue of no subscription");
			if (!store_find_queued(store_batch_view(c->ledger->store), &page[i].key,
				&page[i], &still, e) ||
			    (still && !expire(c, p->id, &page[i], e)))
				return false;
		}
	}
	return true;
}

/* A dead letter whose report expired.  While the report is held the hold's end is its end. */
static bool
expire_letter(struct committer *c, const struct store_letter *l, struct err *e)
{
	struct store_given g;
	struct apply_standing is;
	bool found = false;
	if (!store_find_given(
		store_batch_view(c->ledger->store), l->key.party, &l->key.report, &g, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_CORRUPT, "a dead letter without what was given");
	if (!apply_standing(c, &g, &is, e)) {
		if (e->code != ERR_IO)
			return false;
		/* its decision is in the archive, and that not to be had: it stays a dead letter */
		log_error(
		    "expiry.failed", "code=%s why=%s", err_token(e->code), log_quote_text(e->text));
		return true;
	}
	struct store_queued q = { .key = { 0, l->precedence, is.decision },
		.expires_us = l->expires_us,
		.report = l->key.report };
	return !is.known || is.outcome == OUTCOME_HOLD || expire(c, l->key.party, &q, e);
}

static bool
sweep_letters(struct committer *c, struct err *e)
{
	struct store_letter page[SWEEP_PAGE];
	for (size_t seen = 0; seen < SWEEP_ENTRIES; seen += SWEEP_PAGE) {
		size_t count = SWEEP_PAGE;
		if (!store_read_letters(
			store_batch_view(c->ledger->store), &c->letters_at, page, &count, e))
			return false;
		for (size_t i = 0; i < count; i++) {
			bool again = i > 0 && page[i].key.party == page[i - 1].key.party &&
				     memcmp(&page[i].key.report, &page[i - 1].key.report,
					 sizeof(page[i].key.report)) == 0;
			c->letters_at = page[i].key;
			c->letters_at.subscription++;
			/* the first of a report takes the others along */
			if (again || page[i].expires_us == 0 ||
			    page[i].expires_us > c->ledger->now_us)
				continue;
			if (!expire_letter(c, &page[i], e))
				return false;
		}
		if (count < SWEEP_PAGE) {
			c->letters_at = (struct store_letter_key){ 0 };
			return true;
		}
	}
	return true;
}

/* A held report that expired ends here; true in *done. */
static bool
expire_held(struct committer *c, const struct store_held *h, bool *done, struct err *e)
{
	struct store *s = c->ledger->store;
	struct store_report report;
	struct store_given g;
	bool found = false, given = false;
	*done = false;
	if (!store_find_report(store_batch_view(s), &h->report, &report, &found, e) ||
	    !store_find_given(store_batch_view(s), h->party, &h->report, &g, &given, e))
		return false;
	if (!found || !given || report.expires_us == 0 || report.expires_us > c->ledger->now_us)
		return true;
	struct store_queued q = { .report = h->report, .expires_us = report.expires_us };
	struct roll_party *recipient = roll_find(&c->ledger->roll, h->party);
	struct roll_party *publisher = roll_find(&c->ledger->roll, h->report.originator);
	if (recipient == NULL || publisher == NULL)
		return err_set(e, ERR_CORRUPT, "a hold of nobody");
	*done = true;
	struct bytes nobody = { NULL, 0 };
	return put_expire(c, &q, recipient, publisher, &g, e) &&
	       apply_dead_forget(c, h->party, &h->report, e) &&
	       apply_still_owed(c, h->decision, &nobody, e) &&
	       apply_hold_drop(c, h->deadline_us, h->decision, e);
}

/* One hold whose deadline has come is judged again by the worker of its recipient. */
static bool
tell_hold(struct committer *c, const struct store_held *h, struct err *e)
{
	bool expired = false;
	if (!expire_held(c, h, &expired, e))
		return false;
	struct roll_party *p = expired ? NULL : roll_find(&c->ledger->roll, h->party);
	struct notice *n = p == NULL ? NULL : batch_notice(c, p->worker);
	if (n != NULL && n->hold_count < sizeof(n->holds) / sizeof(n->holds[0]))
		n->holds[n->hold_count++] = (struct notice_hold){ h->deadline_us, h->decision };
	return true;
}

/* Some of those that are due each time, so that one that cannot be judged keeps up no other. */
static bool
tell_holds(struct committer *c, struct err *e)
{
	struct store_held due[DUE_PAGE];
	for (size_t seen = 0; seen < DUE_HOLDS; seen += DUE_PAGE) {
		size_t count = DUE_PAGE;
		if (!store_read_holds(store_batch_view(c->ledger->store),
			c->due_begun ? &c->due_at : NULL, due, &count, e))
			return false;
		for (size_t i = 0; i < count; i++) {
			c->due_begun = due[i].deadline_us <= c->ledger->now_us;
			if (!c->due_begun)
				return true;
			/* what ends may be large: the next sweep goes on here */
			if (c->ledger->scratch.used > DUE_BYTES)
				return true;
			c->due_at = due[i];
			if (!tell_hold(c, &due[i], e))
				return false;
		}
		if (count < DUE_PAGE) {
			c->due_begun = false;
			return true;
		}
	}
	return true;
}

/* ---- PARTY_HEAD, PAD ---- */

static bool
put_party_head(struct committer *c, struct roll_party *p, struct err *e)
{
	struct body b;
	struct log_out out;
	uint8_t root[32];
	if (!merkle_root(&c->ledger->sha, &p->tree, root, e))
		return false;
	event_body_begin(&b, EVENT_PARTY_HEAD);
	event_body_bytes(&b, BODY_PARTY_HEAD_PARTY, bytes_of(p->name));
	event_body_uint(&b, BODY_PARTY_HEAD_SIZE, p->tree.leaf_count);
	event_body_bytes(&b, BODY_PARTY_HEAD_ROOT, bytes_from(root, sizeof(root)));
	if (p->head_index != STORE_NONE)
		event_body_uint(&b, BODY_PARTY_HEAD_PREVIOUS, p->head_index);
	roll_touch(&c->ledger->roll, p);
	if (!apply_own_record(c, &b, NULL, &out, e))
		return false;
	p->head_index = out.index;
	p->head_size = p->tree.leaf_count;
	return true;
}

/* Half of a batch, and only what the jobs of this one left of it. */
static bool
has_place(const struct committer *c, size_t heads)
{
	return heads < LIMIT_BATCH_RECORDS / 2 && c->ledger->appended < LIMIT_BATCH_RECORDS;
}

bool
apply_party_heads(struct committer *c, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct roll_party *p, *tmp;
	size_t heads = 0;
	HASH_ITER (hh, c->ledger->roll.parties, p, tmp) {
		if (p->head_round == c->party_heads_round)
			continue;
		if (p->tree.leaf_count != p->head_size) {
			if (!has_place(c, heads++))
				return true;
			if (!put_party_head(c, p, e))
				return false;
		}
		p->head_round = c->party_heads_round;
	}
	c->party_heads_due = false;
	return true;
}

/* Bodies and ids whose time has passed go, a step at a time (design 9). */
static bool
forget(struct committer *c, uint64_t now, struct err *e)
{
	const struct config *cfg = committer_settings(c);
	struct retention_rules rules = { .now_us = c->ledger->now_us,
		.keep_bodies_us = cfg->store_keep_bodies_ms * 1000,
		.keep_ids_us = cfg->store_keep_ids_ms * 1000 };
	struct retention_done done = { 0 };
	if (!retention_step(c->ledger->store, &rules, &c->retention, &done, e))
		return false;
	c->ledger->dirty |= done.bodies + done.reports + done.given > 0;
	c->next_retention_us = now + (done.round ? RETENTION_REST_US : SWEEP_US);
	return true;
}

/* So that the head signed after this batch, which is the next to be published, has a round size. */
static bool
pad(struct committer *c, struct err *e)
{
	struct body b;
	struct log_out out;
	uint64_t to = committer_settings(c)->log_pad;
	event_body_begin(&b, EVENT_PAD);
	while (to > 1 && c->ledger->log.tree.leaf_count % to != 0)
		if (!apply_own_record(c, &b, NULL, &out, e))
			return false;
	return true;
}

bool
apply_time(struct committer *c, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	if (!apply_clock_watch(c, e))
		return false;
	uint64_t now = wall_boot(&c->shell->wall);
	if (now >= c->next_tick_us) {
		c->next_tick_us = now + STORE_TICK_US;
		store_tick(c->ledger->store);
	}
	if (now >= c->next_retention_us && !wall_in_doubt(&c->shell->wall) && !forget(c, now, e))
		return false;
	if (now >= c->next_sweep_us) {
		c->next_sweep_us = now + SWEEP_US;
		apply_look_for_room(c);
		if (!wall_in_doubt(&c->shell->wall) &&
		    (!sweep_queues(c, e) || !sweep_letters(c, e) || !tell_holds(c, e)))
			return false;
	}
	if (now >= c->next_party_heads_us) {
		c->party_heads_due = c->next_party_heads_us != 0;
		c->party_heads_round++;
		c->next_party_heads_us = now + committer_settings(c)->log_party_heads_ms * 1000;
	}
	if (c->party_heads_due && !apply_party_heads(c, e))
		return false;
	bool grew = c->ledger->log.tree.leaf_count > c->published;
	bool due = now >= c->next_heads_us || c->publish_now;
	return !due || !grew || pad(c, e);
}
