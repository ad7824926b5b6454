/*
 * lab.h - a working broker on loopback with everything around it (DESIGN section 12): what
 * `relto lab` is made of.  DIR/{reltod.conf, policy/, hub/, parties/PARTY/, home/, spool/, run/}.
 * Threads: one.
 */
#pragma once
#include "proto/arena.h"
#include "proto/err.h"
#include "proto/limits.h"

#include <sys/types.h>

#define LAB_PARTIES 16
#define LAB_HUB "HUB"
#define LAB_ORIGIN "hub.example/relto/g1"
#define LAB_HUB_ID "spiffe://hub.example/relto"
#define LAB_CRL_DAYS 3650 /* a lab has nobody who issues lists daily */

struct lab {
	struct arena arena;
	const char *dir;		  /* absolute */
	const char *parties[LAB_PARTIES]; /* without the hub */
	size_t party_count;
	unsigned port; /* 0: the broker picks one, and says it in run/addresses */
	bool signer;   /* relto-signer has the key of the log */
	int64_t now_s;
};

/* The agents of a party; 'hub' is another set. */
struct lab_agent {
	const char *name;    /* "fusion-desk" */
	const char *roles;   /* as in the policy */
	const char *context; /* suffix of its context's name: "" or "-watch" */
};
const struct lab_agent *lab_agents(bool hub, size_t *count);
/* "gbr" of "GBR", in the arena; NULL on shortage. */
const char *lab_lower(struct lab *l, const char *party);
/* A path below DIR, in the arena; NULL on shortage, which lab_put reports. */
const char *lab_path(struct lab *l, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Writes a path that lab_path gave; its folder is made. */
MUST_USE bool lab_put(
    struct lab *l, const char *path, mode_t mode, struct bytes data, struct err *e);

/* lab_pki.c: authorities, agents, broker, lists, the key of the log. */
MUST_USE bool lab_pki(struct lab *l, struct err *e);
/* Puts PARTY's agent on its revocation list. */
MUST_USE bool lab_pki_revoke(struct lab *l, const char *party, const char *agent, struct err *e);
/* lab_policy.c: the policy, with the shipped vocabularies. */
MUST_USE bool lab_policy(struct lab *l, struct err *e);
/* lab_terms.c: what the policy's agreements are, as accepted by every context of their members. */
MUST_USE bool lab_terms(struct lab *l, struct err *e);
/* The context of a party's agent: gbr, gbr-watch, ..; of the hub: auditor, operator. */
const char *lab_context(struct lab *l, const char *party, const struct lab_agent *agent);
/* Whether the ATLAS vocabulary can release to that party. */
bool lab_policy_knows(const char *party);
