#include "daemon/observe.h"

#include "daemon/role.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { OBSERVE_MAGIC = 0x6f627331, BACKLOG = 16 };

struct asker {
	struct observe *of;
	int fd;
	struct event *ready, *late; /* what is waited for; the end of its time */
	size_t in, out, sent;
	char request[OBSERVE_REQUEST_BYTES + 1], answer[OBSERVE_ANSWER_BYTES];
};
struct observe {
	uint32_t magic;
	struct observe_setup setup;
	int fd[2];
	struct event *accept[2], *rest;
	struct asker *askers[OBSERVE_CONNECTIONS];
};

static struct observe *
observe_of(void *arg)
{
	struct observe *o = arg;
	assert(o->magic == OBSERVE_MAGIC);
	ASSERT_ON(ROLE_MAIN);
	return o;
}

static void
end(struct asker *a)
{
	for (unsigned i = 0; i < OBSERVE_CONNECTIONS; i++)
		if (a->of->askers[i] == a)
			a->of->askers[i] = NULL;
	if (a->ready != NULL)
		event_free(a->ready);
	if (a->late != NULL)
		event_free(a->late);
	(void)close(a->fd);
	free(a);
}

/* ---- the answer ---- */

static bool
path_of(const char *request, enum observe_path *out)
{
	static const char *const paths[] = { [OBSERVE_METRICS] = "GET /metrics HTTP/1.",
		[OBSERVE_HEALTH] = "GET /healthz HTTP/1.",
		[OBSERVE_READY] = "GET /readyz HTTP/1." };
	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (strncmp(request, paths[i], strlen(paths[i])) == 0) {
			*out = (enum observe_path)i;
			return true;
		}
	return false;
}

/* Head and body; the body is written first, behind room for the head. */
static void
write_answer(struct asker *a)
{
	enum { HEAD = 256 };
	enum observe_path path = OBSERVE_HEALTH;
	const char *status = "404 Not Found";
	char head[HEAD];
	size_t body = 0;
	FILE *to = fmemopen(a->answer + HEAD, sizeof(a->answer) - HEAD, "w");
	bool ok = to != NULL;
	if (ok && path_of(a->request, &path))
		status = a->of->setup.answer(a->of->setup.arg, path, to)
			     ? "200 OK"
			     : "503 Service Unavailable";
	else if (ok)
		(void)fputs("/metrics, /healthz, /readyz\n", to);
	if (ok) {
		ok = fflush(to) == 0;
		body = (size_t)ftell(to);
		ok = fclose(to) == 0 && ok;
	}
	if (!ok) { /* it did not fit, or there is no memory: no half answer */
		status = "500 Internal Server Error";
		body = 0;
	}
	int n = snprintf(head, sizeof(head),
	    "HTTP/1.1 %s\r\nContent-Type: %s; charset=utf-8\r\nContent-Length: %zu\r\n"
	    "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
	    status, path == OBSERVE_METRICS && ok ? "text/plain; version=0.0.4" : "text/plain",
	    body);
	assert(n > 0 && n < HEAD);
	memmove(a->answer + n, a->answer + HEAD, body);
	memcpy(a->answer, head, (size_t)n);
	a->out = (size_t)n + body;
}

static void
on_writable(int fd, short what, void *arg)
{
	struct asker *a = arg;
	(void)observe_of(a->of);
	(void)what;
	ssize_t n = send(fd, a->answer + a->sent, a->out - a->sent, MSG_NOSIGNAL);
	if (n > 0)
		a->sent += (size_t)n;
	if (a->sent == a->out)
		(void)shutdown(fd, SHUT_WR);
	if (a->sent == a->out || (n < 0 && errno != EAGAIN))
		end(a);
}

static void
begin_answer(struct asker *a)
{
	write_answer(a);
	if (event_del(a->ready) != 0 ||
	    event_assign(
		a->ready, a->of->setup.base, a->fd, EV_WRITE | EV_PERSIST, on_writable, a) != 0 ||
	    event_add(a->ready, NULL) != 0)
		end(a);
}

/* ---- the request ---- */

static void
on_readable(int fd, short what, void *arg)
{
	struct asker *a = arg;
	(void)observe_of(a->of);
	(void)what;
	ssize_t n = recv(fd, a->request + a->in, OBSERVE_REQUEST_BYTES - a->in, 0);
	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			end(a);
		return;
	}
	a->in += (size_t)n;
	a->request[a->in] = '\0';
	if (strlen(a->request) < a->in)
		end(a); /* a NUL is nobody's request */
	else if (strstr(a->request, "\r\n\r\n") != NULL)
		begin_answer(a);
	else if (a->in == OBSERVE_REQUEST_BYTES)
		end(a);
}

static void
on_late(int fd, short what, void *arg)
{
	struct asker *a = arg;
	(void)fd, (void)what;
	(void)observe_of(a->of);
	end(a);
}

