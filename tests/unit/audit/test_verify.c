#include "tests/lib/test.h"

#include "tests/unit/audit/verify_rig.h"

static void
a_log_as_it_should_be_is_accepted(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_stop(g->s);
	expect_log(g, VERIFY_OK, NULL);
	assert_int_equal(g->told.count, 0);
	assert_true(g->result.hub && g->result.walked && g->result.signed_by_log);
	assert_int_equal(g->result.opened, 11);
	assert_int_equal(g->records, 11);
	assert_int_equal(g->result.missing, 1); /* the SPIF that the export names */
	assert_int_equal(g->result.party_count, 2);
	assert_true(bytes_is(g->result.parties[1].name, "NOR"));
	assert_int_equal(g->result.parties[1].leaves, 3);
	assert_int_equal(g->result.parties[1].covered, 3);
}

static void
a_party_sees_its_own_records_and_no_more(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_bundle(g->s, "NOR", 0);
	expect(g, VERIFY_OK, NULL);
	assert_int_equal(g->result.opened, 4); /* AGREEMENT, DELIVERY, ACK, PARTY_HEAD */
	small_bundle(g->s, "KEN", 0);
	expect(g, VERIFY_OK, NULL);
	assert_int_equal(g->result.opened, 0);
	small_bundle(g->s, "GBR", 0);
	expect(g, VERIFY_OK, NULL);
	assert_int_equal(g->result.opened, 6);
}

/* Of most types a recipient opens slots 1 and 8 alone: no name says whose place it is. */
static void
a_recipients_history_has_what_became_of_its_deliveries(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	struct small_decision narrower = { EVENT_NARROWED, "NOR", OUTCOME_WITHHOLD, SMALL_WITHHOLD,
		0, 4, "NOR" };
	small_decide(g->s, &narrower);
	small_head(g->s, "NOR");
	small_bundle(g->s, "NOR", 0);
	expect(g, VERIFY_OK, NULL);
	assert_int_equal(g->result.by_type[EVENT_NARROWED], 1);
	assert_int_equal(g->result.parties[0].leaves, 4);
	expect_log(g, VERIFY_OK, NULL);
}

static void
a_bundle_may_begin_in_the_middle(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	for (uint64_t first = 1; first <= 10; first++) {
		small_bundle(g->s, "", first);
		expect(g, VERIFY_OK, NULL);
		assert_int_equal(g->result.opened, 10 - first);
	}
}

static void
every_changed_byte_of_a_record_shows(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	struct small_file *f = small_file(g->s, "record/000000");
	for (size_t i = 0; i < f->len; i += 7) {
		f->data[i] ^= 0x20;
		verify(g);
		assert_true(g->result.code == VERIFY_CONTENT || g->result.code == VERIFY_MALFORMED);
		f->data[i] ^= 0x20;
	}
	f->data[f->len - 40] ^= 1;
	expect(g, VERIFY_CONTENT, "it does not match its commitment in the tree");
}

static void
a_changed_tile_is_not_in_the_tree(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	small_file(g->s, "tile/0/000.p/10")->data[40] ^= 1;
	expect(g, VERIFY_INCLUSION, "is not the one that the checkpoint signs");
	small_bundle(g->s, "", 0);
	small_file(g->s, "tile/entries/000.p/10")->data[90] ^= 1;
	expect(g, VERIFY_INCLUSION, "its leaf data in tile/entries is not that of its leaf");
}

static void
a_log_of_more_than_one_tile_and_file_verifies_and_its_upper_tiles_are_checked(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	while (g->s->log.tree.leaf_count < 1100) {
		struct record r;
		small_begin(g->s, &r, EVENT_PAD, false);
		small_add(g->s, &r, NULL, NULL, 0);
	}
	expect_log(g, VERIFY_OK, NULL);
	assert_int_equal(g->result.opened, 1100);
	assert_non_null(small_file(g->s, "record/000001"));
	assert_non_null(small_file(g->s, "tile/0/003"));
	assert_non_null(small_file(g->s, "tile/0/004.p/76"));
	small_file(g->s, "tile/1/000.p/4")->data[0] ^= 1;
	expect(g, VERIFY_INCLUSION, "tile 1/0 is not that of the leaves below it");
	small_bundle(g->s, "", 0);
	small_file(g->s, "record/000001")->len += 1;
	expect(g, VERIFY_MALFORMED, "bytes follow it in its file of record/");
}

