#include "daemon/outlet.h"
#include "daemon/role.h"

#include "daemon/backfill.h"
#include "daemon/config.h"
#include "daemon/fill.h"
#include "daemon/log.h"
#include "daemon/on.h"
#include "daemon/overdue.h"
#include "proto/msg.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

/* ---- opening, joining, leaving ---- */

struct outlet *
outlet_find(struct desk *d, uint32_t id)
{
	ASSERT_ON(ROLE_WORKER);
	struct outlet *o = NULL;
	HASH_FIND(hh, d->outlets, &id, sizeof(id), o);
	return o;
}

static void tell_credit(struct outlet *o);

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
	o->due_ms = UINT64_MAX;
	memcpy(o->name, s->name.data, s->name.len);
	memcpy(o->pattern, s->pattern.data, s->pattern.len);
	LIST_INIT(&o->consumers);
	TAILQ_INIT(&o->all);
	for (size_t i = 0; i < OUTLET_LANES; i++) {
		struct lane *l = &o->lanes[i];
		TAILQ_INIT(&l->ready);
		TAILQ_INIT(&l->pending);
		l->after = STORE_QUEUE_START;
		l->more = true;
		l->wake_ms = UINT64_MAX;
	}
	HASH_ADD(hh, d->outlets, id, sizeof(o->id), o);
	if (table_has(o))
		return o;
	free(o);
	return NULL;
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
	k->since_ms = worker_now_ms(c->worker);
	k->number = ++s->last_outlet;
	s->consumers[s->consumer_count++] = k;
	LIST_INSERT_HEAD(&o->consumers, k, of_outlet);
	return k;
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
	j->retry.party = o->party;
	j->retry.mode = o->mode;
	j->bytes = 512 * count;
	if (!desk_post_own(o->desk, &j))
		log_debug("attempts.uncounted", "subscription=%u", o->id);
}

void
outlet_leave(struct consumer *k)
{
	ASSERT_ON(ROLE_WORKER);
	struct outlet *o = k->outlet;
	struct sent *s, *tmp;
	size_t count = 0;
	struct flight **back = calloc(HASH_COUNT(k->sents) + 1, sizeof(struct flight *));
	HASH_ITER (hh, k->sents, s, tmp) {
		struct flight *f = s->flight;
		sent_free(s);
		if (f == NULL || f->to != k)
			continue;
		flight_detach(f);
		if (f->state != FLIGHT_SENT)
			continue; /* its job or stream ends first, and finds nobody */
		flight_ready(f);
		if (back != NULL)
			back[count++] = f;
	}
	if (count > 0)
		count_attempts(o, back, count);
	free(back);
	LIST_REMOVE(k, of_outlet);
	free(k);
	tell_credit(o);
}

bool
outlet_is_idle(const struct outlet *o)
{
	ASSERT_ON(ROLE_WORKER);
	const struct flight *f;
	TAILQ_FOREACH (f, &o->all, of_outlet)
		if (f->state == FLIGHT_JOB || f->state == FLIGHT_STREAM ||
		    f->state == FLIGHT_ACKING)
			return false;
	return LIST_EMPTY(&o->consumers) && o->jobs == 0 && !o->pumping && !o->fill_job &&
	       !o->backfill_job;
}

void
outlet_free(struct outlet *o)
{
	ASSERT_ON(ROLE_WORKER);
	struct flight *f;
	assert(LIST_EMPTY(&o->consumers));
	overdue_end(o);
	while ((f = TAILQ_FIRST(&o->all)) != NULL)
		flight_end(f);
	for (size_t i = 0; i < OUTLET_LANES; i++)
		free(o->lanes[i].dormant);
	backfill_end(o);
	HASH_DEL(o->desk->outlets, o);
	free(o);
}

void
outlet_more(struct outlet *o)
{
	ASSERT_ON(ROLE_WORKER);
	for (size_t i = 0; i < OUTLET_LANES; i++)
		o->lanes[i].more = true;
}

/* ---- what comes next ---- */

/* The wall, for not-before: in doubt nothing goes anyway. */
static uint64_t
wall_ms(const struct outlet *o)
{
	return wall_best(&o->desk->shell->wall) / 1000;
}

