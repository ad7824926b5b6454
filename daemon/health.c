#include "daemon/health.h"

#include "daemon/log.h"
#include "daemon/role.h"
#include "daemon/worker.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

/* The committer, and each worker. */
struct thread {
	unsigned beats;
	uint64_t moved_ms;
};
struct health {
	struct health_setup setup;
	struct event *tick;
	uint64_t told_ms; /* the manager, last */
	bool told_ill;
	unsigned count;
	struct thread threads[];
};

static uint64_t
now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static unsigned
beats_of(const struct health *h, unsigned i)
{
	const struct shell *s = h->setup.shell;
	return i == 0 ? atomic_load(&s->beats) : atomic_load(&s->workers[i - 1]->beats);
}

bool
health_well(const struct health *h, FILE *to)
{
	ASSERT_ON(ROLE_MAIN);
	uint64_t now = now_ms();
	bool well = !atomic_load(&h->setup.shell->broken);
	if (!well)
		(void)fputs("the store is broken\n", to);
	for (unsigned i = 0; i < h->count; i++) {
		uint64_t still = now - h->threads[i].moved_ms;
		if (still <= h->setup.still_ms)
			continue;
		well = false;
		if (i == 0)
			(void)fputs("the committer", to);
		else
			(void)fprintf(to, "worker %u", i - 1);
		(void)fprintf(to, " has stood still for %" PRIu64 " s\n", still / 1000);
	}
	if (well)
		(void)fputs("well\n", to);
	return well;
}

static void
look(struct health *h)
{
	for (unsigned i = 0; i < h->count; i++) {
		unsigned beats = beats_of(h, i);
		if (beats != h->threads[i].beats)
			h->threads[i] = (struct thread){ beats, now_ms() };
	}
}

/* The manager hears nothing from a broker that is not well, and starts it again. */
static void
tell(struct health *h)
{
	char why[256] = { 0 };
	uint64_t now = now_ms(), every = h->setup.service->watchdog_us / 1000 / 3;
	FILE *to = fmemopen(why, sizeof(why), "w");
	bool well = to != NULL && health_well(h, to);
	if (to != NULL)
		(void)fclose(to);
	for (char *c = why; *c != '\0'; c++)
		if (*c == '\n')
			*c = c[1] == '\0' ? '\0' : ',';
	if (!well && !h->told_ill)
		log_error("broker.ill", "why=%s", log_quote_text(why));
	h->told_ill = !well;
	if (!well || h->setup.service->watchdog_us == 0 || now - h->told_ms < every)
		return;
	h->told_ms = now;
	(void)service_tell(h->setup.service, "WATCHDOG=1");
}

static void
on_tick(int fd, short what, void *arg)
{
	(void)fd, (void)what;
	ASSERT_ON(ROLE_MAIN);
	look(arg);
	tell(arg);
}

bool
health_new(const struct health_setup *s, struct health **out, struct err *e)
{
	static const struct timeval second = { 1, 0 }, tenth = { 0, 100000 };
	unsigned count = s->shell->worker_count + 1;
	struct health *h = calloc(1, sizeof(*h) + count * sizeof(h->threads[0]));
	if (h == NULL)
		return err_set(e, ERR_NOMEM, "health");
	h->setup = *s;
	h->count = count;
	for (unsigned i = 0; i < count; i++)
		h->threads[i].moved_ms = now_ms();
	h->tick = event_new(s->base, -1, EV_PERSIST, on_tick, h);
	/* a watchdog of less than three seconds is for tests */
	bool quick = s->service->watchdog_us != 0 && s->service->watchdog_us < 3000000;
	if (h->tick == NULL || event_add(h->tick, quick ? &tenth : &second) != 0) {
		health_free(h);
		return err_set(e, ERR_NOMEM, "health");
	}
	*out = h;
	return true;
}

void
health_free(struct health *h)
{
	ASSERT_ON(ROLE_MAIN);
	if (h == NULL)
		return;
	if (h->tick != NULL)
		event_free(h->tick);
	free(h);
}
