#include "daemon/pump.h"
#include "daemon/role.h"

#include "daemon/tls.h"
#include "proto/dry.h"
#include "proto/limits.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	OUT_MIN = 4096,	    /* first allocation of the output buffer */
	DISCARD_ROUNDS = 16 /* of 4 KiB, per event: what a shut-out peer may make us read */
};

bool
pump_init(struct pump *p, int fd, SSL *ssl, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	*p = (struct pump){ .fd = fd, .ssl = ssl };
	int on = 1, lowat = LIMIT_NOTSENT_LOWAT;
	/* refused by sockets that are not TCP (tests), where they mean nothing */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof(lowat));
	/*
	 * The output buffer may move between the tries of a write.  Never PARTIAL_WRITE (FACTS 17),
	 * never AUTO_RETRY (FACTS 28).
	 */
	SSL_set_mode(ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_clear_mode(ssl, SSL_MODE_AUTO_RETRY | SSL_MODE_ENABLE_PARTIAL_WRITE);
	SSL_set_accept_state(ssl);
	if (SSL_set_fd(ssl, fd) != 1)
		return err_set(e, ERR_NOMEM, "socket for TLS");
	return true;
}

bool
pump_attach(struct pump *p, struct event_base *base, void (*cb)(int fd, short what, void *arg),
    void *arg, struct err *e)
{
	ASSERT_ON(ROLE_WORKER);
	assert(p->read_event == NULL);
	p->read_event = event_new(base, p->fd, EV_READ | EV_PERSIST, cb, arg);
	p->write_event = event_new(base, p->fd, EV_WRITE | EV_PERSIST, cb, arg);
	if (p->read_event != NULL && p->write_event != NULL)
		return true;
	pump_detach(p);
	return err_set(e, ERR_NOMEM, "events of a connection");
}

void
pump_detach(struct pump *p)
{
	ASSERT_ON(ROLE_WORKER);
	if (p->read_event != NULL)
		event_free(p->read_event);
	if (p->write_event != NULL)
		event_free(p->write_event);
	p->read_event = p->write_event = NULL;
	p->reading = p->writing = false;
}

/* A failed event_add leaves a connection that nothing wakes: its deadline reaps it (FACTS 20). */
static void
set_event(struct event *ev, bool *is, bool want)
{
	if (ev == NULL || *is == want)
		return;
	if ((want ? event_add(ev, NULL) : event_del(ev)) == 0)
		*is = want;
}

void
pump_wait(struct pump *p, bool reading, bool writing)
{
	ASSERT_ON(ROLE_WORKER);
	set_event(p->read_event, &p->reading, reading || (writing && p->write_wants_read));
	set_event(p->write_event, &p->writing,
	    (writing && !p->write_wants_read) || (reading && p->read_wants_write));
}

/* What a call of OpenSSL that did not succeed means. */
static enum pump_result
outcome(struct pump *p, int rc, bool *wants_other_way, int other_way)
{
	int why = SSL_get_error(p->ssl, rc);
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
		*wants_other_way = why == other_way;
		return PUMP_BLOCKED;
	}
	if (why == SSL_ERROR_ZERO_RETURN) {
		p->clean_end = true;
		return PUMP_ENDED;
	}
	p->broken = true; /* after SYSCALL and SSL errors the SSL must not be used again */
	if (why == SSL_ERROR_SYSCALL)
		return PUMP_ENDED;
	/* OpenSSL 3 calls a FIN without close_notify an SSL error (FACTS 18) */
	bool eof = why == SSL_ERROR_SSL &&
		   ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
	return eof ? PUMP_ENDED : PUMP_FAILED;
}

enum pump_result
pump_handshake(struct pump *p)
{
	ASSERT_ON(ROLE_WORKER);
	bool wants_write = false;
	p->read_wants_write = false;
	ERR_clear_error();
	dry_begin(); /* the peer's chain is read and judged in there */
	int rc = SSL_do_handshake(p->ssl);
	if (rc == 1)
		return PUMP_DONE;
	enum pump_result r = outcome(p, rc, &wants_write, SSL_ERROR_WANT_WRITE);
	p->read_wants_write = wants_write;
	/* every way to end before the handshake is done is a failure of it */
	return r == PUMP_ENDED ? PUMP_FAILED : r;
}

