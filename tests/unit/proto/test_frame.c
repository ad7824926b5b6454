#include "proto/frame.h"
#include "tests/lib/test.h"

static uint8_t wire[1 << 20];

/* Writes one frame as it comes, well-formed or not. */
static size_t
raw_frame(uint8_t *to, uint32_t length, uint8_t flags, const char *text)
{
	size_t n = strlen(text);
	put_u32(to, length);
	to[4] = flags;
	memcpy(to + 5, text, n);
	return 5 + n;
}

static enum frame_result
scan(size_t n, struct frame *f, struct err *e)
{
	*e = (struct err){ 0 };
	return frame_scan(bytes_from(wire, n), LIMIT_FRAME_BYTES, f, NULL, e);
}

static void
a_frame_is_whole_only_when_its_last_byte_is_there(void **state)
{
	(void)state;
	struct err e;
	struct frame f;
	size_t n = raw_frame(wire, 6, 0x82, "hello"), need = 0;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(scan(i, &f, &e), FRAME_MORE);
	assert_int_equal(
	    frame_scan(bytes_from(wire, 3), LIMIT_FRAME_BYTES, &f, &need, &e), FRAME_MORE);
	assert_int_equal(need, FRAME_HEAD_BYTES);
	assert_int_equal(
	    frame_scan(bytes_from(wire, 4), LIMIT_FRAME_BYTES, &f, &need, &e), FRAME_MORE);
	assert_int_equal(need, n);
	assert_int_equal(scan(n, &f, &e), FRAME_WHOLE);
	assert_int_equal(f.lane, 2);
	assert_true(f.last);
	assert_false(f.voided);
	assert_true(bytes_is(f.body, "hello"));
	assert_int_equal(f.size, n);
}

static void
a_length_past_the_limit_is_refused_from_its_four_bytes_alone(void **state)
{
	(void)state;
	struct err e;
	struct frame f;
	put_u32(wire, LIMIT_FRAME_BYTES);
	assert_int_equal(scan(4, &f, &e), FRAME_MORE);
	put_u32(wire, LIMIT_FRAME_BYTES + 1);
	assert_int_equal(scan(4, &f, &e), FRAME_BAD);
	assert_int_equal(e.code, ERR_PROTOCOL);
	assert_string_equal(e.text, "a frame of 65537 bytes, not at most 65536");
	put_u32(wire, UINT32_MAX);
	assert_int_equal(scan(4, &f, &e), FRAME_BAD);
	put_u32(wire, LIMIT_HELLO_BYTES + 1);
	assert_int_equal(
	    frame_scan(bytes_from(wire, 4), LIMIT_HELLO_BYTES, &f, NULL, &e), FRAME_BAD);
	assert_int_equal(e.code, ERR_LIMIT);
}

static void
flags_that_mean_nothing_are_refused(void **state)
{
	(void)state;
	struct err e;
	struct frame f;
	for (unsigned flags = 0; flags < 256; flags++) {
		size_t n = raw_frame(wire, (flags & 0x40) != 0 ? 1 : 2, (uint8_t)flags, "x");
		bool good = (flags & 0x3c) == 0 && (flags & 0xc0) != 0xc0;
		assert_int_equal(scan(n, &f, &e), good ? FRAME_WHOLE : FRAME_BAD);
		if (!good)
			assert_non_null(strstr(e.text, "frame flags 0x"));
	}
}

static void
only_a_void_frame_is_empty_and_it_is_nothing_else(void **state)
{
	(void)state;
	struct err e;
	struct frame f;
	raw_frame(wire, 0, 0x80, "");
	assert_int_equal(scan(4, &f, &e), FRAME_BAD);
	assert_string_equal(e.text, "a frame without its flags");
	raw_frame(wire, 1, 0x00, "");
	assert_int_equal(scan(5, &f, &e), FRAME_BAD);
	assert_string_equal(e.text, "a frame without bytes");
	raw_frame(wire, 1, 0x80, ""); /* an empty message: for its reader to refuse */
	assert_int_equal(scan(5, &f, &e), FRAME_WHOLE);
	assert_non_null(f.body.data);
	raw_frame(wire, 2, 0x40, "x");
	assert_int_equal(scan(6, &f, &e), FRAME_BAD);
	assert_string_equal(e.text, "a void frame with bytes");
}

