#include "daemon/trust_load.h"

#include "daemon/file.h"
#include "proto/limits.h"

#define PEM_BYTES (1u << 20)

/* False only when out of memory: a list that cannot be read shuts the party out. */
static bool
load_crls(const struct party *p, struct arena *a, struct trust_party_setup *out, struct err *e)
{
	struct bytes *lists = arena_zalloc(a, p->crl_count + 1, sizeof(*lists));
	if (lists == NULL)
		return err_set(e, ERR_NOMEM, "revocation lists");
	out->crls = lists;
	for (size_t i = 0; i < p->crl_count; i++) {
		struct err why = { 0 };
		char *path = arena_printf(
		    a, "%.*s", (int)p->crl_paths[i].len, (const char *)p->crl_paths[i].data);
		if (path == NULL)
			return err_set(e, ERR_NOMEM, "revocation lists");
		if (!file_read(path, FILE_OURS, LIMIT_CRL_BYTES, a, &lists[i], &why)) {
			if (why.code == ERR_NOMEM)
				return err_set(e, ERR_NOMEM, "revocation lists");
			if (!arena_copy(a, bytes_of(why.text), &out->unusable, e))
				return false;
		}
		out->crl_count++;
	}
	return true;
}

static bool
load_party(const struct party *p, struct arena *a, struct trust_party_setup *out, struct err *e)
{
	struct trust_agent_setup *agents = arena_zalloc(a, p->agent_count + 1, sizeof(*agents));
	if (agents == NULL)
		return err_set(e, ERR_NOMEM, "agents");
	for (size_t i = 0; i < p->agent_count; i++)
		agents[i] = (struct trust_agent_setup){ p->agents[i].path, p->agents[i].roles };
	out->name = p->name;
	out->domain = p->trust_domain;
	out->bundle = p->bundle;
	out->agents = agents;
	out->agent_count = p->agent_count;
	if (p->shut_out)
		out->unusable = bytes_of("its bundle cannot be used");
	return load_crls(p, a, out, e);
}

static bool
load_setup(const struct epoch *policy, const struct config *c, struct arena *a,
    struct trust_setup *s, struct err *e)
{
	size_t count = epoch_party_count(policy);
	struct trust_party_setup *parties = arena_zalloc(a, count + 1, sizeof(*parties));
	if (parties == NULL)
		return err_set(e, ERR_NOMEM, "parties");
	for (size_t i = 0; i < count; i++)
		if (!load_party(epoch_party_at(policy, i), a, &parties[i], e))
			return false;
	s->parties = parties;
	s->party_count = count;
	s->hub = epoch_hub(policy)->name;
	s->crl_max_age_s = (int64_t)(c->crl_max_age_ms / 1000);
	if (!file_read(c->identity_certificate, FILE_OURS, PEM_BYTES, a, &s->certificate, e) ||
	    !file_read(c->identity_key, FILE_SECRET, PEM_BYTES, a, &s->key, e))
		return err_wrap(e, "identity");
	return true;
}

bool
trust_load(const struct epoch *policy, const struct config *config, bool reload,
    const struct trust_clock *clock, struct trust **out, struct err *e)
{
	struct trust_setup s = { .reload = reload, .now = clock->now, .now_arg = clock->arg };
	SCOPED(arena_done) struct arena a; /* cleansed at the end: it held the key */
	arena_init(&a, LIMIT_TRUST_BYTES);
	return load_setup(policy, config, &a, &s, e) && trust_new(&s, out, e);
}