enum pump_result
pump_read(struct pump *p, uint8_t *to, size_t cap, size_t *len)
{
	ASSERT_ON(ROLE_WORKER);
	if (p->broken)
		return PUMP_FAILED;
	size_t got = 0;
	p->read_wants_write = false;
	ERR_clear_error();
	int rc = SSL_read_ex(p->ssl, to, cap, &got);
	if (rc == 1) {
		tls_saw_data(p->ssl);
		*len = got;
		return PUMP_DONE;
	}
	if (tls_key_updates(p->ssl) > LIMIT_KEY_UPDATES)
		return PUMP_FAILED;
	return outcome(p, rc, &p->read_wants_write, SSL_ERROR_WANT_WRITE);
}

static void
out_free(struct pump *p)
{
	if (p->out != NULL)
		explicit_bzero(p->out, p->out_len); /* it held bodies of reports */
	free(p->out);
	p->out = NULL;
	p->out_at = p->out_len = p->out_cap = 0;
}

uint8_t *
pump_space(struct pump *p, size_t len)
{
	ASSERT_ON(ROLE_WORKER);
	size_t pending = p->out_len - p->out_at;
	if (len <= p->out_cap - p->out_len)
		return p->out + p->out_len;
	if (len > SIZE_MAX / 4 - pending)
		return NULL;
	size_t cap = p->out_cap == 0 ? OUT_MIN : p->out_cap;
	while (cap < pending + len)
		cap *= 2;
	uint8_t *grown = malloc(cap);
	if (grown == NULL)
		return NULL;
	if (pending != 0)
		memcpy(grown, p->out + p->out_at, pending);
	out_free(p);
	p->out = grown;
	p->out_len = pending;
	p->out_cap = cap;
	return p->out + p->out_len;
}

void
pump_added(struct pump *p, size_t len)
{
	ASSERT_ON(ROLE_WORKER);
	assert(len <= p->out_cap - p->out_len);
	p->out_len += len;
}

size_t
pump_pending(const struct pump *p)
{
	return p->out_len - p->out_at;
}

bool
pump_has_begun(const struct pump *p)
{
	return p->retry_len != 0;
}

void
pump_forget(struct pump *p)
{
	ASSERT_ON(ROLE_WORKER);
	static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	(void)setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

enum pump_result
pump_write(struct pump *p)
{
	ASSERT_ON(ROLE_WORKER);
	if (p->broken || p->shut)
		return PUMP_FAILED;
	for (;;) {
		size_t pending = pump_pending(p);
		size_t n = pending < PUMP_RECORD ? pending : PUMP_RECORD;
		if (p->retry_len != 0)
			n = p->retry_len; /* what TLS has begun must be finished as it was */
		if (n == 0)
			break;
		size_t written = 0;
		p->write_wants_read = false;
		ERR_clear_error();
		int rc = SSL_write_ex(p->ssl, p->out + p->out_at, n, &written);
		if (rc != 1) {
			p->retry_len = n;
			return outcome(p, rc, &p->write_wants_read, SSL_ERROR_WANT_READ);
		}
		p->retry_len = 0;
		p->out_at += written;
	}
	out_free(p);
	return PUMP_DONE;
}

void
pump_shut(struct pump *p)
{
	ASSERT_ON(ROLE_WORKER);
	ERR_clear_error();
	if (!p->broken && SSL_is_init_finished(p->ssl))
		(void)SSL_shutdown(p->ssl); /* if it does not fit, FIN says goodbye alone */
	p->shut = true;
	(void)shutdown(p->fd, SHUT_WR);
}

enum pump_result
pump_discard(struct pump *p)
{
	ASSERT_ON(ROLE_WORKER);
	uint8_t sink[4096];
	p->read_wants_write = false;
	for (unsigned i = 0; i < DISCARD_ROUNDS; i++) {
		ssize_t n = recv(p->fd, sink, sizeof(sink), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return PUMP_ENDED;
		if (n < 0)
			break;
	}
	return PUMP_BLOCKED;
}

void
pump_done(struct pump *p)
{
	ASSERT_ON(ROLE_WORKER);
	pump_detach(p);
	out_free(p);
	SSL_free(p->ssl);
	if (p->fd >= 0)
		close(p->fd);
	*p = (struct pump){ .fd = -1 };
}
