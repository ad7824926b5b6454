/* What a batch that fails, or a moment without memory, must not take along. */
#include "tests/lib/test.h"

#include "client/cli/mint.h"
#include "daemon/committer.h"
#include "daemon/config.h"
#include "daemon/mailbox.h"
#include "tests/lib/store_rig.h"

#include <openssl/evp.h>
#include <stdlib.h>

enum { TOO_LARGE = 1200000, ARENA = 8 << 20, S = 1000000, WAIT_MS = 30000 };

static atomic_uint notices_that_fail; /* for want of memory */

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *
__wrap_calloc(size_t n, size_t size)
{
	if (size == sizeof(struct notice) && atomic_load(&notices_that_fail) > 0) {
		atomic_fetch_sub(&notices_that_fail, 1);
		return NULL;
	}
	return __real_calloc(n, size);
}

static atomic_uint commits_that_fail;

bool __real_store_commit(struct store *s, const struct store_fence *expect,
    const struct store_stamp *now, struct err *e);
bool __wrap_store_commit(struct store *s, const struct store_fence *expect,
    const struct store_stamp *now, struct err *e);

bool
__wrap_store_commit(
    struct store *s, const struct store_fence *expect, const struct store_stamp *now, struct err *e)
{
	if (atomic_load(&commits_that_fail) == 0)
		return __real_store_commit(s, expect, now, e);
	atomic_fetch_sub(&commits_that_fail, 1);
	store_abort(s);
	return err_set(e, ERR_FULL, "the disk is full");
}

static atomic_uint entries_that_fail; /* as if they needed the archive */

bool __real_store_put_entry(struct store *s, uint64_t index, struct bytes value, struct err *e);
bool __wrap_store_put_entry(struct store *s, uint64_t index, struct bytes value, struct err *e);

bool
__wrap_store_put_entry(struct store *s, uint64_t index, struct bytes value, struct err *e)
{
	if (atomic_load(&entries_that_fail) == 0)
		return __real_store_put_entry(s, index, value, e);
	atomic_fetch_sub(&entries_that_fail, 1);
	return err_set(e, ERR_IO, "archived record 7: its checksum is wrong");
}

static _Atomic uint64_t boot_us, step_us;

static uint64_t
clock_boot(void *arg)
{
	(void)arg;
	return boot_us;
}

static uint64_t
clock_real(void *arg)
{
	(void)arg;
	return 1000 * (uint64_t)S + boot_us + step_us;
}

static bool
clock_synced(void *arg)
{
	(void)arg;
	return false;
}

struct rig {
	struct store_rig store;
	struct ledger ledger;
	struct config config;
	struct shell shell;
	struct committer *committer;
	struct worker *worker;
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
		.origin = bytes_of("hub.example/g1"),
		.workers = &r->worker,
		.worker_count = 1 };
	boot_us = S;
	step_us = 0;
	wall_init(&r->shell.wall, UINT64_MAX);
	r->shell.wall.source = (struct wall_source){ clock_real, clock_boot, clock_synced, NULL };
	const struct worker_setup ws = {
		.count = 1, .all = &r->worker, .clock = io_clock_system()
	};
	OK(&r->store, worker_new(&ws, &r->worker, &r->store.e));
	OK(&r->store, mailbox_new(16, &r->shell.committer, &r->store.e));
	OK(&r->store, mailbox_new(16, &r->shell.main, &r->store.e));
	const struct committer_setup cs = {
		.shell = &r->shell, .ledger = &r->ledger, .key = r->key, .version = "1"
	};
	r->config.log_heads_every_ms = 10000;
	r->config.log_party_heads_ms = 60000;
	OK(&r->store, committer_new(&cs, &r->committer, &r->store.e));
	*state = r;
	return 0;
}

/* What the committer told the worker. */
static struct notice *
mail(struct rig *r, int wait_ms)
{
	if (!mailbox_wait(r->worker->mail, wait_ms))
		return NULL;
	struct letter *l = MAILBOX_ENTRY(mailbox_take(r->worker->mail, 1), struct letter, item);
	assert_int_equal(l->kind, LETTER_NOTICE);
	return MAILBOX_ENTRY(l, struct notice, letter);
}

static int
teardown(void **state)
{
	struct rig *r = *state;
	for (struct notice *n; (n = mail(r, 0)) != NULL;)
		notice_free(n);
	committer_free(r->committer);
	worker_free(r->worker);
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
	assert_true(mailbox_wait(r->shell.main, WAIT_MS));
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

static void
a_job_that_cannot_have_what_it_needs_of_the_archive_fails_by_itself(void **state)
{
	struct rig *r = *state;
	post(r, 1, 1);
	OK(&r->store, committer_start(r->committer, &r->store.e));
	comes_home(r, 1, JOB_DONE, ERR_NONE);
	entries_that_fail = 1;
	post(r, 1, 2);
	comes_home(r, 2, JOB_FAILED, ERR_IO);
	post(r, 1, 3);
	comes_home(r, 3, JOB_DONE, ERR_NONE);
	OK(&r->store, committer_stop(r->committer, "test", &r->store.e));
	assert_false(store_is_broken(r->store.store));
	assert_int_equal(r->ledger.log.tree.leaf_count, 4); /* START, two jobs, STOP */
}

/* Heads are given out every ten seconds, if the log grew: here it does not grow again. */
static void
whom_there_was_no_memory_to_tell_of_a_head_is_told_later(void **state)
{
	struct rig *r = *state;
	atomic_store(&notices_that_fail, 2);
	OK(&r->store, committer_start(r->committer, &r->store.e));
	for (unsigned i = 0; i < 3; i++) { /* a batch each, of what time brings */
		boot_us += 2 * S;
		post(r, 1, i);
		comes_home(r, i, JOB_DONE, ERR_NONE);
	}
	struct notice *n = mail(r, WAIT_MS);
	assert_non_null(n);
	assert_true(n->heads);
	notice_free(n);
	OK(&r->store, committer_stop(r->committer, "test", &r->store.e));
}

static void
a_step_of_the_clock_is_on_record_though_its_batch_failed(void **state)
{
	struct rig *r = *state;
	unsigned done = 0;
	OK(&r->store, committer_start(r->committer, &r->store.e));
	for (uint64_t i = 1; i <= 3; i++) {
		post(r, 1, i);
		struct job *j = home(r);
		done += j->fate == JOB_DONE;
		job_free(j);
		if (i > 1)
			continue;
		commits_that_fail = 1; /* the one that brings the step: with a job or without */
		step_us = 3 * S;
		boot_us += 2 * S; /* it looks at the clock once a second */
	}
	OK(&r->store, committer_stop(r->committer, "test", &r->store.e));
	assert_int_equal(commits_that_fail, 0);
	assert_int_equal(r->ledger.log.tree.leaf_count, done + 3); /* START, CLOCK, STOP */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_job_that_is_too_large_fails_by_itself_and_the_broker_goes_on, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    a_job_that_cannot_have_what_it_needs_of_the_archive_fails_by_itself, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    whom_there_was_no_memory_to_tell_of_a_head_is_told_later, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_step_of_the_clock_is_on_record_though_its_batch_failed, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
