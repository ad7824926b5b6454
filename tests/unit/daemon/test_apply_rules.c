/* New rules that have thousands of things to tell: in steps, each a batch that is small enough. */
#include "tests/lib/test.h"

#include "audit/note.h"
#include "client/cli/mint.h"
#include "daemon/batch.h"
#include "daemon/ruleset.h"
#include "policy/compile.h"
#include "policy/text.h"
#include "tests/lib/store_rig.h"
#include "tests/lib/world.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

enum { MEMBERS = 600, AGREEMENTS = 4, PARTIES = MEMBERS + 1 };
enum { FROM = 10, UNTIL = 20 };

struct rig {
	struct store_rig store;
	struct ledger ledger;
	struct worker worker, *workers[1];
	struct shell shell;
	struct committer committer;
	struct world world; /* whose trust comes with the rules, for the broker's certificate */
	struct job *job;
	unsigned version;
	bool must_sign;	 /* a0 requires the signature of P0.. */
	bool has_signed; /* ..which is there, by a certificate of FROM to UNTIL */
	uint64_t now_us;
};

/* ---- a policy in memory ---- */

static char *authorities[PARTIES]; /* PEM; for all tests */

static char *
authority(const char *name)
{
	struct err e = { 0 };
	const struct mint_spec spec = { .name = name, .usage = MINT_AUTHORITY, .until_s = 1 };
	EVP_PKEY *key = mint_p256();
	BIO *pem = BIO_new(BIO_s_mem());
	char *data;
	X509 *cert;
	assert_true(mint_cert(&spec, key, NULL, &cert, &e));
	assert_int_equal(PEM_write_bio_X509(pem, cert), 1);
	size_t len = (size_t)BIO_get_mem_data(pem, &data);
	char *text = strndup(data, len);
	BIO_free(pem);
	X509_free(cert);
	EVP_PKEY_free(key);
	return text;
}

static void
write_party(FILE *to, size_t i)
{
	(void)fprintf(
	    to, "party P%zu {\n trust-domain p%zu.x\n trust-bundle \"p%zu.pem\"\n", i, i, i);
	(void)fprintf(to, " agent /a { roles [ subscribe ] }\n}\n");
}

static void
write_agreement(FILE *to, const struct rig *r, size_t i)
{
	(void)fprintf(to,
	    "agreement a%zu {\n version %u\n valid from 2026-01-01 until 2026-12-31\n"
	    " state in-force\n mode live\n topics [ x ]\n%s",
	    i, r->version, r->must_sign && i == 0 ? " signatures required [ P0 ]\n" : "");
	for (size_t k = 0; k < MEMBERS; k++)
		(void)fprintf(to, " member P%zu { may [ receive ] }\n", k);
	(void)fprintf(to, "}\n");
}

static bool
read_memory(void *ctx, const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	const struct rig *r = ctx;
	size_t i, len;
	char *text = NULL;
	if (sscanf(path, "p%zu.pem", &i) == 1) {
		if (authorities[i] == NULL)
			authorities[i] = authority(path);
		return arena_copy(a, bytes_of(authorities[i]), out, e);
	}
	if (strncmp(path, "signatures/", 11) == 0)
		return err_set(e, ERR_NOT_FOUND, "%s", path);
	FILE *to = open_memstream(&text, &len);
	(void)fprintf(to, "hub P%d\n", MEMBERS);
	for (i = 0; i < PARTIES; i++)
		write_party(to, i);
	for (i = 0; i < AGREEMENTS; i++)
		write_agreement(to, r, i);
	(void)fclose(to);
	bool ok = arena_copy(a, bytes_of(text), out, e);
	free(text);
	return ok;
}

/* As if the file had been there, and judged. */
static void
put_signature(struct epoch *epoch)
{
	struct agreement *a = &epoch->agreements[0];
	a->signatures[0].why = NULL;
	a->signatures[0].file = bytes_of("a signature");
	a->signed_by = bytes_of("P0 0123\n");
	a->signed_from = FROM;
	a->signed_until = UNTIL;
}

