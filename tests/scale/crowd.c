/*
 * crowd.c - many sessions of a running broker in one process that is as lean as can be, for the
 * tests of this folder: one loop, OpenSSL for the handshake, from then on records of our own by the
 * keys that OpenSSL tells (RFC 8446, 5.2 and 7.3), and of relto no more than frames.  A session
 * that stands takes some 200 bytes here; OpenSSL would keep 19 KB for each.  What is said comes
 * from the test, as bytes: crowd HOST PORT FOLDER AGENTS PER_ADDRESS FOLDER has N.pem, N.key and
 * N.hello (the frame of Hello) for agents 0..AGENTS-1, who take turns, and ping (the frame of
 * Ping).  Sessions come from 127.1.0.2 on, PER_ADDRESS of them each. Its standard input has one
 * word a line, each answered by a JSON line: open N W S until N sessions are welcome, for S seconds
 * at most.  Of those that are missing W connect at a time, and whoever is refused or cut comes
 * again within AGAIN_S. ping       each session that is open asks and is answered cut        every
 * connection is gone, without a word hold S     reads what comes, for S seconds
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { AGENTS_MOST = 64, SAID_MOST = 8192, EVENTS = 256, WELCOME = 40, PONG = 51, HEAD = 5 };
enum { KEY = 32, IV = 12, TAG = 16, SECRET = 48, RECORD = 5 + 16384 + 256, DATA = 23 };

#define AGAIN_S 0.05

enum at { AT_NOTHING, AT_CONNECT, AT_HANDSHAKE, AT_HELLO, AT_READY };

struct said {
	unsigned char bytes[SAID_MOST];
	size_t len;
};

struct agent {
	SSL_CTX *tls;
	struct said hello;
};

/* One direction of a session that stands. */
struct half {
	unsigned char key[KEY], iv[IV];
	unsigned long long records;
};

struct one {
	SSL *ssl;	     /* NULL: it stands.. */
	struct half in, out; /* ..and these are its keys */
	int fd;
	enum at at;
	bool wants_write;
	unsigned char head[HEAD + 16]; /* the beginning of the frame that is read */
	unsigned had;		       /* of it */
	unsigned left;		       /* bytes of the frame that follow what was kept */
	unsigned pongs;
};

static struct {
	struct sockaddr_in server;
	struct agent agents[AGENTS_MOST];
	struct said ping;
	unsigned agent_count, per_address;
	struct one *all;
	size_t count, ready, lost, tries;
	int loop;
} crowd;

static void
die(const char *what)
{
	(void)fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
	ERR_print_errors_fp(stderr);
	exit(1);
}

static double
now_s(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- records ---- */

/* HKDF-Expand-Label with an empty context (RFC 8446, 7.1). */
static void
expand(const unsigned char secret[SECRET], const char *label, unsigned char *out, size_t len)
{
	unsigned char info[64] = { 0 };
	size_t named = strlen(label) + 6;
	info[1] = (unsigned char)len;
	info[2] = (unsigned char)named;
	memcpy(info + 3, "tls13 ", 6);
	memcpy(info + 9, label, named - 6);
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
	if (c == NULL || EVP_PKEY_derive_init(c) <= 0 ||
	    EVP_PKEY_CTX_set_hkdf_mode(c, EVP_PKEY_HKDEF_MODE_EXPAND_ONLY) <= 0 ||
	    EVP_PKEY_CTX_set_hkdf_md(c, EVP_sha384()) <= 0 ||
	    EVP_PKEY_CTX_set1_hkdf_key(c, secret, SECRET) <= 0 ||
	    EVP_PKEY_CTX_add1_hkdf_info(c, info, (int)(4 + named)) <= 0 ||
	    EVP_PKEY_derive(c, out, &len) <= 0)
		die("HKDF");
	EVP_PKEY_CTX_free(c);
}

/* A line as of SSLKEYLOGFILE: name, random, secret. */
static void
on_secret(const SSL *ssl, const char *line)
{
	struct one *s = SSL_get_app_data(ssl);
	bool out = strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) == 0;
	unsigned char secret[SECRET];
	struct half *h = out ? &s->out : &s->in;
	if (!out && strncmp(line, "SERVER_TRAFFIC_SECRET_0 ", 24) != 0)
		return;
	for (size_t i = 0; i < SECRET; i++) {
		unsigned byte = 0;
		if (sscanf(strrchr(line, ' ') + 1 + 2 * i, "%2x", &byte) != 1)
			die("secret");
		secret[i] = (unsigned char)byte;
	}
	expand(secret, "key", h->key, KEY);
	expand(secret, "iv", h->iv, IV);
}

