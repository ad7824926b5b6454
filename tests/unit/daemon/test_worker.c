/* Workers as threads: start, mail, handing over, the end. */
#include "tests/unit/daemon/io_rig.h"

#include "daemon/turns.h"

#define UP_DOWN(test) cmocka_unit_test_setup_teardown(test, rig_up, rig_down)

static void
start_all(void)
{
	struct err e = { 0 };
	rig.threads = true;
	for (unsigned i = 0; i < RIG_WORKERS; i++) {
		if (!worker_start(rig.worker[i], &e))
			fail_msg("%s", e.text);
	}
}

static void
hello_over_threads(struct peer *p)
{
	while (!p->connected && !p->ended)
		rig_wait(p);
	rig_ask(p, MSG_HELLO, 1);
	assert_int_equal(rig_next_type(p), MSG_PONG);
}

static void
connections_are_handed_over_between_threads(void **state)
{
	(void)state;
	static const char *const parties[] = { "HUB", "GBR", "NOR" };
	struct peer *peers[24];
	start_all();
	for (unsigned i = 0; i < 24; i++)
		peers[i] = rig_connect(parties[i % 3], i / 3 % 2);
	for (unsigned i = 0; i < 24; i++)
		hello_over_threads(peers[i]);
	for (unsigned i = 0; i < 24; i++) {
		rig_ask(peers[i], MSG_WHOAMI, 2);
		assert_int_equal(rig_next_type(peers[i]), MSG_PONG);
	}
	assert_int_equal(rig.calls.hello, 24);
	assert_int_equal(worker_load(rig.worker[0]) + worker_load(rig.worker[1]), 24);
	for (unsigned i = 0; i < 24; i++)
		peers[i]->silent = i % 2 == 0; /* half of them close when they hear Bye */
	for (unsigned i = 0; i < RIG_WORKERS; i++)
		worker_stop(rig.worker[i]);
	for (unsigned i = 1; i < 24; i += 2) {
		assert_int_equal(rig_next_type(peers[i]), MSG_BYE);
		while (!peers[i]->ended)
			rig_wait(peers[i]);
	}
	rig.now_ms += LIMIT_DRAIN_MS; /* the others are cut by the workers' own timers */
	for (unsigned i = 0; i < RIG_WORKERS; i++)
		worker_wait(rig.worker[i]);
	for (unsigned i = 0; i < RIG_WORKERS; i++)
		worker_join(rig.worker[i]);
	assert_int_equal(rig.calls.gone, 24);
	assert_int_equal(rig.calls.stopped, RIG_WORKERS);
	assert_int_equal(worker_load(rig.worker[0]) + worker_load(rig.worker[1]), 0);
}

static void
every_letter_is_handed_to_its_hook_up_to_the_join(void **state)
{
	(void)state;
	enum { N = 1000 };
	static struct letter jobs[N], late[N], notices[N];
	start_all();
	for (unsigned i = 0; i < N; i++) {
		worker_mail(rig.worker[i % 2], LETTER_JOB, &jobs[i]);
		worker_mail(rig.worker[i % 2], LETTER_NOTICE, &notices[i]);
	}
	for (unsigned i = 0; i < RIG_WORKERS; i++)
		worker_stop(rig.worker[i]);
	for (unsigned i = 0; i < RIG_WORKERS; i++)
		worker_wait(rig.worker[i]);
	for (unsigned i = 0; i < N; i++) /* the committer's last batch comes home */
		worker_mail(rig.worker[i % 2], LETTER_JOB, &late[i]);
	for (unsigned i = 0; i < RIG_WORKERS; i++)
		worker_join(rig.worker[i]);
	assert_int_equal(rig.calls.committed, 2 * N);
	assert_int_equal(rig.calls.notices, N);
}

static void
a_running_worker_may_be_freed(void **state)
{
	(void)state; /* rig_down does: the broker gave up half way through its start */
	start_all();
	struct peer *p = rig_connect("NOR", 0);
	hello_over_threads(p);
}

