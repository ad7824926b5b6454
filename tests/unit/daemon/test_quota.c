/* How fast a party may publish: who waits, for how long, and who does not (decision 0030). */
#include "tests/unit/daemon/io_rig.h"

#include "daemon/parties.h"

#include <event2/event.h>
#include <time.h>

#define UP_DOWN(test) cmocka_unit_test_setup_teardown(test, rig_up, rig_down)

enum { RATE = 10, S = 1000, MiB = 1 << 20 };

static void
publish_many(struct peer *p, uint64_t from, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		rig_ask(p, MSG_PUBLISH, from + i);
	rig_rounds(6);
}

static void
publish_body(struct peer *p, uint64_t request, size_t len)
{
	uint8_t *body = calloc(1, len);
	assert_non_null(body);
	const struct msg_portion portion = { bytes_from(body, 1), bytes_from(body, len) };
	const struct msg m = { .request = request,
		.type = MSG_PUBLISH,
		.publish = { .portions = &portion, .portion_count = 1 } };
	rig_send(p, 0, &m);
	free(body);
	rig_rounds(6);
}

/* At the limit, and one past it. */
static void
a_party_publishes_a_seconds_worth_at_once_and_then_at_its_rate(void **state)
{
	(void)state;
	rig.limits.publish_rate = RATE;
	struct peer *p = rig_ready("NOR", 0);
	publish_many(p, 2, RATE);
	assert_int_equal(rig.calls.other, RATE);
	assert_int_equal(rig_metric(METRIC_slowed), 0);
	publish_many(p, 2 + RATE, 25);
	assert_int_equal(rig.calls.other, RATE);
	assert_int_equal(rig_metric(METRIC_slowed), 1);
	rig_pass_ms(S / RATE - 1);
	assert_int_equal(rig.calls.other, RATE);
	rig_pass_ms(1);
	assert_int_equal(rig.calls.other, RATE + 1);
	rig_pass_ms(S / 2);
	assert_int_equal(rig.calls.other, RATE + 6);
	for (unsigned i = 0; i < 20; i++)
		rig_pass_ms(S / RATE);
	assert_int_equal(rig.calls.other, RATE + 25);
	for (unsigned i = 0; i < RATE + 25; i++) /* all of them, in their order */
		assert_int_equal(rig_next(p)->request, 2 + i);
	assert_int_equal(rig_metric(METRIC_slowed), 1);
	assert_int_equal(rig_metric(METRIC_slowed_seconds), 2); /* and a half */
}

/* However often it is looked at before it is taken. */
static void
a_report_is_charged_once_though_its_turn_ends_before_it(void **state)
{
	(void)state;
	rig.limits.publish_rate = RATE;
	rig.tick_us = 20; /* a turn is two or three looks at the clock */
	struct peer *p = rig_ready("NOR", 0);
	publish_many(p, 2, 2 * RATE);
	for (unsigned i = 0; i < 100 && rig.calls.other < RATE; i++)
		rig_round();
	assert_int_equal(rig.calls.other, RATE);
}

/* Without the tick, which looks too. */
static void
a_timer_wakes_who_waits(void **state)
{
	(void)state;
	rig.limits.publish_rate = 1000;
	struct peer *p = rig_ready("NOR", 0);
	assert_int_equal(event_del(rig_conn(p)->worker->tick_event), 0);
	publish_many(p, 2, 1001);
	assert_int_equal(rig.calls.other, 1000);
	rig.now_ms += 1;
	time_t end = time(NULL) + 20;
	while (rig.calls.other == 1000 && time(NULL) < end)
		rig_round();
	assert_int_equal(rig.calls.other, 1001);
}

