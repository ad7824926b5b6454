/* A worker between its start and its first rules. */
#include "tests/lib/test.h"

#include "daemon/desk.h"
#include "daemon/on.h"
#include "tests/lib/store_rig.h"

static struct notice *
notice_of_hold(uint64_t deadline_us, uint64_t decision)
{
	struct notice *n = calloc(1, sizeof(*n));
	assert_non_null(n);
	n->letter.kind = LETTER_NOTICE;
	n->holds[n->hold_count++] = (struct notice_hold){ deadline_us, decision };
	return n;
}

/* The committer's first batch brings the rules and what time brought meanwhile; main passes on the
 * rules, the committer the notice, and the notice is often the first to arrive. */
static void
a_hold_that_ran_out_while_the_broker_was_down_waits_for_the_rules(void **state)
{
	struct store_rig *r = *state;
	struct store_held hold = { .deadline_us = 7, .decision = 3, .intake = 1, .party = 1 };
	BEGIN(r);
	OK(r, store_put_hold(r->store, &hold, &r->e));
	COMMIT(r);
	store_view_close(r->view);
	struct desk d = { .view = r->view };
	struct worker w = { .desk = &d };
	d.worker = &w;
	TAILQ_INIT(&w.conns);
	on_notice(&w, &notice_of_hold(hold.deadline_us, hold.decision)->letter);
	assert_null(d.rules);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_hold_that_ran_out_while_the_broker_was_down_waits_for_the_rules),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