static struct ruleset *
rules(struct rig *r, unsigned version)
{
	const struct epoch_source source = { .read = read_memory, .ctx = r };
	struct text_errors errors;
	struct epoch *epoch = NULL;
	struct trust *trust = world_trust(&r->world);
	r->version = version;
	text_errors_init(&errors);
	OK(&r->store, epoch_load(&source, "relto.policy", 0, &errors, &epoch, &r->store.e));
	text_errors_done(&errors);
	if (r->has_signed)
		put_signature(epoch);
	struct ruleset *made = ruleset_new(&epoch, &trust);
	assert_non_null(made);
	return made;
}

/* ---- a committer without a thread ---- */

static int
setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	assert_non_null(r);
	r->now_us = 1000;
	store_rig_init(&r->store);
	r->store.config.map_bytes = 1u << 30;
	assert_true(store_rig_open(&r->store));
	OK(&r->store, ledger_init(&r->ledger, r->store.store, &r->store.e));
	r->ledger.fence = r->store.fence;
	r->workers[0] = &r->worker;
	r->worker = (struct worker){ .count = 1, .all = r->workers };
	r->shell = (struct shell){ .store = r->store.store,
		.workers = r->workers,
		.worker_count = 1,
		.node = bytes_of("hub-1"),
		.origin = bytes_of("hub.example/g1") };
	wall_init(&r->shell.wall, UINT64_MAX);
	struct note_name name = { r->shell.origin, NOTE_ED25519 };
	EVP_PKEY *key = mint_ed25519();
	r->committer = (struct committer){ .shell = &r->shell, .ledger = &r->ledger };
	OK(&r->store, note_key_of(&r->ledger.sha, &name, key, &r->committer.key, &r->store.e));
	EVP_PKEY_free(key);
	world_make(&r->world);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *r = *state;
	world_done(&r->world);
	salt_done(&r->committer.salts);
	ledger_done(&r->ledger);
	store_rig_done(&r->store);
	free(r);
	return 0;
}
#define RULES_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void
begin(struct rig *r)
{
	OK(&r->store, ledger_begin(&r->ledger, r->now_us, &r->store.e));
}

/* Ends a batch; how many records it had. */
static size_t
end(struct rig *r)
{
	const struct store_stamp now = { .time_us = r->now_us };
	size_t records = r->ledger.appended;
	assert_true(records <= LIMIT_BATCH_RECORDS);
	OK(&r->store, ledger_commit(&r->ledger, &now, &r->store.e));
	return records;
}

/* One step of the job at hand; false: it was the last. */
static bool
step(struct rig *r, size_t *records)
{
	r->job->fate = JOB_PENDING;
	begin(r);
	OK(&r->store, apply_rules(&r->committer, r->job, &r->store.e));
	*records += end(r);
	return r->job->fate == JOB_UNFINISHED;
}

static void
take(struct rig *r, unsigned version)
{
	r->job = job_new(JOB_RULES, NULL, 4096);
	assert_non_null(r->job);
	r->job->policy.rules = rules(r, version);
	r->committer.next = NULL;
}

static void
drop(struct rig *r)
{
	ruleset_unref(r->job->policy.rules);
	job_free(r->job);
}

/* The job is over. */
static void
put_in_force(struct rig *r)
{
	r->ledger.fence.epoch = r->job->policy.rules->number;
	memcpy(r->ledger.fence.policy, epoch_digest(r->job->policy.rules->epoch), 32);
	drop(r);
}

/* How many records all steps have; the POLICY record counts from the last one on. */
static size_t
load(struct rig *r, unsigned version, size_t *steps)
{
	size_t records = 0;
	take(r, version);
	for (*steps = 1; step(r, &records); *steps += 1)
		assert_null(r->committer.next);
	assert_ptr_equal(r->committer.next, r->job->policy.rules);
	assert_int_equal(r->job->policy.rules->number, r->ledger.log.tree.leaf_count - 1);
	put_in_force(r);
	return records;
}

