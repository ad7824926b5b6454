/* outlet_ack.c - acknowledgements, and flights whose jobs come home. */
#include "daemon/again.h"
#include "daemon/log.h"
#include "daemon/mailbox.h"
#include "daemon/outlet.h"
#include "daemon/role.h"
#include "proto/msg.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- who waits for a Pong ---- */

static struct ack_ticket *
ticket_new(const struct consumer *k, uint64_t request)
{
	struct ack_ticket *t = calloc(1, sizeof(*t));
	if (t != NULL)
		*t = (struct ack_ticket){ .conn = k->conn->id, .request = request, .pending = 1 };
	return t;
}

/* The answer, if the connection is still there. */
static void
ticket_answer(struct desk *d, const struct ack_ticket *t)
{
	struct conn *c = worker_find_conn(d->worker, t->conn);
	struct err e = { 0 };
	if (c == NULL)
		return;
	struct msg m = { .request = t->request, .type = MSG_PONG };
	struct complaint no = { .code = t->failed };
	if (t->failed == ERR_MALFORMED)
		no.field = bytes_of("ack.deliveries");
	else if (t->failed != ERR_NONE)
		no.retry_ms = 1000;
	bool ok =
	    t->failed == ERR_NONE ? conn_send(c, 3, &m, &e) : conn_refuse(c, t->request, &no, &e);
	conn_paid(c, 0);
	if (!ok)
		conn_fail(c, 0, &(struct complaint){ .code = e.code });
}

void
ticket_settle(struct desk *d, struct ack_ticket *t, enum err_code how)
{
	ASSERT_ON(ROLE_WORKER);
	if (t == NULL)
		return;
	if (how != ERR_NONE)
		t->failed = how;
	if (--t->pending > 0)
		return;
	ticket_answer(d, t);
	free(t);
}

/* ---- the job ---- */

/* In the arena of an ACK job. */
struct acking {
	struct ack_ticket *ticket; /* NULL: nobody waits for the whole */
	struct flight **flights;   /* as many as the job's items; NULL: an item without one */
};

static bool
ack_job(struct outlet *o, size_t count, struct job **out, struct err *e)
{
	struct job *j = job_new(JOB_ACK, NULL,
	    count * (sizeof(struct job_acked) + sizeof(void *)) + sizeof(struct acking) + 8192);
	if (j == NULL)
		return err_set(e, ERR_NOMEM, "acks");
	struct acking *a = arena_zalloc(j->arena, 1, sizeof(*a));
	j->ack.party = o->party;
	j->ack.items = arena_zalloc(j->arena, count, sizeof(*j->ack.items));
	if (a != NULL)
		a->flights = arena_zalloc(j->arena, count, sizeof(struct flight *));
	if (j->ack.items == NULL || a == NULL || a->flights == NULL) {
		job_free(j);
		return err_set(e, ERR_NOMEM, "acks");
	}
	j->sender = a;
	j->records = 1;
	j->bytes = 256 + count * 16;
	*out = j;
	return true;
}

static void
add_item(struct job *j, struct flight *f, const struct job_acked *item)
{
	struct acking *a = j->sender;
	a->flights[j->ack.count] = f;
	j->ack.items[j->ack.count++] = *item;
}

/* Wherever it stands, it is on its way out. */
static void
add_flight(struct job *j, struct flight *f, uint64_t record)
{
	add_item(j, f,
	    &(struct job_acked){ .key = f->entry.key,
		.report = f->entry.report,
		.delivery = record,
		.publisher = f->publisher,
		.recall = f->recall });
	flight_detach(f);
	flight_unlist(f);
	f->state = FLIGHT_ACKING;
}

/* It came home, or was never sent: delivered again, unless all went well. */
static void
settle(struct desk *d, struct job *j, enum err_code how)
{
	struct acking *a = j->sender;
	for (size_t i = 0; i < j->ack.count; i++) {
		struct flight *f = a->flights[i];
		if (f == NULL)
			continue;
		struct ack_ticket *t = f->ticket;
		f->ticket = NULL;
		f->acked = false;
		if (how == ERR_NONE)
			flight_end(f);
		else
			flight_later(f);
		ticket_settle(d, t, how);
	}
	ticket_settle(d, a->ticket, how);
	job_free(j);
}

static void
go(struct desk *d, struct job *j)
{
	j->home = d->worker->index;
	if (atomic_load(&d->shell->broken) || !mailbox_post(d->shell->committer, &j->letter.item))
		settle(d, j, ERR_BUSY);
}

/* ---- one number of an Ack ---- */

/* The report after a hold: the same one, under another key. */
static struct flight *
came_back_as(struct outlet *o, const struct sent *s)
{
	struct flight *f;
	TAILQ_FOREACH (f, &o->all, of_outlet)
		if (f->entry.report.originator == s->report.originator &&
		    memcmp(f->entry.report.id, s->report.id, sizeof(s->report.id)) == 0)
			break;
	return f;
}