static void
nobody_else_waits_for_it(void **state)
{
	(void)state;
	rig.limits.publish_rate = RATE;
	struct peer *p = rig_ready("NOR", 0), *reader = rig_ready("NOR", 0);
	struct peer *other = rig_ready("GBR", 0);
	publish_many(p, 2, RATE + 5);
	assert_int_equal(rig.calls.other, RATE);
	/* of the same party, and of another one */
	rig_ask(reader, MSG_PING, 2);
	assert_int_equal(rig_next_type(reader), MSG_PONG);
	rig_ask(reader, MSG_ACK, 3);
	assert_int_equal(rig_next_type(reader), MSG_PONG);
	publish_many(other, 2, RATE);
	assert_int_equal(rig.calls.other, 2 * RATE + 1);
}

/* Else a connection for each report would be the way around. */
static void
the_first_report_of_a_connection_waits_like_any_other(void **state)
{
	(void)state;
	rig.limits.publish_rate = RATE;
	struct peer *p = rig_ready("NOR", 0), *late = rig_ready("NOR", 0);
	publish_many(p, 2, RATE);
	rig_ask(late, MSG_PING, 2);
	assert_int_equal(rig_next_type(late), MSG_PONG);
	rig_ask(late, MSG_PUBLISH, 3);
	rig_ask(late, MSG_PING, 4); /* comes behind it */
	rig_rounds(6);
	assert_int_equal(rig.calls.other, RATE);
	assert_int_equal(rig_next_type(late), MSG_NONE);
	rig_pass_ms(S / RATE);
	assert_int_equal(rig_next(late)->request, 3);
	assert_int_equal(rig_next(late)->request, 4);
}

static void
connections_of_a_party_go_on_in_the_order_in_which_they_came(void **state)
{
	(void)state;
	struct peer *p[3];
	rig.limits.publish_rate = RATE;
	for (unsigned i = 0; i < 3; i++)
		p[i] = rig_ready("NOR", 0);
	publish_many(p[0], 2, RATE + 2);
	publish_many(p[1], 2, 2);
	publish_many(p[2], 2, 2);
	for (unsigned i = 0; i < RATE; i++)
		assert_int_equal(rig_next_type(p[0]), MSG_PONG);
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(rig_next_type(p[i]), MSG_NONE);
			rig_pass_ms(S / RATE);
			assert_int_equal(rig_next_type(p[i]), MSG_PONG);
		}
	assert_int_equal(rig.calls.other, RATE + 6);
}

static void
who_goes_while_it_waits_leaves_its_place_to_the_next(void **state)
{
	(void)state;
	rig.limits.publish_rate = RATE;
	struct peer *p = rig_ready("NOR", 0), *gone = rig_ready("NOR", 0);
	struct peer *next = rig_ready("NOR", 0);
	publish_many(p, 2, RATE);
	publish_many(gone, 2, 1);
	publish_many(next, 2, 1);
	conn_cut(rig_conn(gone));
	rig_rounds(2);
	rig_pass_ms(S / RATE);
	assert_int_equal(rig_next_type(next), MSG_PONG);
	assert_int_equal(rig.calls.other, RATE + 1);
}

static void
bytes_have_a_rate_too_and_what_waits_is_one_frame(void **state)
{
	(void)state;
	rig.limits.publish_rate_bytes = 4 * MiB;
	struct peer *p = rig_ready("NOR", 0);
	publish_body(p, 2, 4 * MiB - 1000);
	assert_int_equal(rig.calls.other, 1);
	uint8_t frame[4 + LIMIT_FRAME_BYTES];
	struct arena a;
	struct bytes b;
	struct err e = { 0 };
	static uint8_t body[MiB];
	const struct msg_portion portion = { bytes_from(body, 1), bytes_from(body, MiB) };
	const struct msg m = { .request = 3,
		.type = MSG_PUBLISH,
		.publish = { .portions = &portion, .portion_count = 1 } };
	struct frame_writer w;
	arena_init(&a, 16 * MiB);
	assert_true(msg_encode(&m, &a, &b, &e));
	frame_writer_init(&w, b, 0);
	size_t n = frame_writer_next(&w, frame, sizeof(frame));
	rig_write(p, frame, n);
	rig_rounds(6);
	struct conn *c = rig_conn(p);
	assert_true(c->slowed && !conn_may_read(c));
	assert_int_equal(inbox_held(&c->inbox), n);
	assert_int_equal(frame_lanes_held(&c->inbox.lanes), 0);
	rig_pass_ms(249);
	assert_true(c->slowed);
	rig_pass_ms(1);
	assert_false(c->slowed);
	while (!frame_writer_done(&w))
		rig_write(p, frame, frame_writer_next(&w, frame, sizeof(frame)));
	rig_rounds(6);
	assert_int_equal(rig.calls.other, 2);
	arena_done(&a);
}