static void
no_batch_of_new_rules_has_more_records_than_a_batch_may(void **state)
{
	struct rig *r = *state;
	size_t steps;
	/* of a party two SUBSCRIPTIONs, and KEYs of the log, the broker and an anchor */
	assert_int_equal(load(r, 1, &steps), 5 * PARTIES + AGREEMENTS * MEMBERS + 1);
	assert_true(steps > (5 * PARTIES + AGREEMENTS * MEMBERS) / LIMIT_BATCH_RECORDS);
}

static void
rules_that_are_known_have_one_record(void **state)
{
	struct rig *r = *state;
	size_t steps;
	(void)load(r, 1, &steps);
	assert_int_equal(load(r, 1, &steps), 1);
}

static void
rules_that_were_broken_off_anywhere_tell_only_what_is_missing(void **state)
{
	struct rig *r = *state;
	size_t steps, records = 0;
	(void)load(r, 1, &steps);
	for (unsigned after = 1; records < AGREEMENTS * MEMBERS / 2; after++) {
		take(r, 2);
		for (unsigned i = 0; i < after; i++)
			assert_true(step(r, &records));
		drop(r);
	}
	assert_true(records < AGREEMENTS * MEMBERS);
	records += load(r, 2, &steps);
	assert_int_equal(records, AGREEMENTS * MEMBERS + 1);
}

static void
what_was_told_before_rules_were_broken_off_is_not_taken_back(void **state)
{
	struct rig *r = *state;
	size_t steps, told = 0;
	(void)load(r, 1, &steps);
	take(r, 2);
	while (told == 0)
		assert_true(step(r, &told));
	drop(r);
	assert_true(told < MEMBERS);
	take(r, 1);
	while (step(r, &told))
		;
	/* the first member of the first agreement was told of version 2, and no other's */
	const struct epoch *epoch = r->job->policy.rules->epoch;
	for (size_t i = 0; i < AGREEMENTS; i++)
		assert_true((epoch_agreement_at(epoch, i)->refused != NULL) == (i == 0));
	drop(r);
}

/* ---- signatures under agreements ---- */

/* Whether a0 is usable under new rules of this version that come at this time. */
static bool
is_signed(struct rig *r, unsigned version, uint64_t at_us, bool has_signed)
{
	size_t records = 0;
	r->now_us = at_us;
	r->has_signed = has_signed;
	take(r, version);
	while (step(r, &records))
		;
	const struct agreement *a = epoch_agreement_at(r->job->policy.rules->epoch, 0);
	bool usable = !a->unsigned_;
	put_in_force(r);
	return usable;
}

static void
a_signature_counts_if_its_chain_holds_at_the_time_of_the_record(void **state)
{
	struct rig *r = *state;
	const uint64_t s = 1000000;
	r->must_sign = true;
	assert_false(is_signed(r, 1, FROM * s - 1, true));
	assert_false(is_signed(r, 2, FROM * s, false));
	assert_true(is_signed(r, 2, FROM * s, true));
	assert_true(is_signed(r, 3, UNTIL * s - 1, true));
	assert_false(is_signed(r, 4, UNTIL * s, true));
}

static void
what_was_accepted_as_signed_stays_so_when_the_certificate_has_expired(void **state)
{
	struct rig *r = *state;
	size_t records = 0;
	r->must_sign = true;
	assert_true(is_signed(r, 1, FROM * UINT64_C(1000000), true));
	r->now_us = (UNTIL + 10) * UINT64_C(1000000);
	for (unsigned has = 0; has < 2; has++) {
		r->has_signed = has != 0;
		take(r, 1);
		while (step(r, &records))
			;
		const struct agreement *a = epoch_agreement_at(r->job->policy.rules->epoch, 0);
		assert_false(a->unsigned_);
		assert_true(bytes_is(a->signed_by, "P0 0123\n"));
		put_in_force(r);
	}
	assert_int_equal(records, 2); /* nobody is told again */
}

