/*
 * wirefield.h - walks the top-level fields of a protobuf message, for the few that the verifier
 * needs of manifests and facts.  It trusts no schema compiler: the bytes were committed to, and
 * only their own field numbers are read. Threads: pure.
 */
#pragma once
#include "proto/bytes.h"

struct wirefield {
	uint32_t number;
	uint64_t varint;    /* wire type 0, or a fixed number */
	struct bytes bytes; /* wire type 2; else absent */
};
/* Takes the next field off the cursor; false at the end or at a fault (c->failed). */
bool wirefield_next(struct cursor *c, struct wirefield *out);
