#include "daemon/conn.h"

#include "daemon/arrival.h"
#include "daemon/dispatch.h"
#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/on.h"
#include "daemon/parties.h"
#include "daemon/role.h"
#include "daemon/trust.h"
#include "daemon/turns.h"
#include "proto/arena.h"
#include "proto/msg.h"

#include <assert.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>

#define BIT(state) (1u << (state))

static const struct {
	const char *name;
	uint32_t next;
} states[CONN_STATE_COUNT] = {
	[CONN_HANDSHAKE] = { "handshake", BIT(CONN_HELLO) | BIT(CONN_DRAINING) | BIT(CONN_CLOSED) },
	[CONN_HELLO] = { "hello", BIT(CONN_READY) | BIT(CONN_DRAINING) | BIT(CONN_CLOSED) },
	[CONN_READY] = { "ready", BIT(CONN_DRAINING) | BIT(CONN_CLOSED) },
	[CONN_DRAINING] = { "draining", BIT(CONN_CLOSED) },
	[CONN_CLOSED] = { "closed", 0 },
};

const char *
conn_state_name(enum conn_state s)
{
	assert(s < CONN_STATE_COUNT);
	return states[s].name;
}

void
conn_move(struct conn *c, enum conn_state next)
{
	ASSERT_ON(ROLE_WORKER);
	assert((states[c->state].next & BIT(next)) != 0);
	c->state = next;
	c->since_ms = worker_now_ms(c->worker);
}

void
conn_count(struct conn *c, enum metric which)
{
	ASSERT_ON(ROLE_WORKER);
	metrics_add(&c->worker->metrics, which, 1);
}

/* ---- the end ---- */

void
conn_free(struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	if (c == NULL)
		return;
	pump_done(&c->pump);
	inbox_done(&c->inbox);
	trust_peer_free(c->peer);
	ticket_free(c->ticket);
	free(c);
}

void
conn_cut(struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	if (c->state == CONN_CLOSED)
		return;
	conn_move(c, CONN_CLOSED);
	conn_count(c, METRIC_closed);
	if (c->admitted)
		atomic_fetch_sub_explicit(&c->worker->sessions, 1, memory_order_relaxed);
	outbox_clear(&c->outbox, NULL, c);
	if (c->party != NULL) {
		on_gone(c);
		parties_leave(c->worker, c);
	}
	pump_detach(&c->pump);
	worker_bury(c->worker, c);
}

void
conn_end(struct conn *c, enum conn_ending ending)
{
	ASSERT_ON(ROLE_WORKER);
	c->ending = ending;
	if (c->state != CONN_DRAINING)
		conn_move(c, CONN_DRAINING);
	turns_touch(c->worker, c);
}

void
conn_drain(struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	if (c->state == CONN_HANDSHAKE)
		conn_cut(c);
	else if (c->state == CONN_HELLO || c->state == CONN_READY)
		conn_end(c, CONN_ENDING_STOP);
}

void
conn_peer_bye(struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	if (c->state == CONN_CLOSED || c->ending == CONN_ENDING_FAIL)
		return;
	conn_end(c, CONN_ENDING_BYE);
}

/* The pair of last words, or as much of it as still fits. */
void
conn_last_word(struct conn *c, uint64_t request, const struct complaint *why)
{
	ASSERT_ON(ROLE_WORKER);
	struct err e;
	if (c->state == CONN_CLOSED || c->ending == CONN_ENDING_FAIL)
		return;
	if (c->state == CONN_HANDSHAKE || c->pump.shut || c->pump.broken) {
		conn_cut(c);
		return;
	}
	/* whoever is shut out and does not read gets neither what is on its way nor a word */
	if (why->code == ERR_SHUT_OUT && pump_has_begun(&c->pump)) {
		pump_forget(&c->pump);
		conn_cut(c);
		return;
	}
	/* off READY first: what is cleared must not be queued here again */
	if (c->state != CONN_DRAINING)
		conn_move(c, CONN_DRAINING);
	outbox_clear(&c->outbox, &c->pump, c);
	if (!conn_refuse(c, request, why, &e))
		log_warn(
		    "conn.no-last-word", "conn=%" PRIu64 " why=%s", c->id, log_quote_text(e.text));
	conn_end(c, CONN_ENDING_FAIL);
}

/* Faults of the peer's leave a REFUSED record; ours and those of the moment do not. */
static bool
is_peers_fault(enum err_code code)
{
	int how = err_exit(code);
	return how == 65 || how == 76 || how == 77;
}

