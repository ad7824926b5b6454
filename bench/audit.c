/*
 * audit.c - what the log costs: records go through the committer's own code (daemon/ledger.c:
 * hashing, trees, entries, heads, the second look, the commit; then the head is signed), in
 * batches, beside
 *   - the hashing of the same records alone, once (the second look does it again), and
 *   - a bare LMDB loop with the same keys, bytes and batches.
 * The three take turns in one run, so that what else the machine does strikes all of them; judge by
 * the ratios.  AUDIT section 4.
 *     audit [--json] [--records N] [--batch B] [FOLDER]
 * What it writes goes below FOLDER (or $TMPDIR), and is removed.
 */
#include "audit/checkpoint.h"
#include "bench/audit_bare.h"
#include "bench/meter.h"
#include "bench/mix.h"
#include "daemon/ledger.h"
#include "daemon/salt.h"

#include <ftw.h>
#include <getopt.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BATCH_MAX = 1024, ROUND = 8192, RECIPIENTS = 4, START_S = 1780315200 };
#define ORIGIN "hub.example/relto/g1"

static const char usage[] = "usage: audit [--json] [--records N] [--batch B] [FOLDER]\n";

struct audit {
	struct mix mix;
	struct store *store;
	struct ledger ledger;
	struct salt_pool salts;
	struct roll_party *parties[MIX_RECIPIENTS + 1];
	EVP_PKEY *key;
	struct note_key vkey;
	struct bytes note; /* of the batch before; into 'note_room' */
	uint8_t note_room[4096];
	uint64_t note_size, now;
	/* the round */
	struct arena a;
	struct mix_record *records, *again; /* 'again': not hashed yet, for hashing alone */
	struct bytes *entries;
	uint64_t first, stored; /* index; bytes of all entries so far */
	size_t count;
	/* hashing alone */
	struct sha256 sha;
	struct log log;
	struct merkle trees[MIX_RECIPIENTS + 1], second;
	struct bare bare;
	struct meter append, hash, look, sign, loop; /* what each took, over all rounds */
};

static void
must(bool ok, const char *what, const struct err *e)
{
	if (!ok)
		mix_die(what, e);
}

/* ---- measuring ---- */

/* Adds what was used since 'from'. */
static void
add(struct meter *sum, const struct meter *from)
{
	struct meter to = meter_read((int)getpid()), used = meter_between(from, &to);
	sum->wall_s += used.wall_s;
	sum->cpu_s += used.cpu_s;
	sum->dirtied_bytes += used.dirtied_bytes;
}

/* ---- the log, as the committer writes it ---- */

static void
sign(struct audit *x)
{
	struct err e = { 0 };
	struct arena a;
	struct bytes note;
	struct checkpoint head = { .origin = bytes_of(ORIGIN),
		.size = x->ledger.log.tree.leaf_count };
	struct note_signer by = { .key = x->key, .as = &x->vkey };
	arena_init(&a, sizeof(x->note_room));
	must(ledger_root(&x->ledger, head.root, &e) && checkpoint_sign(&a, &by, &head, &note, &e) &&
		 note.len <= sizeof(x->note_room),
	    "sign", &e);
	memcpy(x->note_room, note.data, note.len);
	x->note = bytes_from(x->note_room, note.len);
	x->note_size = head.size;
	arena_done(&a);
}

/* What a worker does before, and a batch of the committer; 'salts' are drawn as there, though the
 * records have the mix's, to be the same in every run.  scripts/check-budgets counts it: it has a
 * name. */
