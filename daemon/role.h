/*
 * role.h - which thread this is; the table of HOUSE section 1, executable.
 * A thread without a role (a test, a tool, start-up before the threads exist) may call anything.
 * Threads: the role is thread-local; each thread sets its own, once, when it starts.
 */
#pragma once
#include <assert.h>
#include <stdbool.h>

enum thread_role { ROLE_NONE = 0, ROLE_MAIN, ROLE_WORKER, ROLE_COMMITTER };

/* Gives the calling thread its role. */
void role_set(enum thread_role r);
/* True if the calling thread has this role, or none. */
bool role_is(enum thread_role r);

#define ASSERT_ON(r) assert(role_is(r))
