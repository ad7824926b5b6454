#include "daemon/bucket.h"

#include <assert.h>

enum { NS_IN_US = 1000, NS_IN_S = 1000000000 };

/* What so many units take to leak out. */
static uint64_t
cost_ns(uint64_t units, uint64_t rate)
{
	assert(units >> 34 == 0 && rate != 0);
	return units * NS_IN_S / rate;
}

static uint64_t
empty_from(const struct bucket *b, uint64_t now_ns)
{
	return b->empty_ns > now_ns ? b->empty_ns : now_ns;
}

uint64_t
bucket_wait_us(const struct bucket *b, uint64_t units, uint64_t rate, uint64_t now_us)
{
	const uint64_t holds = (uint64_t)BUCKET_US * NS_IN_US;
	uint64_t now = now_us * NS_IN_US, cost = cost_ns(units, rate);
	uint64_t full = empty_from(b, now) + (cost < holds ? cost : holds);
	return full <= now + holds ? 0 : (full - now - holds + NS_IN_US - 1) / NS_IN_US;
}

void
bucket_add(struct bucket *b, uint64_t units, uint64_t rate, uint64_t now_us)
{
	b->empty_ns = empty_from(b, now_us * NS_IN_US) + cost_ns(units, rate);
}

bool
bucket_is_empty(const struct bucket *b, uint64_t now_us)
{
	return b->empty_ns <= now_us * NS_IN_US;
}
