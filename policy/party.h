/*
 * party.h - who takes part: parties, their trust and their agents (DESIGN sections 1, 4 and 7).
 * Immutable parts of an epoch; all views live as long as the epoch.
 * Threads: read by any.
 */
#pragma once
#include <stdint.h>

#include "proto/bytes.h"

enum role { /* bits */
	ROLE_PUBLISH = 1,
	ROLE_SUBSCRIBE = 2,
	ROLE_APPROVE = 4,
	ROLE_AUDIT = 8,
	ROLE_OPERATE = 16, /* agents of the hub party only */
	ROLE_SIGN = 32
};

struct agent {
	struct bytes path; /* "/fusion-desk": the SPIFFE id after the trust domain */
	unsigned roles;	   /* bits of enum role */
};

struct anchor {
	uint8_t digest[32]; /* SHA-256 of the DER certificate */
	uint8_t key[32];    /* SHA-256 of its SubjectPublicKeyInfo: no two parties share one */
	struct bytes der;
};

struct party {
	struct bytes name;	      /* "NOR" */
	struct bytes full_name;	      /* for people; absent if the policy says none */
	struct bytes trust_domain;    /* "nor.example" */
	struct bytes bundle_path;     /* as read: relative paths resolved against their file */
	struct bytes bundle;	      /* its PEM bytes; absent without trust files */
	const struct anchor *anchors; /* in the order of the bundle; none without trust files */
	size_t anchor_count;
	const struct bytes *crl_paths; /* as read; a CRL's content is no part of the policy */
	size_t crl_count;
	const struct agent *agents; /* by path, byte order */
	size_t agent_count;
	uint32_t index; /* in the epoch's list of parties */
	bool shut_out;	/* its bundle could not be used (only after EPOCH_TOLERANT) */
	bool is_hub;
};

/* The agent with this path, or NULL. */
const struct agent *party_agent(const struct party *p, struct bytes path);
/* "publish", .., "sign" to its bit; 0 if there is no such role. */
unsigned party_role(struct bytes name);
/* The name of one role bit; NULL if it is none. */
const char *party_role_name(enum role role);
