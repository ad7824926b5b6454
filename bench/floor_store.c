#include "bench/floor_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_MAX = 65536, SAME_KEYS = 3, ROW_OVERHEAD = 64, IDS_A_MS = 64 };
static const uint8_t zeros[ROW_MAX];

static void
must(int rc, const char *what)
{
	if (rc == 0)
		return;
	(void)fprintf(stderr, "floor: %s: %s\n", what, mdb_strerror(rc));
	exit(1);
}

void
floor_store_add(struct floor_store *s, const char *spec)
{
	static const char *const hows[] = { "rising", "id", "queue", "same" };
	struct floor_table t = { .how = FLOOR_SAME };
	char how[8] = "";
	int n = sscanf(spec, "%15[^,],%7[^,],%lf,%zu,%zu,%lf", t.name, how, &t.puts, &t.key,
	    &t.value, &t.dels);
	for (size_t i = 0; i < 4; i++)
		if (strcmp(how, hows[i]) == 0)
			t.how = (enum floor_how)i;
	if (n != 6 || s->count == FLOOR_TABLES || t.value > ROW_MAX || t.key < 4 || t.key > 64) {
		(void)fprintf(stderr, "floor: rows '%s'\n", spec);
		exit(64);
	}
	s->tables[s->count++] = t;
}

void
floor_store_open(struct floor_store *s, const char *dir, uint64_t reports)
{
	MDB_txn *txn;
	int fd;
	double bytes = 0;
	for (size_t i = 0; i < s->count; i++)
		bytes += s->tables[i].puts *
			 (double)(s->tables[i].key + s->tables[i].value + ROW_OVERHEAD);
	must(mdb_env_create(&s->env), "environment");
	must(mdb_env_set_maxdbs(s->env, FLOOR_TABLES), "tables");
	must(mdb_env_set_mapsize(s->env, (size_t)16 << 30), "map");
	must(mdb_env_open(s->env, dir, MDB_NOTLS, 0600), dir);
	must(mdb_env_get_fd(s->env, &fd), "descriptor");
	must(posix_fallocate(fd, 0, (off_t)(2 * bytes * (double)reports) + (64 << 20)), "disk");
	must(mdb_txn_begin(s->env, NULL, 0, &txn), "begin");
	for (size_t i = 0; i < s->count; i++)
		must(mdb_dbi_open(txn, s->tables[i].name, MDB_CREATE, &s->tables[i].dbi), "table");
	must(mdb_txn_commit(txn), "commit");
}

/* Spreads: the finalizer of splitmix64. */
static uint64_t
spread(uint64_t n)
{
	n += 0x9e3779b97f4a7c15u;
	n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9u;
	n = (n ^ n >> 27) * 0x94d049bb133111ebu;
	return n ^ n >> 31;
}

/* The n-th key of a table. */
static MDB_val
key_of(const struct floor_table *t, uint64_t n, uint8_t to[64])
{
	uint64_t time = t->how == FLOOR_ID ? n / IDS_A_MS : n, random = spread(n);
	size_t width = t->key < 8 ? t->key : 8;
	memset(to, 0, t->key);
	for (size_t i = 0; i < width; i++)
		to[width - 1 - i] = (uint8_t)(time >> 8 * i);
	if (t->how == FLOOR_ID && t->key >= 16)
		memcpy(to + 8, &random, sizeof(random));
	return (MDB_val){ t->key, to };
}

static void
put(MDB_txn *txn, struct floor_table *t, uint64_t reports)
{
	uint8_t room[64];
	uint64_t n = t->put++;
	if (t->how == FLOOR_SAME)
		n %= SAME_KEYS;
	else if (t->how == FLOOR_ID)
		n = t->fresh < reports ? t->fresh++ : n - t->fresh;
	MDB_val key = key_of(t, n, room), value = { t->value, (void *)(uintptr_t)zeros };
	must(mdb_put(txn, t->dbi, &key, &value, t->how == FLOOR_RISING ? MDB_APPEND : 0), t->name);
}

static void
drop(MDB_txn *txn, struct floor_table *t)
{
	uint8_t room[64];
	MDB_val key = key_of(t, t->dropped++, room);
	must(mdb_del(txn, t->dbi, &key, NULL), t->name);
}

void
floor_store_commit(struct floor_store *s, uint64_t reports, uint64_t acked)
{
	MDB_txn *txn;
	s->reports += reports;
	s->acked = acked;
	s->commits++;
	must(mdb_txn_begin(s->env, NULL, 0, &txn), "begin");
	for (size_t i = 0; i < s->count; i++) {
		struct floor_table *t = &s->tables[i];
		uint64_t puts = (uint64_t)(t->puts * (double)s->reports);
		uint64_t dels = (uint64_t)(t->dels * (double)s->acked);
		while (t->put < puts)
			put(txn, t, s->reports);
		while (t->dropped < dels && t->dropped < t->put)
			drop(txn, t);
	}
	must(mdb_txn_commit(txn), "commit");
}

void
floor_store_close(struct floor_store *s)
{
	mdb_env_close(s->env);
}
