/*
 * pub_proof.h - relto pub --proof: that what was accepted is in the log, within the time that a
 * head is promised in (AUDIT 2).
 * Threads: one.
 */
#pragma once
#include "client/cli/session.h"

/* The exit status; a record that is not proved in time is an alarm. */
int pub_proof(struct session *s, const uint8_t id[RELTO_ID_BYTES]);
