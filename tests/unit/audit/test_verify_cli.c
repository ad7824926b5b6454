/* relto-verify as it is run: bundles on disk, exit codes, output, kept heads. */
#include "tests/lib/test.h"

#include <jansson.h>
#include <time.h>

#include "tests/unit/audit/cli_rig.h"

static void
a_good_bundle_is_ok_and_says_what_may_be_concluded(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	write_bundle(g, "b");
	assert_int_equal(RUN(g, "verify", "b", "--key", g->vkey), 0);
	assert_string_equal(g->errors, "");
	says(g->out, "OK (0)\n");
	says(g->out, "records  10 opened of 10\n");
	says(g->out, "view     auditor of the hub party\nlog      hub.example/relto/g1\n");
	says(g->out,
	    "party    NOR: complete up to its first 3 records, at record 9; 0 later ones are "
	    "not covered by a head yet\n");
	says(g->out,
	    "missing  spif/0000000000000000000000000000000000000000000000000000000000000000 "
	    "of record 1\n");
	says(g->out, "NOT: that nothing else left the machine by another way");
	says(g->out, "1 contents that are not in the bundle");
	says(g->out, "reports  1 signed by their publishers in 1 batches, 0 not checked\n");
	says(g->out, "  the publishers' signatures, by certificates that were good at the time");
	says(g->out, "  whether a publisher's certificate was revoked");
	says(g->out, "the publishers signed these reports, if the recorded anchors are theirs");
	says(g->out, "each party's history is complete as far as its last head reaches (above)");
	says(g->out, "NOT: that histories are complete behind them: 0 records are not covered");
	says(g->out, "NOT: that what is recorded as delivered or acknowledged arrived");
	/* the key from a file */
	assert_int_equal(RUN(g, "verify", "b", "--key", "b/log.vkey"), 0);
}

static void
a_bundle_that_begins_later_claims_no_history(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_bundle(g->s, "", 3);
	write_bundle(g, "late");
	assert_int_equal(RUN(g, "verify", "late", "--key", g->vkey), 7);
	says(g->errors, "completeness: it is said to begin with record 3, not with 0\n");
	assert_int_equal(RUN(g, "verify", "late", "--from", "2", "--key", g->vkey), 7);
	assert_int_equal(RUN(g, "verify", "late", "--from", "3", "--key", g->vkey), 0);
	says(g->out, "the histories of parties, and links to earlier records");
	says(g->out, "NOT: that any party's history is complete (the bundle begins later)");
	assert_null(strstr(g->out, "complete as far"));
	assert_null(strstr(g->out, "party    "));
	assert_null(strstr(g->out, "rebuilt, against its heads"));
}

static void
json_is_one_object_with_the_findings(void **state)
{
	struct rig *g = *state;
	json_error_t why;
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	struct small_file *f = small_file(g->s, "record/000000");
	f->data[f->len - 40] ^= 1;
	write_bundle(g, "b");
	assert_int_equal(RUN(g, "verify", "b", "--json", "--key", g->vkey), 6);
	json_t *j = json_loads(g->out, JSON_REJECT_DUPLICATES, &why);
	assert_non_null(j);
	assert_true(json_is_false(json_object_get(j, "ok")));
	assert_int_equal(json_integer_value(json_object_get(j, "exit")), 6);
	const json_t *finding = json_array_get(json_object_get(j, "findings"), 0);
	assert_string_equal(json_string_value(json_object_get(finding, "kind")), "content");
	assert_int_equal(json_integer_value(json_object_get(finding, "index")), 9);
	const json_t *concluded = json_object_get(j, "concluded");
	assert_string_equal(
	    json_string_value(json_array_get(concluded, 0)), "nothing: see the findings");
	json_decref(j);
	assert_int_equal(RUN(g, "verify", "b", "--key", g->vkey), 6);
	says(g->errors, "content: record 9: it does not match its commitment in the tree\n");
	says(g->out, "FAILED (6)\n");
}

