/* prepare.c - from a queue entry to bytes on a connection (HOUSE 2, step 9). */
#include "audit/view.h"
#include "daemon/again.h"
#include "daemon/committer.h"
#include "daemon/config.h"
#include "daemon/explain.h"
#include "daemon/heads.h"
#include "daemon/log.h"
#include "daemon/notices.h"
#include "daemon/outlet.h"
#include "daemon/role.h"
#include "proto/msg.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

enum { DELIVERY_ROOM = 1 << 20 }; /* at most, for one DELIVERY: a marking may be long */

/* All that is read of one report for one recipient. */
struct scene {
	struct desk *desk;
	struct flight *f;
	struct consumer *to; /* who is to get it */
	struct arena *a;     /* the desk's scratch */
	struct store_given given;
	struct store_report row;
	uint64_t seen;	      /* desk.seen of what was read */
	struct record record; /* the DELIVERY, or the decision that it will follow */
};

static bool
read_part(struct scene *s, uint16_t number, struct bytes *out, struct err *e)
{
	return shelf_part(s->desk->shelf, s->desk->view, s->given.intake, number, s->a, out, e);
}

/* The entry as it stands now.  *found is false if it is gone. */
static bool
read_entry(struct scene *s, bool *found, struct err *e)
{
	struct flight *f = s->f;
	struct store_queued now;
	*found = true;
	if (f->look == s->desk->looks)
		return true;
	if (!store_find_queued(s->desk->view, &f->entry.key, &now, found, e) || !*found)
		return e->code == ERR_NONE;
	if (!f->counted && f->entry.attempts > now.attempts)
		now.attempts = f->entry.attempts;
	f->entry = now;
	f->publisher = now.report.originator;
	f->look = s->desk->looks;
	return true;
}

/* And what the party was given. */
static bool
read_rows(struct scene *s, bool *found, struct err *e)
{
	const struct store_queued *q = &s->f->entry;
	struct store_view *v = s->desk->view;
	if (!read_entry(s, found, e) || !*found)
		return e->code == ERR_NONE;
	if (!store_find_given(v, s->f->outlet->party, &q->report, &s->given, found, e) || !*found)
		return e->code == ERR_NONE;
	return shelf_report(s->desk->shelf, v, q, &s->row, found, e);
}

/* ---- what must happen first ---- */

/* The DELIVERY record: same release and publisher as the decision's. */
static bool
draft_delivery(struct scene *s, struct arena *a, struct job_delivery *d, struct err *e)
{
	struct record *r = &d->record;
	struct slot_release release;
	struct slot_publication of;
	struct slot_common common = { .type = EVENT_DELIVERY,
		.report = bytes_from(s->given.report.id, STORE_ID_BYTES) };
	struct slot_decision link = { .link = SLOT_LATER };
	struct slot_hub hub = { .node = s->desk->shell->node,
		.connection = SLOT_ABSENT,
		.clock = bytes_of(wall_quality(&s->desk->shell->wall)) };
	uint8_t salts[RECORD_SALTS];
	struct body b;
	event_body_begin(&b, EVENT_DELIVERY);
	event_body_uint(&b, BODY_DELIVERY_ACCEPTED, s->row.accepted_us);
	if (!slot_get_release(RECORD_SLOT(&s->record, 2)->value, &release, e) ||
	    !slot_get_publication(RECORD_SLOT(&s->record, 3)->value, &of, e))
		return false;
	struct slot_publication p = { .party = of.party, .index = SLOT_LATER };
	return arena_copy(a, release.agreements, &d->agreements, e) &&
	       desk_salts(s->desk, salts, e) && record_begin(r, a, salts, e) &&
	       record_set_common(r, a, &common, e) && record_set_release(r, a, &release, e) &&
	       record_set_publication(r, a, &p, e) && record_set_decision(r, a, &link, e) &&
	       record_set_hub(r, a, &hub, e) && record_set_body(r, a, &b, e) &&
	       record_hash_early(&s->desk->sha, r, e);
}

