#include "daemon/arrival.h"
#include "daemon/role.h"

#include "daemon/conn.h"
#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/on.h"
#include "daemon/parties.h"
#include "daemon/sweep.h"
#include "daemon/tls.h"
#include "daemon/turns.h"

#include <inttypes.h>
#include <stdlib.h>

/* The alert is on its way; the socket lingers so that it is not lost to a RST. */
static void
refuse_handshake(struct conn *c, const struct trust_refusal *why)
{
	conn_count(c, METRIC_handshakes_failed);
	sweep_log_refusal(c, why);
	if (why->fault != CHAIN_HANDSHAKE)
		on_turned_away(c, why);
	conn_end(c, CONN_ENDING_FAIL);
}

/* On the worker where it stays. */
static void
come_home(struct conn *c)
{
	struct err e;
	struct worker *w = c->worker;
	conn_move(c, CONN_HELLO);
	c->active_ms = c->since_ms;
	c->held = true; /* Hello may have come with the end of the handshake, and wait inside TLS */
	turns_touch(w, c);
	if (c->trust != w->trust || w->coming != NULL)
		sweep_judge(c); /* new rules came while it shook hands or travelled */
	if (c->state != CONN_HELLO)
		return;
	if (!parties_enter(w, c, bytes_of(c->peer->party), &e) || !on_arrived(c, &e)) {
		const struct complaint why = { .code = e.code };
		log_info("conn.not-let-in", "conn=%" PRIu64 " party=%s why=%s", c->id,
		    c->peer->party, log_quote_text(e.text));
		conn_fail(c, 0, &why);
	} else if (w->stopping) {
		conn_drain(c);
	} else if (w->draining) {
		const struct complaint going = { .code = ERR_DRAINING, .retry_ms = 1000 };
		conn_last_word(c, 0, &going);
	}
}

static void
handshake_done(struct conn *c)
{
	struct trust_refusal why = { .fault = CHAIN_INTERNAL };
	struct worker *w = c->worker;
	if (!tls_take_peer(c->pump.ssl, &c->peer, &why)) {
		refuse_handshake(c, &why);
		return;
	}
	conn_count(c, METRIC_handshakes);
	log_info("conn.open", "conn=%" PRIu64 " from=%s agent=%s", c->id, c->ticket->address,
	    log_quote_text(c->peer->agent));
	struct worker *home = worker_of_party(w, bytes_of(c->peer->party));
	if (home == w) {
		come_home(c);
		return;
	}
	pump_detach(&c->pump);
	worker_remove_conn(w, c);
	worker_mail(home, LETTER_CONN, &c->letter); /* not ours from here on */
}

void
arrival_step(struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	struct trust_refusal why = { .fault = CHAIN_INTERNAL };
	switch (pump_handshake(&c->pump)) {
	case PUMP_DONE:
		handshake_done(c);
		return;
	case PUMP_BLOCKED:
		pump_wait(&c->pump, true, false);
		return;
	case PUMP_ENDED:
	case PUMP_FAILED:
		tls_refusal(c->pump.ssl, &why);
		refuse_handshake(c, &why);
		return;
	}
}

bool
arrival_open(struct worker *w, struct ticket **ticket, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	SCOPED(ticket_free) struct ticket *t = MOVE(*ticket);
	if (w->trust == NULL)
		return err_set(e, ERR_SHUT_OUT, "there are no trust files");
	struct conn *c = calloc(1, sizeof(*c));
	SSL *ssl = tls_open(w->trust);
	if (c == NULL || ssl == NULL) {
		free(c);
		SSL_free(ssl);
		return err_set(e, ERR_NOMEM, "connection");
	}
	c->magic = CONN_MAGIC;
	c->id = t->id;
	c->trust = w->trust;
	c->worker = w;
	c->since_ms = c->active_ms = worker_now_ms(w);
	inbox_init(&c->inbox);
	outbox_init(&c->outbox);
	int fd = t->fd;
	t->fd = -1;
	c->ticket = MOVE(t);
	if (!pump_init(&c->pump, fd, ssl, e) || !pump_attach(&c->pump, w->base, conn_event, c, e)) {
		conn_free(c);
		return false;
	}
	worker_add_conn(w, c);
	conn_count(c, METRIC_accepted);
	pump_wait(&c->pump, true, false);
	return true;
}

void
arrival_home(struct worker *w, struct conn *c)
{
	ASSERT_ON(ROLE_WORKER);
	struct err e;
	worker_add_conn(w, c);
	if (!pump_attach(&c->pump, w->base, conn_event, c, &e)) {
		conn_cut(c);
		return;
	}
	come_home(c);
}
