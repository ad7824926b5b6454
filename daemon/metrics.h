/*
 * metrics.h - counters for `relto admin status`.
 * Every worker has its own and adds to it on its thread; the sum is taken by whoever asks, who may
 * see a count that is a moment old.  Threads: one writer each, any reader (relaxed atomics).
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* M(name, text) */
#define METRICS(M) \
	M(accepted, "connections taken on") \
	M(handshakes, "TLS handshakes that succeeded") \
	M(handshakes_failed, "TLS handshakes that failed") \
	M(sessions, "Hellos answered with a Welcome") \
	M(closed, "connections ended, for whatever reason") \
	M(timeouts, "connections ended at a deadline") \
	M(violations, "connections ended because the peer broke the protocol") \
	M(shut_out, "sessions ended because the peer is no longer allowed") \
	M(truncated, "streams that ended inside a frame or message") \
	M(messages_in, "messages received") \
	M(messages_out, "messages sent, reports included") \
	M(reports_out, "reports sent whole") \
	M(reports_void, "reports stopped half way") \
	M(bytes_in, "plaintext bytes received") \
	M(bytes_out, "plaintext bytes sent") \
	M(busy, "requests that found a mailbox full")

enum metric {
#define M(name, text) METRIC_##name,
	METRICS(M)
#undef M
	    METRIC_COUNT
};

struct metrics {
	_Atomic uint64_t count[METRIC_COUNT];
};

/* By the owner alone. */
void metrics_add(struct metrics *m, enum metric which, uint64_t n);
/* Adds the present counts of 'm' to sum[METRIC_COUNT]. */
void metrics_sum(const struct metrics *m, uint64_t sum[METRIC_COUNT]);
const char *metrics_name(enum metric which);
const char *metrics_text(enum metric which);