/* Feeds n bytes of 'wire' frame by frame; the last message that came out is copied to 'got'. */
static bool
feed(struct frame_lanes *l, size_t n, char *got, struct err *e)
{
	struct bytes rest = bytes_from(wire, n), message;
	struct frame f;
	got[0] = 0;
	while (rest.len != 0) {
		if (frame_scan(rest, LIMIT_FRAME_BYTES, &f, NULL, e) != FRAME_WHOLE ||
		    !frame_lanes_take(l, &f, &message, e))
			return false;
		if (message.data != NULL) {
			memcpy(got, message.data, message.len);
			got[message.len] = 0;
		}
		rest.data += f.size;
		rest.len -= f.size;
	}
	return true;
}

static void
lanes_interleave_and_each_keeps_its_own_message(void **state)
{
	(void)state;
	char got[64];
	struct err e;
	SCOPED(frame_lanes_done) struct frame_lanes l;
	frame_lanes_init(&l, 100, 200);
	size_t n = raw_frame(wire, 4, 0x00, "rou");
	n += raw_frame(wire + n, 6, 0x83, "flash");
	assert_true(feed(&l, n, got, &e));
	assert_string_equal(got, "flash");
	assert_true(frame_lanes_inside(&l));
	n = raw_frame(wire, 5, 0x80, "tine");
	assert_true(feed(&l, n, got, &e));
	assert_string_equal(got, "routine");
	assert_false(frame_lanes_inside(&l));
}

static void
a_void_frame_throws_the_message_so_far_away(void **state)
{
	(void)state;
	char got[64];
	struct err e;
	SCOPED(frame_lanes_done) struct frame_lanes l;
	frame_lanes_init(&l, 100, 200);
	size_t n = raw_frame(wire, 4, 0x01, "old");
	n += raw_frame(wire + n, 1, 0x41, "");
	n += raw_frame(wire + n, 4, 0x81, "new");
	assert_true(feed(&l, n, got, &e));
	assert_string_equal(got, "new");
	n = raw_frame(wire, 1, 0x41, "");
	assert_true(feed(&l, n, got, &e)); /* between messages it says nothing */
	assert_string_equal(got, "");
}

static void
a_message_may_be_as_long_as_the_limit_and_no_longer(void **state)
{
	(void)state;
	char got[64];
	struct err e;
	SCOPED(frame_lanes_done) struct frame_lanes l;
	frame_lanes_init(&l, 6, 12);
	size_t n = raw_frame(wire, 4, 0, "abc");
	n += raw_frame(wire + n, 4, 0x80, "def");
	assert_true(feed(&l, n, got, &e));
	assert_string_equal(got, "abcdef");
	n = raw_frame(wire, 4, 0, "abc");
	n += raw_frame(wire + n, 5, 0x80, "defg");
	assert_false(feed(&l, n, got, &e));
	assert_int_equal(e.code, ERR_LIMIT);
	assert_string_equal(e.text, "a message of more than 6 bytes");
	n = raw_frame(wire, 8, 0x81, "abcdefg");
	assert_false(feed(&l, n, got, &e));
}

static void
all_lanes_together_are_bounded_too(void **state)
{
	(void)state;
	char got[64];
	struct err e;
	SCOPED(frame_lanes_done) struct frame_lanes l;
	frame_lanes_init(&l, 6, 9);
	size_t n = raw_frame(wire, 6, 0, "abcde");
	n += raw_frame(wire + n, 5, 1, "abcd");
	assert_true(feed(&l, n, got, &e));
	n = raw_frame(wire, 2, 2, "a");
	assert_false(feed(&l, n, got, &e));
	assert_int_equal(e.code, ERR_LIMIT);
	assert_string_equal(e.text, "unfinished messages of more than 9 bytes");
}

