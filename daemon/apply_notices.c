/* apply_notices.c - what a Notice does: a recalled or superseded report is withdrawn where it
 * waits, and who had it is told (design 8). */
#include "daemon/batch.h"
#include "daemon/feedback.h"
#include "daemon/role.h"
#include "daemon/waits.h"
#include "proto/envelope.h"

#include <assert.h>

enum { ACT_WITHDRAWN = 1, ACT_NOTIFIED, ACT_ANSWERED };

/* One report, to be withdrawn from one party. */
struct withdrawal {
	enum event_type type; /* RECALL, SUPERSEDE, FEEDBACK */
	const struct named *named;
	const uint8_t *notice;	 /* id of the report that names it */
	const struct job_by *by; /* NULL: nobody's session */
	struct roll_party *party, *publisher;
	struct store_given given;
	uint64_t delivery; /* STORE_NONE: it never had any of it */
};

/* ---- what leaves no more ---- */

/* Before the commit, so that no frame of it leaves behind the record. */
static void
stop(struct committer *c, uint64_t intake)
{
	size_t word = intake % SHELL_STOPS;
	atomic_store(shell_withdrew(c->shell, intake), UINT64_MAX);
	c->withdraws[word / 64] |= 1ull << word % 64;
	c->withdrawing = true;
}

void
batch_withdrew(struct committer *c)
{
	ASSERT_ON(ROLE_COMMITTER);
	if (!c->withdrawing)
		return;
	uint64_t number = atomic_load(&c->shell->withdrawals) + 1;
	for (size_t i = 0; i < SHELL_STOPS; i++)
		if ((c->withdraws[i / 64] >> i % 64 & 1) != 0)
			atomic_store(&c->shell->withdrew[i], number);
	atomic_store(&c->shell->withdrawals, number); /* whoever sees it reads what was committed */
	memset(c->withdraws, 0, sizeof(c->withdraws));
	c->withdrawing = false;
}

/* ---- records ---- */

static void
fill_body(const struct withdrawal *w, uint8_t act, struct body *b)
{
	bool recall = w->type == EVENT_RECALL;
	event_body_begin(b, w->type);
	event_body_bytes(b, recall ? BODY_RECALL_NOTICE : BODY_SUPERSEDE_NOTICE,
	    bytes_from(w->notice, STORE_ID_BYTES));
	event_body_enum(b, recall ? BODY_RECALL_ACT : BODY_SUPERSEDE_ACT, act);
	if (w->named->reason.len > 0)
		event_body_bytes(
		    b, recall ? BODY_RECALL_REASON : BODY_SUPERSEDE_REASON, w->named->reason);
	event_body_uint(
	    b, recall ? BODY_RECALL_DECISION : BODY_SUPERSEDE_DECISION, w->given.decision);
}

/* In the recipient's tree if it had something: that it never got it is nobody's but the
 * publisher's. */
static bool
put_record(struct committer *c, const struct withdrawal *w, const struct body *body,
    struct log_out *out, struct err *e)
{
	struct arena *a = &c->ledger->scratch;
	struct record r;
	struct job_by by = { .conn = 0 };
	struct apply_begin b = {
		.type = w->type, .report = w->named->key.id, .hub = true, .by = &by
	};
	struct slot_release release = { .recipient = bytes_of(w->party->name) };
	struct slot_publication publication = { .party = bytes_of(w->publisher->name),
		.index = SLOT_LATER };
	struct ledger_place at = { .publisher = w->publisher,
		.recipient = w->delivery == STORE_NONE ? NULL : w->party };
	if (w->by != NULL) { /* these records have no slot 6 */
		by.conn = w->by->conn;
		memcpy(by.leaf, w->by->leaf, sizeof(by.leaf));
	}
	return apply_record(c, &b, &r, e) && record_set_release(&r, a, &release, e) &&
	       record_set_publication(&r, a, &publication, e) && record_set_body(&r, a, body, e) &&
	       ledger_append(c->ledger, &r, &at, out, e);
}

/* ---- one report and one party ---- */

