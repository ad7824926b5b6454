/*
 * A delivery for which something fails: it comes later, under a number that nothing else had, and
 * what was acknowledged stays so.  The linker's --wrap leads our allocations through here.
 */
#include "tests/lib/test.h"

#include "daemon/config.h"
#include "daemon/mailbox.h"
#include "daemon/on.h"
#include "daemon/outlet.h"
#include "daemon/pull.h"
#include "daemon/trust.h"
#include "daemon/turns.h"
#include "policy/party.h"
#include "proto/msg.h"
#include "tests/lib/store_rig.h"

#include <stdlib.h>

enum { RULES = 7, INTAKE = 3, DECISION = 4, DELIVERY = 5, SUBSCRIPTION = 1, ACK_WAIT_MS = 60000 };

/* ---- memory that runs out ---- */

static unsigned left; /* allocations until the one that fails; 0: none will */
static bool fired;
static bool dry; /* none is there at all */

static bool
fails(void)
{
	if (dry)
		return fired = true;
	if (left == 0 || --left > 0)
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

void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);

void *
__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return fails() ? NULL : __real_reallocarray(p, n, size);
}

/* ---- a subscription with one report that waits, and its reader ---- */

static uint64_t now_ms;

static uint64_t
clock_ms(void *arg)
{
	(void)arg;
	return now_ms;
}

static uint64_t
clock_us(void *arg)
{
	(void)arg;
	return now_ms * 1000;
}

static struct {
	struct store_rig store;
	struct config config;
	struct shell shell;
	struct worker *worker;
	struct ruleset rules;
	struct desk desk;
	struct session session;
	uint8_t told[SESSION_CHAINS][32];
	struct trust_peer peer;
	struct worker_party party;
	struct conn conn;
	struct outlet *outlet;
	struct consumer *reader;
} at;

static void
put_report(struct store_rig *r)
{
	const uint8_t masks[1] = { 1 };
	struct store_report row = {
		.key.originator = 1, .intake = INTAKE, .accepted_us = 1, .decisions = 1
	};
	struct store_given given = { .party = 2,
		.report = row.key,
		.intake = INTAKE,
		.decision = DECISION,
		.delivery = DELIVERY,
		.epoch = RULES,
		.masks = bytes_from(masks, 1) };
	struct store_queued q = { .key = { SUBSCRIPTION, 1, DECISION },
		.epoch = RULES,
		.intake = INTAKE,
		.report = row.key };
	static const uint16_t parts[] = { STORE_PART_MANIFEST, STORE_PART_SEAL, STORE_PART_HEAD(0),
		STORE_PART_BODY(0) };
	uint32_t id = 0;
	BEGIN(r);
	OK(r, store_name(r->store, STORE_NAME_PARTY, bytes_of("GBR"), &id, &r->e));
	OK(r, store_name(r->store, STORE_NAME_PARTY, bytes_of("NOR"), &id, &r->e));
	struct store_subscription sub = { .party = id, .mode = 1, .name = bytes_of("inbox") };
	OK(r, store_put_subscription(r->store, &sub, &r->e));
	for (size_t i = 0; i < 4; i++) {
		if (i == 2)
			OK(r, store_put_report(r->store, &row, &r->e));
		OK(r, store_put_part(r->store, INTAKE, parts[i], bytes_of("some bytes"), &r->e));
	}
	OK(r, store_put_given(r->store, &given, &r->e));
	OK(r, store_enqueue(r->store, &q, &r->e));
	COMMIT(r);
	store_view_close(r->view);
}

static void
make_desk(void)
{
	struct err *e = &at.store.e;
	const struct worker_setup setup = {
		.count = 1, .clock = { clock_ms, clock_us, NULL, NULL }, .shell = &at.shell
	};
	const struct evidence told = { .delivery = DELIVERY };
	OK(&at.store, worker_new(&setup, &at.worker, e));
	at.rules.number = RULES;
	at.desk = (struct desk){ .worker = at.worker,
		.shell = &at.shell,
		.rules = &at.rules,
		.view = at.store.view,
		.shelf = calloc(1, sizeof(struct shelf)) };
	arena_init(&at.desk.scratch, DESK_SCRATCH);
	shelf_put_evidence(at.desk.shelf, &told);
	at.worker->desk = &at.desk;
}

