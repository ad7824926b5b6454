#include "daemon/share.h"

#include "proto/limits.h"

#include <stddef.h>

enum { STRETCH_US = 1000 };

void
share_init(struct share *s)
{
	*s = (struct share){ 0 };
	TAILQ_INIT(&s->waiting);
}

void
share_spend(struct share *s, uint64_t since_us, uint64_t now_us)
{
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
