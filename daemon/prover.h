/*
 * prover.h - roots and consistency proofs of the log, from what is committed: for the log's signer.
 * Each call takes a snapshot of its own and lets it go.
 * Threads: a value of its owner's: main at the start, then the notary.
 */
#pragma once
#include "audit/tile.h"
#include "proto/arena.h"

struct store;
struct store_view;

struct prover {
	struct store_view *view; /* closed between calls; owned */
	struct sha256 *h;	 /* borrowed */
	struct arena arena;
	struct tile_reader reader;
};
MUST_USE bool prover_init(struct prover *p, struct store *s, struct sha256 *h, struct err *e);
void prover_done(struct prover *p);
/* How many records are committed. */
MUST_USE bool prover_size(struct prover *p, uint64_t *size, struct err *e);
/* The root of the first 'size' records. */
MUST_USE bool prover_root(struct prover *p, uint64_t size, uint8_t out[32], struct err *e);
/* From which tree to which size; with 'peaks' the frontier of 'from' is known, and only what came
 * since is read. */
struct prover_step {
	const struct merkle *from;
	bool peaks;
	uint64_t size;
};
/* The proof that the first 'size' records extend those of 'from'; no hashes from 0 and between
 * equals. */
MUST_USE bool prover_extends(
    struct prover *p, const struct prover_step *step, struct merkle_proof *out, struct err *e);
