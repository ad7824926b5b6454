/*
 * verify_attest.h - the parties' attestations: that an agent of the party signed what the record
 * says, with a certificate that was good at its time and ends in an anchor that the policy in force
 * has for the party.  What is signed is the tree that verify_party rebuilds.  Whether the
 * certificate was revoked cannot be judged.  In the bundle of an auditor of the hub party only.
 */
#pragma once
#include "audit/verify_run.h"

/* An ACK of which slots 2, 5 and 7 may be open. */
MUST_USE bool verify_attest_record(struct verify *v, const struct verify_slots *s, struct err *e);