/* All that OpenSSL has read is used up: it reads a record at a time. */
static void
become_lean(struct one *s)
{
	BIO_set_close(SSL_get_rbio(s->ssl), BIO_NOCLOSE);
	SSL_free(s->ssl);
	s->ssl = NULL;
}

static void
nonce_of(struct half *h, unsigned char out[IV])
{
	memcpy(out, h->iv, IV);
	for (unsigned i = 0; i < 8; i++)
		out[IV - 1 - i] ^= (unsigned char)(h->records >> 8 * i);
	h->records++;
}

static bool
say(struct one *s, const struct said *what)
{
	static EVP_CIPHER_CTX *c;
	unsigned char record[RECORD], nonce[IV], type = DATA;
	int len = (int)what->len + 1 + TAG, n = 0, m = 0;
	const unsigned char head[5] = { DATA, 3, 3, (unsigned char)(len >> 8), (unsigned char)len };
	c = c == NULL ? EVP_CIPHER_CTX_new() : c;
	nonce_of(&s->out, nonce);
	memcpy(record, head, 5);
	if (EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, s->out.key, nonce) != 1 ||
	    EVP_EncryptUpdate(c, NULL, &n, head, 5) != 1 ||
	    EVP_EncryptUpdate(c, record + 5, &n, what->bytes, (int)what->len) != 1 ||
	    EVP_EncryptUpdate(c, record + 5 + n, &m, &type, 1) != 1 ||
	    EVP_EncryptFinal_ex(c, record + 5 + n + m, &m) != 1 ||
	    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG, record + 5 + n + 1) != 1)
		die("AES");
	return send(s->fd, record, (size_t)len + 5, MSG_NOSIGNAL) == len + 5;
}

/* Opens a record in place; the length of what is in it, -1: it is not good, or no data. */
static int
opened(struct one *s, unsigned char *record, int len)
{
	static EVP_CIPHER_CTX *c;
	unsigned char nonce[IV];
	int n = 0, m = 0, inside = len - 5 - TAG;
	c = c == NULL ? EVP_CIPHER_CTX_new() : c;
	nonce_of(&s->in, nonce);
	if (inside < 1 || EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, s->in.key, nonce) != 1 ||
	    EVP_DecryptUpdate(c, NULL, &n, record, 5) != 1 ||
	    EVP_DecryptUpdate(c, record + 5, &n, record + 5, inside) != 1 ||
	    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, record + 5 + inside) != 1 ||
	    EVP_DecryptFinal_ex(c, record + 5 + n, &m) != 1)
		return -1;
	while (inside > 0 && record[4 + inside] == 0) /* padding */
		inside--;
	return inside > 0 && record[4 + inside] == DATA ? inside - 1 : -1;
}

/* ---- what is given ---- */

