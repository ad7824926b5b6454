#include "daemon/witness_ask.h"

#include "daemon/role.h"
#include "policy/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HTTP_PORT = 80 };

/* ---- the address ---- */

/* "ADDRESS[:PORT]" up to 'len'. */
static bool
read_authority(struct witness_ask *w, const char *text, size_t len)
{
	char host[64];
	uint64_t port = HTTP_PORT;
	bool six = len > 0 && text[0] == '[';
	const char *end = six ? memchr(text, ']', len) : memchr(text, ':', len);
	size_t n = end == NULL ? len : (size_t)(end - text);
	if (six) {
		if (end == NULL)
			return false;
		text++;
		n--;
		len -= 2;
	}
	if (n == 0 || n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	const char *rest = text + n + (six ? 1 : 0);
	size_t left = len - n;
	if (left > 0 &&
	    (rest[0] != ':' || !text_to_integer(bytes_from(rest + 1, left - 1), &port) ||
		port == 0 || port > UINT16_MAX))
		return false;
	if (six) {
		struct sockaddr_in6 a = { .sin6_family = AF_INET6,
			.sin6_port = htons((uint16_t)port) };
		w->to_len = sizeof(a);
		bool good = inet_pton(AF_INET6, host, &a.sin6_addr) == 1;
		memcpy(&w->to, &a, sizeof(a));
		return good;
	}
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	w->to_len = sizeof(a);
	bool good = inet_pton(AF_INET, host, &a.sin_addr) == 1;
	memcpy(&w->to, &a, sizeof(a));
	return good;
}

bool
witness_ask_init(struct witness_ask *w, const char *url, struct err *e)
{
	static const char scheme[] = "http://";
	memset(w, 0, sizeof(*w));
	w->fd = -1;
	w->state = WITNESS_ASK_IDLE;
	bool good = strncmp(url, scheme, sizeof(scheme) - 1) == 0;
	const char *at = good ? url + sizeof(scheme) - 1 : url;
	size_t len = strcspn(at, "/"), path = strlen(at) - len;
	for (const char *c = at; good && *c != '\0'; c++)
		good = *c > ' ' && *c < 0x7f && strchr("?#\"\\", *c) == NULL;
	good = good && len < sizeof(w->host) && path < 256 && read_authority(w, at, len);
	if (!good)
		return err_set(e, ERR_CONFIG,
		    "'%s' is no URL that can be asked: http://, a numeric address, a port and a "
		    "prefix, as http://127.0.0.1:4775 (a tunnel goes to one further away)",
		    url);
	memcpy(w->host, at, len);
	while (path > 0 && at[len + path - 1] == '/')
		path--;
	(void)snprintf(w->path, sizeof(w->path), "%.*s" WITNESS_PATH, (int)path, at + len);
	return true;
}

/* ---- one asking ---- */

void
witness_ask_end(struct witness_ask *w)
{
	ASSERT_ON(ROLE_COSIGNER);
	if (w->fd >= 0)
		(void)close(w->fd);
	w->fd = -1;
}

static void
fail(struct witness_ask *w, const char *what, int error)
{
	(void)snprintf(w->why, sizeof(w->why), "%s%s%s", what, error == 0 ? "" : ": ",
	    error == 0 ? "" : strerror(error));
	w->state = WITNESS_ASK_FAILED;
	witness_ask_end(w);
}

void
witness_ask_begin(struct witness_ask *w, struct bytes request, int64_t until_ms)
{
	ASSERT_ON(ROLE_COSIGNER);
	witness_ask_end(w);
	w->out = request;
	w->sent = w->got = 0;
	w->until_ms = until_ms;
	w->why[0] = '\0';
	w->fd = socket(w->to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (w->fd < 0)
		fail(w, "socket", errno);
	else if (connect(w->fd, (const struct sockaddr *)&w->to, w->to_len) == 0)
		w->state = WITNESS_ASK_SEND;
	else if (errno == EINPROGRESS)
		w->state = WITNESS_ASK_CONNECT;
	else
		fail(w, "connect", errno);
}

short
witness_ask_events(const struct witness_ask *w)
{
	switch (w->state) {
	case WITNESS_ASK_CONNECT:
	case WITNESS_ASK_SEND:
		return POLLOUT;
	case WITNESS_ASK_READ:
		return POLLIN;
	case WITNESS_ASK_IDLE:
	case WITNESS_ASK_DONE:
	case WITNESS_ASK_FAILED:
		break;
	}
	return 0;
}

static void
connected(struct witness_ask *w)
{
	int error = 0;
	socklen_t len = sizeof(error);
	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error != 0)
		fail(w, "connect", error);
	else
		w->state = WITNESS_ASK_SEND;
}

static void
send_some(struct witness_ask *w)
{
	ssize_t n = send(w->fd, w->out.data + w->sent, w->out.len - w->sent, MSG_NOSIGNAL);
	if (n < 0) {
		/* it may have answered already, without reading on */
		if (errno == EPIPE || errno == ECONNRESET)
			w->state = WITNESS_ASK_READ;
		else if (errno != EAGAIN && errno != EINTR)
			fail(w, "send", errno);
		return;
	}
	w->sent += (size_t)n;
	if (w->sent == w->out.len)
		w->state = WITNESS_ASK_READ;
}

static void
read_some(struct witness_ask *w)
{
	ssize_t n = recv(w->fd, w->in + w->got, sizeof(w->in) - w->got, 0);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			fail(w, "read", errno);
		return;
	}
	w->got += (size_t)n;
	switch (
	    http_read_response(bytes_from(w->in, w->got), n == 0, WITNESS_ANSWER_MAX, &w->answer)) {
	case HTTP_MORE:
		return;
	case HTTP_WHOLE:
		w->state = WITNESS_ASK_DONE;
		witness_ask_end(w);
		return;
	case HTTP_BAD:
		fail(w, n == 0 ? "the answer breaks off" : "the answer is no HTTP", 0);
		return;
	case HTTP_LARGE:
		fail(w, "the answer is too long", 0);
		return;
	}
}

void
witness_ask_step(struct witness_ask *w, short ready, int64_t now_ms)
{
	ASSERT_ON(ROLE_COSIGNER);
	if (witness_ask_events(w) == 0)
		return;
	if (now_ms >= w->until_ms) {
		fail(w, "no whole answer in time", 0);
		return;
	}
	if (ready == 0)
		return;
	if (w->state == WITNESS_ASK_CONNECT)
		connected(w);
	if (w->state == WITNESS_ASK_SEND)
		send_some(w);
	else if (w->state == WITNESS_ASK_READ)
		read_some(w);
}
