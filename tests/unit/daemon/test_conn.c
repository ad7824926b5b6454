#include "tests/unit/daemon/io_rig.h"

static void
a_partner_shakes_hands_says_hello_and_is_answered(void **state)
{
	(void)state;
	struct peer *p = rig_ready("NOR", 0);
	rig_ask(p, MSG_WHOAMI, 2);
	assert_int_equal(rig_next_type(p), MSG_PONG);
	assert_int_equal(rig.calls.hello, 1);
	assert_int_equal(rig.calls.other, 1);
	assert_string_equal(rig_conn(p)->peer->party, "NOR");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_partner_shakes_hands_says_hello_and_is_answered, rig_up, rig_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
