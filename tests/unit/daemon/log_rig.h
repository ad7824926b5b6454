/*
 * log_rig.h - a store with a true log, as the committer writes it, and a hand inside the database.
 */
#pragma once
#include <lmdb.h>
#include <openssl/types.h>

#include "audit/checkpoint.h"
#include "audit/log.h"
#include "tests/lib/store_rig.h"

struct log_rig {
	struct store_rig r;
	struct sha256 h;
	struct log log;
	struct merkle gbr, nor;
	uint32_t gbr_id, nor_id;
	struct note_key key;
	EVP_PKEY *pkey;
	uint64_t now;
};

int log_rig_setup(void **state);
int log_rig_teardown(void **state);
#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, log_rig_setup, log_rig_teardown)

/* From now on checkpoints are signed and verified with another key. */
void log_rig_key(struct log_rig *t, uint8_t byte);
/* The log's sink. */
bool log_rig_tile(void *ctx, struct tile_id id, const uint8_t data[TILE_BYTES], struct err *e);
/* One batch of records, with heads and a published checkpoint. */
void log_rig_grow(struct log_rig *t, unsigned records);
/* In an open batch: an INTAKE with a fresh report id, its index given back; the heads and a
 * published checkpoint over what was appended. */
uint64_t log_rig_intake(struct log_rig *t, uint8_t id[STORE_ID_BYTES]);
void log_rig_heads(struct log_rig *t);
/* In an open batch: a PAD that does not say which node wrote it. */
void log_rig_bare(struct log_rig *t);
void log_rig_reopen(struct log_rig *t);
/* The store and the log from the beginning, the next record at 'now' + 1. */
void log_rig_anew(struct log_rig *t, uint64_t now);

struct raw {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
};

/* Closes the store and opens a table of it behind its back; and the other way round. */
struct raw log_rig_raw(struct log_rig *t, const char *table);
void log_rig_unraw(struct log_rig *t, struct raw *w);
/* A row without its checksum, or with the one that belongs to it. */
size_t log_rig_get(struct raw *w, struct bytes key, uint8_t *out);
void log_rig_put(struct raw *w, struct bytes key, uint8_t *data, size_t len);
void log_rig_del(struct raw *w, struct bytes key);

struct spot {
	const char *table;
	uint8_t key[16];
	size_t key_len;
	size_t byte; /* the bit of it that is turned */
};
struct spot log_rig_entry(uint64_t index, size_t byte);
void log_rig_turn(struct log_rig *t, const struct spot *at);
