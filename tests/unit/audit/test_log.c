#include "tests/lib/test.h"

#include "tests/unit/audit/golden.h"

enum { TILES = 2048 };

/* A log with a place for its tiles and leaves. */
struct rig {
	struct sha256 h;
	struct arena a;
	struct log log;
	struct tile_id ids[TILES];
	uint8_t *tiles[TILES];
	size_t tile_count;
	uint8_t (*leaves)[32];
	unsigned fail_at; /* the tile whose writing fails, from 1 */
};

static bool
put_tile(void *ctx, struct tile_id id, const uint8_t data[TILE_BYTES], struct err *e)
{
	struct rig *g = ctx;
	if (g->fail_at != 0 && --g->fail_at == 0)
		return err_set(e, ERR_STORE, "no tile today");
	assert_true(g->tile_count < TILES);
	g->ids[g->tile_count] = id;
	g->tiles[g->tile_count] = arena_alloc(&g->a, TILE_BYTES);
	memcpy(g->tiles[g->tile_count++], data, TILE_BYTES);
	return true;
}

static bool
get_tile(void *ctx, struct tile_id id, uint8_t out[TILE_BYTES], bool *found, struct err *e)
{
	struct rig *g = ctx;
	(void)e;
	*found = false;
	for (size_t i = 0; i < g->tile_count; i++) {
		if (g->ids[i].level != id.level || g->ids[i].n != id.n)
			continue;
		memcpy(out, g->tiles[i], TILE_BYTES);
		*found = true;
	}
	return true;
}

static bool
get_leaf(void *ctx, uint64_t index, uint8_t out[32], struct err *e)
{
	struct rig *g = ctx;
	(void)e;
	memcpy(out, g->leaves[index], 32);
	return true;
}

static int
setup(void **state)
{
	struct rig *g = calloc(1, sizeof(*g));
	assert_true(sha256_init(&g->h, NULL));
	arena_init(&g->a, 512u << 20);
	log_init(&g->log, &g->h, (struct log_sink){ put_tile, g });
	g->leaves = calloc(140000, 32);
	*state = g;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *g = *state;
	sha256_done(&g->h);
	arena_done(&g->a);
	free(g->leaves);
	free(g);
	return 0;
}

/* Grows the log to 'size' by leaves that are numbers. */
static void
grow(struct rig *g, uint64_t size)
{
	while (g->log.tree.leaf_count < size) {
		uint64_t n = g->log.tree.leaf_count;
		put_u64(g->leaves[n], n);
		assert_true(log_grow(&g->log, g->leaves[n], NULL));
	}
}

static struct tile_reader
reader(struct rig *g)
{
	return (struct tile_reader){ .tile = get_tile, .leaf = get_leaf, .ctx = g, .h = &g->h };
}

static void
appending_patches_what_the_worker_could_not_know(void **state)
{
	struct rig *g = *state;
	struct merkle gbr = { 0 }, nor = { 0 };
	uint8_t expected[32];
	for (uint8_t j = 0; j < 3; j++) {
		struct record r, known;
		struct log_out out;
		struct log_in in = {
			.now = 1700000000000000u + j, .link = j, .publication = &gbr, .place = &nor
		};
		golden_record(&g->h, &g->a, j, true, &r);
		golden_record(&g->h, &g->a, j, false, &known);
		assert_true(record_hash_early(&g->h, &r, NULL));
		assert_true(log_append(&g->log, &r, &in, &out, NULL));
		assert_true(record_leaf(&g->h, &known, expected, NULL));
		assert_memory_equal(out.leaf, expected, 32);
		assert_true(out.index == j && out.publication == j && out.place == j);
	}
	assert_int_equal(gbr.leaf_count, 3);
	assert_memory_equal(&gbr, &nor, sizeof(gbr));
	assert_true(merkle_root(&g->h, &g->log.tree, expected, NULL));
	assert_hex(
	    expected, 32, "fe8339ea3b8a7ca939e7872a2e665a7ae8c86d4e989e561df4f6621494170752");
}

static void
the_time_of_a_record_never_falls(void **state)
{
	struct rig *g = *state;
	struct merkle gbr = { 0 };
	static const uint64_t now[] = { 50, 40, 60 }, time[] = { 50, 50, 60 };
	for (unsigned i = 0; i < 3; i++) {
		struct record r;
		struct slot_common common;
		struct log_out out;
		struct log_in in = { .now = now[i], .publication = &gbr };
		golden_record(&g->h, &g->a, 0, true, &r);
		assert_true(log_append(&g->log, &r, &in, &out, NULL));
		assert_int_equal(out.time, time[i]);
		assert_true(slot_get_common(RECORD_SLOT(&r, 1)->value, &common, NULL));
		assert_int_equal(common.time, time[i]);
		assert_int_equal(out.place, SLOT_ABSENT);
		assert_int_equal(RECORD_SLOT(&r, 8)->value.len, 0);
	}
}

