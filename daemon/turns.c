#include "daemon/turns.h"
#include "daemon/role.h"

#include "daemon/conn.h"

#include <assert.h>
#include <event2/event.h>

enum { TURN_NONE = 0, TURN_NOW, TURN_UNDER_WAY, TURN_AGAIN, TURN_DEAD }; /* the list it stands in */

static struct conn_queue *
queue_of(struct worker *w, struct conn *c, uint8_t turn)
{
	assert(turn != TURN_NONE);
	return turn == TURN_NOW		? &w->turn
	       : turn == TURN_UNDER_WAY ? &w->under_way
	       : turn == TURN_AGAIN	? &c->share->waiting
					: &w->dead;
}

struct share *
turns_share(struct worker *w, struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	return c->party == NULL ? &w->strangers : &c->party->share;
}

static void
enlist(struct worker *w, struct conn *c, uint8_t turn)
{
	if (turn == TURN_AGAIN) {
		c->share = turns_share(w, c);
		if (TAILQ_EMPTY(&c->share->waiting))
			TAILQ_INSERT_TAIL(&w->again, c->share, of_waiting);
	}
	TAILQ_INSERT_TAIL(queue_of(w, c, turn), c, of_turn);
	c->turn = turn;
}

void
turns_leave(struct worker *w, struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	if (c->turn == TURN_NONE || c->turn == TURN_DEAD)
		return;
	TAILQ_REMOVE(queue_of(w, c, c->turn), c, of_turn);
	if (c->turn == TURN_AGAIN && TAILQ_EMPTY(&c->share->waiting))
		TAILQ_REMOVE(&w->again, c->share, of_waiting);
	c->turn = TURN_NONE;
}

/* One by one: a connection may go at any time, and is then taken out of the list that it names. */
static void
move_touched(struct worker *w, uint8_t to)
{
	for (struct conn *c; (c = TAILQ_FIRST(&w->turn)) != NULL;) {
		turns_leave(w, c);
		enlist(w, c, to);
	}
}

void
turns_wake(struct worker *w)
{
	ASSERT_ON(ROLE_WORKER);
	static const struct timeval at_once = { 0, 0 };
	if (!event_pending(w->again_event, EV_TIMEOUT, NULL))
		(void)event_add(w->again_event, &at_once); /* if it fails, the tick runs the turn */
}

void
turns_touch(struct worker *w, struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	if (c->turn != TURN_NONE)
		return;
	enlist(w, c, TURN_NOW);
	/* behind what is active already: the end of this round of events */
	event_active(w->turn_event, 0, 0);
}

void
turns_again(struct worker *w, struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	if (c->turn != TURN_NONE)
		return;
	enlist(w, c, TURN_AGAIN);
	turns_wake(w);
}

void
turns_end(struct worker *w, struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	enlist(w, c, TURN_DEAD);
	event_active(w->turn_event, 0, 0);
}

void
turns_bury(struct worker *w)
{
	ASSERT_ON(ROLE_WORKER);
	uint64_t began = worker_now_us(w);
	for (struct conn *c; (c = TAILQ_FIRST(&w->dead)) != NULL;) {
		TAILQ_REMOVE(&w->dead, c, of_turn);
		conn_free(c);
		if (worker_now_us(w) - began >= LIMIT_SLICE_US)
			break;
	}
	if (!TAILQ_EMPTY(&w->dead))
		turns_wake(w); /* strangers end by the hundred, and TLS takes some 30 us to free */
	if (w->stopping && TAILQ_EMPTY(&w->conns) && !w->drained_told) {
		w->drained_told = true;
		sem_post(&w->drained);
	}
}

void
turns_bury_all(struct worker *w)
{
	ASSERT_ON(ROLE_WORKER);
	do
		turns_bury(w);
	while (!TAILQ_EMPTY(&w->dead));
}

/* On somebody's account. */
static void
take_turn(struct worker *w, struct conn *c)
{
	uint64_t began = worker_now_us(w);
	bool stranger = c->party == NULL;
	turns_leave(w, c);
	conn_turn(c);
	if (stranger) /* and it may be gone to another worker */
		share_spend(&w->strangers, began, worker_now_us(w));
	else if (c->party != NULL)
		share_spend(&c->party->share, began, worker_now_us(w));
}

/*
 * Those touched while the list is worked through wait for the next round, so that sockets and
 * timers are looked at in between.
 */
void
turns_run(struct worker *w)
{
	ASSERT_ON(ROLE_WORKER);
	move_touched(w, TURN_UNDER_WAY);
	for (struct conn *c; (c = TAILQ_FIRST(&w->under_way)) != NULL;) {
		if (!share_is_spent(turns_share(w, c), worker_now_us(w))) {
			take_turn(w, c);
			continue;
		}
		turns_leave(w, c);
		enlist(w, c, TURN_AGAIN);
	}
	move_touched(w, TURN_AGAIN);
	turns_bury(w);
	if (!TAILQ_EMPTY(&w->again))
		turns_wake(w);
}

/* One connection of each party after the other, until the slice is used up. */
void
turns_serve(struct worker *w)
{
	ASSERT_ON(ROLE_WORKER);
	uint64_t began = worker_now_us(w);
	for (struct share *s; (s = TAILQ_FIRST(&w->again)) != NULL;) {
		TAILQ_REMOVE(&w->again, s, of_waiting);
		TAILQ_INSERT_TAIL(&w->again, s, of_waiting);
		take_turn(w, TAILQ_FIRST(&s->waiting));
		if (worker_now_us(w) - began >= LIMIT_SLICE_US)
			break;
	}
}
