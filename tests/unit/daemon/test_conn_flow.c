/* Windows, marks, lanes: how much may be on its way, and who goes first. */
#include "tests/unit/daemon/io_rig.h"

#define UP_DOWN(test) cmocka_unit_test_setup_teardown(test, rig_up, rig_down)

/* ---- the publish window ---- */

static bool
owes_100(struct conn *c, const struct msg *m, struct arena **a, struct err *e)
{
	(void)m, (void)a, (void)e;
	conn_owes(c, 100);
	return true;
}

static void
ask_many(struct peer *p, uint64_t from, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		rig_ask(p, MSG_WHOAMI, from + i);
	rig_rounds(6);
}

static void
a_peer_at_its_window_is_not_read_from_until_an_answer_went_out(void **state)
{
	(void)state;
	rig.limits.publish_window = 3;
	rig.on_request = owes_100;
	struct peer *p = rig_ready("NOR", 0);
	ask_many(p, 2, 10);
	assert_int_equal(rig.calls.other, 3);
	conn_paid(rig_conn(p), 100);
	rig_rounds(4);
	assert_int_equal(rig.calls.other, 4);
	conn_paid(rig_conn(p), 100);
	conn_paid(rig_conn(p), 100);
	rig_rounds(4);
	assert_int_equal(rig.calls.other, 6);
}

static void
the_window_counts_bytes_too(void **state)
{
	(void)state;
	rig.limits.publish_window_bytes = 300;
	rig.on_request = owes_100;
	struct peer *p = rig_ready("NOR", 0);
	ask_many(p, 2, 10);
	assert_int_equal(rig.calls.other, 3);
	conn_paid(rig_conn(p), 100);
	rig_rounds(4);
	assert_int_equal(rig.calls.other, 4);
}

/* ---- the output mark ---- */

static bool
answers_16_KiB(struct conn *c, const struct msg *m, struct arena **a, struct err *e)
{
	static uint8_t text[16000];
	(void)a;
	memset(text, 'x', sizeof(text));
	const struct msg answer = {
		.request = m->request,
		.type = MSG_STATUS_REPLY,
		.status_reply = { bytes_from(text, sizeof(text)) },
	};
	return conn_send(c, CONN_ANSWER_LANE, &answer, e);
}

static void
a_peer_that_does_not_read_its_answers_is_not_read_from(void **state)
{
	(void)state;
	rig.on_request = answers_16_KiB;
	struct peer *p = rig_ready("NOR", 0);
	p->silent = true; /* asks and asks, and never reads */
	for (unsigned i = 0; i < 200; i++)
		rig_ask(p, MSG_STATUS, 2 + i);
	rig_rounds(50);
	unsigned answered = rig.calls.other;
	assert_true(answered < 100);
	assert_true(rig_conn(p)->outbox.answers > LIMIT_OUTPUT_BYTES);
	assert_true(rig_conn(p)->outbox.answers <= LIMIT_OUTPUT_BYTES + 2 * 16384);
	p->silent = false; /* it reads: all comes, in order */
	for (unsigned i = 0; i < 200; i++) {
		const struct msg *m = rig_next(p);
		assert_int_equal(m->type, MSG_STATUS_REPLY);
		assert_int_equal(m->request, 2 + i);
		assert_int_equal(m->status_reply.json.len, 16000);
	}
}

static void
a_peer_that_never_reads_ends_by_the_idle_deadline(void **state)
{
	(void)state;
	rig.on_request = answers_16_KiB;
	struct peer *p = rig_ready("NOR", 0);
	p->silent = true;
	for (unsigned i = 0; i < 200; i++)
		rig_ask(p, MSG_STATUS, 2 + i);
	rig_rounds(50);
	rig_pass_ms(LIMIT_IDLE_MS);
	assert_int_equal(rig_state(p), CONN_DRAINING);
	rig_pass_ms(LIMIT_LINGER_MS);
	assert_int_equal(rig_state(p), CONN_CLOSED);
}

/* ---- reports ---- */

struct parcel {
	uint8_t *encoded;
	struct bytes message;
	unsigned asked, stop_at; /* stop_at: the question that is answered no; 0 never */
	unsigned done;
	enum stream_end how;
	const struct parcel *other; /* whose questions are counted when this one is done */
	unsigned asked_other;
};

static bool
may_go(void *token, struct conn *c)
{
	struct parcel *p = token;
	assert_non_null(c);
	return ++p->asked != p->stop_at;
}

