#include "daemon/backfill.h"
#include "daemon/role.h"

#include "daemon/backfill_look.h"
#include "daemon/drafts.h"
#include "daemon/log.h"
#include "daemon/worker.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>

enum {
	KEPT = 1 << 20,	  /* of a page: its rows and the names of what is decided */
	PACE_US = 20000,  /* from one turn to the next, whatever was found (S7) */
	DELAYED_MS = 2000 /* what failed is tried again */
};

void
backfill_note_name(uint32_t subscription, char out[BACKFILL_NAME])
{
	(void)snprintf(out, BACKFILL_NAME, "earlier/%" PRIu32, subscription);
}

static void on_turn(int fd, short what, void *arg);

/* Others have their turn between two pages. */
static void
turn_later(struct outlet *o)
{
	static const struct timeval soon = { 0, PACE_US };
	if (o->backfill_event == NULL)
		o->backfill_event = event_new(o->desk->worker->base, -1, 0, on_turn, o);
	if (o->backfill_event != NULL)
		(void)event_add(o->backfill_event, &soon); /* if not, the tick goes on */
}

/* It is through: the note goes. */
static void
finish(struct outlet *o)
{
	struct job *j = job_new(JOB_BACKFILL, NULL, 4096);
	if (j == NULL)
		return; /* the tick goes on */
	j->again.given.party = o->party;
	j->again.subscription = o->id;
	j->again.looked_at = o->backfill_at;
	j->records = 1;
	j->bytes = 256;
	o->backfill_job = desk_post_own(o->desk, &j);
}

static void
wait_a_little(struct outlet *o)
{
	o->backfill_not_before_ms = worker_now_ms(o->desk->worker) + DELAYED_MS;
}

static void
failed(struct outlet *o, const struct err *e)
{
	log_warn("backfill.delayed", "subscription=%u code=%s why=%s", o->id, err_token(e->code),
	    log_quote_text(e->text));
	wait_a_little(o);
	if (e->code == ERR_CORRUPT || e->code == ERR_STORE)
		desk_stop_for_good(o->desk, e);
}

/* Those of the page are decided, one after the other, until one releases: that goes on its way
 * first. */
static bool
decide(struct outlet *o, const struct backfill_page *p)
{
	for (size_t i = 0; i < p->count; i++) {
		struct err e = { 0 };
		enum again_result r = again_backfill(o->desk, &p->missed[i], &e);
		if (r == AGAIN_FAILED) {
			failed(o, &e);
			return false;
		}
		o->backfill_job = r == AGAIN_JOB;
		if (r == AGAIN_JOB)
			return false;
		o->backfill_at = p->missed[i].report;
	}
	o->backfill_at = p->at;
	return true;
}

static void
turn(struct outlet *o)
{
	struct desk *d = o->desk;
	struct backfill_page p = { .at = o->backfill_at };
	struct arena a;
	struct err e = { 0 };
	uint64_t began = worker_now_us(d->worker);
	if (!o->backfilling || o->filling || o->backfill_job || o->deleted || d->rules == NULL)
		return;
	arena_init(&a, KEPT);
	if (!backfill_look(o, &a, &p, &e))
		failed(o, &e);
	else if (decide(o, &p)) {
		if (p.more)
			turn_later(o);
		else
			finish(o);
	}
	arena_done(&a);
	/* on account of its party */
	struct consumer *k = LIST_FIRST(&o->consumers);
	if (k != NULL && k->conn->party != NULL)
		share_spend(&k->conn->party->share, began, worker_now_us(d->worker));
}

static void
on_turn(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	turn(arg);
}

/* ---- from outside ---- */

void
backfill_begin(struct outlet *o, const struct store_report_key *at)
{
	ASSERT_ON(ROLE_WORKER);
	if (o->backfilling)
		return;
	o->backfilling = true;
	o->backfill_at = *at;
	turn_later(o);
}

void
backfill_tick(struct outlet *o)
{
	ASSERT_ON(ROLE_WORKER);
	if (o->backfilling && worker_now_ms(o->desk->worker) >= o->backfill_not_before_ms &&
	    (o->backfill_event == NULL || !event_pending(o->backfill_event, EV_TIMEOUT, NULL)))
		turn(o);
}

void
backfill_home(struct worker *w, struct job *j)
{
	ASSERT_ON(ROLE_WORKER);
	const struct job_again *a = &j->again;
	struct outlet *o = outlet_find(w->desk, a->subscription);
	bool good = j->fate == JOB_DONE;
	if (j->fate == JOB_FAILED)
		log_warn("backfill.delayed", "subscription=%u why=%s", a->subscription,
		    log_quote_text(j->err.text));
	if (good && a->index != 0)
		log_info("decision.backfilled", "subscription=%u record=%llu outcome=%s",
		    a->subscription, (unsigned long long)a->index, outcome_name(a->outcome));
	if (o != NULL) {
		o->backfill_job = false;
		if (j->fate == JOB_FAILED)
			wait_a_little(o);
		if (good) {
			o->backfill_at = a->looked_at;
			o->backfilling = a->more;
		}
		if (good && a->more)
			turn_later(o); /* else the tick tries again, by then under newer rules */
	}
	job_free(j);
}

void
backfill_end(struct outlet *o)
{
	ASSERT_ON(ROLE_WORKER);
	if (o->backfill_event != NULL)
		event_free(o->backfill_event);
}
