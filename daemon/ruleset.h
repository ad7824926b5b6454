/*
 * ruleset.h - a policy epoch, and the trust and settings that were loaded with it, as one thing to
 * hand round: who has the one has the others (decision 0032).
 * Made by main, numbered by the committer (the index of its POLICY record), then immutable and
 * shared by reference; a decision belongs to the ruleset with its number. Threads: ref and unref
 * from any.
 */
#pragma once
#include "daemon/config.h"
#include "daemon/io.h"
#include "daemon/trust.h"
#include "policy/epoch.h"

#include <stdatomic.h>

struct ruleset {
	atomic_uint refs;
	struct epoch *epoch;
	struct trust *trust;
	const struct config *settings; /* the broker's own, or.. */
	struct config *own;	       /* ..these, which a reload brought */
	struct io_limits limits;       /* of them */
	bool any_cosign;	       /* some agreement has require-cosign */
	uint64_t number;	       /* index of the POLICY record; set before it is shared */
	uint32_t
	    *party_ids; /* name ids by party index; filled by the committer before it is shared */
};

/* Takes both over.  NULL when out of memory: both are freed then. */
struct ruleset *ruleset_new(struct epoch **epoch, struct trust **trust);
/* Before it is shared: the settings that go with it.  They live longer, or are '*own', which it
 * takes over. */
void ruleset_settle(struct ruleset *r, const struct config *settings, struct config **own);
struct io_limits ruleset_limits(const struct config *c);
struct ruleset *ruleset_ref(struct ruleset *r);
void ruleset_unref(struct ruleset *r);
SCOPED_FOR(struct ruleset, ruleset_unref)

/* Of a decision that released under 'agreements' (slot 2: "name@version", LF between): whether one
 * of them demands that the quorum of witnesses signs a head over it (decision 0024).  One that is
 * not in this policy does, and so does no agreement at all. */
bool ruleset_needs_quorum(const struct ruleset *r, struct bytes agreements);

/* The name id of a party of this policy; 0 if it is none. */
uint32_t ruleset_party_id(const struct ruleset *r, struct bytes name);
/* The party with a name id; NULL if it is none of this policy. */
const struct party *ruleset_party(const struct ruleset *r, uint32_t id);
