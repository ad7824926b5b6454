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

static void
add(_Atomic uint64_t *to, uint64_t n)
{
	/* one writer: a load and a store are enough, and cheaper than a locked add */
	uint64_t was = atomic_load_explicit(to, memory_order_relaxed);
	atomic_store_explicit(to, was + n, memory_order_relaxed);
}

void
metrics_add(struct metrics *m, enum metric which, uint64_t n)
{
	add(&m->count[which], n);
}

void
metrics_wait(struct metrics *m, unsigned lane, uint64_t ms, bool late)
{
	static const uint64_t bound[METRIC_WAIT_STEPS] = METRIC_WAIT_MS;
	struct metric_wait *w = &m->wait[lane];
	unsigned i = 0;
	while (i < METRIC_WAIT_STEPS && ms > bound[i])
		i++;
	if (i < METRIC_WAIT_STEPS)
		add(&w->step[i], 1);
	add(&w->count, 1);
	add(&w->ms, ms);
	add(&w->late, late);
}

void
metrics_overdue(struct metrics *m, unsigned lane, bool more)
{
	add(&m->wait[lane].overdue, more ? 1 : UINT64_MAX); /* less one */
}

static void
sum_up(uint64_t *to, const _Atomic uint64_t *from)
{
	*to += atomic_load_explicit(from, memory_order_relaxed);
}

void
metrics_sum_waits(const struct metrics *m, unsigned lane, struct metric_waits *sum)
{
	const struct metric_wait *w = &m->wait[lane];
	for (unsigned i = 0; i < METRIC_WAIT_STEPS; i++)
		sum_up(&sum->step[i], &w->step[i]);
	sum_up(&sum->count, &w->count);
	sum_up(&sum->ms, &w->ms);
	sum_up(&sum->late, &w->late);
	sum_up(&sum->overdue, &w->overdue);
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
