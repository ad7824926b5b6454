/*
 * What a record costs in the store: batches of 128 records of 850 bytes with report, parts, queue
 * entry and head, committed with a flush each, beside a bare LMDB loop that writes the same entries
 * (AUDIT section 4: judge by CPU time, bytes written and the ratio to the bare loop).
 * Usage: bench-store FOLDER [RECORDS]; the folder is made and left behind.
 */
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "daemon/store.h"
#include "proto/arena.h"
#include "proto/facts.h"

enum { BATCH = 128, ENTRY = 850, BODY = 1024 };

static uint8_t entry[ENTRY], body[BODY];

struct meter {
	struct timespec wall, cpu;
	long blocks;
};

static struct meter
now(void)
{
	struct meter m;
	struct rusage u;
	(void)clock_gettime(CLOCK_MONOTONIC, &m.wall);
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &m.cpu);
	(void)getrusage(RUSAGE_SELF, &u);
	m.blocks = u.ru_oublock;
	return m;
}

static double
us_between(const struct timespec *a, const struct timespec *b)
{
	return (double)(b->tv_sec - a->tv_sec) * 1e6 + (double)(b->tv_nsec - a->tv_nsec) / 1e3;
}

static double
report(const char *what, const struct meter *from, unsigned records)
{
	struct meter to = now();
	double cpu = us_between(&from->cpu, &to.cpu) / records;
	printf("%-28s %8.2f us CPU  %8.2f us wall  %8.0f bytes written, a record\n", what, cpu,
	    us_between(&from->wall, &to.wall) / records,
	    (double)(to.blocks - from->blocks) * 512 / records);
	return cpu;
}

/* One report with its record, as intake makes it. */
static bool
put_one(struct store *s, uint64_t index, struct store_queue_key key, struct err *e)
{
	struct store_report r = { .key.originator = 1, .intake = index, .body_bytes = BODY };
	struct store_queued q = { .key = key, .intake = index, .bytes = BODY };
	put_u64(r.key.id, index);
	put_u64(entry, index);
	q.report = r.key;
	q.key.decision = index;
	return store_put_part(s, index, STORE_PART_MANIFEST, bytes_from(body, 300), e) &&
	       store_put_part(s, index, STORE_PART_ROUTING, bytes_from(body, 150), e) &&
	       store_put_part(s, index, STORE_PART_SEAL, bytes_from(body, 200), e) &&
	       store_put_report(s, &r, e) &&
	       store_put_part(s, index, STORE_PART_HEAD(0), bytes_from(body, 200), e) &&
	       store_put_part(s, index, STORE_PART_BODY(0), bytes_from(body, BODY), e) &&
	       store_enqueue(s, &q, e) && store_put_entry(s, index, bytes_from(entry, ENTRY), e);
}

static bool
put_batch(struct store *s, struct store_fence *fence, bool whole, struct err *e)
{
	struct arena scratch;
	struct store_head head = { .size = fence->log_size + BATCH };
	struct store_stamp stamp = { .time_us = fence->log_size };
	struct store_queue_key key = { 1, PRECEDENCE_ROUTINE, 0 };
	arena_init(&scratch, 1u << 20);
	bool ok = store_begin(s, &scratch, e);
	for (uint64_t i = fence->log_size; ok && i < head.size; i++) {
		put_u64(entry, i);
		ok = whole ? put_one(s, i, key, e)
			   : store_put_entry(s, i, bytes_from(entry, ENTRY), e);
	}
	ok = ok && store_put_head(s, &head, e) && store_commit(s, fence, &stamp, e);
	fence->log_size = head.size;
	arena_done(&scratch);
	return ok;
}

static bool
subscribe(struct store *s, const struct store_fence *fence, struct err *e)
{
	struct arena scratch;
	struct store_subscription sub = {
		.party = 1, .mode = MODE_LIVE, .name = bytes_of("inbox")
	};
	struct store_stamp stamp = { 0 };
	arena_init(&scratch, 65536);
	bool ok = store_begin(s, &scratch, e) && store_put_subscription(s, &sub, e) &&
		  store_commit(s, fence, &stamp, e);
	arena_done(&scratch);
	return ok;
}

static bool
through_store(const char *path, unsigned records, double cpu[2], struct err *e)
{
	struct store_config cfg = {
		.path = path, .map_bytes = 8ull << 30, .views = 1, .generation = 1
	};
	struct store_fence fence = { .generation = 1, .epoch = STORE_NONE };
	SCOPED(store_free) struct store *s = NULL;
	if (!store_open(&cfg, &s, e) || !subscribe(s, &fence, e))
		return false;
	struct meter from = now();
	for (unsigned i = 0; i < records; i += BATCH)
		if (!put_batch(s, &fence, false, e))
			return false;
	cpu[0] = report("store, records alone", &from, records);
	from = now();
	for (unsigned i = 0; i < records; i += BATCH)
		if (!put_batch(s, &fence, true, e))
			return false;
	cpu[1] = report("store, reports and queue", &from, records);
	return true;
}

static int
bare_batch(MDB_env *env, MDB_dbi *dbi, uint64_t first)
{
	MDB_txn *txn;
	uint8_t key[8];
	int code = mdb_txn_begin(env, NULL, 0, &txn);
	if (code == 0 && first == 0)
		code = mdb_dbi_open(txn, "entry", MDB_CREATE, dbi);
	for (uint64_t i = first; code == 0 && i < first + BATCH; i++) {
		MDB_val k = { sizeof(key), key }, v = { sizeof(entry), entry };
		put_u64(key, i);
		code = mdb_put(txn, *dbi, &k, &v, MDB_APPEND);
	}
	return code == 0 ? mdb_txn_commit(txn) : code;
}

static bool
bare(const char *path, unsigned records, double *cpu, struct err *e)
{
	MDB_env *env;
	MDB_dbi dbi = 0;
	(void)mkdir(path, 0700);
	int code = mdb_env_create(&env);
	if (code == 0)
		code = mdb_env_set_maxdbs(env, 1);
	if (code == 0)
		code = mdb_env_set_mapsize(env, 8ull << 30);
	if (code == 0)
		code = mdb_env_open(env, path, 0, 0600);
	struct meter from = now();
	for (uint64_t i = 0; code == 0 && i < records; i += BATCH)
		code = bare_batch(env, &dbi, i);
	if (code != 0)
		return err_set(e, ERR_STORE, "bare loop: %s", mdb_strerror(code));
	*cpu = report("bare LMDB, records alone", &from, records);
	mdb_env_close(env);
	return true;
}

int
main(int argc, char **argv)
{
	struct err e = { 0 };
	char path[2][1024];
	double store_cpu[2] = { 0 }, bare_cpu = 0;
	if (argc < 2) {
		(void)fprintf(stderr, "usage: %s FOLDER [RECORDS]\n", argv[0]);
		return 64;
	}
	unsigned records = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 65536;
	records = (records + BATCH - 1) / BATCH * BATCH;
	(void)snprintf(path[0], sizeof(path[0]), "%s/store", argv[1]);
	(void)snprintf(path[1], sizeof(path[1]), "%s/bare", argv[1]);
	(void)mkdir(argv[1], 0700);
	if (!bare(path[1], records, &bare_cpu, &e) ||
	    !through_store(path[0], records, store_cpu, &e)) {
		(void)fprintf(stderr, "%s\n", e.text);
		return err_exit(e.code);
	}
	printf("CPU of the store over the bare loop: %.2f\n", store_cpu[0] / bare_cpu);
	return 0;
}