/* A recall: no portions, no agreement and no decision (design 8).  Its DELIVERY is the RECALL
 * record that says who is told of it. */
static bool
is_recall(const struct scene *s)
{
	return s->given.masks.len == 0;
}

/* Until when the decision holds: as recorded, or as it was looked at again; 0: no end. */
static uint64_t
good_until(const struct scene *s)
{
	const struct flight *f = s->f;
	if (is_recall(s))
		return 0;
	if (!f->checked)
		return s->given.good_until_us;
	return f->good_until_us == UINT64_MAX ? 0 : f->good_until_us;
}

/* The job that gathers what one pumping of an outlet asks for. */
static struct job *
asking(struct outlet *o)
{
	if (o->asking != NULL)
		return o->asking;
	SCOPED(job_free) struct job *j = job_new(JOB_DELIVER, NULL, JOB_DELIVERIES * DELIVERY_ROOM);
	if (j == NULL)
		return NULL;
	j->deliver.items = arena_zalloc(j->arena, JOB_DELIVERIES, sizeof(struct job_delivery *));
	if (j->deliver.items == NULL)
		return NULL;
	j->rules = o->desk->rules->number;
	return o->asking = MOVE(j);
}

static bool
ask_for_delivery(struct scene *s, struct err *e)
{
	struct outlet *o = s->f->outlet;
	struct job *j = asking(o);
	if (j == NULL)
		return err_set(e, ERR_NOMEM, "delivery");
	uint8_t leaf[32];
	struct job_delivery *d = arena_zalloc(j->arena, 1, sizeof(*d));
	if (d == NULL)
		return err_set(e, ERR_NOMEM, "delivery");
	if (!desk_look(s->desk, e) || /* it may have been decided again in between */
	    !explain_record(s->desk, s->given.decision, &s->record, leaf, e) ||
	    !draft_delivery(s, j->arena, d, e) ||
	    !arena_copy(j->arena, s->given.masks, &s->given.masks, e))
		return false;
	d->given = s->given;
	d->queued = s->f->entry.key;
	d->good_until_us = good_until(s);
	d->flight = s->f;
	d->evidence.delivery = STORE_NONE;
	j->deliver.items[j->deliver.count++] = d;
	j->records++;
	j->bytes += 4096;
	flight_wait(s->f, FLIGHT_JOB);
	o->jobs++;
	return true;
}

void
prepare_ask(struct outlet *o)
{
	ASSERT_ON(ROLE_WORKER);
	SCOPED(job_free) struct job *j = MOVE(o->asking);
	if (j == NULL || j->deliver.count == 0)
		return;
	j->home = o->desk->worker->index;
	if (committer_take(o->desk->shell, &j))
		return;
	o->jobs -= (unsigned)j->deliver.count; /* the committer is busy: the tick tries again */
	for (size_t i = 0; i < j->deliver.count; i++)
		flight_ready(j->deliver.items[i]->flight);
}

/* True if the decision must be looked at again before these bytes leave (S5). */
static bool
is_stale(const struct scene *s, uint64_t now)
{
	const struct flight *f = s->f;
	uint64_t number = s->desk->rules->number;
	if (f->checked && f->rules == number)
		return now >= f->good_until_us;
	return s->given.epoch != number ||
	       (s->given.good_until_us != 0 && now >= s->given.good_until_us);
}

/* Decides again.  True: go on.  False: the flight waits, or *gone. */
static bool
decide_again(struct scene *s, bool *gone, struct err *e)
{
	struct again a = { .given = s->given,
		.queued = s->f->entry.key,
		.held_deadline_us = UINT64_MAX,
		.flight = s->f };
	uint64_t until;
	desk_look_away(s->desk);
	switch (again_decide(s->desk, &a, &until, e)) {
	case AGAIN_SAME:
		s->f->checked = true;
		s->f->rules = s->desk->rules->number;
		s->f->good_until_us = until;
		return true;
	case AGAIN_JOB:
		flight_wait(s->f, FLIGHT_JOB);
		s->f->outlet->jobs++;
		return false;
	case AGAIN_GONE:
		*gone = true;
		return false;
	case AGAIN_FAILED:
		break;
	}
	return false;
}

