#include "proto/merkle.h"

#include <assert.h>
#include <inttypes.h>

bool
merkle_leaf(struct sha256 *h, struct bytes record, uint8_t out[32], struct err *e)
{
	return sha256_tagged(h, 0x00, record, out, e);
}

bool
merkle_node(struct sha256 *h, const uint8_t left[32], const uint8_t right[32], uint8_t out[32],
    struct err *e)
{
	uint8_t in[65];
	in[0] = 0x01;
	memcpy(in + 1, left, 32);
	memcpy(in + 33, right, 32);
	return sha256_of(h, bytes_from(in, sizeof(in)), out, e);
}

bool
merkle_append(struct sha256 *h, struct merkle *m, const uint8_t leaf[32],
    struct merkle_carry *carry, struct err *e)
{
	if (m->leaf_count == UINT64_MAX)
		return err_set(e, ERR_LIMIT, "the tree is full");
	uint8_t up[32];
	memcpy(up, leaf, 32);
	unsigned l = 0;
	if (carry != NULL)
		memcpy(carry->hash[0], up, 32);
	for (; m->leaf_count >> l & 1; l++) {
		if (!merkle_node(h, m->frontier[l], up, up, e))
			return false;
		if (carry != NULL)
			memcpy(carry->hash[l + 1], up, 32);
	}
	memcpy(m->frontier[l], up, 32);
	m->leaf_count++;
	if (carry != NULL)
		carry->count = l + 1;
	return true;
}

bool
merkle_root(struct sha256 *h, const struct merkle *m, uint8_t out[32], struct err *e)
{
	if (m->leaf_count == 0)
		return sha256_of(h, (struct bytes){ NULL, 0 }, out, e);
	unsigned l = (unsigned)__builtin_ctzll(m->leaf_count);
	uint8_t root[32];
	memcpy(root, m->frontier[l], 32);
	for (l++; l < MERKLE_LEVELS; l++)
		if ((m->leaf_count >> l & 1) && !merkle_node(h, m->frontier[l], root, root, e))
			return false;
	memcpy(out, root, 32);
	return true;
}

/*
 * The root of the leaves begin..end-1, where begin is a multiple of the smallest power of two that
 * is not below end - begin: the complete subtrees from the right, folded together.
 */
static bool
range_root(
    const struct merkle_source *s, uint64_t begin, uint64_t end, uint8_t out[32], struct err *e)
{
	assert(begin < end);
	uint64_t count = end - begin;
	uint8_t root[32];
	bool have = false;
	for (unsigned l = 0; l < MERKLE_LEVELS; l++) {
		if ((count >> l & 1) == 0)
			continue;
		uint8_t left[32];
		end -= (uint64_t)1 << l;
		if (!s->node(s->ctx, l, end >> l, left, e))
			return false;
		if (!have)
			memcpy(root, left, 32);
		else if (!merkle_node(s->h, left, root, root, e))
			return false;
		have = true;
	}
	memcpy(out, root, 32);
	return true;
}

bool
merkle_source_root(const struct merkle_source *s, uint64_t size, uint8_t out[32], struct err *e)
{
	if (size == 0)
		return sha256_of(s->h, (struct bytes){ NULL, 0 }, out, e);
	return range_root(s, 0, size, out, e);
}

/* The largest power of two below n, n > 1. */
static uint64_t
split(uint64_t n)
{
	return (uint64_t)1 << (63 - __builtin_clzll(n - 1));
}

/* From the leaf up is from the last split back: the hashes are gathered downwards, then turned. */
static void
turn(struct merkle_proof *p)
{
	for (size_t i = 0, j = p->count; i + 1 < j; i++) {
		uint8_t t[32];
		j--;
		memcpy(t, p->hash[i], 32);
		memcpy(p->hash[i], p->hash[j], 32);
		memcpy(p->hash[j], t, 32);
	}
}

bool
merkle_inclusion(const struct merkle_source *s, uint64_t index, uint64_t size,
    struct merkle_proof *out, struct err *e)
{
	if (index >= size)
		return err_set(e, ERR_DATA, "leaf %" PRIu64 " of %" PRIu64, index, size);
	struct merkle_proof p = { 0 };
	uint64_t begin = 0, end = size;
	while (end - begin > 1) {
		uint64_t middle = begin + split(end - begin);
		bool left = index < middle;
		if (!range_root(s, left ? middle : begin, left ? end : middle, p.hash[p.count], e))
			return false;
		p.count++;
		if (left)
			end = middle;
		else
			begin = middle;
	}
	turn(&p);
	*out = p;
	return true;
}

