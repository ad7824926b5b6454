/* inside_turn.c - requests, answers, and what comes unasked. */
#include "client/inside.h"
#include "proto/dry.h"

#include <assert.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	ARENA_FACTOR = 12, /* an Explanation of many small entries takes more than its bytes */
	ARENA_EXTRA = 256 << 10,
	QUEUED_MAX = 1 << 20, /* a sender waits above it */
};

void
inside_message_free(struct inside_message *m)
{
	if (m == NULL)
		return;
	arena_done(&m->arena);
	free(m);
}

void
inside_pending_free(struct inside_pending *p)
{
	if (p == NULL)
		return;
	inside_message_free(p->answer);
	arena_done(&p->arena);
	free(p);
}

bool
inside_break(struct relto_connection *c, const struct err *why, struct relto_error *e)
{
	(void)inside_fail(&c->failed, why);
	c->failed.fatal = !inside_goes_on(c);
	if (e != NULL)
		*e = c->failed;
	return false;
}

/* ---- what comes ---- */

static bool
decode(struct bytes in, struct inside_message **out, struct err *e)
{
	struct fault f;
	struct bytes copy;
	SCOPED(inside_message_free) struct inside_message *m = calloc(1, sizeof(*m));
	if (m == NULL)
		return err_set(e, ERR_NOMEM, "a message");
	arena_init(&m->arena, ARENA_FACTOR * in.len + ARENA_EXTRA);
	if (!arena_copy(&m->arena, in, &copy, e) || !msg_decode(copy, &m->arena, &m->msg, &f, e))
		return false;
	if (!msg_is_from(m->msg.type, MSG_FROM_BROKER))
		return err_set(e, ERR_PROTOCOL, "the broker sent a message of the client's, %s",
		    msg_name(m->msg.type));
	*out = MOVE(m);
	return true;
}

/* Remembers a chain under its digest, which must be true. */
static bool
take_signer(struct relto_connection *c, const struct msg_signer *s, struct err *e)
{
	struct inside_chain *chain = calloc(1, sizeof(*chain));
	if (chain == NULL)
		return err_set(e, ERR_NOMEM, "a signer's chain");
	bool ok = envelope_chain_digest(&c->hash, &s->chain, chain->digest, e) &&
		  (bytes_equal(s->digest, bytes_from(chain->digest, 32)) ||
		      err_set(e, ERR_PROTOCOL, "a signer's chain under another's digest")) &&
		  chain_certs_new(s->chain.items, s->chain.count, &chain->certs, e);
	if (ok && dry_ran()) { /* what was left out would make each of its reports bad */
		chain_certs_free(chain->certs);
		ok = err_set(e, ERR_NOMEM, "a signer's chain");
	}
	if (!ok) {
		free(chain);
		return err_wrap(e, "signer");
	}
	STAILQ_INSERT_TAIL(&c->chains, chain, next);
	return true;
}

/* The broker is going down: the next one is asked, if there is to be one. */
static bool
is_draining(const struct relto_connection *c, const struct msg *m)
{
	return c->ctx->reconnect_ms != 0 && m->type == MSG_ERROR &&
	       bytes_is(m->error.code, err_token(ERR_DRAINING));
}

static void
begin_leaving(struct relto_connection *c)
{
	/* the Bye that answers ours is no reason for another one */
	if (c->line.leaving || c->line.closing || c->ctx->reconnect_ms == 0)
		return;
	c->line.leaving = true;
	c->line.leave_ms = link_deadline(c->ctx->timeout_ms);
}

/* The answer to a windowed publish finds its report. */
static bool
answers_pending(struct relto_connection *c, struct inside_message **m)
{
	struct inside_pending *p;
	STAILQ_FOREACH (p, &c->sent, next) {
		if (p->request != (*m)->msg.request)
			continue;
		STAILQ_REMOVE(&c->sent, p, inside_pending, next);
		c->sent_bytes -= p->bytes;
		c->in_flight--;
		if (is_draining(c, &(*m)->msg)) {
			p->request = 0;
			STAILQ_INSERT_TAIL(&c->ready, p, next);
			return true;
		}
		p->answer = MOVE(*m);
		STAILQ_INSERT_TAIL(&c->answered, p, next);
		return true;
	}
	return false;
}

