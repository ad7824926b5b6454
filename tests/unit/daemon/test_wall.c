#include "daemon/wall.h"
#include "proto/limits.h"
#include "tests/lib/test.h"

static uint64_t real_us, boot_us;

static uint64_t
fake_real(void *arg)
{
	(void)arg;
	return real_us;
}

static void (*meanwhile)(void); /* what another thread does while one looks at the clock */

static uint64_t
fake_boot(void *arg)
{
	void (*does)(void) = meanwhile;
	(void)arg;
	meanwhile = NULL;
	if (does != NULL)
		does();
	return boot_us;
}

enum { S = 1000000 };

static bool synced;

static bool
fake_synced(void *arg)
{
	(void)arg;
	return synced;
}

static void
start(struct wall *w)
{
	wall_init(w, (uint64_t)LIMIT_CLOCK_GAP_S * S);
	w->source = (struct wall_source){ fake_real, fake_boot, fake_synced, NULL };
	real_us = 1000000ull * S;
	boot_us = 500ull * S;
}

static void
a_clock_put_back_stands_still_at_the_last_commit(void **state)
{
	(void)state;
	struct wall w;
	start(&w);
	uint64_t now = 0;
	wall_committed(&w, real_us);
	real_us -= 3600ull * S;
	assert_true(wall_now(&w, &now));
	assert_int_equal(now, 1000000ull * S);
}

static void
sixty_seconds_ahead_of_the_boot_clock_is_believed_and_more_is_not(void **state)
{
	(void)state;
	struct wall w;
	start(&w);
	uint64_t now = 0;
	wall_committed(&w, real_us);
	boot_us += 10ull * S;
	real_us += (10ull + LIMIT_CLOCK_AHEAD_S) * S;
	assert_true(wall_now(&w, &now));
	real_us += 1;
	assert_false(wall_now(&w, &now));
	assert_true(wall_in_doubt(&w));
}

static void
doubt_stays_until_somebody_accepts_the_clock(void **state)
{
	(void)state;
	struct wall w;
	start(&w);
	uint64_t now = 0;
	wall_committed(&w, real_us);
	real_us += 7200ull * S;
	assert_false(wall_now(&w, &now));
	assert_int_equal(wall_best(&w), 1000000ull * S);
	real_us -= 7200ull * S;
	assert_false(wall_now(&w, &now));
	real_us += 7200ull * S;
	assert_int_equal(wall_accept(&w), 7200ll * S);
	assert_true(wall_now(&w, &now));
	assert_int_equal(now, real_us);
}

static struct wall shared;

static void
doubt_and_accept(void)
{
	uint64_t now;
	assert_false(wall_now(&shared, &now));
	(void)wall_accept(&shared);
}

static void
a_jump_that_was_accepted_is_not_doubted_by_a_thread_that_was_looking_meanwhile(void **state)
{
	(void)state;
	start(&shared);
	uint64_t now = 0;
	wall_committed(&shared, real_us);
	real_us += 7200ull * S;
	meanwhile = doubt_and_accept;
	assert_true(wall_now(&shared, &now));
	assert_null(meanwhile);
	assert_int_equal(now, real_us);
	assert_false(wall_in_doubt(&shared));
}

static void
a_commit_that_nobody_asked_the_time_for_does_not_let_a_jump_in(void **state)
{
	(void)state;
	struct wall w;
	start(&w);
	uint64_t now = 0, before = real_us;
	wall_committed(&w, real_us);
	real_us += 7200ull * S;
	assert_int_equal(wall_best(&w), before);
	wall_committed(&w, wall_best(&w));
	assert_false(wall_now(&w, &now));
}

static void
a_jump_while_we_were_down_is_found_at_the_start(void **state)
{
	(void)state;
	struct wall w;
	start(&w);
	uint64_t last = real_us;
	wall_resume(&w, last, boot_us, false);
	assert_false(wall_in_doubt(&w));
	real_us += 7200ull * S;
	start(&w);
	real_us = last + 7200ull * S;
	wall_resume(&w, last, boot_us, false);
	assert_true(wall_in_doubt(&w));
	assert_int_equal(wall_best(&w), last);
}

static void
after_a_reboot_only_a_gap_beyond_the_setting_is_doubted(void **state)
{
	(void)state;
	struct wall w;
	start(&w);
	uint64_t now = 0;
	uint64_t last = real_us;
	real_us = last + (uint64_t)LIMIT_CLOCK_GAP_S * S;
	wall_resume(&w, last, 1, true);
	assert_true(wall_now(&w, &now));
	start(&w);
	real_us = last + (uint64_t)LIMIT_CLOCK_GAP_S * S + 1;
	wall_resume(&w, last, 1, true);
	assert_false(wall_now(&w, &now));
}

static void
what_it_should_say_is_the_last_commit_and_what_the_boot_clock_adds(void **state)
{
	(void)state;
	struct wall w;
	start(&w);
	assert_int_equal(wall_expected(&w), 0);
	wall_committed(&w, real_us);
	boot_us += 7ull * S;
	assert_int_equal(wall_expected(&w), 1000007ull * S);
	real_us += 3600ull * S;
	assert_int_equal(wall_expected(&w), 1000007ull * S);
}

static void
its_quality_is_what_the_kernel_says_unless_it_is_in_doubt(void **state)
{
	(void)state;
	struct wall w;
	start(&w);
	atomic_store(&w.synced, false);
	assert_false(wall_ask_synced(&w));
	assert_string_equal(wall_quality(&w), "free");
	synced = true;
	assert_true(wall_ask_synced(&w));
	assert_false(wall_ask_synced(&w));
	assert_string_equal(wall_quality(&w), "sync");
	wall_committed(&w, real_us);
	real_us += 3600ull * S;
	uint64_t now;
	assert_false(wall_now(&w, &now));
	assert_string_equal(wall_quality(&w), "doubt");
	(void)wall_accept(&w);
	assert_string_equal(wall_quality(&w), "sync");
	synced = false;
	assert_true(wall_ask_synced(&w));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    what_it_should_say_is_the_last_commit_and_what_the_boot_clock_adds),
		cmocka_unit_test(its_quality_is_what_the_kernel_says_unless_it_is_in_doubt),
		cmocka_unit_test(a_clock_put_back_stands_still_at_the_last_commit),
		cmocka_unit_test(sixty_seconds_ahead_of_the_boot_clock_is_believed_and_more_is_not),
		cmocka_unit_test(doubt_stays_until_somebody_accepts_the_clock),
		cmocka_unit_test(
		    a_jump_that_was_accepted_is_not_doubted_by_a_thread_that_was_looking_meanwhile),
		cmocka_unit_test(a_commit_that_nobody_asked_the_time_for_does_not_let_a_jump_in),
		cmocka_unit_test(a_jump_while_we_were_down_is_found_at_the_start),
		cmocka_unit_test(after_a_reboot_only_a_gap_beyond_the_setting_is_doubted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
