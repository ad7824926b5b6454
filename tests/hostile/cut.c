/*
 * cut.c - sessions that end at every byte of themselves, in every way.
 *
 *   cut HOST PORT CERTIFICATE KEY SCRIPT THREADS STEP RAW
 *
 * SCRIPT has the messages of one session, each as u32 length, u32 request that is waited for after
 * it (0: nothing), u32 1 if a delivery is waited for as well, and its frames.  For each message,
 * each number of its bytes, and each ending there is a session of its own that goes so far and
 * ends.  STEP leaves out: of the bytes inside a message only every STEP-th is tried, beside the
 * first six and the last two.  And, with RAW not 0, every RAW-th byte of what goes over the wire:
 * handshake and records; such a session cannot end by close_notify.  Prints how many sessions that
 * were.
 */
#include "proto/arena.h"
#include "proto/frame.h"
#include "proto/msg.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGES = 32, WAIT_S = 20, THREADS = 64 };
enum ending { END_RST, END_FIN, END_CLOSE_NOTIFY, END_COUNT };

struct message {
	const uint8_t *data;
	uint32_t len, request, delivery;
};

struct cut {
	unsigned message;
	uint32_t bytes; /* of it */
	size_t raw;	/* of the wire, from the first on; SIZE_MAX: that does not end it */
	enum ending how;
};

static struct {
	SSL_CTX *tls;
	BIO_METHOD *wire;
	struct sockaddr_in to;
	struct message message[MESSAGES];
	unsigned count;
	struct cut *cuts;
	size_t cut_count;
	atomic_size_t next;
} all;

static _Noreturn void
die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- one session ---- */

struct session {
	SSL *ssl;
	int fd;
	size_t left; /* bytes that may still go over the wire */
	struct frame_lanes lanes;
	uint8_t in[2 * (4 + LIMIT_FRAME_BYTES)];
	size_t len;
};

/* Takes what may still go, and fails from then on. */
static int
wire_write(BIO *b, const char *data, int len)
{
	struct session *s = BIO_get_data(b);
	size_t n = (size_t)len < s->left ? (size_t)len : s->left;
	for (size_t sent = 0; sent < n;) {
		ssize_t more = send(s->fd, data + sent, n - sent, MSG_NOSIGNAL);
		if (more <= 0)
			return -1;
		sent += (size_t)more;
	}
	s->left -= n;
	return n == (size_t)len ? len : -1;
}

static long
wire_control(BIO *b, int what, long number, void *with)
{
	(void)b, (void)number, (void)with;
	return what == BIO_CTRL_FLUSH;
}

static int
wire_create(BIO *b)
{
	BIO_set_init(b, 1);
	return 1;
}

/* False: it ended as it should. */
static bool
ended(const struct session *s, const char *what)
{
	if (s->left > 0)
		die(what);
	return false;
}

static bool
begin(struct session *s, size_t raw)
{
	const struct timeval most = { WAIT_S, 0 };
	int on = 1;
	s->len = 0;
	s->left = raw;
	frame_lanes_init(&s->lanes, LIMIT_MESSAGE_BYTES, 2u * LIMIT_MESSAGE_BYTES);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&all.to, sizeof(all.to)) != 0)
		die("connect");
	(void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
	BIO *out = BIO_new(all.wire);
	s->ssl = SSL_new(all.tls);
	if (s->ssl == NULL || out == NULL)
		die("memory");
	BIO_set_data(out, s);
	SSL_set_bio(s->ssl, BIO_new_socket(s->fd, BIO_NOCLOSE), out);
	return SSL_connect(s->ssl) == 1 || ended(s, "handshake");
}

/* Until the broker has let go of it, too: an address may have 64 connections, and one that was left
 * is still one until the broker has come to its end. */
static void
wait_for_end(const struct session *s)
{
	char rest[4096];
	ssize_t n;
	while ((n = recv(s->fd, rest, sizeof(rest), 0)) > 0)
		continue;
	if (n < 0 && errno != ECONNRESET)
		die("the broker's end");
}

static void
end(struct session *s, enum ending how)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	if (how == END_RST)
		(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	if (how == END_CLOSE_NOTIFY)
		(void)SSL_shutdown(s->ssl);
	if (how != END_RST) {
		(void)shutdown(s->fd, SHUT_WR);
		wait_for_end(s);
	}
	(void)close(s->fd);
	SSL_free(s->ssl);
	frame_lanes_done(&s->lanes);
}

/* The next message; *m has nothing that outlives the call but its type and request. */
static void
next_message(struct session *s, struct msg *m)
{
	struct err e = { 0 };
	for (;;) {
		struct frame f;
		struct bytes whole = { NULL, 0 };
		enum frame_result r =
		    frame_scan(bytes_from(s->in, s->len), LIMIT_FRAME_BYTES, &f, NULL, &e);
		if (r == FRAME_WHOLE && frame_lanes_take(&s->lanes, &f, &whole, &e)) {
			struct arena a;
			struct fault fault = { 0 };
			arena_init(&a, 128u << 20);
			if (whole.data != NULL && !msg_decode(whole, &a, m, &fault, &e))
				die(e.text);
			arena_done(&a);
			s->len -= f.size;
			memmove(s->in, s->in + f.size, s->len);
			if (whole.data != NULL)
				return;
			continue;
		}
		int n = r == FRAME_MORE
			    ? SSL_read(s->ssl, s->in + s->len, (int)(sizeof(s->in) - s->len))
			    : -1;
		if (n <= 0)
			die("no answer");
		s->len += (size_t)n;
	}
}

