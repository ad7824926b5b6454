#include "tests/lib/test.h"

#include "tests/unit/audit/golden.h"

struct rig {
	struct sha256 h;
	struct arena a;
};

static int
setup(void **state)
{
	struct rig *g = calloc(1, sizeof(*g));
	assert_true(sha256_init(&g->h, NULL));
	arena_init(&g->a, 4u << 20);
	*state = g;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *g = *state;
	sha256_done(&g->h);
	arena_done(&g->a);
	free(g);
	return 0;
}

/* AUDIT section 6. */
static void
the_golden_records_have_their_published_hashes(void **state)
{
	struct rig *g = *state;
	static const char *const leaves[] = {
		"68c3840dfa0221d7c8f91d8570abcb6408b76286876f3411071ea6714a5e809f",
		"2922fc8fa024b2d11d0350045d7905a538e8607a0a7d7d7f1ea61571ce4b8c36",
		"0d9162cdee2c9cabf52daae17487d5b86dde7d2185d26d78a7ca08eaf72ce0e3",
	};
	for (uint8_t j = 0; j < 3; j++) {
		struct record r;
		uint8_t data[RECORD_LEAF_DATA], leaf[32];
		golden_record(&g->h, &g->a, j, false, &r);
		assert_true(record_leaf_data(&g->h, &r, data, NULL));
		assert_true(record_leaf(&g->h, &r, leaf, NULL));
		assert_hex(leaf, 32, leaves[j]);
		if (j != 0)
			continue;
		struct bytes common = RECORD_SLOT(&r, 1)->value;
		assert_hex(common.data, common.len,
		    "00000001020000000800060a24181e400000000010"
		    "00000000000000000000000000000000");
		assert_hex(RECORD_SLOT(&r, 1)->c, 32,
		    "78a062b0ca96c7109dd6bc0e2c6727bbac2b2e4819dd46def2553a69eb7f306c");
		assert_hex(RECORD_SLOT(&r, 7)->c, 32,
		    "0e24bfc29ffca8e14ad89998d8566ed58f9930189299d7b32e12e751a500f90d");
		assert_hex(RECORD_SLOT(&r, 8)->c, 32,
		    "c131f221bd5726f9e15b13587df0cbe847d28e86f95aea98a30c12bf0c6042b5");
		assert_hex(data, sizeof(data),
		    "524c54310008ad88d666ec20cc2b27e8ba7a9425edcb9fb9c584f0a617c26eb8e9b8353"
		    "84d1b");
	}
}

static void
the_golden_party_leaf_has_its_published_hash(void **state)
{
	struct rig *g = *state;
	struct record r;
	uint8_t leaf[32], party[32];
	golden_record(&g->h, &g->a, 1, false, &r);
	assert_true(record_leaf(&g->h, &r, leaf, NULL));
	assert_true(record_party_leaf(&g->h, 1, leaf, party, NULL));
	assert_hex(party, 32, "eb998106b724e298f17aa8013e06eae49a8e4a07682a5a31cdbc480d1e5a951b");
}

/* Writes an opening into the arena. */
static struct bytes
opening(struct rig *g, const struct record *r, unsigned mask)
{
	size_t size = record_opening_size(r, mask);
	uint8_t *data = arena_alloc(&g->a, size);
	record_opening_write(r, mask, data);
	return bytes_from(data, size);
}

static void
every_choice_of_slots_opens_to_the_same_leaf(void **state)
{
	struct rig *g = *state;
	struct record r, again;
	uint8_t leaf[32], other[32];
	golden_record(&g->h, &g->a, 2, false, &r);
	assert_true(record_leaf(&g->h, &r, leaf, NULL));
	for (unsigned mask = 0; mask < 512; mask += 2) {
		assert_true(record_opening_parse(opening(g, &r, mask), &again, NULL));
		for (unsigned i = 1; i <= RECORD_SLOTS; i++)
			assert_int_equal(again.slot[i - 1].open, mask >> i & 1);
		assert_true(record_leaf(&g->h, &again, other, NULL));
		assert_memory_equal(leaf, other, 32);
	}
}