/* False: out of memory, and the entry becomes a flight that waits by itself. */
static bool
lay_down(struct lane *l, const struct store_queued *q)
{
	if (l->dormant_count == l->dormant_room) {
		size_t room = l->dormant_room == 0 ? 64 : 2 * l->dormant_room;
		struct dormant *more = reallocarray(l->dormant, room, sizeof(*more));
		if (more == NULL)
			return false;
		l->dormant = more;
		l->dormant_room = room;
	}
	l->dormant[l->dormant_count++] =
	    (struct dormant){ q->not_before_ms, q->key.decision, q->report.originator };
	if (q->not_before_ms < l->wake_ms)
		l->wake_ms = q->not_before_ms;
	return true;
}

/* What may not go yet leaves the stock, for 24 bytes each; how many stay. */
static size_t
leave_dormant(const struct outlet *o, struct lane *l, size_t count)
{
	size_t kept = 0;
	uint64_t now = wall_ms(o);
	for (size_t i = 0; i < count; i++)
		if (l->stock[i].not_before_ms <= now || !lay_down(l, &l->stock[i]))
			l->stock[kept++] = l->stock[i];
	return kept;
}

/* Fetches the next entries of a lane.  False: an error, logged. */
static bool
restock(struct outlet *o, unsigned lane)
{
	struct lane *l = &o->lanes[lane];
	struct desk *d = o->desk;
	struct err e = { 0 };
	struct store_queue_key after = {
		.subscription = o->id, .precedence = (uint8_t)(lane + 1), .decision = l->after
	};
	size_t count = OUTLET_STOCK;
	if (!desk_look(d, &e) || !store_read_queue(d->view, &after, l->stock, &count, &e)) {
		log_error(
		    "queue.unreadable", "subscription=%u why=%s", o->id, log_quote_text(e.text));
		return false;
	}
	l->at = 0;
	l->look = d->looks;
	l->more = count == OUTLET_STOCK;
	if (count > 0)
		l->after = l->stock[count - 1].key.decision;
	l->count = leave_dormant(o, l, count);
	return true;
}

bool
outlet_lane_waits(struct outlet *o, unsigned lane)
{
	ASSERT_ON(ROLE_WORKER);
	struct lane *l = &o->lanes[lane];
	while (TAILQ_EMPTY(&l->ready) && l->at >= l->count)
		if (!l->more || !restock(o, lane))
			return false;
	return true;
}

static struct flight *
new_flight(struct outlet *o, const struct store_queued *entry)
{
	struct flight *f = calloc(1, sizeof(*f));
	if (f == NULL)
		return NULL;
	f->outlet = o;
	f->entry = *entry;
	f->counted = true;
	f->publisher = entry->report.originator;
	LIST_INIT(&f->sents);
	TAILQ_INSERT_TAIL(&o->all, f, of_outlet);
	flight_ready(f);
	return f;
}

/* The next entry of a lane as a flight in state READY; NULL: out of memory. */
static struct flight *
take_off(struct outlet *o, unsigned lane)
{
	struct lane *l = &o->lanes[lane];
	struct flight *f = TAILQ_FIRST(&l->ready);
	if (f == NULL && (f = new_flight(o, &l->stock[l->at])) != NULL) {
		f->look = l->look;
		l->at++;
	}
	return f;
}

struct flight *
outlet_flight(const struct outlet *o, const struct store_queue_key *key)
{
	ASSERT_ON(ROLE_WORKER);
	struct flight *f;
	TAILQ_FOREACH (f, &o->all, of_outlet)
		if (f->entry.key.precedence == key->precedence &&
		    f->entry.key.decision == key->decision)
			break;
	return f;
}

/* It will be found: it is not fetched yet, or waits among those that are. */
static bool
is_ahead(const struct lane *l, uint64_t decision)
{
	if (l->after == STORE_QUEUE_START || decision > l->after)
		return true;
	for (size_t i = l->at; i < l->count; i++)
		if (l->stock[i].key.decision == decision)
			return true;
	for (size_t i = 0; i < l->dormant_count; i++)
		if (l->dormant[i].decision == decision)
			return true;
	return false;
}

