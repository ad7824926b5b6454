#include "daemon/sweep.h"
#include "daemon/role.h"

#include "daemon/conn.h"
#include "daemon/leaves.h"
#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/on.h"
#include "daemon/trust.h"

#include <inttypes.h>
#include <stdio.h>

void
sweep_log_refusal(const struct conn *c, const struct trust_refusal *why)
{
	log_info("conn.turned-away", "conn=%" PRIu64 " from=%s fault=%s agent=%s why=%s", c->id,
	    c->ticket->address, chain_fault_token(why->fault), log_quote_text(why->agent),
	    log_quote_text(why->why));
}

static void
shut_out(struct conn *c, const struct trust_refusal *why)
{
	const struct complaint out = { .code = ERR_SHUT_OUT };
	conn_count(c, METRIC_shut_out);
	sweep_log_refusal(c, why);
	on_turned_away(c, why);
	c->barred = true;
	conn_last_word(c, 0, &out);
}

void
sweep_judge(struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	struct trust_refusal why = { .fault = CHAIN_INTERNAL };
	if (c->peer == NULL || c->state == CONN_CLOSED || c->ending == CONN_ENDING_FAIL)
		return;
	const struct worker *w = c->worker;
	/* the present one last: what it allows is what the peer may */
	bool stays = w->trust != NULL &&
		     (w->coming == NULL || trust_still_allowed(w->coming, c->peer, &why)) &&
		     trust_still_allowed(w->trust, c->peer, &why);
	if (!stays)
		shut_out(c, &why);
}

static void
time_out(struct conn *c, const char *what)
{
	const struct complaint late = { .code = ERR_TIMEOUT };
	conn_count(c, METRIC_timeouts);
	log_info("conn.timeout", "conn=%" PRIu64 " state=%s what=%s", c->id,
	    conn_state_name(c->state), what);
	conn_last_word(c, 0, &late);
}

/* S9: not past the chain's notAfter, nor the hard age of the party's CRL. */
static bool
sweep_certificate(struct conn *c)
{
	int64_t now = c->worker->clock.wall_s(c->worker->clock.arg);
	if (c->peer == NULL || c->ending == CONN_ENDING_FAIL)
		return false;
	if (now < trust_peer_until(c->peer)) {
		leaves_look(c, now);
		return false;
	}
	struct trust_refusal why = {
		.fault = c->peer->crl_until <= now ? CHAIN_CRL_STALE : CHAIN_EXPIRED,
	};
	snprintf(why.why, sizeof(why.why), "while the session was open");
	snprintf(why.party, sizeof(why.party), "%s", c->peer->party);
	snprintf(why.agent, sizeof(why.agent), "%s", c->peer->agent);
	memcpy(why.leaf, c->peer->leaf, sizeof(why.leaf));
	shut_out(c, &why);
	return true;
}

static void
put_off(uint64_t *since, uint64_t ms, uint64_t now)
{
	*since = now - *since > ms ? *since + ms : now;
}

void
sweep_forgive(struct conn *c, uint64_t ms)
{
	ASSERT_ON(ROLE_WORKER);
	uint64_t now = worker_now_ms(c->worker);
	put_off(&c->since_ms, ms, now);
	put_off(&c->active_ms, ms, now);
	put_off(&c->inbox.frame_since, ms, now);
	put_off(&c->inbox.message_since, ms, now);
}

static void
sweep_ready(struct conn *c, uint64_t now)
{
	const struct io_limits *l = c->worker->limits;
	if (conn_may_read(c) && !c->paused && inbox_late(&c->inbox, now, l->frame_ms))
		time_out(c, "frame");
	else if (c->unanswered == 0 && !c->slowed && now - c->active_ms >= c->idle_ms)
		time_out(c, "idle");
}

void
sweep_deadlines(struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	const struct io_limits *l = c->worker->limits;
	uint64_t now = worker_now_ms(c->worker);
	uint64_t age = now - c->since_ms;
	if (sweep_certificate(c))
		return;
	switch (c->state) {
	case CONN_HANDSHAKE:
		/* whoever dawdles while others wait has half the time */
		if (age >= l->handshake_ms / (ticket_in_a_crowd(c->ticket) ? 2 : 1))
			time_out(c, "handshake");
		return;
	case CONN_HELLO:
		if (age >= l->hello_ms)
			time_out(c, "hello");
		return;
	case CONN_READY:
		sweep_ready(c, now);
		return;
	case CONN_DRAINING:
		if (age >= (c->barred			       ? LIMIT_BARRED_MS
			       : c->ending == CONN_ENDING_FAIL ? LIMIT_LINGER_MS
							       : l->drain_ms))
			conn_cut(c);
		return;
	case CONN_CLOSED:
	case CONN_STATE_COUNT:
		return;
	}
}
