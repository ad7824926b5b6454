/* How much of a worker's time a party has had, and that debt is paid. */
#include "tests/lib/test.h"

#include "daemon/role.h"
#include "daemon/share.h"
#include "proto/limits.h"

enum { MS = 1000 };

static struct share
fresh(void)
{
	struct share s;
	role_set(ROLE_WORKER);
	share_init(&s);
	return s;
}

static void
a_party_has_its_share_of_each_millisecond_and_no_more(void **state)
{
	(void)state;
	struct share s = fresh();
	uint64_t now = 7 * MS;
	assert_false(share_is_spent(&s, now));
	share_spend(&s, now, now + LIMIT_SHARE_US - 1);
	assert_false(share_is_spent(&s, now + LIMIT_SHARE_US));
	share_spend(&s, now, now + 1);
	assert_true(share_is_spent(&s, now + LIMIT_SHARE_US));
	assert_true(share_is_spent(&s, now + MS - 1));
	assert_false(share_is_spent(&s, now + MS));
}

/* A page of the log takes milliseconds: whoever read one waits behind the others for as long as it
 * takes to come by that time honestly. */
static void
what_it_took_beyond_its_share_is_paid_in_the_milliseconds_that_follow(void **state)
{
	(void)state;
	struct share s = fresh();
	uint64_t began = 7 * MS, now = began + 50 * LIMIT_SHARE_US;
	share_spend(&s, began, now);
	assert_true(share_is_spent(&s, now + MS));
	assert_true(share_is_spent(&s, now + 49 * MS));
	assert_false(share_is_spent(&s, now + 50 * MS));
	/* and only that: what comes then counts from nothing */
	share_spend(&s, now + 50 * MS, now + 50 * MS + LIMIT_SHARE_US - 1);
	assert_false(share_is_spent(&s, now + 50 * MS + LIMIT_SHARE_US));
}

static void
a_debt_has_an_end_however_long_a_party_had_all_for_itself(void **state)
{
	(void)state;
	struct share s = fresh();
	uint64_t now = 7 * MS;
	for (unsigned i = 0; i < 1000; i++, now += MS)
		share_spend(&s, now, now + MS);
	uint64_t left = LIMIT_SHARE_DEBT_US / LIMIT_SHARE_US;
	assert_true(share_is_spent(&s, now + (left - 2) * MS));
	assert_false(share_is_spent(&s, now + left * MS));
}

static void
a_share_that_nobody_used_is_not_saved_up(void **state)
{
	(void)state;
	struct share s = fresh();
	share_spend(&s, 7 * MS, 7 * MS + 10);
	share_spend(&s, 5000 * MS, 5000 * MS + LIMIT_SHARE_US);
	assert_true(share_is_spent(&s, 5000 * MS + LIMIT_SHARE_US));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_party_has_its_share_of_each_millisecond_and_no_more),
		cmocka_unit_test(
		    what_it_took_beyond_its_share_is_paid_in_the_milliseconds_that_follow),
		cmocka_unit_test(a_debt_has_an_end_however_long_a_party_had_all_for_itself),
		cmocka_unit_test(a_share_that_nobody_used_is_not_saved_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
