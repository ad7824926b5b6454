/* What may be said when: states, messages, frames, requests (K1). */
#include "tests/unit/daemon/io_rig.h"

#include "daemon/dispatch.h"
#include "proto/frame.h"

#include <unistd.h>

#define UP_DOWN(test) cmocka_unit_test_setup_teardown(test, rig_up, rig_down)

static void
a_partner_shakes_hands_says_hello_and_is_answered(void **state)
{
	(void)state;
	struct peer *p = rig_ready("NOR", 0);
	rig_ask(p, MSG_WHOAMI, 2);
	const struct msg *m = rig_next(p);
	assert_int_equal(m->type, MSG_PONG);
	assert_int_equal(m->request, 2);
	assert_int_equal(rig.calls.hello, 1);
	assert_int_equal(rig.calls.other, 1);
	assert_string_equal(rig_conn(p)->peer->party, "NOR");
	assert_string_equal(rig_conn(p)->party->name, "NOR");
}

/* ---- the table, written a second time ---- */

enum { H = 1, R = 2, D = 4 };
static const struct {
	enum msg_type type;
	unsigned legal, refused;
} cells[] = {
	{ MSG_NONE, 0, 0 },
	{ MSG_HELLO, H, D },
	{ MSG_PUBLISH, R, D },
	{ MSG_SUBSCRIBE, R, D },
	{ MSG_ACK, R | D, 0 },
	{ MSG_EXPLAIN, R, D },
	{ MSG_WHOAMI, R, D },
	{ MSG_AUDIT_LIST, R, D },
	{ MSG_AUDIT_PULL, R, D },
	{ MSG_ATTEST, R, D },
	{ MSG_STATUS, R, D },
	{ MSG_RELOAD, R, D },
	{ MSG_ACCEPT_CLOCK, R, D },
	{ MSG_PING, R | D, 0 },
	{ MSG_BYE, H | R | D, 0 },
	{ MSG_HOLDS, R, D },
	{ MSG_DECIDE, R, D },
	{ MSG_PROVE, R, D },
	{ MSG_BACKUP, R, D },
	{ MSG_ERASE, R, D },
	{ MSG_NACK, R | D, 0 },
	{ MSG_SUBSCRIPTIONS, R, D },
	{ MSG_DEAD_LETTERS, R, D },
	{ MSG_RECALL_ANSWER, R, D },
	{ MSG_FEEDBACK, R, D },
	{ MSG_RECALL_STATUS, R, D },
	{ MSG_FEEDBACK_STATUS, R, D },
	{ MSG_SESSIONS, R, D },
	{ MSG_DRAIN, R, D },
	{ MSG_WELCOME, 0, 0 },
	{ MSG_HEADS, 0, 0 },
	{ MSG_RECEIPT, 0, 0 },
	{ MSG_SUBSCRIBED, 0, 0 },
	{ MSG_SIGNER, 0, 0 },
	{ MSG_DELIVER, 0, 0 },
	{ MSG_EXPLANATION, 0, 0 },
	{ MSG_IDENTITY, 0, 0 },
	{ MSG_AUDIT_PART, 0, 0 },
	{ MSG_STATUS_REPLY, 0, 0 },
	{ MSG_ERROR, 0, 0 },
	{ MSG_PONG, 0, 0 },
	{ MSG_HOLD_LIST, 0, 0 },
	{ MSG_DECIDED, 0, 0 },
	{ MSG_PROOF_LIST, 0, 0 },
	{ MSG_PROGRESS, 0, 0 },
	{ MSG_SUBSCRIPTION_LIST, 0, 0 },
	{ MSG_DEAD_LETTER_LIST, 0, 0 },
	{ MSG_RECALL_STATUS_REPLY, 0, 0 },
	{ MSG_FEEDBACK_STATUS_REPLY, 0, 0 },
};
_Static_assert(sizeof(cells) / sizeof(cells[0]) == MSG_COUNT, "a row for every message");