/* It cannot go into the job now: whoever brings it home acknowledges it.  False: not this time. */
static bool
mark(struct flight *f, const struct sent *s, struct ack_ticket *t)
{
	if (f->state != FLIGHT_ACKING && !f->acked) {
		f->acked = true;
		f->acked_record = s->record;
	}
	if (t == NULL)
		return true;
	if (f->ticket != NULL) { /* one may wait; this one asks again */
		t->failed = ERR_BUSY;
		return false;
	}
	f->ticket = t;
	t->pending++;
	return true;
}

static void
take_number(struct consumer *k, uint64_t number, struct job *j, struct ack_ticket *t)
{
	struct sent *s = NULL;
	HASH_FIND(hh, k->sents, &number, sizeof(number), s);
	if (s == NULL) { /* acknowledged before, or never given */
		if (t != NULL && (number == 0 || number > k->last))
			t->failed = ERR_MALFORMED;
		return;
	}
	bool settled = true, orphan = s->flight == NULL;
	struct flight *f = orphan ? came_back_as(k->outlet, s) : s->flight;
	if (f == NULL)
		add_item(j, NULL,
		    &(struct job_acked){ .key = s->key,
			.report = s->report,
			.delivery = s->record,
			.publisher = s->publisher,
			.recall = s->recall });
	else if (f->state == FLIGHT_STREAM || f->state == FLIGHT_JOB || f->state == FLIGHT_ACKING)
		settled = mark(f, s, t);
	else
		add_flight(j, f, s->record);
	if (orphan && settled)
		sent_free(s);
}

bool
outlet_ack(struct consumer *k, const struct msg_u64s *deliveries, uint64_t request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct outlet *o = k->outlet;
	struct job *j;
	if (!ack_job(o, deliveries->count, &j, e))
		return false;
	struct acking *a = j->sender;
	if (request != 0 && (a->ticket = ticket_new(k, request)) == NULL) {
		job_free(j);
		return err_set(e, ERR_NOMEM, "ack");
	}
	if (request != 0)
		conn_owes(k->conn, 0);
	for (size_t i = 0; i < deliveries->count; i++)
		take_number(k, deliveries->items[i], j, a->ticket);
	if (j->ack.count > 0)
		go(o->desk, j);
	else
		settle(o->desk, j, ERR_NONE);
	return true;
}

void
flight_ack(struct flight *f)
{
	ASSERT_ON(ROLE_WORKER);
	struct job *j;
	struct err e = { 0 };
	if (!ack_job(f->outlet, 1, &j, &e)) {
		flight_detach(f);
		flight_later(f); /* prepare_flight comes back to it */
		return;
	}
	add_flight(j, f, f->acked_record);
	go(f->outlet->desk, j);
}

void
outlet_acked(struct desk *d, struct job *j)
{
	ASSERT_ON(ROLE_WORKER);
	struct acking *a = j->sender;
	struct outlet *o = NULL;
	for (size_t i = 0; i < j->ack.count && o == NULL; i++)
		o = a->flights[i] == NULL ? NULL : a->flights[i]->outlet;
	settle(d, j, j->fate == JOB_DONE ? ERR_NONE : j->err.code);
	if (o != NULL)
		outlet_pump(o);
}

/* ---- other jobs of flights ---- */

/* It has its job behind it: READY, LATER in its place, or out if it was acknowledged meanwhile. */
static void
home(struct flight *f, const struct job *j, const char *event)
{
	bool failed = j->fate == JOB_FAILED;
	if (failed)
		log_warn(event, "why=%s", log_quote_text(j->err.text));
	f->outlet->jobs--;
	if (f->acked)
		flight_ack(f);
	else if (failed)
		flight_wait(f, FLIGHT_LATER);
	else
		flight_ready(f);
}

/* DELIVERY records are there (or were not to be): look at their flights anew. */
void
outlet_delivered(struct desk *d, struct job *j)
{
	ASSERT_ON(ROLE_WORKER);
	struct flight *first = j->deliver.items[0]->flight;
	struct outlet *o = first->outlet;
	for (size_t i = 0; i < j->deliver.count; i++) {
		const struct job_delivery *item = j->deliver.items[i];
		if (j->fate == JOB_DONE)
			shelf_put_evidence(d->shelf, &item->evidence);
		home(item->flight, j, "delivery.not-recorded");
	}
	job_free(j);
	outlet_pump(o);
}

/* An entry is counted in the store, or gone from it, and may have come back: what its flight knows
 * of before is nothing any more.  Those that did not wait for it are looked for only after the last
 * delivery that there may be. */
static void
counted(struct desk *d, const struct store_queued *q)
{
	struct outlet *o = q->attempts < desk_settings(d)->limit_max_deliveries
			       ? NULL
			       : outlet_find(d, q->key.subscription);
	struct flight *f = o == NULL ? NULL : outlet_flight(o, &q->key);
	if (f != NULL && f->entry.attempts == q->attempts)
		f->counted = true;
}

