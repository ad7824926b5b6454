/*
 * chain_anchors.h - what one party's anchors are, for chain.c and chain_anchors.c alone.
 * Threads: immutable once made.
 */
#pragma once
#include "proto/chain.h"

struct chain_anchor {
	uint8_t digest[32];
	int64_t until; /* s */
};

struct chain_anchors {
	X509_STORE *store;	      /* the bundle, and the lists if there are any */
	STACK_OF(X509_CRL) * crls;    /* of each authority the newest */
	struct chain_anchor *anchors; /* by digest */
	size_t count;
	int64_t crl_made, crl_next;
};