static bool
cannot(struct worker *w, struct err *e)
{
	(void)w;
	return err_set(e, ERR_STORE, "no view");
}

static void
a_worker_that_cannot_start_says_why(void **state)
{
	(void)state;
	struct err e = { 0 };
	rig.start = cannot;
	assert_false(worker_start(rig.worker[0], &e));
	assert_int_equal(e.code, ERR_STORE);
	assert_string_equal(e.text, "worker 0: no view");
	assert_int_equal(rig.calls.stopped, 1); /* what it had made is freed */
}

static void
a_worker_takes_so_many_sockets_and_none_after_the_stop(void **state)
{
	(void)state;
	static struct ticket *tickets[WORKER_MAIL + 1];
	for (unsigned i = 0; i <= WORKER_MAIL; i++) {
		tickets[i] = calloc(1, sizeof(struct ticket));
		tickets[i]->fd = -1;
		tickets[i]->id = i + 1;
	}
	for (unsigned i = 0; i < WORKER_MAIL; i++)
		assert_true(worker_mail_socket(rig.worker[0], &tickets[i]));
	assert_null(tickets[0]);
	assert_false(worker_mail_socket(rig.worker[0], &tickets[WORKER_MAIL]));
	assert_non_null(tickets[WORKER_MAIL]);
	rig.worker[0]->trust = NULL; /* they are turned away; that they are freed is what counts */
	rig_rounds(WORKER_MAIL / WORKER_LETTERS + 1);
	worker_stop(rig.worker[0]);
	assert_false(worker_mail_socket(rig.worker[0], &tickets[WORKER_MAIL]));
	rig_rounds(1);
	worker_wait(rig.worker[0]);
	ticket_free(tickets[WORKER_MAIL]);
}

static void
a_job_that_comes_home_when_the_worker_has_ended_is_freed(void **state)
{
	(void)state;
	struct letter late = { .kind = LETTER_JOB };
	worker_mail(rig.worker[1], LETTER_JOB, &late);
	worker_free(rig.worker[1]);
	rig.worker[1] = NULL;
	assert_int_equal(rig.calls.left, 1);
	assert_int_equal(rig.calls.committed, 0);
}

static struct conn *victim;

/* In its own turn: there is more to send. */
static void
one_turn_more(struct conn *c)
{
	victim = c;
	turns_touch(c->worker, c);
}

static struct conn *pair[2];

/* In the turn of the one that is first. */
static void
end_of_the_other(struct conn *c)
{
	victim = c == pair[0] ? pair[1] : pair[0];
	assert_int_not_equal(victim->turn, 0);
	rig.room = NULL;
	conn_cut(victim);
}

static void
expect_answer(struct peer *p, uint64_t request)
{
	rig_ask(p, MSG_WHOAMI, request);
	assert_int_equal(rig_next_type(p), MSG_PONG);
}

/* The list in which it waits is not the one into which it was put. */
static void
a_connection_that_goes_while_it_waits_for_another_turn_leaves_the_rest_theirs(void **state)
{
	(void)state;
	struct peer *a = rig_ready("NOR", 0), *b = rig_ready("NOR", 0);
	rig.room = one_turn_more;
	rig_conn(a)->wants_room = true;
	rig_ask(a, MSG_WHOAMI, 2);
	while (victim == NULL)
		rig_round();
	rig.room = NULL;
	conn_cut(victim);
	victim = NULL;
	expect_answer(b, 2);
	expect_answer(b, 3);
	assert_int_equal(rig_state(a), CONN_CLOSED);
}

static void
a_connection_that_goes_in_the_turn_of_another_leaves_the_rest_theirs(void **state)
{
	(void)state;
	struct peer *p[2] = { rig_ready("NOR", 0), rig_ready("NOR", 0) }, *c = rig_ready("NOR", 0);
	victim = NULL;
	rig.room = end_of_the_other;
	for (unsigned i = 0; i < 2; i++) {
		pair[i] = rig_conn(p[i]);
		pair[i]->wants_room = true;
		rig_ask(p[i], MSG_WHOAMI, 2);
	}
	while (victim == NULL)
		rig_round();
	expect_answer(c, 2);
	expect_answer(c, 3);
	assert_int_equal(rig_next_type(p[victim == pair[0]]), MSG_PONG);
	assert_int_equal(rig_state(p[victim == pair[1]]), CONN_CLOSED);
}