/* Else small reports would keep a large one waiting for ever. */
static void
what_has_room_waits_behind_what_has_none(void **state)
{
	(void)state;
	rig.limits.publish_rate_bytes = 4 * MiB;
	struct peer *p = rig_ready("NOR", 0), *large = rig_ready("NOR", 0);
	struct peer *small = rig_ready("NOR", 0);
	publish_body(p, 2, 4 * MiB - 1000);
	publish_body(large, 2, 8000);
	publish_many(small, 2, 1);
	assert_int_equal(rig.calls.other, 1);
	rig_pass_ms(2);
	assert_int_equal(rig.calls.other, 3);
}

static void
the_largest_report_may_come_and_is_owed_and_no_deadline_ends_who_waits(void **state)
{
	(void)state;
	rig.limits.publish_rate_bytes = MiB;
	rig.limits.idle_ms = 2000;
	struct peer *p = rig_ready("NOR", 0);
	publish_body(p, 2, 16 * MiB);
	assert_int_equal(rig.calls.other, 1);
	publish_many(p, 3, 1);
	assert_int_equal(rig.calls.other, 1);
	for (unsigned s = 0; s < 15; s++) {
		rig_pass_ms(S);
		assert_int_equal(rig_state(p), CONN_READY);
		assert_int_equal(rig.calls.other, 1);
	}
	rig_pass_ms(S);
	assert_int_equal(rig.calls.other, 2);
	rig_pass_ms(1999); /* its time is its own again from here */
	assert_int_equal(rig_state(p), CONN_READY);
	rig_pass_ms(1);
	assert_int_not_equal(rig_state(p), CONN_READY);
}

/* One that is whole shows itself; so does one of several frames, unless somebody hides it. */
static void
what_does_not_show_itself_in_its_first_frame_counts_as_one_of_the_largest(void **state)
{
	(void)state;
	uint8_t whole[256];
	rig.limits.publish_rate_bytes = MiB;
	struct peer *p = rig_ready("NOR", 0);
	size_t n = rig_frame(MSG_PING, 2, 0, whole, sizeof(whole));
	const uint8_t first[6] = { 0, 0, 0, 2, 0, whole[5] };
	rig_write(p, first, sizeof(first));
	whole[3] = (uint8_t)(n - 4 - 1);
	whole[5] = whole[4]; /* the rest of it: the flags, one byte later */
	const uint8_t length[4] = { 0, 0, 0, whole[3] };
	rig_write(p, length, 4);
	rig_write(p, whole + 5, n - 5);
	assert_int_equal(rig_next_type(p), MSG_PONG);
	rig_ask(p, MSG_PING, 3);
	assert_int_equal(rig_next_type(p), MSG_PONG);
	publish_many(p, 4, 1);
	assert_int_equal(rig.calls.other, 0);
	rig_pass_ms(17 * S);
	assert_int_equal(rig.calls.other, 1);
}

/* A frame of another lane that never ends does not hide one that does. */
static void
a_report_in_one_lane_is_seen_while_another_is_under_way(void **state)
{
	(void)state;
	uint8_t frame[256];
	rig.limits.publish_rate = RATE;
	struct peer *p = rig_ready("NOR", 0);
	publish_many(p, 2, RATE);
	static const uint8_t open[] = { 0, 0, 0, 30, 1, 0x08, 0x02, 0xb2, 0x01, 24 };
	uint8_t begun[34] = { 0 };
	memcpy(begun, open, sizeof(open));
	rig_write(p, begun, sizeof(begun)); /* lane 1, a Ping of some size */
	rig_write(p, frame, rig_frame(MSG_PUBLISH, 100, 0, frame, sizeof(frame)));
	rig_rounds(6);
	assert_int_equal(rig.calls.other, RATE);
	rig_pass_ms(S / RATE);
	assert_int_equal(rig.calls.other, RATE + 1);
}

