#include "daemon/role.h"

_Thread_local enum thread_role role_current = ROLE_NONE;

void
role_set(enum thread_role r)
{
	role_current = r;
}
