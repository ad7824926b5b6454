#include "daemon/quota.h"

#include "daemon/conn.h"
#include "daemon/log.h"
#include "daemon/role.h"
#include "daemon/trust.h"
#include "daemon/turns.h"
#include "proto/msg.h"

#include <assert.h>
#include <event2/event.h>
#include <inttypes.h>

enum { US_IN_MS = 1000, US_IN_S = 1000000 };

/* ---- the buckets ---- */

static uint64_t
wait_us(const struct worker *w, const struct quota *q, uint64_t bytes, uint64_t now_us)
{
	const struct io_limits *l = w->limits;
	uint64_t reports = bucket_wait_us(&q->reports, 1, l->publish_rate, now_us);
	uint64_t size = bucket_wait_us(&q->bytes, bytes, l->publish_rate_bytes, now_us);
	return reports > size ? reports : size;
}

static void
charge(const struct worker *w, struct quota *q, uint64_t bytes, uint64_t now_us)
{
	bucket_add(&q->reports, 1, w->limits->publish_rate, now_us);
	bucket_add(&q->bytes, bytes, w->limits->publish_rate_bytes, now_us);
}

bool
quota_owes(const struct worker *w, const struct worker_party *p)
{
	const struct quota *q = &p->quota;
	uint64_t now = worker_now_us(w);
	return q->slowed || !bucket_is_empty(&q->reports, now) || !bucket_is_empty(&q->bytes, now);
}

/* ---- the operator's figures ---- */

/* Counts the time that somebody waited; 'still': and waits on. */
static void
account(struct worker *w, struct quota *q, bool still)
{
	uint64_t now = worker_now_us(w);
	if (q->since_us != 0) {
		w->slowed_us += now - q->since_us;
		q->waited_us += now - q->since_us;
		q->last_ms = worker_now_ms(w);
	}
	q->since_us = still ? now : 0;
	metrics_add(&w->metrics, METRIC_slowed_seconds, w->slowed_us / US_IN_S);
	w->slowed_us %= US_IN_S;
}

static void
begin_spell(struct conn *c, struct quota *q)
{
	if (q->slowed)
		return;
	q->slowed = true;
	q->waited_us = 0;
	conn_count(c, METRIC_slowed);
	log_warn("publish.slowed",
	    "conn=%" PRIu64 " party=%s agent=%s reports_a_second=%" PRIu32
	    " bytes_a_second=%" PRIu64,
	    c->id, log_quote_text(c->party->name), log_quote_text(c->peer->agent),
	    c->worker->limits->publish_rate, c->worker->limits->publish_rate_bytes);
}

static void
end_spell(const struct worker *w, struct worker_party *p)
{
	struct quota *q = &p->quota;
	if (!q->slowed || !TAILQ_EMPTY(&q->waiting) ||
	    worker_now_ms(w) - q->last_ms < QUOTA_SPELL_MS)
		return;
	q->slowed = false;
	log_info("publish.not-slowed", "party=%s waited_ms=%" PRIu64, log_quote_text(p->name),
	    q->waited_us / US_IN_MS);
}

/* ---- the line ---- */

/* If it cannot be set, the tick looks. */
static void
wake_in(struct quota *q, uint64_t us)
{
	const struct timeval t = { (time_t)(us / US_IN_S), (suseconds_t)(us % US_IN_S) };
	(void)event_add(q->timer, &t);
}

static void
serve(struct worker *w, struct quota *q)
{
	struct conn *c;
	while ((c = TAILQ_FIRST(&q->waiting)) != NULL) {
		uint64_t now = worker_now_us(w), wait = wait_us(w, q, c->publish_bytes, now);
		if (wait != 0) {
			wake_in(q, wait);
			break;
		}
		charge(w, q, c->publish_bytes, now);
		quota_leave(c);
		c->let_in = true;
		c->active_ms = worker_now_ms(w); /* the time until now was not the peer's */
		turns_again(w, c);
	}
	account(w, q, c != NULL);
}

static void
on_time(int fd, short what, void *arg)
{
	(void)fd, (void)what;
	struct worker_party *p = arg;
	struct conn *c = TAILQ_FIRST(&p->quota.waiting);
	if (c != NULL)
		serve(c->worker, &p->quota);
}

static void
stand_in_line(struct conn *c)
{
	struct worker *w = c->worker;
	struct quota *q = &c->party->quota;
	bool first = TAILQ_EMPTY(&q->waiting);
	begin_spell(c, q);
	TAILQ_INSERT_TAIL(&q->waiting, c, of_quota);
	c->slowed = true;
	if (!first)
		return;
	account(w, q, true);
	wake_in(q, wait_us(w, q, c->publish_bytes, worker_now_us(w)));
}

void
quota_leave(struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	if (!c->slowed)
		return;
	TAILQ_REMOVE(&c->party->quota.waiting, c, of_quota);
	c->slowed = false;
}

/* ---- whose turn it is ---- */

/* Whether a Publish begins here, and of how many bytes.  What does not show that in the first of
 * several frames counts as one of the largest: nobody cuts messages so small for a good reason. */
static bool
begins_publish(const struct conn *c, uint64_t *bytes)
{
	struct bytes begins;
	bool whole = false;
	if (!inbox_begins(&c->inbox, &begins, &whole))
		return false;
	enum msg_type type = msg_peek(begins, bytes);
	if (type == MSG_NONE && !whole)
		*bytes = LIMIT_MESSAGE_BYTES;
	else if (type != MSG_PUBLISH)
		return false;
	if (*bytes > LIMIT_MESSAGE_BYTES)
		*bytes = LIMIT_MESSAGE_BYTES; /* and will be a breach */
	return true;
}

bool
quota_admits(struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	assert(!c->slowed || c->state != CONN_READY);
	uint64_t bytes = 0;
	if (c->state != CONN_READY || !begins_publish(c, &bytes))
		return true;
	if (c->let_in) {
		c->let_in = false;
		return true;
	}
	struct quota *q = &c->party->quota;
	uint64_t now = worker_now_us(c->worker);
	if (TAILQ_EMPTY(&q->waiting) && wait_us(c->worker, q, bytes, now) == 0) {
		charge(c->worker, q, bytes, now);
		return true;
	}
	c->publish_bytes = bytes;
	stand_in_line(c);
	return false;
}

void
quota_look(struct worker *w, struct worker_party *p)
{
	ASSERT_ON(ROLE_WORKER);
	serve(w, &p->quota);
	end_spell(w, p);
}

void
quota_forget(struct worker *w, struct worker_party *p)
{
	ASSERT_ON(ROLE_WORKER);
	p->quota.reports = p->quota.bytes = (struct bucket){ 0 };
	serve(w, &p->quota);
}

/* ---- life ---- */

bool
quota_init(struct quota *q, struct worker *w, struct worker_party *p)
{
	ASSERT_ON(ROLE_WORKER);
	*q = (struct quota){ .timer = event_new(w->base, -1, 0, on_time, p) };
	TAILQ_INIT(&q->waiting);
	return q->timer != NULL;
}

void
quota_done(struct quota *q)
{
	ASSERT_ON(ROLE_WORKER);
	assert(TAILQ_EMPTY(&q->waiting));
	event_free(q->timer);
}
