#include "daemon/wall.h"

#include "proto/limits.h"
#include <sys/timex.h>
#include <time.h>

#define UNKNOWN (INT64_MIN / 2) /* the offset before there was a commit */

static int64_t
belief_of(int64_t offset_us, bool doubt)
{
	return offset_us * 2 + doubt;
}

static bool
is_doubt(int64_t belief)
{
	return (belief & 1) != 0;
}

static int64_t
offset_of(int64_t belief)
{
	return (belief - is_doubt(belief)) / 2;
}

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
	atomic_init(&w->belief, belief_of(UNKNOWN, false));
	atomic_init(&w->synced, false);
	(void)wall_ask_synced(w);
}

static uint64_t
real(struct wall *w)
{
	return w->source.real_us(w->source.arg);
}

/* Notices a clock that is too far ahead of the boot clock.  False: it is in doubt. */
static bool
look(struct wall *w, uint64_t now)
{
	int64_t belief = atomic_load(&w->belief);
	while (!is_doubt(belief) && offset_of(belief) != UNKNOWN) {
		int64_t expected = (int64_t)wall_boot(w) + offset_of(belief);
		if ((int64_t)now <= expected + (int64_t)LIMIT_CLOCK_AHEAD_S * 1000000)
			break;
		if (atomic_compare_exchange_weak(&w->belief, &belief, belief | 1))
			return false;
	}
	return !is_doubt(belief);
}

void
wall_resume(struct wall *w, uint64_t last_us, uint64_t boot_us, bool rebooted)
{
	atomic_store(&w->last_us, last_us);
	if (last_us == 0)
		return;
	if (!rebooted) {
		atomic_store(&w->belief, belief_of((int64_t)(last_us - boot_us), false));
		(void)look(w, real(w));
	} else if (real(w) > last_us + w->gap_us)
		atomic_store(&w->belief, belief_of(UNKNOWN, true));
}

bool
wall_now(struct wall *w, uint64_t *us)
{
	uint64_t now = real(w);
	if (!look(w, now))
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
	int64_t now = belief_of((int64_t)us - (int64_t)wall_boot(w), false);
	int64_t belief = atomic_load(&w->belief);
	while (!is_doubt(belief) && !atomic_compare_exchange_weak(&w->belief, &belief, now))
		;
}

int64_t
wall_accept(struct wall *w)
{
	uint64_t now = real(w);
	int64_t offset = (int64_t)now - (int64_t)wall_boot(w);
	int64_t before = offset_of(atomic_exchange(&w->belief, belief_of(offset, false)));
	return before == UNKNOWN ? (int64_t)(now - atomic_load(&w->last_us)) : offset - before;
}

bool
wall_in_doubt(const struct wall *w)
{
	return is_doubt(atomic_load(&((struct wall *)(uintptr_t)w)->belief));
}

uint64_t
wall_says(struct wall *w)
{
	return real(w);
}

uint64_t
wall_expected(struct wall *w)
{
	int64_t offset = offset_of(atomic_load(&w->belief));
	return offset == UNKNOWN ? atomic_load(&w->last_us)
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
	return wall_in_doubt(w) ? "doubt" : atomic_load(&w->synced) ? "sync" : "free";
}
