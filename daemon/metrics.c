#include "daemon/metrics.h"

#include <assert.h>
#include <stdatomic.h>

static const struct {
	const char *name, *text;
} metrics[METRIC_COUNT] = {
#define M(id, words) [METRIC_##id] = { #id, words },
	METRICS(M)
#undef M
};

void
metrics_add(struct metrics *m, enum metric which, uint64_t n)
{
	/* one writer: a load and a store are enough, and cheaper than a locked add */
	uint64_t was = atomic_load_explicit(&m->count[which], memory_order_relaxed);
	atomic_store_explicit(&m->count[which], was + n, memory_order_relaxed);
}

void
metrics_sum(const struct metrics *m, uint64_t sum[METRIC_COUNT])
{
	for (unsigned i = 0; i < METRIC_COUNT; i++)
		sum[i] += atomic_load_explicit(&m->count[i], memory_order_relaxed);
}

const char *
metrics_name(enum metric which)
{
	assert(which < METRIC_COUNT);
	return metrics[which].name;
}

const char *
metrics_text(enum metric which)
{
	assert(which < METRIC_COUNT);
	return metrics[which].text;
}
