/*
 * confine.h - what the signer gives up: core files, being looked into, other users, and, once its
 * socket listens, every other socket and program (seccomp where the kernel has it).
 * Threads: one.
 */
#pragma once
#include "proto/err.h"

#include <sys/types.h>

/* A user by name or number.  ERR_CONFIG: there is none. */
MUST_USE bool confine_user(const char *name, uid_t *uid, gid_t *gid, struct err *e);
/* Becomes 'user'; as root without one it is refused (ERR_CONFIG). */
MUST_USE bool confine_become(const char *user, struct err *e);
/* No core, not to be traced, files for the owner alone. */
void confine_early(void);
/* No new socket, connection, program or io_uring from here on.  False: the kernel has no seccomp;
 * the caller says so and goes on. */
MUST_USE bool confine_late(void);
