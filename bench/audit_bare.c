#include "bench/audit_bare.h"

#include "audit/tile.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { ENTRY, TILE, HEAD, CHECKPOINT, META };
enum { HEAD_BYTES = 8 + 32 + 8 + 8 + 8, NOTE_BYTES = 230, META_BYTES = 109 };
static const char *const names[BARE_TABLES] = { "entry", "tile", "head", "checkpoint", "meta" };
static const uint8_t zeros[TILE_BYTES + BARE_CHECKSUM];

static void
must(int rc, const char *what)
{
	if (rc == 0)
		return;
	(void)fprintf(stderr, "bare: %s: %s\n", what, mdb_strerror(rc));
	exit(1);
}

void
bare_open(struct bare *b, const char *folder, unsigned parties)
{
	MDB_txn *txn;
	(void)mkdir(folder, 0700);
	must(mdb_env_create(&b->env), "environment");
	must(mdb_env_set_maxdbs(b->env, BARE_TABLES), "tables");
	must(mdb_env_set_mapsize(b->env, (size_t)8 << 30), "map");
	must(mdb_env_open(b->env, folder, 0, 0600), folder);
	must(mdb_txn_begin(b->env, NULL, 0, &txn), "begin");
	for (size_t i = 0; i < BARE_TABLES; i++)
		must(mdb_dbi_open(txn, names[i], MDB_CREATE, &b->dbi[i]), names[i]);
	must(mdb_txn_commit(txn), "commit");
	b->parties = parties;
}

static void
put(struct bare *b, MDB_txn *txn, unsigned table, struct bytes key, struct bytes value)
{
	MDB_val k = { key.len, (void *)(uintptr_t)key.data };
	MDB_val v = { value.len, (void *)(uintptr_t)value.data };
	must(mdb_put(txn, b->dbi[table], &k, &v, table == ENTRY ? MDB_APPEND : 0), names[table]);
}

static void
put_heads(struct bare *b, MDB_txn *txn, uint64_t size)
{
	uint8_t key[4];
	size_t len = HEAD_BYTES + 32 * (size_t)__builtin_popcountll(size) + BARE_CHECKSUM;
	for (uint32_t i = 0; i <= b->parties; i++) {
		put_u32(key, i);
		put(b, txn, HEAD, bytes_from(key, sizeof(key)), bytes_from(zeros, len));
	}
}

static void
put_checkpoint(struct bare *b, MDB_txn *txn, uint64_t size)
{
	uint8_t key[8];
	MDB_val k = { sizeof(key), key };
	put_u64(key, b->last);
	if (b->last != 0)
		must(mdb_del(txn, b->dbi[CHECKPOINT], &k, NULL), names[CHECKPOINT]);
	put_u64(key, size);
	put(b, txn, CHECKPOINT, bytes_from(key, 8), bytes_from(zeros, NOTE_BYTES));
	b->last = size;
}

void
bare_commit(struct bare *b, uint64_t first, const struct bytes *entries, size_t count)
{
	MDB_txn *txn;
	uint8_t key[9] = { 0 };
	must(mdb_txn_begin(b->env, NULL, 0, &txn), "begin");
	for (uint64_t i = first; i < first + count; i++) {
		struct bytes entry = entries[i - first];
		put_u64(key + 1, i);
		put(b, txn, ENTRY, bytes_from(key + 1, 8),
		    bytes_from(entry.data, entry.len + BARE_CHECKSUM));
		if (i % TILE_WIDTH != TILE_WIDTH - 1)
			continue;
		put_u64(key + 1, i / TILE_WIDTH);
		put(b, txn, TILE, bytes_from(key, 9), bytes_from(zeros, sizeof(zeros)));
	}
	put_heads(b, txn, first + count);
	put_checkpoint(b, txn, first + count);
	put(b, txn, META, bytes_of("commit"), bytes_from(zeros, META_BYTES + BARE_CHECKSUM));
	must(mdb_txn_commit(txn), "commit");
}

void
bare_close(struct bare *b)
{
	mdb_env_close(b->env);
}