static bool
keep_proof(struct relto_connection *c, const struct msg *m, struct err *e)
{
	struct inside_proof p = { .kind = "receipt" };
	if (m->type == MSG_RECEIPT) {
		p.report = m->receipt.report;
		p.index = m->receipt.index;
		p.evidence = &m->receipt.evidence;
		return inside_heads_evidence(c, &p, e);
	}
	return true;
}

void
inside_last_word(struct relto_connection *c, const struct msg_error *m)
{
	(void)inside_refused(&c->failed, m);
	c->failed.fatal = !inside_goes_on(c);
}

/* Acknowledgements are answered in their order, so the last one's answer is that of all. */
static void
settle(struct relto_connection *c, const struct msg *m)
{
	if (m->type == MSG_ERROR && c->refused_ack.code[0] == 0)
		(void)inside_refused(&c->refused_ack, &m->error);
	if (m->request == c->last_ack)
		c->last_ack = 0;
	inside_told_settle(c, m->request);
}

void
inside_unqueue(struct relto_connection *c, uint32_t subscription, uint64_t delivery)
{
	struct inside_message *old;
	STAILQ_FOREACH (old, &c->deliveries, next)
		if (old->msg.deliver.subscription == subscription &&
		    old->msg.deliver.delivery == delivery)
			break;
	if (old == NULL)
		return;
	STAILQ_REMOVE(&c->deliveries, old, inside_message, next);
	inside_message_free(old);
}

/* The same delivery again takes the place of the one that waits: what comes again and again while
 * the caller is busy elsewhere costs no memory. */
static void
queue_delivery(struct relto_connection *c, struct inside_message *m)
{
	inside_unqueue(c, m->msg.deliver.subscription, m->msg.deliver.delivery);
	STAILQ_INSERT_TAIL(&c->deliveries, m, next);
}

static bool
hand_round(struct relto_connection *c, struct inside_message **m, struct err *e)
{
	assert(*m != NULL);
	const struct msg *msg = &(*m)->msg;
	if (msg->type == MSG_HEADS)
		return inside_heads_take(c, &msg->heads, e);
	if (msg->type == MSG_SIGNER)
		return take_signer(c, &msg->signer, e);
	if (msg->type == MSG_BYE) {
		c->said_bye = true;
		begin_leaving(c);
		return true;
	}
	if (msg->type == MSG_DELIVER) {
		queue_delivery(c, MOVE(*m));
		return true;
	}
	if (msg->request == 0 && msg->type == MSG_ERROR) {
		/* about no request in particular: the end */
		inside_last_word(c, &msg->error);
		return true;
	}
	bool mine, answer = msg->request == c->awaited && c->awaited != 0;
	if (!inside_line_answer(c, msg, &mine, e))
		return false;
	if (mine)
		return true;
	if (is_draining(c, msg))
		begin_leaving(c);
	if (!keep_proof(c, msg, e))
		return false;
	if (inside_attest_answer(c, msg))
		return true;
	if (answers_pending(c, m))
		return true;
	if (!answer) {
		settle(c, msg); /* else the answer to a keep-alive, or one we gave up on */
		return true;
	}
	struct inside_message *a = MOVE(*m);
	STAILQ_INSERT_TAIL(&c->answers, a, next);
	return true;
}

static bool
take(struct relto_connection *c, struct bytes in, struct relto_error *e)
{
	struct err why = { 0 };
	SCOPED(inside_message_free) struct inside_message *m = NULL;
	c->taken++;
	if (!decode(in, &m, &why) || !hand_round(c, &m, &why))
		return inside_break(c, &why, e);
	if (c->failed.code[0] == 0)
		return true;
	if (e != NULL)
		*e = c->failed;
	return false;
}

static bool
ended(struct relto_connection *c, struct relto_error *e)
{
	struct err why;
	(void)err_set(&why, ERR_UNREACHABLE,
	    c->said_bye ? "the broker said goodbye" : "the broker closed the connection");
	return inside_break(c, &why, e);
}

/* A wake-up and nothing else leaves the connection as it was. */
static bool
interrupted(const struct err *why, struct relto_error *e)
{
	return inside_fail(e, why);
}