static void
what_the_writer_cuts_the_lanes_put_together(void **state)
{
	(void)state;
	static uint8_t message[300000];
	struct err e;
	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)(i * 7);
	for (size_t room = 6; room < 400000; room = room * 3 + 1) {
		SCOPED(frame_lanes_done) struct frame_lanes l;
		struct frame_writer w;
		struct bytes out = { NULL, 0 };
		frame_lanes_init(&l, sizeof(message), sizeof(message));
		size_t whole = room < 1000 ? 1000 : sizeof(message);
		frame_writer_init(&w, bytes_from(message, whole), 3);
		while (!frame_writer_done(&w)) {
			struct frame f;
			size_t n = frame_writer_next(&w, wire, room);
			assert_true(n != 0 && n <= room && n <= 4 + LIMIT_FRAME_BYTES);
			assert_int_equal(
			    frame_scan(bytes_from(wire, n), LIMIT_FRAME_BYTES, &f, NULL, &e),
			    FRAME_WHOLE);
			assert_int_equal(f.last, frame_writer_done(&w));
			assert_true(frame_lanes_take(&l, &f, &out, &e));
		}
		assert_true(bytes_equal(out, bytes_from(message, whole)));
		assert_int_equal(frame_writer_next(&w, wire, room), 0);
	}
}

static void
a_writer_without_room_waits(void **state)
{
	(void)state;
	struct frame_writer w;
	frame_writer_init(&w, bytes_of("ab"), 0);
	assert_int_equal(frame_writer_next(&w, wire, FRAME_HEAD_BYTES), 0);
	assert_int_equal(frame_writer_next(&w, wire, FRAME_HEAD_BYTES + 1), 6);
	assert_false(frame_writer_done(&w));
}

static void
a_message_is_voided_only_in_its_middle(void **state)
{
	(void)state;
	uint8_t out[FRAME_HEAD_BYTES];
	struct frame_writer w;
	struct frame f;
	struct err e;
	frame_writer_init(&w, bytes_of("abc"), 2);
	assert_int_equal(frame_writer_void(&w, out), 0);
	assert_true(frame_writer_done(&w));
	frame_writer_init(&w, bytes_of("abc"), 2);
	assert_int_equal(frame_writer_next(&w, wire, 6), 6);
	assert_int_equal(frame_writer_void(&w, out), FRAME_HEAD_BYTES);
	assert_int_equal(
	    frame_scan(bytes_from(out, sizeof(out)), LIMIT_FRAME_BYTES, &f, NULL, &e), FRAME_WHOLE);
	assert_true(f.voided && f.lane == 2 && !f.last);
	assert_true(frame_writer_done(&w));
	assert_int_equal(frame_writer_void(&w, out), 0);
}

static void
a_message_of_several_frames_is_given_up_when_it_was_handled(void **state)
{
	(void)state;
	struct frame_lanes l;
	struct bytes whole;
	struct err e = { 0 };
	const struct frame part = { .lane = 1, .body = bytes_of("half") };
	const struct frame last = { .lane = 1, .last = true, .body = bytes_of("half") };
	const struct frame other = { .lane = 2, .body = bytes_of("begun") };
	frame_lanes_init(&l, 1000, 1000);
	assert_true(frame_lanes_take(&l, &other, &whole, &e));
	assert_true(frame_lanes_take(&l, &part, &whole, &e));
	assert_true(frame_lanes_take(&l, &last, &whole, &e));
	assert_true(bytes_is(whole, "halfhalf"));
	assert_int_equal(frame_lanes_held(&l), 8 + 5);
	frame_lanes_settle(&l);
	assert_int_equal(frame_lanes_held(&l), 5);
	assert_true(frame_lanes_inside(&l));
	frame_lanes_done(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_of_several_frames_is_given_up_when_it_was_handled),
		cmocka_unit_test(a_frame_is_whole_only_when_its_last_byte_is_there),
		cmocka_unit_test(a_length_past_the_limit_is_refused_from_its_four_bytes_alone),
		cmocka_unit_test(flags_that_mean_nothing_are_refused),
		cmocka_unit_test(only_a_void_frame_is_empty_and_it_is_nothing_else),
		cmocka_unit_test(lanes_interleave_and_each_keeps_its_own_message),
		cmocka_unit_test(a_void_frame_throws_the_message_so_far_away),
		cmocka_unit_test(a_message_may_be_as_long_as_the_limit_and_no_longer),
		cmocka_unit_test(all_lanes_together_are_bounded_too),
		cmocka_unit_test(what_the_writer_cuts_the_lanes_put_together),
		cmocka_unit_test(a_writer_without_room_waits),
		cmocka_unit_test(a_message_is_voided_only_in_its_middle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
