#include "daemon/outlet.h"

#include "daemon/config.h"
#include "daemon/log.h"
#include "daemon/on.h"
#include "proto/msg.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

enum { LATER_MS = 1000, JOBS_AT_ONCE = 64 };

/* ---- opening, joining, leaving ---- */

struct outlet *
outlet_find(struct desk *d, uint32_t id)
{
	struct outlet *o = NULL;
	HASH_FIND(hh, d->outlets, &id, sizeof(id), o);
	return o;
}

static void set_eager(struct outlet *o);

struct outlet *
outlet_open(struct desk *d, const struct store_subscription *s)
{
	ASSERT_ON(ROLE_WORKER);
	struct outlet *o = outlet_find(d, s->id);
	if (o != NULL)
		return o;
	o = calloc(1, sizeof(*o));
	if (o == NULL || s->name.len >= sizeof(o->name) || s->pattern.len >= sizeof(o->pattern)) {
		free(o);
		return NULL;
	}
	o->id = s->id;
	o->desk = d;
	o->party = s->party;
	o->mode = s->mode;
	memcpy(o->name, s->name.data, s->name.len);
	memcpy(o->pattern, s->pattern.data, s->pattern.len);
	LIST_INIT(&o->consumers);
	TAILQ_INIT(&o->all);
	for (size_t i = 0; i < OUTLET_LANES; i++) {
		TAILQ_INIT(&o->ready[i]);
		o->lanes[i].after = STORE_QUEUE_START;
		o->lanes[i].more = true;
	}
	HASH_ADD(hh, d->outlets, id, sizeof(o->id), o);
	return o;
}

struct consumer *
outlet_join(struct outlet *o, struct conn *c, uint32_t credit)
{
	ASSERT_ON(ROLE_WORKER);
	struct session *s = c->session;
	if (s->consumer_count == SESSION_OUTLETS)
		return NULL;
	struct consumer *k = calloc(1, sizeof(*k));
	if (k == NULL)
		return NULL;
	k->conn = c;
	k->outlet = o;
	k->credit = credit;
	k->number = ++s->last_outlet;
	s->consumers[s->consumer_count++] = k;
	LIST_INSERT_HEAD(&o->consumers, k, of_outlet);
	return k;
}

void
flight_ready(struct flight *f)
{
	struct flight_list *lane = &f->outlet->ready[f->entry.key.precedence - 1];
	struct flight *at;
	f->state = FLIGHT_READY;
	TAILQ_FOREACH (at, lane, of_lane)
		if (at->entry.key.decision > f->entry.key.decision)
			break;
	if (at == NULL)
		TAILQ_INSERT_TAIL(lane, f, of_lane);
	else
		TAILQ_INSERT_BEFORE(at, f, of_lane);
}

void
flight_later(struct flight *f)
{
	f->state = FLIGHT_LATER;
	f->deadline_ms = worker_now_ms(f->outlet->desk->worker) + LATER_MS;
}

/* Nobody's any more: off its consumer's list. */
static void
detach(struct flight *f)
{
	if (f->to == NULL)
		return;
	HASH_DEL(f->to->flights, f);
	f->to->out--;
	f->to = NULL;
}

void
flight_drop(struct flight *f)
{
	detach(f);
	if (f->state == FLIGHT_READY)
		TAILQ_REMOVE(&f->outlet->ready[f->entry.key.precedence - 1], f, of_lane);
	TAILQ_REMOVE(&f->outlet->all, f, of_outlet);
	free(f);
}

/* Attempts are remembered, so that a restart does not begin to count anew. */
static void
count_attempts(struct outlet *o, struct flight **flights, size_t count)
{
	struct job *j = job_new(JOB_RETRY, NULL, count * sizeof(struct store_queued) + 4096);
	if (j == NULL)
		return;
	j->retry.items = arena_zalloc(j->arena, count, sizeof(*j->retry.items));
	if (j->retry.items == NULL) {
		job_free(j);
		return;
	}
	for (size_t i = 0; i < count; i++)
		j->retry.items[i] = flights[i]->entry;
	j->retry.count = j->records = count;
	if (!desk_post_own(o->desk, &j))
		log_debug("attempts.uncounted", "subscription=%u", o->id);
}

