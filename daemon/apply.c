/* apply.c - what each job does to the open batch (HOUSE 2, step 7). */
#include "daemon/batch.h"
#include "daemon/log.h"
#include "daemon/restore_carry.h"
#include "daemon/role.h"
#include "daemon/ruleset.h"
#include "proto/envelope.h"

#include <assert.h>
#include <stdlib.h>

/* ---- records ---- */

bool
apply_record(struct committer *c, const struct apply_begin *b, struct record *r, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	uint8_t salts[RECORD_SALTS];
	if (!salt_take(&c->salts, salts, sizeof(salts), e))
		return false;
	struct arena *a = &c->ledger->scratch;
	struct slot_common common = { .type = b->type };
	if (b->report != NULL)
		common.report = bytes_from(b->report, STORE_ID_BYTES);
	struct slot_hub hub = { .node = c->shell->node,
		.connection = SLOT_ABSENT,
		.clock = bytes_of(wall_quality(&c->shell->wall)) };
	struct slot_person person = { 0 };
	if (b->by != NULL && b->by->conn != 0) {
		hub.connection = b->by->conn;
		hub.certificate = b->by->leaf;
		person.actor = b->by->actor;
		person.justification = b->by->because;
	}
	return record_begin(r, a, salts, e) && record_set_common(r, a, &common, e) &&
	       (!b->hub || record_set_hub(r, a, &hub, e)) &&
	       (person.actor.len == 0 || record_set_person(r, a, &person, e));
}

bool
apply_own_record(struct committer *c, const struct body *body, const struct job_by *by,
    struct log_out *out, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct record r;
	struct apply_begin b = { .type = body->type, .hub = true, .by = by };
	struct ledger_place nowhere = { 0 };
	return apply_record(c, &b, &r, e) &&
	       (event_body_size(body) == 0 || record_set_body(&r, &c->ledger->scratch, body, e)) &&
	       ledger_append(c->ledger, &r, &nowhere, out, e);
}

static bool
unknown_party(uint32_t id, struct err *e)
{
	return err_set(e, ERR_INTERNAL, "party %u is not on the roll", id);
}

/* ---- queues ---- */

static bool
matches(const struct roll_subscription *s, uint8_t mode, struct bytes topic)
{
	return s->mode == mode && !s->gone && topic_matches(bytes_of(s->pattern), topic);
}

/* What a subscription acknowledged is never queued in it again (S6). */
static bool
is_owed(const struct apply_queue *q, uint32_t subscription)
{
	struct cursor c = cursor_over(q->owed);
	if (q->owed.data == NULL)
		return true;
	while (c.left > 0)
		if (cursor_u32(&c) == subscription)
			return true;
	return false;
}

bool
apply_enqueue(
    struct committer *c, struct roll_party *p, struct apply_queue *q, size_t *count, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct apply_dead dead = { .party = p,
		.entry = &q->entry,
		.mode = q->mode,
		.why = STORE_DEAD_MAILBOX_FULL,
		.record = STORE_NONE };
	*count = 0;
	for (size_t i = 0; i < p->sub_count; i++) {
		struct roll_subscription *s = &p->subs[i];
		if (!matches(s, q->mode, q->topic) || !is_owed(q, s->id))
			continue;
		q->entry.key.subscription = s->id;
		if (!q->recall && !apply_mailbox_takes(c, p->id, q->entry.bytes)) {
			if (!apply_dead_letter(c, &dead, e))
				return false;
			continue;
		}
		if (!store_enqueue(c->ledger->store, &q->entry, e))
			return false;
		batch_tell(c, p, s);
		*count += 1;
	}
	if (*count > 0 || dead.record != STORE_NONE || q->owed.data != NULL)
		return true;
	q->entry.key.subscription = 0;
	dead.why = STORE_DEAD_NO_SUBSCRIPTION;
	return apply_dead_letter(c, &dead, e);
}

/* ---- PUBLISH ---- */

bool
apply_still_holds(const struct committer *c, uint64_t rules, uint64_t decided, uint64_t good_until)
{
	ASSERT_ON(ROLE_COMMITTER);
	const struct ruleset *now = c->next != NULL ? c->next : c->rules;
	uint64_t at =
	    c->ledger->now_us > c->ledger->log.time ? c->ledger->now_us : c->ledger->log.time;
	return now != NULL && now->number == rules && decided <= at && at < good_until;
}

void
apply_look_for_room(struct committer *c)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct err full = { 0 };
	if (c->room_checked)
		return;
	c->room = store_headroom(c->ledger->store, LIMIT_MESSAGE_BYTES * 2, &full);
	c->room_checked = true;
	atomic_store(&c->shell->full, !c->room);
	if (c->room != c->full_told)
		return;
	c->full_told = !c->room;
	if (c->full_told)
		log_error("store.full", "why=%s action=%s", log_quote_text(full.text),
		    log_quote_text("no new reports until there is room; the rest goes on"));
	else
		log_info("store.room", "action=%s", log_quote_text("new reports are taken again"));
}