static bool
turn(struct relto_connection *c, int64_t deadline, bool until_sent, bool *came,
    struct relto_error *e)
{
	struct bytes in;
	struct err why = { 0 };
	*came = false;
	if (c->failed.code[0] != 0) {
		if (e != NULL)
			*e = c->failed;
		return false;
	}
	switch (link_turn(c->link, deadline, until_sent, &in, &why)) {
	case LINK_MESSAGE:
		*came = true;
		return take(c, in, e);
	case LINK_SENT:
	case LINK_TIMEOUT:
		return true;
	case LINK_CLOSED:
		return ended(c, e);
	case LINK_FAILED:
		break;
	}
	return why.code == ERR_INTERRUPTED ? interrupted(&why, e) : inside_break(c, &why, e);
}

bool
inside_turn_once(struct relto_connection *c, int64_t deadline, bool *came, struct relto_error *e)
{
	dry_begin(); /* what went wrong before has been told */
	return turn(c, deadline, false, came, e);
}

/* Well before the broker's patience ends. */
int64_t
inside_ping_due(const struct relto_connection *c)
{
	return c->limits.idle_ms == 0 ? INT64_MAX : c->last_sent_ms + c->limits.idle_ms / 3;
}

static bool
keep_alive(struct relto_connection *c, struct relto_error *e)
{
	struct msg m = { .type = MSG_PING };
	return link_now() < inside_ping_due(c) || inside_put(c, &m, 0, e);
}

/* One exchange of a session that is up, and what is due before it. */
static bool
turn_up(struct relto_connection *c, int64_t deadline, bool *came, struct relto_error *e)
{
	int64_t due = inside_line_due(c);
	if (!keep_alive(c, e) || !inside_pump(c, e) || !inside_attest_send(c, e))
		return false;
	due = inside_ping_due(c) < due ? inside_ping_due(c) : due;
	dry_begin(); /* what went wrong before has been told */
	/* what waits for room in our own queue goes on when there is some */
	bool until_sent = !STAILQ_EMPTY(&c->ready) && inside_is_full(c);
	if (!turn(c, due < deadline ? due : deadline, until_sent, came, e))
		return false;
	if (!inside_quorum_is_late(c, !*came))
		return true;
	struct err why;
	(void)inside_quorum_missing(c, &why);
	return inside_break(c, &why, e);
}

bool
inside_turn(struct relto_connection *c, int64_t deadline, bool *came, struct relto_error *e)
{
	uint64_t sessions = c->line.sessions;
	struct relto_error why; /* of what may be mended here, and then nobody hears of it */
	for (;;) {
		*came = false;
		if (!inside_line(c, deadline, e))
			return false;
		if (c->line.state != LINE_UP || c->line.sessions != sessions)
			return true;
		bool ok = turn_up(c, deadline, came, &why);
		if (ok && (*came || link_now() >= deadline))
			return true;
		if (ok)
			continue;
		*came = false;
		/* who waits for an answer of this session hears of its end now */
		if (c->failed.code[0] != 0)
			return inside_line(c, 0, e);
		if (e != NULL)
			*e = why;
		return false;
	}
}

/* ---- what goes ---- */

/* What is safe with a broker whose log is compared with nothing. */
static bool
is_reading(enum msg_type t)
{
	return t == MSG_HELLO || t == MSG_PING || t == MSG_WHOAMI || t == MSG_AUDIT_LIST ||
	       t == MSG_AUDIT_PULL || t == MSG_BYE;
}

static bool
put(struct relto_connection *c, const struct msg *m, uint8_t lane, struct relto_error *e)
{
	struct err why;
	struct bytes out;
	SCOPED(arena_done) struct arena a;
	arena_init(&a, 2 * (size_t)LIMIT_MESSAGE_BYTES);
	if (c->failed.code[0] != 0) {
		if (e != NULL)
			*e = c->failed;
		return false;
	}
	if (c->link == NULL)
		return inside_lost(c, e);
	assert(!c->as_shown || is_reading(m->type)); /* generation.h */
	if (!msg_encode(m, &a, &out, &why))
		return inside_fail(e, &why);
	if (!link_put(c->link, out, lane, &why))
		return inside_break(c, &why, e);
	c->last_sent_ms = link_now();
	return true;
}

