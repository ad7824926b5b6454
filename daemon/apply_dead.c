/* apply_dead.c - dead letters: what a queue does not take, or gives up (DESIGN 8, decision 0028).
 */
#include "daemon/batch.h"
#include "daemon/config.h"
#include "daemon/log.h"
#include "daemon/role.h"

enum { LETTERS = 16 };

/* Queues and dead letters of a party have the same bounds, each for itself. */
static bool
has_room(const struct committer *c, struct store_usage u, uint32_t bytes)
{
	const struct config *cfg = committer_settings(c);
	return u.reports < cfg->limit_queue_reports && u.bytes + bytes <= cfg->limit_queue_bytes;
}

bool
apply_mailbox_takes(const struct committer *c, uint32_t party, uint32_t bytes)
{
	ASSERT_ON(ROLE_COMMITTER);
	return has_room(c, store_usage(c->ledger->store, party), bytes);
}

bool
apply_mailbox_spares(const struct committer *c, uint32_t party, size_t entries, uint32_t bytes)
{
	ASSERT_ON(ROLE_COMMITTER);
	const struct config *cfg = committer_settings(c);
	struct store_usage u = store_usage(c->ledger->store, party);
	if (u.reports == 0)
		return has_room(c, u, bytes);
	return u.reports + entries <= cfg->limit_queue_reports / 2 &&
	       u.bytes + entries * bytes <= cfg->limit_queue_bytes / 2;
}

static bool
put_record(struct committer *c, const struct apply_dead *d, const struct store_given *g,
    uint64_t *index, struct err *e)
{
	struct arena *a = &c->ledger->scratch;
	struct roll_party *publisher = roll_find(&c->ledger->roll, d->entry->report.originator);
	if (publisher == NULL)
		return err_set(e, ERR_CORRUPT, "a dead letter of no originator");
	struct record r;
	struct body body;
	struct log_out out;
	struct apply_begin b = {
		.type = EVENT_DEAD_LETTER, .report = d->entry->report.id, .hub = true
	};
	struct slot_release release = { .recipient = bytes_of(d->party->name) };
	struct slot_publication publication = { .party = bytes_of(publisher->name),
		.index = SLOT_LATER };
	struct ledger_place at = { .publisher = publisher,
		.recipient = g->delivery == STORE_NONE ? NULL : d->party };
	event_body_begin(&body, EVENT_DEAD_LETTER);
	event_body_bytes(&body, BODY_DEAD_LETTER_REASON, bytes_of(store_dead_token(d->why)));
	event_body_uint(&body, BODY_DEAD_LETTER_ATTEMPTS, d->entry->attempts);
	event_body_uint(&body, BODY_DEAD_LETTER_DECISION, g->decision);
	if (!apply_record(c, &b, &r, e) || !record_set_release(&r, a, &release, e) ||
	    !record_set_publication(&r, a, &publication, e) || !record_set_body(&r, a, &body, e) ||
	    !ledger_append(c->ledger, &r, &at, &out, e))
		return false;
	*index = out.index;
	return true;
}

/* A recall is none: what its subscription does not take another one does, whatever its topic. */
static bool
keep_recall(struct committer *c, const struct apply_dead *d, struct err *e)
{
	struct store_queued q = *d->entry;
	for (size_t i = 0; i < d->party->sub_count; i++) {
		struct roll_subscription *s = &d->party->subs[i];
		if (s->mode != d->mode || s->gone || s->id == d->entry->key.subscription)
			continue;
		q.key.subscription = s->id;
		return store_enqueue(c->ledger->store, &q, e) && batch_back(c, d->party, &q, e);
	}
	return true;
}

