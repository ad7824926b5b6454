/* What a lane keeps of a connection while those above it are flooded. */
#include "tests/unit/daemon/io_rig.h"

#include "proto/frame.h"

/* Reports of zeros, as long as the test says. */
static uint8_t zeros[2 << 20];
static unsigned ended;

static bool
may_go(void *token, struct conn *c)
{
	(void)token, (void)c;
	return true;
}

static void
done(void *token, struct conn *c, enum stream_end how)
{
	(void)token, (void)c, (void)how;
	ended++;
}

static void
queue(struct peer *p, unsigned lane, size_t len)
{
	struct err e = { 0 };
	const struct stream s = { bytes_from(zeros, len), may_go, done, NULL };
	assert_true(conn_stream_report(rig_conn(p), lane, &s, &e));
}

/* The next frame that came: its lane and length; false if there is none. */
static bool
next_frame(const struct peer *p, size_t *at, unsigned *lane, size_t *len)
{
	if (p->in_len < *at + FRAME_HEAD_BYTES)
		return false;
	const uint8_t *in = p->in + *at;
	*len = 4 + ((size_t)in[0] << 24 | (size_t)in[1] << 16 | (size_t)in[2] << 8 | in[3]);
	*lane = in[4] & 3;
	*at += *len;
	return true;
}

static void
under_a_flood_each_lane_below_has_a_sixteenth_at_any_time(void **state)
{
	(void)state;
	struct peer *p = rig_ready("NOR", 0);
	size_t below[3] = { sizeof(zeros), sizeof(zeros), 0 }, sum[LIMIT_LANES] = { 0 };
	for (unsigned lane = 0; lane < 2; lane++)
		queue(p, lane, below[lane]);
	for (unsigned i = 0; i < 200; i++) {
		queue(p, 2, 1000);
		queue(p, 3, 20000);
	}
	rig_rounds(400);
	assert_int_equal(ended, 402);
	size_t at = 0, len = 0, flood = 0;
	for (unsigned lane; flood < 200 * 20000u && next_frame(p, &at, &lane, &len);) {
		sum[lane] += len;
		flood += lane == 3 ? len - FRAME_HEAD_BYTES : 0;
		/* one frame may be owed, and one frame may have come early */
		for (unsigned low = 0; low < 2; low++) {
			size_t past = sum[3] + sum[2] + (low == 0 ? sum[1] : 0);
			size_t owed = past / (LIMIT_AGING_FLOOR - 1);
			assert_true(sum[low] + PUMP_RECORD >= owed);
			assert_true(sum[low] <= owed + 2 * PUMP_RECORD);
		}
	}
	assert_true(sum[2] >= sum[3] / 20); /* small ones too */
}

static void
what_an_answer_must_come_before_does_not_overtake_it(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct peer *p = rig_ready("NOR", 0);
	char text[3000];
	memset(text, 'c', sizeof(text));
	const struct msg chain = { .type = MSG_STATUS_REPLY,
		.request = 9,
		.status_reply = { bytes_from(text, sizeof(text)) } };
	queue(p, 0, 100); /* waits while a flood passes.. */
	queue(p, 3, 300000);
	assert_true(conn_send(rig_conn(p), 3, &chain, &e));
	queue(p, 0, 100); /* ..and this may go only after the answer */
	rig_rounds(60);
	assert_int_equal(ended, 3);
	size_t at = 0, len = 0;
	bool answered = false;
	unsigned short_ones = 0;
	for (unsigned lane; next_frame(p, &at, &lane, &len);) {
		answered = answered || (lane == 3 && len > 3000 && len < 3100);
		short_ones += lane == 0;
		assert_true(lane != 0 || short_ones == 1 || answered);
	}
	assert_int_equal(short_ones, 2);
}

static void
each_lane_has_room_of_its_own(void **state)
{
	(void)state;
	struct peer *p = rig_ready("NOR", 0);
	p->silent = true;
	queue(p, 3, LIMIT_OUTPUT_BYTES - 1);
	assert_int_equal(conn_room(rig_conn(p), 3), 1);
	queue(p, 3, 1);
	assert_int_equal(conn_room(rig_conn(p), 3), 0);
	for (unsigned lane = 0; lane < 3; lane++)
		assert_int_equal(conn_room(rig_conn(p), lane), LIMIT_OUTPUT_BYTES);
}

static int
up(void **state)
{
	ended = 0;
	return rig_up(state);
}

#define UP_DOWN(test) cmocka_unit_test_setup_teardown(test, up, rig_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		UP_DOWN(under_a_flood_each_lane_below_has_a_sixteenth_at_any_time),
		UP_DOWN(what_an_answer_must_come_before_does_not_overtake_it),
		UP_DOWN(each_lane_has_room_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
