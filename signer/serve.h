/*
 * serve.h - the signer's socket: a UNIX socket of packets, whom it answers, and the loop.
 * Who comes must run as the peer's uid, which the kernel vouches for.  A connection that breaks the
 * rules is closed; one that does not read its answers too.  Nothing blocks.
 * Threads: one.
 */
#pragma once
#include "signer/sign.h"

#include <sys/types.h>

struct serve {
	struct sign *sign;
	const char *path;
	uid_t peer;
	int listener, signals;
};
/* Binds and listens; what stood at 'path' must be a socket and is replaced (the anchor's lock says
 * that no other signer lives). */
MUST_USE bool serve_open(struct serve *s, struct err *e);
/* Until SIGTERM or SIGINT (true), or an anchor of which only the disk knows (false). */
MUST_USE bool serve_run(struct serve *s, struct err *e);
void serve_done(struct serve *s);
