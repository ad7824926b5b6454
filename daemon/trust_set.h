/*
 * trust_set.h - what a trust set holds; for daemon/trust*.c alone.
 */
#pragma once
#include <stdatomic.h>

#include "daemon/tls.h"

struct trust_agent {
	char *path;
	uint32_t roles;
};

struct trust_party {
	char *name, *domain;
	struct chain_anchors *anchors; /* NULL: shut out */
	uint8_t material[32];	       /* SHA-256 over bundle and lists: equal means judged alike */
	char why[200];		       /* why it is */
	bool hub;
	struct trust_agent *agents; /* by path */
	size_t agent_count;
};

struct trust {
	_Atomic unsigned refs;
	SSL_CTX *ctx;
	struct trust_party *parties; /* by trust domain */
	size_t party_count;
	struct trust_party *hub;
	struct tls_identity own;
	char hub_id[LIMIT_SPIFFE_ID_BYTES + 1];
	uint8_t hub_leaf[32];
	int64_t hub_not_after;
	int64_t crl_max_age_s;
	bool has_lists;
	uint8_t lists[32]; /* trust_lists_digest */
	int64_t (*now)(void *);
	void *now_arg;
};

/* The party with a trust domain, or NULL; its agent with a path, or NULL. */
const struct trust_party *trust_party_of_domain(const struct trust *t, struct bytes domain);
const struct trust_agent *trust_agent_of_path(const struct trust_party *p, struct bytes path);
/* s since 1970: the party's lists pass their hard age, or say themselves that they are over;
 * INT64_MAX without lists. */
int64_t trust_crl_until(const struct trust *t, const struct trust_party *p);
