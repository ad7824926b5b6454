#include "daemon/role.h"

static _Thread_local enum thread_role current;

void
role_set(enum thread_role r)
{
	current = r;
}

bool
role_is(enum thread_role r)
{
	return current == ROLE_NONE || current == r;
}