static void
make_reader(void)
{
	const struct store_subscription sub = { .id = SUBSCRIPTION,
		.party = 2,
		.mode = 1,
		.name = bytes_of("inbox"),
		.pattern = bytes_of("") };
	at.peer.roles = ROLE_SUBSCRIBE;
	share_init(&at.party.share);
	at.session = (struct session){
		.desk = &at.desk, .chains = at.told, .chain_count = 1 /* knows the signer */
	};
	at.conn = (struct conn){ .state = CONN_READY,
		.worker = at.worker,
		.peer = &at.peer,
		.party = &at.party,
		.session = &at.session,
		.judged = at.worker->trust_serial,
		.pump.fd = -1 };
	outbox_init(&at.conn.outbox);
	at.outlet = outlet_open(&at.desk, &sub);
	assert_non_null(at.outlet);
	at.reader = outlet_join(at.outlet, &at.conn, 10);
	assert_non_null(at.reader);
}

static int
up(void **state)
{
	(void)state;
	memset(&at, 0, sizeof(at));
	now_ms = 1000;
	store_rig_init(&at.store);
	assert_true(store_rig_open(&at.store));
	put_report(&at.store);
	at.config.limit_ack_wait_ms = ACK_WAIT_MS;
	at.config.limit_max_deliveries = 16;
	at.shell.config = &at.config;
	wall_init(&at.shell.wall, UINT64_MAX);
	atomic_store(&at.shell.in_force, RULES);
	atomic_store(&at.shell.signed_size, DELIVERY + 1);
	OK(&at.store, mailbox_new(16, &at.shell.committer, &at.store.e));
	make_desk();
	make_reader();
	return 0;
}

static struct job *
at_the_committer(void)
{
	struct mailbox_item *i = mailbox_take(at.shell.committer, 1);
	return i == NULL ? NULL
			 : MAILBOX_ENTRY(MAILBOX_ENTRY(i, struct letter, item), struct job, letter);
}

static int
down(void **state)
{
	(void)state;
	at.conn.state = CONN_CLOSED;
	outbox_clear(&at.conn.outbox, NULL, &at.conn);
	outlet_leave(at.reader);
	outlet_free(at.outlet);
	turns_leave(at.worker, &at.conn);
	pump_done(&at.conn.pump);
	worker_free(at.worker);
	arena_done(&at.desk.scratch);
	free(at.desk.shelf);
	for (struct job *j; (j = at_the_committer()) != NULL;)
		job_free(j);
	mailbox_free(at.shell.committer);
	store_rig_done(&at.store);
	return 0;
}

static void
pass_ms(uint64_t ms)
{
	now_ms += ms;
	outlet_tick(at.outlet);
}

/* What the broker has for the socket goes there. */
static void
leaves(void)
{
	OK(&at.store, outbox_fill(&at.conn.outbox, &at.conn.pump, &at.conn, &at.store.e));
	assert_true(outbox_empty(&at.conn.outbox));
}

static void
acknowledge(uint64_t number)
{
	const struct msg_u64s numbers = { &number, 1 };
	OK(&at.store, outlet_ack(at.reader, &numbers, 0, &at.store.e));
}

static void
is_acknowledged(void)
{
	struct job *j = at_the_committer();
	assert_non_null(j);
	assert_int_equal(j->kind, JOB_ACK);
	assert_int_equal(j->ack.count, 1);
	assert_int_equal(j->ack.items[0].delivery, DELIVERY);
	j->fate = JOB_DONE;
	outlet_acked(&at.desk, j);
	assert_null(at_the_committer());
	assert_true(TAILQ_EMPTY(&at.outlet->all));
}

/* ---- the claims ---- */

