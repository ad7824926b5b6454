/* Workers as threads: start, mail, handing over, the end. */
#include "tests/unit/daemon/io_rig.h"

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
	rig_rounds(WORKER_MAIL / 256 + 1);
	worker_stop(rig.worker[0]);
	assert_false(worker_mail_socket(rig.worker[0], &tickets[WORKER_MAIL]));
	rig_rounds(1);
	worker_wait(rig.worker[0]);
	ticket_free(tickets[WORKER_MAIL]);
}

/* ---- turns: lists that connections leave while they are worked through ---- */

static struct peer *trio[3];

static void
touch(const struct peer *p)
{
	struct err e = { 0 };
	const struct msg m = { .type = MSG_PONG };
	assert_true(conn_send(rig_conn(p), 3, &m, &e));
}

static void
all_have_their_turns(struct peer *const *peers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		rig_ask(peers[i], MSG_WHOAMI, 9);
		assert_int_equal(rig_next_type(peers[i]), MSG_PONG);
	}
}

/* In the turn of the first. */
static void
cut_the_last_and_touch_the_second(struct conn *c)
{
	assert_ptr_equal(c, rig_conn(trio[0]));
	rig.room = NULL;
	conn_cut(rig_conn(trio[2]));
	touch(trio[0]);
	touch(trio[1]);
}

static void
a_connection_that_another_ones_turn_cuts_costs_nobody_a_turn(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++)
		trio[i] = rig_ready("NOR", 0);
	rig.room = cut_the_last_and_touch_the_second;
	conn_want_room(rig_conn(trio[0]));
	touch(trio[0]);
	touch(trio[2]);
	rig_rounds(4);
	assert_true(rig_until_ended(trio[2]));
	assert_int_equal(rig_next_type(trio[0]), MSG_PONG);
	assert_int_equal(rig_next_type(trio[0]), MSG_PONG);
	assert_int_equal(rig_next_type(trio[1]), MSG_PONG);
	all_have_their_turns(trio, 2);
}

static void
touch_the_last(struct conn *c)
{
	(void)c;
	rig.room = NULL;
	touch(trio[2]);
}

static void
a_connection_cut_between_two_turns_leaves_the_list_that_it_is_in(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++)
		trio[i] = rig_ready("NOR", 0);
	rig.room = touch_the_last;
	conn_want_room(rig_conn(trio[0]));
	touch(trio[0]);
	while (rig.room != NULL) /* touched within a turn, it waits for the next */
		rig_round();
	if (rig_conn(trio[2])->turn != 0)
		conn_cut(rig_conn(trio[2]));
	assert_int_equal(rig_next_type(trio[0]), MSG_PONG);
	all_have_their_turns(trio, 2);
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
		UP_DOWN(a_connection_that_another_ones_turn_cuts_costs_nobody_a_turn),
		UP_DOWN(a_connection_cut_between_two_turns_leaves_the_list_that_it_is_in),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