/* Out of descriptors: the loop would come back to the same askers at once, and at once again. */
static void
rest(struct observe *o)
{
	static const struct timeval a_while = { 0, 250000 };
	if (event_add(o->rest, &a_while) != 0)
		return;
	for (unsigned i = 0; i < 2; i++)
		if (o->accept[i] != NULL)
			(void)event_del(o->accept[i]);
}

static void
on_rested(int fd, short what, void *arg)
{
	struct observe *o = observe_of(arg);
	bool ok = true;
	(void)fd, (void)what;
	for (unsigned i = 0; i < 2; i++)
		ok = (o->accept[i] == NULL || event_add(o->accept[i], NULL) == 0) && ok;
	if (!ok)
		rest(o);
}

static void
on_accept(int listening, short what, void *arg)
{
	static const struct timeval most = { OBSERVE_MS / 1000, 0 };
	struct observe *o = observe_of(arg);
	unsigned place = 0;
	(void)what;
	int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
			rest(o);
		return;
	}
	while (place < OBSERVE_CONNECTIONS && o->askers[place] != NULL)
		place++;
	struct asker *a = place == OBSERVE_CONNECTIONS ? NULL : calloc(1, sizeof(*a));
	if (a == NULL) {
		(void)close(fd);
		return;
	}
	*a = (struct asker){ .of = o, .fd = fd };
	o->askers[place] = a;
	a->ready = event_new(o->setup.base, fd, EV_READ | EV_PERSIST, on_readable, a);
	a->late = evtimer_new(o->setup.base, on_late, a);
	if (a->ready == NULL || a->late == NULL || event_add(a->ready, NULL) != 0 ||
	    event_add(a->late, &most) != 0)
		end(a);
}

/* ---- life ---- */

/* Nobody answers there: what is left of a process that died. */
static bool
is_left_over(const struct sockaddr_un *at)
{
	struct stat st;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool dead = fd >= 0 && lstat(at->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
		    connect(fd, (const struct sockaddr *)at, sizeof(*at)) != 0 &&
		    errno == ECONNREFUSED;
	if (fd >= 0)
		(void)close(fd);
	return dead;
}

static bool
open_socket(const char *path, int *out, struct err *e)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(at.sun_path))
		return err_set(e, ERR_CONFIG, "observe: '%s' is too long for a socket", path);
	memcpy(at.sun_path, path, strlen(path));
	if (is_left_over(&at))
		(void)unlink(path);
	*out = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*out >= 0 && bind(*out, (struct sockaddr *)&at, sizeof(at)) == 0 &&
	    chmod(path, 0660) == 0 && listen(*out, BACKLOG) == 0)
		return true;
	return err_set(e, ERR_IO, "observe: socket '%s': %s", path, strerror(errno));
}

static bool
open_port(uint16_t port, int *out, struct err *e)
{
	int on = 1;
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	*out = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*out >= 0 && setsockopt(*out, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    bind(*out, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(*out, BACKLOG) == 0)
		return true;
	return err_set(e, ERR_IO, "observe: 127.0.0.1 port %u: %s", port, strerror(errno));
}

static bool
listen_on(struct observe *o, unsigned i, struct err *e)
{
	o->accept[i] = event_new(o->setup.base, o->fd[i], EV_READ | EV_PERSIST, on_accept, o);
	return (o->accept[i] != NULL && event_add(o->accept[i], NULL) == 0) ||
	       err_set(e, ERR_NOMEM, "observe");
}

bool
observe_new(const struct observe_setup *s, struct observe **out, struct err *e)
{
	*out = NULL;
	if (s->socket[0] == '\0' && s->port == 0)
		return true;
	struct observe *o = calloc(1, sizeof(*o));
	if (o == NULL)
		return err_set(e, ERR_NOMEM, "observe");
	*o = (struct observe){ .magic = OBSERVE_MAGIC, .setup = *s, .fd = { -1, -1 } };
	o->rest = evtimer_new(s->base, on_rested, o);
	bool ok = (o->rest != NULL || err_set(e, ERR_NOMEM, "observe")) &&
		  (s->socket[0] == '\0' ||
		      (open_socket(s->socket, &o->fd[0], e) && listen_on(o, 0, e))) &&
		  (s->port == 0 || (open_port(s->port, &o->fd[1], e) && listen_on(o, 1, e)));
	if (ok)
		*out = o;
	else
		observe_free(o);
	return ok;
}

void
observe_free(struct observe *o)
{
	ASSERT_ON(ROLE_MAIN);
	if (o == NULL)
		return;
	for (unsigned i = 0; i < OBSERVE_CONNECTIONS; i++)
		if (o->askers[i] != NULL)
			end(o->askers[i]);
	for (unsigned i = 0; i < 2; i++) {
		if (o->accept[i] != NULL)
			event_free(o->accept[i]);
		if (o->fd[i] >= 0)
			(void)close(o->fd[i]);
	}
	if (o->rest != NULL)
		event_free(o->rest);
	if (o->accept[0] != NULL)
		(void)unlink(o->setup.socket);
	free(o);
}