static void
a_report_that_its_publisher_did_not_sign_is_3(void **state)
{
	struct rig *g = *state;
	g->s->signer.by.key = g->s->signer.nor.key;
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	write_bundle(g, "b");
	assert_int_equal(RUN(g, "verify", "b", "--key", g->vkey), 3);
	says(g->errors,
	    "signature: record 3: it is not signed by its publisher: the signature does not hold");
	says(g->out, "reports  0 signed by their publishers in 0 batches, 0 not checked\n");
	says(g->out, "nothing: see the findings");
}

static void
a_signature_that_could_not_be_checked_is_said_to_be_unchecked(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	for (size_t i = 0; i < g->s->file_count; i++)
		if (strncmp(g->s->files[i].path, "seal/", 5) == 0)
			g->s->files[i].path[0] = 'x';
	write_bundle(g, "b");
	assert_int_equal(RUN(g, "verify", "b", "--key", g->vkey), 0);
	says(g->out, "reports  0 signed by their publishers in 0 batches, 1 not checked\n");
	says(g->out, "the publishers' signatures of reports whose contents are not all here");
	assert_null(strstr(g->out, "the publishers signed"));
	assert_int_equal(RUN(g, "verify", "b", "--json", "--key", g->vkey), 0);
	says(g->out, "\"reports\":{\"signed\":0,\"batches\":0,\"unproved\":1}");
	/* a party's bundle has none of it */
	small_bundle(g->s, "GBR", 0);
	write_bundle(g, "gbr");
	assert_int_equal(RUN(g, "verify", "gbr", "--party", "GBR", "--key", g->vkey), 0);
	says(g->out, "what they are over is not in a party's bundle");
}

static void
show_picks_by_every_field(void **state)
{
	struct rig *g = *state;
	static const struct {
		const char *words[4];
		size_t count;
	} cases[] = {
		{ { NULL }, 10 },
		{ { "type=decision", NULL }, 2 },
		{ { "type=decision", "outcome=withhold", NULL }, 1 },
		{ { "publisher=GBR", NULL }, 5 },
		{ { "recipient=NOR", NULL }, 3 },
		{ { "agreement=atlas@3", NULL }, 2 },
		{ { "agreement=atlas", NULL }, 3 },
		{ { "reason=no-rule", NULL }, 1 },
		{ { "rule=maritime", NULL }, 1 },
		{ { "report=5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a", NULL }, 4 },
		{ { "report=5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A", NULL }, 4 },
		{ { "report=5a", NULL }, 0 },
		{ { "recipient=NO", NULL }, 0 },
		{ { "from", "2023-11-15T00:00:00.000003Z", NULL }, 7 },
		{ { "until", "2023-11-15T00:00:00.000003Z", NULL }, 3 },
		{ { "until", "2023-11-15", NULL }, 0 },
	};
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	write_bundle(g, "b");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *const *w = cases[i].words;
		assert_int_equal(RUN(g, "show", "b", "--key", g->vkey, "--json", w[0],
				     w[0] == NULL ? NULL : w[1]),
		    0);
		if (lines(g->out) != cases[i].count)
			fail_msg("case %zu: %zu lines, not %zu", i, lines(g->out), cases[i].count);
	}
}