static enum dispatch_verdict
expected(enum conn_state s, size_t row)
{
	unsigned bit = s == CONN_HELLO ? H : s == CONN_READY ? R : s == CONN_DRAINING ? D : 0;
	if ((cells[row].legal & bit) != 0)
		return DISPATCH_LEGAL;
	return (cells[row].refused & bit) != 0 ? DISPATCH_REFUSED : DISPATCH_BREACH;
}

static void
every_message_in_every_state_has_its_answer(void **state)
{
	(void)state;
	for (size_t row = 0; row < MSG_COUNT; row++) {
		for (enum conn_state s = 0; s < CONN_STATE_COUNT; s++)
			assert_int_equal(dispatch_judge(s, cells[row].type), expected(s, row));
	}
}

static bool
is_plain(enum msg_type t)
{
	return t != MSG_NONE && t != MSG_PUBLISH && t != MSG_ATTEST &&
	       (t <= MSG_BYE || t == MSG_PONG);
}

static struct peer *
in_state(enum conn_state s)
{
	if (s != CONN_HELLO) {
		struct peer *p = rig_ready("NOR", 0);
		if (s == CONN_DRAINING) {
			conn_owes(rig_conn(p), 1); /* so that it stays there */
			conn_drain(rig_conn(p));
		}
		return p;
	}
	struct peer *p = rig_connect("NOR", 0);
	assert_true(rig_until_state(p, CONN_HELLO));
	return p;
}

static void
check_cell(enum conn_state s, size_t row)
{
	struct peer *p = in_state(s);
	unsigned refused = rig.calls.refused;
	enum dispatch_verdict want = expected(s, row);
	rig_ask(p, cells[row].type, 2);
	if (want == DISPATCH_BREACH) {
		assert_true(rig_ends_with(p, ERR_OUT_OF_TURN));
		assert_int_equal(rig.calls.refused, refused + 1);
		assert_int_equal(rig.calls.refused_code, ERR_OUT_OF_TURN);
		return;
	}
	assert_int_equal(rig.calls.refused, refused);
	if (cells[row].type == MSG_BYE)
		return; /* its own tests */
	const struct msg *m = rig_next(p);
	assert_int_equal(m->request, 2);
	assert_int_equal(m->type, want == DISPATCH_LEGAL ? MSG_PONG : MSG_ERROR);
	if (want == DISPATCH_REFUSED) {
		assert_true(bytes_is(m->error.code, "draining"));
		assert_true(m->error.retry_ms > 0);
		assert_int_equal(rig_state(p), CONN_DRAINING); /* it stays open */
	}
}

static const uint32_t numbers[MSG_COUNT] = {
#define M(NAME, member, number, from, since) [MSG_##NAME] = number,
#include "proto/msg.def"
#undef M
};

/* Request 2 with an empty body, of those that need one: what is out of turn is so whatever it
 * holds, and the others are refused by their field, in any state that would take them. */
static void
check_empty(enum conn_state s, size_t row)
{
	struct peer *p = in_state(s);
	uint32_t tag = numbers[cells[row].type] << 3 | 2;
	uint8_t frame[] = { 0, 0, 0, 6, 0x80, 8, 2, (uint8_t)(tag | 0x80), (uint8_t)(tag >> 7), 0 };
	if (tag < 0x80) {
		frame[3] = 5;
		frame[7] = (uint8_t)tag;
		frame[8] = 0;
	}
	rig_write(p, frame, 4 + (size_t)frame[3]);
	if (expected(s, row) == DISPATCH_BREACH) {
		assert_true(rig_ends_with(p, ERR_OUT_OF_TURN));
		return;
	}
	const struct msg *m = rig_next(p);
	assert_int_equal(m->request, 2);
	assert_true(m->type == MSG_ERROR || expected(s, row) == DISPATCH_LEGAL);
	assert_int_equal(rig_state(p), s);
}