static void
a_delivery_learns_the_time_of_its_intake_at_the_append(void **state)
{
	struct rig *g = *state;
	struct record r;
	struct body b, again;
	struct log_out out;
	struct log_in in = { .now = 9, .accepted = 4 };
	uint8_t salts[RECORD_SALTS] = { 0 };
	struct slot_common common = { .type = EVENT_DELIVERY };
	event_body_begin(&b, EVENT_DELIVERY);
	event_body_uint(&b, BODY_DELIVERY_ACCEPTED, SLOT_LATER);
	assert_true(record_begin(&r, &g->a, salts, NULL));
	assert_true(record_set_common(&r, &g->a, &common, NULL));
	assert_true(record_set_body(&r, &g->a, &b, NULL));
	assert_true(record_hash_early(&g->h, &r, NULL));
	assert_false(RECORD_SLOT(&r, 7)->hashed);
	assert_true(log_append(&g->log, &r, &in, &out, NULL));
	assert_true(event_body_parse(EVENT_DELIVERY, RECORD_SLOT(&r, 7)->value, &again, NULL));
	assert_int_equal(event_body_number(&again, BODY_DELIVERY_ACCEPTED), 4);
}

static void
full_tiles_are_sent_off_once_and_hold_the_subtrees(void **state)
{
	struct rig *g = *state;
	grow(g, 131072 + 300);
	/* 513 of level 0, 2 of level 1 */
	assert_int_equal(g->tile_count, 515);
	for (size_t i = 0; i < g->tile_count; i++)
		for (size_t j = 0; j < i; j++)
			assert_false(
			    g->ids[i].level == g->ids[j].level && g->ids[i].n == g->ids[j].n);
	struct tile_reader t = reader(g);
	struct merkle_source s = tile_source(&t);
	uint8_t grown[32], read[32];
	assert_true(merkle_root(&g->h, &g->log.tree, grown, NULL));
	assert_true(merkle_source_root(&s, 131072 + 300, read, NULL));
	assert_memory_equal(grown, read, 32);
}

static void
proofs_from_tiles_hold_at_the_edges(void **state)
{
	struct rig *g = *state;
	static const uint64_t sizes[] = { 1, 2, 255, 256, 257, 511, 512, 513, 65535, 65536, 65537,
		65792, 66000 };
	grow(g, 66000);
	struct tile_reader t = reader(g);
	struct merkle_source s = tile_source(&t);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct merkle_proof p;
		struct merkle_consistency_claim c = { .from = sizes[i], .size = 66000 };
		struct merkle_inclusion_claim in = { .index = sizes[i] - 1, .size = 66000 };
		assert_true(merkle_source_root(&s, sizes[i], c.from_root, NULL));
		assert_true(merkle_source_root(&s, 66000, c.root, NULL));
		assert_true(merkle_consistency(&s, sizes[i], 66000, &p, NULL));
		assert_true(merkle_check_consistency(
		    &g->h, &c, (const uint8_t(*)[32])p.hash, p.count, NULL));
		memcpy(in.leaf, g->leaves[sizes[i] - 1], 32);
		memcpy(in.root, c.root, 32);
		assert_true(merkle_inclusion(&s, sizes[i] - 1, 66000, &p, NULL));
		assert_true(merkle_check_inclusion(
		    &g->h, &in, (const uint8_t(*)[32])p.hash, p.count, NULL));
	}
}

static void
head_of(struct rig *g, struct log_head *head)
{
	head->tree = g->log.tree;
	head->time = 77;
	assert_true(merkle_root(&g->h, &g->log.tree, head->root, NULL));
}

static void
a_log_is_restored_at_every_kind_of_size_and_goes_on_alike(void **state)
{
	struct rig *g = *state;
	static const uint64_t sizes[] = { 0, 1, 255, 256, 257, 513, 65536, 65537, 66047 };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct log *again = calloc(1, sizeof(*again));
		struct log_head head;
		uint8_t a[32], b[32];
		grow(g, sizes[i]);
		head_of(g, &head);
		struct tile_reader t = reader(g);
		log_init(again, &g->h, (struct log_sink){ NULL, NULL });
		assert_true(log_restore(again, &head, &t, NULL));
		assert_int_equal(again->time, 77);
		for (unsigned n = 0; n < 300; n++) {
			uint8_t leaf[32];
			put_u64(leaf, sizes[i] + n);
			memset(leaf + 8, 0, 24);
			assert_true(log_grow(again, leaf, NULL));
		}
		grow(g, sizes[i] + 300);
		assert_true(merkle_root(&g->h, &again->tree, a, NULL));
		assert_true(merkle_root(&g->h, &g->log.tree, b, NULL));
		assert_memory_equal(a, b, 32);
		for (unsigned l = 0; l < TILE_LEVELS; l++) {
			uint64_t width = (g->log.tree.leaf_count >> (8 * l)) % TILE_WIDTH;
			assert_memory_equal(again->edge[l], g->log.edge[l], width * 32);
		}
		free(again);
		/* the next size starts anew */
		g->tile_count = 0;
		log_init(&g->log, &g->h, (struct log_sink){ put_tile, g });
	}
}