bool
apply_dead_letter(struct committer *c, struct apply_dead *d, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct store *s = c->ledger->store;
	const struct store_queued *q = d->entry;
	struct store_given g;
	bool found = false;
	if (!store_find_given(store_batch_view(s), d->party->id, &q->report, &g, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_CORRUPT, "a queue entry without what was given");
	if (g.masks.len == 0) /* and when it was acknowledged it is over (S6) */
		return g.good_until_us != 0 || keep_recall(c, d, e);
	if (d->record == STORE_NONE && !put_record(c, d, &g, &d->record, e))
		return false;
	if (!has_room(c, store_letters(s, d->party->id), q->bytes)) {
		log_warn("dead-letters.full", "party=%s action=%s", log_quote_text(d->party->name),
		    log_quote_text("the record is all that is left of it"));
		return true;
	}
	struct store_letter l = { .key = { d->party->id, q->report, q->key.subscription },
		.why = d->why,
		.mode = d->mode,
		.precedence = q->key.precedence,
		.attempts = q->attempts,
		.record = d->record,
		.dead_us = c->ledger->log.time,
		.decision = q->key.decision,
		.not_before_ms = q->not_before_ms,
		.expires_us = q->expires_us,
		.intake = q->intake,
		.bytes = q->bytes };
	return store_put_letter(s, &l, e);
}

bool
apply_dead_forget(
    struct committer *c, uint32_t party, const struct store_report_key *report, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct store *s = c->ledger->store;
	struct store_letter_key from = { .party = party, .report = *report };
	struct store_letter page[LETTERS];
	for (size_t count = LETTERS; count == LETTERS;) {
		if (!store_read_letters(store_batch_view(s), &from, page, &count, e))
			return false;
		for (size_t i = 0; i < count; i++) {
			const struct store_letter_key *k = &page[i].key;
			if (k->party != party || k->report.originator != report->originator ||
			    memcmp(k->report.id, report->id, sizeof(report->id)) != 0)
				return true;
			if (!store_drop_letter(s, k, NULL, e))
				return false;
			from = *k;
		}
	}
	return true;
}

bool
apply_standing(
    struct committer *c, const struct store_given *g, struct apply_standing *out, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct store_view *v = store_batch_view(c->ledger->store);
	struct bytes entry, part;
	struct record r;
	uint8_t leaf[32];
	struct slot_decision said = { .outcome = OUTCOME_WITHHOLD };
	struct err why = { 0 };
	bool found = false, earlier = false;
	*out = (struct apply_standing){ .known = false };
	if (!store_read_entry(v, g->decision, &entry, &found, &why)) {
		if (why.code != ERR_IO)
			*e = why;
		return why.code == ERR_IO; /* an archive that is away stops nobody */
	}
	if (!found || !record_entry_parse(entry, &r, leaf, e) ||
	    !slot_get_decision(RECORD_SLOT(&r, 4)->value, &said, e))
		return err_set(e, ERR_CORRUPT, "a decision is gone");
	if (!store_read_part(v, g->decision, JOB_PART_QUEUED, &part, &earlier, e))
		return false;
	bool gone = false;
	if (!withdrawn_is(v, g->party, &g->report, &gone, e))
		return false;
	struct cursor before = cursor_over(earlier ? part : bytes_of(""));
	out->known = true;
	out->outcome = gone ? OUTCOME_WITHHOLD : (enum outcome)said.outcome;
	out->decision = earlier ? cursor_u64(&before) : g->decision;
	return true;
}

/* ---- RETRY ---- */

/* A recall comes again until it is acknowledged. */
static bool
is_recall(struct committer *c, const struct job *j, const struct store_queued *q, bool *yes,
    struct err *e)
{
	struct store_given g;
	bool found = false;
	if (!store_find_given(
		store_batch_view(c->ledger->store), j->retry.party, &q->report, &g, &found, e))
		return false;
	*yes = found && g.masks.len == 0;
	return true;
}

/* One more delivery would be more than there may be. */
static bool
bury(struct committer *c, struct job *j, const struct store_queued *entry, struct err *e)
{
	struct apply_dead d = { .party = roll_find(&c->ledger->roll, j->retry.party),
		.entry = entry,
		.mode = j->retry.mode,
		.why = STORE_DEAD_MAX_DELIVERIES,
		.record = STORE_NONE };
	if (d.party == NULL)
		return err_set(e, ERR_INTERNAL, "a queue of nobody");
	return apply_dead_letter(c, &d, e) && store_dequeue(c->ledger->store, &entry->key, NULL, e);
}

bool
apply_retry(struct committer *c, struct job *j, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	for (size_t i = 0; i < j->retry.count; i++) {
		struct store_queued now;
		bool found = false;
		if (!store_find_queued(store_batch_view(c->ledger->store), &j->retry.items[i].key,
			&now, &found, e))
			return false;
		if (!found)
			continue;
		c->ledger->dirty = true;
		now.attempts = j->retry.items[i].attempts;
		now.not_before_ms = j->retry.items[i].not_before_ms;
		bool last = now.attempts >= committer_settings(c)->limit_max_deliveries,
		     recall = false;
		if (last && !is_recall(c, j, &now, &recall, e))
			return false;
		if (last && !recall ? !bury(c, j, &now, e)
				    : !store_enqueue(c->ledger->store, &now, e))
			return false;
	}
	return true;
}
