#include "tests/lib/test.h"

#include "audit/verify_say.h"
#include "tests/unit/audit/small.h"

/* A run over files in memory. */
struct rig {
	struct small *s;
	struct verify_ask ask;
	struct note_seen seen[CHECKPOINT_WITNESSES_MAX];
	struct checkpoint_trust trust;
	struct verify_result result;
	struct verify_told told;
	struct arena a;
	unsigned records;
};

static bool
read_file(void *ctx, const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	struct rig *g = ctx;
	struct small_file *f = small_file(g->s, path);
	*out = (struct bytes){ NULL, 0 };
	return f == NULL || arena_copy(a, bytes_from(f->data, f->len), out, e);
}

static void
on_finding(void *ctx, const struct verify_finding *f)
{
	struct rig *g = ctx;
	verify_say_finding(&g->told, f);
}

static void
on_record(void *ctx, const struct verify_record *r)
{
	struct rig *g = ctx;
	(void)r;
	g->records++;
}

static int
setup(void **state)
{
	struct rig *g = calloc(1, sizeof(*g));
	g->s = small_new();
	arena_init(&g->a, (size_t)1 << 30);
	g->trust = (struct checkpoint_trust){ .log = &g->s->vkey, .seen = g->seen };
	g->ask = (struct verify_ask){ .read = read_file,
		.on_record = on_record,
		.on_finding = on_finding,
		.ctx = g,
		.trust = &g->trust,
		.now_s = SMALL_START_S + 3600 };
	*state = g;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *g = *state;
	small_free(g->s);
	arena_done(&g->a);
	free(g);
	return 0;
}

static void
verify(struct rig *g)
{
	struct err e;
	g->told.count = 0;
	g->records = 0;
	arena_done(&g->a);
	arena_init(&g->a, (size_t)1 << 30);
	if (!verify_bundle(&g->s->h, &g->a, &g->ask, &g->result, &e))
		fail_msg("%s", e.text);
}

static void
expect(struct rig *g, enum verify_code code, const char *text)
{
	verify(g);
	bool said = text == NULL;
	for (size_t i = 0; i < g->told.count; i++)
		said = said || strstr(g->told.finding[i].text, text) != NULL;
	if (g->result.code == code && said)
		return;
	for (size_t i = 0; i < g->told.count; i++)
		print_message("%d record %d: %s\n", (int)g->told.finding[i].code,
		    (int)g->told.finding[i].index, g->told.finding[i].text);
	fail_msg("code %d, not %d with '%s'", (int)g->result.code, (int)code, text);
}

/* The bundle of the hub's auditor, then the verdict. */
static void
expect_log(struct rig *g, enum verify_code code, const char *text)
{
	small_bundle(g->s, "", 0);
	expect(g, code, text);
}

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

/* START to INTAKE. */
static uint64_t
accepted(struct small *s)
{
	small_start(s);
	small_policy(s, "policy");
	small_report(s);
	return small_intake(s);
}

static void
a_decision_must_say_what_its_digest_and_outcome_say(void **state)
{
	struct rig *g = *state;
	uint64_t intake = accepted(g->s);
	struct small_decision d = { EVENT_DECISION, "NOR", OUTCOME_REDACT, SMALL_REDACT, 3, intake,
		NULL };
	small_decide(g->s, &d);
	expect_log(g, VERIFY_CONTENT, "are not those that its digest names");
	d = (struct small_decision){ EVENT_DECISION, "KEN", OUTCOME_RELEASE, SMALL_REDACT, 1,
		intake, NULL };
	small_decide(g->s, &d);
	expect_log(g, VERIFY_CONTENT, "its outcome does not follow from its reasons");
	d = (struct small_decision){ EVENT_DECISION, "USA", OUTCOME_WITHHOLD, SMALL_WITHHOLD, 1,
		intake, NULL };
	small_decide(g->s, &d);
	expect_log(g, VERIFY_CONTENT, "outcome and digest of what is released do not fit");
	d = (struct small_decision){ EVENT_DECISION, "DEU", OUTCOME_RELEASE,
		"0 release release a r\n1 release release a r\n2 release release a r\n", 3, intake,
		NULL };
	small_decide(g->s, &d);
	expect_log(g, VERIFY_CONTENT, "it releases portion 2, which the report does not have");
}

static void
a_decision_away_from_its_intake_is_a_gap(void **state)
{
	struct rig *g = *state;
	uint64_t intake = accepted(g->s);
	struct small_decision d = { EVENT_DECISION, "NOR", OUTCOME_RELEASE, SMALL_RELEASE, 3,
		intake, NULL };
	small_agreement(g->s, "NOR");
	small_decide(g->s, &d);
	expect_log(g, VERIFY_GAP, "a first decision does not stand with its INTAKE without a gap");
}

