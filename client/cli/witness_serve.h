/*
 * witness_serve.h - a witness's sockets: one thread that takes a request, judges it, keeps the head
 * on the disk, and only then answers; so no two requests meet in between.
 */
#pragma once
#include "client/cli/witness_state.h"

enum {
	WITNESS_CONNECTIONS = 64,
	WITNESS_DEADLINE_MS = 5000, /* absolute, from accept to the last byte of the answer */
};

/* "ADDRESS:PORT", numeric, of IPv6 in brackets; port 0 picks one.  'bound' says which. */
enum { WITNESS_ADDRESS_ROOM = 80 };
MUST_USE bool witness_listen(
    const char *text, int *out, char bound[WITNESS_ADDRESS_ROOM], struct err *e);
/* Until SIGTERM or SIGINT.  ERR_IO: a head could not be kept, and the witness must end. */
MUST_USE bool witness_serve(struct witness_state *s, int listener, struct err *e);