__attribute__((noinline)) static void
commit_batch(struct audit *x, size_t from, size_t count)
{
	struct err e = { 0 };
	struct store_stamp stamp = { .time_us = x->now };
	struct store_checkpoint before = { .size = x->note_size, .note = x->note };
	must(ledger_begin(&x->ledger, x->now, &e) &&
		 (x->note.len == 0 || store_put_checkpoint(x->store, &before, &e)),
	    "begin", &e);
	for (size_t i = from; i < from + count; i++) {
		struct mix_record *m = &x->records[i];
		struct log_out out;
		uint8_t salts[RECORD_SALTS];
		struct ledger_place at = { .link = m->link, .accepted = m->accepted };
		at.publisher = m->publisher < 0 ? NULL : x->parties[m->publisher];
		at.recipient = m->recipient < 0 ? NULL : x->parties[m->recipient];
		must(salt_take(&x->salts, salts, sizeof(salts), &e) &&
			 record_hash_early(&x->ledger.sha, &m->r, &e) &&
			 ledger_append(&x->ledger, &m->r, &at, &out, &e),
		    "append", &e);
	}
	must(ledger_commit(&x->ledger, &stamp, &e), "commit", &e);
	sign(x);
}

static void
name_parties(struct audit *x)
{
	struct err e = { 0 };
	struct store_stamp stamp = { 0 };
	must(ledger_begin(&x->ledger, 0, &e), "begin", &e);
	for (unsigned i = 0; i <= RECIPIENTS; i++) {
		uint32_t id;
		struct bytes name = bytes_of(mix_party(i));
		must(store_name(x->store, STORE_NAME_PARTY, name, &id, &e), "name", &e);
		x->parties[i] = roll_add(&x->ledger.roll, id, name);
		must(x->parties[i] != NULL, "party", NULL);
	}
	must(ledger_commit(&x->ledger, &stamp, &e), "commit", &e);
}

/* ---- a round ---- */

static void
prepare(struct audit *x, size_t count)
{
	struct err e = { 0 };
	arena_done(&x->a);
	arena_init(&x->a, (size_t)1 << 30);
	x->records = arena_zalloc(&x->a, count, sizeof(*x->records));
	x->again = arena_zalloc(&x->a, count, sizeof(*x->again));
	x->entries = arena_zalloc(&x->a, count, sizeof(*x->entries));
	must(x->records != NULL && x->again != NULL && x->entries != NULL, "memory", NULL);
	x->first = x->mix.next;
	x->count = count;
	x->now += 1000;
	for (size_t i = 0; i < count; i++) {
		mix_next(&x->mix, &x->a, x->now, &x->records[i]);
		x->again[i] = x->records[i];
		/* committer and hashing alone each patch a slot 8 of their own */
		x->again[i].r.place = arena_zalloc(&x->a, 1, 12);
		must(x->again[i].r.place != NULL, "memory", &e);
	}
}

static void
hash_alone(struct audit *x)
{
	struct err e = { 0 };
	for (size_t i = 0; i < x->count; i++) {
		struct mix_record *m = &x->again[i];
		struct log_out out;
		struct log_in in = { .now = x->now, .link = m->link, .accepted = m->accepted };
		in.publication = m->publisher < 0 ? NULL : &x->trees[m->publisher];
		in.place = m->recipient < 0 ? NULL : &x->trees[m->recipient];
		must(record_hash_early(&x->sha, &m->r, &e) &&
			 log_append(&x->log, &m->r, &in, &out, &e),
		    "hash", &e);
	}
}

/* The entries as they were stored, for the other two. */
static void
entries_of_round(struct audit *x)
{
	struct err e = { 0 };
	for (size_t i = 0; i < x->count; i++) {
		const struct record *r = &x->records[i].r;
		uint8_t leaf[32], *to = arena_alloc(&x->a, record_entry_size(r) + BARE_CHECKSUM);
		must(to != NULL && record_leaf(&x->sha, &x->records[i].r, leaf, &e), "entry", &e);
		record_entry_write(r, leaf, to);
		x->entries[i] = bytes_from(to, record_entry_size(r));
		x->stored += x->entries[i].len;
	}
}

static void
look_alone(struct audit *x)
{
	struct err e = { 0 };
	for (size_t i = 0; i < x->count; i++)
		must(log_recheck(&x->sha, &x->second, x->entries[i], &e), "second look", &e);
}