/* ---- the message ---- */

static bool
split_lines(struct arena *a, struct bytes text, struct names *out, struct err *e)
{
	struct bytes *items = arena_zalloc(a, LIMIT_AGREEMENTS_PER_REPORT, sizeof(*items));
	if (items == NULL)
		return err_set(e, ERR_NOMEM, "agreements");
	*out = (struct names){ items, 0 };
	while (text.len > 0 && out->count < LIMIT_AGREEMENTS_PER_REPORT) {
		const uint8_t *end = memchr(text.data, '\n', text.len);
		size_t len = end == NULL ? text.len : (size_t)(end - text.data);
		items[out->count++] = bytes_from(text.data, len);
		text.data += len + (end != NULL);
		text.len -= len + (end != NULL);
	}
	return true;
}

static bool
fill_portions(struct scene *s, struct msg_deliver *m, struct err *e)
{
	size_t n = s->given.masks.len;
	struct msg_portion *p = arena_zalloc(s->a, n + 1, sizeof(*p));
	if (p == NULL)
		return err_set(e, ERR_NOMEM, "portions");
	for (size_t i = 0; i < n; i++) {
		if (s->given.masks.data[i] == 0)
			continue;
		struct msg_portion *to = &p[m->portion_count++];
		if (!read_part(s, STORE_PART_HEAD(i), &to->head, e) ||
		    !read_part(s, STORE_PART_BODY(i), &to->body, e))
			return false;
	}
	m->portions = p;
	return true;
}

/* As the committer told it, or from the record itself. */
static bool
read_evidence(struct scene *s, struct evidence *v, struct bytes *agreements, struct err *e)
{
	struct slot_release release;
	if (shelf_find_evidence(s->desk->shelf, s->given.delivery, v))
		return arena_copy(s->a, bytes_from(v->agreements, v->len), agreements, e);
	if (!explain_record(s->desk, s->given.delivery, &s->record, v->leaf, e) ||
	    !slot_get_release(RECORD_SLOT(&s->record, 2)->value, &release, e) ||
	    !slot_get_place(RECORD_SLOT(&s->record, 8)->value, &v->place, e))
		return false;
	*agreements = release.agreements;
	return true;
}

/* Only under a head that the session was shown: its index says no more than that does (S7). */
static bool
is_covered(const struct scene *s)
{
	return !s->to->proof || s->given.delivery < s->to->conn->session->heads_size;
}

static bool
fill_notice(struct scene *s, struct msg_deliver *m, struct err *e)
{
	bool yes = false;
	return notices_may_see(s->desk, &s->given, &yes, e) &&
	       (!yes || read_part(s, STORE_PART_NOTICE, &m->notice, e));
}

/* The DELIVERY, as its recipient opens it, in the tree of the head that the session was shown. */
static bool
fill_proof(struct scene *s, struct msg_deliver *m, struct err *e)
{
	struct desk *d = s->desk;
	struct record r;
	struct heads head;
	uint8_t leaf[32];
	unsigned slots = view_slots_placed(is_recall(s) ? EVENT_RECALL : EVENT_DELIVERY);
	if (!explain_record(d, s->given.delivery, &r, leaf, e) ||
	    !record_leaf(&d->sha, &r, leaf, e) || !heads_told(s->to->conn, &head, e))
		return false;
	size_t len = record_opening_size(&r, slots);
	uint8_t *opening = arena_alloc(s->a, len);
	if (opening == NULL)
		return err_set(e, ERR_NOMEM, "opening");
	record_opening_write(&r, slots, opening);
	m->has_proof = true;
	m->proof.index = s->given.delivery;
	m->proof.opening = bytes_from(opening, len);
	m->checkpoint = head.note;
	return heads_inclusion(d, s->a, s->given.delivery, head.size, &m->proof.inclusion, e);
}

