/*
 * heads.h - what a session is told of the log: published checkpoints and their proofs (AUDIT 5).
 * Threads: the session's worker; reads through the desk's open view.
 */
#pragma once
#include "daemon/desk.h"
#include "proto/msg.h"

/* The newest published checkpoint; absent (len 0) before the first. */
struct heads {
	uint64_t size;
	struct bytes note;
};
MUST_USE bool heads_published(struct desk *d, struct heads *out, struct err *e);
/* The one that the session was given last; absent (len 0) if it was given none. */
MUST_USE bool heads_told(const struct conn *c, struct heads *out, struct err *e);
/* The newest one to which no more cosignatures are awaited: it is what a bundle gets. */
MUST_USE bool heads_settled(struct desk *d, struct heads *out, struct err *e);
/* The proof that the tree of 'from' leaves is a prefix of that of 'size' (none for from 0 or from =
 * size). */
MUST_USE bool heads_consistency(
    struct desk *d, struct arena *a, const uint64_t sizes[2], struct names *out, struct err *e);
MUST_USE bool heads_inclusion(struct desk *d, struct arena *a, uint64_t index, uint64_t size,
    struct names *out, struct err *e);
/* Sends Heads if something was published since the session's last. */
void heads_tell(struct conn *c);
