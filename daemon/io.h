/*
 * io.h - what the listener, the workers and their connections are set up with: limits and clocks.
 * Threads: constant once the first thread has started.
 */
#pragma once
#include <stdint.h>

/* DESIGN section 11; the settings of the same names.  io_limits_default gives proto/limits.h. */
struct io_limits {
	uint32_t connections;
	uint32_t connections_per_party;
	uint32_t connections_per_address; /* IPv6: per /64 */
	uint32_t half_open;		  /* before Hello */
	uint32_t handshake_ms;		  /* absolute, from accept */
	uint32_t hello_ms;		  /* absolute, from the end of the handshake */
	uint32_t frame_ms; /* absolute, plus the frame's length at LIMIT_FRAME_RATE */
	uint32_t idle_ms;
	uint32_t drain_ms;
	uint32_t publish_window;
	uint32_t publish_window_bytes;
	uint32_t publish_rate; /* of a party, a second; not 0 */
	uint64_t publish_rate_bytes;
};

/* All are called on the worker's own thread. */
struct io_clock {
	uint64_t (*mono_ms)(void *arg); /* never steps; deadlines */
	uint64_t (*mono_us)(void *arg); /* never steps; shares of a thread's time */
	int64_t (*wall_s)(void *arg);	/* seconds since 1970 UTC; ends of certificates and CRLs */
	void *arg;
};

struct io_limits io_limits_default(void);
/* CLOCK_MONOTONIC and CLOCK_REALTIME. */
struct io_clock io_clock_system(void);