static void
done(void *token, struct conn *c, enum stream_end how)
{
	struct parcel *p = token;
	assert_non_null(c);
	p->done++;
	p->how = how;
	p->asked_other = p->other == NULL ? 0 : p->other->asked;
}

static void
make_parcel(struct parcel *p, uint64_t request, size_t len)
{
	struct arena a;
	struct bytes b;
	struct err e = { 0 };
	uint8_t *text = calloc(1, len);
	memset(text, 'r', len);
	const struct msg m = {
		.request = request,
		.type = MSG_STATUS_REPLY,
		.status_reply = { bytes_from(text, len) },
	};
	arena_init(&a, 256u << 20);
	assert_true(msg_encode(&m, &a, &b, &e));
	*p = (struct parcel){ .encoded = malloc(b.len) };
	memcpy(p->encoded, b.data, b.len);
	p->message = bytes_from(p->encoded, b.len);
	arena_done(&a);
	free(text);
}

static void
send_parcel(struct peer *peer, unsigned lane, struct parcel *p)
{
	struct err e = { 0 };
	const struct stream s = { p->message, may_go, done, p };
	assert_true(conn_stream_report(rig_conn(peer), lane, &s, &e));
}

static void
a_report_goes_out_in_frames_each_asked_for_and_is_done_once(void **state)
{
	(void)state;
	struct parcel parcel;
	struct peer *p = rig_ready("NOR", 0);
	make_parcel(&parcel, 5, 3 * 65536);
	send_parcel(p, 1, &parcel);
	assert_int_equal(parcel.done, 0); /* never from within the call */
	const struct msg *m = rig_next(p);
	assert_int_equal(m->request, 5);
	assert_int_equal(m->status_reply.json.len, 3 * 65536);
	assert_int_equal(parcel.asked, 13); /* each frame is a record of TLS */
	assert_int_equal(parcel.done, 1);
	assert_int_equal(parcel.how, STREAM_SENT);
	assert_int_equal(rig_metric(METRIC_reports_out), 1);
	free(parcel.encoded);
}

static void
a_report_whose_token_says_no_half_way_ends_in_a_void_frame(void **state)
{
	(void)state;
	struct parcel parcel;
	struct peer *p = rig_ready("NOR", 0);
	make_parcel(&parcel, 5, 3 * 65536);
	parcel.stop_at = 3;
	send_parcel(p, 1, &parcel);
	rig_rounds(10);
	assert_int_equal(parcel.done, 1);
	assert_int_equal(parcel.how, STREAM_VOID);
	assert_int_equal(rig_metric(METRIC_reports_void), 1);
	/* two frames and the void one; the lane is free for the next message */
	assert_int_equal(p->in_len, 2 * PUMP_RECORD + 5);
	assert_memory_equal(p->in + 2 * PUMP_RECORD, "\x00\x00\x00\x01\x41", 5);
	rig_ask(p, MSG_PING, 2);
	assert_int_equal(rig_next_type(p), MSG_PONG);
	free(parcel.encoded);
}

static void
a_report_whose_token_says_no_at_once_leaves_no_trace(void **state)
{
	(void)state;
	struct parcel parcel;
	struct peer *p = rig_ready("NOR", 0);
	make_parcel(&parcel, 5, 1000);
	parcel.stop_at = 1;
	send_parcel(p, 1, &parcel);
	rig_rounds(10);
	assert_int_equal(parcel.how, STREAM_VOID);
	assert_int_equal(p->in_len, 0);
	free(parcel.encoded);
}

/* Queued again when they are looked at again; what was stopped first is first again. */
static void
what_waits_behind_a_report_that_is_stopped_does_not_overtake_it(void **state)
{
	(void)state;
	struct parcel first, second, other;
	struct peer *p = rig_ready("NOR", 0);
	make_parcel(&first, 5, 3 * 65536);
	make_parcel(&second, 6, 1000);
	make_parcel(&other, 7, 1000);
	first.stop_at = 2;
	second.other = &first;
	send_parcel(p, 1, &first);
	rig_ask(p, MSG_PING, 2); /* an answer is no report */
	send_parcel(p, 1, &second);
	send_parcel(p, 0, &other);
	const struct msg *m = rig_next(p);
	while (m->type == MSG_PONG)
		m = rig_next(p);
	assert_int_equal(m->request, 7); /* another lane goes on */
	assert_int_equal(first.how, STREAM_VOID);
	assert_int_equal(second.how, STREAM_VOID);
	assert_int_equal(second.asked, 0);
	assert_int_equal(rig_metric(METRIC_reports_void), 2);
	free(first.encoded);
	free(second.encoded);
	free(other.encoded);
}

