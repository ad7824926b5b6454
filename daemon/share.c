#include "daemon/share.h"
#include "daemon/role.h"

#include "proto/limits.h"

#include <stddef.h>

enum { STRETCH_US = 1000 };

void
share_init(struct share *s)
{
	ASSERT_ON(ROLE_WORKER);
	*s = (struct share){ 0 };
	TAILQ_INIT(&s->waiting);
}

void
share_spend(struct share *s, uint64_t since_us, uint64_t now_us)
{
	ASSERT_ON(ROLE_WORKER);
	if (s->stretch != now_us / STRETCH_US)
		s->spent_us = 0;
	s->stretch = now_us / STRETCH_US;
	s->spent_us += now_us - since_us;
}

bool
share_is_spent(const struct share *s, uint64_t now_us)
{
	return s->spent_us >= LIMIT_SHARE_US && s->stretch == now_us / STRETCH_US;
}