static void
one_round(struct audit *x, size_t count, size_t batch)
{
	prepare(x, count);
	struct meter at = meter_read((int)getpid());
	for (size_t i = 0; i < count; i += batch)
		commit_batch(x, i, count - i < batch ? count - i : batch);
	add(&x->append, &at);
	entries_of_round(x);
	at = meter_read((int)getpid());
	look_alone(x);
	add(&x->look, &at);
	at = meter_read((int)getpid());
	hash_alone(x);
	add(&x->hash, &at);
	at = meter_read((int)getpid());
	for (size_t i = 0; i < count; i += batch)
		sign(x);
	add(&x->sign, &at);
	at = meter_read((int)getpid());
	for (size_t i = 0; i < count; i += batch)
		bare_commit(
		    &x->bare, x->first + i, x->entries + i, count - i < batch ? count - i : batch);
	add(&x->loop, &at);
	if (memcmp(&x->second, &x->ledger.log.tree, sizeof(x->second)) != 0 ||
	    memcmp(&x->log.tree, &x->second, sizeof(x->second)) != 0)
		mix_die("the three do not have one tree", NULL);
}

/* ---- all of it ---- */

static void
set_up(struct audit *x, const char *folder)
{
	struct err e = { 0 };
	char path[2][4096];
	static const uint8_t seed[32] = { 0x5e };
	struct note_name name = { bytes_of(ORIGIN), NOTE_ED25519 };
	(void)snprintf(path[0], sizeof(path[0]), "%s/store", folder);
	(void)snprintf(path[1], sizeof(path[1]), "%s/bare", folder);
	struct store_config cfg = {
		.path = path[0], .map_bytes = 8ull << 30, .views = 1, .generation = 1
	};
	x->mix.recipients = RECIPIENTS;
	x->now = (uint64_t)START_S * 1000000;
	x->key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
	must(x->key != NULL && sha256_init(&x->sha, &e) &&
		 note_key_of(&x->sha, &name, x->key, &x->vkey, &e) &&
		 store_open(&cfg, &x->store, &e) && ledger_init(&x->ledger, x->store, &e),
	    "set up", &e);
	x->ledger.fence = (struct store_fence){ .generation = 1, .epoch = STORE_NONE };
	log_init(&x->log, &x->sha, (struct log_sink){ NULL, NULL });
	bare_open(&x->bare, path[1], RECIPIENTS + 1);
	name_parties(x);
}

static void
tear_down(struct audit *x)
{
	ledger_done(&x->ledger);
	store_free(x->store);
	bare_close(&x->bare);
	salt_done(&x->salts);
	EVP_PKEY_free(x->key);
	arena_done(&x->a);
	sha256_done(&x->sha);
}

static double
us(const struct meter *m, uint64_t records)
{
	return m->cpu_s * 1e6 / (double)records;
}

struct case_of { /* one size of batches */
	size_t batch;
	uint64_t records;
	double append_us, hash_us, look_us, sign_us, bare_us, rate, bare_rate;
	uint64_t written, bare_written, entry; /* bytes a record */
};

static struct case_of
measure(size_t batch, uint64_t records, const char *folder)
{
	struct audit *x = calloc(1, sizeof(*x));
	must(x != NULL, "memory", NULL);
	set_up(x, folder);
	for (uint64_t done = 0; done < records; done += ROUND)
		one_round(x, records - done < ROUND ? records - done : ROUND, batch);
	struct case_of c = { batch, records, us(&x->append, records), us(&x->hash, records),
		us(&x->look, records), us(&x->sign, records), us(&x->loop, records),
		(double)records / x->append.wall_s, (double)records / x->loop.wall_s,
		x->append.dirtied_bytes / records, x->loop.dirtied_bytes / records,
		x->stored / records };
	tear_down(x);
	free(x);
	return c;
}

/* ---- the command ---- */

struct options {
	bool json;
	uint64_t records;
	size_t batch; /* 0: all */
	const char *folder;
};

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