void
outlet_leave(struct consumer *k)
{
	ASSERT_ON(ROLE_WORKER);
	struct outlet *o = k->outlet;
	struct flight *f, *tmp;
	size_t count = 0;
	struct flight **sent = calloc(HASH_COUNT(k->flights) + 1, sizeof(struct flight *));
	HASH_ITER (hh, k->flights, f, tmp) {
		enum flight_state was = f->state;
		detach(f);
		if (was != FLIGHT_SENT)
			continue; /* its job or stream ends first, and finds nobody */
		flight_ready(f);
		if (sent != NULL)
			sent[count++] = f;
	}
	if (count > 0)
		count_attempts(o, sent, count);
	free(sent);
	LIST_REMOVE(k, of_outlet);
	free(k);
	set_eager(o);
}

void
outlet_free(struct outlet *o)
{
	struct flight *f;
	assert(LIST_EMPTY(&o->consumers));
	while ((f = TAILQ_FIRST(&o->all)) != NULL)
		flight_drop(f);
	HASH_DEL(o->desk->outlets, o);
	free(o);
}

void
outlet_more(struct outlet *o)
{
	for (size_t i = 0; i < OUTLET_LANES; i++)
		o->lanes[i].more = true;
}

/* ---- what comes next ---- */

/* Fetches the next entries of a lane.  False: an error, logged. */
static bool
restock(struct outlet *o, unsigned lane)
{
	struct lane *l = &o->lanes[lane];
	struct desk *d = o->desk;
	struct arena memory;
	struct err e = { 0 };
	struct store_queue_key after = {
		.subscription = o->id, .precedence = (uint8_t)(lane + 1), .decision = l->after
	};
	size_t count = OUTLET_STOCK;
	arena_init(&memory, DESK_ARENA_EXTRA);
	bool ok = store_view_open(d->view, &memory, &e) &&
		  store_read_queue(d->view, &after, l->stock, &count, &e);
	store_view_close(d->view);
	arena_done(&memory);
	if (!ok) {
		log_error(
		    "queue.unreadable", "subscription=%u why=%s", o->id, log_quote_text(e.text));
		return false;
	}
	l->at = 0;
	l->count = count;
	l->more = count == OUTLET_STOCK;
	if (count > 0)
		l->after = l->stock[count - 1].key.decision;
	return true;
}

static bool
lane_waits(struct outlet *o, unsigned lane)
{
	struct lane *l = &o->lanes[lane];
	if (!TAILQ_EMPTY(&o->ready[lane]) || l->at < l->count)
		return true;
	return l->more && restock(o, lane) && l->count > 0;
}

/* The lane whose turn it is; OUTLET_LANES if none waits. */
static unsigned
next_lane(struct outlet *o)
{
	if (o->picked + 1 >= LIMIT_AGING_FLOOR)
		for (unsigned lane = 0; lane < OUTLET_LANES; lane++)
			if (lane_waits(o, lane)) {
				o->picked = 0;
				return lane;
			}
	for (unsigned lane = OUTLET_LANES; lane-- > 0;)
		if (lane_waits(o, lane)) {
			o->picked++;
			return lane;
		}
	return OUTLET_LANES;
}

/* The next entry of a lane as a flight in state READY; NULL: out of memory. */
static struct flight *
take_off(struct outlet *o, unsigned lane)
{
	struct flight *f = TAILQ_FIRST(&o->ready[lane]);
	if (f != NULL)
		return f;
	struct lane *l = &o->lanes[lane];
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return NULL;
	f->outlet = o;
	f->entry = l->stock[l->at++];
	f->publisher = f->entry.report.originator;
	TAILQ_INSERT_TAIL(&o->all, f, of_outlet);
	flight_ready(f);
	return f;
}

/* ---- sending ---- */

/* Credit, the role, and judged under the present rules (S9). */
static bool
may_take(const struct consumer *k)
{
	const struct conn *c = k->conn;
	return k->out < k->credit && c->state == CONN_READY && c->peer != NULL &&
	       (c->peer->roles & ROLE_SUBSCRIBE) != 0 && c->judged == c->worker->trust_serial;
}

