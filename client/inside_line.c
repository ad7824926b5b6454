/* inside_line.c - how a connection comes by a session, loses it, and comes by the next one. */
#include "client/inside.h"
#include "client/retry.h"
#include "proto/dry.h"

#include <openssl/rand.h>
#include <stdlib.h>

enum { JOIN_TRIES = 8 };

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

bool
inside_lost(const struct relto_connection *c, struct relto_error *e)
{
	if (e != NULL)
		*e = c->line.lost;
	return false;
}

/* ---- the end of a session ---- */

bool
inside_goes_on(const struct relto_connection *c)
{
	const struct inside_line *l = &c->line;
	enum err_code code = err_from_token(c->failed.code, strlen(c->failed.code));
	if (l->closing || l->state == LINE_OVER || !retry_may_help(code, c->failed.may_retry))
		return false;
	return l->sessions == 0 ? l->tries + 1 < c->ctx->server_count : c->ctx->reconnect_ms != 0;
}

static void
free_chains(struct relto_connection *c)
{
	while (!STAILQ_EMPTY(&c->chains)) {
		struct inside_chain *chain = STAILQ_FIRST(&c->chains);
		STAILQ_REMOVE_HEAD(&c->chains, next);
		chain_certs_free(chain->certs);
		free(chain);
	}
}

void
inside_line_clear(struct relto_connection *c)
{
	struct inside_attest *a = &c->attest;
	*a = (struct inside_attest){ .settled = a->settled,
		.tried_ms = a->tried_ms,
		.taken = a->taken,
		.disputed = a->disputed };
	link_free(c->link);
	c->link = NULL;
	free_chains(c);
	relto_identity_free(c->all);
	c->all = NULL;
	inside_messages_free(&c->deliveries);
	inside_messages_free(&c->answers);
	inside_unsend(c);
	inside_told_lost(c);
	c->awaited = c->last_ack = 0;
	c->ack_count = 0;
	c->limits = (struct msg_limits){ 0 };
	c->version = 0;
	c->said_bye = c->late = c->line.leaving = false;
	c->apart = c->shown_count = c->evidence_count = 0;
	c->covered = 0;
	c->line.hello = 0;
	c->line.open = 0;
	for (size_t i = 0; i < c->subscription_count; i++)
		c->subscriptions[i].number = 0;
}

static int64_t
delay_ms(const struct relto_connection *c)
{
	uint32_t random = 0;
	if (c->line.sessions == 0) /* relto_connect: each server once, at once */
		return 0;
	if (RAND_bytes((unsigned char *)&random, sizeof(random)) != 1)
		return c->ctx->reconnect_ms;
	unsigned round = c->line.tries / (unsigned)c->ctx->server_count;
	return retry_delay_ms(round, c->ctx->reconnect_ms, random);
}

/* A session or try ended, by c->failed: false, if nothing follows.  What came before a last end can
 * still be had. */
static bool
lose(struct relto_connection *c)
{
	struct inside_line *l = &c->line;
	bool on = inside_goes_on(c);
	c->failed.fatal = !on;
	l->lost = c->failed;
	if (!on) {
		l->state = LINE_OVER;
		return false;
	}
	l->losses++;
	l->lost.may_retry = true;
	if (l->state == LINE_UP)
		l->tries = retry_tries(l->tries, link_now() - l->up_ms);
	c->attest.head.size = 0; /* nothing is said any more */
	if (c->version != 0 && !inside_heads_end(c, NULL))
		c->lines_len = 0; /* nobody is left to be told */
	inside_line_clear(c);
	c->failed = (struct relto_error){ 0 };
	l->due_ms = link_now() + delay_ms(c);
	l->server = (l->server + 1) % c->ctx->server_count;
	l->tries++;
	l->state = LINE_DOWN;
	return true;
}

/* ---- from nothing to a session ---- */

/* Nothing came of it in time. */
static bool
is_late(struct relto_connection *c, const char *what, struct relto_error *e)
{
	struct err why;
	if (link_now() < c->line.due_ms)
		return false;
	(void)err_set(&why, ERR_TIMEOUT, "%s in %d ms", what, c->ctx->timeout_ms);
	return !inside_break(c, &why, e);
}

static bool
dial(struct relto_connection *c, struct relto_error *e)
{
	struct err why;
	const struct relto_context *ctx = c->ctx;
	const struct inside_server *s = &ctx->servers[c->line.server];
	struct link_hub hub = { ctx->hub, ctx->hub_id };
	struct link_target t = { s->host, s->port, &hub, ctx->identity.leaf, ctx->identity.key,
		ctx->identity.chain, c->wake };
	c->line.due_ms = link_deadline(ctx->timeout_ms);
	c->line.state = LINE_DIALLING;
	dry_begin(); /* what went wrong before has been told */
	return link_start(&t, &c->link, &why) || inside_break(c, &why, e);
}