static void
a_report_whose_delivery_fails_anywhere_has_no_number_and_comes_a_second_later(void **state)
{
	unsigned step = 0;
	do {
		up(state);
		left = ++step;
		fired = false;
		outlet_pump(at.outlet);
		left = 0;
		if (outbox_empty(&at.conn.outbox)) {
			assert_true(fired);
			assert_int_equal(at.reader->last, 0);
			assert_null(at.reader->sents);
			acknowledge(1); /* ahead: a number that nobody was given */
			assert_null(at_the_committer());
			pass_ms(1000);
		}
		assert_false(outbox_empty(&at.conn.outbox));
		assert_int_equal(at.reader->last, 1);
		leaves();
		acknowledge(1);
		is_acknowledged();
		down(state);
	} while (fired); /* until none was left to fail */
	assert_true(step > 5);
}

static void
a_report_for_a_connection_that_just_ended_has_no_number(void **state)
{
	(void)state;
	outlet_pump(at.outlet);
	struct flight *f = TAILQ_FIRST(&at.outlet->all);
	at.conn.state = CONN_CLOSED;
	outbox_clear(&at.conn.outbox, NULL, &at.conn); /* none of it left */
	assert_int_equal(f->state, FLIGHT_READY);
	sent_free(flight_sent_to(f, at.reader));
	at.reader->last = 0;
	at.conn.state = CONN_DRAINING;
	assert_true(prepare_flight(f, at.reader));
	assert_int_equal(at.reader->last, 0);
	assert_null(flight_sent_to(f, at.reader));
	acknowledge(1);
	assert_null(at_the_committer());
}

static void
so_many_deliveries_are_put_off_and_no_more(void **state)
{
	uint64_t one = 1;
	const struct msg_nack n = { .deliveries = { &one, 1 }, .delay_ms = 1 };
	struct err why = { 0 };
	(void)state;
	outlet_pump(at.outlet);
	leaves();
	at.outlet->put_off = LIMIT_PUT_OFF;
	assert_false(outlet_nack(at.reader, &n, 0, &why));
	assert_int_equal(why.code, ERR_QUOTA);
	assert_null(at_the_committer());
	at.outlet->put_off = LIMIT_PUT_OFF - 1;
	assert_true(outlet_nack(at.reader, &n, 0, &why));
	assert_int_equal(at.outlet->put_off, LIMIT_PUT_OFF);
	struct job *j = at_the_committer();
	assert_non_null(j);
	assert_int_equal(j->kind, JOB_RETRY);
	assert_int_equal(j->retry.items[0].attempts, 1);
	assert_int_equal(j->retry.items[0].not_before_ms, wall_best(&at.shell.wall) / 1000 + 1);
	j->fate = JOB_DONE;
	outlet_given_up(&at.desk, j); /* nobody stored the delay: it goes at once */
	assert_int_equal(at.outlet->put_off, LIMIT_PUT_OFF - 1);
	leaves();
	acknowledge(1);
	is_acknowledged();
}

/* A job of the flight's comes home, and meanwhile the client has acknowledged what it has. */
static void
acknowledged_while_its_job_was_away(void)
{
	outlet_pump(at.outlet);
	leaves();
	struct flight *f = TAILQ_FIRST(&at.outlet->all);
	assert_int_equal(f->state, FLIGHT_SENT);
	flight_detach(f);
	flight_wait(f, FLIGHT_JOB);
	at.outlet->jobs = 1;
	acknowledge(1);
	assert_null(at_the_committer());
	struct job *j = job_new(JOB_AGAIN, NULL, 4096);
	assert_non_null(j);
	j->again.flight = f;
	j->fate = JOB_DONE;
	left = 1;
	outlet_decided(&at.desk, j);
}

static void
an_acknowledgement_for_which_there_was_no_memory_is_not_forgotten(void **state)
{
	(void)state;
	fired = false;
	acknowledged_while_its_job_was_away();
	left = 0;
	assert_true(fired);
	assert_null(at_the_committer());
	pass_ms(999);
	assert_null(at_the_committer());
	pass_ms(1);
	assert_true(outbox_empty(&at.conn.outbox)); /* not delivered again */
	is_acknowledged();
}