static void
a_report_is_not_asked_for_before_the_socket_takes_it(void **state)
{
	(void)state;
	struct parcel parcel;
	struct peer *p = rig_ready("NOR", 0);
	make_parcel(&parcel, 5, 16u << 20);
	p->silent = true;
	send_parcel(p, 0, &parcel);
	rig_rounds(50);
	unsigned asked = parcel.asked;
	assert_true(asked < 120); /* what the kernel holds, and one record */
	parcel.stop_at = asked + 1;
	p->silent = false; /* the policy changed meanwhile: not one frame more */
	rig_rounds(50);
	assert_int_equal(parcel.how, STREAM_VOID);
	assert_int_equal(p->in_len, asked * PUMP_RECORD + 5);
	free(parcel.encoded);
}

/* Its last word would come behind a record that TLS has begun. */
static void
whoever_is_shut_out_while_it_does_not_read_is_cut_off(void **state)
{
	(void)state;
	struct parcel parcel;
	struct peer *p = rig_ready("NOR", 0), *reads = rig_ready("GBR", 0);
	const struct complaint why = { .code = ERR_SHUT_OUT };
	make_parcel(&parcel, 5, 16u << 20);
	p->silent = true;
	send_parcel(p, 0, &parcel);
	rig_rounds(50);
	assert_true(pump_has_begun(&rig_conn(p)->pump));
	conn_last_word(rig_conn(p), 0, &why);
	assert_int_equal(rig_state(p), CONN_CLOSED);
	assert_int_equal(parcel.how, STREAM_GONE);
	conn_last_word(rig_conn(reads), 0, &why);
	assert_true(rig_ends_with(reads, ERR_SHUT_OUT));
	free(parcel.encoded);
}

static void
a_flash_waits_for_one_frame_of_a_routine_at_most(void **state)
{
	(void)state;
	struct parcel routine, flash;
	struct peer *p = rig_ready("NOR", 0);
	make_parcel(&routine, 5, 8u << 20);
	make_parcel(&flash, 6, 100000);
	p->silent = true;
	send_parcel(p, 0, &routine);
	rig_rounds(20);
	assert_true(routine.asked > 0 && routine.done == 0);
	assert_int_equal(conn_room(rig_conn(p), 0), 0);
	assert_true(conn_room(rig_conn(p), 3) > 0); /* a lane below does not count */
	unsigned before = routine.asked;
	flash.other = &routine;
	send_parcel(p, 3, &flash);
	p->silent = false;
	const struct msg *m = rig_next(p);
	assert_int_equal(m->request, 6);
	assert_int_equal(flash.asked_other, before);
	m = rig_next(p);
	assert_int_equal(m->request, 5);
	assert_int_equal(m->status_reply.json.len, 8u << 20);
	free(routine.encoded);
	free(flash.encoded);
}

static void
a_report_on_its_way_when_the_connection_ends_is_given_back(void **state)
{
	(void)state;
	struct parcel begun, waiting;
	struct peer *p = rig_ready("NOR", 0);
	make_parcel(&begun, 5, 8u << 20);
	make_parcel(&waiting, 6, 100);
	p->silent = true;
	send_parcel(p, 0, &begun);
	send_parcel(p, 0, &waiting);
	rig_rounds(10);
	conn_cut(rig_conn(p));
	assert_int_equal(begun.done, 1);
	assert_int_equal(begun.how, STREAM_GONE);
	assert_int_equal(waiting.done, 1);
	assert_int_equal(waiting.how, STREAM_GONE);
	assert_int_equal(waiting.asked, 0);
	rig_rounds(2);
	assert_int_equal(rig.calls.gone, 1);
	free(begun.encoded);
	free(waiting.encoded);
}

static void
an_error_in_the_middle_of_a_report_voids_it_and_is_readable(void **state)
{
	(void)state;
	struct parcel parcel;
	struct peer *p = rig_ready("NOR", 0);
	make_parcel(&parcel, 5, 8u << 20);
	p->silent = true;
	send_parcel(p, CONN_ANSWER_LANE, &parcel);
	rig_rounds(20);
	rig_ask(p, MSG_PONG, 2);
	rig_rounds(4);
	assert_int_equal(parcel.how, STREAM_GONE);
	p->silent = false;
	assert_true(rig_ends_with(p, ERR_OUT_OF_TURN));
	free(parcel.encoded);
}

