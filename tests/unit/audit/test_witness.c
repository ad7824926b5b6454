#include "tests/lib/test.h"

#include "audit/witness.h"
#include "tests/unit/audit/golden.h"

enum { LEAVES = 9 };

/* A log of nine leaves, its heads and proofs, and a witness. */
struct rig {
	struct sha256 h;
	struct arena a;
	EVP_PKEY *log_key, *witness_key;
	struct note_key witness;
	uint8_t nodes[4][LEAVES][32]; /* complete subtrees, by level */
	struct merkle trees[LEAVES + 1];
	struct witness_book book;
};

static bool
read_node(void *ctx, unsigned level, uint64_t n, uint8_t out[32], struct err *e)
{
	struct rig *g = ctx;
	(void)e;
	memcpy(out, g->nodes[level][n], 32);
	return true;
}

static int
setup(void **state)
{
	struct rig *g = calloc(1, sizeof(*g));
	struct note_name log = { bytes_of(GOLDEN_LOG), NOTE_ED25519 },
			 witness = { bytes_of(GOLDEN_WITNESS), NOTE_COSIGNATURE };
	assert_true(sha256_init(&g->h, NULL));
	arena_init(&g->a, 16u << 20);
	g->log_key = golden_key(&g->h, "relto test log");
	g->witness_key = golden_key(&g->h, "relto test witness");
	g->book.count = 1;
	assert_true(note_key_of(&g->h, &log, g->log_key, &g->book.logs[0], NULL));
	assert_true(note_key_of(&g->h, &witness, g->witness_key, &g->witness, NULL));
	for (uint8_t i = 0; i < LEAVES; i++) {
		struct merkle_carry carry;
		memset(g->nodes[0][i], i + 1, 32);
		g->trees[i + 1] = g->trees[i];
		assert_true(merkle_append(&g->h, &g->trees[i + 1], g->nodes[0][i], &carry, NULL));
		for (unsigned l = 1; l < carry.count; l++)
			memcpy(g->nodes[l][i >> l], carry.hash[l], 32);
	}
	*state = g;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *g = *state;
	EVP_PKEY_free(g->log_key);
	EVP_PKEY_free(g->witness_key);
	sha256_done(&g->h);
	arena_done(&g->a);
	free(g);
	return 0;
}

/* The head of the first 'size' leaves, or with 'twist' another root. */
static struct bytes
head(struct rig *g, uint64_t size, uint8_t twist)
{
	struct checkpoint c = { .origin = bytes_of(GOLDEN_LOG), .size = size };
	struct note_signer by = { g->log_key, &g->book.logs[0], 0 };
	struct bytes note = { NULL, 0 };
	assert_true(merkle_root(&g->h, &g->trees[size], c.root, NULL));
	c.root[0] ^= twist;
	assert_true(checkpoint_sign(&g->a, &by, &c, &note, NULL));
	return note;
}

static struct witness_request
request(struct rig *g, uint64_t old, uint64_t size)
{
	struct witness_request r = { .old = old, .note = head(g, size, 0) };
	struct merkle_source source = { &g->h, read_node, g };
	struct merkle_proof p = { 0 };
	if (old > 0 && old < size)
		assert_true(merkle_consistency(&source, old, size, &p, NULL));
	r.count = p.count;
	memcpy(r.proof, p.hash, p.count * 32);
	return r;
}

static enum witness_answer
judged(struct rig *g, const struct witness_request *r, struct witness_verdict *v)
{
	struct err e = { 0 };
	witness_judge(&g->a, &g->h, &g->book, r, v, &e);
	assert_true((v->answer == WITNESS_COSIGN) == (e.code == ERR_NONE));
	return v->answer;
}

static enum witness_answer
says(struct rig *g, struct witness_request r)
{
	struct witness_verdict v;
	return judged(g, &r, &v);
}

static void
knows(struct rig *g, uint64_t size)
{
	g->book.heads[0] = (struct witness_head){ .any = true, .size = size };
	assert_true(merkle_root(&g->h, &g->trees[size], g->book.heads[0].root, NULL));
}

static void
what_goes_on_is_cosigned_from_any_size_to_any_other(void **state)
{
	struct rig *g = *state;
	for (uint64_t from = 0; from <= LEAVES; from++)
		for (uint64_t to = from; to <= LEAVES; to++) {
			struct witness_request r = request(g, from, to);
			struct witness_verdict v;
			knows(g, from);
			assert_int_equal(judged(g, &r, &v), WITNESS_COSIGN);
			assert_true(v.at == 0 && v.head.size == to && !v.fork);
			assert_memory_equal(v.text.data, GOLDEN_LOG, strlen(GOLDEN_LOG));
		}
}