void
conn_fail(struct conn *c, uint64_t request, const struct complaint *why)
{
	ASSERT_ON(ROLE_WORKER);
	if (c->state == CONN_CLOSED || c->ending == CONN_ENDING_FAIL)
		return;
	if (is_peers_fault(why->code)) {
		conn_count(c, METRIC_violations);
		on_refused(c, why->code, why->field, (struct bytes){ NULL, 0 });
	}
	conn_last_word(c, request, why);
}

/* ---- sending ---- */

/* Past these nothing more goes out; a late answer is dropped without complaint. */
static bool
is_mute(const struct conn *c)
{
	return c->state == CONN_CLOSED || c->state == CONN_HANDSHAKE ||
	       c->ending == CONN_ENDING_FAIL || c->pump.shut;
}

bool
conn_send(struct conn *c, unsigned lane, const struct msg *m, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	if (is_mute(c))
		return true;
	SCOPED(arena_done) struct arena a;
	arena_init(&a, (size_t)LIMIT_ARENA_FACTOR * LIMIT_MESSAGE_BYTES + LIMIT_ARENA_EXTRA);
	struct bytes encoded;
	if (!msg_encode(m, &a, &encoded, e) || !outbox_put(&c->outbox, lane, encoded, e))
		return err_wrap(e, "sending %s", msg_name(m->type));
	conn_count(c, METRIC_messages_out);
	turns_touch(c->worker, c);
	return true;
}

bool
conn_refuse(struct conn *c, uint64_t request, const struct complaint *why, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	const struct msg m = {
		.request = request,
		.type = MSG_ERROR,
		.error = {
			.code = bytes_of(err_token(why->code)),
			.text = bytes_of(err_text(why->code)),
			.field = why->field,
			.nearest = why->nearest,
			.detail = why->detail,
			.retry_ms = why->retry_ms,
		},
	};
	return conn_send(c, CONN_ANSWER_LANE, &m, e);
}

bool
conn_stream_report(struct conn *c, unsigned lane, const struct stream *s, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	if (c->state != CONN_READY)
		return err_set(e, ERR_OUT_OF_TURN, "a report for a connection that ends");
	if (!outbox_put_stream(&c->outbox, lane, s, e))
		return false;
	turns_touch(c->worker, c);
	return true;
}

size_t
conn_room(const struct conn *c, unsigned lane)
{
	size_t used = pump_pending(&c->pump) + outbox_waiting(&c->outbox, lane);
	if (c->state != CONN_READY || used >= LIMIT_OUTPUT_BYTES)
		return 0;
	return LIMIT_OUTPUT_BYTES - used;
}

void
conn_want_room(struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	c->wants_room = true;
}

void
conn_want_turn(struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	if (c->state != CONN_READY)
		return;
	c->wants_turn = true;
	turns_again(c->worker, c);
}

/* ---- the publish window ---- */

bool
conn_may_read(const struct conn *c)
{
	const struct io_limits *l = c->worker->limits;
	return c->state != CONN_CLOSED && c->ending != CONN_ENDING_FAIL && !c->peer_ended &&
	       !(c->slowed && c->state == CONN_READY) &&
	       c->unanswered < (c->admitted ? c->window : l->publish_window) &&
	       c->unanswered_bytes < l->publish_window_bytes &&
	       c->outbox.answers <= LIMIT_OUTPUT_BYTES;
}

void
conn_owes(struct conn *c, size_t bytes)
{
	ASSERT_ON(ROLE_WORKER);
	c->unanswered++;
	c->unanswered_bytes += bytes;
}

void
conn_paid(struct conn *c, size_t bytes)
{
	ASSERT_ON(ROLE_WORKER);
	assert(c->unanswered > 0 && c->unanswered_bytes >= bytes);
	if (!conn_may_read(c))
		c->held = c->paused = true; /* the time until now was not the peer's */
	c->unanswered--;
	c->unanswered_bytes -= bytes;
	c->active_ms = worker_now_ms(c->worker);
	turns_touch(c->worker, c);
}

/* ---- reading ---- */

void
conn_request_free(struct arena *request)
{
	if (request != NULL)
		arena_done(request);
	free(request);
}

static void
breach(struct conn *c, const struct err *e)
{
	const struct complaint why = { .code = e->code };
	log_info("conn.breach", "conn=%" PRIu64 " code=%s why=%s", c->id, err_token(e->code),
	    log_quote_text(e->text));
	conn_fail(c, 0, &why);
}

