#include "daemon/listener.h"

#include "daemon/lobby.h"
#include "daemon/log.h"
#include "daemon/role.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	LISTENER_MAGIC = 0x6c736e31,
	ACCEPTS_A_TURN = 64,
	BACKLOG = 1024,
	PAUSE_MS = 50 /* then those who wait and the descriptors are looked at again */
};

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct bound {
	int fd;
	struct event *event;
	LIST_ENTRY(bound) next;
};

struct listener {
	uint32_t magic;
	struct listener_setup setup;
	LIST_HEAD(, bound) sockets;
	struct event *pause_event;
	int reserve; /* a descriptor to give up when there is no other (FACTS 22) */
	uint64_t last_id;
	unsigned next_worker; /* where the search for the least loaded begins */
	struct lobby lobby;
	struct listener_counts counts; /* but for the two below */
	_Atomic uint32_t open, half_open;
	atomic_bool crowded; /* somebody waits */
};

/* ---- tickets ---- */

void
ticket_admitted(struct ticket *t)
{
	if (t->listener == NULL || !t->half_open)
		return;
	t->half_open = false;
	atomic_fetch_sub(&t->source->half_open, 1);
	atomic_fetch_sub(&t->listener->half_open, 1);
}

bool
ticket_in_a_crowd(const struct ticket *t)
{
	return t->listener != NULL && atomic_load(&t->listener->crowded);
}

static void
ticket_let_in(struct ticket *t)
{
	t->half_open = true;
	atomic_fetch_add(&t->source->half_open, 1);
	atomic_fetch_add(&t->listener->half_open, 1);
}

void
ticket_free(struct ticket *t)
{
	if (t == NULL)
		return;
	if (t->fd >= 0)
		close(t->fd);
	if (t->listener != NULL) {
		ticket_admitted(t);
		atomic_fetch_sub(&t->listener->open, 1);
		atomic_fetch_sub(&t->source->open, 1);
	}
	free(t);
}

