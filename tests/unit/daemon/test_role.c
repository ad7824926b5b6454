/* The threads of docs/ARCHITECTURE.md: whoever calls what another thread owns does not live on. */
#include "tests/lib/test.h"

#include "daemon/batch.h"
#include "daemon/lobby.h"
#include "daemon/outlet.h"
#include "daemon/role.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void
main_s(void)
{
	struct lobby l;
	lobby_init(&l);
}

static void
worker_s(void)
{
	struct outlet o = { 0 };
	outlet_more(&o);
}

static void
committer_s(void)
{
	struct ledger l = { 0 };
	struct committer c = { .ledger = &l };
	struct err e = { 0 };
	(void)!apply_acks(&c, &e);
}

/* The signal that a thread of this role ends by when it calls 'what'; 0: none. */
static int
ends_by(enum thread_role role, void (*what)(void))
{
	const struct rlimit none = { 0, 0 };
	int how = 0;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		(void)setrlimit(RLIMIT_CORE, &none);
		(void)signal(SIGABRT, SIG_DFL);
		(void)close(STDERR_FILENO);
		role_set(role);
		what();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &how, 0), child);
	return WIFSIGNALED(how) ? WTERMSIG(how) : WEXITSTATUS(how);
}

static void
what_one_thread_owns_no_other_may_call(void **state)
{
	void (*const call[])(void) = { main_s, worker_s, committer_s };
	const enum thread_role owner[] = { ROLE_MAIN, ROLE_WORKER, ROLE_COMMITTER };
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		for (unsigned k = 0; k < 3; k++)
			assert_int_equal(ends_by(owner[k], call[i]), i == k ? 0 : SIGABRT);
}

static void
before_there_are_threads_everything_may_be_called(void **state)
{
	(void)state;
	assert_int_equal(ends_by(ROLE_NONE, main_s), 0);
	assert_int_equal(ends_by(ROLE_NONE, worker_s), 0);
	assert_int_equal(ends_by(ROLE_NONE, committer_s), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_one_thread_owns_no_other_may_call),
		cmocka_unit_test(before_there_are_threads_everything_may_be_called),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