static void
wait_for(struct session *s, const struct message *what)
{
	bool answered = what->request == 0, delivered = what->delivery == 0;
	while (!answered || !delivered) {
		struct msg m = { 0 };
		next_message(s, &m);
		answered |= m.request != 0 && m.request == what->request;
		delivered |= m.type == MSG_DELIVER;
		if (m.type == MSG_ERROR)
			die("refused");
	}
}

static bool
write_all(struct session *s, const uint8_t *data, uint32_t len)
{
	return len == 0 || SSL_write(s->ssl, data, (int)len) == (int)len || ended(s, "write");
}

static void
cut(struct session *s, const struct cut *at)
{
	bool on = begin(s, at->raw);
	for (unsigned i = 0; on && i < at->message; i++) {
		on = write_all(s, all.message[i].data, all.message[i].len);
		if (on)
			wait_for(s, &all.message[i]);
	}
	if (on)
		(void)write_all(s, all.message[at->message].data, at->bytes);
	end(s, at->how);
}

static void *
work(void *arg)
{
	struct session *s = calloc(1, sizeof(*s));
	if (s == NULL)
		die("memory");
	for (size_t i; (i = atomic_fetch_add(&all.next, 1)) < all.cut_count;)
		cut(s, &all.cuts[i]);
	free(s);
	return arg;
}

/* ---- all of them ---- */

static void
read_script(const char *path)
{
	static uint8_t text[1 << 20];
	FILE *f = fopen(path, "re");
	if (f == NULL)
		die(path);
	struct cursor c = cursor_over(bytes_from(text, fread(text, 1, sizeof(text), f)));
	(void)fclose(f);
	while (!cursor_finished(&c) && all.count < MESSAGES) {
		struct message *m = &all.message[all.count++];
		m->len = cursor_u32(&c);
		m->request = cursor_u32(&c);
		m->delivery = cursor_u32(&c);
		m->data = cursor_take(&c, m->len).data;
		if (m->data == NULL)
			die("a script that ends early");
	}
}

static bool
is_tried(const struct message *m, uint32_t bytes, uint32_t step)
{
	return bytes < 6 || bytes + 2 > m->len || bytes % step == 0;
}

static void
add(struct cut c)
{
	all.cuts = reallocarray(all.cuts, all.cut_count + 1, sizeof(*all.cuts));
	if (all.cuts == NULL)
		die("memory");
	all.cuts[all.cut_count++] = c;
}

static void
list_cuts(uint32_t step)
{
	for (unsigned i = 0; i < all.count; i++)
		for (uint32_t n = 0; n <= all.message[i].len; n++)
			for (unsigned how = 0;
			     how < END_COUNT && is_tried(&all.message[i], n, step); how++)
				add((struct cut){ i, n, SIZE_MAX, (enum ending)how });
}

/* Of a whole session, whose length the first one tells. */
static void
list_raw_cuts(size_t step)
{
	static struct session s;
	struct cut c = { all.count - 1, all.message[all.count - 1].len, SIZE_MAX, END_FIN };
	if (step == 0)
		return;
	cut(&s, &c);
	size_t whole = SIZE_MAX - s.left;
	for (c.raw = 1; c.raw < whole; c.raw += step)
		for (unsigned how = END_RST; how <= END_FIN; how++) {
			c.how = (enum ending)how;
			add(c);
		}
}

static void
open_tls(const char *certificate, const char *key)
{
	static const uint8_t alpn[] = "\x07relto/1";
	all.tls = SSL_CTX_new(TLS_client_method());
	if (all.tls == NULL || SSL_CTX_use_certificate_chain_file(all.tls, certificate) != 1 ||
	    SSL_CTX_use_PrivateKey_file(all.tls, key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_set_min_proto_version(all.tls, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_alpn_protos(all.tls, alpn, sizeof(alpn) - 1) != 0)
		die("certificate");
	SSL_CTX_set_session_cache_mode(all.tls, SSL_SESS_CACHE_OFF);
	all.wire = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
	if (all.wire == NULL || BIO_meth_set_write(all.wire, wire_write) != 1 ||
	    BIO_meth_set_ctrl(all.wire, wire_control) != 1 ||
	    BIO_meth_set_create(all.wire, wire_create) != 1)
		die("memory");
}

int
main(int argc, char **argv)
{
	pthread_t thread[THREADS];
	if (argc != 9)
		return 64;
	(void)signal(SIGPIPE, SIG_IGN);
	all.to = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(argv[2])) };
	if (inet_pton(AF_INET, argv[1], &all.to.sin_addr) != 1)
		return 64;
	open_tls(argv[3], argv[4]);
	read_script(argv[5]);
	unsigned threads = (unsigned)atoi(argv[6]);
	threads = threads > THREADS ? THREADS : threads;
	list_cuts((uint32_t)atoi(argv[7]));
	list_raw_cuts((size_t)atoi(argv[8]));
	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&thread[i], NULL, work, NULL) != 0)
			die("thread");
	for (unsigned i = 0; i < threads; i++)
		(void)pthread_join(thread[i], NULL);
	(void)printf("%zu\n", all.cut_count);
	return 0;
}