static void
every_cell_that_can_be_sent_behaves_so_on_a_real_connection(void **state)
{
	(void)state;
	static const enum conn_state all[] = { CONN_HELLO, CONN_READY, CONN_DRAINING };
	for (size_t i = 0; i < 3; i++) {
		for (size_t row = 0; row < MSG_COUNT; row++) {
			if (is_plain(cells[row].type))
				check_cell(all[i], row);
			else if (cells[row].type != MSG_NONE)
				check_empty(all[i], row);
		}
	}
}

static void
a_message_that_came_with_a_later_version_is_unknown_to_an_older_session(void **state)
{
	(void)state;
	rig.version = MSG_VERSION_LEAST;
	for (size_t row = 0; row < MSG_COUNT; row++) {
		if (msg_since(cells[row].type) <= MSG_VERSION_LEAST || cells[row].legal == 0)
			continue;
		struct peer *p = in_state(CONN_READY);
		/* request 2, the message without a field: its version counts first */
		uint32_t tag = numbers[cells[row].type] << 3 | 2;
		uint8_t frame[] = { 0, 0, 0, 6, 0x80, 8, 2, (uint8_t)(tag | 0x80),
			(uint8_t)(tag >> 7), 0 };
		assert_true(tag >= 0x80);
		rig_write(p, frame, sizeof(frame));
		assert_true(rig_ends_with(p, ERR_UNKNOWN_MESSAGE));
	}
}

/* ---- frames ---- */

static void
check_bytes(const void *data, size_t len, enum err_code code)
{
	struct peer *p = rig_ready("NOR", 0);
	unsigned refused = rig.calls.refused;
	rig_write(p, data, len);
	assert_true(rig_ends_with(p, code));
	assert_int_equal(rig.calls.refused, refused + 1);
	assert_int_equal(rig.calls.refused_code, code);
	assert_int_equal(rig_state(p), CONN_CLOSED);
}

static void
malformed_frames_and_messages_end_the_connection_with_their_code(void **state)
{
	(void)state;
	check_bytes("\xff\xff\xff\xff", 4, ERR_PROTOCOL);      /* 4 GiB */
	check_bytes("\x00\x01\x00\x01", 4, ERR_PROTOCOL);      /* one past 64 KiB */
	check_bytes("\x00\x00\x00\x00", 4, ERR_PROTOCOL);      /* no room for the flags */
	check_bytes("\x00\x00\x00\x01\x80", 5, ERR_MALFORMED); /* an empty message */
	check_bytes("\x00\x00\x00\x01\x00", 5, ERR_PROTOCOL);  /* no bytes and not the last */
	check_bytes("\x00\x00\x00\x02\x84x", 6, ERR_PROTOCOL); /* a bit that means nothing */
	check_bytes("\x00\x00\x00\x03\x80\x08\x00", 7, ERR_NOT_CANONICAL);   /* default written */
	check_bytes("\x00\x00\x00\x03\x80\x0f\x00", 7, ERR_UNKNOWN_MESSAGE); /* wire type 7 */
	check_bytes("\x00\x00\x00\x03\x80\x08\xff", 7, ERR_MALFORMED);	     /* cut short */
	/* request 9 and a field 99 */
	check_bytes("\x00\x00\x00\x06\x80\x08\x09\x9a\x06\x00", 10, ERR_UNKNOWN_MESSAGE);
}

static void
a_value_out_of_range_is_refused_by_its_field_and_no_more(void **state)
{
	(void)state;
	struct peer *p = rig_ready("NOR", 0);
	/* request 9, explain { report of 3 bytes } */
	rig_write(p,
	    "\x00\x00\x00\x0a\x80\x08\x09\x72\x05\x0a\x03"
	    "abc",
	    14);
	const struct msg *m = rig_next(p);
	assert_int_equal(m->type, MSG_ERROR);
	assert_int_equal(m->request, 9);
	assert_true(bytes_is(m->error.code, "malformed"));
	assert_true(bytes_is(m->error.field, "explain.report"));
	assert_string_equal(rig.calls.refused_field, "explain.report");
	/* request 10, Ping: the connection goes on */
	rig_write(p, "\x00\x00\x00\x06\x80\x08\x0a\xb2\x01\x00", 10);
	assert_int_equal(rig_next(p)->type, MSG_PONG);
}