/* Its entries, in whatever subscription it waits. */
static bool
unqueue(struct committer *c, const struct withdrawal *w, bool *waited, struct err *e)
{
	struct store *s = c->ledger->store;
	struct bytes part;
	bool moved = false;
	struct store_queue_key key = { .precedence = w->named->precedence };
	if (!store_read_part(
		store_batch_view(s), w->given.decision, JOB_PART_QUEUED, &part, &moved, e))
		return false;
	struct cursor before = cursor_over(moved ? part : bytes_of(""));
	key.decision = moved ? cursor_u64(&before) : w->given.decision;
	for (size_t i = 0; i < w->party->sub_count; i++) {
		bool was = false;
		key.subscription = w->party->subs[i].id;
		if (!store_dequeue(s, &key, &was, e))
			return false;
		*waited |= was;
	}
	return true;
}

/* The deadline that its hold stands under, if it is held: of what it waits for, or its expiry. */
static bool
hold_deadline(struct committer *c, const struct withdrawal *w, uint64_t *out, struct err *e)
{
	struct store_view *v = store_batch_view(c->ledger->store);
	struct store_report row;
	struct bytes part;
	struct cursor at;
	struct wait wait;
	bool known = false, waits = false;
	*out = UINT64_MAX;
	if (!store_find_report(v, &w->given.report, &row, &known, e) ||
	    !store_read_part(v, w->given.decision, JOB_PART_WAITS, &part, &waits, e))
		return false;
	if (known && row.expires_us != 0)
		*out = row.expires_us;
	if (!waits)
		return true;
	if (!waits_begin(part, &at, e))
		return false;
	while (at.left > 0) {
		if (!waits_next(&at, &wait, e))
			return false;
		*out = wait.deadline_us < *out ? wait.deadline_us : *out;
	}
	return true;
}

static bool
unhold(struct committer *c, const struct withdrawal *w, bool *waited, struct err *e)
{
	struct bytes nobody = { NULL, 0 };
	struct store_held there, after = { .decision = w->given.decision - 1 };
	size_t count = 1;
	if (!hold_deadline(c, w, &after.deadline_us, e) ||
	    !store_read_holds(store_batch_view(c->ledger->store), &after, &there, &count, e))
		return false;
	if (count == 0 || there.deadline_us != after.deadline_us ||
	    there.decision != w->given.decision)
		return true;
	*waited = true;
	return apply_still_owed(c, there.decision, &nobody, e) &&
	       apply_hold_drop(c, there.deadline_us, there.decision, e);
}

/* *had false: it was never to get any of it. */
static bool
find(struct committer *c, struct withdrawal *w, bool *had, struct err *e)
{
	struct store_view *v = store_batch_view(c->ledger->store);
	return store_find_given(v, w->party->id, &w->named->key, &w->given, had, e) &&
	       (!*had || withdrawn_had(v, &w->given, &w->delivery, e));
}

static bool
forget_letters(struct committer *c, const struct withdrawal *w, bool *waited, struct err *e)
{
	struct store_letter one;
	struct store_letter_key from = { .party = w->party->id, .report = w->named->key };
	size_t count = 1;
	if (!store_read_letters(store_batch_view(c->ledger->store), &from, &one, &count, e))
		return false;
	*waited |= count == 1 && one.key.party == from.party &&
		   memcmp(&one.key.report, &from.report, sizeof(from.report)) == 0;
	return apply_dead_forget(c, w->party->id, &w->named->key, e);
}

static bool
withdraw(struct committer *c, const struct withdrawal *w, struct err *e)
{
	struct body b;
	struct log_out out;
	bool waited = false;
	stop(c, w->given.intake);
	if (!unqueue(c, w, &waited, e) || !unhold(c, w, &waited, e) ||
	    !forget_letters(c, w, &waited, e))
		return false;
	fill_body(w, ACT_WITHDRAWN, &b);
	return !waited || put_record(c, w, &b, &out, e);
}

/* ---- recall ---- */

