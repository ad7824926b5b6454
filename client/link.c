#include "client/link.h"

#include "client/link_tls.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "proto/dry.h"

enum {
	PLAIN_BYTES = 4 + LIMIT_FRAME_BYTES + 16384, /* a frame, and a record behind it */
	CHUNK = 16384,
};

struct link {
	int fd, wake;	/* wake: borrowed */
	char name[300]; /* of the server, for people */
	struct addrinfo *all;
	const struct addrinfo *next; /* to be tried when this one fails */
	bool connected;
	struct link_hub hub;
	SSL_CTX *tls;
	struct link_tls_check check;
	SSL *ssl;
	BIO *in, *out; /* ciphertext; owned by ssl */
	struct frame_lanes lanes;
	uint8_t plain[PLAIN_BYTES];
	size_t plain_len, plain_at; /* read and not yet looked at */
	bool ended;		    /* the peer's FIN was seen */
};

int64_t
link_now(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t
link_deadline(int timeout_ms)
{
	return timeout_ms < 0 ? INT64_MAX : link_now() + timeout_ms;
}

int
link_fd(const struct link *l)
{
	return l->fd;
}

short
link_events(const struct link *l)
{
	if (!l->connected)
		return POLLOUT;
	return BIO_ctrl_pending(l->out) != 0 ? POLLIN | POLLOUT : POLLIN;
}

size_t
link_queued(const struct link *l)
{
	return BIO_ctrl_pending(l->out);
}

void
link_limit(struct link *l, size_t message_max)
{
	frame_lanes_limit(&l->lanes, message_max, message_max * LIMIT_LANES);
}

/* Waits for 'what' or to be woken.  *timeout: the time is up. */
static bool
wait_for(struct pollfd what, int wake, int64_t deadline, bool *timeout, struct err *e)
{
	struct pollfd p[2] = { what, { wake, POLLIN, 0 } };
	int64_t left = deadline == INT64_MAX ? -1 : deadline - link_now();
	int wait = left < 0 ? (deadline == INT64_MAX ? -1 : 0) : left > 60000 ? 60000 : (int)left;
	int n = poll(p, 2, wait);
	*timeout = n == 0 && link_now() >= deadline;
	if (n < 0 && errno != EINTR)
		return err_set(e, ERR_IO, "poll: %s", strerror(errno));
	uint64_t count;
	if (n > 0 && (p[1].revents & POLLIN) != 0 && read(wake, &count, sizeof(count)) > 0)
		return err_set(e, ERR_INTERRUPTED, "woken up");
	return true;
}

bool
link_rest(int wake, int64_t deadline_ms, struct err *e)
{
	const struct pollfd nothing = { -1, 0, 0 };
	bool timeout = false;
	while (!timeout)
		if (!wait_for(nothing, wake, deadline_ms, &timeout, e))
			return false;
	return true;
}

/* ---- connecting ---- */

static bool
connect_one(struct link *l, const struct addrinfo *a, struct err *e)
{
	int one = 1;
	l->fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
	if (l->fd < 0)
		return err_set(e, ERR_IO, "socket: %s", strerror(errno));
	(void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(l->fd, a->ai_addr, a->ai_addrlen) == 0 || errno == EINPROGRESS)
		return true;
	(void)err_set(e, ERR_UNREACHABLE, "%s", strerror(errno));
	(void)close(l->fd);
	l->fd = -1;
	return false;
}

/* The next address of the name that a connection can be begun to. */
static bool
connect_next(struct link *l, struct err *e)
{
	while (l->next != NULL) {
		const struct addrinfo *a = l->next;
		l->next = a->ai_next;
		if (connect_one(l, a, e))
			return true;
	}
	return err_wrap(e, "%s", l->name);
}

static bool
look_up(struct link *l, const struct link_target *t, struct err *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	(void)snprintf(l->name, sizeof(l->name), "%s:%s", t->host, t->port);
	int bad = getaddrinfo(t->host, t->port, &hints, &l->all);
	if (bad != 0)
		return err_set(e, ERR_UNREACHABLE, "%s: %s", l->name, gai_strerror(bad));
	l->next = l->all;
	return connect_next(l, e);
}

/* Whether the connection stands by now; the next address if it failed. */
static bool
await_connection(struct link *l, int64_t deadline, bool *timeout, struct err *e)
{
	int failure = 0;
	socklen_t len = sizeof(failure);
	struct pollfd p = { l->fd, POLLOUT, 0 };
	if (!wait_for(p, l->wake, deadline, timeout, e))
		return false;
	if (*timeout || poll(&p, 1, 0) != 1)
		return true;
	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &failure, &len) == 0 && failure == 0) {
		l->connected = true;
		return true;
	}
	(void)close(l->fd);
	l->fd = -1;
	(void)err_set(e, ERR_UNREACHABLE, "%s", strerror(failure));
	return connect_next(l, e);
}