/* False: nothing more is to be read now. */
static bool
take_messages(struct conn *c, uint64_t began_us)
{
	for (;;) {
		if (worker_now_us(c->worker) - began_us >= LIMIT_TURN_US) {
			c->held = true; /* wait_step comes back to it */
			c->paused = !conn_may_read(c);
			return false;
		}
		/* the last of all: what is let in is charged, and taken now */
		if (!conn_may_read(c) || !quota_admits(c)) {
			c->held = c->paused = true;
			return false;
		}
		struct inbox_message m;
		struct err e;
		uint64_t now = worker_now_ms(c->worker);
		enum frame_result r = inbox_next(&c->inbox, now, &m, &e);
		if (r == FRAME_MORE)
			return true;
		if (r != FRAME_WHOLE) {
			breach(c, &e);
			return false;
		}
		if (m.bytes.data == NULL)
			continue; /* one more frame of a message */
		c->active_ms = now;
		dispatch_message(c, &m);
	}
}

static void
peer_end(struct conn *c)
{
	c->peer_ended = true;
	if (inbox_inside(&c->inbox)) {
		conn_count(c, METRIC_truncated);
		log_info("conn.truncated", "conn=%" PRIu64, c->id);
		conn_cut(c);
	} else if (c->pump.broken || c->pump.shut) {
		conn_cut(c); /* between frames that is a goodbye, but nobody is there to answer */
	} else {
		conn_peer_bye(c);
	}
}

static enum pump_result
read_some(struct conn *c, size_t *len)
{
	size_t room = 0;
	uint8_t *to = inbox_space(&c->inbox, &room);
	if (to == NULL) {
		conn_cut(c); /* no memory */
		return PUMP_FAILED;
	}
	enum pump_result r = pump_read(&c->pump, to, room, len);
	if (r == PUMP_DONE) {
		inbox_added(&c->inbox, *len);
		metrics_add(&c->worker->metrics, METRIC_bytes_in, *len);
	}
	return r;
}

static void
read_failed(struct conn *c)
{
	struct err e;
	if (c->pump.broken) {
		log_info("conn.tls-failed", "conn=%" PRIu64, c->id);
		conn_cut(c);
	} else if (c->state != CONN_CLOSED) {
		err_set(&e, ERR_PROTOCOL, "KeyUpdates without application data");
		breach(c, &e);
	}
}

/* False: with it the party holds more than it may, and it is the one that goes. */
static bool
count_input(struct conn *c)
{
	struct worker_party *p = c->party;
	if (p == NULL || c->state == CONN_CLOSED)
		return true;
	size_t held = inbox_held(&c->inbox);
	bool grew = held > c->input_bytes;
	p->input_bytes += held - c->input_bytes;
	c->input_bytes = held;
	if (!grew || p->input_bytes <= LIMIT_PARTY_INPUT_BYTES)
		return true;
	struct err e;
	err_set(&e, ERR_QUOTA, "%zu bytes of unfinished messages of a party", p->input_bytes);
	breach(c, &e);
	inbox_done(&c->inbox);
	return false;
}

static void
read_step(struct conn *c)
{
	if (c->paused)
		inbox_forgive(&c->inbox, worker_now_ms(c->worker));
	c->held = c->paused = false;
	c->has_read = true;
	enum pump_result r = PUMP_DONE;
	uint64_t began = worker_now_us(c->worker);
	for (size_t len; r == PUMP_DONE && take_messages(c, began);)
		r = read_some(c, &len);
	inbox_settle(&c->inbox);
	if (!count_input(c))
		return;
	if (r == PUMP_ENDED)
		peer_end(c);
	else if (r == PUMP_FAILED)
		read_failed(c);
}

/* ---- writing ---- */

static void
count_reports(struct conn *c)
{
	struct metrics *m = &c->worker->metrics;
	metrics_add(m, METRIC_reports_out, c->outbox.reports_sent);
	metrics_add(m, METRIC_messages_out, c->outbox.reports_sent);
	metrics_add(m, METRIC_reports_void, c->outbox.reports_void);
	c->outbox.reports_sent = c->outbox.reports_void = 0;
}

static bool
has_output(const struct conn *c)
{
	return pump_pending(&c->pump) > 0 || !outbox_empty(&c->outbox);
}

static bool
any_room(const struct conn *c)
{
	for (unsigned lane = 0; lane < LIMIT_LANES; lane++)
		if (conn_room(c, lane) > 0)
			return true;
	return false;
}