static struct case_of
measure_in(const struct options *o, size_t batch, uint64_t records)
{
	char folder[2048];
	(void)snprintf(folder, sizeof(folder), "%s/relto-audit-XXXXXX", o->folder);
	if (mkdtemp(folder) == NULL) {
		perror(folder);
		exit(1);
	}
	struct case_of c = measure(batch, records, folder);
	(void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return c;
}

/* What the log adds to the bare loop, by what it has to hash: once, and for the second look. */
static double
over_hashing(const struct case_of *c)
{
	return (c->append_us - c->bare_us) / (c->hash_us + c->look_us);
}

static void
tell_json(const struct case_of *c)
{
	(void)printf("{\"batch\":%zu,\"records\":%" PRIu64 ",\"entry\":%" PRIu64
		     ",\"cpu_us\":%.3f,\"hash_us\":%.3f,"
		     "\"second_look_us\":%.3f,\"sign_us\":%.3f,\"bare_us\":%.3f,",
	    c->batch, c->records, c->entry, c->append_us, c->hash_us, c->look_us, c->sign_us,
	    c->bare_us);
	(void)printf("\"written\":%" PRIu64 ",\"bare_written\":%" PRIu64
		     ",\"rate\":%.0f,\"bare_rate\":%.0f,"
		     "\"cpu_over_hash\":%.3f,\"added_over_hashing\":%.3f,\"rate_of_bare\":%.3f}\n",
	    c->written, c->bare_written, c->rate, c->bare_rate, c->append_us / c->hash_us,
	    over_hashing(c), c->rate / c->bare_rate);
}

static void
tell(const struct case_of *c)
{
	(void)printf("%6zu %8.2f %6.2f %6.2f %6.2f %8.2f %8.2f %6.2f %8" PRIu64 " %8" PRIu64
		     " %8.0f %8.0f %6.2f\n",
	    c->batch, c->append_us, c->hash_us, c->look_us, c->sign_us, c->bare_us,
	    c->append_us / c->hash_us, over_hashing(c), c->written, c->bare_written, c->rate,
	    c->bare_rate, c->rate / c->bare_rate);
}

static void
tell_head(void)
{
	(void)puts(
	    "       |-------- us of CPU a record -----------|  CPU by  added | bytes written  |"
	    "    records/s    |");
	(void)puts(
	    " batch      log   hash   look   sign     bare     hash by hash      log     bare"
	    "      log     bare   rate");
}

static struct options
parse(int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
		{ "records", required_argument, NULL, 'n' },
		{ "batch", required_argument, NULL, 'b' }, { NULL, 0, NULL, 0 } };
	struct options o = { .records = 65536, .folder = getenv("TMPDIR") };
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
		switch (c) {
		case 'j':
			o.json = true;
			break;
		case 'n':
			o.records = strtoull(optarg, NULL, 10);
			break;
		case 'b':
			o.batch = strtoul(optarg, NULL, 10);
			break;
		default:
			(void)fputs(usage, stderr);
			exit(64);
		}
	o.folder = optind < argc ? argv[optind++] : o.folder == NULL ? "/tmp" : o.folder;
	if (optind < argc || o.records == 0 || o.batch > BATCH_MAX) {
		(void)fputs(usage, stderr);
		exit(64);
	}
	return o;
}

int
main(int argc, char **argv)
{
	static const size_t batches[] = { 1, 16, 128, BATCH_MAX };
	struct options o = parse(argc, argv);
	if (!o.json)
		tell_head();
	for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
		size_t batch = o.batch == 0 ? batches[i] : o.batch;
		/* a flush each: fewer records do */
		uint64_t records = batch >= 128 ? o.records : o.records / 32 * (batch == 1 ? 1 : 8);
		struct case_of c = measure_in(&o, batch, records == 0 ? 1 : records);
		if (o.json)
			tell_json(&c);
		else
			tell(&c);
		(void)fflush(stdout);
		if (o.batch != 0)
			break;
	}
	return 0;
}