bool
outlet_back(struct outlet *o, const struct notice_back *b)
{
	ASSERT_ON(ROLE_WORKER);
	struct lane *l = &o->lanes[b->key.precedence - 1];
	struct flight *f = outlet_flight(o, &b->key); /* which did not notice that it was gone */
	struct store_queued q = { .key = b->key, .report.originator = b->originator };
	l->more = true;
	if (f != NULL) { /* what was counted of it is over, and it is decided anew (S5) */
		f->entry.attempts = 0;
		f->look = 0;
		f->checked = false;
	}
	return f != NULL || is_ahead(l, b->key.decision) || new_flight(o, &q) != NULL;
}

bool
outlet_lay_down(struct flight *f)
{
	ASSERT_ON(ROLE_WORKER);
	struct store_queued q = f->entry;
	q.not_before_ms = DORMANT_QUORUM;
	return LIST_EMPTY(&f->sents) && f->ticket == NULL && lay_down(flight_lane(f), &q);
}

/* Those whose time has come; prepare reads the whole entry.  'signed_to': what the quorum signed,
 * if that is news. */
static void
wake_dormant(struct outlet *o, unsigned lane, uint64_t signed_to)
{
	struct lane *l = &o->lanes[lane];
	uint64_t now = wall_ms(o);
	size_t kept = 0;
	if (l->wake_ms > now && signed_to == 0)
		return;
	l->wake_ms = UINT64_MAX;
	for (size_t i = 0; i < l->dormant_count; i++) {
		struct dormant d = l->dormant[i];
		struct store_queued entry = {
			.key = { o->id, (uint8_t)(lane + 1), d.decision },
			.report.originator = d.originator,
		};
		bool now_due = d.not_before_ms == DORMANT_QUORUM ? d.decision < signed_to
								 : d.not_before_ms <= now;
		if (now_due && new_flight(o, &entry) != NULL)
			continue;
		l->dormant[kept++] = d;
		if (d.not_before_ms < l->wake_ms)
			l->wake_ms = d.not_before_ms;
	}
	l->dormant_count = kept;
}

/* ---- sending ---- */

bool
outlet_may_read(const struct consumer *k)
{
	const struct conn *c = k->conn;
	return c->state == CONN_READY && c->peer != NULL &&
	       (c->peer->roles & ROLE_SUBSCRIBE) != 0 && c->judged == c->worker->trust_serial;
}

