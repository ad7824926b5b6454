/* What the broker and the signer say to each other, the anchor's file, and what may follow it. */
#include "tests/lib/test.h"

#include "audit/anchor.h"

enum { LEAVES = 40 };
#define ORIGIN "relto.example/broker-1/g1"
#define VKEY "relto.example/broker-1+290ca5af+AUnuCEK9OzNumd04sCOBJZKDCDyjs1qj2Z1BL8E8cQSl"

struct rig {
	struct sha256 h;
	uint8_t leaf[LEAVES][32];
	uint8_t root[LEAVES + 1][32];
};

static bool
node(void *ctx, unsigned level, uint64_t n, uint8_t out[32], struct err *e)
{
	struct rig *g = ctx;
	uint8_t left[32], right[32];
	if (level == 0) {
		memcpy(out, g->leaf[n], 32);
		return true;
	}
	return node(g, level - 1, 2 * n, left, e) && node(g, level - 1, 2 * n + 1, right, e) &&
	       merkle_node(&g->h, left, right, out, e);
}

static int
setup(void **state)
{
	struct rig *g = calloc(1, sizeof(*g));
	struct merkle m = { 0 };
	assert_true(sha256_init(&g->h, NULL));
	assert_true(merkle_root(&g->h, &m, g->root[0], NULL));
	for (unsigned i = 0; i < LEAVES; i++) {
		uint8_t d = (uint8_t)i;
		assert_true(merkle_leaf(&g->h, bytes_from(&d, 1), g->leaf[i], NULL));
		assert_true(merkle_append(&g->h, &m, g->leaf[i], NULL, NULL));
		assert_true(merkle_root(&g->h, &m, g->root[i + 1], NULL));
	}
	*state = g;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *g = *state;
	sha256_done(&g->h);
	free(g);
	return 0;
}

static struct signing_head
head_of(const struct rig *g, uint64_t size)
{
	struct signing_head h = { .size = size };
	memcpy(h.root, g->root[size], 32);
	return h;
}

static struct signing_ask
ask_of(struct rig *g, uint64_t from, uint64_t size)
{
	struct merkle_source source = { &g->h, node, g };
	struct signing_ask ask = { .from = from, .head = head_of(g, size) };
	if (from > 0 && from < size)
		assert_true(merkle_consistency(&source, from, size, &ask.proof, NULL));
	return ask;
}

/* ---- messages ---- */

static size_t
examples(struct rig *g, struct signing_message out[5])
{
	static char note[SIGNING_NOTE_MAX];
	memset(note, 'n', sizeof(note));
	memset(out, 0, 5 * sizeof(*out));
	out[0].kind = SIGNING_HELLO;
	out[0].hello.anchor = head_of(g, 7);
	out[0].hello.key_count = SIGNING_KEYS_MAX;
	out[0].hello.keys[0] = out[0].hello.keys[1] = bytes_of(VKEY);
	out[1].kind = SIGNING_ASK;
	out[1].ask = ask_of(g, 7, 23);
	out[2].kind = SIGNING_ASK;
	out[2].ask = ask_of(g, 0, 23);
	out[2].ask.proof.count = MERKLE_PROOF_MAX;
	out[3].kind = SIGNING_SIGNED;
	out[3].signed_ = (struct signing_signed){ 23, bytes_from(note, sizeof(note)) };
	out[4].kind = SIGNING_REFUSED;
	out[4].refused = (struct signing_refused){ SIGNING_FAILED, head_of(g, 7) };
	return 5;
}

static void
every_message_reads_back_and_no_other_length_of_it(void **state)
{
	struct signing_message all[5], got;
	uint8_t packet[SIGNING_BYTES_MAX + 1], again[SIGNING_BYTES_MAX];
	for (size_t i = 0, n = examples(*state, all); i < n; i++) {
		size_t len = signing_write(&all[i], packet);
		assert_true(signing_parse(bytes_from(packet, len), &got, NULL));
		assert_int_equal(got.kind, all[i].kind);
		assert_int_equal(signing_write(&got, again), len);
		assert_memory_equal(packet, again, len);
		packet[len] = 0;
		assert_false(signing_parse(bytes_from(packet, len + 1), &got, NULL));
		for (size_t k = 0; k < len; k++)
			assert_false(signing_parse(bytes_from(packet, k), &got, NULL));
	}
}

