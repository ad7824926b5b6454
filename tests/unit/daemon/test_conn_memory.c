/*
 * Out of memory at any moment: the connection may end, nothing else happens.  The linker's --wrap
 * leads our allocations through here; OpenSSL and libevent keep theirs.
 */
#include "tests/unit/daemon/io_rig.h"

static unsigned left; /* allocations until the one that fails; 0: none will */
static bool fired;

static bool
fails(void)
{
	if (!rig.in_worker || left == 0 || --left > 0)
		return false;
	return fired = true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

void *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

static uint8_t report[100000];
static size_t report_len;
static unsigned queued, done_count;

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
	done_count++;
}

/* An answer and a report for everything that is asked. */
static bool
answers(struct conn *c, const struct msg *m, struct arena **a, struct err *e)
{
	(void)a;
	const struct stream s = { bytes_from(report, report_len), may_go, done, report };
	const struct msg answer = { .request = m->request, .type = MSG_PONG };
	if (!conn_stream_report(c, 1, &s, e))
		return false;
	queued++;
	return conn_send(c, CONN_ANSWER_LANE, &answer, e);
}

static void
make_report(void)
{
	static uint8_t text[90000];
	struct arena a;
	struct bytes b;
	struct err e = { 0 };
	memset(text, 'r', sizeof(text));
	const struct msg m = {
		.request = 99,
		.type = MSG_STATUS_REPLY,
		.status_reply = { bytes_from(text, sizeof(text)) },
	};
	arena_init(&a, 1u << 20);
	assert_true(msg_encode(&m, &a, &b, &e));
	assert_true(b.len <= sizeof(report));
	memcpy(report, b.data, b.len);
	report_len = b.len;
	arena_done(&a);
}

/* True if the session went all the way. */
static bool
session(void)
{
	struct peer *p = rig_connect("NOR", 0);
	while (!p->ended && rig_state(p) != CONN_HELLO)
		rig_round();
	if (p->ended)
		return false;
	rig_ask(p, MSG_HELLO, 1);
	if (rig_next_type(p) != MSG_PONG)
		return false;
	/* a request in two frames, one that comes in two pieces, one whole */
	uint8_t f[64];
	size_t n = rig_frame(MSG_EXPLAIN, 2, 0, f, sizeof(f));
	const uint8_t head[6] = { 0, 0, 0, 2, 0, f[5] };
	rig_write(p, head, 6);
	f[5] = 0x80;
	put_u32(f + 1, (uint32_t)(n - 5));
	rig_write(p, f + 1, 3);
	rig_rounds(2);
	rig_write(p, f + 4, n - 4);
	rig_ask(p, MSG_WHOAMI, 3);
	rig_ask(p, MSG_BYE, 0);
	unsigned seen = 0;
	for (enum msg_type t; (t = rig_next_type(p)) != MSG_NONE && t != MSG_ERROR;)
		seen += t == MSG_PONG || t == MSG_STATUS_REPLY || t == MSG_BYE;
	return seen == 5;
}

static void
an_allocation_that_fails_anywhere_ends_one_connection_at_most(void **state)
{
	make_report();
	unsigned step = 0;
	do {
		rig_up(state);
		rig.on_request = answers;
		struct peer *other = rig_ready("GBR", 1);
		queued = done_count = 0;
		left = ++step;
		fired = false;
		bool ok = session();
		left = 0;
		assert_true(ok || fired);
		rig_rounds(4);
		rig_pass_ms(LIMIT_DRAIN_MS);
		assert_int_equal(done_count, queued);
		rig_ask(other, MSG_PING, 2);
		assert_int_equal(rig_next_type(other), MSG_PONG);
		rig_down(state);
	} while (fired); /* until none was left to fail */
	assert_true(step > 15);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_allocation_that_fails_anywhere_ends_one_connection_at_most),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