/* ---- before Hello ---- */

static void
say_hello_of(struct peer *p, size_t len)
{
	/* the message that fills a frame of exactly 'len', by the size of a certificate */
	static uint8_t der[8192];
	static const uint32_t version = 1;
	uint8_t frame[16384];
	for (size_t n = len - 200; n < len; n++) {
		const struct bytes chain = bytes_from(der, n);
		struct msg m = { .request = 1, .type = MSG_HELLO };
		m.hello.versions = (struct msg_u32s){ &version, 1 };
		m.hello.signer_chain = (struct names){ &chain, 1 };
		struct arena a;
		struct bytes b;
		struct err e = { 0 };
		struct frame_writer w;
		arena_init(&a, 1u << 20);
		assert_true(msg_encode(&m, &a, &b, &e));
		frame_writer_init(&w, b, 0);
		size_t size = frame_writer_next(&w, frame, sizeof(frame));
		arena_done(&a);
		if (size == 4 + len) {
			rig_write(p, frame, size);
			return;
		}
	}
	fail_msg("no Hello of %zu bytes", len);
}

static void
a_hello_may_have_4_KiB_and_not_one_byte_more(void **state)
{
	(void)state;
	struct peer *p = rig_connect("NOR", 0);
	assert_true(rig_until_state(p, CONN_HELLO));
	say_hello_of(p, LIMIT_HELLO_BYTES);
	assert_int_equal(rig_next_type(p), MSG_PONG);
	struct peer *q = rig_connect("NOR", 0);
	assert_true(rig_until_state(q, CONN_HELLO));
	say_hello_of(q, LIMIT_HELLO_BYTES + 1);
	assert_true(rig_ends_with(q, ERR_LIMIT));
}

static void
a_hello_in_many_small_frames_is_held_to_4_KiB_too(void **state)
{
	(void)state;
	uint8_t frame[4 + 1025] = { 0, 0, 4, 1, 0 };
	struct peer *p = rig_connect("NOR", 0);
	assert_true(rig_until_state(p, CONN_HELLO));
	for (unsigned i = 0; i < 4; i++)
		rig_write(p, frame, sizeof(frame));
	rig_rounds(8);
	assert_int_equal(rig_state(p), CONN_HELLO);
	rig_write(p, frame, sizeof(frame));
	assert_true(rig_ends_with(p, ERR_LIMIT));
}

static void
what_follows_hello_at_once_is_taken_with_the_wider_limits(void **state)
{
	(void)state;
	uint8_t all[8192];
	size_t n = rig_frame(MSG_HELLO, 1, 0, all, sizeof(all));
	struct peer *p = rig_connect("NOR", 0);
	assert_true(rig_until_state(p, CONN_HELLO));
	for (uint64_t i = 2; i < 200; i++)
		n += rig_frame(MSG_EXPLAIN, i, 0, all + n, sizeof(all) - n);
	assert_true(n > LIMIT_HELLO_BYTES);
	rig_write(p, all, n);
	for (uint64_t i = 1; i < 200; i++)
		assert_int_equal(rig_next(p)->request, i);
}

/* ---- requests ---- */

static void
request_numbers_rise_in_each_lane(void **state)
{
	(void)state;
	uint8_t frame[64];
	struct peer *p = rig_ready("NOR", 0);
	rig_ask(p, MSG_PING, 7);
	assert_int_equal(rig_next(p)->request, 7);
	rig_write(p, frame, rig_frame(MSG_PING, 3, 3, frame, sizeof(frame))); /* another lane */
	assert_int_equal(rig_next(p)->request, 3);
	rig_ask(p, MSG_ACK, 0); /* nobody waits for an answer */
	rig_ask(p, MSG_PING, 7);
	assert_true(rig_ends_with(p, ERR_PROTOCOL));
}

