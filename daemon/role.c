#include "daemon/role.h"

static _Thread_local enum role current;

void
role_set(enum role r)
{
	current = r;
}

bool
role_is(enum role r)
{
	return current == ROLE_NONE || current == r;
}
