/* Deadlines and who is still allowed in: absolute, whatever dribbles in (DESIGN 11, S9). */
#include "tests/unit/daemon/io_rig.h"

#include "daemon/sweep.h"

#include <unistd.h>

#define UP_DOWN(test) cmocka_unit_test_setup_teardown(test, rig_up, rig_down)

static void
expect_timeout(struct peer *p)
{
	assert_true(rig_ends_with(p, ERR_TIMEOUT));
	assert_int_equal(rig_metric(METRIC_timeouts), 1);
	assert_int_equal(rig.calls.refused, 0);
}

static void
a_socket_that_says_nothing_is_cut_after_5_seconds(void **state)
{
	(void)state;
	uint64_t id;
	int fd = rig_raw(0, &id);
	rig_rounds(2);
	rig_pass_ms(LIMIT_HANDSHAKE_MS - 1);
	assert_non_null(worker_find_conn(rig.worker[0], id));
	rig_pass_ms(1);
	assert_null(worker_find_conn(rig.worker[0], id));
	close(fd);
}

static void
a_handshake_one_byte_at_a_time_is_cut_after_5_seconds(void **state)
{
	(void)state;
	uint64_t id;
	int fd = rig_raw(0, &id);
	/* the head of a ClientHello of 512 bytes, then a byte every 100 ms */
	assert_int_equal(write(fd, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), 11);
	rig_rounds(2);
	for (unsigned ms = 0; ms < LIMIT_HANDSHAKE_MS; ms += 100) {
		assert_non_null(worker_find_conn(rig.worker[0], id));
		assert_int_equal(write(fd, "x", 1), 1);
		rig_pass_ms(100);
	}
	assert_null(worker_find_conn(rig.worker[0], id));
	close(fd);
}

static void
a_peer_that_does_not_say_hello_is_told_after_5_seconds(void **state)
{
	(void)state;
	struct peer *p = rig_connect("NOR", 0);
	assert_true(rig_until_state(p, CONN_HELLO));
	rig_pass_ms(LIMIT_HELLO_MS - 1);
	assert_int_equal(rig_state(p), CONN_HELLO);
	rig_pass_ms(1);
	expect_timeout(p);
}

static void
a_hello_one_byte_at_a_time_is_cut_after_5_seconds(void **state)
{
	(void)state;
	uint8_t frame[64];
	size_t n = rig_frame(MSG_HELLO, 1, 0, frame, sizeof(frame));
	struct peer *p = rig_connect("NOR", 0);
	assert_true(rig_until_state(p, CONN_HELLO));
	for (size_t i = 0; i + 1 < n; i++) {
		rig_write(p, frame + i, 1);
		rig_pass_ms(LIMIT_HELLO_MS / (n - 1) + 1);
	}
	expect_timeout(p);
	assert_int_equal(rig.calls.hello, 0);
}

/* A frame of 32,000 bytes has 10 s and 1 s. */
static void
a_frame_one_byte_at_a_time_is_cut_at_its_absolute_deadline(void **state)
{
	(void)state;
	static const uint8_t head[5] = { 0, 0, 0x7c, 0xfc, 0x80 }; /* 4 + 31,996 */
	struct peer *p = rig_ready("NOR", 0);
	rig_write(p, head, sizeof(head));
	rig_rounds(2);
	for (unsigned ms = 0; ms + 100 < LIMIT_FRAME_MS + 1000; ms += 100) {
		rig_write(p, "x", 1);
		rig_pass_ms(100);
		assert_int_equal(rig_state(p), CONN_READY);
	}
	rig_write(p, "x", 1);
	rig_pass_ms(99);
	assert_int_equal(rig_state(p), CONN_READY);
	rig_pass_ms(1);
	expect_timeout(p);
}

static void
a_frame_whose_length_is_not_even_there_has_10_seconds(void **state)
{
	(void)state;
	struct peer *p = rig_ready("NOR", 0);
	rig_write(p, "\0", 1);
	rig_rounds(2);
	rig_pass_ms(LIMIT_FRAME_MS - 1);
	assert_int_equal(rig_state(p), CONN_READY);
	rig_pass_ms(1);
	expect_timeout(p);
}

static void
a_message_that_never_gets_its_last_frame_is_cut_however_busy_the_peer_is(void **state)
{
	(void)state;
	uint8_t ping[64];
	uint64_t request = 2;
	uint64_t all = LIMIT_FRAME_MS + (uint64_t)LIMIT_MESSAGE_BYTES * 1000 / LIMIT_FRAME_RATE;
	struct peer *p = rig_ready("NOR", 0);
	rig_write(p, "\x00\x00\x00\x02\x00x", 6);
	rig_rounds(2);
	for (uint64_t ms = 0; ms + 60000 < all; ms += 60000) {
		rig_write(p, ping, rig_frame(MSG_PING, request++, 3, ping, sizeof(ping)));
		assert_int_equal(rig_next_type(p), MSG_PONG);
		rig_pass_ms(60000);
		assert_int_equal(rig_state(p), CONN_READY);
	}
	rig_pass_ms(all % 60000);
	expect_timeout(p);
}