/* Writes one past a limit where the message says its length. */
static void
refused_with(struct signing_message *m, size_t at, uint8_t value, const char *text)
{
	struct signing_message got;
	struct err e = { 0 };
	uint8_t packet[SIGNING_BYTES_MAX];
	size_t len = signing_write(m, packet);
	packet[at] = value;
	assert_false(signing_parse(bytes_from(packet, len), &got, &e));
	assert_int_equal(e.code, ERR_MALFORMED);
	if (strstr(e.text, text) == NULL)
		fail_msg("'%s' is not in '%s'", text, e.text);
}

static void
what_is_beyond_a_limit_is_refused(void **state)
{
	struct signing_message all[5];
	examples(*state, all);
	refused_with(&all[0], 0, 'X', "does not begin with RLS1");
	refused_with(&all[0], 4, 0, "the kind 0 is none");
	refused_with(&all[0], 4, 5, "the kind 5 is none");
	refused_with(&all[0], 45, 0, "a hello with 0 keys");
	refused_with(&all[0], 45, 3, "a hello with 3 keys");
	refused_with(&all[0], 46, 1, "too short");
	refused_with(&all[1], 53, 66, "a proof of 66 hashes");
	refused_with(&all[3], 14, 1, "too short");
	refused_with(&all[3], 13, 4, "too long");
	refused_with(&all[4], 5, 0, "the reason 0 is none");
	refused_with(&all[4], 5, 7, "the reason 7 is none");
}

static void
a_note_of_one_byte_too_many_is_refused(void **state)
{
	struct signing_message all[5], got;
	struct err e = { 0 };
	uint8_t packet[SIGNING_BYTES_MAX];
	examples(*state, all);
	size_t len = signing_write(&all[3], packet);
	packet[len] = 'n';
	put_u16(packet + 13, SIGNING_NOTE_MAX + 1);
	assert_false(signing_parse(bytes_from(packet, len + 1), &got, &e));
	assert_string_equal(e.text, "a note of 1281 bytes");
}

static void
every_reason_has_its_name(void **state)
{
	(void)state;
	for (enum signing_reason r = SIGNING_MALFORMED; r <= SIGNING_FAILED; r++)
		assert_string_not_equal(signing_reason_name(r), "unknown");
}

/* ---- the file ---- */

/* Writes a slot: so many records in this turn. */
static void
put(struct rig *g, char *slot, uint64_t turn, uint64_t size)
{
	struct anchor a;
	assert_true(anchor_new(&g->h, bytes_of(ORIGIN), &a, NULL));
	a.head = head_of(g, size);
	a.turn = turn;
	assert_true(anchor_write(&g->h, &a, slot, NULL));
}

static struct bytes
file_of(struct rig *g, char file[ANCHOR_FILE + 1], uint64_t turn, uint64_t size)
{
	put(g, file + (turn - 1) % 2 * ANCHOR_SLOT, turn - 1, size - 4);
	put(g, file + turn % 2 * ANCHOR_SLOT, turn, size);
	return bytes_from(file, ANCHOR_FILE);
}

static void
reads_as(struct rig *g, struct bytes file, uint64_t size, bool alone)
{
	struct anchor got;
	struct err e = { 0 };
	if (!anchor_parse(&g->h, file, &got, &e))
		fail_msg("%s", e.text);
	assert_string_equal(got.origin, ORIGIN);
	assert_int_equal(got.head.size, size);
	assert_memory_equal(got.head.root, g->root[size], 32);
	assert_int_equal(got.alone, alone);
}

