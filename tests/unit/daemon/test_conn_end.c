/* How connections end: goodbye, cut short, floods of TLS, our own stop. */
#include "tests/unit/daemon/io_rig.h"

#include "daemon/parties.h"

#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#define UP_DOWN(test) cmocka_unit_test_setup_teardown(test, rig_up, rig_down)

static void
hang_up(struct peer *p)
{
	close(p->fd);
	p->fd = -1;
	p->ended = true;
	rig_rounds(4);
}

/* ---- the peer ends ---- */

static void
close_notify_between_frames_is_a_goodbye(void **state)
{
	(void)state;
	struct peer *p = rig_ready("NOR", 0);
	SSL_shutdown(p->ssl);
	assert_int_equal(rig_next_type(p), MSG_BYE);
	assert_true(rig_until_ended(p));
	assert_true(p->clean);
	assert_int_equal(rig_state(p), CONN_CLOSED);
	assert_int_equal(rig_metric(METRIC_truncated), 0);
	assert_int_equal(rig.calls.gone, 1);
}

static void
a_bare_FIN_between_frames_is_a_goodbye_too(void **state)
{
	(void)state;
	struct peer *p = rig_ready("NOR", 0);
	hang_up(p);
	assert_int_equal(rig_state(p), CONN_CLOSED);
	assert_int_equal(rig_metric(METRIC_truncated), 0);
	assert_int_equal(rig.calls.refused, 0);
}

static void
a_stream_that_ends_inside_a_frame_failed_whatever_TLS_calls_it(void **state)
{
	(void)state;
	uint8_t frame[64];
	size_t n = rig_frame(MSG_EXPLAIN, 2, 0, frame, sizeof(frame));
	for (unsigned clean = 0; clean < 2; clean++) {
		for (size_t cut = 1; cut < n; cut++) {
			struct peer *p = rig_ready("NOR", 0);
			uint64_t before = rig_metric(METRIC_truncated);
			rig_write(p, frame, cut);
			if (clean == 1)
				SSL_shutdown(p->ssl);
			hang_up(p);
			assert_int_equal(rig_metric(METRIC_truncated), before + 1);
			assert_int_equal(rig_state(p), CONN_CLOSED);
		}
	}
	assert_int_equal(rig.calls.other, 0);
	assert_int_equal(rig.calls.refused, 0);
}

static void
a_stream_that_ends_between_the_frames_of_a_message_failed_too(void **state)
{
	(void)state;
	struct peer *p = rig_ready("NOR", 0);
	rig_write(p, "\x00\x00\x00\x02\x00x", 6);
	SSL_shutdown(p->ssl);
	hang_up(p);
	assert_int_equal(rig_metric(METRIC_truncated), 1);
}

static void
the_last_ack_counts_even_with_the_end_right_behind_it(void **state)
{
	(void)state;
	for (unsigned clean = 0; clean < 2; clean++) {
		struct peer *p = rig_ready("NOR", 0);
		rig_ask(p, MSG_ACK, 0);
		if (clean == 1)
			SSL_shutdown(p->ssl);
		hang_up(p);
		assert_int_equal(rig.calls.other, clean + 1);
		assert_int_equal(rig.calls.last_type, MSG_ACK);
	}
}

static void
a_handshake_may_end_at_any_byte(void **state)
{
	(void)state;
	struct peer *p = rig_connect("NOR", 0);
	uint8_t hello[4096];
	/* what a client says first, taken from one that the broker never sees */
	p->silent = true;
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	SSL_set_fd(p->ssl, pair[0]);
	SSL_do_handshake(p->ssl);
	ssize_t n = read(pair[1], hello, sizeof(hello));
	assert_true(n > 100);
	for (ssize_t cut = 0; cut < n; cut += 7) {
		uint64_t id;
		int fd = rig_raw(0, &id);
		rig_rounds(1);
		assert_int_equal(write(fd, hello, (size_t)cut), cut);
		rig_rounds(1);
		close(fd);
		rig_rounds(3);
		assert_null(worker_find_conn(rig.worker[0], id));
	}
	close(pair[0]);
	close(pair[1]);
	SSL_set_fd(p->ssl, p->fd);
	assert_int_equal(rig.calls.turned_away, 0);
	assert_int_equal(rig.calls.arrived, 0);
}

static void
what_is_owed_is_answered_before_the_goodbye(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct peer *p = rig_ready("NOR", 0);
	conn_owes(rig_conn(p), 10);
	rig_ask(p, MSG_BYE, 0);
	rig_rounds(4);
	assert_int_equal(rig_state(p), CONN_DRAINING);
	const struct msg late = { .request = 2, .type = MSG_PONG };
	assert_true(conn_send(rig_conn(p), 0, &late, &e)); /* the job comes home */
	conn_paid(rig_conn(p), 10);
	assert_int_equal(rig_next_type(p), MSG_PONG);
	assert_int_equal(rig_next_type(p), MSG_BYE);
	assert_true(rig_until_ended(p) && p->clean);
	assert_int_equal(rig_state(p), CONN_CLOSED);
}

