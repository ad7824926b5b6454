#include "client/cli/witness_serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "audit/http.h"
#include "client/cli/out.h"
#include "proto/arena.h"
#include "proto/dry.h"

enum {
	IN_ROOM = HTTP_HEAD_MAX + WITNESS_BODY_MAX + 1,
	ANSWER_ROOM = 1024,
	ARENA = 1 << 20,
	BACKLOG = 64,
	ACCEPTS = 16, /* in one turn */
	PAUSE_MS = 100
};

struct guest {
	int fd;		  /* -1: free */
	uint8_t from[16]; /* whence: of IPv6 the network, 64 bits of it */
	int64_t until_ms;
	size_t got, sent;
	struct bytes answer; /* in 'out'; absent: still reading */
	uint8_t out[ANSWER_ROOM];
	uint8_t *in; /* IN_ROOM; kept for the next guest */
};
struct server {
	struct witness_state *state;
	int listener;
	int64_t pause_until_ms; /* no descriptors: accept again later */
	struct guest guests[WITNESS_CONNECTIONS];
};

static volatile sig_atomic_t stopped;

static void
on_stop(int number)
{
	(void)number;
	stopped = 1;
}

static int64_t
now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- the address ---- */

static bool
read_address(const char *text, struct sockaddr_storage *out, socklen_t *len)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	char *end = NULL;
	size_t n = colon == NULL ? 0 : (size_t)(colon - text);
	if (n == 0 || n >= sizeof(host) || colon[1] < '0' || colon[1] > '9')
		return false;
	unsigned long port = strtoul(colon + 1, &end, 10);
	if (*end != '\0' || port > UINT16_MAX)
		return false;
	bool six = text[0] == '[' && text[n - 1] == ']';
	(void)snprintf(host, sizeof(host), "%.*s", (int)(six ? n - 2 : n), six ? text + 1 : text);
	memset(out, 0, sizeof(*out));
	if (six) {
		struct sockaddr_in6 *a = (struct sockaddr_in6 *)out;
		a->sin6_family = AF_INET6;
		a->sin6_port = htons((uint16_t)port);
		*len = sizeof(*a);
		return inet_pton(AF_INET6, host, &a->sin6_addr) == 1;
	}
	struct sockaddr_in *a = (struct sockaddr_in *)out;
	a->sin_family = AF_INET;
	a->sin_port = htons((uint16_t)port);
	*len = sizeof(*a);
	return inet_pton(AF_INET, host, &a->sin_addr) == 1;
}

static void
print_address(const struct sockaddr_storage *a, char out[WITNESS_ADDRESS_ROOM])
{
	char host[INET6_ADDRSTRLEN] = "";
	if (a->ss_family == AF_INET6) {
		const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)a;
		(void)inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof(host));
		(void)snprintf(out, WITNESS_ADDRESS_ROOM, "[%s]:%u", host, ntohs(six->sin6_port));
		return;
	}
	const struct sockaddr_in *four = (const struct sockaddr_in *)a;
	(void)inet_ntop(AF_INET, &four->sin_addr, host, sizeof(host));
	(void)snprintf(out, WITNESS_ADDRESS_ROOM, "%s:%u", host, ntohs(four->sin_port));
}

