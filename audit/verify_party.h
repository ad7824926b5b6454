/*
 * verify_party.h - the histories of parties: their trees rebuilt from the records, what PARTY_HEADs
 * and attestations state of them, and what was known of them before.
 */
#pragma once
#include "audit/verify_run.h"

/* Before the first record: the histories that were verified before. */
MUST_USE bool verify_party_begin(struct verify *v, struct err *e);
/* Every record: where it stands; in a party's own bundle also which slots are open. */
MUST_USE bool verify_party_record(struct verify *v, const struct verify_slots *s, struct err *e);
/* A PARTY_HEAD. */
MUST_USE bool verify_party_head(struct verify *v, const struct verify_slots *s, struct err *e);
/* An ACK that is an attestation. */
MUST_USE bool verify_party_attested(struct verify *v, const struct verify_slots *s, struct err *e);
/* When all records were walked: fills result->parties. */
MUST_USE bool verify_party_finish(struct verify *v, struct err *e);