static void
a_silent_session_ends_after_120_seconds_and_a_ping_keeps_it(void **state)
{
	(void)state;
	struct peer *p = rig_ready("NOR", 0);
	rig_pass_ms(LIMIT_IDLE_MS - 1);
	rig_ask(p, MSG_PING, 2);
	assert_int_equal(rig_next_type(p), MSG_PONG);
	rig_pass_ms(LIMIT_IDLE_MS - 1);
	assert_int_equal(rig_state(p), CONN_READY);
	rig_pass_ms(1);
	expect_timeout(p);
}

static void
a_session_that_waits_for_us_is_not_idle(void **state)
{
	(void)state;
	struct peer *p = rig_ready("NOR", 0);
	conn_owes(rig_conn(p), 10);
	rig_pass_ms(2 * LIMIT_IDLE_MS);
	assert_int_equal(rig_state(p), CONN_READY);
	conn_paid(rig_conn(p), 10);
	rig_pass_ms(LIMIT_IDLE_MS - 1);
	assert_int_equal(rig_state(p), CONN_READY);
	rig_pass_ms(1);
	expect_timeout(p);
}

static void
time_that_we_did_not_read_is_not_the_peers(void **state)
{
	(void)state;
	uint8_t frame[64];
	size_t n = rig_frame(MSG_PING, 3, 0, frame, sizeof(frame));
	rig.limits.publish_window = 1;
	struct peer *p = rig_ready("NOR", 0);
	rig_write(p, frame, n - 1);
	rig_rounds(2);
	rig_pass_ms(LIMIT_FRAME_MS - 1);
	conn_owes(rig_conn(p), 10);
	rig_pass_ms(60000);
	conn_paid(rig_conn(p), 10);
	rig_rounds(2);
	rig_pass_ms(LIMIT_FRAME_MS - 1);
	assert_int_equal(rig_state(p), CONN_READY);
	rig_write(p, frame + n - 1, 1);
	assert_int_equal(rig_next_type(p), MSG_PONG);
}

/* ---- S9 ---- */

static void
a_session_ends_with_its_certificate(void **state)
{
	(void)state;
	struct peer *p = rig_ready("NOR", 0);
	int64_t left = trust_peer_until(rig_conn(p)->peer) - rig.wall_s;
	assert_true(left > 0);
	rig.wall_s += left - 1;
	rig_pass_ms(0);
	assert_int_equal(rig_state(p), CONN_READY);
	rig.wall_s += 1;
	rig_pass_ms(0);
	assert_true(rig_ends_with(p, ERR_SHUT_OUT));
	assert_int_equal(rig.calls.turned_away, 1);
	assert_int_equal(rig.calls.fault, CHAIN_EXPIRED);
	assert_int_equal(rig.calls.refused, 0); /* one record, not two */
}

static void
a_session_ends_when_the_CRL_passes_its_hard_age(void **state)
{
	(void)state;
	struct peer *p = rig_ready("NOR", 0);
	rig_conn(p)->peer->crl_until = rig.wall_s + 10;
	rig_pass_ms(9999);
	assert_int_equal(rig_state(p), CONN_READY);
	rig_pass_ms(1000);
	assert_true(rig_ends_with(p, ERR_SHUT_OUT));
	assert_int_equal(rig.calls.fault, CHAIN_CRL_STALE);
}

static void
reload(struct trust *next)
{
	static struct letter order[RIG_WORKERS];
	struct trust *old = rig.trust;
	rig.trust = next;
	for (unsigned i = 0; i < RIG_WORKERS; i++)
		worker_mail(rig.worker[i], LETTER_RULES, &order[i]);
	rig_rounds(2);
	trust_unref(old);
}

static void
new_rules_end_the_sessions_of_those_who_are_no_longer_allowed(void **state)
{
	(void)state;
	struct peer *gone[70], *gbr = rig_ready("GBR", 0), *hub = rig_ready("HUB", 0);
	for (unsigned i = 0; i < 70; i++) /* more than one slice of the sweep */
		gone[i] = rig_ready("NOR", i % 2);
	reload(rig_trust("NOR"));
	rig_rounds(4);
	for (unsigned i = 0; i < 70; i++)
		assert_true(rig_ends_with(gone[i], ERR_SHUT_OUT));
	assert_int_equal(rig.calls.turned_away, 70);
	assert_int_equal(rig.calls.fault, CHAIN_UNLISTED);
	assert_int_equal(rig_metric(METRIC_shut_out), 70);
	assert_int_equal(rig_state(gbr), CONN_READY);
	assert_int_equal(rig_state(hub), CONN_READY);
	assert_int_equal(rig.calls.gone, 70);
}