static void
no_report_begins_on_a_connection_that_ends(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct parcel parcel;
	struct peer *p = rig_ready("NOR", 0);
	make_parcel(&parcel, 5, 100);
	conn_owes(rig_conn(p), 1);
	conn_drain(rig_conn(p));
	const struct stream s = { parcel.message, may_go, done, &parcel };
	assert_int_equal(conn_room(rig_conn(p), 0), 0);
	assert_false(conn_stream_report(rig_conn(p), 0, &s, &e));
	assert_int_equal(parcel.done, 0);
	free(parcel.encoded);
}

/* ---- room ---- */

static unsigned to_send;
static struct parcel stock[64];

static void
send_more(struct conn *c)
{
	struct err e = { 0 };
	while (to_send > 0 && conn_room(c, 3) > 0) {
		struct parcel *p = &stock[--to_send];
		const struct stream s = { p->message, may_go, done, p };
		assert_true(conn_stream_report(c, 3, &s, &e));
	}
	if (to_send > 0)
		conn_want_room(c);
}

static void
on_room_again(struct conn *c)
{
	assert_true(conn_room(c, LIMIT_LANES - 1) > 0);
	send_more(c);
}

static void
deliveries_are_pulled_only_while_there_is_room(void **state)
{
	(void)state;
	struct peer *p = rig_ready("NOR", 0);
	for (unsigned i = 0; i < 64; i++)
		make_parcel(&stock[i], 64 - i, 50000);
	to_send = 64;
	rig.room = on_room_again;
	p->silent = true;
	send_more(rig_conn(p));
	assert_int_equal(to_send, 62); /* two fill the mark */
	rig_rounds(30);
	assert_true(to_send > 40); /* the kernel took some, the rest waits in the store */
	p->silent = false;
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(rig_next(p)->request, i + 1);
	assert_true(rig.calls.room > 10);
	for (unsigned i = 0; i < 64; i++)
		free(stock[i].encoded);
}

/* ---- large messages, fairness ---- */

static void
send_status_like(struct peer *p, unsigned lane, size_t len)
{
	/* a Publish whose one portion has a body of this size */
	uint8_t *body = calloc(1, len);
	const struct msg_portion portion = { bytes_of("h"), bytes_from(body, len) };
	const struct msg m = {
		.request = 2,
		.type = MSG_PUBLISH,
		.publish = {
			.manifest = bytes_of("m"),
			.routing = bytes_of("r"),
			.seal = bytes_of("s"),
			.portions = &portion,
			.portion_count = 1,
		},
	};
	rig_send(p, lane, &m);
	free(body);
}

static size_t body_len;

static bool
looks_at_body(struct conn *c, const struct msg *m, struct arena **a, struct err *e)
{
	(void)a;
	body_len = m->type == MSG_PUBLISH ? m->publish.portions[0].body.len : 0;
	const struct msg answer = { .request = m->request, .type = MSG_PONG };
	return conn_send(c, CONN_ANSWER_LANE, &answer, e);
}

static void
a_message_of_16_MiB_arrives_whole(void **state)
{
	(void)state;
	rig.on_request = looks_at_body;
	struct peer *p = rig_ready("NOR", 0);
	send_status_like(p, 0, 16u << 20);
	assert_int_equal(rig_next_type(p), MSG_PONG);
	assert_int_equal(body_len, 16u << 20);
	assert_null(rig_conn(p)->inbox.data); /* nothing is kept of it */
}

static void
a_message_past_17_MiB_is_a_breach(void **state)
{
	(void)state;
	static uint8_t frame[4 + LIMIT_FRAME_BYTES] = { 0, 1, 0, 0, 0 };
	struct peer *p = rig_ready("NOR", 0);
	for (unsigned i = 0; i < LIMIT_MESSAGE_BYTES / (LIMIT_FRAME_BYTES - 1); i++)
		rig_write(p, frame, sizeof(frame));
	rig_rounds(10);
	assert_int_equal(rig_state(p), CONN_READY);
	rig_write(p, frame, sizeof(frame));
	assert_true(rig_ends_with(p, ERR_LIMIT));
}

static void
lanes_come_together_however_they_interleave(void **state)
{
	(void)state;
	uint8_t frames[4][64], piece[64];
	size_t len[4], at[4] = { 5, 5, 5, 5 };
	struct peer *p = rig_ready("NOR", 0);
	for (unsigned lane = 0; lane < 4; lane++)
		len[lane] = rig_frame(MSG_EXPLAIN, 10 + lane, lane, frames[lane], 64);
	/* one byte a frame, round and round */
	for (bool more = true; more;) {
		more = false;
		for (unsigned lane = 0; lane < 4; lane++) {
			if (at[lane] == len[lane])
				continue;
			bool last = at[lane] + 1 == len[lane];
			put_u32(piece, 2);
			piece[4] = (uint8_t)(lane | (last ? 0x80 : 0));
			piece[5] = frames[lane][at[lane]++];
			rig_write(p, piece, 6);
			more = true;
		}
	}
	for (unsigned lane = 0; lane < 4; lane++)
		assert_int_equal(rig_next(p)->request, 10 + lane);
}

