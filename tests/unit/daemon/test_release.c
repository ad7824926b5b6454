/* The door of S1: what must be true for bytes of a report to leave, each alone made untrue. */
#include "tests/lib/test.h"

#include "daemon/release.h"
#include "daemon/ruleset.h"

enum { S = 1000000, RULES = 7, DELIVERY = 41, SIGNED = DELIVERY + 1, NOW = 1000 * S };

static uint64_t real_us;

static uint64_t
clock_real(void *arg)
{
	(void)arg;
	return real_us;
}

static uint64_t
clock_boot(void *arg)
{
	(void)arg;
	return NOW;
}

static bool
clock_synced(void *arg)
{
	(void)arg;
	return true;
}

static struct {
	struct shell shell;
	struct ruleset rules;
	struct desk desk;
	struct release_token token;
} scene;

/* Everything as it must be. */
static int
setup(void **state)
{
	(void)state;
	memset(&scene, 0, sizeof(scene));
	real_us = NOW;
	wall_init(&scene.shell.wall, S);
	scene.shell.wall.source =
	    (struct wall_source){ clock_real, clock_boot, clock_synced, NULL };
	wall_committed(&scene.shell.wall, NOW - S);
	atomic_store(&scene.shell.in_force, RULES);
	atomic_store(&scene.shell.signed_size, SIGNED);
	scene.rules.number = RULES;
	scene.desk.shell = &scene.shell;
	scene.desk.rules = &scene.rules;
	scene.token = (struct release_token){ .desk = &scene.desk,
		.rules = RULES,
		.good_until_us = NOW + 1,
		.delivery = DELIVERY,
		.decision = STORE_NONE };
	return 0;
}

static bool
may_leave(void)
{
	return release_permit(&scene.desk, &scene.token);
}

static void
what_is_recorded_signed_and_decided_now_may_leave(void **state)
{
	(void)state;
	assert_true(may_leave());
	scene.token.good_until_us = 0; /* no end */
	assert_true(may_leave());
}

static void
not_before_the_quorum_signed_a_head_over_the_decision(void **state)
{
	(void)state;
	scene.token.decision = DELIVERY - 1;
	assert_false(may_leave());
	atomic_store(&scene.shell.cosigned_size, DELIVERY - 1);
	assert_false(may_leave());
	atomic_store(&scene.shell.cosigned_size, DELIVERY);
	assert_true(may_leave());
	scene.token.decision = 0; /* nobody set it: the first record is not covered by nothing */
	atomic_store(&scene.shell.cosigned_size, 0);
	assert_false(may_leave());
}

static void
not_once_its_report_was_withdrawn_after_it_was_read(void **state)
{
	(void)state;
	_Atomic uint64_t *word = shell_withdrew(&scene.shell, 9);
	scene.token.intake = 9;
	scene.token.seen = 3;
	atomic_store(word, 3);
	assert_true(may_leave());
	atomic_store(word, UINT64_MAX); /* it is being committed */
	assert_false(may_leave());
	atomic_store(word, 4);
	assert_false(may_leave());
	scene.token.seen = 4; /* read again: it is another report that shares the word */
	assert_true(may_leave());
	scene.token.seen = 3;
	scene.token.intake = 10;
	assert_true(may_leave());
}

static void
not_without_a_delivery_record_below_the_signed_head(void **state)
{
	(void)state;
	atomic_store(&scene.shell.signed_size, DELIVERY);
	assert_false(may_leave());
	atomic_store(&scene.shell.signed_size, UINT64_MAX);
	scene.token.delivery = STORE_NONE;
	assert_false(may_leave());
}

static void
not_under_rules_that_this_worker_has_put_away(void **state)
{
	(void)state;
	scene.rules.number = RULES + 1;
	assert_false(may_leave());
	scene.desk.rules = NULL;
	assert_false(may_leave());
}

/* The worker has not read its mail yet. */
static void
not_once_newer_rules_are_durable(void **state)
{
	(void)state;
	atomic_store(&scene.shell.in_force, RULES + 1);
	assert_false(may_leave());
}

static void
not_from_its_good_until_on(void **state)
{
	(void)state;
	scene.token.good_until_us = NOW;
	assert_false(may_leave());
}

static void
not_while_the_clock_is_in_doubt(void **state)
{
	(void)state;
	scene.token.good_until_us = 0;
	real_us = NOW + 100000000ull * S;
	assert_false(may_leave());
}

static void
not_once_the_store_is_broken(void **state)
{
	(void)state;
	atomic_store(&scene.shell.broken, true);
	assert_false(may_leave());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_is_recorded_signed_and_decided_now_may_leave, setup),
		cmocka_unit_test_setup(
		    not_before_the_quorum_signed_a_head_over_the_decision, setup),
		cmocka_unit_test_setup(not_once_its_report_was_withdrawn_after_it_was_read, setup),
		cmocka_unit_test_setup(not_without_a_delivery_record_below_the_signed_head, setup),
		cmocka_unit_test_setup(not_under_rules_that_this_worker_has_put_away, setup),
		cmocka_unit_test_setup(not_once_newer_rules_are_durable, setup),
		cmocka_unit_test_setup(not_from_its_good_until_on, setup),
		cmocka_unit_test_setup(not_while_the_clock_is_in_doubt, setup),
		cmocka_unit_test_setup(not_once_the_store_is_broken, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
