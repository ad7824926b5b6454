/* flight.c - one report on its way to a subscription: where it stands, and under which numbers it
 * is known. */
#include "daemon/outlet.h"
#include "daemon/role.h"

#include "daemon/config.h"
#include "daemon/log.h"

#include <inttypes.h>
#include <stdlib.h>

enum { LATER_MS = 1000 };

struct lane *
flight_lane(const struct flight *f)
{
	return &f->outlet->lanes[f->entry.key.precedence - 1];
}

void
flight_detach(struct flight *f)
{
	ASSERT_ON(ROLE_WORKER);
	if (f->to != NULL)
		f->to->out--;
	f->to = NULL;
}

void
flight_due(struct flight *f, uint64_t in_ms)
{
	ASSERT_ON(ROLE_WORKER);
	f->deadline_ms = worker_now_ms(f->outlet->desk->worker) + in_ms;
	if (f->deadline_ms < f->outlet->due_ms)
		f->outlet->due_ms = f->deadline_ms;
}

/* ---- the order of a lane ---- */

static void
insert_by_age(struct flight_list *list, struct flight *f)
{
	struct flight *at; /* nearly always the last */
	TAILQ_FOREACH_REVERSE(at, list, flight_list, of_lane)
	if (at->entry.key.decision <= f->entry.key.decision)
		break;
	if (at == NULL)
		TAILQ_INSERT_HEAD(list, f, of_lane);
	else
		TAILQ_INSERT_AFTER(list, at, f, of_lane);
	f->in = list;
}

static void
take_off_list(struct flight *f)
{
	TAILQ_REMOVE(f->in, f, of_lane);
	f->in = NULL;
	f->outlet->behind -= f->state == FLIGHT_BEHIND;
	f->outlet->uncovered -= f->state == FLIGHT_HEAD;
}

/* Somebody left the lane's pending ones: whoever waited behind is looked at again. */
static void
wake_behind(struct lane *lane)
{
	struct flight *f, *next;
	for (f = TAILQ_FIRST(&lane->pending); f != NULL; f = next) {
		next = TAILQ_NEXT(f, of_lane);
		if (f->state != FLIGHT_BEHIND)
			continue;
		take_off_list(f);
		f->state = FLIGHT_READY;
		insert_by_age(&lane->ready, f);
	}
}

void
flight_unlist(struct flight *f)
{
	ASSERT_ON(ROLE_WORKER);
	if (f->in == NULL)
		return;
	struct lane *lane = flight_lane(f);
	bool held_others = f->in == &lane->pending && f->state != FLIGHT_BEHIND;
	take_off_list(f);
	if (held_others && f->outlet->behind > 0)
		wake_behind(lane);
}

void
flight_ready(struct flight *f)
{
	ASSERT_ON(ROLE_WORKER);
	flight_unlist(f);
	f->state = FLIGHT_READY;
	insert_by_age(&flight_lane(f)->ready, f);
}

void
flight_wait(struct flight *f, enum flight_state state)
{
	ASSERT_ON(ROLE_WORKER);
	struct lane *lane = flight_lane(f);
	if (f->in != &lane->pending)
		flight_unlist(f);
	else {
		f->outlet->behind -= f->state == FLIGHT_BEHIND;
		f->outlet->uncovered -= f->state == FLIGHT_HEAD;
	}
	f->state = state;
	f->outlet->behind += state == FLIGHT_BEHIND;
	f->outlet->uncovered += state == FLIGHT_HEAD;
	flight_due(f, LATER_MS);
	if (f->in == NULL)
		insert_by_age(&lane->pending, f);
}

void
flight_put_off(struct flight *f)
{
	ASSERT_ON(ROLE_WORKER);
	f->outlet->put_off += !f->put_off;
	f->put_off = true;
}

void
flight_take_up(struct flight *f)
{
	ASSERT_ON(ROLE_WORKER);
	f->outlet->put_off -= f->put_off;
	f->put_off = false;
}

void
flight_later(struct flight *f)
{
	ASSERT_ON(ROLE_WORKER);
	flight_unlist(f);
	f->state = FLIGHT_LATER;
	flight_due(f, LATER_MS);
}

bool
flight_is_behind(const struct flight *f)
{
	const struct flight *p;
	TAILQ_FOREACH (p, &flight_lane(f)->pending, of_lane) {
		if (p->entry.key.decision >= f->entry.key.decision)
			return false;
		if (p->entry.report.originator == f->entry.report.originator)
			return true;
	}
	return false;
}

