/*
 * metrics.h - counters for `relto admin status`.
 * Every worker has its own and adds to it on its thread; the sum is taken by whoever asks, who may
 * see a count that is a moment old.  Threads: one writer each, any reader (relaxed atomics).
 */
#pragma once
#include <stdbool.h>
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
	M(slowed, "times that a party began to be slowed, as it published faster than it may") \
	M(slowed_seconds, "seconds that something of such a party waited") \
	M(busy, "requests that found a mailbox full") \
	M(cosigned, "published heads that the quorum of witnesses signed") \
	M(quorum_missing, "times that a published head still lacked it after all were asked") \
	M(witness_failed, "witnesses that were asked and did not sign") \
	M(attests, "attestations that are in the log") \
	M(attests_refused, "attestations that were refused") \
	M(attest_forks, "..because the client signed another tree than the log has")

enum metric {
#define M(name, text) METRIC_##name,
	METRICS(M)
#undef M
	    METRIC_COUNT
};

/* Bounds of the steps of a wait, in ms; what is longer counts in none of them. */
#define METRIC_WAIT_MS \
	{ \
		3, 10, 30, 100, 300, 1000, 5000, 30000, 300000 \
	}
enum { METRIC_WAIT_STEPS = 9, METRIC_LANES = 4 };

struct metrics {
	_Atomic uint64_t count[METRIC_COUNT];
	struct metric_wait { /* of a lane's reports, until they were sent */
		_Atomic uint64_t
		    step[METRIC_WAIT_STEPS]; /* as long as this bound, but not the one before */
		_Atomic uint64_t count, ms, late, overdue;
	} wait[METRIC_LANES];
};
/* The same, as sums. */
struct metric_waits {
	uint64_t step[METRIC_WAIT_STEPS], count, ms, late, overdue;
};

/* By the owner alone. */
void metrics_add(struct metrics *m, enum metric which, uint64_t n);
/* Adds the present counts of 'm' to sum[METRIC_COUNT]. */
void metrics_sum(const struct metrics *m, uint64_t sum[METRIC_COUNT]);
/* A report of a lane waited so long; 'late': longer than its deadline.  By the owner alone. */
void metrics_wait(struct metrics *m, unsigned lane, uint64_t ms, bool late);
/* In one subscription more, or one less, the oldest report of a lane waits past its deadline.  By
 * the owner alone. */
void metrics_overdue(struct metrics *m, unsigned lane, bool more);
/* Adds the waits of a lane to 'sum'. */
void metrics_sum_waits(const struct metrics *m, unsigned lane, struct metric_waits *sum);
const char *metrics_name(enum metric which);
const char *metrics_text(enum metric which);