/* The notice waits like a report, by the record that says who is told. */
static bool
notify(struct committer *c, struct job *j, const struct withdrawal *w, struct err *e)
{
	struct job_publish *p = &j->publish;
	struct body b;
	struct log_out out;
	fill_body(w, ACT_NOTIFIED, &b);
	if (!put_record(c, w, &b, &out, e))
		return false;
	struct store_given given = { .party = w->party->id,
		.report = p->report.key,
		.intake = p->report.intake,
		.decision = out.index,
		.delivery = out.index,
		.epoch = j->rules };
	struct apply_queue q = { .mode = p->mode,
		.topic = p->topic,
		.recall = true,
		.entry = { .key = { .precedence = p->precedence, .decision = out.index },
		    .epoch = j->rules,
		    .intake = p->report.intake,
		    .report = p->report.key,
		    .bytes = p->report.body_bytes } };
	size_t count;
	return store_put_given(c->ledger->store, &given, e) &&
	       apply_enqueue(c, w->party, &q, &count, e);
}

bool
apply_recall(struct committer *c, struct job *j, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct job_publish *p = &j->publish;
	struct roll_party *publisher = roll_find(&c->ledger->roll, p->report.key.originator);
	struct roll_party *party, *next;
	char name[WITHDRAWN_ROOM];
	withdrawn_all(&p->named.key, name);
	if (!store_put_note(
		c->ledger->store, name, bytes_from(p->report.key.id, STORE_ID_BYTES), e))
		return false;
	HASH_ITER (hh, c->ledger->roll.parties, party, next) {
		struct withdrawal w = { .type = EVENT_RECALL,
			.named = &p->named,
			.notice = p->report.key.id,
			.by = &j->by,
			.party = party,
			.publisher = publisher };
		bool had = false;
		if (!find(c, &w, &had, e) || (had && !withdraw(c, &w, e)) ||
		    (had && w.delivery != STORE_NONE && !notify(c, j, &w, e)))
			return false;
	}
	return true;
}

bool
apply_recall_read(struct committer *c, uint32_t party, const struct job_acked *item, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct store *s = c->ledger->store;
	struct store_given g;
	bool found = false;
	c->ledger->dirty = true;
	if (!store_dequeue(s, &item->key, NULL, e) ||
	    !store_find_given(store_batch_view(s), party, &item->report, &g, &found, e))
		return false;
	/* of a recall that is no end: when it was acknowledged first */
	if (!found || g.good_until_us != 0)
		return true;
	g.good_until_us = c->ledger->now_us;
	return store_put_given(s, &g, e);
}

/* ---- supersede ---- */

bool
apply_superseded(struct committer *c, const struct store_report_key *newer, uint64_t intake,
    struct roll_party *party, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct named named;
	struct body b;
	struct log_out out;
	char name[WITHDRAWN_ROOM];
	bool had = false;
	if (!named_find(store_batch_view(c->ledger->store), intake, &named, e))
		return false;
	assert(named.act == ENVELOPE_SUPERSEDE);
	struct withdrawal w = { .type = EVENT_SUPERSEDE,
		.named = &named,
		.notice = newer->id,
		.party = party,
		.publisher = roll_find(&c->ledger->roll, newer->originator) };
	withdrawn_from(party->id, &named.key, name);
	if (!find(c, &w, &had, e))
		return false;
	if (!had)
		return true;
	fill_body(&w, ACT_NOTIFIED, &b);
	return store_put_note(c->ledger->store, name, bytes_from(newer->id, STORE_ID_BYTES), e) &&
	       withdraw(c, &w, e) && (w.delivery == STORE_NONE || put_record(c, &w, &b, &out, e));
}

/* ---- what recipients say ---- */

