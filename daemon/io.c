#include "daemon/io.h"

#include "proto/limits.h"

#include <stddef.h>
#include <time.h>

struct io_limits
io_limits_default(void)
{
	return (struct io_limits){
		.connections = LIMIT_CONNECTIONS,
		.connections_per_party = LIMIT_CONNECTIONS_PER_PARTY,
		.connections_per_address = LIMIT_CONNECTIONS_PER_ADDRESS,
		.half_open = LIMIT_HALF_OPEN,
		.handshake_ms = LIMIT_HANDSHAKE_MS,
		.hello_ms = LIMIT_HELLO_MS,
		.frame_ms = LIMIT_FRAME_MS,
		.idle_ms = LIMIT_IDLE_MS,
		.drain_ms = LIMIT_DRAIN_MS,
		.publish_window = LIMIT_PUBLISH_WINDOW,
		.publish_window_bytes = LIMIT_PUBLISH_WINDOW_BYTES,
		.publish_rate = LIMIT_PUBLISH_RATE,
		.publish_rate_bytes = LIMIT_PUBLISH_RATE_BYTES,
	};
}

static uint64_t
mono_us(void *arg)
{
	(void)arg;
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static uint64_t
mono_ms(void *arg)
{
	return mono_us(arg) / 1000u;
}

static int64_t
wall_s(void *arg)
{
	(void)arg;
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec;
}

struct io_clock
io_clock_system(void)
{
	return (struct io_clock){ mono_ms, mono_us, wall_s, NULL };
}
