/* What the caller of relto-verify asks for beyond the bundle: whose view, earlier heads, evidence.
 */
#include "tests/lib/test.h"

#include <jansson.h>

#include "tests/unit/audit/cli_rig.h"

/* The file of a bundle on disk, anew. */
static void
rewrite(struct rig *g, const char *name, const char *text)
{
	char path[256];
	(void)snprintf(path, sizeof(path), "%s/%s", g->dir, name);
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void
what_a_bundle_says_of_itself_does_not_choose_what_is_checked(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_bundle(g->s, "NOR", 0);
	write_bundle(g, "nor");
	assert_int_equal(RUN(g, "verify", "nor", "--party", "NOR", "--key", g->vkey), 0);
	assert_int_equal(RUN(g, "verify", "nor", "--key", g->vkey), 7);
	says(g->errors, "completeness: it is said to be the view of NOR, not that of an auditor of "
			"the hub party\n");
	assert_int_equal(RUN(g, "show", "nor", "--key", g->vkey), 7);
	assert_int_equal(RUN(g, "verify", "nor", "--party", "GBR", "--key", g->vkey), 7);
	says(g->errors, "it is said to be the view of NOR, not that of GBR\n");
	small_bundle(g->s, "", 0);
	write_bundle(g, "hub");
	assert_int_equal(RUN(g, "verify", "hub", "--party", "NOR", "--key", g->vkey), 7);
	says(
	    g->errors, "it is said to be the view of an auditor of the hub party, not that of NOR");
	small_bundle(g->s, "", 10);
	write_bundle(g, "late");
	assert_int_equal(RUN(g, "verify", "late", "--key", g->vkey), 7);
	says(g->errors, "it is said to begin with record 10, not with 0\n");
}

static void
a_partys_history_is_claimed_only_as_far_as_its_heads(void **state)
{
	struct rig *g = *state;
	small_agreement(g->s, "NOR");
	small_bundle(g->s, "", 0);
	write_bundle(g, "new");
	assert_int_equal(RUN(g, "verify", "new", "--key", g->vkey), 0);
	says(g->out, "party    NOR: 1 records, NOT known to be complete: no head\n");
	says(g->out, "NOT: that any party's history is complete (no head is in the log yet)\n");
	small_free(g->s);
	g->s = small_new();
	small_usual(g->s);
	small_agreement(g->s, "NOR");
	small_bundle(g->s, "NOR", 0);
	write_bundle(g, "nor");
	assert_int_equal(RUN(g, "verify", "nor", "--party", "NOR", "--key", g->vkey), 0);
	says(g->out, "the party's history is complete up to its first 3 records, at record 9\n");
	says(g->out, "NOT: that it is complete behind them: 1 later ones are not covered");
	small_bundle(g->s, "KEN", 0);
	write_bundle(g, "ken");
	assert_int_equal(RUN(g, "verify", "ken", "--party", "KEN", "--key", g->vkey), 0);
	says(g->out, "NOT: that the party's history is complete (no head of it is shown)\n");
	assert_null(strstr(g->out, "complete up to"));
	assert_int_equal(RUN(g, "party", "ken", "KEN", "--key", g->vkey), 0);
	says(g->errors, "KEN: no records, NOT known to be complete: no head\n");
}

static void
a_head_of_a_party_that_was_kept_must_be_shown_again(void **state)
{
	struct rig *g = *state;
	char kept[4096];
	small_usual(g->s);
	small_bundle(g->s, "NOR", 0);
	write_bundle(g, "nor");
	for (int i = 0; i < 2; i++)
		assert_int_equal(
		    RUN(g, "verify", "nor", "--party", "NOR", "--key", g->vkey, "--state", "kept"),
		    0);
	slurp(g->dir, "kept", kept, sizeof(kept));
	says(kept, "\nparty hub.example/relto/g1 NOR 3 ");
	/* another party's is not asked for, that of the hub is */
	small_bundle(g->s, "GBR", 0);
	write_bundle(g, "gbr");
	assert_int_equal(
	    RUN(g, "verify", "gbr", "--party", "GBR", "--key", g->vkey, "--state", "kept"), 0);
	small_stop(g->s);
	small_bundle(g->s, "", 0);
	write_bundle(g, "hub");
	assert_int_equal(RUN(g, "verify", "hub", "--key", g->vkey, "--state", "kept"), 0);
	slurp(g->dir, "kept", kept, sizeof(kept));
	says(kept, "\nparty hub.example/relto/g1 GBR 5 ");
	says(kept, "\nparty hub.example/relto/g1 NOR 3 ");
	says(kept, "\nhub.example/relto/g1\n11\n");
	/* a bundle that shows nothing of it */
	small_bundle(g->s, "NOR", 0);
	struct small_file *f = small_file(g->s, "record/000000");
	memset(f->data, 0, f->len = 11 * sizeof(uint32_t));
	write_bundle(g, "bare");
	assert_int_equal(
	    RUN(g, "verify", "bare", "--party", "NOR", "--key", g->vkey, "--state", "kept"), 7);
	says(g->errors,
	    "a head over 3 records of NOR was verified before; the last one here covers "
	    "0\n");
	/* another history of the same length */
	char *root = strstr(kept, " NOR 3 ");
	assert_non_null(root);
	root[7] = root[7] == '0' ? '1' : '0';
	rewrite(g, "kept", kept);
	assert_int_equal(
	    RUN(g, "verify", "nor", "--party", "NOR", "--key", g->vkey, "--state", "kept"), 5);
	says(g->errors, "the first 3 records of NOR are not those verified before\n");
	rewrite(g, "kept", "relto-verify heads 1\nparty hub.example/relto/g1 NOR 3 x\n");
	assert_int_equal(RUN(g, "verify", "hub", "--key", g->vkey, "--state", "kept"), 1);
	says(g->errors, "'kept' is no file of kept heads");
}

struct kept_line {
	const char *kind;
	uint64_t index;
	unsigned place, day; /* in its party's history; after the log's start */
};

/* A line of evidence of the record at 'index'. */
static void
evidence_of(struct rig *g, const struct kept_line *l, char *to)
{
	char hex[65];
	golden_hex(g->s->entries[l->index].data, 32, hex);
	(void)sprintf(to, "%s 5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a %u %u %s %llu\n", l->kind,
	    l->kind[0] == 'r' ? (unsigned)l->index : 0, l->place, hex,
	    SMALL_START_S + (unsigned long long)l->day * SMALL_DAY_S);
}

static void
what_clients_kept_must_be_in_the_log(void **state)
{
	struct rig *g = *state;
	char text[2048];
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	write_bundle(g, "b");
	small_bundle(g->s, "NOR", 0);
	write_bundle(g, "nor");
	evidence_of(g, &(struct kept_line){ "receipt", 3, 0, 0 }, text);
	evidence_of(g, &(struct kept_line){ "delivery", 6, 1, 0 }, text + strlen(text));
	rewrite(g, "kept", text);
	assert_int_equal(RUN(g, "verify", "b", "--key", g->vkey, "--evidence", "kept"), 0);
	says(g->out, "2 lines of what clients kept of receipts and deliveries\n");
	/* a publisher's receipt is not in a recipient's own bundle */
	assert_int_equal(
	    RUN(g, "verify", "nor", "--party", "NOR", "--key", g->vkey, "--evidence", "kept"), 7);
	says(g->errors,
	    "a client kept evidence of a receipt, number 0 of its party's history, that "
	    "is not in this log\n");
	evidence_of(g, &(struct kept_line){ "delivery", 6, 2, 0 }, text);
	rewrite(g, "kept", text);
	assert_int_equal(RUN(g, "verify", "b", "--key", g->vkey, "--evidence", "kept"), 5);
	says(g->errors,
	    "record 6: a client was told that it is something else, or stands elsewhere");
	evidence_of(g, &(struct kept_line){ "receipt", 6, 1, 0 }, text);
	rewrite(g, "kept", text);
	assert_int_equal(RUN(g, "verify", "b", "--key", g->vkey, "--evidence", "kept"), 5);
	evidence_of(g, &(struct kept_line){ "delivery", 6, 1, 1 }, text);
	char *digit = &text[strlen(text) - 20]; /* of the leaf hash */
	*digit = *digit == '0' ? '1' : '0';
	rewrite(g, "kept", text);
	assert_int_equal(RUN(g, "verify", "b", "--key", g->vkey, "--evidence", "kept"), 8);
	says(g->errors, "that is not in this log, which ends before\n");
	rewrite(g, "kept", "delivery x\n");
	assert_int_equal(RUN(g, "verify", "b", "--key", g->vkey, "--evidence", "kept"), 1);
	says(g->errors, "'kept', line 1: no evidence");
	assert_int_equal(RUN(g, "verify", "b", "--key", g->vkey, "--evidence", "none"), 1);
	says(g->errors, "'none': no such file");
}

static void
what_is_missing_is_listed_and_is_a_finding_if_asked(void **state)
{
	struct rig *g = *state;
	json_error_t why;
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	for (size_t i = 0; i < g->s->file_count; i++)
		if (strncmp(g->s->files[i].path, "seal/", 5) == 0)
			g->s->files[i].path[0] = 'x';
	write_bundle(g, "b");
	assert_int_equal(RUN(g, "verify", "b", "--key", g->vkey), 0);
	says(g->out, "missing  seal/");
	says(g->out, " of record 3\n");
	assert_int_equal(RUN(g, "verify", "b", "--key", g->vkey, "--json"), 0);
	json_t *j = json_loads(g->out, JSON_REJECT_DUPLICATES, &why);
	assert_non_null(j);
	const json_t *lacks = json_object_get(j, "lacks");
	assert_int_equal(json_array_size(lacks), 2);
	const json_t *seal = json_array_get(lacks, 1);
	assert_int_equal(json_integer_value(json_object_get(seal, "index")), 3);
	says(json_string_value(json_object_get(seal, "path")), "seal/");
	json_decref(j);
	assert_int_equal(RUN(g, "verify", "b", "--key", g->vkey, "--strict"), 7);
	says(g->errors, "completeness: record 3: seal/");
	says(g->errors, " is not in the bundle\n");
}

static void
a_witness_counts_once_and_is_a_witness(void **state)
{
	struct rig *g = *state;
	struct note_key other = g->s->vkey;
	char vkey[NOTE_VKEY_MAX], own[NOTE_VKEY_MAX];
	struct note_name name = { bytes_of("w"), NOTE_COSIGNATURE };
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	write_bundle(g, "b");
	assert_true(note_key_make(&g->s->h, &name, g->s->vkey.public, &other, NULL));
	note_key_print(&other, own);
	other.public[0] ^= 1;
	assert_true(note_key_make(&g->s->h, &name, other.public, &other, NULL));
	note_key_print(&other, vkey);
	assert_int_equal(RUN(g, "verify", "b", "--key", g->vkey, "--witness", vkey, "--witness",
			     vkey, "--quorum", "2"),
	    1);
	says(g->errors, "is given twice\n");
	assert_int_equal(RUN(g, "verify", "b", "--key", g->vkey, "--witness", own), 1);
	says(g->errors, "has the log's own key\n");
	assert_int_equal(RUN(g, "verify", "b", "--key", g->vkey, "--witness", g->vkey), 1);
	says(g->errors, "it is of type 01, where a witness has 04\n");
	assert_int_equal(RUN(g, "verify", "b", "--key", vkey), 1);
	says(g->errors, "it is of type 04, where a log has 01\n");
}

static void
records_are_shown_only_once_the_root_is_proved(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	write_bundle(g, "b");
	assert_int_equal(RUN(g, "show", "b", "--key", g->vkey, "type=intake"), 0);
	assert_int_equal(lines(g->out), 1);
	small_file(g->s, "tile/0/000.p/10")->data[9 * 32] ^= 1;
	write_bundle(g, "b");
	assert_int_equal(RUN(g, "show", "b", "--key", g->vkey, "type=intake"), 4);
	assert_string_equal(g->out, "");
	assert_int_equal(RUN(g, "party", "b", "NOR", "--key", g->vkey), 4);
	assert_string_equal(g->out, "");
	small_bundle(g->s, "", 0);
	small_file(g->s, "record/000000")->len -= 3;
	write_bundle(g, "b");
	assert_int_equal(RUN(g, "show", "b", "--key", g->vkey, "type=intake"), 2);
	assert_string_equal(g->out, "");
}

static void
help_and_version_are_data(void **state)
{
	struct rig *g = *state;
	assert_int_equal(RUN(g, "--help"), 0);
	says(g->out, "usage: relto-verify verify BUNDLE");
	assert_int_equal(RUN(g, "show", "--help"), 0);
	assert_int_equal(RUN(g, "--version"), 0);
	says(g->out, "relto-verify ");
	assert_string_equal(g->errors, "");
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_a_bundle_says_of_itself_does_not_choose_what_is_checked),
		T(a_partys_history_is_claimed_only_as_far_as_its_heads),
		T(a_head_of_a_party_that_was_kept_must_be_shown_again),
		T(what_clients_kept_must_be_in_the_log),
		T(what_is_missing_is_listed_and_is_a_finding_if_asked),
		T(a_witness_counts_once_and_is_a_witness),
		T(records_are_shown_only_once_the_root_is_proved),
		T(help_and_version_are_data),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