static void
is_refused(struct rig *g, struct bytes file, enum err_code code, const char *text)
{
	struct anchor got;
	struct err e = { 0 };
	assert_false(anchor_parse(&g->h, file, &got, &e));
	assert_int_equal(e.code, code);
	assert_string_equal(e.text, text);
}

static void
an_anchor_reads_back_and_of_two_slots_the_later_one(void **state)
{
	struct rig *g = *state;
	char file[ANCHOR_FILE + 1] = { 0 };
	for (uint64_t turn = 2; turn < 12; turn++)
		reads_as(g, file_of(g, file, turn, 17), 17, false);
	is_refused(g, bytes_from(file, ANCHOR_FILE + 1), ERR_MALFORMED, "this is no anchor");
	is_refused(g, bytes_from(file, ANCHOR_FILE - 1), ERR_MALFORMED, "this is no anchor");
	is_refused(g, bytes_from(file, ANCHOR_SLOT), ERR_MALFORMED, "this is no anchor");
	is_refused(g, bytes_from(file, 0), ERR_MALFORMED, "this is no anchor");
}

static void
any_byte_changed_in_one_slot_leaves_the_other_and_in_both_neither(void **state)
{
	struct rig *g = *state;
	char file[ANCHOR_FILE + 1];
	struct bytes in = file_of(g, file, 8, 17);
	for (size_t i = 0; i < ANCHOR_SLOT; i++) {
		file[i] ^= 1;
		reads_as(g, in, 13, true);
		file[ANCHOR_SLOT + i] ^= 1;
		is_refused(g, in, ERR_CORRUPT, "no slot of the anchor matches its checksum");
		file[i] ^= 1;
		reads_as(g, in, 17, true);
		file[ANCHOR_SLOT + i] ^= 1;
	}
}

static void
a_slot_torn_at_any_byte_is_the_old_anchor_or_the_new_one(void **state)
{
	struct rig *g = *state;
	char before[ANCHOR_FILE + 1], after[ANCHOR_FILE + 1], torn[ANCHOR_FILE];
	(void)file_of(g, before, 8, 17);
	memcpy(after, before, ANCHOR_FILE);
	put(g, after + ANCHOR_SLOT, 9, 23);
	for (size_t i = 0; i <= ANCHOR_SLOT; i++) {
		bool whole =
		    memcmp(before + ANCHOR_SLOT + i, after + ANCHOR_SLOT + i, ANCHOR_SLOT - i) == 0;
		memcpy(torn, after, ANCHOR_SLOT + i);
		memcpy(torn + ANCHOR_SLOT + i, before + ANCHOR_SLOT + i, ANCHOR_SLOT - i);
		reads_as(g, bytes_from(torn, ANCHOR_FILE), whole ? 23 : 17, !whole && i > 15);
		whole = memcmp(before, after, ANCHOR_SLOT + i) == 0;
		memcpy(torn, before, ANCHOR_SLOT + i); /* from its end */
		memcpy(torn + ANCHOR_SLOT + i, after + ANCHOR_SLOT + i, ANCHOR_SLOT - i);
		if (whole)
			reads_as(g, bytes_from(torn, ANCHOR_FILE), 23, false);
		else
			reads_as(g, bytes_from(torn, ANCHOR_FILE), 17,
			    memcmp(torn, before, ANCHOR_FILE) != 0);
	}
}

