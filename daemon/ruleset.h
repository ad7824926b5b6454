/*
 * ruleset.h - a policy epoch and the trust that was loaded with it, as one thing to hand round.
 * Made by main, numbered by the committer (the index of its POLICY record), then immutable and
 * shared by reference; a decision belongs to the ruleset with its number. Threads: ref and unref
 * from any.
 */
#pragma once
#include "daemon/trust.h"
#include "policy/epoch.h"

#include <stdatomic.h>

struct ruleset {
	atomic_uint refs;
	struct epoch *epoch;
	struct trust *trust;
	uint64_t number; /* index of the POLICY record; set before it is shared */
	uint32_t
	    *party_ids; /* name ids by party index; filled by the committer before it is shared */
};

/* Takes both over.  NULL when out of memory: both are freed then. */
struct ruleset *ruleset_new(struct epoch **epoch, struct trust **trust);
struct ruleset *ruleset_ref(struct ruleset *r);
void ruleset_unref(struct ruleset *r);
SCOPED_FOR(struct ruleset, ruleset_unref)

/* The name id of a party of this policy; 0 if it is none. */
uint32_t ruleset_party_id(const struct ruleset *r, struct bytes name);
/* The party with a name id; NULL if it is none of this policy. */
const struct party *ruleset_party(const struct ruleset *r, uint32_t id);
