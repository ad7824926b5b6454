/*
 * observe.h - what a supervisor asks over HTTP: one request a connection, three paths, nothing else
 * is read or answered (docs/decisions has why this is no library).  It listens on a UNIX socket or
 * on 127.0.0.1, never elsewhere, and tells of no party (S7).
 * Threads: main's loop; bounded in connections, bytes and time, so that it cannot keep main busy.
 */
#pragma once
#include "proto/err.h"

#include <stdint.h>
#include <stdio.h>

struct event_base;
struct observe;

enum observe_path { OBSERVE_METRICS, OBSERVE_HEALTH, OBSERVE_READY };
struct observe_setup {
	struct event_base *base;
	const char *socket; /* path of a UNIX socket, mode 0660; "": none */
	uint16_t port;	    /* on 127.0.0.1; 0: none */
	/* Writes the body; false: it is not well (503). */
	bool (*answer)(void *arg, enum observe_path path, FILE *to);
	void *arg;
};
enum {
	OBSERVE_CONNECTIONS = 8,      /* more are closed at once */
	OBSERVE_REQUEST_BYTES = 4096, /* headers included */
	OBSERVE_ANSWER_BYTES = 65536,
	OBSERVE_MS = 5000 /* absolute, for request and answer */
};

/* ERR_IO, ERR_NOMEM; with neither socket nor port *out is NULL.  A socket file that a dead process
 * left is replaced; one that somebody listens on is not. */
MUST_USE bool observe_new(const struct observe_setup *s, struct observe **out, struct err *e);
/* NULL is accepted.  The socket file goes. */
void observe_free(struct observe *o);
