/*
 * restore_carry.h - what of an old store a new generation keeps, and what it leaves.
 * Threads: restore.c's.
 */
#pragma once
#include "daemon/store.h"

#include <stdio.h>

/* An id of an old generation is a note, old/PARTY/ID, of its manifest and when it was accepted: so
 * it is not another report's (id-conflict).  The same report is new when its publisher sends it
 * again, and is decided by the rules of then. */
struct old_id {
	uint8_t manifest[STORE_HASH_BYTES];
	uint64_t accepted_us;
};
enum { OLD_NAME_ROOM = 64 };
void old_id_name(const struct store_report_key *key, char out[OLD_NAME_ROOM]);
/* Whether another report has the id of this one. */
MUST_USE bool old_id_taken(
    struct store_view *v, const struct store_report *r, bool *taken, struct err *e);
/* Whether there are any. */
MUST_USE bool old_id_any(struct store_view *v, bool *any, struct err *e);

struct carry {
	struct store *from, *to;
	struct store_view *view;	   /* of 'from', closed */
	struct store_fence *fence;	   /* of 'to' */
	uint64_t keep_from_us;		   /* ids that were accepted before are forgotten */
	uint64_t ids, agreements, waiting; /* out */
};
/* In batches of their own. */
MUST_USE bool carry_ids(struct carry *c, struct err *e);
MUST_USE bool carry_agreements(struct carry *c, struct err *e);
/* A line for each report and recipient that waited. */
MUST_USE bool carry_tell_waiting(struct carry *c, FILE *to, struct err *e);
