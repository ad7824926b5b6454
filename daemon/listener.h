/*
 * listener.h - accepts connections and mails them to the least loaded worker (HOUSE section 2.1).
 * Limits (DESIGN 11): connections and connections per source address: the socket is closed at once;
 * half-open: whoever comes waits in the lobby, by source address, at most as long as a handshake
 * may take.  Out of descriptors: a reserve one lets the waiting peer be told, then a pause (FACTS
 * 22). Threads: main's, except ticket_* which workers call: a ticket's counters are atomic.
 */
#pragma once
#include "daemon/io.h"
#include "daemon/worker.h"
#include "proto/err.h"
#include <stdint.h>

struct event_base;
struct listener;
struct source;

struct listener_setup {
	struct event_base *base; /* main's */
	const struct io_limits *limits;
	struct worker *const *workers;
	unsigned worker_count;
};

MUST_USE bool listener_new(const struct listener_setup *s, struct listener **out, struct err *e);
/* Binds and listens on a numeric address, without brackets.  Port 0: the kernel picks one. */
MUST_USE bool listener_add(struct listener *l, const char *address, uint16_t port, struct err *e);
/* Takes a socket that listens already, from a service manager (service.h). */
MUST_USE bool listener_adopt(struct listener *l, int fd, struct err *e);
/* Writes the addresses really bound, one a line, to 'path' (replaced in one step). */
MUST_USE bool listener_publish(const struct listener *l, const char *path, struct err *e);
/* Accepts from now on / no more (the sockets are closed). */
MUST_USE bool listener_start(struct listener *l, struct err *e);
void listener_stop(struct listener *l);
/* After the workers are joined: they hold tickets. */
void listener_free(struct listener *l);
SCOPED_FOR(struct listener, listener_free)

struct listener_counts {
	uint32_t open, half_open;
	uint64_t accepted, refused_full, refused_address, refused_waiting, out_of_fds;
};
struct listener_counts listener_counts(const struct listener *l);

/* An accepted socket and its place in the counts; becomes a connection's. */
struct ticket {
	struct letter letter;
	uint64_t id;		   /* of the connection; unique in this run, from 1 */
	int fd;			   /* -1 once a connection has it */
	struct listener *listener; /* NULL: not counted (tests) */
	struct source *source;
	bool half_open; /* counted so */
	uint64_t since_ms;
	STAILQ_ENTRY(ticket) of_line; /* in the lobby */
	char address[64];	      /* "192.0.2.7:50112", for the operator's log */
};
/* It is past Hello: no longer half-open. */
void ticket_admitted(struct ticket *t);
/* Others wait for the place that it has. */
bool ticket_in_a_crowd(const struct ticket *t);
/* It is gone; closes the socket if no connection took it.  NULL is accepted. */
void ticket_free(struct ticket *t);
SCOPED_FOR(struct ticket, ticket_free)