static void
a_request_without_a_number_is_a_breach(void **state)
{
	(void)state;
	struct peer *p = rig_ready("NOR", 0);
	rig_ask(p, MSG_PING, 0);
	assert_true(rig_ends_with(p, ERR_PROTOCOL));
}

/* ---- handlers ---- */

static bool
says_no(struct conn *c, const struct msg *m, struct arena **a, struct err *e)
{
	(void)c, (void)m, (void)a;
	return err_set(e, ERR_ROLE, "the story stays with us");
}

static bool
has_no_memory(struct conn *c, const struct msg *m, struct arena **a, struct err *e)
{
	(void)c, (void)m, (void)a;
	return err_set(e, ERR_NOMEM, "the story stays with us");
}

static void
a_handler_that_says_no_ends_the_connection_with_its_code_alone(void **state)
{
	(void)state;
	rig.on_request = says_no;
	struct peer *p = rig_ready("NOR", 0);
	rig_ask(p, MSG_STATUS, 2);
	const struct msg *m = rig_next(p);
	assert_int_equal(m->request, 2);
	assert_true(bytes_is(m->error.code, "role"));
	assert_true(bytes_is(m->error.text, err_text(ERR_ROLE)));
	assert_int_equal(m->error.detail.len, 0);
	assert_int_equal(rig.calls.refused, 1);
	rig.on_request = has_no_memory;
	p = rig_ready("NOR", 0);
	rig_ask(p, MSG_STATUS, 2);
	assert_true(rig_ends_with(p, ERR_NOMEM));
	assert_int_equal(rig.calls.refused, 1); /* our fault: no REFUSED record */
}

static struct arena *kept;
static const struct msg *kept_msg;

static bool
takes_the_arena(struct conn *c, const struct msg *m, struct arena **a, struct err *e)
{
	(void)c, (void)e;
	kept = MOVE(*a);
	kept_msg = m;
	return true;
}

static void
a_job_takes_the_arena_and_the_message_stays_good_in_it(void **state)
{
	(void)state;
	rig.on_request = takes_the_arena;
	struct peer *p = rig_ready("NOR", 0);
	rig_ask(p, MSG_EXPLAIN, 2);
	rig_rounds(10);
	assert_non_null(kept);
	rig_ask(p, MSG_PING, 3);
	assert_int_equal(rig_next_type(p), MSG_PONG);
	assert_int_equal(kept_msg->request, 2);
	assert_int_equal(kept_msg->explain.report.len, 16);
	assert_int_equal(kept_msg->explain.report.data[0], 1);
	conn_request_free(kept);
}

static bool
refuses(struct conn *c, const struct msg *m, struct arena **a, struct err *e)
{
	(void)a;
	const struct complaint why = {
		.code = ERR_UNKNOWN_REPORT,
		.field = bytes_of("explain.report"),
		.retry_ms = 70,
	};
	return conn_refuse(c, m->request, &why, e);
}

static void
a_refusal_leaves_the_connection_open(void **state)
{
	(void)state;
	rig.on_request = refuses;
	struct peer *p = rig_ready("NOR", 0);
	rig_ask(p, MSG_EXPLAIN, 2);
	const struct msg *m = rig_next(p);
	assert_true(bytes_is(m->error.code, "unknown-report"));
	assert_true(bytes_is(m->error.field, "explain.report"));
	assert_int_equal(m->error.retry_ms, 70);
	assert_int_equal(rig.calls.refused, 0);
	rig_ask(p, MSG_PING, 3);
	assert_int_equal(rig_next_type(p), MSG_PONG);
}

/* ---- who ---- */

