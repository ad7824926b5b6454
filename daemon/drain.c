#include "daemon/drain.h"

#include "daemon/log.h"
#include "daemon/role.h"
#include "daemon/worker.h"

#include <event2/event.h>

static const struct timeval look_every = { 0, 50000 };

static uint64_t
now_ms(void)
{
	const struct io_clock clock = io_clock_system();
	return clock.mono_ms(clock.arg);
}

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
	struct broker *b = arg;
	unsigned sessions = 0;
	(void)fd, (void)what;
	for (unsigned i = 0; i < b->worker_count; i++)
		sessions += worker_sessions(b->workers[i]);
	if (sessions == 0 || now_ms() >= b->drain_until_ms)
		(void)event_base_loopbreak(b->base);
}

bool
drain_init(struct broker *b, struct err *e)
{
	ASSERT_ON(ROLE_MAIN);
	b->drain_event = event_new(b->base, -1, EV_PERSIST, on_look, b);
	return b->drain_event != NULL || err_set(e, ERR_NOMEM, "timer of a drain");
}

void
drain_begin(struct broker *b)
{
	ASSERT_ON(ROLE_MAIN);
	if (b->stopping)
		return;
	b->stopping = true;
	b->cause = "drain";
	b->drain_until_ms = now_ms() + b->limits.drain_ms;
	log_info("broker.draining", "for_ms=%" PRIu32, b->limits.drain_ms);
	(void)service_tell(&b->service, "STATUS=draining");
	for (unsigned i = 0; i < b->worker_count; i++)
		worker_drain(b->workers[i]);
	if (event_add(b->drain_event, &look_every) != 0)
		(void)event_base_loopbreak(b->base); /* without a timer: at once, as by SIGTERM */
}

void
drain_done(struct broker *b)
{
	ASSERT_ON(ROLE_MAIN);
	if (b->drain_event != NULL)
		event_free(b->drain_event);
}
