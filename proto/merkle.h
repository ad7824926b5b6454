/*
 * merkle.h - the append-only Merkle tree, its proofs and their verification.
 * RFC 9162 section 2.1: leaf = SHA-256(0x00 || record), node = SHA-256(0x01 || left || right); an
 * odd node is never doubled.  A struct merkle is a plain value that holds only the frontier;
 * assignment takes a savepoint.  Proofs are made from complete subtrees that a callback reads.
 * Threads: no locks, one caller at a time.
 */
#pragma once
#include "proto/sha256.h"

enum { MERKLE_LEVELS = 64, MERKLE_PROOF_MAX = 65 };

struct merkle {
	uint64_t leaf_count;
	uint8_t frontier[MERKLE_LEVELS][32]; /* [l] is meaningful where bit l of leaf_count is 1 */
};

struct merkle_proof {
	size_t count;
	uint8_t hash[MERKLE_PROOF_MAX][32];
};

/* The hashes that an append completed: [l] is the new subtree of 2^l leaves, l < count. */
struct merkle_carry {
	unsigned count;
	uint8_t hash[MERKLE_LEVELS + 1][32];
};

/* Where complete subtrees come from: the root of the leaves n*2^level .. (n+1)*2^level - 1. */
struct merkle_source {
	struct sha256 *h; /* borrowed; combines the subtrees */
	bool (*node)(void *ctx, unsigned level, uint64_t n, uint8_t out[32], struct err *e);
	void *ctx;
};

/* H(00 || record) and H(01 || left || right). */
MUST_USE bool merkle_leaf(struct sha256 *h, struct bytes record, uint8_t out[32], struct err *e);
MUST_USE bool merkle_node(struct sha256 *h, const uint8_t left[32], const uint8_t right[32],
    uint8_t out[32], struct err *e);

/* Adds a leaf by its hash.  'carry' may be NULL.  On failure the tree is unchanged: ERR_CRYPTO, or
 * ERR_LIMIT at 2^64 - 1 leaves. */
MUST_USE bool merkle_append(struct sha256 *h, struct merkle *m, const uint8_t leaf[32],
    struct merkle_carry *carry, struct err *e);
/* The root; of the empty tree H(""). */
MUST_USE bool merkle_root(struct sha256 *h, const struct merkle *m, uint8_t out[32], struct err *e);

/* The proof that leaf 'index' is in the tree of 'size' leaves; ERR_DATA if index >= size. */
MUST_USE bool merkle_inclusion(const struct merkle_source *s, uint64_t index, uint64_t size,
    struct merkle_proof *out, struct err *e);
/* The proof that the tree of 'from' leaves is a prefix of that of 'size'.  from = size: an empty
 * proof.  from = 0 or from > size: ERR_DATA. */
MUST_USE bool merkle_consistency(const struct merkle_source *s, uint64_t from, uint64_t size,
    struct merkle_proof *out, struct err *e);
/* The root of the first 'size' leaves. */
MUST_USE bool merkle_source_root(
    const struct merkle_source *s, uint64_t size, uint8_t out[32], struct err *e);

/* What an inclusion proof claims. */
struct merkle_inclusion_claim {
	uint64_t index;
	uint64_t size;
	uint8_t leaf[32]; /* leaf hash */
	uint8_t root[32];
};
struct merkle_consistency_claim {
	uint64_t from, size;
	uint8_t from_root[32], root[32];
};
/* True iff the proof (of 'count' hashes, foreign) proves the claim; else ERR_DATA and which step
 * failed. */
MUST_USE bool merkle_check_inclusion(struct sha256 *h, const struct merkle_inclusion_claim *c,
    const uint8_t (*proof)[32], size_t count, struct err *e);
/* from = 0 is an error here (a witness treats it on its own, AUDIT section 6). */
MUST_USE bool merkle_check_consistency(struct sha256 *h, const struct merkle_consistency_claim *c,
    const uint8_t (*proof)[32], size_t count, struct err *e);