static void
a_log_that_was_never_seen_begins_where_it_is(void **state)
{
	struct rig *g = *state;
	assert_int_equal(says(g, request(g, 0, 5)), WITNESS_COSIGN);
	assert_int_equal(says(g, request(g, 3, 5)), WITNESS_CONFLICT);
	struct witness_request r = request(g, 0, 5);
	r.count = 1;
	assert_int_equal(says(g, r), WITNESS_UNPROVED);
	r = request(g, 0, 0);
	assert_int_equal(says(g, r), WITNESS_COSIGN);
	r.note = head(g, 0, 1);
	assert_int_equal(says(g, r), WITNESS_UNPROVED);
}

static void
a_rollback_is_409_and_a_fork_422(void **state)
{
	struct rig *g = *state;
	struct witness_verdict v;
	knows(g, 7);
	assert_int_equal(says(g, request(g, 0, 9)), WITNESS_CONFLICT);
	assert_int_equal(says(g, request(g, 6, 9)), WITNESS_CONFLICT);
	assert_int_equal(says(g, request(g, 3, 5)), WITNESS_CONFLICT); /* back to a smaller one */
	struct witness_request r = request(g, 7, 9);
	r.note = head(g, 9, 1); /* no tree that goes on from these seven */
	assert_int_equal(judged(g, &r, &v), WITNESS_UNPROVED);
	assert_false(v.fork);
	r = request(g, 7, 7);
	r.note = head(g, 7, 1);
	assert_int_equal(judged(g, &r, &v), WITNESS_UNPROVED);
	assert_true(v.fork);
	r.old = 9;
	assert_int_equal(says(g, r), WITNESS_MALFORMED); /* old > size */
}

static void
every_hash_of_a_proof_counts(void **state)
{
	struct rig *g = *state;
	knows(g, 3);
	struct witness_request r = request(g, 3, 9);
	assert_true(r.count >= 3);
	for (size_t i = 0; i < r.count; i++) {
		r.proof[i][31] ^= 1;
		assert_int_equal(says(g, r), WITNESS_UNPROVED);
		r.proof[i][31] ^= 1;
	}
	r.count--;
	assert_int_equal(says(g, r), WITNESS_UNPROVED);
	r.count += 2;
	assert_int_equal(says(g, r), WITNESS_UNPROVED);
	r.count--;
	assert_int_equal(says(g, r), WITNESS_COSIGN);
}

static void
who_did_not_sign_is_403_and_who_is_unknown_404(void **state)
{
	struct rig *g = *state;
	struct witness_request r = request(g, 0, 5);
	struct note_signer other = { g->witness_key, &g->book.logs[0], 0 };
	struct checkpoint c = { .origin = bytes_of(GOLDEN_LOG), .size = 5 };
	assert_true(checkpoint_sign(&g->a, &other, &c, &r.note, NULL));
	assert_int_equal(says(g, r), WITNESS_FORBIDDEN); /* the right name and id, another key */
	/* a key of this name that the witness does not know: nobody's signature that counts */
	struct note_key stranger = g->book.logs[0];
	struct note_name name = { bytes_of(GOLDEN_LOG), NOTE_ED25519 };
	assert_true(note_key_of(&g->h, &name, g->witness_key, &stranger, NULL));
	other.as = &stranger;
	assert_true(checkpoint_sign(&g->a, &other, &c, &r.note, NULL));
	assert_int_equal(says(g, r), WITNESS_FORBIDDEN);
	/* both keys of a log that changes its key */
	g->book.logs[1] = stranger;
	g->book.count = 2;
	assert_int_equal(says(g, r), WITNESS_COSIGN);
	assert_int_equal(says(g, request(g, 0, 5)), WITNESS_COSIGN);
	g->book.count = 0;
	assert_int_equal(says(g, r), WITNESS_UNKNOWN);
}

