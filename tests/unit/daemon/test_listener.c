/* Accepting: limits, descriptors, addresses. */
#include "tests/unit/daemon/io_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static bool no_memory; /* for libevent */

static void *
take(size_t size)
{
	return no_memory ? NULL : malloc(size);
}

static void *
resize(void *p, size_t size)
{
	return no_memory ? NULL : realloc(p, size);
}

static struct event_base *base;
static struct listener *listener;
static char path[64];
static uint16_t port;

static void
open_listener(void)
{
	struct err e = { 0 };
	const struct listener_setup setup = { base, &rig.limits, rig.worker, RIG_WORKERS };
	char line[64];
	if (!listener_new(&setup, &listener, &e) || !listener_add(listener, "127.0.0.1", 0, &e) ||
	    !listener_publish(listener, path, &e) || !listener_start(listener, &e))
		fail_msg("%s", e.text);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	assert_memory_equal(line, "127.0.0.1:", 10);
	port = (uint16_t)atoi(line + 10);
	assert_true(port != 0);
}

static int
up(void **state)
{
	rig_up(state);
	snprintf(path, sizeof(path), "addresses.%d", (int)getpid());
	base = event_base_new();
	assert_non_null(base);
	return 0;
}

static int
down(void **state)
{
	rig_down(state);
	listener_free(listener);
	listener = NULL;
	event_base_free(base);
	unlink(path);
	return 0;
}

static int
dial_from(const char *source)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in from = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
	inet_pton(AF_INET, source, &from.sin_addr);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static int
dial(void)
{
	return dial_from("127.0.0.1");
}

static void
turn(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
	rig_rounds(2);
}

static bool
is_closed(int fd)
{
	char c;
	struct pollfd f = { .fd = fd, .events = POLLIN };
	return poll(&f, 1, 0) == 1 && recv(fd, &c, 1, 0) <= 0;
}

static void
check_limit(unsigned n, bool by_address)
{
	int fd[8];
	open_listener();
	for (unsigned i = 0; i <= n; i++)
		fd[i] = dial();
	turn();
	for (unsigned i = 0; i < n; i++)
		assert_false(is_closed(fd[i]));
	assert_true(is_closed(fd[n]));
	struct listener_counts c = listener_counts(listener);
	assert_int_equal(c.open, n);
	assert_int_equal(c.accepted, n);
	assert_int_equal(by_address ? c.refused_address : c.refused_full, 1);
	close(fd[0]); /* its place becomes free */
	turn();
	assert_int_equal(listener_counts(listener).open, n - 1);
	close(fd[n]);
	fd[n] = dial();
	turn();
	assert_false(is_closed(fd[n]));
	for (unsigned i = 1; i <= n; i++)
		close(fd[i]);
	turn();
	c = listener_counts(listener);
	assert_int_equal(c.open, 0);
	assert_int_equal(c.half_open, 0);
}

static void
an_address_has_its_number_of_connections_and_not_one_more(void **state)
{
	(void)state;
	rig.limits.connections_per_address = 3;
	check_limit(3, true);
}

static void
the_broker_has_its_number_of_connections_and_not_one_more(void **state)
{
	(void)state;
	rig.limits.connections = 3;
	check_limit(3, false);
}

static void
connections_are_spread_over_the_workers(void **state)
{
	(void)state;
	int fd[8];
	open_listener();
	for (unsigned i = 0; i < 8; i++) {
		fd[i] = dial();
		turn();
	}
	assert_int_equal(worker_load(rig.worker[0]), 4);
	assert_int_equal(worker_load(rig.worker[1]), 4);
	for (unsigned i = 0; i < 8; i++)
		close(fd[i]);
	turn();
}

static uint32_t
half_open(void)
{
	return listener_counts(listener).half_open;
}