static void
one_recipient_is_judged_once(void **state)
{
	struct rig *g = *state;
	uint64_t intake = accepted(g->s);
	struct small_decision d = { EVENT_DECISION, "NOR", OUTCOME_RELEASE, SMALL_RELEASE, 3,
		intake, NULL };
	small_decide(g->s, &d);
	d = (struct small_decision){ EVENT_DECISION, "KEN\nNOR", OUTCOME_WITHHOLD, SMALL_WITHHOLD,
		0, intake, NULL };
	small_decide(g->s, &d);
	expect_log(g, VERIFY_GAP, "one recipient is judged twice");
}

static void
a_report_is_accepted_once(void **state)
{
	struct rig *g = *state;
	accepted(g->s);
	g->s->intake = 0;
	small_intake(g->s);
	expect_log(g, VERIFY_GAP, "the same report was accepted before");
}

static void
a_later_decision_links_and_only_narrows(void **state)
{
	struct rig *g = *state;
	uint64_t intake = accepted(g->s);
	struct small_decision d = { EVENT_DECISION, "NOR", OUTCOME_REDACT, SMALL_REDACT, 1, intake,
		NULL };
	uint64_t first = small_decide(g->s, &d);
	d = (struct small_decision){ EVENT_NARROWED, "NOR", OUTCOME_WITHHOLD, SMALL_WITHHOLD, 0,
		first, NULL };
	uint64_t second = small_decide(g->s, &d);
	small_head(g->s, "GBR");
	expect_log(g, VERIFY_OK, NULL);
	d.link = first;
	small_decide(g->s, &d);
	expect_log(g, VERIFY_GAP, "it does not link to the decision it replaces");
	d = (struct small_decision){ EVENT_NARROWED, "NOR", OUTCOME_RELEASE, SMALL_RELEASE, 3,
		second + 2, NULL };
	small_decide(g->s, &d);
	expect_log(g, VERIFY_GAP, "it widens the decision it replaces");
}

static void
a_delivery_without_a_decision_that_releases_is_a_gap(void **state)
{
	struct rig *g = *state;
	uint64_t intake = accepted(g->s);
	struct small_decision no = { EVENT_DECISION, "KEN", OUTCOME_WITHHOLD, SMALL_WITHHOLD, 0,
		intake, NULL },
			      yes = { EVENT_DECISION, "NOR", OUTCOME_REDACT, SMALL_REDACT, 1,
				      intake, NULL };
	uint64_t withheld = small_decide(g->s, &no), redacted = small_decide(g->s, &yes);
	small_deliver(g->s, "KEN", withheld, 3);
	expect_log(g, VERIFY_GAP, "a delivery of what is not released");
	small_deliver(g->s, "NOR", redacted, 3);
	expect_log(g, VERIFY_GAP, "a delivery of other portions than are released");
	small_deliver(g->s, "NOR", withheld, 1);
	expect_log(g, VERIFY_GAP, "a delivery that does not follow the current decision");
}

static void
a_delivery_after_the_report_expired_is_a_gap(void **state)
{
	struct rig *g = *state;
	uint64_t intake = accepted(g->s);
	struct small_decision d = { EVENT_DECISION, "NOR", OUTCOME_RELEASE, SMALL_RELEASE, 3,
		intake, NULL };
	uint64_t released = small_decide(g->s, &d);
	small_expire(g->s, "NOR", released);
	expect_log(g, VERIFY_OK, NULL);
	small_deliver(g->s, "NOR", released, 3);
	expect_log(g, VERIFY_GAP, "a delivery of what is not released");
	small_expire(g->s, "NOR", intake);
	expect_log(g, VERIFY_GAP, "it does not name the current decision for its recipient");
}

static void
an_acknowledgement_names_deliveries_to_the_same_party(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_ack(g->s, "KEN", 6);
	expect_log(g, VERIFY_GAP, "it acknowledges record 6, another's delivery");
	small_ack(g->s, "NOR", 5);
	expect_log(g, VERIFY_GAP, "it acknowledges record 5, which is no delivery");
}

static void
a_decision_under_another_policy_than_the_last_is_a_gap(void **state)
{
	struct rig *g = *state;
	uint8_t old[32], later[32];
	small_start(g->s);
	small_policy(g->s, "policy");
	memcpy(old, g->s->policy, 32);
	small_policy(g->s, "policy two");
	memcpy(later, g->s->policy, 32);
	small_report(g->s);
	memcpy(g->s->policy, old, 32);
	small_intake(g->s);
	expect_log(g, VERIFY_GAP, "a policy that is not the last POLICY record's");
	small_policy(g->s, "policy three");
	expect_log(g, VERIFY_GAP, "it does not name the policy before it");
}

static void
a_record_left_out_of_a_partys_tree_is_a_gap(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	struct merkle saved = g->s->nor;
	small_agreement(g->s, "NOR");
	g->s->nor = saved;
	small_agreement(g->s, "NOR");
	small_bundle(g->s, "NOR", 0);
	expect(g, VERIFY_GAP, "it is number 3 of NOR, but 4 are before it");
	small_head(g->s, "NOR");
	expect_log(g, VERIFY_GAP, "it states 4 records of NOR; there are 5");
}

