#include "daemon/wall.h"

#include "proto/limits.h"
#include <sys/timex.h>
#include <time.h>

static uint64_t
clock_us(clockid_t id)
{
	struct timespec t = { 0 };
	(void)clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static uint64_t
system_real(void *arg)
{
	(void)arg;
	return clock_us(CLOCK_REALTIME);
}

static uint64_t
system_boot(void *arg)
{
	(void)arg;
	return clock_us(CLOCK_BOOTTIME);
}

static bool
system_synced(void *arg)
{
	struct timex t = { .modes = 0 };
	(void)arg;
	return adjtimex(&t) != TIME_ERROR;
}

void
wall_init(struct wall *w, uint64_t gap_us)
{
	w->source = (struct wall_source){ system_real, system_boot, system_synced, NULL };
	w->gap_us = gap_us;
	atomic_init(&w->last_us, 0);
	atomic_init(&w->offset_us, INT64_MIN);
	atomic_init(&w->doubt, false);
	atomic_init(&w->synced, false);
	(void)wall_ask_synced(w);
}

static uint64_t
real(struct wall *w)
{
	return w->source.real_us(w->source.arg);
}

/* Notices a clock that is too far ahead of the boot clock. */
static void
look(struct wall *w, uint64_t now)
{
	int64_t offset = atomic_load_explicit(&w->offset_us, memory_order_relaxed);
	if (offset == INT64_MIN)
		return;
	int64_t expected = (int64_t)wall_boot(w) + offset;
	if ((int64_t)now > expected + (int64_t)LIMIT_CLOCK_AHEAD_S * 1000000)
		atomic_store(&w->doubt, true);
}

void
wall_resume(struct wall *w, uint64_t last_us, uint64_t boot_us, bool rebooted)
{
	atomic_store(&w->last_us, last_us);
	if (last_us == 0)
		return;
	if (!rebooted) {
		atomic_store(&w->offset_us, (int64_t)(last_us - boot_us));
		look(w, real(w));
	} else if (real(w) > last_us + w->gap_us)
		atomic_store(&w->doubt, true);
}

bool
wall_now(struct wall *w, uint64_t *us)
{
	uint64_t now = real(w);
	look(w, now);
	if (atomic_load(&w->doubt))
		return false;
	uint64_t last = atomic_load_explicit(&w->last_us, memory_order_relaxed);
	*us = now > last ? now : last;
	return true;
}

uint64_t
wall_best(struct wall *w)
{
	/* a clock in doubt must not drag the log's time forward for good */
	uint64_t now;
	return wall_now(w, &now) ? now : atomic_load(&w->last_us);
}

uint64_t
wall_boot(struct wall *w)
{
	return w->source.boot_us(w->source.arg);
}

void
wall_committed(struct wall *w, uint64_t us)
{
	atomic_store(&w->last_us, us);
	if (!atomic_load(&w->doubt))
		atomic_store(&w->offset_us, (int64_t)us - (int64_t)wall_boot(w));
}

int64_t
wall_accept(struct wall *w)
{
	uint64_t now = real(w);
	int64_t ahead = (int64_t)now - (int64_t)atomic_load(&w->last_us);
	int64_t offset = atomic_load(&w->offset_us);
	if (offset != INT64_MIN)
		ahead = (int64_t)now - ((int64_t)wall_boot(w) + offset);
	atomic_store(&w->offset_us, (int64_t)now - (int64_t)wall_boot(w));
	atomic_store(&w->doubt, false);
	return ahead;
}

bool
wall_in_doubt(const struct wall *w)
{
	return atomic_load(&((struct wall *)(uintptr_t)w)->doubt);
}

uint64_t
wall_says(struct wall *w)
{
	return real(w);
}

uint64_t
wall_expected(struct wall *w)
{
	int64_t offset = atomic_load(&w->offset_us);
	return offset == INT64_MIN ? atomic_load(&w->last_us)
				   : (uint64_t)((int64_t)wall_boot(w) + offset);
}

bool
wall_ask_synced(struct wall *w)
{
	bool now = w->source.synced(w->source.arg);
	return atomic_exchange(&w->synced, now) != now;
}

const char *
wall_quality(struct wall *w)
{
	return atomic_load(&w->doubt) ? "doubt" : atomic_load(&w->synced) ? "sync" : "free";
}