static void
whoever_said_bye_has_nothing_more_to_say(void **state)
{
	(void)state;
	struct peer *p = rig_ready("NOR", 0);
	conn_owes(rig_conn(p), 10);
	rig_ask(p, MSG_BYE, 0);
	rig_ask(p, MSG_ACK, 0);
	assert_true(rig_ends_with(p, ERR_OUT_OF_TURN));
}

static void
a_goodbye_in_place_of_hello_is_one(void **state)
{
	(void)state;
	struct peer *p = rig_connect("NOR", 0);
	assert_true(rig_until_state(p, CONN_HELLO));
	rig_ask(p, MSG_BYE, 0);
	assert_int_equal(rig_next_type(p), MSG_BYE);
	assert_true(rig_until_ended(p) && p->clean);
}

/* ---- errors arrive ---- */

static void
an_error_is_readable_though_the_peer_goes_on_sending(void **state)
{
	(void)state;
	static uint8_t junk[100000];
	struct peer *p = rig_ready("NOR", 0);
	p->silent = true;
	rig_ask(p, MSG_PONG, 2);
	for (unsigned i = 0; i < 30; i++) {
		size_t n;
		ERR_clear_error();
		SSL_write_ex(p->ssl, junk, 16000, &n);
		rig_round();
	}
	p->silent = false;
	assert_true(rig_ends_with(p, ERR_OUT_OF_TURN));
	assert_int_equal(rig_state(p), CONN_CLOSED);
}

static void
a_peer_that_does_not_hang_up_after_an_error_is_cut(void **state)
{
	(void)state;
	struct peer *p = rig_ready("NOR", 0);
	p->silent = true;
	rig_ask(p, MSG_PONG, 2);
	rig_rounds(4);
	assert_int_equal(rig_state(p), CONN_DRAINING);
	rig_pass_ms(LIMIT_LINGER_MS - 1);
	assert_int_equal(rig_state(p), CONN_DRAINING);
	rig_pass_ms(1);
	assert_int_equal(rig_state(p), CONN_CLOSED);
}

/* ---- KeyUpdate ---- */

static void
update_keys(struct peer *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(SSL_key_update(p->ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(p->ssl), 1);
	}
	rig_rounds(n + 4);
}

static void
so_many_KeyUpdates_are_legal_and_not_one_more(void **state)
{
	(void)state;
	struct peer *p = rig_ready("NOR", 0);
	update_keys(p, LIMIT_KEY_UPDATES);
	rig_ask(p, MSG_PING, 2); /* data in between: it counts from 0 again */
	assert_int_equal(rig_next_type(p), MSG_PONG);
	update_keys(p, LIMIT_KEY_UPDATES);
	assert_int_equal(rig_state(p), CONN_READY);
	update_keys(p, 1);
	assert_true(rig_ends_with(p, ERR_PROTOCOL));
	assert_int_equal(rig.calls.refused, 1);
}