static void
an_entry_reads_back_and_one_changed_bit_changes_its_leaf_or_its_form(void **state)
{
	struct rig *g = *state;
	struct record r, again;
	uint8_t leaf[32], stored[32], computed[32];
	golden_record(&g->h, &g->a, 0, false, &r);
	assert_true(record_leaf(&g->h, &r, leaf, NULL));
	size_t size = record_entry_size(&r);
	uint8_t *entry = arena_alloc(&g->a, size);
	record_entry_write(&r, leaf, entry);
	for (size_t bit = 0; bit <= size * 8; bit++) {
		if (bit < size * 8)
			entry[bit / 8] ^= (uint8_t)(1u << bit % 8);
		bool same = record_entry_parse(bytes_from(entry, size), &again, stored, NULL) &&
			    record_leaf(&g->h, &again, computed, NULL) &&
			    memcmp(stored, computed, 32) == 0;
		assert_int_equal(same, bit == size * 8);
		if (bit < size * 8)
			entry[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void
an_opening_that_is_cut_or_goes_on_is_refused(void **state)
{
	struct rig *g = *state;
	struct record r, again;
	struct err e;
	uint8_t leaf[32];
	golden_record(&g->h, &g->a, 0, false, &r);
	assert_true(record_leaf(&g->h, &r, leaf, NULL));
	struct bytes whole = opening(g, &r, 0x1fe);
	uint8_t *longer = arena_zalloc(&g->a, whole.len + 1, 1);
	memcpy(longer, whole.data, whole.len);
	for (size_t n = 0; n < whole.len; n++)
		assert_false(record_opening_parse(bytes_from(longer, n), &again, &e));
	assert_false(record_opening_parse(bytes_from(longer, whole.len + 1), &again, &e));
	assert_int_equal(e.code, ERR_MALFORMED);
	longer[6] = 2;
	assert_false(record_opening_parse(bytes_from(longer, whole.len), &again, &e));
	assert_string_equal(e.text, "opening: slot 1 of kind 2");
	longer[5] = 9;
	assert_false(record_opening_parse(bytes_from(longer, whole.len), &again, &e));
	assert_string_equal(e.text, "no opening of 8 slots");
	assert_false(record_entry_parse(bytes_from(longer, 31), &again, leaf, &e));
	assert_string_equal(e.text, "entry of 31 bytes");
}

static void
early_hashing_leaves_what_is_patched_later(void **state)
{
	struct rig *g = *state;
	struct record r;
	golden_record(&g->h, &g->a, 0, true, &r);
	assert_true(record_hash_early(&g->h, &r, NULL));
	const bool early[] = { false, true, false, false, true, true, true, false };
	for (unsigned i = 0; i < RECORD_SLOTS; i++)
		assert_int_equal(r.slot[i].hashed, early[i]);
	struct record known;
	golden_record(&g->h, &g->a, 0, false, &known);
	assert_true(record_hash_early(&g->h, &known, NULL));
	assert_true(RECORD_SLOT(&known, 3)->hashed && RECORD_SLOT(&known, 4)->hashed);
}

static void
what_is_released_is_digested_in_ascending_order(void **state)
{
	struct rig *g = *state;
	uint8_t manifest[32] = { 9 }, one[3][32] = { { 3 }, { 1 }, { 2 } },
		two[3][32] = { { 1 }, { 2 }, { 3 } }, a[32], b[32], none[32];
	struct record_release x = { manifest, one, 3 }, y = { manifest, two, 3 },
			      z = { manifest, one, 0 };
	assert_true(record_released(&g->h, &x, a, NULL));
	assert_true(record_released(&g->h, &y, b, NULL));
	assert_true(record_released(&g->h, &z, none, NULL));
	assert_memory_equal(a, b, 32);
	assert_memory_not_equal(a, none, 32);
}

static void
a_decision_may_not_use_the_place_of_a_recipient(void **state)
{
	struct rig *g = *state;
	struct record r;
	struct err e;
	enum event_type type;
	golden_record(&g->h, &g->a, 0, false, &r);
	assert_false(record_check(&r, &type, &e));
	assert_string_equal(e.text, "decision: slot 8 must be empty");
	RECORD_SLOT(&r, 8)->value.len = 0;
	assert_true(record_check(&r, &type, &e));
	assert_int_equal(type, EVENT_DECISION);
	RECORD_SLOT(&r, 5)->value.len--;
	assert_false(record_check(&r, &type, &e));
	assert_non_null(strstr(e.text, "decision: slot 5: "));
	RECORD_SLOT(&r, 1)->open = false;
	assert_false(record_check(&r, &type, &e));
	assert_string_equal(e.text, "slot 1 is closed");
}

/* Reads a file of tests/vectors/golden/audit. */
static struct bytes
golden_file(struct rig *g, const char *name)
{
	char path[512];
	(void)snprintf(path, sizeof(path), "%s/audit/%s", GOLDEN_DIR, name);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	uint8_t *data = arena_alloc(&g->a, 65536);
	size_t n = fread(data, 1, 65536, f);
	(void)fclose(f);
	return bytes_from(data, n);
}

static void
a_record_of_every_type_is_as_the_golden_files_have_it(void **state)
{
	struct rig *g = *state;
	struct bytes hashes = golden_file(g, "types.leaf-hashes");
	for (unsigned t = 1; t < EVENT_END; t++) {
		static const char *const names[] = {
			NULL,
#define E(number, name, token, slots) #name,
#include "audit/event.def"
#undef E
		};
		char name[64], hex[65];
		struct record r;
		struct err e;
		enum event_type type = EVENT_NONE;
		uint8_t leaf[32];
		(void)snprintf(name, sizeof(name), "type-%02u-%s.opening", t, names[t]);
		if (!record_opening_parse(golden_file(g, name), &r, &e) ||
		    !record_check(&r, &type, &e))
			fail_msg("%s: %s", name, e.text);
		assert_int_equal(type, t);
		assert_true(record_leaf(&g->h, &r, leaf, &e));
		golden_hex(leaf, 32, hex);
		(void)snprintf(name, sizeof(name), "%s ", names[t]);
		const uint8_t *at = memmem(hashes.data, hashes.len, name, strlen(name));
		assert_non_null(at);
		assert_memory_equal(at + strlen(name), hex, 64);
	}
}

static void
the_golden_entry_is_what_is_stored(void **state)
{
	struct rig *g = *state;
	struct record r;
	uint8_t leaf[32];
	golden_record(&g->h, &g->a, 1, false, &r);
	assert_true(record_leaf(&g->h, &r, leaf, NULL));
	struct bytes want = golden_file(g, "record-1.entry");
	uint8_t *entry = arena_alloc(&g->a, record_entry_size(&r));
	record_entry_write(&r, leaf, entry);
	assert_int_equal(want.len, record_entry_size(&r));
	assert_memory_equal(want.data, entry, want.len);
	want = golden_file(g, "record-1.recipient.opening");
	struct bytes mine = opening(g, &r, 1u << 1 | 1u << 2 | 1u << 8);
	assert_int_equal(want.len, mine.len);
	assert_memory_equal(want.data, mine.data, want.len);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_golden_records_have_their_published_hashes),
		cmocka_unit_test(the_golden_party_leaf_has_its_published_hash),
		cmocka_unit_test(every_choice_of_slots_opens_to_the_same_leaf),
		cmocka_unit_test(
		    an_entry_reads_back_and_one_changed_bit_changes_its_leaf_or_its_form),
		cmocka_unit_test(an_opening_that_is_cut_or_goes_on_is_refused),
		cmocka_unit_test(early_hashing_leaves_what_is_patched_later),
		cmocka_unit_test(what_is_released_is_digested_in_ascending_order),
		cmocka_unit_test(a_decision_may_not_use_the_place_of_a_recipient),
		cmocka_unit_test(a_record_of_every_type_is_as_the_golden_files_have_it),
		cmocka_unit_test(the_golden_entry_is_what_is_stored),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