/* ---- moving bytes ---- */

/* Hands what TLS has written to the kernel, as much as it takes. */
static bool
flush_out(struct link *l, struct err *e)
{
	char *data;
	long n = BIO_get_mem_data(l->out, &data);
	while (n > 0) {
		ssize_t sent = send(l->fd, data, (size_t)n, MSG_NOSIGNAL);
		if (sent < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (sent < 0)
			return err_set(e, ERR_IO, "the connection was cut: %s", strerror(errno));
		char dropped[CHUNK]; /* a memory BIO forgets only what is read from it */
		for (ssize_t left = sent; left > 0;) {
			int step = BIO_read(l->out, dropped, left > CHUNK ? CHUNK : (int)left);
			if (step <= 0)
				return err_set(e, ERR_CRYPTO, "output buffer");
			left -= step;
		}
		n = BIO_get_mem_data(l->out, &data);
	}
	return true;
}

/* close_notify, if TLS is in a state to say it; nobody waits for its arrival. */
static void
say_end(struct link *l)
{
	if (l->ssl == NULL || !SSL_is_init_finished(l->ssl))
		return;
	(void)SSL_shutdown(l->ssl);
	ERR_clear_error();
	if (!flush_out(l, NULL))
		l->ended = true; /* it is gone already */
}

void
link_free(struct link *l)
{
	if (l == NULL)
		return;
	say_end(l);
	SSL_free(l->ssl);
	SSL_CTX_free(l->tls);
	frame_lanes_done(&l->lanes);
	if (l->fd >= 0)
		(void)close(l->fd);
	if (l->all != NULL)
		freeaddrinfo(l->all);
	explicit_bzero(l->plain, sizeof(l->plain));
	free(l);
}

/* Takes what the kernel has; a FIN is remembered, a reset is an error. */
static bool
fill_in(struct link *l, struct err *e)
{
	char buf[CHUNK];
	ssize_t n = recv(l->fd, buf, sizeof(buf), 0);
	if (n == 0)
		l->ended = true;
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return err_set(e, ERR_IO, "the connection was cut: %s", strerror(errno));
	if (n > 0 && BIO_write(l->in, buf, (int)n) != n)
		return err_set(e, ERR_NOMEM, "input buffer");
	return true;
}

/* One exchange with the network.  A failure to send is forgiven while there is something to
 * receive: it may be the alert that says why (FACTS 29). */
static bool
exchange(struct link *l, int64_t deadline, bool *timeout, struct err *e)
{
	struct err unsent = { 0 };
	*timeout = false;
	bool sent = flush_out(l, &unsent);
	struct pollfd p = { l->fd, link_events(l), 0 };
	if (sent && !wait_for(p, l->wake, deadline, timeout, e))
		return false;
	size_t before = BIO_ctrl_pending(l->in);
	if (!fill_in(l, e))
		return false;
	if (!sent && BIO_ctrl_pending(l->in) == before) {
		*e = unsent;
		return false;
	}
	return true;
}

/* One step of the handshake; *done: it is over. */
static bool
shake_hands(struct link *l, int64_t deadline, bool *done, bool *timeout, struct err *e)
{
	ERR_clear_error();
	int n = SSL_do_handshake(l->ssl);
	l->check.dry |= dry_ran();
	*done = n == 1;
	if (*done)
		return true;
	if (SSL_get_error(l->ssl, n) != SSL_ERROR_WANT_READ) {
		(void)link_tls_error(&l->check, e);
		(void)flush_out(l, NULL); /* our alert */
		return false;
	}
	if (l->ended)
		return err_set(
		    e, ERR_UNREACHABLE, "%s closed the connection during the handshake", l->name);
	return exchange(l, deadline, timeout, e);
}

static bool
is_relto(struct link *l, struct err *e)
{
	const unsigned char *name;
	unsigned len;
	SSL_get0_alpn_selected(l->ssl, &name, &len);
	if (!bytes_is(bytes_from(name, len), "relto/1"))
		return err_set(e, ERR_VERSION, "the server does not speak relto/1");
	return true;
}

static bool
start_tls(struct link *l, const struct link_target *t, struct err *e)
{
	struct link_target mine = *t;
	mine.hub = &l->hub; /* judged by when the caller's is gone */
	if (!link_tls_new(&mine, &l->check, &l->tls, e))
		return false;
	l->ssl = SSL_new(l->tls);
	l->in = BIO_new(BIO_s_mem());
	l->out = BIO_new(BIO_s_mem());
	if (l->ssl == NULL || l->in == NULL || l->out == NULL) {
		BIO_free(l->in);
		BIO_free(l->out);
		l->in = l->out = NULL;
		return err_set(e, ERR_NOMEM, "TLS");
	}
	(void)BIO_set_mem_eof_return(l->in, -1);
	SSL_set_bio(l->ssl, l->in, l->out);
	SSL_set_connect_state(l->ssl);
	return true;
}

bool
link_start(const struct link_target *t, struct link **out, struct err *e)
{
	SCOPED(link_free) struct link *l = calloc(1, sizeof(*l));
	if (l == NULL)
		return err_set(e, ERR_NOMEM, "connection");
	l->fd = -1;
	l->wake = t->wake;
	l->hub = *t->hub;
	frame_lanes_init(&l->lanes, LIMIT_MESSAGE_BYTES, (size_t)LIMIT_MESSAGE_BYTES * LIMIT_LANES);
	if (!look_up(l, t, e) || !start_tls(l, t, e))
		return false;
	l->check.dry = dry_ran();
	*out = MOVE(l);
	return true;
}

bool
link_dial(struct link *l, int64_t deadline_ms, bool *done, struct err *e)
{
	bool timeout = false;
	*done = false;
	while (!*done && !timeout) {
		if (!l->connected) {
			if (!await_connection(l, deadline_ms, &timeout, e))
				return false;
		} else if (!shake_hands(l, deadline_ms, done, &timeout, e)) {
			return false;
		}
	}
	return !*done || is_relto(l, e);
}

bool
link_put(struct link *l, struct bytes message, uint8_t lane, struct err *e)
{
	uint8_t frame[CHUNK]; /* one TLS record (DESIGN 13: fill them) */
	struct frame_writer w;
	frame_writer_init(&w, message, lane);
	while (!frame_writer_done(&w)) {
		int n = (int)frame_writer_next(&w, frame, sizeof(frame));
		ERR_clear_error();
		if (SSL_write(l->ssl, frame, n) != n)
			return link_tls_error(&l->check, e);
	}
	return true;
}

void
link_nudge(struct link *l)
{
	struct err unsaid;
	(void)!flush_out(l, &unsaid);
}

/* ---- receiving ---- */

/* A message out of what was decrypted already, if there is a whole one. */
static enum link_turned
next_message(struct link *l, struct bytes *message, struct err *e)
{
	for (;;) {
		struct frame f;
		struct bytes rest = bytes_from(l->plain + l->plain_at, l->plain_len - l->plain_at);
		enum frame_result r = frame_scan(rest, LIMIT_FRAME_BYTES, &f, NULL, e);
		if (r == FRAME_BAD)
			return LINK_FAILED;
		if (r != FRAME_WHOLE) {
			memmove(l->plain, rest.data, rest.len);
			l->plain_at = 0;
			l->plain_len = rest.len;
			return LINK_TIMEOUT; /* nothing yet */
		}
		l->plain_at += f.size;
		if (!frame_lanes_take(&l->lanes, &f, message, e))
			return LINK_FAILED;
		if (message->data != NULL)
			return LINK_MESSAGE;
	}
}

/* Decrypts what is there.  LINK_SENT: some; LINK_TIMEOUT: nothing; else the end. */
static enum link_turned
decrypt(struct link *l, struct err *e)
{
	ERR_clear_error();
	int room = (int)(sizeof(l->plain) - l->plain_len);
	int n = SSL_read(l->ssl, l->plain + l->plain_len, room);
	if (n > 0) {
		l->plain_len += (size_t)n;
		return LINK_SENT;
	}
	int why = SSL_get_error(l->ssl, n);
	if (why == SSL_ERROR_WANT_READ && BIO_ctrl_pending(l->in) != 0)
		return LINK_SENT; /* a record without application data was eaten: go on */
	if (why == SSL_ERROR_WANT_READ && !l->ended)
		return LINK_TIMEOUT;
	bool inside = l->plain_len != 0 || frame_lanes_inside(&l->lanes);
	if (why == SSL_ERROR_ZERO_RETURN && !inside)
		return LINK_CLOSED;
	if (why == SSL_ERROR_SSL)
		(void)link_tls_error(&l->check, e);
	else
		(void)err_set(
		    e, ERR_IO, "the connection was cut%s", inside ? " inside a message" : "");
	return LINK_FAILED;
}

enum link_turned
link_turn(
    struct link *l, int64_t deadline_ms, bool until_sent, struct bytes *message, struct err *e)
{
	for (;;) {
		*message = (struct bytes){ NULL, 0 };
		enum link_turned t = next_message(l, message, e);
		if (t != LINK_TIMEOUT)
			return t;
		t = decrypt(l, e);
		if (t == LINK_SENT)
			continue;
		if (t != LINK_TIMEOUT)
			return t;
		if (until_sent && link_queued(l) == 0)
			return LINK_SENT;
		bool timeout;
		if (!exchange(l, deadline_ms, &timeout, e))
			return LINK_FAILED;
		if (timeout)
			return LINK_TIMEOUT;
	}
}
