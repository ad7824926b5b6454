/*
 * world.h - a small world of parties for tests: GBR, NOR and the hub, each with an authority of its
 * own, GBR with a revocation list.  The clock stands where the test puts it.
 */
#pragma once
#include "client/cli/mint.h"
#include "daemon/trust.h"

#define WORLD_NOW 1780315200 /* 2026-06-01T12:00:00Z */
#define WORLD_DAY 86400
#define WORLD_AGENT "spiffe://gbr.example/fusion-desk"
#define WORLD_HUB_ID "spiffe://hub.example/relto"

struct world_id { /* a certificate and its key; the authorities are such too */
	X509 *cert;
	EVP_PKEY *key;
};

enum world_party { WORLD_GBR, WORLD_HUB, WORLD_NOR, WORLD_PARTIES };

struct world {
	struct world_id ca[WORLD_PARTIES];
	struct world_id broker;
	struct world_id agent; /* WORLD_AGENT, client and signer */
	/* what trust_new is given; a test changes it before world_trust */
	struct trust_party_setup parties[WORLD_PARTIES];
	struct trust_agent_setup agents[WORLD_PARTIES][2];
	struct bytes crls[2];
	struct trust_setup setup;
	int64_t now;
	struct bytes kept[64]; /* PEM texts, freed at the end */
	unsigned kept_count;
};

void world_make(struct world *w);
void world_done(struct world *w);
/* Builds the set; fails the test if it cannot be built. */
struct trust *world_trust(struct world *w);

/* Issues a certificate for a fresh P-256 key; 'issuer' NULL: self-signed. */
struct world_id world_issue(const struct world_id *issuer, const char *uri, unsigned usage,
    int64_t from_s, int64_t until_s);
/* The same with everything to choose; 'key' is taken over. */
struct world_id world_issue_spec(
    const struct world_id *issuer, const struct mint_spec *spec, EVP_PKEY *key);
void world_id_done(struct world_id *id);

/* PEM texts that live as long as the world. */
struct bytes world_pem_cert(struct world *w, X509 *x);
struct bytes world_pem_key(struct world *w, EVP_PKEY *key);
struct bytes world_pem_crl(
    struct world *w, const struct world_id *issuer, X509 *revoked, int64_t made_s, int64_t next_s);
struct bytes world_pem_join(struct world *w, struct bytes a, struct bytes b);
struct bytes world_der(struct world *w, X509 *x);