bool
apply_has_room(struct committer *c, struct job *j)
{
	ASSERT_ON(ROLE_COMMITTER);
	apply_look_for_room(c);
	if (!c->room)
		job_fail(j, ERR_FULL, "no room for new reports");
	else if (atomic_load(&c->shell->signer_away))
		job_fail(j, ERR_SIGNER, "the log's signer does not answer");
	return j->fate != JOB_FAILED;
}

/* False: the job has its fate. */
static bool
is_new(struct committer *c, struct job *j, bool *new, struct err *e)
{
	struct job_publish *p = &j->publish;
	struct store_report known;
	bool found = false;
	*new = false;
	if (!store_find_report(
		store_batch_view(c->ledger->store), &p->report.key, &known, &found, e))
		return false;
	if (found) {
		bool same = memcmp(known.manifest, p->report.manifest, STORE_HASH_BYTES) == 0;
		j->fate = same ? JOB_KNOWN : JOB_CONFLICT;
		p->report.intake = known.intake;
		return true;
	}
	bool taken = false;
	if (c->set.old_ids &&
	    !old_id_taken(store_batch_view(c->ledger->store), &p->report, &taken, e))
		return false;
	if (taken) {
		j->fate = JOB_CONFLICT;
		return true;
	}
	/* the chain is judged at the time of the INTAKE (design 6) */
	uint64_t until =
	    p->good_until_us < p->signer_until_us ? p->good_until_us : p->signer_until_us;
	if (!apply_still_holds(c, j->rules, p->decided_us, until))
		j->fate = JOB_STALE;
	else if (apply_has_room(c, j))
		*new = true;
	return true;
}

/* The signer's chain, once for all that it signs. */
static bool
put_chain(
    struct committer *c, struct roll_party *publisher, const struct job_publish *p, struct err *e)
{
	return memcmp(publisher->chain, p->report.chain, sizeof(publisher->chain)) == 0 ||
	       store_put_blob(c->ledger->store, STORE_CHAIN, p->chain, publisher->chain, e);
}

static bool
put_parts(struct committer *c, struct job_publish *p, uint64_t index, struct err *e)
{
	struct store *s = c->ledger->store;
	size_t i = 0;
	for (; i < p->part_count && p->parts[i].number < STORE_PART_KEY; i++)
		if (!store_put_part(s, index, p->parts[i].number, p->parts[i].bytes, e))
			return false;
	p->report.intake = index;
	p->report.decisions = (uint32_t)p->decision_count;
	if (!store_put_report(s, &p->report, e) ||
	    (p->unusable_count > 0 &&
		!store_put_part(s, index, JOB_PART_UNUSABLE, p->unusable_bytes, e)))
		return false;
	uint8_t named[NAMED_BYTES];
	if (p->named.act != 0 &&
	    !store_put_part(s, index, JOB_PART_NAMED, named_write(&p->named, named), e))
		return false;
	for (; i < p->part_count; i++)
		if (!store_put_part(s, index, p->parts[i].number, p->parts[i].bytes, e))
			return false;
	return true;
}

/* Some subscription that gets it has readers with credit for it and all that is in its queue. */
static bool
is_awaited(const struct committer *c, const struct job_publish *p, const struct roll_party *r)
{
	for (size_t i = 0; i < r->sub_count; i++) {
		uint32_t id = r->subs[i].id;
		if (store_waiting(c->ledger->store, id) < shell_credit(c->shell, id) &&
		    matches(&r->subs[i], p->mode, p->topic))
			return true;
	}
	return false;
}

/* What a Deliver will say of the record; of none if there is too much to say. */
static struct evidence
evidence_of(const struct log_out *out, struct bytes agreements)
{
	struct evidence v = { .delivery = STORE_NONE };
	if (agreements.len > sizeof(v.agreements))
		return v;
	v.delivery = out->index;
	v.place = out->place;
	memcpy(v.leaf, out->leaf, sizeof(v.leaf));
	v.len = (uint32_t)agreements.len;
	if (agreements.len > 0)
		memcpy(v.agreements, agreements.data, agreements.len);
	return v;
}

static bool
deliver_at_once(struct committer *c, struct job_publish *p, struct job_recipient *r,
    struct ledger_place *at, struct err *e)
{
	struct log_out out;
	r->delivery_index = STORE_NONE;
	if (r->delivery == NULL || p->not_before_ms > p->accepted_us / 1000 ||
	    !apply_mailbox_takes(c, r->party, p->report.body_bytes) ||
	    !is_awaited(c, p, at->recipient))
		return true;
	at->accepted = p->accepted_us;
	if (!ledger_append(c->ledger, r->delivery, at, &out, e))
		return false;
	r->delivery_index = out.index;
	struct evidence v = evidence_of(&out, r->agreements);
	batch_show(c, at->recipient, &v);
	return true;
}

