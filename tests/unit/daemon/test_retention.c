#include "tests/lib/test.h"

#include "daemon/feedback.h"
#include "daemon/retention.h"
#include "proto/facts.h"
#include "tests/lib/store_rig.h"

static int
open_rig(void **state)
{
	struct store_rig *r = malloc(sizeof(*r));
	assert_non_null(r);
	store_rig_init(r);
	r->config.map_bytes = 64u << 20;
	assert_true(store_rig_open(r));
	*state = r;
	return 0;
}

static int
close_rig(void **state)
{
	store_rig_done(*state);
	free(*state);
	return 0;
}

static struct store_report_key
report_id(uint64_t number)
{
	struct store_report_key k = { .originator = 1 };
	put_u64(k.id, number);
	return k;
}

/* A report accepted at 'accepted', given to party 2, who said something of it. */
static void
put(struct store_rig *r, uint64_t intake, uint64_t accepted, uint64_t expires)
{
	struct store_report rep = { .key = report_id(intake),
		.intake = intake,
		.accepted_us = accepted,
		.expires_us = expires,
		.body_bytes = 4 };
	struct store_given g = { .party = 2, .report = rep.key, .intake = intake };
	OK(r, store_put_report(r->store, &rep, &r->e));
	OK(r, store_put_part(r->store, intake, STORE_PART_HEAD(0), bytes_of("head"), &r->e));
	OK(r, store_put_part(r->store, intake, STORE_PART_BODY(0), bytes_of("body"), &r->e));
	OK(r, store_put_given(r->store, &g, &r->e));
	char name[FEEDBACK_NAME];
	feedback_name(&rep.key, 2, name);
	OK(r, store_put_note(r->store, name, bytes_of("said"), &r->e));
}

static bool
is_said(struct store_rig *r, uint64_t number)
{
	struct store_report_key key = report_id(number);
	char name[FEEDBACK_NAME];
	struct bytes said;
	bool found;
	feedback_name(&key, 2, name);
	OK(r, store_read_note(r->view, name, &said, &found, &r->e));
	return found;
}

static struct store_queue_key
queue(struct store_rig *r, uint64_t intake)
{
	struct store_subscription sub = { .party = 2, .mode = 1, .name = bytes_of("inbox") };
	OK(r, store_put_subscription(r->store, &sub, &r->e));
	struct store_queued q = { .key = { sub.id, PRECEDENCE_FLASH, intake + 1 },
		.intake = intake };
	OK(r, store_enqueue(r->store, &q, &r->e));
	return q.key;
}

/* Whole rounds until one drops nothing; what all dropped. */
static struct retention_done
sweep(struct store_rig *r, const struct retention_rules *rules)
{
	struct retention_place place = { 0 };
	struct retention_done sum = { 0 };
	for (unsigned rounds = 0; rounds < 2;) {
		struct retention_done d;
		OK(r, store_rig_begin(r));
		OK(r, retention_step(r->store, rules, &place, &d, &r->e));
		OK(r, store_rig_commit(r));
		sum.bodies += d.bodies;
		sum.reports += d.reports;
		sum.given += d.given;
		rounds += d.round;
	}
	return sum;
}

static bool
has(struct store_rig *r, uint64_t intake, uint16_t part)
{
	struct bytes b;
	bool found;
	OK(r, store_read_part(store_rig_look(r), intake, part, &b, &found, &r->e));
	return found;
}

static void
bodies_go_when_their_time_has_passed_and_not_before(void **state)
{
	struct store_rig *r = *state;
	struct retention_rules rules = {
		.now_us = 1099, .keep_bodies_us = 100, .keep_ids_us = 5000
	};
	OK(r, store_rig_begin(r));
	put(r, 10, 1000, 0);
	OK(r, store_rig_commit(r));
	assert_int_equal(sweep(r, &rules).bodies, 0);
	rules.now_us = 1100;
	assert_int_equal(sweep(r, &rules).bodies, 1);
	assert_false(has(r, 10, STORE_PART_BODY(0)));
	assert_true(has(r, 10, STORE_PART_HEAD(0)));
	assert_int_equal(sweep(r, &rules).bodies, 0);
}