static void
who_leaves_and_comes_back_owes_what_it_owed(void **state)
{
	(void)state;
	rig.limits.publish_rate = RATE;
	struct peer *p = rig_ready("NOR", 0);
	struct worker *home = rig_conn(p)->worker;
	publish_many(p, 2, RATE);
	conn_cut(rig_conn(p));
	rig_rounds(2);
	assert_int_equal(rig.calls.party_gone, 1);
	p = rig_ready("NOR", 0);
	publish_many(p, 2, 1);
	assert_int_equal(rig.calls.other, RATE);
	rig_pass_ms(S / RATE);
	assert_int_equal(rig.calls.other, RATE + 1);
	conn_cut(rig_conn(p));
	rig_pass_ms(S - 1); /* ..and for that long it is remembered */
	assert_non_null(parties_find(home, bytes_of("NOR")));
	rig_pass_ms(1);
	assert_null(parties_find(home, bytes_of("NOR")));
}

static void
other_rates_count_at_once(void **state)
{
	(void)state;
	static struct letter rules;
	rig.limits.publish_rate = 1;
	rig.limits.publish_rate_bytes = MiB;
	struct peer *p = rig_ready("NOR", 0);
	publish_body(p, 2, 16 * MiB);
	publish_many(p, 3, 20);
	assert_int_equal(rig.calls.other, 1);
	rig.on_rules_rate = 19;
	worker_mail(rig_conn(p)->worker, LETTER_RULES, &rules);
	rig_rounds(6);
	assert_int_equal(rig.calls.other, 1 + 19);
	rig_pass_ms(S / 19 + 1);
	assert_int_equal(rig.calls.other, 1 + 20);
}

static void
when_we_go_down_what_waits_is_answered(void **state)
{
	(void)state;
	rig.limits.publish_rate = RATE;
	struct peer *p = rig_ready("NOR", 0);
	publish_many(p, 2, RATE + 1);
	for (unsigned i = 0; i < RATE; i++)
		assert_int_equal(rig_next_type(p), MSG_PONG);
	conn_drain(rig_conn(p));
	const struct msg *m = rig_next(p);
	assert_int_equal(m->type, MSG_ERROR);
	assert_true(bytes_is(m->error.code, "draining"));
	assert_int_equal(rig_next_type(p), MSG_BYE);
	assert_int_equal(rig.calls.other, RATE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		UP_DOWN(a_party_publishes_a_seconds_worth_at_once_and_then_at_its_rate),
		UP_DOWN(a_report_is_charged_once_though_its_turn_ends_before_it),
		UP_DOWN(a_timer_wakes_who_waits),
		UP_DOWN(nobody_else_waits_for_it),
		UP_DOWN(the_first_report_of_a_connection_waits_like_any_other),
		UP_DOWN(connections_of_a_party_go_on_in_the_order_in_which_they_came),
		UP_DOWN(who_goes_while_it_waits_leaves_its_place_to_the_next),
		UP_DOWN(bytes_have_a_rate_too_and_what_waits_is_one_frame),
		UP_DOWN(what_has_room_waits_behind_what_has_none),
		UP_DOWN(the_largest_report_may_come_and_is_owed_and_no_deadline_ends_who_waits),
		UP_DOWN(what_does_not_show_itself_in_its_first_frame_counts_as_one_of_the_largest),
		UP_DOWN(a_report_in_one_lane_is_seen_while_another_is_under_way),
		UP_DOWN(who_leaves_and_comes_back_owes_what_it_owed),
		UP_DOWN(other_rates_count_at_once),
		UP_DOWN(when_we_go_down_what_waits_is_answered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