static void
a_certificate_of_another_partys_CA_is_turned_away(void **state)
{
	(void)state;
	struct peer *p = rig_connect("FOE", 0);
	assert_true(rig_until_ended(p));
	assert_int_equal(rig.calls.turned_away, 1);
	assert_int_equal(rig.calls.fault, CHAIN_UNTRUSTED);
	assert_int_equal(rig.calls.arrived, 0);
	rig_rounds(4);
	assert_int_equal(rig_state(p), CONN_CLOSED);
	assert_int_equal(rig.calls.gone, 0); /* it was never there */
}

static void
plain_http_is_hung_up_on_without_a_record(void **state)
{
	(void)state;
	uint64_t id;
	int fd = rig_raw(0, &id);
	assert_int_equal(write(fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
	rig_rounds(4);
	char c;
	assert_int_equal(read(fd, &c, 1), 0); /* the end, and yet it lingers */
	assert_int_equal(rig_metric(METRIC_closed), 0);
	close(fd);
	rig_rounds(4);
	assert_int_equal(rig_metric(METRIC_handshakes_failed), 1);
	assert_int_equal(rig_metric(METRIC_closed), 1);
	assert_int_equal(rig.calls.turned_away, 0);
}

static void
without_trust_nobody_gets_in(void **state)
{
	(void)state;
	rig.worker[0]->trust = NULL;
	struct peer *p = rig_connect("NOR", 0);
	assert_true(rig_until_ended(p));
	assert_int_equal(rig_metric(METRIC_accepted), 0);
}

static void
a_party_has_its_number_of_connections_and_not_one_more(void **state)
{
	(void)state;
	rig.limits.connections_per_party = 3;
	for (unsigned i = 0; i < 3; i++)
		rig_ready("NOR", i % 2);
	struct peer *p = rig_connect("NOR", 0);
	assert_true(rig_ends_with(p, ERR_QUOTA));
	assert_int_equal(rig.calls.refused, 0); /* trying again may help */
	rig_ready("GBR", 0);			/* to that party alone */
	assert_int_equal(rig.calls.gone, 0);
}

static bool
nobody(struct conn *c, struct err *e)
{
	(void)c;
	return err_set(e, ERR_FULL, "no seat");
}

static void
a_connection_that_the_handlers_do_not_want_is_told_so(void **state)
{
	(void)state;
	rig.arrived = nobody;
	struct peer *p = rig_connect("NOR", 0);
	assert_true(rig_ends_with(p, ERR_FULL));
	rig_rounds(4);
	assert_int_equal(rig.calls.gone, 1);
	assert_int_equal(rig.calls.party_gone, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		UP_DOWN(a_partner_shakes_hands_says_hello_and_is_answered),
		cmocka_unit_test(every_message_in_every_state_has_its_answer),
		UP_DOWN(a_message_that_came_with_a_later_version_is_unknown_to_an_older_session),
		UP_DOWN(every_cell_that_can_be_sent_behaves_so_on_a_real_connection),
		UP_DOWN(malformed_frames_and_messages_end_the_connection_with_their_code),
		UP_DOWN(a_value_out_of_range_is_refused_by_its_field_and_no_more),
		UP_DOWN(a_hello_may_have_4_KiB_and_not_one_byte_more),
		UP_DOWN(a_hello_in_many_small_frames_is_held_to_4_KiB_too),
		UP_DOWN(what_follows_hello_at_once_is_taken_with_the_wider_limits),
		UP_DOWN(request_numbers_rise_in_each_lane),
		UP_DOWN(a_request_without_a_number_is_a_breach),
		UP_DOWN(a_handler_that_says_no_ends_the_connection_with_its_code_alone),
		UP_DOWN(a_job_takes_the_arena_and_the_message_stays_good_in_it),
		UP_DOWN(a_refusal_leaves_the_connection_open),
		UP_DOWN(a_certificate_of_another_partys_CA_is_turned_away),
		UP_DOWN(plain_http_is_hung_up_on_without_a_record),
		UP_DOWN(without_trust_nobody_gets_in),
		UP_DOWN(a_party_has_its_number_of_connections_and_not_one_more),
		UP_DOWN(a_connection_that_the_handlers_do_not_want_is_told_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
