#include "tests/lib/test.h"

#include "proto/merkle.h"

enum { LEAVES = 130 };

/* A tree small enough to be held whole: its leaf hashes, from which nodes are computed. */
struct whole {
	struct sha256 h;
	uint8_t leaf[LEAVES][32];
};

static bool
whole_node(void *ctx, unsigned level, uint64_t n, uint8_t out[32], struct err *e)
{
	struct whole *w = ctx;
	if (level == 0) {
		assert_true(n < LEAVES);
		memcpy(out, w->leaf[n], 32);
		return true;
	}
	uint8_t left[32], right[32];
	return whole_node(w, level - 1, 2 * n, left, e) &&
	       whole_node(w, level - 1, 2 * n + 1, right, e) &&
	       merkle_node(&w->h, left, right, out, e);
}

static int
setup(void **state)
{
	struct whole *w = calloc(1, sizeof(*w));
	assert_true(sha256_init(&w->h, NULL));
	for (unsigned i = 0; i < LEAVES; i++) {
		uint8_t d = (uint8_t)i;
		assert_true(merkle_leaf(&w->h, bytes_from(&d, 1), w->leaf[i], NULL));
	}
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct whole *w = *state;
	sha256_done(&w->h);
	free(w);
	return 0;
}

static struct merkle_source
source_of(struct whole *w)
{
	return (struct merkle_source){ &w->h, whole_node, w };
}

static size_t
line(char *out, uint64_t a, uint64_t b, const struct merkle_proof *p)
{
	size_t n = (size_t)sprintf(out, "%d %d", (int)a, (int)b);
	for (size_t i = 0; i < p->count; i++) {
		out[n++] = ' ';
		for (size_t j = 0; j < 32; j++)
			n += (size_t)sprintf(out + n, "%02x", p->hash[i][j]);
	}
	out[n++] = '\n';
	return n;
}

static void
roll_is(struct sha256 *h, const char *expected)
{
	uint8_t digest[32];
	char hex[65];
	assert_true(sha256_end(h, digest, NULL));
	for (size_t i = 0; i < 32; i++)
		sprintf(hex + 2 * i, "%02x", digest[i]);
	assert_string_equal(hex, expected);
}

/* AUDIT section 6. */
static void
all_inclusion_proofs_up_to_130_leaves_are_the_published_ones(void **state)
{
	struct whole *w = *state;
	struct merkle_source s = source_of(w);
	struct sha256 roll;
	char text[4096];
	assert_true(sha256_init(&roll, NULL));
	sha256_begin(&roll);
	for (uint64_t n = 1; n <= LEAVES; n++) {
		struct merkle_inclusion_claim c = { .size = n };
		assert_true(merkle_source_root(&s, n, c.root, NULL));
		for (uint64_t i = 0; i < n; i++) {
			struct merkle_proof p;
			assert_true(merkle_inclusion(&s, i, n, &p, NULL));
			sha256_add(&roll, bytes_from(text, line(text, i, n, &p)));
			c.index = i;
			memcpy(c.leaf, w->leaf[i], 32);
			assert_true(merkle_check_inclusion(
			    &w->h, &c, (const uint8_t(*)[32])p.hash, p.count, NULL));
		}
	}
	roll_is(&roll, "893ce6eea61adc33c22c0e3a952498b76dfa3c282e78ac659f6fcc0ea44f9983");
	sha256_done(&roll);
}

static void
all_consistency_proofs_up_to_130_leaves_are_the_published_ones(void **state)
{
	struct whole *w = *state;
	struct merkle_source s = source_of(w);
	struct sha256 roll;
	char text[4096];
	assert_true(sha256_init(&roll, NULL));
	sha256_begin(&roll);
	for (uint64_t n = 1; n <= LEAVES; n++) {
		for (uint64_t m = 1; m <= n; m++) {
			struct merkle_proof p;
			struct merkle_consistency_claim c = { .from = m, .size = n };
			assert_true(merkle_consistency(&s, m, n, &p, NULL));
			sha256_add(&roll, bytes_from(text, line(text, m, n, &p)));
			assert_true(merkle_source_root(&s, m, c.from_root, NULL));
			assert_true(merkle_source_root(&s, n, c.root, NULL));
			assert_true(merkle_check_consistency(
			    &w->h, &c, (const uint8_t(*)[32])p.hash, p.count, NULL));
		}
	}
	roll_is(&roll, "2498232e1aebe8d1aa8d339d897fc471f4495fe0b8a55ac08f7dae3d88bc4c2a");
	sha256_done(&roll);
}

static void
appending_gives_the_root_of_the_whole_and_carries_complete_subtrees(void **state)
{
	struct whole *w = *state;
	struct merkle_source s = source_of(w);
	struct merkle m = { 0 };
	uint8_t grown[32], whole[32];
	assert_true(merkle_root(&w->h, &m, grown, NULL));
	assert_true(merkle_source_root(&s, 0, whole, NULL));
	assert_memory_equal(grown, whole, 32);
	for (uint64_t n = 0; n < LEAVES; n++) {
		struct merkle_carry carry;
		assert_true(merkle_append(&w->h, &m, w->leaf[n], &carry, NULL));
		assert_true(merkle_root(&w->h, &m, grown, NULL));
		assert_true(merkle_source_root(&s, n + 1, whole, NULL));
		assert_memory_equal(grown, whole, 32);
		for (unsigned l = 0; l < carry.count; l++) {
			assert_true(whole_node(w, l, n >> l, whole, NULL));
			assert_memory_equal(carry.hash[l], whole, 32);
		}
		assert_int_equal(carry.count, 1 + __builtin_ctzll(n + 1));
	}
}