static void
bodies_stay_while_a_dead_letter_has_them(void **state)
{
	struct store_rig *r = *state;
	struct retention_rules rules = {
		.now_us = 9000, .keep_bodies_us = 100, .keep_ids_us = 5000
	};
	struct store_letter l = { .key = { .party = 2, .report = report_id(10) },
		.why = STORE_DEAD_NO_SUBSCRIPTION,
		.precedence = PRECEDENCE_FLASH,
		.intake = 10 };
	OK(r, store_rig_begin(r));
	put(r, 10, 1000, 0);
	OK(r, store_put_letter(r->store, &l, &r->e));
	OK(r, store_rig_commit(r));
	struct retention_done done = sweep(r, &rules);
	assert_int_equal(done.bodies + done.reports + done.given, 0);
	OK(r, store_rig_begin(r));
	OK(r, store_drop_letter(r->store, &l.key, NULL, &r->e));
	OK(r, store_rig_commit(r));
	done = sweep(r, &rules);
	assert_int_equal(done.bodies + done.reports + done.given, 3);
}

static void
bodies_go_at_the_expiry_at_the_latest(void **state)
{
	struct store_rig *r = *state;
	struct retention_rules rules = {
		.now_us = 1049, .keep_bodies_us = 100, .keep_ids_us = 5000
	};
	OK(r, store_rig_begin(r));
	put(r, 10, 1000, 1050);
	OK(r, store_rig_commit(r));
	assert_int_equal(sweep(r, &rules).bodies, 0);
	rules.now_us = 1050;
	assert_int_equal(sweep(r, &rules).bodies, 1);
}

static void
what_a_queue_waits_for_stays(void **state)
{
	struct store_rig *r = *state;
	struct retention_rules rules = {
		.now_us = 90000, .keep_bodies_us = 100, .keep_ids_us = 5000
	};
	OK(r, store_rig_begin(r));
	put(r, 10, 1000, 1050);
	struct store_queue_key first = queue(r, 10), second = queue(r, 10);
	OK(r, store_rig_commit(r));
	struct retention_done d = sweep(r, &rules);
	assert_int_equal(d.bodies + d.reports + d.given, 0);
	store_rig_close(r); /* it is counted again at the start */
	OK(r, store_rig_open(r));
	assert_int_equal(sweep(r, &rules).bodies, 0);
	OK(r, store_rig_begin(r));
	OK(r, store_dequeue(r->store, &first, NULL, &r->e));
	OK(r, store_rig_commit(r));
	assert_int_equal(sweep(r, &rules).bodies, 0);
	OK(r, store_rig_begin(r));
	OK(r, store_dequeue(r->store, &second, NULL, &r->e));
	store_abort(r->store);
	assert_int_equal(sweep(r, &rules).bodies, 0);
	OK(r, store_rig_begin(r));
	OK(r, store_dequeue(r->store, &second, NULL, &r->e));
	OK(r, store_rig_commit(r));
	assert_int_equal(sweep(r, &rules).bodies, 1);
}

static void
what_is_held_stays(void **state)
{
	struct store_rig *r = *state;
	struct retention_rules rules = {
		.now_us = 90000, .keep_bodies_us = 100, .keep_ids_us = 5000
	};
	struct store_held h = { .deadline_us = 5, .decision = 11, .intake = 10 };
	OK(r, store_rig_begin(r));
	put(r, 10, 1000, 0);
	OK(r, store_put_hold(r->store, &h, &r->e));
	OK(r, store_put_hold(r->store, &h, &r->e));
	OK(r, store_rig_commit(r));
	assert_int_equal(sweep(r, &rules).bodies, 0);
	store_rig_close(r);
	OK(r, store_rig_open(r));
	assert_int_equal(sweep(r, &rules).bodies, 0);
	OK(r, store_rig_begin(r));
	OK(r, store_drop_hold(r->store, 5, 11, &r->e));
	OK(r, store_drop_hold(r->store, 5, 11, &r->e));
	OK(r, store_rig_commit(r));
	assert_int_equal(sweep(r, &rules).bodies, 1);
}