/* New rules came, and its room with them: nothing else would call it again. */
static void
an_export_whose_session_waits_to_be_judged_asks_for_a_turn(void **state)
{
	(void)state;
	OK(&at.store, pull_begin(&at.conn, 1, 0, &at.store.e));
	at.worker->trust_serial++;
	pull_recorded(&at.conn, 0);
	assert_true(at.conn.wants_turn);
	pull_drop(&at.conn);
}

/* What its reader wants of it, it has under a head that covers its DELIVERY, and no earlier. */
static void
a_report_that_must_bring_its_proof_waits_for_a_head(void **state)
{
	(void)state;
	at.reader->proof = true;
	outlet_pump(at.outlet);
	assert_int_equal(at.outlet->uncovered, 1);
	pass_ms(1000); /* it is looked at again: the next reader may want none */
	assert_int_equal(at.outlet->uncovered, 1);
	at.session.heads_size = DELIVERY; /* which does not cover it */
	outlet_covered(at.outlet);
	assert_int_equal(at.outlet->uncovered, 1);
	assert_true(outbox_empty(&at.conn.outbox));
	at.reader->proof = false;
	outlet_covered(at.outlet);
	assert_int_equal(at.outlet->uncovered, 0);
	assert_false(outbox_empty(&at.conn.outbox));
}

static const struct notice_back back = { { SUBSCRIPTION, 1, DECISION }, 1 };

static size_t
flights(void)
{
	const struct flight *f;
	size_t n = 0;
	TAILQ_FOREACH (f, &at.outlet->all, of_outlet)
		n++;
	return n;
}

/* Its place was passed: the queue is not read there again. */
static void
what_came_back_to_a_place_that_was_passed_is_sent_again(void **state)
{
	(void)state;
	outlet_pump(at.outlet);
	leaves();
	assert_int_equal(at.worker->metrics.wait[0].count, 1);
	acknowledge(1);
	is_acknowledged();
	outlet_more(at.outlet);
	outlet_pump(at.outlet);
	assert_int_equal(flights(), 0);
	assert_true(outlet_back(at.outlet, &back));
	assert_int_equal(flights(), 1);
	outlet_pump(at.outlet);
	leaves();
	acknowledge(2);
	is_acknowledged();
}

/* The job that counts it, and nobody reads. */
static struct job *
sent_for_the_last_time(void)
{
	outlet_pump(at.outlet);
	leaves();
	TAILQ_FIRST(&at.outlet->all)->entry.attempts = 16;
	at.reader->credit = 0;
	pass_ms(ACK_WAIT_MS);
	struct job *j = at_the_committer();
	assert_non_null(j);
	at.reader->credit = 10;
	return j;
}

/* The committer gave it up while nobody read; then it came back, and a reader before its notice. */
static void
what_came_back_is_counted_anew(void **state)
{
	(void)state;
	struct job *j = sent_for_the_last_time();
	j->fate = JOB_DONE; /* what the store has is as new */
	outlet_given_up(&at.desk, j);
	outlet_pump(at.outlet);
	leaves();
	assert_int_equal(TAILQ_FIRST(&at.outlet->all)->entry.attempts, 1);
	acknowledge(1);
	is_acknowledged();
}

/* As long as it is not in the store the flight itself knows how often it was sent. */
static void
what_could_not_be_counted_counts(void **state)
{
	(void)state;
	struct job *j = sent_for_the_last_time();
	j->fate = JOB_FAILED;
	outlet_given_up(&at.desk, j);
	outlet_pump(at.outlet);
	j = at_the_committer();
	assert_int_equal(j->kind, JOB_RETRY); /* it is given up */
	job_free(j);
}