static void
a_flood_of_KeyUpdates_takes_one_turn_each(void **state)
{
	(void)state;
	struct peer *p = rig_ready("NOR", 0), *other = rig_ready("NOR", 0);
	p->silent = true;
	for (unsigned i = 0; i < 500; i++) {
		SSL_key_update(p->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
		SSL_do_handshake(p->ssl);
	}
	rig_ask(other, MSG_PING, 2);
	rig_rounds(3);
	assert_int_equal(rig_next_type(other), MSG_PONG);
	rig_rounds(LIMIT_KEY_UPDATES + 2);
	assert_int_equal(rig_state(p), CONN_DRAINING);
}

/* ---- our stop ---- */

static struct letter stop[RIG_WORKERS];

static void
stop_all(void)
{
	for (unsigned i = 0; i < RIG_WORKERS; i++)
		worker_mail(rig.worker[i], LETTER_STOP, &stop[i]);
	rig_rounds(3);
}

static void
a_stop_answers_what_is_owed_says_bye_and_closes(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct peer *p = rig_ready("NOR", 0), *hello = rig_connect("GBR", 0);
	struct peer *shaking = rig_connect("GBR", 0);
	shaking->silent = true;
	assert_true(rig_until_state(hello, CONN_HELLO));
	conn_owes(rig_conn(p), 10);
	stop_all();
	assert_int_equal(rig_state(shaking), CONN_CLOSED); /* nothing was promised there */
	assert_int_equal(rig_next_type(hello), MSG_BYE);
	assert_int_equal(rig_state(p), CONN_DRAINING);
	const struct msg receipt = { .request = 2, .type = MSG_PONG };
	assert_true(conn_send(rig_conn(p), 0, &receipt, &e));
	conn_paid(rig_conn(p), 10);
	assert_int_equal(rig_next_type(p), MSG_PONG);
	assert_int_equal(rig_next_type(p), MSG_BYE);
	assert_true(rig_until_ended(p) && p->clean);
	assert_int_equal(rig_state(p), CONN_CLOSED);
	for (unsigned i = 0; i < RIG_WORKERS; i++)
		worker_wait(rig.worker[i]); /* would hang if they did not say so */
}

static void
acks_are_taken_after_our_bye(void **state)
{
	(void)state;
	struct peer *p = rig_ready("NOR", 0);
	p->silent = true;
	stop_all();
	rig_ask(p, MSG_ACK, 0);
	rig_rounds(3);
	assert_int_equal(rig.calls.last_type, MSG_ACK);
	assert_int_equal(rig.calls.other, 1);
}

static void
a_stop_does_not_wait_longer_than_the_drain_deadline(void **state)
{
	(void)state;
	struct peer *p = rig_ready("NOR", 0);
	p->silent = true;
	conn_owes(rig_conn(p), 10);
	stop_all();
	rig_pass_ms(LIMIT_DRAIN_MS - 1);
	assert_int_equal(rig_state(p), CONN_DRAINING);
	rig_pass_ms(1);
	assert_int_equal(rig_state(p), CONN_CLOSED);
	for (unsigned i = 0; i < RIG_WORKERS; i++)
		worker_wait(rig.worker[i]);
}

static void
whoever_comes_during_the_stop_is_not_taken_on(void **state)
{
	(void)state;
	stop_all();
	struct peer *p = rig_connect("NOR", 0);
	assert_true(rig_until_ended(p));
	assert_int_equal(rig_metric(METRIC_accepted), 0);
}

/* ---- between workers ---- */

static void
all_connections_of_a_party_come_together_on_its_worker(void **state)
{
	(void)state;
	static const char *const parties[] = { "HUB", "GBR", "NOR" };
	for (unsigned i = 0; i < 3; i++) {
		struct worker *home = worker_of_party(rig.worker[0], bytes_of(parties[i]));
		struct peer *a = rig_ready(parties[i], 0), *b = rig_ready(parties[i], 1);
		assert_ptr_equal(rig_conn(a)->worker, home);
		assert_ptr_equal(rig_conn(b)->worker, home);
		struct worker_party *p = parties_find(home, bytes_of(parties[i]));
		assert_ptr_equal(rig_conn(a)->party, p);
		assert_int_equal(p->conn_count, 2);
		hang_up(a);
		assert_int_equal(p->conn_count, 1);
		assert_int_equal(rig.calls.party_gone, i);
		hang_up(b);
		assert_int_equal(rig.calls.party_gone, i + 1);
		assert_null(parties_find(home, bytes_of(parties[i])));
	}
	assert_int_equal(worker_load(rig.worker[0]) + worker_load(rig.worker[1]), 0);
}

static void
a_connection_that_ends_on_its_way_is_noticed_at_home(void **state)
{
	(void)state;
	for (unsigned w = 0; w < RIG_WORKERS; w++) {
		struct peer *p = rig_connect("NOR", w);
		while (!p->connected)
			rig_round();
		p->silent = true;
		for (unsigned i = 0; i < 4 && worker_load(rig.worker[w]) > 0; i++)
			worker_round(rig.worker[w]); /* only where it shook hands */
		hang_up(p);
		assert_int_equal(rig_state(p), CONN_CLOSED);
	}
	assert_int_equal(rig.calls.gone, rig.calls.arrived);
}

static void
a_connection_that_comes_home_during_the_stop_drains(void **state)
{
	(void)state;
	struct worker *home = worker_of_party(rig.worker[0], bytes_of("NOR"));
	worker_mail(home, LETTER_STOP, &stop[home->index]);
	rig_rounds(2);
	struct peer *p = rig_connect("NOR", 1 - home->index);
	assert_int_equal(rig_next_type(p), MSG_BYE);
	assert_true(rig_until_ended(p) && p->clean);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		UP_DOWN(close_notify_between_frames_is_a_goodbye),
		UP_DOWN(a_bare_FIN_between_frames_is_a_goodbye_too),
		UP_DOWN(a_stream_that_ends_inside_a_frame_failed_whatever_TLS_calls_it),
		UP_DOWN(a_stream_that_ends_between_the_frames_of_a_message_failed_too),
		UP_DOWN(the_last_ack_counts_even_with_the_end_right_behind_it),
		UP_DOWN(a_handshake_may_end_at_any_byte),
		UP_DOWN(what_is_owed_is_answered_before_the_goodbye),
		UP_DOWN(whoever_said_bye_has_nothing_more_to_say),
		UP_DOWN(a_goodbye_in_place_of_hello_is_one),
		UP_DOWN(an_error_is_readable_though_the_peer_goes_on_sending),
		UP_DOWN(a_peer_that_does_not_hang_up_after_an_error_is_cut),
		UP_DOWN(so_many_KeyUpdates_are_legal_and_not_one_more),
		UP_DOWN(a_flood_of_KeyUpdates_takes_one_turn_each),
		UP_DOWN(a_stop_answers_what_is_owed_says_bye_and_closes),
		UP_DOWN(acks_are_taken_after_our_bye),
		UP_DOWN(a_stop_does_not_wait_longer_than_the_drain_deadline),
		UP_DOWN(whoever_comes_during_the_stop_is_not_taken_on),
		UP_DOWN(all_connections_of_a_party_come_together_on_its_worker),
		UP_DOWN(a_connection_that_ends_on_its_way_is_noticed_at_home),
		UP_DOWN(a_connection_that_comes_home_during_the_stop_drains),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