static void
ids_go_later_and_take_what_was_given_with_them(void **state)
{
	struct store_rig *r = *state;
	struct retention_rules rules = {
		.now_us = 5999, .keep_bodies_us = 100, .keep_ids_us = 5000
	};
	struct store_report_key key = report_id(10);
	struct store_report rep;
	struct store_given g;
	bool found;
	OK(r, store_rig_begin(r));
	put(r, 10, 1000, 0);
	put(r, 20, 2000, 0);
	OK(r, store_rig_commit(r));
	struct retention_done d = sweep(r, &rules);
	assert_int_equal(d.bodies, 2);
	assert_int_equal(d.reports + d.given, 0);
	rules.now_us = 6000;
	d = sweep(r, &rules);
	assert_int_equal(d.reports, 1);
	assert_int_equal(d.given, 1);
	OK(r, store_find_report(store_rig_look(r), &key, &rep, &found, &r->e));
	assert_false(found);
	OK(r, store_find_given(r->view, 2, &key, &g, &found, &r->e));
	assert_false(found);
	key = report_id(20);
	OK(r, store_find_given(r->view, 2, &key, &g, &found, &r->e));
	assert_true(found);
	assert_false(is_said(r, 10));
	assert_true(is_said(r, 20));
}

static void
a_clock_before_the_acceptance_drops_nothing(void **state)
{
	struct store_rig *r = *state;
	struct retention_rules rules = { .now_us = 10, .keep_bodies_us = 0, .keep_ids_us = 0 };
	OK(r, store_rig_begin(r));
	put(r, 10, 1000, 0);
	OK(r, store_rig_commit(r));
	struct retention_done d = sweep(r, &rules);
	assert_int_equal(d.bodies + d.reports + d.given, 0);
}

static void
thousands_go_in_bounded_steps(void **state)
{
	struct store_rig *r = *state;
	struct retention_rules rules = {
		.now_us = 90000, .keep_bodies_us = 100, .keep_ids_us = 5000
	};
	enum { COUNT = 1000 };
	OK(r, store_rig_begin(r));
	for (uint64_t i = 0; i < COUNT; i++)
		put(r, i, 1000 + i % 2 * 89000, 0); /* every second one is young */
	OK(r, store_rig_commit(r));
	struct retention_place place = { 0 };
	struct retention_done d;
	OK(r, store_rig_begin(r));
	OK(r, retention_step(r->store, &rules, &place, &d, &r->e));
	OK(r, store_rig_commit(r));
	assert_int_equal(d.bodies, 128);
	assert_false(d.round);
	d = sweep(r, &rules);
	assert_int_equal(d.bodies, COUNT / 2 - 128);
	assert_true(has(r, 1, STORE_PART_BODY(0)));
	assert_false(has(r, 998, STORE_PART_BODY(0)));
}

/* The counts of many reports, added and taken in another order, against a plain array. */
static void
needs_are_counted_through_growth_and_removal(void **state)
{
	struct store_rig *r = *state;
	enum { REPORTS = 500, ROUNDS = 4000 };
	static unsigned count[REPORTS];
	uint32_t random = 12345;
	struct store_subscription sub = { .party = 2, .mode = 1, .name = bytes_of("inbox") };
	OK(r, store_rig_begin(r));
	OK(r, store_put_subscription(r->store, &sub, &r->e));
	for (unsigned i = 0; i < ROUNDS; i++) {
		random = random * 1664525 + 1013904223;
		uint64_t intake = (random >> 8) % REPORTS;
		struct store_queued q = { .key = { sub.id, PRECEDENCE_FLASH, intake * 8 },
			.intake = intake };
		if (random >> 31 && count[intake] < 8) {
			q.key.decision += count[intake]++;
			OK(r, store_enqueue(r->store, &q, &r->e));
		} else if (count[intake] > 0) {
			q.key.decision += --count[intake];
			OK(r, store_dequeue(r->store, &q.key, NULL, &r->e));
		}
		for (uint64_t k = 0; i % 100 == 0 && k < REPORTS; k++)
			assert_int_equal(store_is_needed(r->store, k), count[k] > 0);
	}
	store_abort(r->store);
	for (uint64_t k = 0; k < REPORTS; k++)
		assert_false(store_is_needed(r->store, k));
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(bodies_go_when_their_time_has_passed_and_not_before),
		T(bodies_stay_while_a_dead_letter_has_them),
		T(bodies_go_at_the_expiry_at_the_latest),
		T(what_a_queue_waits_for_stays),
		T(what_is_held_stays),
		T(ids_go_later_and_take_what_was_given_with_them),
		T(a_clock_before_the_acceptance_drops_nothing),
		T(thousands_go_in_bounded_steps),
		T(needs_are_counted_through_growth_and_removal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
