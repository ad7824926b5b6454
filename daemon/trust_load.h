/*
 * trust_load.h - a trust set from a loaded policy and configuration: reads the broker's
 * certificate, its key and the revocation lists (the bundles are part of the epoch).
 * A party with a list that cannot be read or used is shut out, loudly, and stops nobody else.
 * Threads: main.
 */
#pragma once
#include "daemon/config.h"
#include "daemon/trust.h"
#include "policy/epoch.h"

struct trust_clock { /* s since 1970; called on the threads that use the set */
	int64_t (*now)(void *);
	void *arg;
};

/* 'reload': an expired certificate of our own is logged, not an error (revocations must get in).
 * Errors: ERR_CONFIG, ERR_NOT_FOUND, ERR_IO about the broker's own files; ERR_CRYPTO; ERR_NOMEM. */
MUST_USE bool trust_load(const struct epoch *policy, const struct config *config, bool reload,
    const struct trust_clock *clock, struct trust **out, struct err *e);