static void
a_copied_tree_is_a_savepoint(void **state)
{
	struct whole *w = *state;
	struct merkle m = { 0 }, saved;
	uint8_t before[32], after[32];
	for (unsigned i = 0; i < 77; i++)
		assert_true(merkle_append(&w->h, &m, w->leaf[i], NULL, NULL));
	assert_true(merkle_root(&w->h, &m, before, NULL));
	saved = m;
	for (unsigned i = 77; i < 130; i++)
		assert_true(merkle_append(&w->h, &m, w->leaf[i], NULL, NULL));
	m = saved;
	assert_true(merkle_root(&w->h, &m, after, NULL));
	assert_memory_equal(before, after, 32);
}

static void
a_tree_takes_2_to_the_64_less_one_leaves_and_no_more(void **state)
{
	struct whole *w = *state;
	struct merkle m = { .leaf_count = UINT64_MAX - 1 }, same;
	struct err e;
	assert_true(merkle_append(&w->h, &m, w->leaf[0], NULL, &e));
	same = m;
	assert_false(merkle_append(&w->h, &m, w->leaf[0], NULL, &e));
	assert_int_equal(e.code, ERR_LIMIT);
	assert_string_equal(e.text, "the tree is full");
	assert_memory_equal(&m, &same, sizeof(m));
}

static void
questions_outside_the_tree_are_refused(void **state)
{
	struct whole *w = *state;
	struct merkle_source s = source_of(w);
	struct merkle_proof p = { .count = 99 };
	struct err e;
	assert_false(merkle_inclusion(&s, 7, 7, &p, &e));
	assert_string_equal(e.text, "leaf 7 of 7");
	assert_false(merkle_consistency(&s, 0, 7, &p, &e));
	assert_string_equal(e.text, "from 0 to 7");
	assert_false(merkle_consistency(&s, 8, 7, &p, &e));
	assert_int_equal(e.code, ERR_DATA);
	assert_int_equal(p.count, 99);
}

static void
inclusion_fails(struct whole *w, const struct merkle_inclusion_claim *c,
    const struct merkle_proof *p, const char *why)
{
	struct err e;
	assert_false(merkle_check_inclusion(&w->h, c, (const uint8_t(*)[32])p->hash, p->count, &e));
	assert_int_equal(e.code, ERR_DATA);
	assert_string_equal(e.text, why);
}

static void
an_inclusion_proof_that_is_wrong_anywhere_says_how(void **state)
{
	struct whole *w = *state;
	struct merkle_source s = source_of(w);
	struct merkle_inclusion_claim c = { .index = 5, .size = 8 };
	struct merkle_proof p;
	assert_true(merkle_inclusion(&s, 5, 8, &p, NULL));
	assert_true(merkle_source_root(&s, 8, c.root, NULL));
	memcpy(c.leaf, w->leaf[5], 32);
	p.count = 4;
	inclusion_fails(w, &c, &p, "proof too long: 4 hashes");
	p.count = 2;
	inclusion_fails(w, &c, &p, "proof too short: 2 hashes");
	p.count = 3;
	p.hash[1][0] ^= 1;
	inclusion_fails(w, &c, &p, "the proof gives another root");
	c.index = 8;
	inclusion_fails(w, &c, &p, "leaf 8 of 8");
}

static void
consistency_fails(struct whole *w, const struct merkle_consistency_claim *c,
    const struct merkle_proof *p, const char *why)
{
	struct err e;
	assert_false(
	    merkle_check_consistency(&w->h, c, (const uint8_t(*)[32])p->hash, p->count, &e));
	assert_int_equal(e.code, ERR_DATA);
	assert_string_equal(e.text, why);
}

static void
a_consistency_proof_that_is_wrong_anywhere_says_how(void **state)
{
	struct whole *w = *state;
	struct merkle_source s = source_of(w);
	struct merkle_consistency_claim c = { .from = 6, .size = 8 };
	struct merkle_proof p;
	assert_true(merkle_consistency(&s, 6, 8, &p, NULL));
	assert_true(merkle_source_root(&s, 6, c.from_root, NULL));
	assert_true(merkle_source_root(&s, 8, c.root, NULL));
	size_t right = p.count;
	p.count = 0;
	consistency_fails(w, &c, &p, "empty proof");
	p.count = right + 1;
	consistency_fails(w, &c, &p, "proof too long: 4 hashes");
	p.count = right - 1;
	consistency_fails(w, &c, &p, "proof too short: 2 hashes");
	p.count = right;
	c.root[0] ^= 1;
	consistency_fails(w, &c, &p, "the proof gives another root");
	c.from_root[0] ^= 1;
	consistency_fails(w, &c, &p, "the proof gives another old root");
	c.from = 0;
	consistency_fails(w, &c, &p, "from 0 to 8");
	c.from = 8;
	consistency_fails(w, &c, &p, "3 hashes between two heads of one size");
	p.count = 0;
	c.root[1] ^= 1;
	consistency_fails(w, &c, &p, "two roots for one size");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_inclusion_proofs_up_to_130_leaves_are_the_published_ones),
		cmocka_unit_test(all_consistency_proofs_up_to_130_leaves_are_the_published_ones),
		cmocka_unit_test(
		    appending_gives_the_root_of_the_whole_and_carries_complete_subtrees),
		cmocka_unit_test(a_copied_tree_is_a_savepoint),
		cmocka_unit_test(a_tree_takes_2_to_the_64_less_one_leaves_and_no_more),
		cmocka_unit_test(questions_outside_the_tree_are_refused),
		cmocka_unit_test(an_inclusion_proof_that_is_wrong_anywhere_says_how),
		cmocka_unit_test(a_consistency_proof_that_is_wrong_anywhere_says_how),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