static bool
step_down(struct relto_connection *c, int64_t deadline, struct relto_error *e)
{
	struct err why;
	int64_t until = earlier(deadline, c->line.due_ms);
	if (link_now() >= c->line.due_ms)
		return dial(c, e);
	return link_rest(c->wake, until, &why) || inside_fail(e, &why);
}

static bool
greet(struct relto_connection *c, struct relto_error *e)
{
	struct err why;
	static const uint32_t versions[] = { MSG_VERSION_LEAST, MSG_VERSION_MOST };
	struct msg m = { .type = MSG_HELLO };
	m.hello.versions = (struct msg_u32s){ versions, 2 };
	m.hello.software = bytes_of("librelto/" RELTO_VERSION);
	m.hello.signer_chain = c->hello_chain;
	c->has_head = false;
	if (!inside_heads_load(c, &m.hello, &why))
		return inside_break(c, &why, e);
	c->line.state = LINE_GREETING;
	c->line.due_ms = link_deadline(c->ctx->timeout_ms);
	c->line.hello = c->last_request + 1;
	return inside_put(c, &m, 0, e);
}

static bool
step_dialling(struct relto_connection *c, int64_t deadline, struct relto_error *e)
{
	struct err why;
	bool done = false;
	dry_begin(); /* what went wrong before has been told */
	if (!link_dial(c->link, earlier(deadline, c->line.due_ms), &done, &why))
		return why.code == ERR_INTERRUPTED ? inside_fail(e, &why)
						   : inside_break(c, &why, e);
	if (done)
		return greet(c, e);
	return !is_late(c, "no connection and handshake", e);
}

/* Less credit than the broker allows lets a few reports that cannot be acknowledged block all
 * others.
 */
struct msg_subscribe
inside_subscribe(const struct relto_connection *c, const struct inside_subscription *s)
{
	uint32_t most = c->limits.credit < LIMIT_CREDIT ? c->limits.credit : LIMIT_CREDIT;
	return (struct msg_subscribe){ .name = bytes_of(s->name),
		.topic = bytes_of(s->topic),
		.mode = s->mode,
		.credit = s->credit == 0 ? most : s->credit,
		.proof = s->proof };
}

static bool
resume(struct relto_connection *c, struct relto_error *e)
{
	c->line.state = LINE_RESUMING;
	c->line.due_ms = link_deadline(c->ctx->timeout_ms);
	for (size_t i = 0; i < c->subscription_count; i++) {
		struct msg m = { .type = MSG_SUBSCRIBE,
			.subscribe = inside_subscribe(c, &c->subscriptions[i]) };
		c->subscriptions[i].request = c->last_request + 1;
		c->line.open++;
		if (!inside_put(c, &m, 0, e))
			return false;
	}
	return true;
}

/*
 * A Hello names one head, so where several are kept (processes that were connected at once) each
 * Welcome joins one more.  An honest broker, which publishes every 10 s, joins them in two.
 */
static bool
join_again(struct relto_connection *c, struct relto_error *e)
{
	struct err why;
	const struct msg bye = { .type = MSG_BYE };
	if (++c->line.joins == JOIN_TRIES) {
		(void)inside_heads_never_joined(c, &why);
		return inside_break(c, &why, e);
	}
	if (!inside_put_unasked(c, &bye, e))
		return false;
	inside_line_clear(c);
	c->line.state = LINE_DOWN;
	c->line.due_ms = 0;
	return true;
}

/* The head is told again when the witnesses have signed it; nothing is done before. */
static bool
unsigned_yet(struct relto_connection *c, struct relto_error *e)
{
	struct err why;
	(void)inside_quorum_missing(c, &why);
	return inside_break(c, &why, e);
}

static bool
step_greeting(struct relto_connection *c, int64_t deadline, struct relto_error *e)
{
	bool came;
	int64_t due = earlier(c->line.due_ms, c->quorum.due_ms);
	if (!inside_turn_once(c, earlier(deadline, due), &came, e))
		return false;
	if (c->line.hello != 0)
		return !is_late(c, "no answer", e);
	if (c->apart != 0)
		return join_again(c, e);
	if (c->quorum.waits)
		return link_now() < due || unsigned_yet(c, e);
	c->line.joins = 0;
	return resume(c, e);
}

static bool
step_resuming(struct relto_connection *c, int64_t deadline, struct relto_error *e)
{
	bool came;
	if (c->line.open > 0) {
		if (!inside_turn_once(c, earlier(deadline, c->line.due_ms), &came, e))
			return false;
		return c->line.open == 0 || !is_late(c, "no answer to a Subscribe", e);
	}
	c->line.state = LINE_UP;
	c->line.up_ms = link_now();
	if (c->line.sessions++ == 0)
		c->line.tries = 0;
	return inside_pump(c, e);
}

