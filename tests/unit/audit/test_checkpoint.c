#include "tests/lib/test.h"

#include "audit/checkpoint.h"
#include "tests/unit/audit/golden.h"

struct rig {
	struct sha256 h;
	struct arena a;
	EVP_PKEY *log_key, *witness_key;
	struct note_key log, witness;
	uint8_t leaf[3][32];
	struct checkpoint head;
	struct bytes note, cosigned;
};

static int
setup(void **state)
{
	struct rig *g = calloc(1, sizeof(*g));
	struct merkle m = { 0 };
	struct note_name log = { bytes_of(GOLDEN_LOG), NOTE_ED25519 },
			 witness = { bytes_of(GOLDEN_WITNESS), NOTE_COSIGNATURE };
	assert_true(sha256_init(&g->h, NULL));
	arena_init(&g->a, 16u << 20);
	g->log_key = golden_key(&g->h, "relto test log");
	g->witness_key = golden_key(&g->h, "relto test witness");
	assert_true(note_key_of(&g->h, &log, g->log_key, &g->log, NULL));
	assert_true(note_key_of(&g->h, &witness, g->witness_key, &g->witness, NULL));
	for (uint8_t j = 0; j < 3; j++) {
		struct record r;
		golden_record(&g->h, &g->a, j, false, &r);
		assert_true(record_leaf(&g->h, &r, g->leaf[j], NULL));
		assert_true(merkle_append(&g->h, &m, g->leaf[j], NULL, NULL));
	}
	g->head.origin = bytes_of(GOLDEN_LOG);
	g->head.size = 3;
	assert_true(merkle_root(&g->h, &m, g->head.root, NULL));
	struct note_signer by_log = { g->log_key, &g->log, 0 },
			   by_witness = { g->witness_key, &g->witness, GOLDEN_TIME };
	assert_true(checkpoint_sign(&g->a, &by_log, &g->head, &g->note, NULL));
	assert_true(checkpoint_cosign(&g->a, &by_witness, g->note, &g->cosigned, NULL));
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

static void
assert_sha(struct rig *g, struct bytes in, size_t len, const char *expected)
{
	uint8_t digest[32];
	assert_int_equal(in.len, len);
	assert_true(sha256_of(&g->h, in, digest, NULL));
	assert_hex(digest, 32, expected);
}

/* AUDIT section 6, all of these. */
static void
the_golden_root_is_the_published_one(void **state)
{
	struct rig *g = *state;
	assert_hex(
	    g->head.root, 32, "fe8339ea3b8a7ca939e7872a2e665a7ae8c86d4e989e561df4f6621494170752");
}

static void
the_golden_keys_print_and_read_as_published(void **state)
{
	struct rig *g = *state;
	static const char *const texts[] = {
		"relto.example/broker-1+290ca5af+AUnuCEK9OzNumd04sCOBJZKDCDyjs1qj2Z1BL8E8cQSl",
		"relto.example/w/partner-a+942ebb65+BJpGQwbRMJ0aPF5vc6dXOYi4J/+I4sqtY9usi0LE7l46",
	};
	const struct note_key *keys[] = { &g->log, &g->witness };
	for (size_t i = 0; i < 2; i++) {
		char text[NOTE_VKEY_MAX];
		struct note_key again;
		note_key_print(keys[i], text);
		assert_string_equal(text, texts[i]);
		assert_true(note_key_parse(&g->h, bytes_of(texts[i]), &again, NULL));
		assert_memory_equal(&again, keys[i], sizeof(again));
	}
}

static void
the_golden_checkpoint_is_signed_as_published(void **state)
{
	struct rig *g = *state;
	assert_non_null(memmem(g->note.data, g->note.len,
	    "KQylr8Bvnf94OioTW3TCUbVDDmCpzEQUKgc0/hZ5vC12XnAsM3aEKyhjZ34izTqpmzI6E2UM1XxNKUfYZ3ko"
	    "OgqZ3Q0=",
	    92));
	assert_non_null(memmem(g->cosigned.data, g->cosigned.len,
	    "lC67ZQAAAABlU/E8pEkSnFhQcUBuaauzmuGsPIpe8yFeSDzKtplr6f3euKllmEjHDh3BoQb1TgEyUz3M9Cz54Q"
	    "A8cjondsSw888xAQ==",
	    104));
	assert_sha(g, g->cosigned, 326,
	    "b2b4bc8794fcb086239eb7f602516306d78ed6aeabf9489ce1a5eecf5c4c0da1");
}

static void
the_golden_proof_is_as_published_and_reads_back(void **state)
{
	struct rig *g = *state;
	struct checkpoint_proof p = { .index = 1, .note = g->cosigned }, again;
	struct bytes text;
	p.path.count = 2;
	memcpy(p.path.hash[0], g->leaf[0], 32);
	memcpy(p.path.hash[1], g->leaf[2], 32);
	assert_true(checkpoint_proof_write(&g->a, &p, &text, NULL));
	assert_sha(
	    g, text, 448, "dfda7c4f0d9268ca2f8f991cbf5ee948a8429963a1ee7fe2eb9791602bd069a1");
	p.extra = bytes_of("opening");
	assert_true(checkpoint_proof_write(&g->a, &p, &text, NULL));
	assert_true(checkpoint_proof_parse(&g->a, text, &again, NULL));
	assert_true(bytes_is(again.extra, "opening"));
	assert_int_equal(again.index, 1);
	assert_int_equal(again.path.count, 2);
	assert_memory_equal(again.path.hash, p.path.hash, 64);
	assert_true(bytes_equal(again.note, g->cosigned));
}

static bool
opens(struct rig *g, struct bytes note, size_t quorum, struct err *e)
{
	struct note_seen seen;
	struct checkpoint c;
	struct checkpoint_trust trust = { &g->log, &g->witness, 1, quorum, &seen };
	if (!checkpoint_open(&g->a, note, &trust, &c, e))
		return false;
	assert_int_equal(c.size, 3);
	assert_memory_equal(c.root, g->head.root, 32);
	assert_true(!seen.verified || seen.time == GOLDEN_TIME);
	return true;
}

static void
a_quorum_of_witnesses_is_asked_for_and_counted(void **state)
{
	struct rig *g = *state;
	struct err e;
	assert_true(opens(g, g->note, 0, &e));
	assert_true(opens(g, g->cosigned, 1, &e));
	assert_false(opens(g, g->note, 1, &e));
	assert_int_equal(e.code, ERR_BAD_SIGNATURE);
	assert_string_equal(e.text, "checkpoint: 0 of the witnesses signed, not 1");
}

/* A copy of the cosigned note to spoil. */
static uint8_t *
copy_of(struct rig *g, struct bytes note)
{
	uint8_t *copy = arena_alloc(&g->a, note.len + 1024);
	memcpy(copy, note.data, note.len);
	return copy;
}

static void
one_changed_bit_anywhere_in_a_note_is_refused(void **state)
{
	struct rig *g = *state;
	uint8_t *copy = copy_of(g, g->note);
	for (size_t bit = 0; bit < g->note.len * 8; bit++) {
		struct err e;
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(opens(g, bytes_from(copy, g->note.len), 0, &e));
		assert_true(e.code == ERR_BAD_SIGNATURE || e.code == ERR_MALFORMED);
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void
a_bad_signature_of_a_known_witness_rejects_the_note(void **state)
{
	struct rig *g = *state;
	struct err e;
	uint8_t *copy = copy_of(g, g->cosigned);
	copy[g->cosigned.len - 20] ^= 1;
	assert_false(opens(g, bytes_from(copy, g->cosigned.len), 0, &e));
	assert_string_equal(
	    e.text, "checkpoint: the signature of 'relto.example/w/partner-a' does not verify");
}

static void
two_signatures_of_one_key_reject_the_note(void **state)
{
	struct rig *g = *state;
	struct err e;
	struct bytes twice;
	struct note_signer by = { g->witness_key, &g->witness, GOLDEN_TIME };
	assert_true(checkpoint_cosign(&g->a, &by, g->cosigned, &twice, NULL));
	assert_false(opens(g, twice, 0, &e));
	assert_string_equal(e.text, "checkpoint: two signatures of 'relto.example/w/partner-a'");
}

static void
signatures_of_unknown_keys_are_ignored_up_to_sixteen_lines(void **state)
{
	struct rig *g = *state;
	struct err e;
	struct bytes note = g->note;
	for (unsigned i = 0; i < NOTE_SIGNATURES_MAX; i++) {
		struct note_key other;
		struct note_name name = { bytes_of("relto.example/w/other"), NOTE_COSIGNATURE };
		struct note_signer by = { g->witness_key, &other, i };
		assert_true(note_key_of(&g->h, &name, g->witness_key, &other, NULL));
		assert_int_equal(opens(g, note, 0, &e), i < NOTE_SIGNATURES_MAX);
		if (i + 1 < NOTE_SIGNATURES_MAX)
			assert_true(checkpoint_cosign(&g->a, &by, note, &note, NULL));
	}
	uint8_t *copy = copy_of(g, note);
	static const char line[] = "\xe2\x80\x94 x AAAAAAA=\n";
	memcpy(copy + note.len, line, sizeof(line) - 1);
	assert_false(opens(g, bytes_from(copy, note.len + sizeof(line) - 1), 0, &e));
	assert_string_equal(e.text, "checkpoint: signed note: too many signatures");
}

static void
a_note_of_another_log_is_no_checkpoint_of_this_one(void **state)
{
	struct rig *g = *state;
	struct err e;
	struct bytes text, line;
	struct checkpoint other = g->head;
	struct note_signer by = { g->log_key, &g->log, 0 };
	other.origin = bytes_of("relto.example/broker-2");
	assert_true(checkpoint_text(&g->a, &other, &text, NULL));
	assert_true(note_sign(&g->a, &by, text, &line, NULL));
	uint8_t note[1024];
	memcpy(note, text.data, text.len);
	note[text.len] = '\n';
	memcpy(note + text.len + 1, line.data, line.len);
	assert_false(opens(g, bytes_from(note, text.len + 1 + line.len), 0, &e));
	assert_string_equal(e.text, "checkpoint: its origin is not the name of the log's key");
}

static void
notes_that_are_no_notes_say_why(void **state)
{
	struct rig *g = *state;
	static const struct {
		const char *note, *why;
	} cases[] = {
		{ "", "signed note: no text" },
		{ "a\n1\nb", "signed note: no text" },
		{ "a\tb\n\n\xe2\x80\x94 x AAAAAAA=\n", "signed note: no text" },
		{ "a\xff\n\n\xe2\x80\x94 x AAAAAAA=\n", "signed note: no text" },
		{ "a\n", "signed note: no blank line before the signatures" },
		{ "a\n\n", "signed note: no signature" },
		{ "a\n\nx AAAAAAA=\n", "signed note: a signature line without dash" },
		{ "a\n\n\xe2\x80\x94 x\n", "signed note: a signature line of one word" },
		{ "a\n\n\xe2\x80\x94 x+y AAAAAAA=\n",
		    "signed note: a signature by no possible name" },
		{ "a\n\n\xe2\x80\x94 x AAAAAA=\n", "signed note: a signature that is not base64" },
		{ "a\n\n\xe2\x80\x94 x AAAA\n", "signed note: a signature that is not base64" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct note n;
		struct err e;
		assert_false(note_parse(&g->a, bytes_of(cases[i].note), &n, &e));
		assert_string_equal(e.text, cases[i].why);
	}
	uint8_t *big = arena_alloc(&g->a, NOTE_BYTES_MAX + 1);
	struct note n;
	struct err e;
	memset(big, 'a', NOTE_BYTES_MAX + 1);
	assert_false(note_parse(&g->a, bytes_from(big, NOTE_BYTES_MAX + 1), &n, &e));
	assert_string_equal(e.text, "signed note: too long");
	assert_false(note_parse(&g->a, bytes_from(big, NOTE_BYTES_MAX), &n, &e));
	assert_string_equal(e.text, "signed note: no text");
}

static void
checkpoint_texts_have_one_spelling(void **state)
{
	(void)state;
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "\n3\nAAAA\n", "checkpoint: no origin" },
		{ "o\n03\n", "checkpoint: no size" },
		{ "o\n18446744073709551616\n", "checkpoint: no size" },
		{ "o\n\n", "checkpoint: no size" },
		{ "o\n3\nAAAA\n", "checkpoint: no root" },
		{ "o\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n", "checkpoint: no root" },
		{ "o\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nx\n",
		    "checkpoint: more than three lines" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct checkpoint c;
		struct err e;
		assert_false(checkpoint_parse(bytes_of(cases[i].text), &c, &e));
		assert_string_equal(e.text, cases[i].why);
	}
	struct checkpoint c;
	assert_true(checkpoint_parse(bytes_of("o\n18446744073709551615\n"
					      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"),
	    &c, NULL));
	assert_int_equal(c.size, UINT64_MAX);
}

static void
keys_that_are_no_keys_say_why(void **state)
{
	struct rig *g = *state;
	static const struct {
		const char *vkey, *why;
	} cases[] = {
		{ "", "no vkey (name+hex+base64)" },
		{ "relto.example/broker-1+290ca5ag+AUnuCEK9OzNumd04sCOBJZKDCDyjs1qj2Z1BL8E8cQSl",
		    "no vkey (name+hex+base64)" },
		{ "relto.example/broker-1+290ca5af+AUnuCEK9OzNumd04sCOBJZKDCDyjs1qj2Z1BL8E8cQS=",
		    "no vkey (name+hex+base64)" },
		{ "relto.example/broker-2+290ca5af+AUnuCEK9OzNumd04sCOBJZKDCDyjs1qj2Z1BL8E8cQSl",
		    "vkey 'relto.example/broker-2': the key id is not that of the key" },
		{ "relto.example/broker-1+290ca5af+AknuCEK9OzNumd04sCOBJZKDCDyjs1qj2Z1BL8E8cQSl",
		    "vkey: key of type 2" },
		{ "a b+290ca5af+AUnuCEK9OzNumd04sCOBJZKDCDyjs1qj2Z1BL8E8cQSl",
		    "vkey: a name of 3 bytes that no key can have" },
		{ "a\xe2\x80\xa8z+290ca5af+AUnuCEK9OzNumd04sCOBJZKDCDyjs1qj2Z1BL8E8cQSl",
		    "vkey: a name of 5 bytes that no key can have" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct note_key k;
		struct err e;
		assert_false(note_key_parse(&g->h, bytes_of(cases[i].vkey), &k, &e));
		assert_string_equal(e.text, cases[i].why);
		assert_int_equal(e.code, ERR_DATA);
	}
	char longest[NOTE_NAME_MAX + 2];
	struct note_key k;
	memset(longest, 'n', sizeof(longest));
	struct note_name fits = { bytes_from(longest, NOTE_NAME_MAX), 1 },
			 over = { bytes_from(longest, NOTE_NAME_MAX + 1), 1 };
	assert_true(note_key_make(&g->h, &fits, g->log.public, &k, NULL));
	assert_false(note_key_make(&g->h, &over, g->log.public, &k, NULL));
}

static void
proofs_that_are_no_proofs_say_why(void **state)
{
	struct rig *g = *state;
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "c2sp.org/tlog-proof@v2\n", "proof: not a tlog-proof of version 1" },
		{ "c2sp.org/tlog-proof@v1\n", "proof: no index" },
		{ "c2sp.org/tlog-proof@v1\nextra *\n", "proof: 'extra' is not base64" },
		{ "c2sp.org/tlog-proof@v1\nextra AAAA\n", "proof: no index" },
		{ "c2sp.org/tlog-proof@v1\nindex 01\n\nx", "proof: no index" },
		{ "c2sp.org/tlog-proof@v1\nindex 1\nAAAA\n\nx", "proof: hash 0" },
		{ "c2sp.org/tlog-proof@v1\nindex 1\n\n", "proof: no checkpoint" },
		{ "c2sp.org/tlog-proof@v1\nindex 1\nx", "proof: no checkpoint" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct checkpoint_proof p;
		struct err e;
		assert_false(checkpoint_proof_parse(&g->a, bytes_of(cases[i].text), &p, &e));
		assert_string_equal(e.text, cases[i].why);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_golden_root_is_the_published_one),
		cmocka_unit_test(the_golden_keys_print_and_read_as_published),
		cmocka_unit_test(the_golden_checkpoint_is_signed_as_published),
		cmocka_unit_test(the_golden_proof_is_as_published_and_reads_back),
		cmocka_unit_test(a_quorum_of_witnesses_is_asked_for_and_counted),
		cmocka_unit_test(one_changed_bit_anywhere_in_a_note_is_refused),
		cmocka_unit_test(a_bad_signature_of_a_known_witness_rejects_the_note),
		cmocka_unit_test(two_signatures_of_one_key_reject_the_note),
		cmocka_unit_test(signatures_of_unknown_keys_are_ignored_up_to_sixteen_lines),
		cmocka_unit_test(a_note_of_another_log_is_no_checkpoint_of_this_one),
		cmocka_unit_test(notes_that_are_no_notes_say_why),
		cmocka_unit_test(checkpoint_texts_have_one_spelling),
		cmocka_unit_test(keys_that_are_no_keys_say_why),
		cmocka_unit_test(proofs_that_are_no_proofs_say_why),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