static void
show_prints_text_json_and_csv(void **state)
{
	struct rig *g = *state;
	json_error_t why;
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	write_bundle(g, "b");
	assert_int_equal(RUN(g, "show", "b", "--key", g->vkey, "type=intake", "--json"), 0);
	json_t *j = json_loads(g->out, JSON_REJECT_DUPLICATES, &why);
	assert_non_null(j);
	assert_int_equal(json_integer_value(json_object_get(j, "index")), 3);
	assert_string_equal(json_string_value(json_object_get(j, "report")),
	    "5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a");
	assert_string_equal(
	    json_string_value(json_object_get(json_object_get(j, "publication"), "party")), "GBR");
	assert_int_equal(
	    json_array_size(json_object_get(json_object_get(j, "body"), "anchors")), 1);
	json_decref(j);
	assert_int_equal(RUN(g, "show", "b", "--key", g->vkey, "outcome=withhold"), 0);
	says(g->out, " decision     5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a from GBR to KEN outcome "
		     "withhold because 0 withhold no-rule atlas -; 1 withhold no-rule atlas -; \n");
	assert_int_equal(RUN(g, "show", "b", "--key", g->vkey, "outcome=release", "--csv"), 0);
	says(g->out, "index,time,type,");
	says(g->out,
	    "\"GBR\",\"spiffe://gbr.example/fusion-desk\",\"NOR\",\"release\",\"atlas@3\",");
}

static void
csv_cells_that_a_spreadsheet_would_compute_are_neutral(void **state)
{
	struct rig *g = *state;
	small_start(g->s);
	g->s->members = SMALL_MEMBER("=1+\"x\"\x1b", "receive");
	small_policy(g->s, "policy");
	small_report(g->s);
	struct small_decision d = { EVENT_DECISION, "=1+\"x\"\x1b", OUTCOME_WITHHOLD,
		SMALL_WITHHOLD, 0, small_intake(g->s), NULL };
	small_decide(g->s, &d);
	small_bundle(g->s, "", 0);
	write_bundle(g, "b");
	assert_int_equal(RUN(g, "show", "b", "--key", g->vkey, "--csv", "type=decision"), 0);
	says(g->out, ",\"'=1+\"\"x\"\"\\x1b\",");
}

static void
party_shows_one_partys_history(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	write_bundle(g, "hub");
	small_bundle(g->s, "NOR", 0);
	write_bundle(g, "nor");
	assert_int_equal(RUN(g, "party", "hub", "NOR", "--key", g->vkey), 0);
	assert_int_equal(lines(g->out), 3);
	says(g->errors,
	    "NOR: complete up to its first 3 records, at record 9; 0 later ones are not "
	    "covered by a head yet\n");
	assert_int_equal(RUN(g, "party", "nor", "NOR", "--key", g->vkey), 0);
	assert_int_equal(lines(g->out), 3);
	assert_int_equal(RUN(g, "party", "nor", "GBR", "--key", g->vkey), 1);
	says(g->errors, "the bundle is of NOR alone");
	assert_int_equal(RUN(g, "party", "hub", "nor", "--key", g->vkey), 1);
	says(g->errors, "there is no party 'nor' in this log; there are GBR, NOR\n");
	assert_string_equal(g->out, "");
	small_bundle(g->s, "", 5);
	write_bundle(g, "late");
	assert_int_equal(RUN(g, "party", "late", "NOR", "--from", "5", "--key", g->vkey), 0);
	assert_int_equal(lines(g->out), 2);
	says(g->errors, "NOR: the bundle begins with record 5: what is complete cannot be said\n");
}

static void
a_head_over_more_than_there_is_shows_no_completeness(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_head_of(g->s, "NOR", 99, false);
	small_bundle(g->s, "", 0);
	write_bundle(g, "b");
	assert_int_equal(RUN(g, "verify", "b", "--key", g->vkey), 7);
	says(g->out,
	    "party    NOR: NOT complete: its last head, at record 10, states 99 records; there are "
	    "3\n");
	assert_null(strstr(g->out, "18446744073709551")); /* less than nothing */
	assert_int_equal(RUN(g, "party", "b", "NOR", "--key", g->vkey), 7);
	says(g->errors, "NOR: see the findings");
}

