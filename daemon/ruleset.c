#include "daemon/ruleset.h"

#include <assert.h>
#include <stdlib.h>

struct ruleset *
ruleset_new(struct epoch **epoch, struct trust **trust)
{
	struct ruleset *r = calloc(1, sizeof(*r));
	size_t parties = epoch_party_count(*epoch);
	uint32_t *ids = calloc(parties + 1, sizeof(*ids));
	if (r == NULL || ids == NULL) {
		free(r);
		free(ids);
		epoch_free(MOVE(*epoch));
		trust_unref(MOVE(*trust));
		return NULL;
	}
	atomic_init(&r->refs, 1);
	r->epoch = MOVE(*epoch);
	r->trust = MOVE(*trust);
	r->party_ids = ids;
	return r;
}

struct ruleset *
ruleset_ref(struct ruleset *r)
{
	atomic_fetch_add(&r->refs, 1);
	return r;
}

void
ruleset_unref(struct ruleset *r)
{
	if (r == NULL || atomic_fetch_sub(&r->refs, 1) != 1)
		return;
	epoch_free(r->epoch);
	trust_unref(r->trust);
	free(r->party_ids);
	free(r);
}

uint32_t
ruleset_party_id(const struct ruleset *r, struct bytes name)
{
	const struct party *p = epoch_party(r->epoch, name);
	return p == NULL ? 0 : r->party_ids[p->index];
}

const struct party *
ruleset_party(const struct ruleset *r, uint32_t id)
{
	for (size_t i = 0; i < epoch_party_count(r->epoch); i++)
		if (r->party_ids[i] == id)
			return epoch_party_at(r->epoch, i);
	return NULL;
}