static bool
may_take(const struct consumer *k)
{
	return k->out < k->credit && outlet_may_read(k);
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

/* The lane whose turn it is, and who reads it: one that waited through the picks of others, else
 * the highest.  NULL: none waits, or there is no room for it. */
static struct consumer *
next_turn(struct outlet *o, unsigned *lane)
{
	struct consumer *k;
	for (*lane = 0; *lane < OUTLET_LANES; ++*lane)
		if (o->lanes[*lane].passed >= LIMIT_AGING_FLOOR - 1 &&
		    outlet_lane_waits(o, *lane) && (k = reader(o, *lane)) != NULL)
			return k;
	while (*lane > 0)
		if (outlet_lane_waits(o, --*lane))
			return reader(o, *lane);
	return NULL;
}

static void
count_pick(struct outlet *o, unsigned lane)
{
	o->lanes[lane].passed = 0;
	for (unsigned i = 0; i < lane; i++)
		if (o->lanes[i].passed < LIMIT_AGING_FLOOR && outlet_lane_waits(o, i))
			o->lanes[i].passed++;
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

/* For the committer, which knows how many entries the queue has (decision 0009). */
static void
tell_credit(struct outlet *o)
{
	struct shell *s = o->desk->shell;
	const struct consumer *k;
	uint32_t credit = 0;
	LIST_FOREACH (k, &o->consumers, of_outlet)
		credit += outlet_may_read(k) ? k->credit : 0;
	if (o->id < s->credit_count)
		atomic_store_explicit(&s->credit[o->id], credit, memory_order_relaxed);
}

/* Between two pumpings: so none overtakes who has waited for the same signatures. */
static void
see_quorum(struct outlet *o)
{
	uint64_t cosigned = atomic_load(&o->desk->shell->cosigned_size);
	if (cosigned == o->cosigned)
		return;
	o->cosigned = cosigned;
	for (unsigned lane = 0; lane < OUTLET_LANES; lane++)
		wake_dormant(o, lane, cosigned);
}

void
outlet_pump(struct outlet *o)
{
	ASSERT_ON(ROLE_WORKER);
	if (o->pumping || o->filling || o->desk->rules == NULL)
		return;
	o->pumping = true;
	see_quorum(o);
	/* what is asked for ahead of its credit would be recorded for bytes that cannot go yet */
	while (any_reader(o) && o->jobs + o->behind < JOB_DELIVERIES &&
	       o->jobs + o->uncovered < free_credit(o)) {
		unsigned lane;
		struct consumer *k = next_turn(o, &lane);
		struct flight *f = k == NULL ? NULL : take_off(o, lane);
		if (f == NULL)
			break;
		count_pick(o, lane);
		if (!prepare_flight(f, k))
			flight_drop(f);
		else if (f->state == FLIGHT_READY)
			break; /* cannot go now: tick or notice tries again */
	}
	prepare_ask(o);
	desk_look_away(o->desk);
	o->pumping = false;
	tell_credit(o);
}

void
flight_sent(void *arg, struct conn *c, enum release_end how)
{
	struct flight *f = arg;
	struct outlet *o = f->outlet;
	assert(f->state == FLIGHT_STREAM);
	c->party->output_bytes -= f->large;
	f->large = 0;
	struct sent *s = f->to == NULL ? NULL : flight_sent_to(f, f->to);
	if (how == RELEASE_SENT && s != NULL) {
		s->whole = true;
		f->state = FLIGHT_SENT;
		f->entry.attempts++;
		f->counted = false;
		flight_wait_ends(f);
		flight_due(f, desk_settings(o->desk)->limit_ack_wait_ms);
	} else {
		flight_detach(f);
		f->checked = false;
		flight_ready(f);
	}
	if (f->acked) /* an earlier time was enough */
		flight_ack(f);
	else if (f->state == FLIGHT_SENT)
		return; /* nobody has more credit for it */
	outlet_pump(o);
}

/* Flights whose deadline has come: tried or sent again. */
static void
wake_due(struct outlet *o)
{
	struct flight *f, *next, *late[64];
	size_t count = 0;
	const struct worker *w = o->desk->worker;
	uint64_t now = worker_now_ms(w);
	if (now < o->due_ms && w->still_ms == 0)
		return;
	o->due_ms = UINT64_MAX;
	for (f = TAILQ_FIRST(&o->all); f != NULL && count < 64; f = next) {
		next = TAILQ_NEXT(f, of_outlet);
		f->deadline_ms += w->still_ms; /* nobody's acknowledgement was read */
		if (f->deadline_ms > now) {
			o->due_ms = f->deadline_ms < o->due_ms ? f->deadline_ms : o->due_ms;
		} else if (f->state == FLIGHT_LATER || f->state == FLIGHT_HEAD) {
			flight_ready(f);
		} else if (f->state == FLIGHT_SENT) {
			flight_detach(f);
			flight_ready(f);
			late[count++] = f;
		}
	}
	if (f != NULL)
		o->due_ms = now;
	if (count > 0)
		count_attempts(o, late, count);
}

void
outlet_tick(struct outlet *o)
{
	ASSERT_ON(ROLE_WORKER);
	fill_tick(o);
	backfill_tick(o);
	wake_due(o);
	for (unsigned lane = 0; lane < OUTLET_LANES; lane++)
		wake_dormant(o, lane, 0);
	outlet_pump(o);
}

void
outlet_covered(struct outlet *o)
{
	ASSERT_ON(ROLE_WORKER);
	struct flight *f;
	TAILQ_FOREACH (f, &o->all, of_outlet)
		if (f->state == FLIGHT_HEAD)
			flight_ready(f);
	outlet_pump(o);
}

void
outlet_new_rules(struct outlet *o)
{
	ASSERT_ON(ROLE_WORKER);
	struct flight *f;
	TAILQ_FOREACH (f, &o->all, of_outlet)
		f->checked = false;
	/* they may demand it no longer, or release nothing any more */
	for (unsigned lane = 0; lane < OUTLET_LANES; lane++)
		wake_dormant(o, lane, UINT64_MAX);
	outlet_pump(o);
}
