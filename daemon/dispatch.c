#include "daemon/dispatch.h"

#include "daemon/log.h"
#include "daemon/on.h"
#include "daemon/role.h"
#include "daemon/worker.h"
#include "proto/arena.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#define BIT(state) (1u << (state))

static handler on_ping, on_bye;

/* legal_in + refused_in + the rest, which is a breach; nothing can arrive in HANDSHAKE and CLOSED
 */
static const struct {
	uint32_t legal_in, refused_in;
	handler *run;
} handlers[MSG_COUNT] = {
	[MSG_NONE] = { 0, 0, NULL },
	[MSG_HELLO] = { BIT(CONN_HELLO), BIT(CONN_DRAINING), on_hello }, /* it was on its way */
	[MSG_PUBLISH] = { BIT(CONN_READY), BIT(CONN_DRAINING), on_publish },
	[MSG_SUBSCRIBE] = { BIT(CONN_READY), BIT(CONN_DRAINING), on_subscribe },
	[MSG_ACK] = { BIT(CONN_READY) | BIT(CONN_DRAINING), 0, on_ack },
	[MSG_EXPLAIN] = { BIT(CONN_READY), BIT(CONN_DRAINING), on_explain },
	[MSG_WHOAMI] = { BIT(CONN_READY), BIT(CONN_DRAINING), on_whoami },
	[MSG_AUDIT_LIST] = { BIT(CONN_READY), BIT(CONN_DRAINING), on_audit_list },
	[MSG_AUDIT_PULL] = { BIT(CONN_READY), BIT(CONN_DRAINING), on_audit_pull },
	[MSG_ATTEST] = { BIT(CONN_READY), BIT(CONN_DRAINING), on_attest },
	[MSG_STATUS] = { BIT(CONN_READY), BIT(CONN_DRAINING), on_status },
	[MSG_RELOAD] = { BIT(CONN_READY), BIT(CONN_DRAINING), on_reload },
	[MSG_ACCEPT_CLOCK] = { BIT(CONN_READY), BIT(CONN_DRAINING), on_accept_clock },
	[MSG_HOLDS] = { BIT(CONN_READY), BIT(CONN_DRAINING), on_holds },
	[MSG_DECIDE] = { BIT(CONN_READY), BIT(CONN_DRAINING), on_decide },
	[MSG_NACK] = { BIT(CONN_READY) | BIT(CONN_DRAINING), 0, on_nack },
	[MSG_SUBSCRIPTIONS] = { BIT(CONN_READY), BIT(CONN_DRAINING), on_subscriptions },
	[MSG_DEAD_LETTERS] = { BIT(CONN_READY), BIT(CONN_DRAINING), on_dead_letters },
	[MSG_PROVE] = { BIT(CONN_READY), BIT(CONN_DRAINING), on_prove },
	[MSG_BACKUP] = { BIT(CONN_READY), BIT(CONN_DRAINING), on_backup },
	[MSG_ERASE] = { BIT(CONN_READY), BIT(CONN_DRAINING), on_erase },
	[MSG_RECALL_ANSWER] = { BIT(CONN_READY), BIT(CONN_DRAINING), on_recall_answer },
	[MSG_FEEDBACK] = { BIT(CONN_READY), BIT(CONN_DRAINING), on_feedback },
	[MSG_RECALL_STATUS] = { BIT(CONN_READY), BIT(CONN_DRAINING), on_recall_status },
	[MSG_FEEDBACK_STATUS] = { BIT(CONN_READY), BIT(CONN_DRAINING), on_feedback_status },
	[MSG_SESSIONS] = { BIT(CONN_READY), BIT(CONN_DRAINING), on_sessions },
	[MSG_DRAIN] = { BIT(CONN_READY), BIT(CONN_DRAINING), on_drain },
	[MSG_PING] = { BIT(CONN_READY) | BIT(CONN_DRAINING), 0, on_ping },
	[MSG_BYE] = { BIT(CONN_HELLO) | BIT(CONN_READY) | BIT(CONN_DRAINING), 0, on_bye },
	/* the broker's own */
	[MSG_WELCOME] = { 0, 0, NULL },
	[MSG_HEADS] = { 0, 0, NULL },
	[MSG_RECEIPT] = { 0, 0, NULL },
	[MSG_SUBSCRIBED] = { 0, 0, NULL },
	[MSG_SIGNER] = { 0, 0, NULL },
	[MSG_DELIVER] = { 0, 0, NULL },
	[MSG_EXPLANATION] = { 0, 0, NULL },
	[MSG_IDENTITY] = { 0, 0, NULL },
	[MSG_AUDIT_PART] = { 0, 0, NULL },
	[MSG_STATUS_REPLY] = { 0, 0, NULL },
	[MSG_ERROR] = { 0, 0, NULL },
	[MSG_PONG] = { 0, 0, NULL },
	[MSG_HOLD_LIST] = { 0, 0, NULL },
	[MSG_DECIDED] = { 0, 0, NULL },
	[MSG_PROOF_LIST] = { 0, 0, NULL },
	[MSG_PROGRESS] = { 0, 0, NULL },
	[MSG_SUBSCRIPTION_LIST] = { 0, 0, NULL },
	[MSG_DEAD_LETTER_LIST] = { 0, 0, NULL },
	[MSG_RECALL_STATUS_REPLY] = { 0, 0, NULL },
	[MSG_FEEDBACK_STATUS_REPLY] = { 0, 0, NULL },
};