static void
wrong_calls_are_told_and_exit_1(void **state)
{
	struct rig *g = *state;
	static const struct {
		const char *words[6];
		const char *text;
	} cases[] = {
		{ { NULL }, "a command and a bundle are needed" },
		{ { "verify", NULL }, "a command and a bundle are needed" },
		{ { "prove", "b", NULL }, "there is no command 'prove'" },
		{ { "verify", "b", NULL }, "--key is needed: take the log's key from somebody" },
		{ { "verify", "b", "--key", NULL }, "--key needs a value" },
		{ { "verify", "b", "--kee", "x", NULL }, "there is no option '--kee'" },
		{ { "verify", "b", "--quorum", "x", NULL }, "--key is needed" },
		{ { "verify", "b", "--max-age", "9y", NULL },
		    "--max-age needs a time such as 24h" },
		{ { "verify", "b", "--key", "x", "c", NULL }, "verify takes no further words" },
		{ { "verify", "b", "--key", "x", "--csv", NULL }, "verify takes no --csv" },
		{ { "party", "b", "--key", "x", "A", "B" }, "party takes a bundle and one name" },
		{ { "party", "b", "--key", "x", NULL }, "party takes a bundle and one name" },
		{ { "verify", "b", "--from", "1x", NULL }, "--from needs a number, not '1x'" },
		{ { "verify", "b", "--party", "a b", NULL }, "'a b' is no party's name" },
		{ { "verify", ".", "--key", "a+x", NULL }, "key 'a+x': no vkey (name+hex+base64)" },
		{ { "verify", ".", "--key", "nofile", NULL }, "key 'nofile': no such file" },
		{ { "verify", "nowhere", "--key", "x", NULL }, "'nowhere': No such file" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *const *w = cases[i].words;
		const char *words[8] = { NULL };
		for (size_t j = 0; j < 6 && w[j] != NULL; j++)
			words[j] = w[j];
		assert_int_equal(run(g, words), 1);
		says(g->errors, cases[i].text);
	}
	static const struct {
		const char *term, *text;
	} filters[] = {
		{ "x", "'x' is no term" },
		{ "kind=a", "no field 'kind'" },
		{ "type=a", "there is no type 'a'" },
		{ "from", "'from' needs a time" },
	};
	for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++) {
		assert_int_equal(RUN(g, "show", ".", "--key", g->vkey, filters[i].term), 1);
		says(g->errors, filters[i].text);
	}
	assert_int_equal(RUN(g, "party", ".", "a b", "--key", g->vkey), 1);
	says(g->errors, "'a b' is no party's name");
	assert_int_equal(RUN(g, "verify", ".", "--key", g->vkey, "--quorum", "1"), 1);
	says(g->errors, "a quorum of 1 of 0 witnesses");
	assert_int_equal(RUN(g, "verify", ".", "--key", g->vkey, "--quorum", "nofile"), 1);
	says(g->errors, "--quorum needs a number or a file, not 'nofile'");
	assert_int_equal(
	    RUN(g, "verify", ".", "--key", g->vkey, "--quorum", "nofile", "--witness", "w"), 1);
	says(g->errors, "no --witness beside it");
}

static void
an_empty_directory_is_no_bundle(void **state)
{
	struct rig *g = *state;
	assert_int_equal(RUN(g, "verify", ".", "--key", g->vkey), 3);
	says(g->errors, "signature: there is no checkpoint\n");
	says(g->out, "anything: without a good checkpoint nothing else means anything");
}

static void
a_missing_signature_or_quorum_is_3_and_a_cut_file_2(void **state)
{
	struct rig *g = *state;
	struct note_key other = g->s->vkey;
	char vkey[NOTE_VKEY_MAX];
	struct note_name name = { bytes_of("w"), NOTE_COSIGNATURE };
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	write_bundle(g, "b");
	other.public[0] ^= 1;
	assert_true(note_key_make(&g->s->h, &name, other.public, &other, NULL));
	note_key_print(&other, vkey);
	assert_int_equal(
	    RUN(g, "verify", "b", "--key", g->vkey, "--witness", vkey, "--quorum", "1"), 3);
	says(g->errors, "0 of the witnesses signed, not 1");
	small_file(g->s, "record/000000")->len -= 3;
	write_bundle(g, "b");
	assert_int_equal(RUN(g, "verify", "b", "--key", g->vkey), 2);
	small_bundle(g->s, "", 0);
	small_file(g->s, "tile/0/000.p/10")->data[0] ^= 1;
	write_bundle(g, "b");
	assert_int_equal(RUN(g, "verify", "b", "--key", g->vkey), 4);
}