static bool
fill_message(struct scene *s, const struct consumer *k, struct msg_deliver *m, struct err *e)
{
	struct evidence v;
	struct bytes agreements, leaf;
	if (!read_evidence(s, &v, &agreements, e) ||
	    !arena_copy(s->a, bytes_from(v.leaf, sizeof(v.leaf)), &leaf, e) ||
	    !read_part(s, STORE_PART_MANIFEST, &m->manifest, e) ||
	    !read_part(s, STORE_PART_SEAL, &m->seal, e) || !fill_portions(s, m, e) ||
	    !fill_notice(s, m, e) || !split_lines(s->a, agreements, &m->agreements, e))
		return false;
	m->subscription = k->number;
	const struct sent *before = flight_sent_to(s->f, k);
	m->delivery = before == NULL ? k->last + 1 : before->number;
	m->attempt = s->f->entry.attempts + 1;
	m->accepted = s->row.accepted_us;
	m->chain = bytes_from(s->row.chain, sizeof(s->row.chain));
	m->evidence = (struct msg_evidence){ v.place, leaf };
	return !k->proof || fill_proof(s, m, e);
}

/* The chain of a signer goes once to each session, ahead of every lane. */
static bool
introduce(struct scene *s, struct conn *c, struct err *e)
{
	struct session *to = c->session;
	unsigned told = to->chain_count < SESSION_CHAINS ? to->chain_count : SESSION_CHAINS;
	struct bytes blob;
	struct names chain;
	bool found = false;
	for (unsigned i = 0; i < told; i++)
		if (memcmp(to->chains[i], s->row.chain, 32) == 0)
			return true;
	if (to->chains == NULL)
		to->chains = calloc(SESSION_CHAINS, sizeof(*to->chains));
	if (to->chains == NULL)
		return err_set(e, ERR_NOMEM, "signers that a session was told");
	if (!store_read_blob(s->desk->view, STORE_CHAIN, s->row.chain, &blob, &found, e))
		return false;
	if (!found || !desk_split_chain(s->a, blob, &chain, e))
		return err_set(e, ERR_CORRUPT, "a signer's chain is missing");
	struct msg m = { .type = MSG_SIGNER };
	m.signer = (struct msg_signer){ bytes_from(s->row.chain, 32), chain };
	if (!conn_send(c, 3, &m, e))
		return false;
	memcpy(to->chains[to->chain_count++ % SESSION_CHAINS], s->row.chain, 32);
	return true;
}

/* A new number under which 'k' knows it from now on; NULL: out of memory. */
static struct sent *
number_it(struct scene *sc, struct consumer *k, struct err *e)
{
	struct flight *f = sc->f;
	struct sent *s = calloc(1, sizeof(*s));
	if (s != NULL) {
		*s = (struct sent){ .number = k->last + 1,
			.to = k,
			.flight = f,
			.record = sc->given.delivery,
			.recall = is_recall(sc),
			.key = f->entry.key,
			.report = f->entry.report,
			.publisher = f->publisher };
		HASH_ADD(hh, k->sents, number, sizeof(s->number), s);
	}
	if (s == NULL || !table_has(s)) {
		free(s);
		(void)err_set(e, ERR_NOMEM, "delivery");
		return NULL;
	}
	k->last = s->number;
	LIST_INSERT_HEAD(&f->sents, s, of_flight);
	return s;
}

/* Nothing left under it: whoever acknowledges it acknowledges nothing. */
static void
take_number_back(struct sent *s)
{
	s->to->last--;
	sent_free(s);
}

