/* A job that is too large for the store: its own failure, and nobody else's. */
#include "tests/lib/test.h"

#include "client/cli/mint.h"
#include "daemon/committer.h"
#include "daemon/config.h"
#include "daemon/mailbox.h"
#include "tests/lib/store_rig.h"

#include <openssl/evp.h>
#include <stdlib.h>

enum { TOO_LARGE = 1200000, ARENA = 8 << 20 };

struct rig {
	struct store_rig store;
	struct ledger ledger;
	struct config config;
	struct shell shell;
	struct committer *committer;
	EVP_PKEY *key;
};

static int
setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	assert_non_null(r);
	store_rig_init(&r->store);
	assert_true(store_rig_open(&r->store));
	OK(&r->store, ledger_init(&r->ledger, r->store.store, &r->store.e));
	r->ledger.fence = r->store.fence;
	r->key = mint_ed25519();
	r->shell = (struct shell){ .store = r->store.store,
		.config = &r->config,
		.node = bytes_of("hub-1"),
		.origin = bytes_of("hub.example/g1") };
	wall_init(&r->shell.wall, UINT64_MAX);
	OK(&r->store, mailbox_new(16, &r->shell.committer, &r->store.e));
	OK(&r->store, mailbox_new(16, &r->shell.main, &r->store.e));
	const struct committer_setup cs = { .shell = &r->shell,
		.ledger = &r->ledger,
		.key = r->key,
		.version = "1",
		.heads_ms = 10000,
		.party_heads_ms = 60000 };
	OK(&r->store, committer_new(&cs, &r->committer, &r->store.e));
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *r = *state;
	committer_free(r->committer);
	ledger_done(&r->ledger);
	store_rig_done(&r->store);
	mailbox_free(r->shell.committer);
	mailbox_free(r->shell.main);
	EVP_PKEY_free(r->key);
	free(r);
	return 0;
}

/* An ADMIN record whose argument has 'len' bytes. */
static void
post(struct rig *r, size_t len, uint64_t request)
{
	static const uint8_t salts[RECORD_SALTS];
	struct err *e = &r->store.e;
	struct job *j = job_new(JOB_RECORDS, NULL, ARENA);
	struct record *record = arena_zalloc(j->arena, 1, sizeof(*record));
	const struct slot_common common = { .type = EVENT_ADMIN };
	const struct slot_hub hub = { r->shell.node, SLOT_ABSENT, NULL, bytes_of("free") };
	struct body b;
	char *text = malloc(len + 1);
	memset(text, 'a', len);
	event_body_begin(&b, EVENT_ADMIN);
	event_body_bytes(&b, BODY_ADMIN_COMMAND, bytes_of("reload"));
	event_body_bytes(&b, BODY_ADMIN_ARGUMENT, bytes_from(text, len));
	event_body_bytes(&b, BODY_ADMIN_RESULT, bytes_of("ok"));
	OK(&r->store, record_begin(record, j->arena, salts, e));
	OK(&r->store, record_set_common(record, j->arena, &common, e));
	OK(&r->store, record_set_hub(record, j->arena, &hub, e));
	OK(&r->store, record_set_body(record, j->arena, &b, e));
	free(text);
	j->notes.records = record;
	j->notes.count = j->records = 1;
	j->home = JOB_HOME_MAIN;
	j->request = request;
	assert_true(committer_take(&r->shell, &j));
}

static struct job *
home(struct rig *r)
{
	assert_true(mailbox_wait(r->shell.main, 30000));
	struct mailbox_item *item = mailbox_take(r->shell.main, 1);
	return MAILBOX_ENTRY(MAILBOX_ENTRY(item, struct letter, item), struct job, letter);
}

static void
comes_home(struct rig *r, uint64_t request, enum job_fate fate, enum err_code code)
{
	struct job *j = home(r);
	assert_int_equal(j->request, request);
	assert_int_equal(j->fate, fate);
	assert_int_equal(j->err.code, code);
	job_free(j);
}

static void
a_job_that_is_too_large_fails_by_itself_and_the_broker_goes_on(void **state)
{
	struct rig *r = *state;
	post(r, 1, 1);
	post(r, TOO_LARGE, 2);
	OK(&r->store, committer_start(r->committer, &r->store.e)); /* one batch has both */
	comes_home(r, 1, JOB_FAILED, ERR_BUSY);
	comes_home(r, 2, JOB_FAILED, ERR_LIMIT);
	post(r, 1, 3);
	comes_home(r, 3, JOB_DONE, ERR_NONE);
	OK(&r->store, committer_stop(r->committer, "test", &r->store.e));
	assert_false(store_is_broken(r->store.store));
	/* START, the job that was done, STOP */
	assert_int_equal(r->ledger.log.tree.leaf_count, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_job_that_is_too_large_fails_by_itself_and_the_broker_goes_on, setup,
		    teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