static void
the_largest_head_is_kept_and_an_older_one_is_stale(void **state)
{
	struct rig *g = *state;
	char before[4096], after[4096];
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	write_bundle(g, "old");
	small_stop(g->s);
	small_bundle(g->s, "NOR", 0);
	write_bundle(g, "new");
	assert_int_equal(RUN(g, "verify", "old", "--key", g->vkey, "--state", "kept"), 0);
	says(g->out, "an earlier checkpoint: none was kept");
	slurp(g->dir, "kept", before, sizeof(before));
	says(before, "relto-verify heads 1\nnote ");
	says(before, "\nhub.example/relto/g1\n10\n");
	assert_int_equal(
	    RUN(g, "verify", "new", "--party", "NOR", "--key", g->vkey, "--state", "kept"), 0);
	says(g->out, "since the earliest checkpoint compared");
	slurp(g->dir, "kept", after, sizeof(after));
	says(after, "\nhub.example/relto/g1\n11\n");
	assert_null(strstr(after, "\n10\n"));
	assert_int_equal(RUN(g, "verify", "old", "--key", g->vkey, "--state", "kept"), 8);
	says(g->errors, "stale: a log of 11 records was verified before; this one has 10");
	slurp(g->dir, "kept", before, sizeof(before));
	assert_string_equal(before, after);
}

static void
a_fork_is_5_and_both_heads_are_kept_as_evidence(void **state)
{
	struct rig *g = *state;
	char kept[4096], shown[4096];
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	write_bundle(g, "one");
	assert_int_equal(RUN(g, "verify", "one", "--key", g->vkey, "--state", "kept"), 0);
	struct small *other = small_new();
	other->now += 1;
	small_usual(other);
	small_stop(other);
	small_bundle(other, "", 0);
	struct small *mine = g->s;
	g->s = other;
	write_bundle(g, "two");
	g->s = mine;
	small_free(other);
	assert_int_equal(RUN(g, "verify", "two", "--key", g->vkey, "--state", "kept"), 5);
	says(g->errors, "both signed heads are kept in kept.fork-0\n");
	slurp(g->dir, "kept.fork-0/kept", kept, sizeof(kept));
	slurp(g->dir, "kept.fork-0/shown", shown, sizeof(shown));
	says(kept, "hub.example/relto/g1\n10\n");
	says(shown, "hub.example/relto/g1\n11\n");
	assert_int_equal(RUN(g, "verify", "two", "--key", g->vkey, "--state", "kept"), 5);
	says(g->errors, "kept.fork-1\n");
}

static void
a_file_of_heads_that_was_touched_is_refused(void **state)
{
	struct rig *g = *state;
	char path[128];
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	write_bundle(g, "b");
	assert_int_equal(RUN(g, "verify", "b", "--key", g->vkey, "--state", "kept"), 0);
	(void)snprintf(path, sizeof(path), "%s/kept", g->dir);
	FILE *f = fopen(path, "r+b");
	assert_non_null(f);
	assert_int_equal(fseek(f, 200, SEEK_SET), 0); /* in the signature of the note */
	assert_int_equal(fputc('!', f), '!');
	assert_int_equal(fclose(f), 0);
	assert_int_equal(RUN(g, "verify", "b", "--key", g->vkey, "--state", "kept"), 2);
	says(g->errors, "kept head: checkpoint: signed note: a signature that is not base64");
	assert_int_equal(RUN(g, "verify", "b", "--key", g->vkey, "--state", "b/bundle"), 1);
	says(g->errors, "'b/bundle' is no file of kept heads");
}

