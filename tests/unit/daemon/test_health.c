#include "tests/lib/test.h"

#include <event2/event.h>
#include <sys/socket.h>

#include "daemon/health.h"

/* Main's loop with a broker of no workers; its committer moves when the test says so. */
static struct {
	struct event_base *base;
	struct shell shell;
	struct service service;
	int manager;
	struct health *health;
	char said[256];
} rig;

static int
open_rig_of(uint32_t still_ms)
{
	int pair[2];
	struct err e = { 0 };
	memset(&rig, 0, sizeof(rig));
	rig.base = event_base_new();
	if (rig.base == NULL || socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0)
		return -1;
	rig.service = (struct service){ .fd = pair[0], .watchdog_us = 600000 };
	rig.manager = pair[1];
	struct health_setup s = { rig.base, &rig.shell, &rig.service, still_ms };
	return health_new(&s, &rig.health, &e) ? 0 : -1;
}

static int
open_rig(void **state)
{
	(void)state;
	return open_rig_of(600000);
}

static int
open_impatient_rig(void **state)
{
	(void)state;
	return open_rig_of(50);
}

static int
close_rig(void **state)
{
	(void)state;
	health_free(rig.health);
	service_close(&rig.service);
	(void)close(rig.manager);
	event_base_free(rig.base);
	return 0;
}

static bool
is_well(void)
{
	memset(rig.said, 0, sizeof(rig.said));
	FILE *to = fmemopen(rig.said, sizeof(rig.said), "w");
	assert_non_null(to);
	bool well = health_well(rig.health, to);
	(void)fclose(to);
	return well;
}

static void
turn(void)
{
	assert_int_equal(event_base_loop(rig.base, EVLOOP_ONCE), 0);
}

static ssize_t
told(void)
{
	char what[64];
	return recv(rig.manager, what, sizeof(what), MSG_DONTWAIT);
}

static void
whoever_moves_is_well_and_the_manager_hears_of_it(void **state)
{
	(void)state;
	assert_true(is_well());
	assert_string_equal(rig.said, "well\n");
	for (int i = 0; i < 4; i++) {
		atomic_fetch_add(&rig.shell.beats, 1);
		turn();
	}
	assert_true(is_well());
	assert_int_equal(told(), strlen("WATCHDOG=1"));
}

static void
a_committer_that_stands_still_is_told_and_the_manager_hears_nothing(void **state)
{
	(void)state;
	while (is_well())
		turn();
	assert_non_null(strstr(rig.said, "the committer has stood still for "));
	while (told() > 0)
		continue;
	for (int i = 0; i < 5; i++)
		turn();
	assert_int_equal(told(), -1);
	do {
		atomic_fetch_add(&rig.shell.beats, 1);
		turn();
	} while (!is_well());
}

static void
a_broken_store_is_told(void **state)
{
	(void)state;
	atomic_store(&rig.shell.broken, true);
	assert_false(is_well());
	assert_string_equal(rig.said, "the store is broken\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    whoever_moves_is_well_and_the_manager_hears_of_it, open_rig, close_rig),
		cmocka_unit_test_setup_teardown(
		    a_committer_that_stands_still_is_told_and_the_manager_hears_nothing,
		    open_impatient_rig, close_rig),
		cmocka_unit_test_setup_teardown(a_broken_store_is_told, open_rig, close_rig),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