static struct consumer *
reader(struct outlet *o, unsigned lane)
{
	struct consumer *k;
	LIST_FOREACH (k, &o->consumers, of_outlet) {
		if (!may_take(k))
			continue;
		if (conn_room(k->conn, lane) > 0)
			break;
		conn_want_room(k->conn);
	}
	if (k != NULL) { /* the next one has the next turn */
		LIST_REMOVE(k, of_outlet);
		struct consumer *last = LIST_FIRST(&o->consumers);
		while (last != NULL && LIST_NEXT(last, of_outlet) != NULL)
			last = LIST_NEXT(last, of_outlet);
		if (last == NULL)
			LIST_INSERT_HEAD(&o->consumers, k, of_outlet);
		else
			LIST_INSERT_AFTER(last, k, of_outlet);
	}
	return k;
}

static bool
any_reader(const struct outlet *o)
{
	const struct consumer *k;
	LIST_FOREACH (k, &o->consumers, of_outlet)
		if (may_take(k))
			return true;
	return false;
}

static unsigned
free_credit(const struct outlet *o)
{
	const struct consumer *k;
	unsigned n = 0;
	LIST_FOREACH (k, &o->consumers, of_outlet)
		n += may_take(k) ? k->credit - k->out : 0;
	return n;
}

/* The hint for the committer (decision 0002). */
static void
set_eager(struct outlet *o)
{
	struct shell *s = o->desk->shell;
	if (o->party >= s->eager_count)
		return;
	bool idle = any_reader(o);
	for (size_t i = 0; i < OUTLET_LANES && idle; i++)
		idle = TAILQ_EMPTY(&o->ready[i]) && o->lanes[i].at >= o->lanes[i].count;
	atomic_store_explicit(&s->eager[o->party], idle, memory_order_relaxed);
}

void
outlet_pump(struct outlet *o)
{
	ASSERT_ON(ROLE_WORKER);
	if (o->pumping || o->desk->rules == NULL)
		return;
	o->pumping = true;
	/* what is asked for ahead of its credit would be recorded for bytes that cannot go yet */
	while (any_reader(o) && o->jobs < JOBS_AT_ONCE && o->jobs < free_credit(o)) {
		unsigned lane = next_lane(o);
		struct consumer *k = lane == OUTLET_LANES ? NULL : reader(o, lane);
		struct flight *f = k == NULL ? NULL : take_off(o, lane);
		if (f == NULL)
			break;
		if (!prepare_flight(f, k))
			flight_drop(f);
		else if (f->state == FLIGHT_READY)
			break; /* cannot go now: tick or notice tries again */
	}
	o->pumping = false;
	set_eager(o);
}

void
flight_sent(void *arg, struct conn *c, enum release_end how)
{
	struct flight *f = arg;
	struct outlet *o = f->outlet;
	(void)c;
	assert(f->state == FLIGHT_STREAM);
	if (f->dropped) {
		flight_drop(f);
		return;
	}
	if (how == RELEASE_SENT && f->to != NULL) {
		f->state = FLIGHT_SENT;
		f->entry.attempts++;
		f->deadline_ms =
		    worker_now_ms(o->desk->worker) + o->desk->shell->config->limit_ack_wait_ms;
		if (f->acked)
			flight_ack(f);
		outlet_pump(o);
		return;
	}
	detach(f);
	f->checked = false;
	flight_ready(f);
	outlet_pump(o);
}

void
outlet_tick(struct outlet *o)
{
	ASSERT_ON(ROLE_WORKER);
	struct flight *f, *next, *late[64];
	size_t count = 0;
	uint64_t now = worker_now_ms(o->desk->worker);
	for (f = TAILQ_FIRST(&o->all); f != NULL && count < 64; f = next) {
		next = TAILQ_NEXT(f, of_outlet);
		if (f->state == FLIGHT_LATER && f->deadline_ms <= now)
			flight_ready(f);
		if (f->state != FLIGHT_SENT || f->deadline_ms > now)
			continue;
		detach(f);
		flight_ready(f);
		late[count++] = f;
	}
	if (count > 0)
		count_attempts(o, late, count);
	outlet_pump(o);
}

void
outlet_new_rules(struct outlet *o)
{
	ASSERT_ON(ROLE_WORKER);
	struct flight *f;
	TAILQ_FOREACH (f, &o->all, of_outlet)
		f->checked = false;
	outlet_pump(o);
}
