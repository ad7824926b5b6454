/* outlet_ack.c - acknowledgements, and flights whose jobs come home. */
#include "daemon/log.h"
#include "daemon/outlet.h"
#include "proto/msg.h"

#include <inttypes.h>
#include <stdlib.h>

static bool
ack_job(struct outlet *o, size_t count, struct job **out, struct err *e)
{
	struct job *j =
	    job_new(JOB_ACK, NULL, count * (sizeof(struct job_acked) + sizeof(void *)) + 8192);
	if (j == NULL)
		return err_set(e, ERR_NOMEM, "acks");
	j->ack.party = o->party;
	j->ack.items = arena_zalloc(j->arena, count, sizeof(*j->ack.items));
	j->sender = arena_zalloc(j->arena, count, sizeof(struct flight *));
	if (j->ack.items == NULL || j->sender == NULL) {
		job_free(j);
		return err_set(e, ERR_NOMEM, "acks");
	}
	j->records = 1;
	j->bytes = 256 + count * 16;
	*out = j;
	return true;
}

static void
add(struct job *j, struct flight *f)
{
	struct flight **flights = j->sender;
	flights[j->ack.count] = f;
	j->ack.items[j->ack.count++] = (struct job_acked){
		.key = f->entry.key, .delivery = f->record, .publisher = f->publisher
	};
	HASH_DEL(f->to->flights, f);
	f->to->out--;
	f->to = NULL;
	f->state = FLIGHT_ACKING;
}

/* Nothing came of it: they are delivered again. */
static void
put_back(struct job *j)
{
	struct flight **flights = j->sender;
	for (size_t i = 0; i < j->ack.count; i++)
		flight_later(flights[i]);
}

static bool
go(struct desk *d, struct job *j, struct err *e)
{
	struct job *mine = j;
	j->home = d->worker->index;
	/* put back before the job is gone */
	if (atomic_load(&d->shell->broken) || !mailbox_post(d->shell->committer, &j->letter.item)) {
		put_back(mine);
		job_free(mine);
		return err_set(e, ERR_BUSY, "the committer is busy");
	}
	return true;
}

bool
outlet_ack(struct consumer *k, const struct msg_u64s *deliveries, uint64_t request, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	struct outlet *o = k->outlet;
	struct job *j;
	if (!ack_job(o, deliveries->count, &j, e))
		return false;
	for (size_t i = 0; i < deliveries->count; i++) {
		struct flight *f = NULL;
		uint64_t number = deliveries->items[i];
		HASH_FIND(hh, k->flights, &number, sizeof(number), f);
		if (f != NULL && f->state == FLIGHT_STREAM)
			f->acked = true;
		else if (f != NULL && f->state == FLIGHT_SENT)
			add(j, f);
	}
	j->conn = k->conn->id;
	j->ack.answer = request;
	if (j->ack.count == 0 && request == 0) {
		job_free(j); /* unknown ones: they will come again */
		return true;
	}
	return go(o->desk, j, e);
}

void
flight_ack(struct flight *f)
{
	struct job *j;
	struct err e = { 0 };
	struct desk *d = f->outlet->desk;
	if (!ack_job(f->outlet, 1, &j, &e))
		return; /* it is delivered again after ack-wait */
	add(j, f);
	if (!go(d, j, &e))
		log_debug("ack.late", "why=%s", log_quote_text(e.text));
}

void
outlet_acked(struct desk *d, struct job *j)
{
	ASSERT_ON(ROLE_WORKER);
	struct flight **flights = j->sender;
	struct conn *c = worker_find_conn(d->worker, j->conn);
	struct outlet *o = NULL;
	struct err e = { 0 };
	for (size_t i = 0; i < j->ack.count; i++) {
		o = flights[i]->outlet;
		if (j->fate == JOB_DONE)
			flight_drop(flights[i]);
		else
			flight_later(flights[i]);
	}
	if (c != NULL && j->ack.answer != 0) {
		struct msg m = { .request = j->ack.answer, .type = MSG_PONG };
		bool ok =
		    j->fate == JOB_DONE
			? conn_send(c, 3, &m, &e)
			: conn_refuse(c, j->ack.answer,
			      &(struct complaint){ .code = j->err.code, .retry_ms = 1000 }, &e);
		if (!ok)
			conn_fail(c, 0, &(struct complaint){ .code = e.code });
	}
	job_free(j);
	if (o != NULL)
		outlet_pump(o);
}

/* A DELIVERY record is there (or was not to be): look at the flight anew. */
void
outlet_delivered(struct desk *d, struct job *j)
{
	ASSERT_ON(ROLE_WORKER);
	struct flight *f = j->deliver.flight;
	struct outlet *o = f->outlet;
	(void)d;
	o->jobs--;
	if (j->fate == JOB_FAILED) {
		log_warn("delivery.not-recorded", "why=%s", log_quote_text(j->err.text));
		flight_later(f);
	} else
		flight_ready(f);
	job_free(j);
	outlet_pump(o);
}

void
outlet_decided(struct desk *d, struct job *j)
{
	ASSERT_ON(ROLE_WORKER);
	struct flight *f = j->again.flight;
	(void)d;
	bool failed = j->fate == JOB_FAILED;
	if (failed)
		log_warn("decision.not-recorded", "why=%s", log_quote_text(j->err.text));
	job_free(j);
	if (f == NULL)
		return;
	struct outlet *o = f->outlet;
	o->jobs--;
	f->checked = false;
	if (failed)
		flight_later(f);
	else
		flight_ready(f);
	outlet_pump(o);
}
