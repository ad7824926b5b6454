#include "daemon/overdue.h"

#include "daemon/conn.h"
#include "daemon/log.h"
#include "daemon/role.h"
#include "daemon/worker.h"

#include <inttypes.h>

static void
mark(struct outlet *o, unsigned lane, bool overdue)
{
	if (o->lanes[lane].overdue != overdue)
		metrics_overdue(&o->desk->worker->metrics, lane, overdue);
	o->lanes[lane].overdue = overdue;
}

/* The reader who is there longest; NULL: nobody is, and nothing is late. */
static const struct consumer *
first_reader(const struct outlet *o)
{
	const struct consumer *k, *first = NULL;
	LIST_FOREACH (k, &o->consumers, of_outlet)
		if (outlet_may_read(k) && (first == NULL || k->since_ms < first->since_ms))
			first = k;
	return first;
}

static const struct store_queued *
older(const struct store_queued *a, const struct store_queued *b)
{
	return a != NULL && a->key.decision < b->key.decision ? a : b;
}

static const struct store_queued *
oldest_of(const struct flight_list *list, const struct store_queued *than)
{
	const struct flight *f;
	TAILQ_FOREACH (f, list, of_lane)
		if (f->entry.attempts == 0 && f->entry.intake != 0)
			return older(than, &f->entry);
	return than;
}

/* The first that waits and was never sent; NULL: none. */
static const struct store_queued *
oldest(struct outlet *o, unsigned lane)
{
	const struct lane *l = &o->lanes[lane];
	bool any = outlet_lane_waits(o, lane);
	const struct store_queued *q = oldest_of(&l->ready, oldest_of(&l->pending, NULL));
	return any && l->at < l->count && l->stock[l->at].attempts == 0 ? older(q, &l->stock[l->at])
									: q;
}

/* Since when; 0: not measured. */
static uint64_t
queued_since(struct outlet *o, unsigned lane, const struct consumer *k)
{
	struct desk *d = o->desk;
	struct store_report r;
	struct err unsaid;
	bool found = false;
	const struct store_queued *q = oldest(o, lane);
	if (q == NULL || !desk_look(d, &unsaid) ||
	    !store_find_report(d->view, &q->report, &r, &found, &unsaid) || !found)
		return 0;
	return flight_since(d, q, k, &r);
}

static uint64_t
streamed_since(const struct outlet *o, unsigned lane)
{
	const struct flight *f;
	uint64_t first = 0;
	TAILQ_FOREACH (f, &o->all, of_outlet)
		if (f->state == FLIGHT_STREAM && f->waits_ms != 0 &&
		    f->entry.key.precedence == lane + 1 && (first == 0 || f->waits_ms < first))
			first = f->waits_ms;
	return first;
}

static void
look_at(struct outlet *o, unsigned lane, uint64_t deadline, const struct consumer *k)
{
	uint64_t queued = queued_since(o, lane, k), streamed = streamed_since(o, lane);
	uint64_t since = streamed == 0 || (queued != 0 && queued < streamed) ? queued : streamed;
	uint64_t now = worker_now_ms(o->desk->worker);
	bool overdue = since != 0 && now - since > deadline;
	if (overdue && !o->lanes[lane].overdue)
		log_warn("delivery.overdue",
		    "subscription=%u lane=%u waits_ms=%" PRIu64 " deadline_ms=%" PRIu64, o->id,
		    lane, now - since, deadline);
	mark(o, lane, overdue);
}

void
overdue_look(struct outlet *o)
{
	ASSERT_ON(ROLE_WORKER);
	const struct consumer *k = first_reader(o);
	bool looked = false;
	for (unsigned lane = 0; lane < OUTLET_LANES; lane++) {
		uint64_t deadline = flight_deadline(o->desk, lane);
		if (k == NULL || deadline == 0 || o->filling) {
			mark(o, lane, false);
			continue;
		}
		look_at(o, lane, deadline, k);
		looked = true;
	}
	if (looked)
		desk_look_away(o->desk);
}

void
overdue_end(struct outlet *o)
{
	ASSERT_ON(ROLE_WORKER);
	for (unsigned lane = 0; lane < OUTLET_LANES; lane++)
		mark(o, lane, false);
}