static void
source_key(const union address *a, uint8_t key[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	memset(key, 0, 16);
	if (a->sa.sa_family == AF_INET) {
		memcpy(key, mapped, sizeof(mapped));
		memcpy(key + 12, &a->in.sin_addr, 4);
		return;
	}
	const uint8_t *host = a->in6.sin6_addr.s6_addr;
	bool v4 = memcmp(host, mapped, sizeof(mapped)) == 0;
	memcpy(key, host, v4 ? 16 : 8); /* a host picks its lower half itself */
}

static void
address_text(const union address *a, char *to, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "?";
	if (a->sa.sa_family == AF_INET) {
		inet_ntop(AF_INET, &a->in.sin_addr, host, sizeof(host));
		snprintf(to, size, "%s:%u", host, ntohs(a->in.sin_port));
	} else {
		inet_ntop(AF_INET6, &a->in6.sin6_addr, host, sizeof(host));
		snprintf(to, size, "[%s]:%u", host, ntohs(a->in6.sin6_port));
	}
}

/* ---- accepting ---- */

static uint64_t
now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void
set_accepting(struct listener *l, bool on)
{
	struct bound *b;
	LIST_FOREACH (b, &l->sockets, next)
		(void)(on ? event_add(b->event, NULL) : event_del(b->event));
}

static void
pause_accepting(struct listener *l)
{
	const struct timeval wait = { 0, PAUSE_MS * 1000 };
	set_accepting(l, false);
	(void)event_add(l->pause_event, &wait);
}

/* Least loaded first, the others if its mailbox is full. */
static bool
hand_over(struct listener *l, struct ticket **t)
{
	unsigned n = l->setup.worker_count, best = l->next_worker++ % n;
	for (unsigned i = 0; i < n; i++) {
		unsigned w = (best + i) % n;
		if (worker_load(l->setup.workers[w]) < worker_load(l->setup.workers[best]))
			best = w;
	}
	for (unsigned i = 0; i < n; i++) {
		if (worker_mail_socket(l->setup.workers[(best + i) % n], t))
			return true;
	}
	return false;
}

/* Those whose turn it is go to a worker, as long as places are left; the others are looked at again
 * soon. */
static void
let_in(struct listener *l)
{
	const struct timeval soon = { 0, PAUSE_MS * 1000 };
	uint32_t places = l->setup.limits->half_open;
	for (;;) {
		uint32_t taken = atomic_load(&l->half_open);
		struct ticket *t = lobby_next(&l->lobby, taken < places ? places - taken : 0);
		if (t == NULL)
			break;
		ticket_let_in(t);
		if (!hand_over(l, &t)) {
			l->counts.refused_full++;
			ticket_free(t);
		}
	}
	atomic_store(&l->crowded, l->lobby.waiting > 0);
	if (l->lobby.waiting > 0 && !event_pending(l->pause_event, EV_TIMEOUT, NULL))
		(void)event_add(l->pause_event, &soon);
}

/* Whoever waited as long as a handshake may take has waited in vain. */
static void
end_late(struct listener *l)
{
	uint64_t now = now_ms(), most = l->setup.limits->handshake_ms;
	for (struct ticket *t; now > most && (t = lobby_late(&l->lobby, now - most)) != NULL;) {
		l->counts.refused_waiting++;
		ticket_free(t);
	}
}

static void
on_pause_over(int fd, short what, void *arg)
{
	(void)fd, (void)what;
	struct listener *l = arg;
	assert(l->magic == LISTENER_MAGIC);
	end_late(l);
	let_in(l);
	if (l->reserve < 0)
		l->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (l->reserve < 0)
		pause_accepting(l);
	else
		set_accepting(l, true);
}

/* Whether there is room for one more of 's'; whoever waits in a line longer than its makes it. */
static bool
make_room(struct listener *l, const struct source *s)
{
	if (atomic_load(&l->open) < l->setup.limits->connections)
		return true;
	struct ticket *t = lobby_greediest(&l->lobby, s->waiting);
	if (t == NULL)
		return false;
	l->counts.refused_waiting++;
	ticket_free(t);
	return true;
}

/* Takes the descriptor. */
static void
take_in(struct listener *l, int fd, const union address *from)
{
	uint8_t key[SOURCE_KEY_BYTES];
	source_key(from, key);
	struct source *s = lobby_source(&l->lobby, key);
	bool greedy =
	    s != NULL && atomic_load(&s->open) >= l->setup.limits->connections_per_address;
	struct ticket *t = s == NULL || greedy || !make_room(l, s) ? NULL : calloc(1, sizeof(*t));
	if (t == NULL) {
		*(greedy ? &l->counts.refused_address : &l->counts.refused_full) += 1;
		close(fd);
		return;
	}
	*t = (struct ticket){
		.id = ++l->last_id, .fd = fd, .listener = l, .source = s, .since_ms = now_ms()
	};
	address_text(from, t->address, sizeof(t->address));
	atomic_fetch_add(&l->open, 1);
	atomic_fetch_add(&s->open, 1);
	l->counts.accepted++;
	lobby_enter(&l->lobby, t);
	let_in(l);
}

/* Out of descriptors: the reserve lets one peer be turned away properly, then a pause. */
static void
out_of_descriptors(struct listener *l, int listening)
{
	l->counts.out_of_fds++;
	if (l->reserve >= 0)
		close(l->reserve);
	l->reserve = -1;
	int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	log_error("listener.out-of-descriptors", "open=%" PRIu32, atomic_load(&l->open));
	pause_accepting(l);
}

static void
listener_accept(int listening, short what, void *arg)
{
	(void)what;
	struct listener *l = arg;
	assert(l->magic == LISTENER_MAGIC);
	ASSERT_ON(ROLE_MAIN);
	for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
		union address from = { 0 };
		socklen_t len = sizeof(from);
		int fd = accept4(listening, &from.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			take_in(l, fd, &from);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			   errno == ENOMEM) {
			out_of_descriptors(l, listening);
			return;
		} else if (errno == EAGAIN) {
			return;
		} /* else that one peer is gone already */
	}
}

/* ---- life ---- */

bool
listener_new(const struct listener_setup *s, struct listener **out, struct err *e)
{
	assert(s->worker_count > 0);
	int reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (reserve < 0)
		return err_set(e, ERR_IO, "reserve descriptor: %s", strerror(errno));
	struct listener *l = calloc(1, sizeof(*l));
	struct event *pause = l == NULL ? NULL : evtimer_new(s->base, on_pause_over, l);
	if (pause == NULL) {
		free(l);
		close(reserve);
		return err_set(e, ERR_NOMEM, "listener");
	}
	l->magic = LISTENER_MAGIC;
	l->setup = *s;
	lobby_init(&l->lobby);
	l->reserve = reserve;
	l->pause_event = pause;
	*out = l;
	return true;
}

static bool
parse_address(const char *text, uint16_t port, union address *to, socklen_t *len)
{
	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, text, &to->in.sin_addr) == 1) {
		to->in.sin_family = AF_INET;
		to->in.sin_port = htons(port);
		*len = sizeof(to->in);
		return true;
	}
	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET6, text, &to->in6.sin6_addr) != 1)
		return false;
	to->in6.sin6_family = AF_INET6;
	to->in6.sin6_port = htons(port);
	*len = sizeof(to->in6);
	return true;
}