static void
expect(struct trust *coming)
{
	static struct letter order[RIG_WORKERS];
	rig.coming = coming;
	for (unsigned i = 0; i < RIG_WORKERS; i++)
		worker_mail(rig.worker[i], LETTER_COMING, &order[i]);
	rig_rounds(2);
}

/* Their record takes long, or there will be none. */
static void
rules_that_are_not_recorded_yet_shut_out_and_let_nobody_in(void **state)
{
	(void)state;
	struct trust *all = trust_ref(rig.trust), *coming = rig_trust("NOR");
	struct peer *nor = rig_ready("NOR", 0), *gbr = rig_ready("GBR", 0);
	expect(coming);
	assert_true(rig_ends_with(nor, ERR_SHUT_OUT));
	assert_int_equal(rig.calls.fault, CHAIN_UNLISTED);
	assert_true(rig_ends_with(rig_connect("NOR", 1), ERR_SHUT_OUT));
	assert_int_equal(rig_state(gbr), CONN_READY);
	expect(NULL); /* they came to nothing */
	assert_int_equal(rig_state(rig_ready("NOR", 0)), CONN_READY);
	reload(rig_trust("NOR"));
	unsigned turned_away = rig.calls.turned_away, arrived = rig.calls.arrived;
	expect(all); /* wider ones */
	assert_true(rig_until_ended(rig_connect("NOR", 1)));
	assert_int_equal(rig.calls.turned_away, turned_away + 1);
	assert_int_equal(rig.calls.arrived, arrived);
	expect(NULL);
	trust_unref(coming);
	trust_unref(all);
}

static void
whoever_is_no_longer_allowed_and_does_not_read_is_gone_within_the_second(void **state)
{
	(void)state;
	struct peer *p = rig_ready("NOR", 0);
	p->silent = true;
	reload(rig_trust("NOR"));
	rig_pass_ms(LIMIT_BARRED_MS - 1);
	assert_int_equal(rig_state(p), CONN_DRAINING);
	rig_pass_ms(1);
	assert_int_equal(rig_state(p), CONN_CLOSED);
	assert_true(LIMIT_BARRED_MS + 2 * WORKER_TICK_MS <= 1000);
}

static void
whoever_shook_hands_under_the_old_rules_is_judged_by_the_new_ones(void **state)
{
	(void)state;
	struct peer *p = rig_connect("NOR", 0);
	while (!p->connected) /* the client is through, the broker not yet */
		rig_round();
	assert_int_equal(rig_state(p), CONN_HANDSHAKE);
	struct trust *old = rig.trust;
	rig.trust = rig_trust("NOR");
	for (unsigned i = 0; i < RIG_WORKERS; i++)
		rig.worker[i]->trust = rig.trust;
	assert_true(rig_ends_with(p, ERR_SHUT_OUT));
	assert_int_equal(rig.calls.arrived, 0);
	trust_unref(old);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		UP_DOWN(a_socket_that_says_nothing_is_cut_after_5_seconds),
		UP_DOWN(a_handshake_one_byte_at_a_time_is_cut_after_5_seconds),
		UP_DOWN(a_peer_that_does_not_say_hello_is_told_after_5_seconds),
		UP_DOWN(a_hello_one_byte_at_a_time_is_cut_after_5_seconds),
		UP_DOWN(a_frame_one_byte_at_a_time_is_cut_at_its_absolute_deadline),
		UP_DOWN(a_frame_whose_length_is_not_even_there_has_10_seconds),
		UP_DOWN(a_message_that_never_gets_its_last_frame_is_cut_however_busy_the_peer_is),
		UP_DOWN(a_silent_session_ends_after_120_seconds_and_a_ping_keeps_it),
		UP_DOWN(a_session_that_waits_for_us_is_not_idle),
		UP_DOWN(time_that_we_did_not_read_is_not_the_peers),
		UP_DOWN(a_session_ends_with_its_certificate),
		UP_DOWN(a_session_ends_when_the_CRL_passes_its_hard_age),
		UP_DOWN(new_rules_end_the_sessions_of_those_who_are_no_longer_allowed),
		UP_DOWN(rules_that_are_not_recorded_yet_shut_out_and_let_nobody_in),
		UP_DOWN(whoever_is_no_longer_allowed_and_does_not_read_is_gone_within_the_second),
		UP_DOWN(whoever_shook_hands_under_the_old_rules_is_judged_by_the_new_ones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