static void
without_a_good_checkpoint_nothing_is_looked_at(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	struct small_file *f = small_file(g->s, "checkpoint");
	f->data[f->len - 10] ^= 1;
	expect(g, VERIFY_SIGNATURE, "does not verify");
	assert_int_equal(g->records, 0);
	f->data[f->len - 10] ^= 1;
	f->len--;
	expect(g, VERIFY_MALFORMED, "signed note: no text");
	f->path[0] = 'x';
	expect(g, VERIFY_SIGNATURE, "there is no checkpoint");
	small_bundle(g->s, "", 0);
	struct note_key other = g->s->vkey;
	other.public[0] ^= 1;
	g->trust.log = &other;
	expect(g, VERIFY_SIGNATURE, "does not verify");
	other.id[0] ^= 1;
	expect(g, VERIFY_SIGNATURE, "no signature of the log's key");
}

static void
a_quorum_that_is_not_there_is_a_missing_signature(void **state)
{
	struct rig *g = *state;
	struct note_key witness = g->s->vkey;
	witness.type = NOTE_COSIGNATURE;
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	g->trust.witnesses = &witness;
	g->trust.witness_count = 1;
	g->trust.quorum = 1;
	witness.id[0] ^= 1;
	expect(g, VERIFY_SIGNATURE, "0 of the witnesses signed, not 1");
}

static void
missing_and_cut_files_are_malformed(void **state)
{
	struct rig *g = *state;
	static const struct {
		const char *path, *text;
	} cases[] = {
		{ "bundle", "there is no file 'bundle'" },
		{ "record/000000", "record/000000 is not there" },
		{ "tile/0/000.p/10", "its tile of leaf hashes is not there" },
	};
	small_usual(g->s);
	for (size_t i = 0; i < 3; i++) {
		small_bundle(g->s, "", 0);
		small_file(g->s, cases[i].path)->path[0] = 'x';
		expect(g, VERIFY_MALFORMED, cases[i].text);
	}
	small_bundle(g->s, "", 0);
	small_file(g->s, "record/000000")->len--;
	expect(g, VERIFY_MALFORMED, "is cut");
	small_bundle(g->s, "", 0);
	small_file(g->s, "tile/0/000.p/10")->len--;
	expect(g, VERIFY_MALFORMED, "has 319 bytes, not 320");
	small_bundle(g->s, "", 0);
	small_file(g->s, "bundle")->data[0] ^= 1;
	expect(g, VERIFY_MALFORMED, "bundle: not a description of version 1");
	small_bundle(g->s, "", 0);
	memcpy(memmem(small_file(g->s, "bundle")->data, small_file(g->s, "bundle")->len, "10", 2),
	    "11", 2);
	expect(g, VERIFY_MALFORMED, "speaks of another log or size");
	small_bundle(g->s, "", 0);
	small_file(g->s, "report/000000")->data[0] = '9';
	expect(g, VERIFY_MALFORMED, "report/ has no line for this INTAKE");
	small_file(g->s, "report/000000")->data[1] = '?';
	expect(g, VERIFY_MALFORMED, "something else than lines that rise by index");
}

static void
a_bundle_that_claims_to_be_the_hubs_must_open_everything(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_bundle(g->s, "NOR", 0);
	struct small_file *f = small_file(g->s, "bundle");
	static const char hub[] =
	    "relto-bundle 1\norigin hub.example/relto/g1\nsize 10\nview hub\nfirst 0\n";
	memcpy(f->data, hub, sizeof(hub) - 1);
	f->len = sizeof(hub) - 1;
	expect(g, VERIFY_GAP, "it is not opened");
	expect(g, VERIFY_GAP, "slot 5 is not opened");
}