static void
slots_that_do_not_follow_one_another_are_no_anchor(void **state)
{
	struct rig *g = *state;
	static const char text[] = "the slots of the anchor do not follow one another";
	char file[ANCHOR_FILE + 1];
	struct anchor other;
	struct bytes in = file_of(g, file, 8, 17);
	put(g, file + ANCHOR_SLOT, 5, 13);
	is_refused(g, in, ERR_CORRUPT, text);
	put(g, file + ANCHOR_SLOT, 11, 23);
	is_refused(g, in, ERR_CORRUPT, text);
	put(g, file + ANCHOR_SLOT, 9, 16);
	is_refused(g, in, ERR_CORRUPT, text);
	put(g, file + ANCHOR_SLOT, 9, 17); /* signed again, as after a start */
	reads_as(g, in, 17, false);
	assert_true(anchor_new(&g->h, bytes_of(ORIGIN), &other, NULL));
	other.head = (struct signing_head){ .size = 17 };
	other.turn = 9;
	assert_true(anchor_write(&g->h, &other, file + ANCHOR_SLOT, NULL));
	is_refused(g, in, ERR_CORRUPT, text);
	assert_true(anchor_new(&g->h, bytes_of(ORIGIN "2"), &other, NULL));
	other.head = head_of(g, 23);
	other.turn = 9;
	assert_true(anchor_write(&g->h, &other, file + ANCHOR_SLOT, NULL));
	is_refused(g, in, ERR_CORRUPT, text);
	put(g, file + ANCHOR_SLOT, 8, 17); /* in the place of the other: no slot */
	reads_as(g, in, 17, true);
	put(g, file + ANCHOR_SLOT, 10, 23);
	reads_as(g, in, 17, true);
}

/* As signers before this one wrote it. */
static size_t
old_form(struct rig *g, uint64_t size, char *out)
{
	char slot[ANCHOR_SLOT];
	uint8_t digest[32];
	put(g, slot, 1, size); /* the same lines, but for the first two */
	char *sum = strstr(slot, "sha256 ");
	assert_non_null(sum);
	size_t len = (size_t)snprintf(
	    out, ANCHOR_TEXT_MAX, "relto-anchor 1\n%.*s", (int)(sum - slot - 17), slot + 17);
	assert_true(sha256_of(&g->h, bytes_from(out, len), digest, NULL));
	len += (size_t)snprintf(out + len, ANCHOR_TEXT_MAX - len, "sha256 ");
	for (size_t i = 0; i < 32; i++)
		len += (size_t)snprintf(out + len, ANCHOR_TEXT_MAX - len, "%02x", digest[i]);
	return len + (size_t)snprintf(out + len, ANCHOR_TEXT_MAX - len, "\n");
}

static void
a_file_of_the_old_form_is_read_and_not_with_any_byte_changed(void **state)
{
	struct rig *g = *state;
	struct anchor got;
	char text[ANCHOR_TEXT_MAX];
	size_t len = old_form(g, 17, text);
	reads_as(g, bytes_from(text, len), 17, false);
	assert_true(anchor_parse(&g->h, bytes_from(text, len), &got, NULL));
	assert_int_equal(got.turn, 0);
	for (size_t i = 0; i < len; i++) {
		text[i] ^= 1;
		assert_false(anchor_parse(&g->h, bytes_from(text, len), &got, NULL));
		text[i] ^= 1;
		assert_false(anchor_parse(&g->h, bytes_from(text, i), &got, NULL));
	}
	text[len - 2] ^= 1;
	is_refused(g, bytes_from(text, len), ERR_CORRUPT, "the anchor does not match its checksum");
}

static void
the_longest_origin_fits_and_one_more_does_not(void **state)
{
	struct rig *g = *state;
	char origin[NOTE_NAME_MAX + 2], file[ANCHOR_FILE];
	struct anchor a, got;
	memset(origin, 'o', sizeof(origin));
	origin[NOTE_NAME_MAX + 1] = 0;
	assert_false(anchor_new(&g->h, bytes_of(origin), &a, NULL));
	origin[NOTE_NAME_MAX] = 0;
	assert_true(anchor_new(&g->h, bytes_of(origin), &a, NULL));
	a.head.size = a.turn = UINT64_MAX;
	memset(file, 0, sizeof(file));
	assert_true(anchor_write(&g->h, &a, file + anchor_place(&a), NULL));
	assert_true(anchor_parse(&g->h, bytes_from(file, sizeof(file)), &got, NULL));
	assert_string_equal(got.origin, origin);
	assert_true(got.head.size == UINT64_MAX && got.turn == UINT64_MAX && got.alone);
}

/* ---- what may follow ---- */

