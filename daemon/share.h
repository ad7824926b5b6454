/*
 * share.h - how much of a worker's time a party has had, over all its connections, and which of
 * them wait for more.  Whoever has not connected for a party yet is one of the strangers, who are
 * like one party.
 * A connection is served when its socket is ready, until its party has had LIMIT_SHARE_US in this
 * millisecond, or the connection LIMIT_TURN_US in this turn.  Then it waits: parties in turn, and
 * of each party its connections in turn, for LIMIT_SLICE_US between two looks at the sockets.  So
 * whoever floods waits behind whoever does not, over however many connections.  What cannot be cut
 * short, as a page of the log, is a debt of up to LIMIT_SHARE_DEBT_US: the party waits until the
 * milliseconds that follow have paid for it.
 * Threads: the worker's.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct conn;
TAILQ_HEAD(conn_queue, conn);
struct share {
	struct conn_queue waiting;
	TAILQ_ENTRY(share) of_waiting; /* while there are any */
	uint64_t stretch, spent_us;    /* the millisecond of the last use; owed then */
};
TAILQ_HEAD(share_queue, share);

void share_init(struct share *s);
/* It used the time from 'since_us' until now. */
void share_spend(struct share *s, uint64_t since_us, uint64_t now_us);
/* It has had what one may have at once. */
bool share_is_spent(const struct share *s, uint64_t now_us);
