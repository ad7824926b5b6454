/*
 * attest.h - a client says, with its agent's key, what tree of its party it verified (AUDIT 2): the
 * one thing that the log holds of a delivery's arrival that is not the broker's own word.
 * A session may attest the PARTY_HEADs that it was shown, each agent a larger one each time.
 * Threads: the session's worker.
 */
#pragma once
#include "daemon/desk.h"

/* The session was shown the PARTY_HEAD of so many records. */
void attest_shown(struct session *s, uint64_t size, const uint8_t root[32]);
/* The job of an attestation came home: the answer. */
void attest_home(struct worker *w, struct job *j);
