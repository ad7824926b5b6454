/*
 * verify_content.h - what records and manifests commit to: facts, manifests, routing, heads, seals,
 * chains, anchors, policies, SPIFs, by their digests; the times of the facts.
 * In the bundle of an auditor of the hub party only.
 */
#pragma once
#include "audit/verify_run.h"

/* Before the records of this file of record/ are walked. */
MUST_USE bool verify_content_file(struct verify *v, uint64_t file, struct err *e);
/* The line of report/ of a record that does not show what it is, if there is one, says nothing. */
void verify_content_pass(struct verify *v, uint64_t index);
/* Behind the last of them: nothing of report/ may be left. */
void verify_content_file_end(struct verify *v);
/* After verify_order_record. */
MUST_USE bool verify_content_record(struct verify *v, const struct verify_slots *s, struct err *e);