/* What one recipient gets: the DELIVERY if it can go at once, what it was given, queue or hold. */
static bool
put_recipient(
    struct committer *c, struct job *j, struct job_recipient *r, uint64_t decision, struct err *e)
{
	struct job_publish *p = &j->publish;
	struct roll_party *party = roll_find(&c->ledger->roll, r->party);
	if (party == NULL)
		return unknown_party(r->party, e);
	struct ledger_place at = { .publisher =
				       roll_find(&c->ledger->roll, p->report.key.originator),
		.recipient = party,
		.link = decision };
	struct store *s = c->ledger->store;
	if (!deliver_at_once(c, p, r, &at, e))
		return false;
	uint64_t good = p->good_until_us == UINT64_MAX ? 0 : p->good_until_us;
	struct store_given given = { .party = r->party,
		.report = p->report.key,
		.intake = p->report.intake,
		.decision = decision,
		.delivery = r->delivery_index,
		.epoch = j->rules,
		.good_until_us = good,
		.masks = r->masks };
	if (!store_put_given(s, &given, e))
		return false;
	if (r->outcome == OUTCOME_HOLD) {
		struct store_held h = { .deadline_us = r->hold_deadline_us,
			.decision = decision,
			.intake = p->report.intake,
			.party = r->party,
			.report = p->report.key };
		return apply_hold_put(c, &h, r->waits, e);
	}
	if (p->named.act == ENVELOPE_SUPERSEDE &&
	    !apply_superseded(c, &p->report.key, p->report.intake, party, e))
		return false;
	struct apply_queue q = { .mode = p->mode,
		.topic = p->topic,
		.entry = { .key = { .precedence = p->precedence, .decision = decision },
		    .not_before_ms = p->not_before_ms,
		    .epoch = j->rules,
		    .good_until_us = good,
		    .expires_us = p->report.expires_us,
		    .intake = p->report.intake,
		    .report = p->report.key,
		    .bytes = p->report.body_bytes } };
	size_t count;
	return apply_enqueue(c, party, &q, &count, e);
}

static bool
put_hold_parts(struct committer *c, const struct job_recipient *r, uint64_t decision, struct err *e)
{
	struct store *s = c->ledger->store;
	return (r->opened.len == 0 || store_put_part(s, decision, JOB_PART_OPENED, r->opened, e)) &&
	       (r->waits.len == 0 || store_put_part(s, decision, JOB_PART_WAITS, r->waits, e));
}

/* DECISIONs follow their INTAKE without a gap; then what belongs to recipients. */
static bool
put_decisions(struct committer *c, struct job *j, struct roll_party *publisher, struct err *e)
{
	struct job_publish *p = &j->publish;
	struct log_out out;
	uint64_t first = c->ledger->log.tree.leaf_count;
	for (size_t i = 0; i < p->decision_count; i++) {
		struct ledger_place at = { .publisher = publisher, .link = p->report.intake };
		if (!ledger_append(c->ledger, &p->decisions[i], &at, &out, e))
			return false;
	}
	for (size_t i = 0; i < p->recipient_count; i++)
		if (!put_hold_parts(c, &p->recipients[i], first + p->recipients[i].draft, e))
			return false;
	for (size_t i = 0; i < p->recipient_count; i++)
		if (!put_recipient(c, j, &p->recipients[i], first + p->recipients[i].draft, e))
			return false;
	return true;
}

/* What a newer report takes the place of is nothing to begin with any more (backfill). */
static bool
put_newer(struct committer *c, const struct job_publish *p, struct err *e)
{
	char name[WITHDRAWN_ROOM];
	if (p->named.act != ENVELOPE_SUPERSEDE)
		return true;
	withdrawn_newer(&p->named.key, name);
	return store_put_note(
	    c->ledger->store, name, bytes_from(p->report.key.id, STORE_ID_BYTES), e);
}

bool
apply_publish(struct committer *c, struct job *j, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct job_publish *p = &j->publish;
	bool new = false;
	if (!is_new(c, j, &new, e) || !new)
		return j->fate != JOB_PENDING;
	struct roll_party *publisher = roll_find(&c->ledger->roll, p->report.key.originator);
	if (publisher == NULL)
		return unknown_party(p->report.key.originator, e);
	struct log_out out;
	struct ledger_place at = { .publisher = publisher };
	if (!ledger_append(c->ledger, &p->intake, &at, &out, e))
		return false;
	p->accepted_us = p->report.accepted_us = out.time;
	p->party_index = out.publication;
	memcpy(p->leaf, out.leaf, sizeof(p->leaf));
	return put_chain(c, publisher, p, e) && put_parts(c, p, out.index, e) &&
	       apply_signers_note(c, publisher, p, e) && put_newer(c, p, e) &&
	       put_decisions(c, j, publisher, e) &&
	       (p->named.act != ENVELOPE_RECALL || apply_recall(c, j, e));
}