/* Readers that stop could make us hold a large report for each of them: the party's other reports
 * of that size wait.  What fits into the output buffer of a connection is bounded by that. */
static bool
has_room(struct scene *s, struct consumer *k, struct err *e)
{
	struct worker_party *p = k->conn->party;
	size_t size = s->row.body_bytes;
	s->f->large = 0;
	if (size <= LIMIT_OUTPUT_BYTES)
		return true;
	if (p->output_bytes + size > LIMIT_PARTY_OUTPUT_BYTES)
		return err_set(e, ERR_BUSY, "large reports are on their way to the party");
	s->f->large = size;
	return true;
}

static bool
send(struct scene *s, struct consumer *k, struct err *e)
{
	const struct release_token token = { .desk = s->desk,
		.rules = s->desk->rules->number,
		.good_until_us = good_until(s),
		.delivery = s->given.delivery,
		.intake = s->given.intake,
		.seen = s->seen,
		.decision = s->f->quorum_over };
	if (!release_permit(s->desk, &token)) {
		/* what nobody signs for long lets those pass that are signed */
		if (atomic_load(&s->desk->shell->signer_away) &&
		    token.delivery >= atomic_load(&s->desk->shell->signed_size))
			flight_later(s->f);
		return err_set(e, ERR_BUSY, "not permitted now");
	}
	if (!has_room(s, k, e))
		return false;
	struct msg m = { .type = MSG_DELIVER };
	struct bytes encoded;
	if (!desk_look(s->desk, e) || !fill_message(s, k, &m.deliver, e) ||
	    !introduce(s, k->conn, e) || !msg_encode(&m, s->a, &encoded, e))
		return false;
	SCOPED(release_free) struct release *r = release_new(encoded);
	if (r == NULL)
		return err_set(e, ERR_NOMEM, "delivery");
	struct flight *f = s->f;
	r->token = token;
	r->done = flight_sent;
	r->arg = f;
	struct sent *before = flight_sent_to(f, k);
	struct sent *now = before == NULL ? number_it(s, k, e) : before;
	if (now == NULL)
		return false;
	if (!release_send(k->conn, f->entry.key.precedence - 1u, &r, e)) {
		if (before == NULL)
			take_number_back(now);
		return false;
	}
	flight_take_up(f);
	now->record = token.delivery;
	f->recall = is_recall(s);
	flight_wait_begins(f, k, &s->row);
	f->to = k;
	k->out++;
	k->conn->party->output_bytes += f->large;
	flight_unlist(f);
	f->state = FLIGHT_STREAM;
	return true;
}

/* ---- the witnesses (decision 0024) ---- */

/* Whether the quorum must sign a head over the decision first; in f->quorum_over for the token. */
static bool
look_at_quorum(struct scene *s, struct err *e)
{
	struct slot_release release;
	uint8_t leaf[32];
	s->f->quorum_over = STORE_NONE;
	if (!s->desk->rules->any_cosign)
		return true;
	if (!desk_look(s->desk, e) ||
	    !explain_record(s->desk, s->given.decision, &s->record, leaf, e) ||
	    !slot_get_release(RECORD_SLOT(&s->record, 2)->value, &release, e))
		return false;
	if (ruleset_needs_quorum(s->desk->rules, release.agreements))
		s->f->quorum_over = s->given.decision;
	return true;
}

/* True: it has, or need not.  False: the flight waits, or *gone: it waits without being one. */
static bool
has_quorum(struct scene *s, bool *gone)
{
	struct flight *f = s->f;
	if (f->quorum_over == STORE_NONE || f->quorum_over < f->outlet->cosigned)
		return true;
	*gone = outlet_lay_down(f);
	if (!*gone)
		flight_later(f);
	return false;
}

/* ---- in order ---- */

