/*
 * link.h - one TLS 1.3 connection to a broker, seen as messages: connect, put, turn.
 * TLS runs over memory buffers and this file moves the bytes, so a dead peer never raises SIGPIPE,
 * every wait has its deadline (one in the past: it does not wait), and can be ended from outside.
 * Threads: one owner at a time.
 */
#pragma once
#include "proto/chain.h"
#include "proto/frame.h"

#include <openssl/ssl.h>

/* Who must be at the other end. */
struct link_hub {
	const struct chain_anchors *anchors;
	const char *id; /* SPIFFE id */
};
struct link_target {
	const char *host, *port;
	const struct link_hub *hub;
	X509 *leaf; /* ours, with its key and the certificates that go with it */
	EVP_PKEY *key;
	STACK_OF(X509) * chain; /* leaf first; may be NULL */
	int wake;		/* an eventfd of the caller's: what comes there ends every wait */
};

struct link;

/* Begins to connect; only the look-up of a name waits.  'hub' and 'wake' live as long as the link.
 * ERR_UNREACHABLE, ERR_IO, ERR_NOMEM, ERR_USAGE and ERR_DATA (of the identity). */
MUST_USE bool link_start(const struct link_target *t, struct link **out, struct err *e);
/*
 * Goes on with it until hands are shaken (*done) or the time on link_now() is up.  ERR_UNREACHABLE,
 * ERR_CERTIFICATE (it is not the pinned hub), ERR_TLS (it refuses us, in words), ERR_VERSION,
 * ERR_IO, ERR_INTERRUPTED (the link is as it was).  With TLS 1.3 a refusal of our certificate may
 * show itself only at the first link_turn.
 */
MUST_USE bool link_dial(struct link *l, int64_t deadline_ms, bool *done, struct err *e);
/* Closes at once (close_notify if that is still possible).  NULL is accepted. */
void link_free(struct link *l);
SCOPED_FOR(struct link, link_free)

/* Queues one message; link_turn sends it. */
MUST_USE bool link_put(struct link *l, struct bytes message, uint8_t lane, struct err *e);
/* Bytes that are queued and not yet with the kernel. */
size_t link_queued(const struct link *l);

enum link_turned {
	LINK_MESSAGE = 1, /* *message is one whole message, valid until the next call */
	LINK_SENT,	  /* asked for with 'until_sent': nothing is queued any more */
	LINK_TIMEOUT,
	LINK_CLOSED, /* the broker closed in good order, between messages */
	LINK_FAILED  /* *e says why; the link is of no use any more (but for ERR_INTERRUPTED) */
};
/* Sends and receives until there is a message (or, with until_sent, nothing left to send) or the
 * time on link_now() is up.  A deadline in the past takes what is there without waiting. */
MUST_USE enum link_turned link_turn(
    struct link *l, int64_t deadline_ms, bool until_sent, struct bytes *message, struct err *e);

/* What one message may have, after Welcome said so. */
void link_limit(struct link *l, size_t message_max);
/* The socket, -1 while there is none, and what poll(2) is to wait for there. */
int link_fd(const struct link *l);
short link_events(const struct link *l);
/* Gives the kernel what it takes now; a failure shows itself at the next link_turn. */
void link_nudge(struct link *l);
/* Waits for 'wake' until the time is up; ERR_INTERRUPTED, ERR_IO. */
MUST_USE bool link_rest(int wake, int64_t deadline_ms, struct err *e);

/* Monotonic ms, for deadlines; link_deadline(-1) never comes. */
int64_t link_now(void);
int64_t link_deadline(int timeout_ms);