static bool
on_ping(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	(void)request;
	const struct msg pong = { .request = m->request, .type = MSG_PONG };
	return conn_send(c, CONN_ANSWER_LANE, &pong, e);
}

static bool
on_bye(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	(void)m, (void)request, (void)e;
	conn_peer_bye(c);
	return true;
}

enum dispatch_verdict
dispatch_judge(enum conn_state state, enum msg_type type)
{
	assert(state < CONN_STATE_COUNT && type < MSG_COUNT);
	if ((handlers[type].legal_in & BIT(state)) != 0)
		return DISPATCH_LEGAL;
	if ((handlers[type].refused_in & BIT(state)) != 0)
		return DISPATCH_REFUSED;
	return DISPATCH_BREACH;
}

static struct arena *
request_new(size_t message_len)
{
	struct arena *a = malloc(sizeof(*a));
	if (a != NULL)
		arena_init(a, LIMIT_ARENA_FACTOR * message_len + LIMIT_ARENA_EXTRA);
	return a;
}

/* The message with everything that it borrows from, all in the request's arena. */
static struct msg *
decode(struct arena *a, struct bytes in, struct fault *f, struct err *e)
{
	struct bytes copy;
	struct msg *m = arena_zalloc(a, 1, sizeof(*m));
	if (m == NULL || !arena_copy(a, in, &copy, e)) {
		err_set(e, ERR_NOMEM, "request of %zu bytes", in.len);
		return NULL;
	}
	return msg_decode(copy, a, m, f, e) ? m : NULL;
}

/* Numbers rise in each lane; over lanes they need not, since a FLASH overtakes.  Two messages may
 * go without: an Ack whose answer nobody waits for, and Bye. */
static bool
check_request(struct conn *c, const struct msg *m, uint8_t lane, struct err *e)
{
	if (m->request == 0 && (m->type == MSG_ACK || m->type == MSG_BYE))
		return true;
	if (m->request <= c->last_request[lane])
		return err_set(e, ERR_PROTOCOL, "request %" PRIu64 " after %" PRIu64 " in lane %u",
		    m->request, c->last_request[lane], lane);
	c->last_request[lane] = m->request;
	return true;
}

static bool
check_turn(struct conn *c, const struct msg *m, struct err *e)
{
	enum dispatch_verdict v = dispatch_judge(c->state, m->type);
	if (v == DISPATCH_BREACH || c->ending == CONN_ENDING_BYE)
		return err_set(e, ERR_OUT_OF_TURN, "%s in state %s", msg_name(m->type),
		    conn_state_name(c->state));
	if (c->version != 0 && msg_needs(m) > c->version)
		return err_set(e, ERR_UNKNOWN_MESSAGE, "such a %s in a session of version %u",
		    msg_name(m->type), c->version);
	return true;
}

static bool
run(struct conn *c, const struct msg *m, struct arena **request, struct err *e)
{
	if (dispatch_judge(c->state, m->type) == DISPATCH_LEGAL)
		return handlers[m->type].run(c, m, request, e);
	const struct complaint going = { .code = ERR_DRAINING, .retry_ms = 1000 };
	return conn_refuse(c, m->request, &going, e);
}

/* The message is sound but for a value: its sender is told and the connection goes on. */
static bool
refuse_value(struct conn *c, uint8_t lane, const struct fault *f, struct err *e)
{
	const struct msg head = { .request = f->request, .type = f->type };
	const struct complaint why = {
		.code = e->code,
		.field = bytes_of(f->field),
		.nearest = bytes_of(f->nearest),
		.detail = bytes_of(f->detail),
	};
	if (!check_request(c, &head, lane, e) || !check_turn(c, &head, e))
		return false;
	if (c->state == CONN_HELLO)
		return false; /* no session yet that could go on */
	on_refused(c, why.code, why.field, (struct bytes){ NULL, 0 });
	return conn_refuse(c, f->request, &why, e);
}

static bool
handle(struct conn *c, const struct inbox_message *in, struct fault *f, struct err *e)
{
	SCOPED(conn_request_free) struct arena *request = request_new(in->bytes.len);
	if (request == NULL)
		return err_set(e, ERR_NOMEM, "arena of a request");
	const struct msg *m = decode(request, in->bytes, f, e);
	if (m == NULL)
		return f->sound ? refuse_value(c, in->lane, f, e) : false;
	f->request = m->request;
	return check_request(c, m, in->lane, e) && check_turn(c, m, e) && run(c, m, &request, e);
}

void
dispatch_message(struct conn *c, const struct inbox_message *in)
{
	ASSERT_ON(ROLE_WORKER);
	struct fault f = { 0 };
	struct err e = { 0 };
	metrics_add(&c->worker->metrics, METRIC_messages_in, 1);
	if (handle(c, in, &f, &e))
		return;
	log_info("conn.breach", "conn=%" PRIu64 " request=%" PRIu64 " code=%s why=%s", c->id,
	    f.request, err_token(e.code), log_quote_text(e.text));
	const struct complaint why = {
		.code = e.code,
		.field = bytes_of(f.field),
		.nearest = bytes_of(f.nearest),
		.detail = bytes_of(f.detail),
	};
	conn_fail(c, f.request, &why);
}
