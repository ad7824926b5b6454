#include "signer/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 8, BACKLOG = 8, ARENA_BYTES = 64 << 10, COMPLAINTS = 20 };

/* ---- opening ---- */

static bool
bind_to(int fd, const char *path, struct err *e)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct stat st;
	if (strlen(path) >= sizeof(at.sun_path))
		return err_set(e, ERR_USAGE,
		    "--socket: a path of %zu bytes, at most %zu are possible", strlen(path),
		    sizeof(at.sun_path) - 1);
	memcpy(at.sun_path, path, strlen(path));
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		(void)unlink(path);
	if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, BACKLOG) != 0)
		return err_set(e, ERR_IO, "--socket %s: %s", path, strerror(errno));
	/* who may say anything is decided by uid, not by mode */
	if (chmod(path, 0666) != 0)
		return err_set(e, ERR_IO, "--socket %s: %s", path, strerror(errno));
	return true;
}

bool
serve_open(struct serve *s, struct err *e)
{
	sigset_t ends;
	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigaddset(&ends, SIGINT);
	s->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	s->signals = -1;
	if (s->listener < 0)
		return err_set(e, ERR_IO, "socket: %s", strerror(errno));
	if (!bind_to(s->listener, s->path, e)) {
		(void)close(s->listener);
		s->listener = -1; /* what stands there is another's */
		return false;
	}
	if (sigprocmask(SIG_BLOCK, &ends, NULL) != 0)
		return err_set(e, ERR_IO, "signals: %s", strerror(errno));
	s->signals = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals >= 0 || err_set(e, ERR_IO, "signals: %s", strerror(errno));
}

void
serve_done(struct serve *s)
{
	if (s->listener >= 0) {
		(void)close(s->listener);
		(void)unlink(s->path);
	}
	if (s->signals >= 0)
		(void)close(s->signals);
}

/* ---- words ---- */

/* What a peer can provoke is not said more often than COMPLAINTS times a second. */
static void
complain(const char *what, const char *why)
{
	static time_t second;
	static unsigned said;
	time_t now = time(NULL);
	said = now == second ? said + 1 : 0;
	second = now;
	if (said < COMPLAINTS)
		(void)fprintf(stderr, "relto-signer: %s: %s\n", what, why);
}

/* ---- one connection ---- */

static bool
send_message(int fd, const struct signing_message *m)
{
	uint8_t packet[SIGNING_BYTES_MAX];
	size_t len = signing_write(m, packet);
	return send(fd, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

/* A new connection that was told where the signer stands; -1: none, or not for these. */
static int
welcome(struct serve *s)
{
	char vkeys[SIGNING_KEYS_MAX][NOTE_VKEY_MAX];
	struct ucred who = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(who);
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return -1;
	struct signing_message hello = sign_hello(s->sign, vkeys);
	bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && who.uid == s->peer;
	if (!known) {
		char why[96];
		(void)snprintf(why, sizeof(why), "uid %ld is not that of --peer, %ld",
		    (long)who.uid, (long)s->peer);
		complain("refused a connection", why);
	}
	if (known && send_message(fd, &hello))
		return fd;
	(void)close(fd);
	return -1;
}

/* Signs what the turn has, and says so; false: the connection is done for. */
static bool
answer(struct serve *s, int fd, const struct sign_turn *t)
{
	struct arena a;
	bool ok = true;
	for (size_t i = 0; ok && i < t->count; i++) {
		struct signing_message m = { .kind = SIGNING_SIGNED };
		struct err e = { 0 };
		arena_init(&a, ARENA_BYTES);
		m.signed_.size = t->heads[i].size;
		ok = sign_note(s->sign, &t->heads[i], &a, &m.signed_.note, &e);
		if (!ok)
			complain("no signature", e.text);
		if (!ok)
			m = (struct signing_message){ .kind = SIGNING_REFUSED,
				.refused = { SIGNING_FAILED, s->sign->anchor.head } };
		ok = send_message(fd, &m) && ok;
		arena_done(&a);
	}
	return ok;
}

static bool
tell_refusal(struct serve *s, int fd, const struct sign_turn *t)
{
	struct signing_message m = { .kind = SIGNING_REFUSED, .refused = t->refusal };
	char what[64];
	m.refused.anchor = s->sign->anchor.head;
	(void)snprintf(what, sizeof(what), "refused (%s)", signing_reason_name(t->refusal.reason));
	complain(what, t->why.text);
	(void)send_message(fd, &m);
	return false;
}

/* Takes the packets that wait, at most a turn of them.  'open' says whether the peer is there. */
static void
take(struct serve *s, int fd, struct sign_turn *t, bool *open)
{
	uint8_t packet[SIGNING_BYTES_MAX + 1];
	sign_turn_begin(s->sign, t);
	while (t->count < SIGN_TURN) {
		ssize_t n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		*open = n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
		if (n <= 0 || !sign_turn_take(s->sign, t, bytes_from(packet, (size_t)n)))
			return;
	}
}

/* False in 'e' only: the process must end.  *open: whether the connection goes on. */
static bool
turn(struct serve *s, int fd, bool *open, struct err *e)
{
	struct sign_turn t;
	struct err why = { 0 };
	take(s, fd, &t, open);
	bool kept = sign_turn_keep(s->sign, &t, &why);
	bool ok = answer(s, fd, &t) && *open;
	if (t.refused)
		ok = tell_refusal(s, fd, &t);
	*open = ok;
	if (kept || why.code != ERR_STORE)
		return true;
	*e = why;
	return false;
}

/* ---- the loop ---- */

struct places {
	struct pollfd at[2 + CONNECTIONS];
	nfds_t count;
};

static void
let_in(struct serve *s, struct places *p)
{
	int fd = welcome(s);
	if (fd >= 0)
		p->at[p->count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

static void
let_go(struct places *p, nfds_t i)
{
	(void)close(p->at[i].fd);
	p->at[i] = p->at[--p->count];
}

/* Whoever is ready has one turn. */
static bool
round_of(struct serve *s, struct places *p, struct err *e)
{
	for (nfds_t i = p->count; i-- > 2;) {
		bool open = true;
		if (p->at[i].revents == 0)
			continue;
		if (!turn(s, p->at[i].fd, &open, e))
			return false;
		if (!open)
			let_go(p, i);
	}
	if (p->at[1].revents != 0)
		let_in(s, p);
	return true;
}

bool
serve_run(struct serve *s, struct err *e)
{
	struct places p = { .at = { { .fd = s->signals, .events = POLLIN },
				{ .fd = s->listener, .events = POLLIN } },
		.count = 2 };
	bool ok = true;
	while (ok) {
		/* with all places taken others wait in the backlog */
		p.at[1].events = p.count < 2 + CONNECTIONS ? POLLIN : 0;
		int n = poll(p.at, p.count, -1);
		if (n < 0 && errno != EINTR)
			ok = err_set(e, ERR_IO, "poll: %s", strerror(errno));
		if (n <= 0)
			continue;
		if (p.at[0].revents != 0)
			break;
		ok = round_of(s, &p, e);
	}
	while (p.count > 2)
		let_go(&p, p.count - 1);
	return ok;
}