/* ---- numbers ---- */

struct sent *
flight_sent_to(const struct flight *f, const struct consumer *k)
{
	struct sent *s;
	LIST_FOREACH (s, &f->sents, of_flight)
		if (s->to == k)
			return s;
	return NULL;
}

void
sent_free(struct sent *s)
{
	ASSERT_ON(ROLE_WORKER);
	if (s == NULL)
		return;
	HASH_DEL(s->to->sents, s);
	if (s->flight != NULL)
		LIST_REMOVE(s, of_flight);
	else
		s->to->orphans--;
	free(s);
}

/* The oldest without a flight makes room: whoever acknowledges that late is not on record. */
static void
limit_orphans(struct consumer *k)
{
	struct sent *s, *tmp;
	if (k->orphans <= k->credit)
		return;
	HASH_ITER (hh, k->sents, s, tmp) {
		if (s->flight == NULL) {
			sent_free(s);
			return;
		}
	}
}

/* ---- how long it waited ---- */

uint64_t
flight_since(const struct desk *d, const struct store_queued *q, const struct consumer *k,
    const struct store_report *r)
{
	uint64_t from = r->accepted_us, wall = wall_best(&d->shell->wall);
	uint64_t now = worker_now_ms(d->worker);
	if (q->attempts > 0 || q->epoch == 0 || q->key.decision > r->intake + r->decisions)
		return 0;
	if (q->not_before_ms * 1000 > from)
		from = q->not_before_ms * 1000;
	uint64_t ms = wall > from ? (wall - from) / 1000 : 0;
	return ms < now && now - ms > k->since_ms ? now - ms : k->since_ms;
}

void
flight_wait_begins(struct flight *f, const struct consumer *k, const struct store_report *r)
{
	ASSERT_ON(ROLE_WORKER);
	f->waits_ms = flight_since(f->outlet->desk, &f->entry, k, r);
}

uint64_t
flight_deadline(const struct desk *d, unsigned lane)
{
	const struct config *c = desk_settings(d);
	return lane == 0   ? c->deadline_routine_ms
	       : lane == 1 ? c->deadline_priority_ms
	       : lane == 2 ? c->deadline_immediate_ms
			   : c->deadline_flash_ms;
}

void
flight_wait_ends(struct flight *f)
{
	ASSERT_ON(ROLE_WORKER);
	struct outlet *o = f->outlet;
	struct worker *w = o->desk->worker;
	unsigned lane = f->entry.key.precedence - 1u;
	uint64_t now = worker_now_ms(w), deadline = flight_deadline(o->desk, lane);
	if (f->waits_ms == 0)
		return;
	uint64_t ms = now - f->waits_ms;
	bool late = deadline != 0 && ms > deadline;
	f->waits_ms = 0;
	metrics_wait(&w->metrics, lane, ms, late);
	o->lates += late;
	if (!late || now - o->late_ms < 1000)
		return;
	log_warn("delivery.late",
	    "subscription=%u lane=%u waited_ms=%" PRIu64 " deadline_ms=%" PRIu64 " count=%" PRIu64,
	    o->id, lane, ms, deadline, o->lates);
	o->late_ms = now;
	o->lates = 0;
}

/* ---- the end ---- */

static void
bury(struct flight *f)
{
	struct ack_ticket *t = f->ticket;
	struct desk *d = f->outlet->desk;
	flight_detach(f);
	flight_unlist(f);
	flight_take_up(f);
	TAILQ_REMOVE(&f->outlet->all, f, of_outlet);
	free(f);
	ticket_settle(d, t, ERR_NONE);
}

void
flight_drop(struct flight *f)
{
	ASSERT_ON(ROLE_WORKER);
	struct sent *s, *tmp;
	LIST_FOREACH_SAFE(s, &f->sents, of_flight, tmp)
	{
		if (!s->whole) {
			sent_free(s);
			continue;
		}
		LIST_REMOVE(s, of_flight);
		s->flight = NULL;
		s->to->orphans++;
		limit_orphans(s->to);
	}
	bury(f);
}

void
flight_end(struct flight *f)
{
	ASSERT_ON(ROLE_WORKER);
	struct sent *s;
	while ((s = LIST_FIRST(&f->sents)) != NULL)
		sent_free(s);
	bury(f);
}