static void
a_source_waits_once_it_has_as_many_half_open_as_are_left_and_others_do_not(void **state)
{
	(void)state;
	int fd[8];
	rig.limits.half_open = 4;
	open_listener();
	for (unsigned i = 0; i < 5; i++)
		fd[i] = dial_from("127.0.0.2");
	turn();
	assert_int_equal(listener_counts(listener).accepted, 5);
	assert_int_equal(half_open(), 2);
	fd[5] = dial_from("127.0.0.3"); /* behind three that wait */
	turn();
	assert_int_equal(half_open(), 3);
	fd[6] = dial_from("127.0.0.4");
	turn();
	assert_int_equal(half_open(), 4);
	fd[7] = dial_from("127.0.0.5"); /* all places are taken */
	turn();
	assert_int_equal(half_open(), 4);
	close(fd[0]);
	close(fd[1]);
	turn();
	while (half_open() < 4)
		event_base_loop(base, EVLOOP_ONCE); /* one of .2 and .5 each */
	turn();
	assert_int_equal(worker_load(rig.worker[0]) + worker_load(rig.worker[1]), 4);
	for (unsigned i = 2; i < 8; i++)
		assert_false(is_closed(fd[i]));
	for (unsigned i = 2; i < 8; i++)
		close(fd[i]);
	turn();
}

/* Through what workers ask: sweep_deadlines halves a handshake's time then. */
static void
a_crowd_is_one_as_long_as_somebody_waits(void **state)
{
	(void)state;
	rig.limits.half_open = 2;
	open_listener();
	int a = dial(), b = dial();
	turn();
	const struct ticket *t = worker_find_conn(rig.worker[0], 1) != NULL
				     ? worker_find_conn(rig.worker[0], 1)->ticket
				     : worker_find_conn(rig.worker[1], 1)->ticket;
	assert_true(ticket_in_a_crowd(t));
	close(b);
	rig.limits.handshake_ms = 1;
	while (listener_counts(listener).refused_waiting == 0)
		event_base_loop(base, EVLOOP_ONCE);
	assert_false(ticket_in_a_crowd(t));
	close(a);
	turn();
}

static void
whoever_waits_as_long_as_a_handshake_may_take_is_closed(void **state)
{
	(void)state;
	rig.limits.half_open = 1;
	open_listener();
	int a = dial(), b = dial();
	turn();
	assert_int_equal(half_open(), 1);
	event_base_loop(base, EVLOOP_ONCE);
	assert_false(is_closed(b));
	rig.limits.handshake_ms = 1;
	while (listener_counts(listener).refused_waiting == 0)
		event_base_loop(base, EVLOOP_ONCE);
	assert_true(is_closed(b));
	assert_int_equal(listener_counts(listener).open, 1);
	close(a);
	close(b);
	turn();
}

static void
those_who_wait_take_no_place_from_a_newcomer(void **state)
{
	(void)state;
	int fd[5];
	rig.limits.connections = 4;
	rig.limits.half_open = 2;
	open_listener();
	for (unsigned i = 0; i < 4; i++)
		fd[i] = dial_from("127.0.0.2");
	turn();
	assert_int_equal(half_open(), 1);
	fd[4] = dial_from("127.0.0.3");
	turn();
	assert_int_equal(half_open(), 2);
	assert_true(is_closed(fd[3])); /* the last of the longest line */
	struct listener_counts n = listener_counts(listener);
	assert_int_equal(n.open, 4);
	assert_int_equal(n.refused_waiting, 1);
	assert_int_equal(n.refused_full, 0);
	for (unsigned i = 0; i < 5; i++)
		close(fd[i]);
	turn();
}

