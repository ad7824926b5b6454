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
	assert_int_equal(g->result.signed_reports, 1);
	assert_int_equal(g->result.unproved_reports, 0);
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
		small_by_hub(g->s, &r);
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
	uint8_t *digit = &f->data[f->len - 10], was = *digit; /* of base64, before and after */
	*digit = was == 'A' ? 'B' : 'A';
	expect(g, VERIFY_SIGNATURE, "does not verify");
	assert_int_equal(g->records, 0);
	*digit = was;
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
	struct bundle_report *line = &g->s->lines[g->s->intake];
	memcpy(line->routing, routing, 32);
	expect_log(g, VERIFY_CONTENT, "its routing is not the one that its manifest commits to");
	uint8_t heads[2][32];
	memcpy(heads, line->heads, sizeof(heads));
	memcpy(heads[1], head, 32);
	line->heads = (const uint8_t(*)[32])heads;
	expect_log(
	    g, VERIFY_CONTENT, "the head of portion 1 is not one that its manifest commits to");
	memcpy(line->manifest, manifest, 32);
	expect_log(g, VERIFY_CONTENT, "its manifest is not the one that the record commits to");
}

/* Another line of report/ for the usual log. */
static void
report_line(struct rig *g, const char *notice, const char *heads, const char *behind)
{
	char hex[4][65], text[1024];
	const uint8_t *digests[] = { g->s->manifest, g->s->routing, g->s->head[0], g->s->head[1] };
	small_bundle(g->s, "", 0);
	struct small_file *f = small_file(g->s, "report/000000");
	for (size_t i = 0; i < 4; i++)
		golden_hex(digests[i], 32, hex[i]);
	int n = snprintf(text, sizeof(text), "3 %s %s %s", hex[0], hex[1], notice);
	for (; *heads != '\0'; heads++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " %s", hex[2 + *heads - '0']);
	n += snprintf(text + n, sizeof(text) - (size_t)n, "\n%s", behind);
	f->data = arena_alloc(&g->s->a, (size_t)n);
	memcpy(f->data, text, f->len = (size_t)n);
}

static void
what_report_says_is_held_against_the_log(void **state)
{
	struct rig *g = *state;
	static const char notice[] =
	    "0000000000000000000000000000000000000000000000000000000000000000";
	small_usual(g->s);
	report_line(g, "-", "01", "");
	expect(g, VERIFY_OK, NULL);
	report_line(g, "-", "0", "");
	expect(g, VERIFY_CONTENT, "it judges 2 portions; the report has 1");
	report_line(g, "-", "", "");
	expect(g, VERIFY_CONTENT, "it judges 2 portions; the report has 0");
	report_line(g, "-", "011", "");
	expect(g, VERIFY_CONTENT, "report/ names the head of portion 2 twice");
	report_line(g, notice, "01", "");
	expect(g, VERIFY_CONTENT, "report/ names a notice that is not in the bundle");
	report_line(g, "-", "01", "garbage\n");
	expect(g, VERIFY_MALFORMED, "report/ has something else than lines");
	report_line(g, "-", "01", "x");
	expect(g, VERIFY_MALFORMED, "report/ has something else than lines");
	char stray[256], hex[65];
	golden_hex(g->s->routing, 32, hex);
	(void)snprintf(stray, sizeof(stray), "7 %s %s -\n", hex, hex);
	report_line(g, "-", "01", stray);
	expect(g, VERIFY_MALFORMED, "report/ has a line that belongs to no INTAKE");
}

static void
the_line_of_an_intake_that_cannot_be_read_is_no_fault_of_report(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	struct small_file *f = small_file(g->s, "record/000000");
	uint8_t *alice = memmem(f->data, f->len, "CN=alice", 8);
	assert_non_null(alice);
	*alice ^= 1;
	expect(g, VERIFY_CONTENT, "it does not match its commitment in the tree");
	assert_int_equal(g->result.findings[VERIFY_MALFORMED], 0);
}

static void
decisions_of_one_report_judge_as_many_portions(void **state)
{
	struct rig *g = *state;
	small_start(g->s);
	g->s->members = SMALL_MEMBER("NOR", "receive") SMALL_MEMBER("KEN", "receive");
	small_policy(g->s, "policy");
	small_report(g->s);
	struct small_decision d = { EVENT_DECISION, "NOR", OUTCOME_RELEASE, SMALL_RELEASE, 3,
		small_intake(g->s), NULL };
	small_decide(g->s, &d);
	d = (struct small_decision){ EVENT_DECISION, "KEN", OUTCOME_WITHHOLD,
		"0 withhold no-rule atlas -\n", 0, g->s->intake, NULL };
	small_decide(g->s, &d);
	small_bundle(g->s, "", 0);
	small_file(g->s, "report/000000")->path[0] = 'x';
	expect(g, VERIFY_CONTENT, "it judges 1 portions; the report has 2");
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
		T(what_report_says_is_held_against_the_log),
		T(the_line_of_an_intake_that_cannot_be_read_is_no_fault_of_report),
		T(decisions_of_one_report_judge_as_many_portions),
		T(a_head_kept_from_before_must_be_one_of_this_log),
		T(an_old_log_is_stale_when_an_age_was_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