bool
inside_is_full(const struct relto_connection *c)
{
	return c->link != NULL && link_queued(c->link) > QUEUED_MAX;
}

/* What comes meanwhile is handed round. */
bool
inside_push(struct relto_connection *c, struct relto_error *e)
{
	bool came = true;
	int64_t deadline = link_deadline(c->ctx->timeout_ms);
	while (came || inside_is_full(c)) {
		bool full = inside_is_full(c);
		if (!turn(c, full ? deadline : 0, true, &came, e))
			return !STAILQ_EMPTY(&c->answers); /* the answer came, and then the end */
		if (full && !came && link_now() >= deadline)
			return inside_failf(e, ERR_TIMEOUT, "the broker takes nothing");
	}
	return true;
}

bool
inside_put_unasked(struct relto_connection *c, const struct msg *m, struct relto_error *e)
{
	if (!put(c, m, 0, e))
		return false;
	link_nudge(c->link);
	return true;
}

bool
inside_put(struct relto_connection *c, struct msg *m, uint8_t lane, struct relto_error *e)
{
	m->request = c->last_request + 1;
	if (!put(c, m, lane, e))
		return false;
	c->last_request++;
	link_nudge(c->link);
	return true;
}

bool
inside_send(struct relto_connection *c, struct msg *m, uint8_t lane, struct relto_error *e)
{
	return inside_put(c, m, lane, e) && inside_push(c, e);
}

bool
inside_await(struct relto_connection *c, struct inside_message **out, struct relto_error *e)
{
	int64_t deadline = link_deadline(c->ctx->timeout_ms);
	while (STAILQ_EMPTY(&c->answers)) {
		bool came;
		if (c->asked_in != c->line.losses)
			return inside_lost(c, e);
		if (!inside_turn(c, deadline, &came, e))
			return false;
		if (!came && c->asked_in == c->line.losses && link_now() >= deadline) {
			c->awaited = 0;
			return inside_failf(
			    e, ERR_TIMEOUT, "no answer in %d ms", c->ctx->timeout_ms);
		}
	}
	*out = STAILQ_FIRST(&c->answers);
	STAILQ_REMOVE_HEAD(&c->answers, next);
	return true;
}

void
inside_messages_free(struct inside_messages *list)
{
	while (!STAILQ_EMPTY(list)) {
		struct inside_message *m = STAILQ_FIRST(list);
		STAILQ_REMOVE_HEAD(list, next);
		inside_message_free(m);
	}
}

void
inside_forget(struct relto_connection *c)
{
	c->awaited = 0;
	inside_messages_free(&c->answers);
}

bool
inside_start_here(struct relto_connection *c, struct msg *m, uint8_t lane, struct relto_error *e)
{
	inside_forget(c);
	c->asked_in = c->line.losses;
	c->awaited = c->last_request + 1; /* an answer may come while we send */
	if (inside_send(c, m, lane, e))
		return true;
	c->awaited = 0;
	return false;
}

bool
inside_start(struct relto_connection *c, struct msg *m, uint8_t lane, struct relto_error *e)
{
	inside_forget(c);
	return inside_up(c, e) && inside_start_here(c, m, lane, e);
}

bool
inside_expect(struct relto_connection *c, enum msg_type type, struct inside_message **out,
    struct relto_error *e)
{
	SCOPED(inside_message_free) struct inside_message *m = NULL;
	struct err why;
	if (!inside_await(c, &m, e))
		return false;
	assert(m != NULL);
	if (m->msg.type == MSG_ERROR)
		return inside_refused(e, &m->msg.error);
	if (m->msg.type != type) {
		(void)err_set(&why, ERR_PROTOCOL, "the broker answered with %s, not %s",
		    msg_name(m->msg.type), msg_name(type));
		return inside_break(c, &why, e);
	}
	*out = MOVE(m);
	return true;
}

bool
inside_ask(struct relto_connection *c, struct msg *m, enum msg_type type,
    struct inside_message **out, struct relto_error *e)
{
	bool ok = inside_start(c, m, 0, e) && inside_expect(c, type, out, e);
	inside_forget(c);
	return ok;
}
