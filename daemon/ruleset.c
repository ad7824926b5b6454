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
	for (size_t i = 0; i < epoch_agreement_count(r->epoch); i++)
		r->any_cosign |= epoch_agreement_at(r->epoch, i)->require_cosign;
	return r;
}

struct io_limits
ruleset_limits(const struct config *c)
{
	return (struct io_limits){ .connections = (uint32_t)c->limit_connections,
		.connections_per_party = (uint32_t)c->limit_per_party,
		.connections_per_address = (uint32_t)c->limit_per_address,
		.half_open = (uint32_t)c->limit_half_open,
		.handshake_ms = (uint32_t)c->limit_handshake_ms,
		.hello_ms = (uint32_t)c->limit_hello_ms,
		.frame_ms = (uint32_t)c->limit_frame_ms,
		.idle_ms = (uint32_t)c->limit_idle_ms,
		.drain_ms = (uint32_t)c->limit_drain_ms,
		.publish_window = (uint32_t)c->limit_publish_window,
		.publish_window_bytes = LIMIT_PUBLISH_WINDOW_BYTES,
		.publish_rate = (uint32_t)c->limit_publish_rate,
		.publish_rate_bytes = c->limit_publish_rate_bytes };
}

void
ruleset_settle(struct ruleset *r, const struct config *settings, struct config **own)
{
	r->settings = settings;
	r->limits = ruleset_limits(settings);
	r->own = own == NULL ? NULL : MOVE(*own);
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
	config_free(r->own);
	free(r->party_ids);
	free(r);
}

bool
ruleset_needs_quorum(const struct ruleset *r, struct bytes agreements)
{
	struct bytes rest = agreements;
	if (!r->any_cosign)
		return false;
	while (rest.len > 0) {
		const uint8_t *end = memchr(rest.data, '\n', rest.len);
		size_t len = end == NULL ? rest.len : (size_t)(end - rest.data);
		const uint8_t *at = memchr(rest.data, '@', len); /* names have none */
		struct bytes name =
		    bytes_from(rest.data, at == NULL ? len : (size_t)(at - rest.data));
		const struct agreement *g = epoch_agreement(r->epoch, name);
		if (g == NULL || g->require_cosign)
			return true;
		rest.data += len + (end != NULL);
		rest.len -= len + (end != NULL);
	}
	return agreements.len == 0;
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