/* It was delivered as often as may be. */
static bool
give_up(struct scene *s, struct err *e)
{
	struct outlet *o = s->f->outlet;
	struct job *j = job_new(JOB_RETRY, NULL, sizeof(struct store_queued) + 4096);
	if (j == NULL)
		return err_set(e, ERR_NOMEM, "dead letter");
	j->retry = (struct job_retry){ .party = o->party,
		.mode = o->mode,
		.items = arena_zalloc(j->arena, 1, sizeof(*j->retry.items)),
		.count = 1,
		.flights = arena_zalloc(j->arena, 1, sizeof(void *)) };
	if (j->retry.items == NULL || j->retry.flights == NULL) {
		job_free(j);
		return err_set(e, ERR_NOMEM, "dead letter");
	}
	j->retry.items[0] = s->f->entry;
	j->retry.flights[0] = s->f;
	j->records = 1;
	j->bytes = 4096;
	if (!desk_post_own(s->desk, &j))
		return err_set(e, ERR_BUSY, "dead letter");
	flight_wait(s->f, FLIGHT_JOB);
	o->jobs++;
	return true;
}

/* Everything but the sending.  True: send it.  False: it waits (its state says for what), or is
 * *gone. */
static bool
make_ready(struct scene *s, bool *gone, struct err *e)
{
	struct flight *f = s->f;
	uint64_t now;
	bool found = false;
	if (!wall_now(&s->desk->shell->wall, &now))
		return false;
	if (s->desk->rules->number != atomic_load(&s->desk->shell->in_force))
		return false; /* the new rules are in the mail; they pump again */
	if (!desk_look(s->desk, e))
		return false;
	s->seen = s->desk->seen;
	if (!read_rows(s, &found, e))
		return false;
	*gone = !found || (f->entry.expires_us != 0 && f->entry.expires_us <= now);
	if (*gone)
		return false;
	if (!is_recall(s) && f->entry.attempts >= desk_settings(s->desk)->limit_max_deliveries)
		return give_up(s, e) && false;
	if (f->entry.not_before_ms * 1000 > now) {
		flight_later(f);
		flight_due(f, f->entry.not_before_ms - now / 1000);
		return false;
	}
	if (!is_recall(s) && is_stale(s, now) && !decide_again(s, gone, e))
		return false;
	if (!look_at_quorum(s, e) || !has_quorum(s, gone))
		return false;
	if (s->given.delivery == STORE_NONE)
		return ask_for_delivery(s, e) && false;
	if (!is_covered(s)) { /* before BEHIND: all that one head covers go together */
		flight_wait(f, FLIGHT_HEAD);
		return false;
	}
	if (!flight_is_behind(f))
		return true;
	flight_wait(f, FLIGHT_BEHIND);
	return false;
}

bool
prepare_flight(struct flight *f, struct consumer *k)
{
	ASSERT_ON(ROLE_WORKER);
	struct desk *d = f->outlet->desk;
	struct err e = { 0 };
	bool gone = false;
	struct scene s = { .desk = d, .f = f, .to = k, .a = &d->scratch };
	assert(f->state == FLIGHT_READY);
	if (f->acked) {
		flight_ack(f);
		return true;
	}
	bool go = make_ready(&s, &gone, &e);
	if (go && !send(&s, k, &e) && e.code == ERR_NONE)
		e.code = ERR_INTERNAL;
	/* what stands in the way of all alike is no reason to let others overtake it */
	bool its_own = e.code != ERR_NONE && e.code != ERR_BUSY && e.code != ERR_CLOCK;
	if (its_own)
		log_error("delivery.failed", "subscription=%u code=%s why=%s", f->outlet->id,
		    err_token(e.code), log_quote_text(e.text));
	if (e.code == ERR_CORRUPT || e.code == ERR_STORE)
		desk_stop_for_good(d, &e);
	/* one that cannot go for a reason of its own must not block those behind it */
	if (its_own && !gone && f->state == FLIGHT_READY)
		flight_later(f);
	arena_reset(&d->scratch, DESK_SCRATCH);
	return !gone;
}