static void
heads_of_several_logs_stand_side_by_side(void **state)
{
	struct rig *g = *state;
	char file[8192];
	small_usual(g->s);
	struct note_name name = { bytes_of("hub.example/relto/g2"), NOTE_ED25519 };
	char vkey[NOTE_VKEY_MAX];
	small_bundle(g->s, "", 0);
	write_bundle(g, "one");
	assert_true(note_key_of(&g->s->h, &name, g->s->key, &g->s->vkey, NULL));
	note_key_print(&g->s->vkey, vkey);
	small_bundle(g->s, "", 0);
	write_bundle(g, "two");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(RUN(g, "verify", "one", "--key", g->vkey, "--state", "kept"), 0);
		assert_int_equal(RUN(g, "verify", "two", "--key", vkey, "--state", "kept"), 0);
	}
	slurp(g->dir, "kept", file, sizeof(file));
	says(file, "\nhub.example/relto/g1\n10\n");
	says(file, "\nhub.example/relto/g2\n10\n");
}

static void
a_gap_is_7_an_old_log_8_and_a_falling_time_9(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	write_bundle(g, "b");
	assert_int_equal(RUN(g, "verify", "b", "--key", g->vkey, "--max-age", "1s"), 8);
	struct merkle saved = g->s->nor;
	small_agreement(g->s, "NOR");
	g->s->nor = saved;
	small_agreement(g->s, "NOR");
	small_bundle(g->s, "NOR", 0);
	write_bundle(g, "gap");
	assert_int_equal(RUN(g, "party", "gap", "NOR", "--key", g->vkey), 7);
	says(g->errors, "completeness: record 11: it is number 3 of NOR, but 4 are before it");
	g->s->log.time = 0;
	g->s->now = 5;
	small_stop(g->s);
	small_bundle(g->s, "", 5);
	write_bundle(g, "time");
	assert_int_equal(RUN(g, "verify", "time", "--from", "5", "--key", g->vkey), 9);
}

static void
the_golden_bundles_verify(void **state)
{
	struct rig *g = *state;
	static const char *const names[] = { "bundle-hub", "bundle-nor" };
	for (size_t i = 0; i < 2; i++) {
		char bundle[512], key[600];
		(void)snprintf(bundle, sizeof(bundle), "%s/%s", GOLDEN_DIR, names[i]);
		(void)snprintf(key, sizeof(key), "%s/log.vkey", bundle);
		/* their clock is that of June 2026: a verifier of an earlier day must object */
		int want = time(NULL) < 1780700000 ? 9 : 0;
		if (RUN(g, "verify", bundle, "--key", key, i == 1 ? "--party" : NULL, "NOR") !=
		    want)
			fail_msg("%s: %s", names[i], g->errors);
		if (i == 0)
			says(g->out, "reports  1 signed by their publishers in 1 batches, 0 not");
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_good_bundle_is_ok_and_says_what_may_be_concluded),
		T(a_bundle_that_begins_later_claims_no_history),
		T(json_is_one_object_with_the_findings),
		T(a_report_that_its_publisher_did_not_sign_is_3),
		T(a_signature_that_could_not_be_checked_is_said_to_be_unchecked),
		T(show_picks_by_every_field),
		T(show_prints_text_json_and_csv),
		T(csv_cells_that_a_spreadsheet_would_compute_are_neutral),
		T(party_shows_one_partys_history),
		T(a_head_over_more_than_there_is_shows_no_completeness),
		T(wrong_calls_are_told_and_exit_1),
		T(an_empty_directory_is_no_bundle),
		T(a_missing_signature_or_quorum_is_3_and_a_cut_file_2),
		T(the_largest_head_is_kept_and_an_older_one_is_stale),
		T(a_fork_is_5_and_both_heads_are_kept_as_evidence),
		T(a_file_of_heads_that_was_touched_is_refused),
		T(heads_of_several_logs_stand_side_by_side),
		T(a_gap_is_7_an_old_log_8_and_a_falling_time_9),
		T(the_golden_bundles_verify),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