static bool
bind_socket(int fd, const union address *to, socklen_t len)
{
	int on = 1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (to->sa.sa_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0)
		return false;
	return bind(fd, &to->sa, len) == 0 && listen(fd, BACKLOG) == 0;
}

/* Takes the descriptor, whatever comes of it. */
bool
listener_adopt(struct listener *l, int fd, struct err *e)
{
	ASSERT_ON(ROLE_MAIN);
	struct bound *b = calloc(1, sizeof(*b));
	if (b != NULL)
		b->event = event_new(l->setup.base, fd, EV_READ | EV_PERSIST, listener_accept, l);
	if (b == NULL || b->event == NULL) {
		free(b);
		close(fd);
		return err_set(e, ERR_NOMEM, "listening socket");
	}
	b->fd = fd;
	LIST_INSERT_HEAD(&l->sockets, b, next);
	return true;
}

bool
listener_add(struct listener *l, const char *address, uint16_t port, struct err *e)
{
	ASSERT_ON(ROLE_MAIN);
	union address to;
	socklen_t len;
	if (!parse_address(address, port, &to, &len))
		return err_set(e, ERR_CONFIG, "'%s' is no numeric address", address);
	int fd = socket(to.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && bind_socket(fd, &to, len))
		return listener_adopt(l, fd, e);
	int why = errno;
	if (fd >= 0)
		close(fd);
	return err_set(e, ERR_IO, "listening on %s port %u: %s", address, port, strerror(why));
}

static bool
write_addresses(const struct listener *l, FILE *f)
{
	const struct bound *b;
	LIST_FOREACH (b, &l->sockets, next) {
		char text[64];
		union address at = { 0 };
		socklen_t len = sizeof(at);
		if (getsockname(b->fd, &at.sa, &len) != 0)
			return false;
		address_text(&at, text, sizeof(text));
		if (fprintf(f, "%s\n", text) < 0)
			return false;
	}
	return fflush(f) == 0;
}

bool
listener_publish(const struct listener *l, const char *path, struct err *e)
{
	char temp[4096];
	int n = snprintf(temp, sizeof(temp), "%s.new", path);
	if (n < 0 || (size_t)n >= sizeof(temp))
		return err_set(e, ERR_IO, "path '%s' is too long", path);
	FILE *f = fopen(temp, "we");
	if (f == NULL)
		return err_set(e, errno == ENOMEM ? ERR_NOMEM : ERR_IO, "cannot write '%s': %s",
		    temp, strerror(errno));
	bool ok = write_addresses(l, f);
	ok = fclose(f) == 0 && ok;
	if (!ok || rename(temp, path) != 0)
		return err_set(e, ERR_IO, "cannot write '%s': %s", path, strerror(errno));
	return true;
}

bool
listener_start(struct listener *l, struct err *e)
{
	ASSERT_ON(ROLE_MAIN);
	static const struct timeval at_once = { 0, 0 };
	struct bound *b;
	LIST_FOREACH (b, &l->sockets, next) {
		if (event_add(b->event, NULL) != 0)
			return err_set(e, ERR_NOMEM, "event of a listening socket");
	}
	/* once now, so that a pause takes no memory: nothing else would end it */
	if (event_add(l->pause_event, &at_once) != 0)
		return err_set(e, ERR_NOMEM, "timer of the listener");
	return true;
}

void
listener_stop(struct listener *l)
{
	ASSERT_ON(ROLE_MAIN);
	for (struct bound *b; (b = LIST_FIRST(&l->sockets)) != NULL;) {
		LIST_REMOVE(b, next);
		event_free(b->event);
		close(b->fd);
		free(b);
	}
	(void)event_del(l->pause_event);
	for (struct ticket *t; (t = lobby_greediest(&l->lobby, 0)) != NULL;)
		ticket_free(t); /* nobody has turned to them yet */
}

void
listener_free(struct listener *l)
{
	ASSERT_ON(ROLE_MAIN);
	if (l == NULL)
		return;
	listener_stop(l);
	event_free(l->pause_event);
	lobby_done(&l->lobby);
	if (l->reserve >= 0)
		close(l->reserve);
	free(l);
}

struct listener_counts
listener_counts(const struct listener *l)
{
	struct listener_counts c = l->counts;
	c.open = atomic_load(&l->open);
	c.half_open = atomic_load(&l->half_open);
	return c;
}