/* False: the connection is gone. */
static bool
write_step(struct conn *c)
{
	struct err e;
	size_t written = 0;
	enum pump_result r = PUMP_DONE;
	uint64_t began = worker_now_us(c->worker);
	while (r == PUMP_DONE) {
		/* never between the two: what was filled is past the door (S5) */
		if (written > 0 && has_output(c) &&
		    worker_now_us(c->worker) - began >= LIMIT_TURN_US) {
			turns_again(c->worker, c);
			break;
		}
		if (!outbox_fill(&c->outbox, &c->pump, c, &e))
			r = PUMP_FAILED;
		size_t before = pump_pending(&c->pump);
		if (r != PUMP_DONE || before == 0)
			break;
		r = pump_write(&c->pump);
		written += before - pump_pending(&c->pump);
	}
	if (r == PUMP_FAILED || r == PUMP_ENDED) {
		conn_cut(c);
		return false;
	}
	count_reports(c);
	if (written == 0)
		return true;
	metrics_add(&c->worker->metrics, METRIC_bytes_out, written);
	c->active_ms = worker_now_ms(c->worker);
	if (c->wants_room && any_room(c)) {
		c->wants_room = false;
		on_room(c);
	}
	return c->state != CONN_CLOSED;
}

/* Owed answers, then Bye, then close_notify, then the peer's end. */
static void
drain_step(struct conn *c)
{
	struct err e;
	if (c->ending != CONN_ENDING_FAIL && c->unanswered > 0)
		return;
	if (c->ending != CONN_ENDING_FAIL && !c->bye_sent) {
		const struct msg bye = { .type = MSG_BYE };
		c->bye_sent = true;
		if (!conn_send(c, CONN_ANSWER_LANE, &bye, &e))
			log_warn("conn.no-bye", "conn=%" PRIu64, c->id);
	}
	if (has_output(c))
		return;
	if (!c->pump.shut)
		pump_shut(&c->pump);
	if (c->peer_ended)
		conn_cut(c);
}

static void
wait_step(struct conn *c)
{
	bool reading = c->ending == CONN_ENDING_FAIL ? c->pump.shut : conn_may_read(c) && !c->held;
	pump_wait(&c->pump, reading, has_output(c));
	if (c->held && conn_may_read(c))
		turns_again(c->worker, c); /* its share was used up, or there is room again */
	c->has_read = false;
}

void
conn_turn(struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	if (c->state == CONN_HANDSHAKE) {
		arrival_step(c); /* the last one may take it to another worker */
		return;
	}
	if (c->state == CONN_CLOSED)
		return;
	if (c->held && !c->has_read && conn_may_read(c))
		read_step(c);
	if (c->state == CONN_READY && c->wants_turn) {
		c->wants_turn = false;
		on_its_turn(c);
	}
	if (c->state == CONN_CLOSED || !write_step(c))
		return;
	if (c->state == CONN_DRAINING)
		drain_step(c);
	if (c->state != CONN_CLOSED)
		wait_step(c);
}

void
conn_ready(struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	conn_move(c, CONN_READY);
	ticket_admitted(c->ticket);
	c->admitted = true;
	c->window = c->worker->limits->publish_window;
	c->idle_ms = c->worker->limits->idle_ms;
	atomic_fetch_add_explicit(&c->worker->sessions, 1, memory_order_relaxed);
	inbox_widen(&c->inbox);
	conn_count(c, METRIC_sessions);
}

static void
socket_ready(struct conn *c, short what)
{
	if (c->ending == CONN_ENDING_FAIL) {
		if (c->pump.shut && pump_discard(&c->pump) == PUMP_ENDED)
			conn_cut(c);
		else
			turns_touch(c->worker, c);
		return;
	}
	if (((what & EV_READ) != 0 || c->pump.read_wants_write) && conn_may_read(c))
		read_step(c);
	if (c->state != CONN_CLOSED)
		turns_touch(c->worker, c);
}

/* Its party has had its share: what the socket has waits for a turn. */
static void
put_off(struct conn *c)
{
	c->held = true;
	pump_wait(&c->pump, false, false);
	turns_again(c->worker, c);
}

void
conn_event(int fd, short what, void *arg)
{
	(void)fd;
	struct conn *c = arg;
	assert(c->magic == CONN_MAGIC);
	struct worker *w = c->worker; /* the last step of a handshake may take it to another */
	struct share *share = turns_share(w, c);
	uint64_t began = worker_now_us(w);
	if (share_is_spent(share, began) && c->ending != CONN_ENDING_FAIL) {
		put_off(c);
	} else if (c->state == CONN_HANDSHAKE) {
		arrival_step(c);
		share_spend(share, began, worker_now_us(w));
	} else {
		socket_ready(c, what);
		if (c->state != CONN_CLOSED) /* else its party may be gone with it */
			share_spend(share, began, worker_now_us(w));
	}
}
