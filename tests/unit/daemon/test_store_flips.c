/* One bit of the data file is turned, anywhere in the pages in use (ASSURANCE 5).  Whoever opens
 * the store and verifies all of it must then be stopped, or find everything as it was: the bit
 * stood in a free page, say.  Each try is a process of its own, since LMDB stops the program at a
 * page that cannot be. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/startup.h"
#include "proto/facts.h"
#include "tests/unit/daemon/log_rig.h"

enum { TRIES = 200, STOPPED = 10, SAME = 11, OTHER = 12 };

static uint32_t seed = 99;

static uint32_t
roll(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

/* The digest of what readers are told, key by key. */
static bool
digest_of(struct log_rig *t, uint8_t out[32])
{
	struct store_view *v = store_rig_look(&t->r);
	struct err *e = &t->r.e;
	struct store_queued queued[64];
	struct store_report reports[64];
	struct store_given given[64];
	struct bytes b;
	bool found = true;
	size_t q = 64, r = 64, g = 64;
	memset(queued, 0, sizeof(queued));
	memset(reports, 0, sizeof(reports));
	sha256_begin(&t->h);
	for (uint64_t i = 0; found; i++) {
		if (!store_read_entry(v, i, &b, &found, e))
			return false;
		sha256_add(&t->h, found ? b : bytes_of("end"));
	}
	if (!store_read_queues(v, NULL, queued, &q, e) ||
	    !store_read_reports(v, NULL, reports, &r, e) ||
	    !store_read_given(v, NULL, given, &g, e))
		return false;
	sha256_add(&t->h, bytes_from(queued, q * sizeof(*queued)));
	sha256_add(&t->h, bytes_from(reports, r * sizeof(*reports)));
	for (size_t i = 0; i < g; i++)
		sha256_add(&t->h, given[i].masks);
	for (size_t i = 0; i < r; i++) {
		if (!store_read_part(v, reports[i].intake, STORE_PART_BODY(0), &b, &found, e))
			return false;
		sha256_add(&t->h, found ? b : bytes_of("gone"));
	}
	return sha256_end(&t->h, out, e);
}

static int
try_it(struct log_rig *t, const uint8_t before[32])
{
	struct log log;
	struct startup_found found;
	uint8_t after[32];
	int nowhere = open("/dev/null", O_WRONLY);
	(void)dup2(nowhere, STDERR_FILENO);
	(void)alarm(20); /* a tree that bites its tail */
	(void)signal(SIGABRT, SIG_DFL);
	(void)signal(SIGSEGV, SIG_DFL);
	(void)signal(SIGBUS, SIG_DFL);
	if (!store_rig_open(&t->r))
		return STOPPED;
	struct startup s = { .store = t->r.store, .h = &t->h, .key = &t->key, .all = true };
	store_view_close(t->r.view);
	log_init(&log, &t->h, (struct log_sink){ log_rig_tile, t });
	if (!startup_verify(&s, &log, &found, &t->r.e) || !digest_of(t, after))
		return STOPPED;
	return memcmp(before, after, 32) == 0 ? SAME : OTHER;
}

static void
turn(int fd, off_t at, uint8_t bit)
{
	uint8_t byte;
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= bit;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

/* A report that stands on record 1, which is an INTAKE, in a queue; and what belongs to it. */
static void
put_reports(struct log_rig *t)
{
	static const uint8_t body[5000];
	struct store_rig *r = &t->r;
	struct store_subscription sub = {
		.party = t->nor_id, .mode = 1, .name = bytes_of("inbox")
	};
	BEGIN(r);
	OK(r, store_put_subscription(r->store, &sub, &r->e));
	for (uint8_t i = 0; i < 20; i++) {
		struct store_report rep = { .key.originator = t->gbr_id };
		rep.intake = log_rig_intake(t, rep.key.id);
		struct store_queued q = { .key = { sub.id, PRECEDENCE_FLASH, rep.intake },
			.intake = rep.intake,
			.report = rep.key };
		struct store_given g = {
			.party = t->nor_id, .report = rep.key, .masks = bytes_of("m")
		};
		OK(r, store_put_report(r->store, &rep, &r->e));
		OK(r, store_put_part(r->store, rep.intake, STORE_PART_BODY(0),
			  bytes_from(body, sizeof(body)), &r->e));
		OK(r, store_enqueue(r->store, &q, &r->e));
		OK(r, store_put_given(r->store, &g, &r->e));
	}
	log_rig_heads(t);
	COMMIT(r);
}

static void
one_bit_anywhere_stops_the_store_or_changes_nothing(void **state)
{
	struct log_rig *t = *state;
	uint8_t before[32];
	unsigned stopped = 0, same = 0, crashed = 0;
	for (unsigned i = 0; i < 6; i++)
		log_rig_grow(t, 50);
	put_reports(t);
	assert_true(digest_of(t, before));
	store_rig_close(&t->r);
	MDB_env *env;
	MDB_envinfo info;
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, t->r.path, MDB_RDONLY, 0600), 0);
	assert_int_equal(mdb_env_info(env, &info), 0);
	mdb_env_close(env);
	int fd = open(store_rig_file(&t->r, "data.mdb"), O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	const char *more = getenv("RELTO_FLIPS");
	unsigned tries = more == NULL ? TRIES : (unsigned)strtoul(more, NULL, 10);
	for (unsigned i = 0; i < tries; i++) {
		off_t at =
		    (off_t)roll((uint32_t)(info.me_last_pgno + 1)) * 4096 + (off_t)roll(4096);
		uint8_t bit = (uint8_t)(1u << roll(8));
		if (i % 4 == 0) /* the head of a page: LMDB's own, which no checksum covers */
			at = at / 4096 * 4096 + (off_t)roll(64);
		turn(fd, at, bit);
		pid_t child = fork();
		if (child == 0)
			_exit(try_it(t, before));
		int status;
		assert_int_equal(waitpid(child, &status, 0), child);
		int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
		if (code == OTHER)
			fail_msg("byte %lld, bit %u: another content, and nobody noticed",
			    (long long)at, bit);
		stopped += code == STOPPED;
		same += code == SAME;
		crashed += code != STOPPED && code != SAME;
		turn(fd, at, bit);
		int mark = open(store_rig_file(&t->r, "mark"), O_WRONLY | O_CLOEXEC);
		assert_int_equal(pwrite(mark, "0", 1, 0), 1);
		(void)close(mark);
	}
	(void)close(fd);
	print_message(
	    "%u bits: %u refused, %u harmless, %u crashed\n", tries, stopped, same, crashed);
	assert_true(stopped > tries / 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(one_bit_anywhere_stops_the_store_or_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
