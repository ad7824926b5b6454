/*
 * role.h - which thread this is; the table of HOUSE section 1, executable.
 * A thread without a role (a test, a tool, start-up before the threads exist and what comes after
 * they ended) may call anything.
 * Threads: the role is thread-local; each thread sets its own when it starts.
 */
#pragma once
#include <assert.h>
#include <stdbool.h>

enum thread_role {
	ROLE_NONE = 0,
	ROLE_MAIN,
	ROLE_WORKER,
	ROLE_COMMITTER,
	ROLE_NOTARY,
	ROLE_COSIGNER
};

extern _Thread_local enum thread_role role_current; /* role_set's alone */

/* Gives the calling thread its role. */
void role_set(enum thread_role r);

/* True if the calling thread has this role, or none. */
static inline bool
role_is(enum thread_role r)
{
	return role_current == ROLE_NONE || role_current == r;
}

/* The first statement of what belongs to one thread (scripts/check-roles). */
#define ASSERT_ON(r) assert(role_is(r))