static void
a_head_that_is_not_of_the_stored_entries_is_corrupt(void **state)
{
	struct rig *g = *state;
	struct log_head head;
	struct err e;
	struct log *again = calloc(1, sizeof(*again));
	grow(g, 700);
	head_of(g, &head);
	struct tile_reader t = reader(g);
	log_init(again, &g->h, (struct log_sink){ NULL, NULL });
	g->leaves[600][0] ^= 1;
	assert_false(log_restore(again, &head, &t, &e));
	assert_int_equal(e.code, ERR_CORRUPT);
	assert_string_equal(e.text, "the tree of 700 records is not that of the stored entries");
	g->leaves[600][0] ^= 1;
	head.root[0] ^= 1;
	assert_false(log_restore(again, &head, &t, &e));
	assert_string_equal(e.text, "the stored root is not that of the tree");
	free(again);
}

static void
a_savepoint_takes_back_what_a_failed_batch_did(void **state)
{
	struct rig *g = *state;
	uint8_t before[32], after[32], leaf[32] = { 0 };
	struct err e;
	grow(g, 255);
	struct log *saved = malloc(sizeof(*saved));
	*saved = g->log;
	assert_true(merkle_root(&g->h, &g->log.tree, before, NULL));
	g->fail_at = 1;
	assert_false(log_grow(&g->log, leaf, &e));
	assert_string_equal(e.text, "no tile today");
	g->log = *saved;
	free(saved);
	assert_true(merkle_root(&g->h, &g->log.tree, after, NULL));
	assert_memory_equal(before, after, 32);
	grow(g, 256);
	assert_int_equal(g->tile_count, 1);
}

static void
edge_hashes_are_those_not_yet_in_a_full_tile(void **state)
{
	struct rig *g = *state;
	uint8_t out[32];
	grow(g, 520);
	assert_false(log_edge_hash(&g->log, 0, 511, out));
	assert_true(log_edge_hash(&g->log, 0, 512, out));
	assert_memory_equal(out, g->leaves[512], 32);
	assert_true(log_edge_hash(&g->log, 0, 519, out));
	assert_false(log_edge_hash(&g->log, 0, 520, out));
	assert_true(log_edge_hash(&g->log, 1, 1, out));
	assert_false(log_edge_hash(&g->log, 1, 2, out));
	assert_false(log_edge_hash(&g->log, 2, 0, out));
	assert_false(log_edge_hash(&g->log, 8, 0, out));
}

static void
the_second_look_finds_what_is_not_what_was_hashed(void **state)
{
	struct rig *g = *state;
	struct record r;
	struct merkle gbr = { 0 }, tree = { 0 };
	struct log_out out;
	struct log_in in = { .now = 1, .publication = &gbr };
	struct err e;
	golden_record(&g->h, &g->a, 0, true, &r);
	assert_true(log_append(&g->log, &r, &in, &out, NULL));
	size_t size = record_entry_size(&r);
	uint8_t *entry = arena_alloc(&g->a, size);
	record_entry_write(&r, out.leaf, entry);
	assert_true(log_recheck(&g->h, &tree, bytes_from(entry, size), NULL));
	assert_memory_equal(&tree, &g->log.tree, sizeof(tree));
	entry[size - 30] ^= 1;
	assert_false(log_recheck(&g->h, &tree, bytes_from(entry, size), &e));
	assert_int_equal(e.code, ERR_CORRUPT);
	assert_string_equal(e.text, "record 1: it does not give its leaf hash");
	assert_false(log_recheck(&g->h, &tree, bytes_from(entry, 40), &e));
	assert_int_equal(e.code, ERR_CORRUPT);
	assert_string_equal(e.text, "record 1: entry: opening of 8 bytes");
	assert_int_equal(tree.leaf_count, 1);
}

static void
an_attestation_signs_origin_party_size_and_root(void **state)
{
	struct rig *g = *state;
	struct bytes text;
	struct log_attest v = { bytes_of("o"), bytes_of("NOR"), 258, { 0xaa } };
	assert_true(log_attest_text(&g->a, &v, &text, NULL));
	assert_int_equal(text.len, 64 + 15 + 5 + 7 + 8 + 32);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(text.data[i], 0x20);
	assert_memory_equal(text.data + 64, "relto/1 attest", 15);
	assert_hex(text.data + 79, 21, "000000016f000000034e4f520000000000000102aa");
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(appending_patches_what_the_worker_could_not_know),
		T(the_time_of_a_record_never_falls),
		T(a_delivery_learns_the_time_of_its_intake_at_the_append),
		T(full_tiles_are_sent_off_once_and_hold_the_subtrees),
		T(proofs_from_tiles_hold_at_the_edges),
		T(a_log_is_restored_at_every_kind_of_size_and_goes_on_alike),
		T(a_head_that_is_not_of_the_stored_entries_is_corrupt),
		T(a_savepoint_takes_back_what_a_failed_batch_did),
		T(edge_hashes_are_those_not_yet_in_a_full_tile),
		T(the_second_look_finds_what_is_not_what_was_hashed),
		T(an_attestation_signs_origin_party_size_and_root),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