static void
what_is_no_request_is_400(void **state)
{
	struct rig *g = *state;
	struct witness_request r = request(g, 3, 9), again;
	struct bytes text = { NULL, 0 };
	assert_true(witness_request_write(&g->a, &r, &text, NULL));
	assert_true(witness_request_parse(text, &again, NULL));
	assert_true(again.old == 3 && again.count == r.count && bytes_equal(again.note, r.note));
	assert_memory_equal(again.proof, r.proof, r.count * 32);
	static const char *const bad[] = { "", "old 3", "old 3\n", "old 03\n\n", "old -1\n\n",
		"old\n\n", "new 3\n\n", "old 18446744073709551616\n\n", "old 3\nAAAA\n\n",
		"old 3 \n\n", "old 3\r\n\r\n",
		"old 3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n\n" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(witness_request_parse(bytes_of(bad[i]), &again, NULL));
	r.note = bytes_of("no note\n");
	assert_int_equal(says(g, r), WITNESS_MALFORMED);
	r.note = bytes_of("");
	assert_int_equal(says(g, r), WITNESS_MALFORMED);
}

static void
a_proof_of_63_hashes_is_read_and_one_of_64_not(void **state)
{
	struct rig *g = *state;
	struct witness_request r = { .old = 1, .count = 63, .note = bytes_of("x") }, again;
	struct bytes text = { NULL, 0 };
	assert_true(witness_request_write(&g->a, &r, &text, NULL));
	assert_true(witness_request_parse(text, &again, NULL));
	char *more = arena_alloc(&g->a, text.len + 45);
	memcpy(more, text.data, 6);
	memcpy(more + 6, text.data + 6, 45);
	memcpy(more + 51, text.data + 6, text.len - 6);
	assert_false(witness_request_parse(bytes_from(more, text.len + 45), &again, NULL));
}

/* What the witness says to a head, at a time. */
static struct bytes
cosigned_line(struct rig *g, EVP_PKEY *key, struct bytes note, uint64_t time)
{
	struct note n;
	struct bytes line = { NULL, 0 };
	struct note_signer by = { key, &g->witness, time };
	assert_true(note_parse(&g->a, note, &n, NULL));
	assert_true(note_sign(&g->a, &by, n.text, &line, NULL));
	return line;
}

static void
a_cosignature_is_taken_over_alone_and_only_if_it_is_good(void **state)
{
	struct rig *g = *state;
	struct err e = { 0 };
	struct bytes note = head(g, 9, 0), out = note;
	struct bytes line = cosigned_line(g, g->witness_key, note, GOLDEN_TIME);
	char *answer = arena_printf(&g->a, "\xe2\x80\x94 somebody/else AAAAAAA=\n%.*s",
	    (int)line.len, (const char *)line.data);
	struct witness_reply reply = { bytes_of(answer), &g->witness, GOLDEN_TIME };
	assert_true(witness_attach(&g->a, &reply, &out, NULL));
	assert_int_equal(out.len, note.len + line.len); /* nothing of somebody else */
	struct checkpoint c;
	struct checkpoint_trust trust = {
		.log = &g->book.logs[0], .witnesses = &g->witness, .witness_count = 1, .quorum = 1
	};
	assert_true(checkpoint_open(&g->a, out, &trust, &c, NULL));
	/* of another head, by another key, of another time, none at all */
	reply.body = cosigned_line(g, g->witness_key, head(g, 8, 0), GOLDEN_TIME);
	assert_false(witness_attach(&g->a, &reply, &note, &e));
	assert_int_equal(e.code, ERR_BAD_SIGNATURE);
	reply.body = cosigned_line(g, g->log_key, note, GOLDEN_TIME);
	assert_false(witness_attach(&g->a, &reply, &note, &e));
	reply.body = line;
	reply.now_s = GOLDEN_TIME + WITNESS_CLOCK_S;
	out = note;
	assert_true(witness_attach(&g->a, &reply, &out, NULL));
	reply.now_s++;
	assert_false(witness_attach(&g->a, &reply, &note, &e));
	assert_non_null(strstr(e.text, "when it is"));
	reply.now_s = GOLDEN_TIME - WITNESS_CLOCK_S - 1;
	assert_false(witness_attach(&g->a, &reply, &note, &e));
	reply.body = bytes_of("");
	assert_false(witness_attach(&g->a, &reply, &note, &e));
	assert_non_null(strstr(e.text, "no cosignature of"));
	reply.body = bytes_of("rubbish\n");
	assert_false(witness_attach(&g->a, &reply, &note, &e));
	assert_int_equal(e.code, ERR_MALFORMED);
}

static void
a_conflict_says_one_size(void **state)
{
	(void)state;
	uint64_t n = 0;
	assert_true(witness_size_parse(bytes_of("1234\n"), &n, NULL) && n == 1234);
	static const char *const bad[] = { "", "1234", "01\n", "1\n\n", "x\n", " 1\n",
		"99999999999999999999\n" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(witness_size_parse(bytes_of(bad[i]), &n, NULL));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int
main(void)
{
	static const struct CMUnitTest tests[] = {
		T(what_goes_on_is_cosigned_from_any_size_to_any_other),
		T(a_log_that_was_never_seen_begins_where_it_is),
		T(a_rollback_is_409_and_a_fork_422),
		T(every_hash_of_a_proof_counts),
		T(who_did_not_sign_is_403_and_who_is_unknown_404),
		T(what_is_no_request_is_400),
		T(a_proof_of_63_hashes_is_read_and_one_of_64_not),
		T(a_cosignature_is_taken_over_alone_and_only_if_it_is_good),
		T(a_conflict_says_one_size),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
