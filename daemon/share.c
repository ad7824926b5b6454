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

/* What is still owed: each millisecond pays for one share. */
static uint64_t
owed_us(const struct share *s, uint64_t now_us)
{
	uint64_t paid = (now_us / STRETCH_US - s->stretch) * LIMIT_SHARE_US;
	return s->spent_us > paid ? s->spent_us - paid : 0;
}

void
share_spend(struct share *s, uint64_t since_us, uint64_t now_us)
{
	ASSERT_ON(ROLE_WORKER);
	uint64_t spent = owed_us(s, now_us) + (now_us - since_us);
	s->spent_us = spent < LIMIT_SHARE_DEBT_US ? spent : LIMIT_SHARE_DEBT_US;
	s->stretch = now_us / STRETCH_US;
}

bool
share_is_spent(const struct share *s, uint64_t now_us)
{
	return owed_us(s, now_us) >= LIMIT_SHARE_US;
}