/* ---- DELIVER ---- */

/* True if what the party was given is still what the job was made from. */
static bool
same_given(struct committer *c, const struct store_given *was, bool *same, struct err *e)
{
	struct store_given now;
	bool found = false;
	*same = false;
	if (!store_find_given(
		store_batch_view(c->ledger->store), was->party, &was->report, &now, &found, e))
		return false;
	*same = found && now.decision == was->decision && now.delivery == was->delivery;
	return true;
}

/* Still to be recorded: nothing about it has changed, and its time is not over. */
static bool
still_due(struct committer *c, const struct job_delivery *d, bool *due, struct err *e)
{
	struct store_queued entry;
	bool same = false, waits = false;
	if (!same_given(c, &d->given, &same, e) ||
	    !store_find_queued(store_batch_view(c->ledger->store), &d->queued, &entry, &waits, e))
		return false;
	*due = same && waits && (entry.expires_us == 0 || entry.expires_us > c->ledger->now_us) &&
	       (d->good_until_us == 0 || d->good_until_us > c->ledger->now_us);
	return true;
}

static bool
record_delivery(struct committer *c, struct job_delivery *d, struct err *e)
{
	struct ledger_place at = { .publisher =
				       roll_find(&c->ledger->roll, d->given.report.originator),
		.recipient = roll_find(&c->ledger->roll, d->given.party),
		.link = d->given.decision };
	struct log_out out;
	if (at.publisher == NULL || at.recipient == NULL)
		return unknown_party(d->given.party, e);
	if (!ledger_append(c->ledger, &d->record, &at, &out, e))
		return false;
	d->given.delivery = out.index;
	d->evidence = evidence_of(&out, d->agreements);
	return store_put_given(c->ledger->store, &d->given, e);
}

bool
apply_deliver(struct committer *c, struct job *j, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	const struct ruleset *rules = c->next != NULL ? c->next : c->rules;
	if (rules->number != j->rules) {
		j->fate = JOB_STALE;
		return true;
	}
	for (size_t i = 0; i < j->deliver.count; i++) {
		struct job_delivery *d = j->deliver.items[i];
		bool due = false;
		if (!still_due(c, d, &due, e) || (due && !record_delivery(c, d, e)))
			return false;
	}
	return true;
}

/* ---- the rest ---- */

bool
apply_notes(struct committer *c, struct job *j, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct ledger_place nowhere = { 0 };
	struct log_out out;
	for (size_t i = 0; i < j->notes.count; i++) {
		if (!ledger_append(c->ledger, &j->notes.records[i], &nowhere, &out, e))
			return false;
		j->notes.index = out.index;
	}
	c->publish_now |= j->notes.publish;
	if (j->notes.publish)
		c->publish_from = c->ledger->log.tree.leaf_count;
	return true;
}

bool
apply_job(struct committer *c, struct job *j, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	switch (j->kind) {
	case JOB_PUBLISH:
		return apply_publish(c, j, e);
	case JOB_DELIVER:
		return apply_deliver(c, j, e);
	case JOB_AGAIN:
		return apply_again(c, j, e);
	case JOB_ACK:
		return apply_ack(c, j, e);
	case JOB_RETRY:
		return apply_retry(c, j, e);
	case JOB_SUBSCRIBE:
		return apply_subscribe(c, j, e);
	case JOB_RECORDS:
		return apply_notes(c, j, e);
	case JOB_RULES:
		return apply_rules(c, j, e);
	case JOB_CLOCK:
		return apply_clock(c, j, e);
	case JOB_ERASE:
		return apply_erase(c, j, e);
	case JOB_BACKUP:
		return apply_backup(c, j, e);
	case JOB_COSIGNED:
		return apply_cosigned(c, j, e);
	case JOB_ARCHIVE:
		return apply_archive(c, j, e);
	case JOB_SAID:
		return apply_said(c, j, e);
	case JOB_MAILBOX:
		return apply_mailbox(c, j, e);
	case JOB_BACKFILL:
		return apply_backfill(c, j, e);
	case JOB_ATTEST:
		return apply_attest(c, j, e);
	case JOB_SESSIONS:
	case JOB_DRAIN:
		break;
	}
	return err_set(e, ERR_INTERNAL, "a job of no kind");
}