bool
merkle_consistency(const struct merkle_source *s, uint64_t from, uint64_t size,
    struct merkle_proof *out, struct err *e)
{
	if (from == 0 || from > size)
		return err_set(e, ERR_DATA, "from %" PRIu64 " to %" PRIu64, from, size);
	struct merkle_proof p = { 0 };
	uint64_t begin = 0, end = size;
	/* RFC 9162 section 2.1.4.1, SUBPROOF; its flag b is begin == 0 */
	while (from != end) {
		uint64_t middle = begin + split(end - begin);
		bool left = from <= middle;
		if (!range_root(s, left ? middle : begin, left ? end : middle, p.hash[p.count], e))
			return false;
		p.count++;
		if (left)
			end = middle;
		else
			begin = middle;
	}
	if (begin != 0) {
		if (!range_root(s, begin, end, p.hash[p.count], e))
			return false;
		p.count++;
	}
	turn(&p);
	*out = p;
	return true;
}

bool
merkle_check_inclusion(struct sha256 *h, const struct merkle_inclusion_claim *c,
    const uint8_t (*proof)[32], size_t count, struct err *e)
{
	if (c->index >= c->size)
		return err_set(e, ERR_DATA, "leaf %" PRIu64 " of %" PRIu64, c->index, c->size);
	uint64_t fn = c->index, sn = c->size - 1;
	uint8_t r[32];
	memcpy(r, c->leaf, 32);
	for (size_t i = 0; i < count; i++) {
		if (sn == 0)
			return err_set(e, ERR_DATA, "proof too long: %zu hashes", count);
		bool left = (fn & 1) || fn == sn;
		if (!merkle_node(h, left ? proof[i] : r, left ? r : proof[i], r, e))
			return false;
		while (left && (fn & 1) == 0 && fn != 0) {
			fn >>= 1;
			sn >>= 1;
		}
		fn >>= 1;
		sn >>= 1;
	}
	if (sn != 0)
		return err_set(e, ERR_DATA, "proof too short: %zu hashes", count);
	if (memcmp(r, c->root, 32) != 0)
		return err_set(e, ERR_DATA, "the proof gives another root");
	return true;
}

/* The two roots that a consistency proof folds up, and where it stands. */
struct fold {
	uint8_t fr[32], sr[32];
	uint64_t fn, sn;
};

static bool
fold_one(struct sha256 *h, struct fold *f, const uint8_t c[32], struct err *e)
{
	bool left = (f->fn & 1) || f->fn == f->sn;
	if (!left) {
		if (!merkle_node(h, f->sr, c, f->sr, e))
			return false;
	} else if (!merkle_node(h, c, f->fr, f->fr, e) || !merkle_node(h, c, f->sr, f->sr, e))
		return false;
	while (left && (f->fn & 1) == 0 && f->fn != 0) {
		f->fn >>= 1;
		f->sn >>= 1;
	}
	f->fn >>= 1;
	f->sn >>= 1;
	return true;
}

/* Folds the whole proof, 0 < from < size. */
static bool
fold_all(struct sha256 *h, const struct merkle_consistency_claim *c, const uint8_t (*proof)[32],
    size_t count, struct err *e)
{
	if (count == 0)
		return err_set(e, ERR_DATA, "empty proof");
	struct fold f = { .fn = c->from - 1, .sn = c->size - 1 };
	size_t i = 0;
	/* the root of a complete old tree stands for itself and is not in the proof */
	const uint8_t *first = (c->from & (c->from - 1)) == 0 ? c->from_root : proof[i++];
	memcpy(f.fr, first, 32);
	memcpy(f.sr, first, 32);
	for (; f.fn & 1; f.fn >>= 1)
		f.sn >>= 1;
	for (; i < count; i++) {
		if (f.sn == 0)
			return err_set(e, ERR_DATA, "proof too long: %zu hashes", count);
		if (!fold_one(h, &f, proof[i], e))
			return false;
	}
	if (f.sn != 0)
		return err_set(e, ERR_DATA, "proof too short: %zu hashes", count);
	if (memcmp(f.fr, c->from_root, 32) != 0)
		return err_set(e, ERR_DATA, "the proof gives another old root");
	if (memcmp(f.sr, c->root, 32) != 0)
		return err_set(e, ERR_DATA, "the proof gives another root");
	return true;
}

bool
merkle_check_consistency(struct sha256 *h, const struct merkle_consistency_claim *c,
    const uint8_t (*proof)[32], size_t count, struct err *e)
{
	if (c->from == 0 || c->from > c->size)
		return err_set(e, ERR_DATA, "from %" PRIu64 " to %" PRIu64, c->from, c->size);
	if (c->from < c->size)
		return fold_all(h, c, proof, count, e);
	if (count != 0)
		return err_set(e, ERR_DATA, "%zu hashes between two heads of one size", count);
	if (memcmp(c->from_root, c->root, 32) != 0)
		return err_set(e, ERR_DATA, "two roots for one size");
	return true;
}