bool
witness_listen(const char *text, int *out, char bound[WITNESS_ADDRESS_ROOM], struct err *e)
{
	struct sockaddr_storage a;
	socklen_t len = 0;
	int yes = 1;
	if (!read_address(text, &a, &len))
		return err_set(e, ERR_USAGE,
		    "--listen needs a numeric address and a port, as 127.0.0.1:4775, not '%s'",
		    text);
	int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 &&
		  bind(fd, (struct sockaddr *)&a, len) == 0 && listen(fd, BACKLOG) == 0;
	len = sizeof(a);
	ok = ok && getsockname(fd, (struct sockaddr *)&a, &len) == 0;
	if (!ok) {
		(void)err_set(e, ERR_IO, "listen on %s: %s", text, strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	print_address(&a, bound);
	*out = fd;
	return true;
}

/* ---- guests ---- */

static void
drop(struct guest *g)
{
	if (g->fd >= 0)
		(void)close(g->fd);
	g->fd = -1;
	g->got = g->sent = 0;
	g->answer = (struct bytes){ NULL, 0 };
}

static void
read_from(const struct sockaddr_storage *a, uint8_t out[16])
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	memset(out, 0, 16);
	if (a->ss_family == AF_INET) {
		memcpy(out, mapped, sizeof(mapped));
		memcpy(out + 12, &((const struct sockaddr_in *)a)->sin_addr, 4);
		return;
	}
	const uint8_t *six = ((const struct sockaddr_in6 *)a)->sin6_addr.s6_addr;
	memcpy(out, six, memcmp(six, mapped, sizeof(mapped)) == 0 ? 16 : 8);
}

/* How many places are taken from where this one is. */
static unsigned
neighbours(const struct server *s, const struct guest *g)
{
	unsigned n = 0;
	for (size_t i = 0; i < WITNESS_CONNECTIONS; i++)
		n += s->guests[i].fd >= 0 &&
		     memcmp(s->guests[i].from, g->from, sizeof(g->from)) == 0;
	return n;
}

/* A free place; else of whoever has most of them the one that has waited longest makes room: so
 * nobody is pushed out by one who only connects faster. */
static struct guest *
place(struct server *s)
{
	struct guest *out = NULL;
	unsigned most = 0;
	for (size_t i = 0; i < WITNESS_CONNECTIONS; i++) {
		struct guest *g = &s->guests[i];
		if (g->fd < 0)
			return g;
		unsigned n = neighbours(s, g);
		if (n > most || (n == most && g->until_ms < out->until_ms)) {
			most = n;
			out = g;
		}
	}
	drop(out);
	return out;
}

static void
accept_some(struct server *s)
{
	for (int i = 0; i < ACCEPTS; i++) {
		struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
		socklen_t len = sizeof(from);
		int fd = accept4(
		    s->listener, (struct sockaddr *)&from, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			    errno == ENOBUFS)
				s->pause_until_ms = now_ms() + PAUSE_MS;
			return;
		}
		struct guest *g = place(s);
		if (g->in == NULL)
			g->in = malloc(IN_ROOM);
		if (g->in == NULL) {
			(void)close(fd);
			return;
		}
		g->fd = fd;
		read_from(&from, g->from);
		g->until_ms = now_ms() + WITNESS_DEADLINE_MS;
	}
}

/* ---- one request ---- */

/* Everything above this line of the process is decided: the head is on the disk. */
static bool
cosign(struct server *s, struct arena *a, const struct witness_verdict *v, struct bytes note,
    struct bytes *line, struct err *e)
{
	struct witness_state *st = s->state;
	struct note_signer by = { st->key, &st->me, (uint64_t)time(NULL) };
	/* the line is made before the head is kept, and given out after */
	if (!note_sign(a, &by, v->text, line, e) || !witness_state_keep(st, v, note, e))
		return false;
	out_cleanf(stderr, "relto: cosigned %.*s, size %" PRIu64, (int)v->head.origin.len,
	    (const char *)v->head.origin.data, v->head.size);
	(void)fputc('\n', stderr);
	return true;
}

static void
tell_fork(struct server *s, const struct witness_verdict *v, struct bytes note)
{
	struct err e = { 0 };
	bool kept = witness_state_keep_fork(s->state, v, note, &e);
	out_cleanf(stderr, "relto: FORK: %.*s signed two roots of size %" PRIu64 "; %s%s",
	    (int)v->head.origin.len, (const char *)v->head.origin.data, v->head.size,
	    kept ? "the other one is kept in the folder" : "the other one could not be kept: ",
	    kept ? "" : e.text);
	(void)fputc('\n', stderr);
}

/* False: a head could not be kept. */
static bool
judge(struct server *s, struct arena *a, struct bytes body, unsigned *status, const char **type,
    struct bytes *said, struct err *e)
{
	struct witness_request r;
	struct witness_verdict v;
	struct err why = { 0 };
	*status = WITNESS_MALFORMED;
	*type = "text/plain; charset=utf-8";
	if (!witness_request_parse(body, &r, &why)) {
		*said = bytes_of(arena_printf(a, "%s\n", why.text));
		return true;
	}
	dry_begin();
	witness_judge(a, &s->state->h, &s->state->book, &r, &v, &why);
	if (v.answer != WITNESS_COSIGN && dry_ran())
		v.answer = WITNESS_FAILED;
	*status = v.answer;
	if (v.answer == WITNESS_COSIGN)
		return cosign(s, a, &v, r.note, said, e);
	if (v.answer == WITNESS_CONFLICT) {
		*type = WITNESS_SIZE_TYPE;
		*said = bytes_of(arena_printf(a, "%" PRIu64 "\n", s->state->book.heads[v.at].size));
		return true;
	}
	if (v.fork)
		tell_fork(s, &v, r.note);
	*said = bytes_of(arena_printf(a, "%s\n", why.text));
	return true;
}