static bool
judge(struct rig *g, uint64_t at, const struct signing_ask *ask, enum signing_reason *why)
{
	struct signing_head anchor = head_of(g, at);
	struct err e = { 0 };
	return anchor_judge(&g->h, &anchor, ask, why, &e);
}

static void
refused(struct rig *g, uint64_t at, const struct signing_ask *ask, enum signing_reason reason)
{
	enum signing_reason why = 0;
	assert_false(judge(g, at, ask, &why));
	assert_int_equal(why, reason);
}

static void
whatever_is_proven_to_extend_the_anchor_is_signed(void **state)
{
	struct rig *g = *state;
	enum signing_reason why;
	for (uint64_t from = 0; from <= LEAVES; from++)
		for (uint64_t size = from; size <= LEAVES; size++) {
			struct signing_ask ask = ask_of(g, from, size);
			assert_true(judge(g, from, &ask, &why));
		}
}

static void
no_other_head_is_signed(void **state)
{
	struct rig *g = *state;
	for (uint64_t from = 1; from <= LEAVES; from++)
		for (uint64_t size = from; size <= LEAVES; size++) {
			struct signing_ask ask = ask_of(g, from, size);
			ask.head.root[size % 32] ^= 1;
			refused(g, from, &ask, size == from ? SIGNING_FORK : SIGNING_NOT_PROVEN);
			ask.head.root[size % 32] ^= 1;
			for (size_t i = 0; i < ask.proof.count; i++) {
				ask.proof.hash[i][i % 32] ^= 0x80;
				refused(g, from, &ask, SIGNING_NOT_PROVEN);
				ask.proof.hash[i][i % 32] ^= 0x80;
			}
			ask.proof.count++; /* one more, or one less, proves nothing */
			refused(g, from, &ask, SIGNING_NOT_PROVEN);
			ask.proof.count--;
			if (ask.proof.count > 0) {
				ask.proof.count--;
				refused(g, from, &ask, SIGNING_NOT_PROVEN);
			}
		}
}

static void
what_is_smaller_than_the_anchor_or_begins_elsewhere_is_refused(void **state)
{
	struct rig *g = *state;
	for (uint64_t at = 1; at <= LEAVES; at++)
		for (uint64_t from = 0; from < at; from++) {
			struct signing_ask back = ask_of(g, from, from);
			refused(g, at, &back, SIGNING_ROLLBACK);
			struct signing_ask onto = ask_of(g, from, at);
			refused(g, at, &onto, SIGNING_NOT_PROVEN); /* proven, from another head */
			struct signing_ask past = ask_of(g, from, LEAVES);
			if (at < LEAVES)
				refused(g, at, &past, SIGNING_NOT_PROVEN);
		}
}

static void
from_nothing_only_an_empty_proof_will_do(void **state)
{
	struct rig *g = *state;
	struct signing_ask ask = ask_of(g, 0, 9);
	ask.proof.count = 1;
	refused(g, 0, &ask, SIGNING_NOT_PROVEN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    every_message_reads_back_and_no_other_length_of_it, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_beyond_a_limit_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_note_of_one_byte_too_many_is_refused, setup, teardown),
		cmocka_unit_test(every_reason_has_its_name),
		cmocka_unit_test_setup_teardown(
		    an_anchor_reads_back_and_of_two_slots_the_later_one, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    any_byte_changed_in_one_slot_leaves_the_other_and_in_both_neither, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    a_slot_torn_at_any_byte_is_the_old_anchor_or_the_new_one, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    slots_that_do_not_follow_one_another_are_no_anchor, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_file_of_the_old_form_is_read_and_not_with_any_byte_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    the_longest_origin_fits_and_one_more_does_not, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    whatever_is_proven_to_extend_the_anchor_is_signed, setup, teardown),
		cmocka_unit_test_setup_teardown(no_other_head_is_signed, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_is_smaller_than_the_anchor_or_begins_elsewhere_is_refused, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    from_nothing_only_an_empty_proof_will_do, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