static void
a_session_past_hello_is_not_half_open(void **state)
{
	(void)state;
	open_listener();
	int fd = dial();
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(listener_counts(listener).half_open, 1);
	int on = 1; /* rounds do not take time, so nothing may wait for a delayed ACK */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	struct peer *p = rig_connect("NOR", 0);
	close(p->fd); /* the same client over TCP */
	p->fd = fd;
	SSL_set_fd(p->ssl, fd);
	p->conn = 1;
	for (unsigned i = 0; i < RIG_IDLE && !p->connected; i++)
		rig_round();
	assert_int_equal(listener_counts(listener).half_open, 1);
	rig_ask(p, MSG_HELLO, 1);
	assert_int_equal(rig_next_type(p), MSG_PONG);
	assert_int_equal(listener_counts(listener).half_open, 0);
	assert_int_equal(listener_counts(listener).open, 1);
}

static void
pause_and_come_back(bool without_memory)
{
	struct rlimit was, few;
	open_listener();
	no_memory = without_memory;
	int a = dial(), b = dial();
	getrlimit(RLIMIT_NOFILE, &was);
	int lowest = dup(0); /* everything below is taken */
	close(lowest);
	few = was;
	few.rlim_cur = (rlim_t)lowest;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	turn();
	turn();
	turn(); /* no spin: it tried once */
	struct listener_counts n = listener_counts(listener);
	assert_int_equal(n.out_of_fds, 1);
	assert_int_equal(n.accepted, 0);
	assert_true(is_closed(a)); /* told by way of the reserve */
	assert_false(is_closed(b));
	setrlimit(RLIMIT_NOFILE, &was);
	assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), 1); /* its end */
	no_memory = false;
	while (listener_counts(listener).accepted == 0)
		event_base_loop(base, EVLOOP_ONCE);
	turn();
	assert_int_equal(listener_counts(listener).out_of_fds, 1);
	close(a);
	close(b);
	turn();
}

static void
out_of_descriptors_the_listener_pauses_and_comes_back(void **state)
{
	(void)state;
	pause_and_come_back(false);
}

static void
a_pause_takes_no_memory(void **state)
{
	(void)state;
	pause_and_come_back(true);
}

static void
what_cannot_be_listened_on_is_named(void **state)
{
	(void)state;
	struct err e = { 0 };
	open_listener();
	assert_false(listener_add(listener, "localhost", 1, &e));
	assert_int_equal(e.code, ERR_CONFIG);
	assert_string_equal(e.text, "'localhost' is no numeric address");
	assert_false(listener_add(listener, "127.0.0.1", port, &e));
	assert_int_equal(e.code, ERR_IO);
	assert_non_null(strstr(e.text, "listening on 127.0.0.1 port "));
	assert_non_null(strstr(e.text, strerror(EADDRINUSE)));
	assert_false(listener_publish(listener, "no-such-directory/addresses", &e));
	assert_int_equal(e.code, ERR_IO);
	assert_non_null(strstr(e.text, "cannot write 'no-such-directory/addresses"));
}

static void
after_the_stop_nobody_is_accepted(void **state)
{
	(void)state;
	open_listener();
	listener_stop(listener);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(fd);
}

#define UP_DOWN(test) cmocka_unit_test_setup_teardown(test, up, down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		UP_DOWN(an_address_has_its_number_of_connections_and_not_one_more),
		UP_DOWN(the_broker_has_its_number_of_connections_and_not_one_more),
		UP_DOWN(connections_are_spread_over_the_workers),
		UP_DOWN(a_source_waits_once_it_has_as_many_half_open_as_are_left_and_others_do_not),
		UP_DOWN(a_crowd_is_one_as_long_as_somebody_waits),
		UP_DOWN(whoever_waits_as_long_as_a_handshake_may_take_is_closed),
		UP_DOWN(those_who_wait_take_no_place_from_a_newcomer),
		UP_DOWN(a_session_past_hello_is_not_half_open),
		UP_DOWN(out_of_descriptors_the_listener_pauses_and_comes_back),
		UP_DOWN(a_pause_takes_no_memory),
		UP_DOWN(what_cannot_be_listened_on_is_named),
		UP_DOWN(after_the_stop_nobody_is_accepted),
	};
	event_set_mem_functions(take, resize, free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