static void
every_content_is_held_against_its_name(void **state)
{
	struct rig *g = *state;
	unsigned spoilt = 0;
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	for (size_t i = 0; i < g->s->file_count; i++) {
		struct small_file *f = &g->s->files[i];
		const char *slash = strchr(f->path, '/');
		if (slash == NULL || strlen(slash + 1) != 64)
			continue;
		f->data[0] ^= 1;
		expect(g, VERIFY_CONTENT, "is not what its name says");
		f->data[0] ^= 1;
		f->path[0] = 'x';
		expect(g, VERIFY_OK, NULL);
		assert_true(g->result.missing >= 1);
		small_bundle(g->s, "", 0);
		spoilt++;
	}
	assert_int_equal(spoilt, 10);
}

static void
parts_that_the_manifest_does_not_commit_to_show(void **state)
{
	struct rig *g = *state;
	uint8_t routing[32], head[32], manifest[32];
	small_usual(g->s);
	small_content(g->s, BUNDLE_ROUTING, bytes_of("another"), routing);
	small_content(g->s, BUNDLE_HEAD, bytes_of("another head"), head);
	small_content(g->s, BUNDLE_MANIFEST, bytes_of("another manifest"), manifest);
	memcpy(g->s->routing, routing, 32);
	expect_log(g, VERIFY_CONTENT, "its routing is not the one that its manifest commits to");
	memcpy(g->s->head[1], head, 32);
	expect_log(
	    g, VERIFY_CONTENT, "the head of portion 1 is not one that its manifest commits to");
	memcpy(g->s->manifest, manifest, 32);
	expect_log(g, VERIFY_CONTENT, "its manifest is not the one that the record commits to");
}

static void
a_head_kept_from_before_must_be_one_of_this_log(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	g->ask.kept_size = 10;
	assert_true(merkle_root(&g->s->h, &g->s->log.tree, g->ask.kept_root, NULL));
	small_stop(g->s);
	expect_log(g, VERIFY_OK, NULL);
	g->ask.kept_root[0] ^= 1;
	expect_log(
	    g, VERIFY_CONSISTENCY, "not an extension of the one of 10 records verified before");
	g->ask.kept_size = 11;
	assert_true(merkle_root(&g->s->h, &g->s->log.tree, g->ask.kept_root, NULL));
	expect_log(g, VERIFY_OK, NULL);
	g->ask.kept_size = 12;
	expect_log(g, VERIFY_STALE, "a log of 12 records was verified before; this one has 11");
}

static void
an_old_log_is_stale_when_an_age_was_asked_for(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	g->ask.max_age_s = 3600;
	expect(g, VERIFY_OK, NULL);
	g->ask.now_s++;
	expect(g, VERIFY_STALE, "the last record is 3601 s old, more than 3600");
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_log_as_it_should_be_is_accepted),
		T(a_party_sees_its_own_records_and_no_more),
		T(a_recipients_history_has_what_became_of_its_deliveries),
		T(a_bundle_may_begin_in_the_middle),
		T(every_changed_byte_of_a_record_shows),
		T(a_changed_tile_is_not_in_the_tree),
		T(a_log_of_more_than_one_tile_and_file_verifies_and_its_upper_tiles_are_checked),
		T(without_a_good_checkpoint_nothing_is_looked_at),
		T(a_quorum_that_is_not_there_is_a_missing_signature),
		T(missing_and_cut_files_are_malformed),
		T(a_bundle_that_claims_to_be_the_hubs_must_open_everything),
		T(every_content_is_held_against_its_name),
		T(parts_that_the_manifest_does_not_commit_to_show),
		T(a_head_kept_from_before_must_be_one_of_this_log),
		T(an_old_log_is_stale_when_an_age_was_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