static bool
step(struct relto_connection *c, int64_t deadline, struct relto_error *e)
{
	switch (c->line.state) {
	case LINE_DOWN:
		return step_down(c, deadline, e);
	case LINE_DIALLING:
		return step_dialling(c, deadline, e);
	case LINE_GREETING:
		return step_greeting(c, deadline, e);
	case LINE_RESUMING:
		return step_resuming(c, deadline, e);
	case LINE_UP:
	case LINE_OVER:
		break;
	}
	return true;
}

/* ---- a broker that is going down ---- */

/* Nothing is owed any more: neither side would answer what the other one is still to say. */
static bool
may_leave(const struct relto_connection *c)
{
	bool owed = c->in_flight > 0 || c->last_ack != 0 || c->ack_count > 0 || c->awaited != 0 ||
		    c->attest.request != 0 || !STAILQ_EMPTY(&c->deliveries);
	return !owed || link_now() >= c->line.leave_ms;
}

static void
leave(struct relto_connection *c)
{
	struct err why;
	const struct msg bye = { .type = MSG_BYE };
	(void)!inside_put_unasked(c, &bye, NULL);
	(void)err_set(&why, ERR_DRAINING, "the broker is going down");
	(void)inside_break(c, &why, NULL);
}

bool
inside_line(struct relto_connection *c, int64_t deadline, struct relto_error *e)
{
	struct relto_error why;
	for (;;) {
		struct inside_line *l = &c->line;
		if (l->state == LINE_UP && l->leaving && may_leave(c))
			leave(c);
		if (c->failed.code[0] != 0 && !lose(c))
			return inside_lost(c, e);
		if (l->state == LINE_UP)
			return true;
		enum inside_state was = l->state;
		uint64_t taken = c->taken;
		if (!step(c, deadline, &why) && c->failed.code[0] == 0) {
			if (e != NULL)
				*e = why;
			return false;
		}
		bool moved = l->state != was || c->taken != taken || c->failed.code[0] != 0;
		if (!moved && link_now() >= deadline)
			return true;
	}
}

bool
inside_up(struct relto_connection *c, struct relto_error *e)
{
	int64_t deadline = link_deadline(c->ctx->timeout_ms);
	if (!inside_line(c, 0, e))
		return false;
	while (c->line.state != LINE_UP || c->line.leaving) {
		bool came;
		if (!inside_turn(c, deadline, &came, e))
			return false;
		if (!came && link_now() >= deadline)
			return c->line.state == LINE_UP
				   ? inside_failf(e, ERR_DRAINING, "the broker is going down")
				   : inside_lost(c, e);
	}
	return true;
}

int64_t
inside_line_due(const struct relto_connection *c)
{
	if (c->line.state == LINE_GREETING)
		return earlier(c->line.due_ms, c->quorum.due_ms);
	if (c->line.state != LINE_UP)
		return c->line.due_ms;
	return earlier(c->line.leaving ? c->line.leave_ms : INT64_MAX, c->quorum.due_ms);
}

/* ---- answers ---- */

static bool
unexpected(const struct msg *m, enum msg_type wanted, struct err *e)
{
	return err_set(e, ERR_PROTOCOL, "the broker answered with %s, not %s", msg_name(m->type),
	    msg_name(wanted));
}

static bool
welcome(struct relto_connection *c, const struct msg *m, struct err *e)
{
	c->line.hello = 0;
	if (m->type == MSG_WELCOME)
		return inside_welcome(c, &m->welcome, e);
	if (m->type != MSG_ERROR)
		return unexpected(m, MSG_WELCOME, e);
	if (bytes_is(m->error.code, err_token(ERR_FORK)) && c->has_head)
		return inside_heads_disowned(c, e);
	inside_last_word(c, &m->error);
	return true;
}

static bool
resumed(
    struct relto_connection *c, struct inside_subscription *s, const struct msg *m, struct err *e)
{
	s->request = 0;
	c->line.open--;
	if (m->type == MSG_ERROR) {
		inside_last_word(c, &m->error);
		return true;
	}
	if (m->type != MSG_SUBSCRIBED)
		return unexpected(m, MSG_SUBSCRIBED, e);
	if (m->subscribed.mode != s->mode)
		return err_set(e, ERR_PROTOCOL, "the broker subscribed to the other mode");
	s->number = m->subscribed.subscription;
	return true;
}

bool
inside_line_answer(struct relto_connection *c, const struct msg *m, bool *mine, struct err *e)
{
	*mine = true;
	if (c->line.hello != 0 && m->request == c->line.hello)
		return welcome(c, m, e);
	for (size_t i = 0; c->line.open > 0 && i < c->subscription_count; i++)
		if (c->subscriptions[i].request == m->request)
			return resumed(c, &c->subscriptions[i], m, e);
	*mine = false;
	return true;
}
