/*
 * arrival.h - from an accepted socket to a connection at home (HOUSE section 2.2).
 * The handshake runs on the worker that got the socket; then the certificate's party says which
 * worker the connection lives on, and it moves there by mail, once.
 * Threads: each function on the worker that has the connection.
 */
#pragma once
#include "proto/err.h"

struct conn;
struct ticket;
struct worker;

/* Takes the ticket with its socket (on failure too) and starts TLS. */
MUST_USE bool arrival_open(struct worker *w, struct ticket **ticket, struct err *e);
/* Goes on with the handshake.  The connection may belong to another worker afterwards. */
void arrival_step(struct conn *c);
/* A connection that was mailed to its party's worker, which is this one. */
void arrival_home(struct worker *w, struct conn *c);
