/* New rules that have thousands of things to tell: in steps, each a batch that is small enough. */
#include "tests/lib/test.h"

#include "audit/note.h"
#include "client/cli/mint.h"
#include "daemon/batch.h"
#include "daemon/ruleset.h"
#include "policy/text.h"
#include "tests/lib/store_rig.h"
#include "tests/lib/world.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

enum { MEMBERS = 600, AGREEMENTS = 4, PARTIES = MEMBERS + 1 };

struct rig {
	struct store_rig store;
	struct ledger ledger;
	struct worker worker, *workers[1];
	struct shell shell;
	struct committer committer;
	struct world world; /* whose trust comes with the rules, for the broker's certificate */
	struct job *job;
	unsigned version;
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
write_agreement(FILE *to, size_t i, unsigned version)
{
	(void)fprintf(to,
	    "agreement a%zu {\n version %u\n valid from 2026-01-01 until 2026-12-31\n"
	    " state in-force\n mode live\n topics [ x ]\n",
	    i, version);
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
	FILE *to = open_memstream(&text, &len);
	(void)fprintf(to, "hub P%d\n", MEMBERS);
	for (i = 0; i < PARTIES; i++)
		write_party(to, i);
	for (i = 0; i < AGREEMENTS; i++)
		write_agreement(to, i, r->version);
	(void)fclose(to);
	bool ok = arena_copy(a, bytes_of(text), out, e);
	free(text);
	return ok;
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
	OK(&r->store, ledger_begin(&r->ledger, 1000, &r->store.e));
}

/* Ends a batch; how many records it had. */
static size_t
end(struct rig *r)
{
	const struct store_stamp now = { .time_us = 1000 };
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
	r->ledger.fence.epoch = r->job->policy.rules->number;
	memcpy(r->ledger.fence.policy, epoch_digest(r->job->policy.rules->epoch), 32);
	drop(r);
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
		RULES_TEST(party_heads_come_in_batches_and_each_party_has_one),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (size_t i = 0; i < PARTIES; i++)
		free(authorities[i]);
	return failed;
}