/* Said already, word for word: it is on record. */
static bool
is_said(struct committer *c, uint64_t record, struct bytes answer, bool *yes, struct err *e)
{
	struct bytes entry;
	struct record r;
	struct record_said said;
	uint8_t leaf[32];
	*yes = false;
	if (!store_read_entry(store_batch_view(c->ledger->store), record, &entry, yes, e))
		return false;
	if (!*yes || !record_entry_parse(entry, &r, leaf, e) || !record_take_apart(&r, &said, e))
		return err_set(e, ERR_CORRUPT, "a RECALL is gone");
	*yes = said.common.type == EVENT_RECALL && event_body_has(&said.body, BODY_RECALL_ANSWER) &&
	       bytes_equal(event_body_get(&said.body, BODY_RECALL_ANSWER), answer);
	return true;
}

/* 'notice' is what the party was given of the recall; its newest record says what it answered. */
static bool
answer(struct committer *c, struct job *j, struct withdrawal *w, struct store_given *notice,
    struct err *e)
{
	struct body b;
	struct log_out out;
	bool said = false, had = false;
	if (!find(c, w, &had, e) || !is_said(c, notice->decision, j->said.code, &said, e))
		return false;
	if (!had || w->delivery == STORE_NONE) { /* its row was forgotten */
		job_fail(j, ERR_UNKNOWN_REPORT, "no such recall");
		return true;
	}
	if (said)
		return true;
	fill_body(w, ACT_ANSWERED, &b);
	event_body_bytes(&b, BODY_RECALL_ANSWER, j->said.code);
	if (!put_record(c, w, &b, &out, e))
		return false;
	notice->decision = out.index;
	return store_put_given(c->ledger->store, notice, e);
}

/* So that its originator finds it: beside what the party said before. */
static bool
remember(struct committer *c, const struct job *j, uint64_t record, struct err *e)
{
	struct store *s = c->ledger->store;
	char name[FEEDBACK_NAME];
	uint8_t row[FEEDBACK_BYTES];
	struct feedback f = { .count = 0 };
	struct bytes was;
	bool found = false;
	feedback_name(&j->said.report, j->said.party, name);
	if (!store_read_note(store_batch_view(s), name, &was, &found, e) ||
	    (found && !feedback_read(was, &f, e)))
		return false;
	const struct feedback_said said = { record, c->ledger->log.time, j->said.sighted_us,
		j->said.code };
	feedback_add(&f, &said);
	return store_put_note(s, name, feedback_write(&f, row), e);
}

static bool
feedback(struct committer *c, struct job *j, struct withdrawal *w, struct err *e)
{
	struct body b;
	struct log_out out;
	event_body_begin(&b, EVENT_FEEDBACK);
	event_body_bytes(&b, BODY_FEEDBACK_CODE, j->said.code);
	if (j->said.sighted_us != 0)
		event_body_uint(&b, BODY_FEEDBACK_SIGHTED, j->said.sighted_us);
	event_body_uint(&b, BODY_FEEDBACK_DELIVERY, w->delivery);
	return put_record(c, w, &b, &out, e) && remember(c, j, out.index, e);
}

bool
apply_said(struct committer *c, struct job *j, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct store_view *v = store_batch_view(c->ledger->store);
	struct named named = { .key = j->said.report };
	struct withdrawal w = { .type = j->said.answer ? EVENT_RECALL : EVENT_FEEDBACK,
		.named = &named,
		.notice = j->said.report.id,
		.by = &j->by,
		.party = roll_find(&c->ledger->roll, j->said.party),
		.publisher = roll_find(&c->ledger->roll, j->said.report.originator) };
	struct store_given given;
	bool found = false;
	if (!store_find_given(v, j->said.party, &j->said.report, &given, &found, e) ||
	    (found && !withdrawn_had(v, &given, &w.delivery, e)))
		return false;
	bool right = found && w.delivery != STORE_NONE && w.party != NULL && w.publisher != NULL &&
		     (given.masks.len == 0) == j->said.answer;
	if (!right) {
		job_fail(j, ERR_UNKNOWN_REPORT, "no such report");
		return true;
	}
	if (!apply_has_room(c, j)) /* what partners say is no work that the reserve is for */
		return true;
	c->ledger->dirty = true;
	if (!j->said.answer)
		return feedback(c, j, &w, e);
	return named_find(v, given.intake, &named, e) && answer(c, j, &w, &given, e);
}