/* ---- shares ---- */

enum { FLOODERS = 24, MESSAGES = 100, LOOK_US = 10 };

static void
flood(struct peer *p)
{
	static uint8_t many[MESSAGES * 32];
	size_t n = 0, sent = 0;
	for (uint64_t r = 2; r < MESSAGES; r++)
		n += rig_frame(MSG_EXPLAIN, r, 0, many + n, sizeof(many) - n);
	p->silent = true;
	assert_int_equal(SSL_write_ex(p->ssl, many, n, &sent), 1);
}

/* Every message takes the time of a look at the clock or more. */
static void
a_party_that_floods_over_many_connections_waits_behind_one_that_does_not(void **state)
{
	(void)state;
	struct peer *quiet = rig_ready("GBR", 0), *loud[FLOODERS];
	for (unsigned i = 0; i < FLOODERS; i++)
		loud[i] = rig_ready("NOR", 0);
	assert_ptr_equal(rig_conn(quiet)->worker, rig_conn(loud[0])->worker);
	for (unsigned i = 0; i < FLOODERS; i++)
		flood(loud[i]);
	rig.tick_us = LOOK_US;
	rig_rounds(1);
	assert_true(rig.calls.other > 0);
	assert_true(
	    rig.calls.other <= (LIMIT_SHARE_US + LIMIT_SLICE_US + 2 * LIMIT_TURN_US) / LOOK_US);
	for (uint64_t request = 2; request < 6; request++) {
		unsigned before = rig.calls.other;
		rig_ask(quiet, MSG_PING, request);
		assert_int_equal(rig_next_type(quiet), MSG_PONG);
		unsigned taken = rig.calls.other - before;
		assert_true(taken <= 2 * (LIMIT_SHARE_US + LIMIT_SLICE_US) / LOOK_US);
	}
	rig.tick_us = 0;
	while (rig.calls.other < FLOODERS * (MESSAGES - 2))
		rig_rounds(1); /* and nothing of it is lost */
}

static void
takes_long(struct conn *c)
{
	(void)c;
	rig.us += LIMIT_SLICE_US;
}

static void
what_is_long_for_all_is_done_for_one_after_the_other(void **state)
{
	(void)state;
	struct peer *p[8];
	for (unsigned i = 0; i < 8; i++)
		p[i] = rig_ready("NOR", 0);
	rig.its_turn = takes_long;
	for (unsigned i = 0; i < 8; i++)
		conn_want_turn(rig_conn(p[i]));
	conn_cut(rig_conn(p[3]));
	rig_rounds(1);
	assert_in_range(rig.calls.its_turn, 1, 2);
	rig_ask(p[7], MSG_PING, 2);
	assert_int_equal(rig_next_type(p[7]), MSG_PONG);
	rig_rounds(16);
	assert_int_equal(rig.calls.its_turn, 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		UP_DOWN(connections_are_handed_over_between_threads),
		UP_DOWN(every_letter_is_handed_to_its_hook_up_to_the_join),
		UP_DOWN(a_running_worker_may_be_freed),
		UP_DOWN(a_worker_that_cannot_start_says_why),
		UP_DOWN(a_worker_takes_so_many_sockets_and_none_after_the_stop),
		UP_DOWN(a_job_that_comes_home_when_the_worker_has_ended_is_freed),
		UP_DOWN(
		    a_connection_that_goes_while_it_waits_for_another_turn_leaves_the_rest_theirs),
		UP_DOWN(a_connection_that_goes_in_the_turn_of_another_leaves_the_rest_theirs),
		UP_DOWN(what_is_long_for_all_is_done_for_one_after_the_other),
		UP_DOWN(a_party_that_floods_over_many_connections_waits_behind_one_that_does_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