/* How long it was a dead letter is nobody's delay. */
static void
what_came_back_is_not_late(void **state)
{
	struct store_queued q = { .key = { SUBSCRIPTION, 1, DECISION }, .intake = INTAKE };
	struct store_rig *r = &at.store;
	(void)state;
	q.report.originator = 1;
	BEGIN(r);
	OK(r, store_enqueue(r->store, &q, &r->e));
	COMMIT(r);
	store_view_close(r->view);
	outlet_pump(at.outlet);
	leaves();
	assert_int_equal(at.worker->metrics.wait[0].count, 0);
	acknowledge(1);
	is_acknowledged();
}

static void
what_came_back_and_will_be_found_is_not_there_twice(void **state)
{
	struct lane *l = &at.outlet->lanes[0];
	(void)state;
	assert_true(outlet_back(at.outlet, &back)); /* nothing was fetched yet */
	assert_int_equal(flights(), 0);
	l->after = DECISION - 1; /* as far as that it is not */
	assert_true(outlet_back(at.outlet, &back));
	assert_int_equal(flights(), 0);
	l->after = DECISION; /* it was, and waits */
	l->stock[0].key = back.key;
	l->count = 1;
	assert_true(outlet_back(at.outlet, &back));
	assert_int_equal(flights(), 0);
	l->count = 0;
	l->after = STORE_QUEUE_START;
	outlet_pump(at.outlet);
	leaves();
	assert_int_equal(flights(), 1);
	TAILQ_FIRST(&at.outlet->all)->entry.attempts = 16; /* it was given up, and does not know */
	TAILQ_FIRST(&at.outlet->all)->checked = true;
	assert_true(outlet_back(at.outlet, &back));
	assert_int_equal(flights(), 1);
	assert_int_equal(TAILQ_FIRST(&at.outlet->all)->entry.attempts, 0);
	assert_false(TAILQ_FIRST(&at.outlet->all)->checked);
	acknowledge(1);
	is_acknowledged();
}

/* Nothing else would ever come to its place again. */
static void
what_came_back_without_memory_is_not_forgotten(void **state)
{
	struct notice *n = calloc(1, sizeof(*n));
	(void)state;
	assert_non_null(n);
	n->backs = calloc(1, sizeof(*n->backs));
	assert_non_null(n->backs);
	n->backs[0] = back;
	n->back_count = n->back_room = 1;
	at.outlet->lanes[0].after = DECISION;
	at.outlet->lanes[0].more = false;
	dry = true;
	on_notice(at.worker, &n->letter);
	on_tick(at.worker);
	dry = false;
	assert_int_equal(flights(), 0);
	shelf_put_evidence(at.desk.shelf, &(struct evidence){ .delivery = DELIVERY });
	on_tick(at.worker);
	leaves();
	acknowledge(1);
	is_acknowledged();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_report_whose_delivery_fails_anywhere_has_no_number_and_comes_a_second_later),
		cmocka_unit_test_setup_teardown(
		    a_report_for_a_connection_that_just_ended_has_no_number, up, down),
		cmocka_unit_test_setup_teardown(
		    so_many_deliveries_are_put_off_and_no_more, up, down),
		cmocka_unit_test_setup_teardown(
		    what_came_back_to_a_place_that_was_passed_is_sent_again, up, down),
		cmocka_unit_test_setup_teardown(what_came_back_is_counted_anew, up, down),
		cmocka_unit_test_setup_teardown(what_could_not_be_counted_counts, up, down),
		cmocka_unit_test_setup_teardown(what_came_back_is_not_late, up, down),
		cmocka_unit_test_setup_teardown(
		    what_came_back_and_will_be_found_is_not_there_twice, up, down),
		cmocka_unit_test_setup_teardown(
		    what_came_back_without_memory_is_not_forgotten, up, down),
		cmocka_unit_test_setup_teardown(
		    an_export_whose_session_waits_to_be_judged_asks_for_a_turn, up, down),
		cmocka_unit_test_setup_teardown(
		    a_report_that_must_bring_its_proof_waits_for_a_head, up, down),
		cmocka_unit_test_setup_teardown(
		    an_acknowledgement_for_which_there_was_no_memory_is_not_forgotten, up, down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