static void
a_void_frame_throws_away_what_came_of_its_lane_alone(void **state)
{
	(void)state;
	struct peer *p = rig_ready("NOR", 0);
	uint8_t f[64];
	size_t n = rig_frame(MSG_EXPLAIN, 9, 2, f, sizeof(f));
	f[4] = 2; /* not the last */
	rig_write(p, f, n);
	n = rig_frame(MSG_EXPLAIN, 8, 1, f, sizeof(f));
	uint8_t head[6] = { 0, 0, 0, 2, 1, f[5] };
	rig_write(p, head, 6);
	rig_write(p, "\x00\x00\x00\x01\x42", 5); /* lane 2 is void */
	f[4 + 1] = f[4];			 /* the rest of lane 1 */
	put_u32(f + 1, (uint32_t)(n - 5));
	rig_write(p, f + 1, n - 1);
	assert_int_equal(rig_next(p)->request, 8);
	rig_ask(p, MSG_PING, 9);
	assert_int_equal(rig_next_type(p), MSG_PONG);
	assert_int_equal(rig.calls.other, 1);
}

static void
a_peer_that_floods_does_not_keep_the_others_waiting(void **state)
{
	(void)state;
	struct peer *flood = rig_ready("NOR", 0), *quiet = rig_ready("NOR", 1);
	struct worker *w = rig_conn(flood)->worker;
	assert_ptr_equal(w, rig_conn(quiet)->worker);
	static uint8_t many[150000];
	size_t n = 0;
	for (uint64_t r = 2; n + 64 < sizeof(many); r++)
		n += rig_frame(MSG_EXPLAIN, r, 0, many + n, sizeof(many) - n);
	flood->silent = true;
	for (size_t at = 0; at < n;) {
		size_t len = n - at < 16384 ? n - at : 16384, sent = 0;
		if (SSL_write_ex(flood->ssl, many + at, len, &sent) != 1)
			break;
		at += sent;
	}
	rig_ask(quiet, MSG_PING, 2);
	rig.tick_us = 10; /* a message takes as long as a look at the clock or two */
	worker_round(w);
	unsigned taken = rig.calls.other;
	assert_true(taken > 0 && taken <= LIMIT_TURN_US / 10);
	worker_round(w);
	assert_int_equal(rig_next_type(quiet), MSG_PONG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		UP_DOWN(a_peer_at_its_window_is_not_read_from_until_an_answer_went_out),
		UP_DOWN(the_window_counts_bytes_too),
		UP_DOWN(a_peer_that_does_not_read_its_answers_is_not_read_from),
		UP_DOWN(a_peer_that_never_reads_ends_by_the_idle_deadline),
		UP_DOWN(a_report_goes_out_in_frames_each_asked_for_and_is_done_once),
		UP_DOWN(a_report_whose_token_says_no_half_way_ends_in_a_void_frame),
		UP_DOWN(a_report_whose_token_says_no_at_once_leaves_no_trace),
		UP_DOWN(what_waits_behind_a_report_that_is_stopped_does_not_overtake_it),
		UP_DOWN(a_report_is_not_asked_for_before_the_socket_takes_it),
		UP_DOWN(whoever_is_shut_out_while_it_does_not_read_is_cut_off),
		UP_DOWN(a_flash_waits_for_one_frame_of_a_routine_at_most),
		UP_DOWN(a_report_on_its_way_when_the_connection_ends_is_given_back),
		UP_DOWN(an_error_in_the_middle_of_a_report_voids_it_and_is_readable),
		UP_DOWN(no_report_begins_on_a_connection_that_ends),
		UP_DOWN(deliveries_are_pulled_only_while_there_is_room),
		UP_DOWN(a_message_of_16_MiB_arrives_whole),
		UP_DOWN(a_message_past_17_MiB_is_a_breach),
		UP_DOWN(lanes_come_together_however_they_interleave),
		UP_DOWN(a_void_frame_throws_away_what_came_of_its_lane_alone),
		UP_DOWN(a_peer_that_floods_does_not_keep_the_others_waiting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