static void
heads_of_parties_state_the_tree_and_the_head_before(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_head_of(g->s, "NOR", SLOT_ABSENT, true);
	expect_log(g, VERIFY_GAP, "it does not name the head before it");
	small_agreement(g->s, "KEN");
	g->s->ken.frontier[0][0] ^= 1;
	small_head(g->s, "KEN");
	expect_log(g, VERIFY_GAP, "it states another tree of KEN");
}

static void
start_and_stop_state_the_tree_they_found(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	struct merkle saved = g->s->log.tree;
	g->s->log.tree.leaf_count--;
	struct record r;
	struct body b;
	uint8_t root[32];
	assert_true(merkle_root(&g->s->h, &g->s->log.tree, root, NULL));
	g->s->log.tree = saved;
	small_begin(g->s, &r, EVENT_STOP, false);
	small_by_hub(g->s, &r);
	event_body_begin(&b, EVENT_STOP);
	event_body_uint(&b, BODY_STOP_SIZE, saved.leaf_count);
	event_body_bytes(&b, BODY_STOP_ROOT, bytes_from(root, 32));
	event_body_bytes(&b, BODY_STOP_CAUSE, bytes_of("signal"));
	small_body(g->s, &r, &b);
	small_add(g->s, &r, NULL, NULL, 0);
	expect_log(g, VERIFY_CONSISTENCY, "it states another tree than the records before it");
}

static void
an_erased_person_needs_a_record_of_its_erasure(void **state)
{
	struct rig *g = *state;
	struct record r;
	uint8_t leaf[32], index[8];
	struct body b;
	small_usual(g->s);
	assert_true(record_entry_parse(g->s->entries[3], &r, leaf, NULL));
	assert_true(record_leaf(&g->s->h, &r, (uint8_t[32]){ 0 }, NULL));
	RECORD_SLOT(&r, 6)->open = false;
	uint8_t *entry = arena_alloc(&g->s->a, record_entry_size(&r));
	record_entry_write(&r, leaf, entry);
	struct bytes before = g->s->entries[3];
	g->s->entries[3] = bytes_from(entry, record_entry_size(&r));
	expect_log(g, VERIFY_GAP, "its person is erased, but no ERASE says so");
	put_u64(index, 3);
	small_begin(g->s, &r, EVENT_ERASE, false);
	small_by_hub(g->s, &r);
	event_body_begin(&b, EVENT_ERASE);
	event_body_bytes(&b, BODY_ERASE_RECORDS, bytes_from(index, 8));
	small_body(g->s, &r, &b);
	small_add(g->s, &r, NULL, NULL, 0);
	expect_log(g, VERIFY_OK, NULL);
	assert_int_equal(g->result.erased, 1);
	g->s->entries[3] = before;
	expect_log(g, VERIFY_GAP, "an ERASE names it, but its person is not erased");
}

static void
times_that_fall_or_lie_ahead_are_anomalies(void **state)
{
	struct rig *g = *state;
	small_usual(g->s);
	small_bundle(g->s, "", 0);
	g->ask.now_s = SMALL_START_S - 300;
	expect(g, VERIFY_OK, NULL);
	g->ask.now_s = SMALL_START_S - 301;
	expect(g, VERIFY_TIME, "its time is in the future");
	g->ask.now_s = 0;
	expect(g, VERIFY_OK, NULL);
	g->s->log.time = 0;
	g->s->now = 1000000;
	small_agreement(g->s, "NOR");
	expect_log(g, VERIFY_TIME, "its time is before that of a record before it");
}

static void
facts_lie_between_acceptance_and_record(void **state)
{
	struct rig *g = *state;
	small_start(g->s);
	small_policy(g->s, "policy");
	g->s->now += 1000000;
	small_report(g->s);
	g->s->now -= 1000000;
	small_intake(g->s);
	expect_log(g, VERIFY_TIME, "do not follow one another in time");
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
		T(a_decision_must_say_what_its_digest_and_outcome_say),
		T(a_decision_away_from_its_intake_is_a_gap),
		T(one_recipient_is_judged_once),
		T(a_report_is_accepted_once),
		T(a_later_decision_links_and_only_narrows),
		T(a_delivery_without_a_decision_that_releases_is_a_gap),
		T(a_delivery_after_the_report_expired_is_a_gap),
		T(an_acknowledgement_names_deliveries_to_the_same_party),
		T(a_decision_under_another_policy_than_the_last_is_a_gap),
		T(a_record_left_out_of_a_partys_tree_is_a_gap),
		T(heads_of_parties_state_the_tree_and_the_head_before),
		T(start_and_stop_state_the_tree_they_found),
		T(an_erased_person_needs_a_record_of_its_erasure),
		T(times_that_fall_or_lie_ahead_are_anomalies),
		T(facts_lie_between_acceptance_and_record),
		T(a_head_kept_from_before_must_be_one_of_this_log),
		T(an_old_log_is_stale_when_an_age_was_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