static const char *
file_of(const char *folder, const char *name)
{
	static char path[4096];
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void
take_said(const char *path, struct said *to)
{
	FILE *f = fopen(path, "re");
	if (f == NULL)
		die(path);
	to->len = fread(to->bytes, 1, sizeof(to->bytes), f);
	(void)fclose(f);
}

static void
take_agent(const char *folder, unsigned number)
{
	char name[64];
	struct agent *a = &crowd.agents[number];
	a->tls = SSL_CTX_new(TLS_client_method());
	(void)snprintf(name, sizeof(name), "%u.pem", number);
	if (a->tls == NULL ||
	    SSL_CTX_use_certificate_chain_file(a->tls, file_of(folder, name)) != 1)
		die("certificate");
	(void)snprintf(name, sizeof(name), "%u.key", number);
	if (SSL_CTX_use_PrivateKey_file(a->tls, file_of(folder, name), SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_set_ciphersuites(a->tls, "TLS_AES_256_GCM_SHA384") != 1 ||
	    SSL_CTX_set_min_proto_version(a->tls, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_alpn_protos(a->tls, (const unsigned char *)"\x07relto/1", 8) != 0)
		die("key");
	(void)SSL_CTX_set_session_cache_mode(a->tls, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_keylog_callback(a->tls, on_secret);
	(void)snprintf(name, sizeof(name), "%u.hello", number);
	take_said(file_of(folder, name), &a->hello);
}

/* ---- one session ---- */

static void
watch(struct one *s)
{
	struct epoll_event want = { .events = EPOLLIN, .data.ptr = s };
	if (s->at == AT_CONNECT || s->wants_write)
		want.events |= EPOLLOUT;
	if (epoll_ctl(crowd.loop, EPOLL_CTL_MOD, s->fd, &want) != 0)
		die("epoll");
}

static void
drop(struct one *s)
{
	const struct linger at_once = { 1, 0 };
	if (s->at == AT_READY)
		crowd.ready--;
	SSL_free(s->ssl);
	if (s->fd >= 0) {
		/* RST: no port waits for the rest of a goodbye */
		(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		(void)close(s->fd);
	}
	*s = (struct one){ .fd = -1 };
}

static void
begin(struct one *s)
{
	size_t number = (size_t)(s - crowd.all);
	struct sockaddr_in from = { .sin_family = AF_INET };
	const int on = 1;
	from.sin_addr.s_addr = htonl(0x7f010002u + (unsigned)(number / crowd.per_address));
	*s = (struct one){ .at = AT_CONNECT };
	crowd.tries++;
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		die("socket");
	(void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	/* the port when it connects, so that each address has all of them */
	(void)setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(s->fd, (struct sockaddr *)&from, sizeof(from)) != 0)
		die("bind");
	if (connect(s->fd, (struct sockaddr *)&crowd.server, sizeof(crowd.server)) != 0 &&
	    errno != EINPROGRESS) {
		drop(s); /* nobody listens now */
		return;
	}
	struct epoll_event want = { .events = EPOLLIN | EPOLLOUT, .data.ptr = s };
	if (epoll_ctl(crowd.loop, EPOLL_CTL_ADD, s->fd, &want) != 0)
		die("epoll");
	s->ssl = SSL_new(crowd.agents[number % crowd.agent_count].tls);
	if (s->ssl == NULL || SSL_set_fd(s->ssl, s->fd) != 1 || SSL_set_app_data(s->ssl, s) != 1)
		die("SSL");
	SSL_set_connect_state(s->ssl);
}

/* The field of the oneof in a Message whose first bytes these are: which message it is. */
static unsigned
kind_of(const unsigned char *m, size_t len)
{
	size_t at = 0;
	if (len > 0 && m[0] == 0x08) /* the request's number */
		for (at = 1; at < len && (m[at] & 0x80) != 0; at++)
			continue;
	at += at > 0;
	return at + 1 < len ? ((m[at] & 0x7fu) | (unsigned)m[at + 1] << 7) >> 3 : 0;
}

/* A frame is whole.  False: it is no session of ours. */
static bool
heard(struct one *s)
{
	unsigned kind = kind_of(s->head + HEAD, s->had - HEAD);
	s->had = s->left = 0;
	if (s->at == AT_HELLO) {
		s->at = kind == WELCOME ? AT_READY : AT_NOTHING;
		crowd.ready += kind == WELCOME;
		return kind == WELCOME;
	}
	s->pongs += kind == PONG;
	return true;
}

static bool
take(struct one *s, const unsigned char *in, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t kept = 0, n = len - at;
		if (s->had < HEAD)
			n = n < HEAD - s->had ? n : HEAD - s->had;
		else
			n = n < s->left ? n : s->left;
		while (kept < n && s->had < sizeof(s->head))
			s->head[s->had++] = in[at + kept++];
		if (s->left > 0)
			s->left -= (unsigned)n;
		else if (s->had == HEAD) /* the length counts the flags, which were read */
			s->left = ((unsigned)s->head[2] << 8 | s->head[3]) - 1 +
				  ((unsigned)s->head[1] << 16);
		at += n;
		if (s->had == HEAD && s->left == 0)
			s->had = 0; /* a void frame */
		else if (s->had > HEAD && s->left == 0 && !heard(s))
			return false;
	}
	return true;
}

/* False: it is over. */
static bool
blocked(struct one *s, int rc)
{
	int why = SSL_get_error(s->ssl, rc);
	s->wants_write = why == SSL_ERROR_WANT_WRITE;
	return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

/* The records that are here whole; the rest stays in the kernel. */
static bool
read_records(struct one *s)
{
	static unsigned char in[RECORD];
	for (;;) {
		ssize_t there = recv(s->fd, in, sizeof(in), MSG_PEEK);
		if (there < 0)
			return errno == EAGAIN;
		ssize_t len = there < 5 ? 5 : 5 + (in[3] << 8 | in[4]);
		if (there == 0 || len > RECORD)
			return false;
		if (there < len) /* level-triggered: its end comes */
			return true;
		int inside = recv(s->fd, in, (size_t)len, 0) == len ? opened(s, in, (int)len) : -1;
		if (inside < 0 || !take(s, in + 5, (size_t)inside))
			return false;
	}
}

static bool
step(struct one *s)
{
	ERR_clear_error();
	s->wants_write = false;
	if (s->at <= AT_HANDSHAKE) {
		s->at = AT_HANDSHAKE;
		int rc = SSL_do_handshake(s->ssl);
		if (rc != 1)
			return blocked(s, rc);
		s->at = AT_HELLO;
		become_lean(s);
		size_t number = (size_t)(s - crowd.all);
		if (!say(s, &crowd.agents[number % crowd.agent_count].hello))
			return false;
	}
	return read_records(s);
}

/* ---- all of them ---- */

static void
round_of(int wait_ms)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(crowd.loop, events, EVENTS, wait_ms);
	for (int i = 0; i < n; i++) {
		struct one *s = events[i].data.ptr;
		bool was_writing = s->at == AT_CONNECT || s->wants_write;
		if (!step(s)) {
			crowd.lost++;
			drop(s);
		} else if (was_writing || s->wants_write) {
			watch(s);
		}
	}
}

/* At most 'at_once' that are not welcome yet. */
static void
begin_some(size_t wanted, size_t at_once)
{
	size_t there = 0;
	for (size_t i = 0; i < wanted; i++)
		there += crowd.all[i].at != AT_NOTHING;
	for (size_t i = 0; i < wanted && there < wanted && there - crowd.ready < at_once; i++)
		if (crowd.all[i].at == AT_NOTHING) {
			begin(&crowd.all[i]);
			there++;
		}
}

static void
open_all(size_t wanted, size_t at_once, double seconds)
{
	double begun = now_s(), next = begun;
	if (wanted > crowd.count) {
		(void)fprintf(stderr, "crowd: %zu at most\n", crowd.count);
		exit(1);
	}
	crowd.tries = crowd.lost = 0;
	for (size_t was = 0; crowd.ready < wanted && now_s() - begun < seconds;) {
		if (now_s() >= next || crowd.ready >= was + at_once / 2) {
			next = now_s() + AGAIN_S;
			was = crowd.ready;
			begin_some(wanted, at_once);
		}
		round_of((int)(AGAIN_S * 1000));
	}
	(void)printf("{\"ready\":%zu,\"tries\":%zu,\"lost\":%zu,\"seconds\":%.3f}\n", crowd.ready,
	    crowd.tries, crowd.lost, now_s() - begun);
}

static void
ping_all(void)
{
	size_t asked = 0, answered = 0;
	for (size_t i = 0; i < crowd.count; i++) {
		struct one *s = &crowd.all[i];
		s->pongs = 0;
		asked += s->at == AT_READY && say(s, &crowd.ping);
	}
	for (double begun = now_s(); answered < asked && now_s() - begun < 60;) {
		round_of(100);
		answered = 0;
		for (size_t i = 0; i < crowd.count; i++)
			answered += crowd.all[i].pongs > 0;
	}
	(void)printf("{\"asked\":%zu,\"answered\":%zu}\n", asked, answered);
}

static void
hold(double seconds)
{
	crowd.lost = 0;
	for (double begun = now_s(); now_s() - begun < seconds;)
		round_of(100);
	(void)printf("{\"ready\":%zu,\"lost\":%zu}\n", crowd.ready, crowd.lost);
}

static void
cut_all(void)
{
	for (size_t i = 0; i < crowd.count; i++)
		drop(&crowd.all[i]);
	(void)printf("{\"ready\":%zu}\n", crowd.ready);
}

/* Waits for a line, and reads meanwhile what the broker says. */
static bool
next_line(char *line, int size)
{
	struct pollfd both[2] = { { 0, POLLIN, 0 }, { crowd.loop, POLLIN, 0 } };
	for (;;) {
		(void)poll(both, 2, -1);
		if (both[0].revents != 0)
			return fgets(line, size, stdin) != NULL;
		round_of(0);
	}
}

static void
prepare(char **argv)
{
	struct rlimit files;
	crowd.server = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((unsigned short)atoi(argv[2])) };
	crowd.agent_count = (unsigned)atoi(argv[4]);
	crowd.per_address = (unsigned)atoi(argv[5]);
	if (inet_pton(AF_INET, argv[1], &crowd.server.sin_addr) != 1 || crowd.agent_count == 0 ||
	    crowd.agent_count > AGENTS_MOST || crowd.per_address == 0)
		die("arguments");
	for (unsigned i = 0; i < crowd.agent_count; i++)
		take_agent(argv[3], i);
	take_said(file_of(argv[3], "ping"), &crowd.ping);
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		die("descriptors");
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	crowd.count = files.rlim_cur > 20064 ? 20000 : files.rlim_cur - 64;
	crowd.all = calloc(crowd.count, sizeof(*crowd.all));
	crowd.loop = epoll_create1(EPOLL_CLOEXEC);
	if (crowd.all == NULL || crowd.loop < 0)
		die("memory");
	for (size_t i = 0; i < crowd.count; i++)
		crowd.all[i].fd = -1;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)setvbuf(stdin, NULL, _IONBF, 0);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
}

int
main(int argc, char **argv)
{
	char line[64];
	if (argc != 6) {
		(void)fprintf(stderr, "usage: crowd HOST PORT FOLDER AGENTS PER_ADDRESS\n");
		return 64;
	}
	prepare(argv);
	while (next_line(line, sizeof(line))) {
		unsigned long wanted = 0, at_once = 0;
		double seconds = 60;
		if (sscanf(line, "open %lu %lu %lf", &wanted, &at_once, &seconds) == 3)
			open_all(wanted, at_once, seconds);
		else if (sscanf(line, "hold %lf", &seconds) == 1)
			hold(seconds);
		else if (strncmp(line, "ping", 4) == 0)
			ping_all();
		else if (strncmp(line, "cut", 3) == 0)
			cut_all();
		else
			(void)printf("{}\n");
	}
	cut_all();
	return 0;
}