static void
a_chain_that_ends_while_rules_come_in_steps_signs_nothing(void **state)
{
	struct rig *r = *state;
	size_t records = 0;
	r->must_sign = true;
	assert_true(is_signed(r, 1, FROM * UINT64_C(1000000), true));
	r->now_us = UNTIL * UINT64_C(1000000) - 1;
	take(r, 2);
	const struct agreement *a = epoch_agreement_at(r->job->policy.rules->epoch, 0);
	assert_true(step(r, &records));
	assert_true(!a->unsigned_ && records == 0); /* judged; it is told in the next step */
	r->now_us++;
	while (step(r, &records))
		;
	assert_true(a->unsigned_);
	assert_int_equal(records, (AGREEMENTS - 1) * MEMBERS + 1);
	drop(r);
}

/* A note that another build, or a damaged store, has of a0: version 1, in force, and 'more'. */
static void
put_note(struct rig *r, const uint8_t *more, size_t len)
{
	const struct agreement *a = epoch_agreement_at(r->job->policy.rules->epoch, 0);
	uint8_t note[128] = { 0 };
	put_u64(note, 1);
	note[8] = STATE_IN_FORCE;
	memcpy(note + 10, a->terms, 32);
	memcpy(note + 42, more, len);
	begin(r);
	OK(&r->store,
	    store_put_note(r->store.store, "terms/a0", bytes_from(note, 42 + len), &r->store.e));
	r->ledger.dirty = true;
	(void)end(r);
}

static void
terms_that_an_earlier_build_told_unsigned_take_signatures_still(void **state)
{
	struct rig *r = *state;
	size_t records = 0;
	r->must_sign = true;
	take(r, 1);
	put_note(r, (const uint8_t *)"", 0);
	while (step(r, &records))
		;
	assert_true(epoch_agreement_at(r->job->policy.rules->epoch, 0)->unsigned_);
	put_in_force(r);
	assert_true(is_signed(r, 1, FROM * UINT64_C(1000000), true));
}

static void
a_note_that_is_damaged_accepts_nothing(void **state)
{
	static const struct {
		size_t len;
		const char *why;
	} notes[] = { { 32, "who signed an agreement is not in the store" },
		{ 31, "the note on an agreement has 73 bytes" },
		{ 33, "the note on an agreement has 75 bytes" } };
	struct rig *r = *state;
	const uint8_t more[33] = { 1 };
	size_t records = 0;
	r->must_sign = true;
	take(r, 1);
	while (step(r, &records))
		;
	put_in_force(r);
	for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
		take(r, 1);
		put_note(r, more, notes[i].len);
		begin(r);
		assert_false(apply_rules(&r->committer, r->job, &r->store.e));
		assert_int_equal(r->store.e.code, ERR_CORRUPT);
		assert_string_equal(r->store.e.text, notes[i].why);
		ledger_undo(&r->ledger);
		drop(r);
	}
}

static void
party_heads_come_in_batches_and_each_party_has_one(void **state)
{
	struct rig *r = *state;
	size_t steps, heads = 0;
	(void)load(r, 1, &steps);
	r->committer.party_heads_due = true;
	r->committer.party_heads_round++;
	while (r->committer.party_heads_due) {
		begin(r);
		OK(&r->store, apply_party_heads(&r->committer, &r->store.e));
		/* who has more to tell meanwhile waits for the next round */
		r->ledger.roll.parties->head_size = 0;
		heads += end(r);
	}
	assert_int_equal(heads, PARTIES);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RULES_TEST(no_batch_of_new_rules_has_more_records_than_a_batch_may),
		RULES_TEST(rules_that_are_known_have_one_record),
		RULES_TEST(rules_that_were_broken_off_anywhere_tell_only_what_is_missing),
		RULES_TEST(what_was_told_before_rules_were_broken_off_is_not_taken_back),
		RULES_TEST(a_signature_counts_if_its_chain_holds_at_the_time_of_the_record),
		RULES_TEST(what_was_accepted_as_signed_stays_so_when_the_certificate_has_expired),
		RULES_TEST(a_chain_that_ends_while_rules_come_in_steps_signs_nothing),
		RULES_TEST(terms_that_an_earlier_build_told_unsigned_take_signatures_still),
		RULES_TEST(a_note_that_is_damaged_accepts_nothing),
		RULES_TEST(party_heads_come_in_batches_and_each_party_has_one),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (size_t i = 0; i < PARTIES; i++)
		free(authorities[i]);
	return failed;
}
