/* tls_rig.h - a trust set, a client and a handshake over memory. */
#pragma once
#include "tests/lib/test.h"

#include <openssl/ssl.h>

#include "daemon/tls.h"
#include "tests/lib/world.h"

extern struct world rig_world;
extern struct trust *rig_trust;
extern unsigned rig_tickets; /* session tickets that clients got */
/* as the tests call them */
#define w rig_world
#define t rig_trust
#define GBR (&w.ca[WORLD_GBR])
#define NOR (&w.ca[WORLD_NOR])
#define FROM (WORLD_NOW - WORLD_DAY)
#define UNTIL (WORLD_NOW + WORLD_DAY)

struct ends {
	SSL *server, *client;
	bool accepted;
	int alert; /* what the client was told; 0: nothing */
	struct trust_peer *peer;
	struct trust_refusal why;
};

int rig_begin(void **state);
int rig_end(void **state);
/* A client that shows 'id' (may be NULL) and 'chain', with the right ALPN. */
SSL *rig_client(const struct world_id *id, STACK_OF(X509) * chain);
/* Joins it with a server of the set; shake; part frees both. */
void rig_join(struct ends *x, SSL *client);
void rig_shake(struct ends *x);
void rig_part(struct ends *x);
/* Shows 'id'; it must be refused with this reason and this alert, and nothing else be said. */
void rig_refused(
    const struct world_id *id, STACK_OF(X509) * chain, enum chain_fault fault, int alert);