/* Attempts were counted, or given up: look at the flights that waited for it. */
void
outlet_given_up(struct desk *d, struct job *j)
{
	ASSERT_ON(ROLE_WORKER);
	struct outlet *o = NULL;
	for (size_t i = 0; i < j->retry.count && j->fate == JOB_DONE; i++)
		counted(d, &j->retry.items[i]);
	for (size_t i = 0; i < j->retry.count && j->retry.flights != NULL; i++) {
		struct flight *f = j->retry.flights[i];
		o = f->outlet;
		home(f, j, "attempts.not-recorded");
	}
	ticket_settle(d, j->sender, j->fate == JOB_DONE ? ERR_NONE : j->err.code);
	job_free(j);
	if (o != NULL)
		outlet_pump(o);
}

void
outlet_decided(struct desk *d, struct job *j)
{
	ASSERT_ON(ROLE_WORKER);
	struct flight *f = j->again.flight;
	if (f == NULL) {
		again_hold_home(d, j);
		job_free(j);
		return;
	}
	struct outlet *o = f->outlet;
	f->checked = false;
	home(f, j, "decision.not-recorded");
	job_free(j);
	outlet_pump(o);
}

/* ---- nack ---- */

/* The flight that the consumer has under this number and may give back; NULL: none. */
static struct flight *
has(const struct consumer *k, uint64_t number)
{
	struct sent *s = NULL;
	HASH_FIND(hh, k->sents, &number, sizeof(number), s);
	struct flight *f = s == NULL ? NULL : s->flight;
	return f != NULL && f->state == FLIGHT_SENT && f->to == k ? f : NULL;
}

/* Nothing is done unless all of it can be. */
static bool
may_nack(const struct consumer *k, const struct msg_nack *n, struct err *why)
{
	size_t new = 0;
	for (size_t i = 0; i < n->deliveries.count; i++) {
		uint64_t number = n->deliveries.items[i];
		if (number == 0 || number > k->last)
			return err_set(why, ERR_MALFORMED, "a number that was never given");
		const struct flight *f = has(k, number);
		new += f != NULL && !f->put_off;
	}
	if (n->delay_ms > 0 && k->outlet->put_off + new > LIMIT_PUT_OFF)
		return err_set(why, ERR_QUOTA, "too many deliveries are put off");
	return true;
}

static struct job *
nack_job(const struct consumer *k, size_t count)
{
	const struct outlet *o = k->outlet;
	struct job *j =
	    job_new(JOB_RETRY, NULL, count * (sizeof(struct store_queued) + sizeof(void *)) + 4096);
	if (j == NULL)
		return NULL;
	j->retry = (struct job_retry){ .party = o->party,
		.mode = o->mode,
		.items = arena_zalloc(j->arena, count, sizeof(*j->retry.items)),
		.flights = arena_zalloc(j->arena, count, sizeof(void *)) };
	if (j->retry.items != NULL && j->retry.flights != NULL)
		return j;
	job_free(j);
	return NULL;
}

static void
give_back(struct flight *f, struct job *j, uint32_t delay_ms)
{
	struct outlet *o = f->outlet;
	uint64_t at = wall_best(&o->desk->shell->wall) / 1000 + delay_ms;
	struct store_queued *entry = &j->retry.items[j->retry.count];
	flight_detach(f);
	if (delay_ms > 0)
		flight_put_off(f);
	flight_wait(f, FLIGHT_JOB);
	o->jobs++;
	*entry = f->entry;
	if (delay_ms > 0 && at > entry->not_before_ms)
		entry->not_before_ms = at;
	j->retry.flights[j->retry.count++] = f;
}

bool
outlet_nack(struct consumer *k, const struct msg_nack *n, uint64_t request, struct err *why)
{
	ASSERT_ON(ROLE_WORKER);
	struct desk *d = k->outlet->desk;
	if (!may_nack(k, n, why))
		return false;
	struct job *j = nack_job(k, n->deliveries.count);
	struct ack_ticket *t = j == NULL || request == 0 ? NULL : ticket_new(k, request);
	if (j == NULL || (request != 0 && t == NULL)) {
		job_free(j);
		return err_set(why, ERR_BUSY, "no memory");
	}
	if (t != NULL)
		conn_owes(k->conn, 0);
	for (size_t i = 0; i < n->deliveries.count; i++) {
		struct flight *f = has(k, n->deliveries.items[i]);
		if (f != NULL)
			give_back(f, j, n->delay_ms);
	}
	j->sender = t;
	j->home = d->worker->index;
	j->records = j->retry.count;
	j->bytes = 512 * j->retry.count;
	if (j->retry.count > 0 && !atomic_load(&d->shell->broken) &&
	    mailbox_post(d->shell->committer, &j->letter.item))
		return true;
	j->fate = j->retry.count > 0 ? JOB_FAILED : JOB_DONE;
	(void)err_set(&j->err, ERR_BUSY, "the committer has no room");
	outlet_given_up(d, j);
	return true;
}