static bool
respond(struct server *s, struct guest *g, enum http_read step, const struct http_message *m,
    struct err *e)
{
	struct arena a;
	const char *type = "text/plain; charset=utf-8";
	unsigned status = step == HTTP_LARGE ? 413 : 400;
	struct bytes said = bytes_of(""), whole = { NULL, 0 };
	bool ok = true;
	arena_init(&a, ARENA);
	if (step == HTTP_WHOLE && !bytes_is(m->path, WITNESS_PATH))
		status = 404;
	else if (step == HTTP_WHOLE && !bytes_is(m->method, "POST"))
		status = 405;
	else if (step == HTTP_WHOLE)
		ok = judge(s, &a, m->body, &status, &type, &said, e);
	/* without memory for an answer there is none; the head, if one was kept, is asked again */
	if (ok && http_write_response(&a, status, type, said, &whole, NULL) &&
	    whole.len <= ANSWER_ROOM) {
		memcpy(g->out, whole.data, whole.len);
		g->answer = bytes_from(g->out, whole.len);
	} else
		drop(g);
	arena_done(&a);
	return ok;
}

static bool
read_some(struct server *s, struct guest *g, struct err *e)
{
	struct http_message m = { 0 };
	ssize_t n = recv(g->fd, g->in + g->got, IN_ROOM - g->got, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0) {
		drop(g);
		return true;
	}
	g->got += (size_t)n;
	enum http_read step = http_read_request(bytes_from(g->in, g->got), WITNESS_BODY_MAX, &m);
	return step == HTTP_MORE || respond(s, g, step, &m, e);
}

static void
write_some(struct guest *g)
{
	ssize_t n = send(g->fd, g->answer.data + g->sent, g->answer.len - g->sent, MSG_NOSIGNAL);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		g->sent += (size_t)n;
	if (n <= 0 || g->sent == g->answer.len)
		drop(g);
}

/* ---- the loop ---- */

/* Until the next deadline. */
static int
patience(const struct server *s, int64_t now)
{
	int64_t until = now + WITNESS_DEADLINE_MS;
	if (s->pause_until_ms > now)
		until = s->pause_until_ms;
	for (size_t i = 0; i < WITNESS_CONNECTIONS; i++)
		if (s->guests[i].fd >= 0 && s->guests[i].until_ms < until)
			until = s->guests[i].until_ms;
	return until <= now ? 0 : (int)(until - now);
}

static bool
turn(struct server *s, const sigset_t *open, struct err *e)
{
	struct pollfd fds[WITNESS_CONNECTIONS + 1];
	int64_t now = now_ms();
	int wait = patience(s, now);
	struct timespec t = { wait / 1000, (wait % 1000) * 1000000L };
	fds[0] = (struct pollfd){ s->pause_until_ms > now ? -1 : s->listener, POLLIN, 0 };
	for (size_t i = 0; i < WITNESS_CONNECTIONS; i++) {
		const struct guest *g = &s->guests[i];
		fds[1 + i] = (struct pollfd){ g->fd, g->answer.data == NULL ? POLLIN : POLLOUT, 0 };
	}
	if (ppoll(fds, WITNESS_CONNECTIONS + 1, &t, open) < 0)
		return errno == EINTR || errno == ENOMEM ||
		       err_set(e, ERR_IO, "poll: %s", strerror(errno));
	now = now_ms();
	for (size_t i = 0; i < WITNESS_CONNECTIONS; i++) {
		struct guest *g = &s->guests[i];
		if (g->fd >= 0 && now >= g->until_ms)
			drop(g);
		else if (g->fd >= 0 && fds[1 + i].revents != 0 && g->answer.data == NULL &&
			 !read_some(s, g, e))
			return false;
		if (g->fd >= 0 && g->answer.data != NULL)
			write_some(g);
	}
	if (fds[0].revents != 0)
		accept_some(s);
	return true;
}

bool
witness_serve(struct witness_state *state, int listener, struct err *e)
{
	struct server *s = calloc(1, sizeof(*s));
	struct sigaction stop = { .sa_handler = on_stop };
	sigset_t ends, open;
	if (s == NULL)
		return err_set(e, ERR_NOMEM, "connections");
	s->state = state;
	s->listener = listener;
	for (size_t i = 0; i < WITNESS_CONNECTIONS; i++)
		s->guests[i].fd = -1;
	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigaddset(&ends, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &ends, &open); /* delivered inside ppoll alone */
	(void)sigdelset(&open, SIGTERM);
	(void)sigdelset(&open, SIGINT);
	(void)sigaction(SIGTERM, &stop, NULL);
	(void)sigaction(SIGINT, &stop, NULL);
	bool ok = true;
	while (ok && !stopped)
		ok = turn(s, &open, e);
	for (size_t i = 0; i < WITNESS_CONNECTIONS; i++) {
		drop(&s->guests[i]);
		free(s->guests[i].in);
	}
	free(s);
	return ok;
}
