/*
 * away.c - preloaded into reltod: how long each thread was away from its event loop, in its own CPU
 * time, which no other process on the machine can lengthen by more than a cold cache.
 * RELTO_AWAY names a file of AWAY_SLOTS records: the longest time of a thread in ns, from the
 * return of one epoll_wait to the call of the next, and AWAY_STEPS counts: how long whoever comes
 * while the thread is away waits at most, until it is back and has been round once more, in steps
 * of AWAY_STEP_NS; each moment of the thread's CPU time counts once, as 1 ns.  The main thread,
 * which has no messages, has no record.  Whoever reads sets all back to 0.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { AWAY_SLOTS = 16, AWAY_STEPS = 4095, AWAY_STEP_NS = 10000 };

struct away {
	_Atomic uint64_t longest_ns, waits[AWAY_STEPS];
};

typedef int waits(int, struct epoll_event *, int, int);

static struct away *slots;
static atomic_uint used;
static waits *real;
static _Thread_local uint64_t back_ns, last_ns;
static _Thread_local unsigned slot;

__attribute__((constructor)) static void
begin(void)
{
	void *found = dlsym(RTLD_NEXT, "epoll_wait");
	memcpy(&real, &found, sizeof(real));
	const char *path = getenv("RELTO_AWAY");
	int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	void *at = fd < 0 ? MAP_FAILED
			  : mmap(NULL, AWAY_SLOTS * sizeof(*slots), PROT_READ | PROT_WRITE,
				MAP_SHARED, fd, 0);
	if (at != MAP_FAILED)
		slots = at;
}

static uint64_t
own_ns(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Who came while it was away last time, at any moment of it, waited for the rest of that and for
 * this whole round. */
static void
note_waits(struct away *a, uint64_t this_ns)
{
	for (uint64_t rest = 0; rest < last_ns; rest += AWAY_STEP_NS) {
		uint64_t step = (rest + this_ns) / AWAY_STEP_NS, most = last_ns - rest;
		atomic_fetch_add(&a->waits[step < AWAY_STEPS ? step : AWAY_STEPS - 1],
		    most < AWAY_STEP_NS ? most : AWAY_STEP_NS);
	}
	last_ns = this_ns;
}

static void
note(uint64_t away_ns)
{
	if (slot == 0)
		slot = gettid() == getpid() ? AWAY_SLOTS + 1 : atomic_fetch_add(&used, 1) + 1;
	if (slot > AWAY_SLOTS)
		return;
	struct away *a = &slots[slot - 1];
	if (away_ns > atomic_load(&a->longest_ns))
		atomic_store(&a->longest_ns, away_ns);
	note_waits(a, away_ns);
}

int
epoll_wait(int fd, struct epoll_event *events, int room, int timeout_ms)
{
	if (slots != NULL && back_ns != 0)
		note(own_ns() - back_ns);
	int n = real(fd, events, room, timeout_ms);
	if (slots != NULL)
		back_ns = own_ns();
	return n;
}
