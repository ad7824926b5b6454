/* A worker between its start and its first rules. */
#include "tests/lib/test.h"

#include "daemon/desk.h"
#include "daemon/mailbox.h"
#include "daemon/on.h"
#include "daemon/ruleset.h"
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

static struct letter *
letter_of_rules(struct ruleset *rules, struct job *job)
{
	struct rules_letter *l = calloc(1, sizeof(*l));
	assert_non_null(l);
	*l = (struct rules_letter){ { .kind = LETTER_RULES },
		rules == NULL ? NULL : ruleset_ref(rules), job };
	return &l->letter;
}

/* Main says that rules are in force when it hears of it: from then on no worker goes by others. */
static void
the_last_worker_that_takes_new_rules_tells_main(void **state)
{
	enum { WORKERS = 3 };
	struct shell shell = { 0 };
	struct ruleset rules = { .number = 7 };
	struct job job = { .kind = JOB_RULES, .home = JOB_HOME_MAIN };
	struct err e = { 0 };
	(void)state;
	assert_true(mailbox_new(4, &shell.main, &e));
	atomic_init(&rules.refs, 1);
	atomic_init(&job.policy.untold, WORKERS);
	for (unsigned i = 0; i < WORKERS; i++) {
		struct worker w = { .index = i };
		struct desk d = { .worker = &w, .shell = &shell };
		w.desk = &d;
		assert_null(mailbox_take(shell.main, 1));
		on_rules(&w, letter_of_rules(&rules, &job));
		assert_ptr_equal(d.rules, &rules);
	}
	assert_ptr_equal(mailbox_take(shell.main, 1), &job.letter.item);
	mailbox_free(shell.main);
}

/* What comes first goes when they are recorded, and without them, too. */
static void
rules_to_come_are_kept_until_they_came_or_came_to_nothing(void **state)
{
	struct shell shell = { 0 };
	struct ruleset rules = { .trust = (struct trust *)state }; /* only looked at */
	struct job job = { .kind = JOB_RULES, .home = JOB_HOME_MAIN };
	struct worker w = { 0 };
	struct desk d = { .worker = &w, .shell = &shell };
	struct err e = { 0 };
	w.desk = &d;
	assert_true(mailbox_new(4, &shell.main, &e));
	atomic_init(&rules.refs, 1);
	for (unsigned i = 0; i < 2; i++) {
		atomic_init(&job.policy.untold, 1);
		on_coming(&w, letter_of_rules(&rules, NULL));
		assert_ptr_equal(w.coming, rules.trust);
		assert_ptr_equal(d.coming, &rules);
		if (i == 0)
			on_coming(&w, letter_of_rules(NULL, NULL));
		else
			on_rules(&w, letter_of_rules(&rules, &job));
		assert_null(w.coming);
		assert_null(d.coming);
	}
	assert_ptr_equal(w.trust, rules.trust);
	assert_int_equal(atomic_load(&rules.refs), 2);
	assert_ptr_equal(mailbox_take(shell.main, 1), &job.letter.item);
	mailbox_free(shell.main);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_hold_that_ran_out_while_the_broker_was_down_waits_for_the_rules),
		cmocka_unit_test(the_last_worker_that_takes_new_rules_tells_main),
		cmocka_unit_test(rules_to_come_are_kept_until_they_came_or_came_to_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
