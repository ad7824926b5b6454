#include "tests/lib/test.h"

#include <openssl/evp.h>

#include "daemon/crc32c.h"
#include "tests/unit/daemon/log_rig.h"

bool
log_rig_tile(void *ctx, struct tile_id id, const uint8_t data[TILE_BYTES], struct err *e)
{
	struct log_rig *t = ctx;
	return store_put_tile(t->r.store, (uint8_t)id.level, id.n, data, e);
}

static EVP_PKEY *
key_of(uint8_t byte)
{
	uint8_t seed[32];
	memset(seed, byte, sizeof(seed));
	EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
	assert_non_null(k);
	return k;
}

void
log_rig_key(struct log_rig *t, uint8_t byte)
{
	uint8_t public[32];
	size_t len = sizeof(public);
	struct note_name name = { bytes_of("relto.example/g1"), NOTE_ED25519 };
	EVP_PKEY_free(t->pkey);
	t->pkey = key_of(byte);
	assert_int_equal(EVP_PKEY_get_raw_public_key(t->pkey, public, &len), 1);
	OK(&t->r, note_key_make(&t->h, &name, public, &t->key, &t->r.e));
}

int
log_rig_setup(void **state)
{
	struct log_rig *t = calloc(1, sizeof(*t));
	assert_non_null(t);
	store_rig_init(&t->r);
	t->r.config.map_bytes = 1u << 30;
	assert_true(store_rig_open(&t->r));
	OK(&t->r, sha256_init(&t->h, &t->r.e));
	log_init(&t->log, &t->h, (struct log_sink){ log_rig_tile, t });
	log_rig_key(t, 1);
	t->now = 1000;
	*state = t;
	return 0;
}

int
log_rig_teardown(void **state)
{
	struct log_rig *t = *state;
	store_rig_done(&t->r);
	sha256_done(&t->h);
	EVP_PKEY_free(t->pkey);
	free(t);
	return 0;
}

static const uint8_t digest[32];

/* Hashes, appends and stores it. */
static uint64_t
store_record(struct log_rig *t, struct record *rec, struct log_in *in)
{
	struct log_out out;
	in->now = ++t->now;
	OK(&t->r, log_append(&t->log, rec, in, &out, &t->r.e));
	size_t size = record_entry_size(rec);
	uint8_t *entry = arena_alloc(&t->r.scratch, size);
	assert_non_null(entry);
	record_entry_write(rec, out.leaf, entry);
	OK(&t->r, store_put_entry(t->r.store, out.index, bytes_from(entry, size), &t->r.e));
	return out.index;
}

static void
begin_record(struct log_rig *t, struct record *rec, const struct slot_common *common)
{
	static const uint8_t salts[RECORD_SALTS];
	struct arena *a = &t->r.scratch;
	OK(&t->r,
	    record_begin(rec, a, salts, &t->r.e) && record_set_common(rec, a, common, &t->r.e));
}

static void
set_hub(struct log_rig *t, struct record *rec)
{
	struct slot_hub hub = { bytes_of("hub-1"), SLOT_ABSENT, NULL, bytes_of("free") };
	OK(&t->r, record_set_hub(rec, &t->r.scratch, &hub, &t->r.e));
}

/* Slots 3 and 4, and whose tree the record stands in. */

static void
set_publisher(
    struct log_rig *t, struct record *rec, const struct slot_decision *d, struct log_in *in)
{
	struct slot_publication pub = { .party = bytes_of("GBR"),
		.agent = bytes_of("spiffe://gbr.example/desk"),
		.manifest = digest,
		.banner = bytes_of("ATLAS SECRET"),
		.index = SLOT_LATER };
	OK(&t->r, record_set_publication(rec, &t->r.scratch, &pub, &t->r.e) &&
		      record_set_decision(rec, &t->r.scratch, d, &t->r.e));
	in->publication = &t->gbr;
}

/* PAD for most; every third a NARROWED that stands in the trees of GBR and NOR. */
static void
append(struct log_rig *t)
{
	struct record rec;
	struct log_in in = { .now = 0 };
	bool narrowed = t->log.tree.leaf_count % 3 == 1;
	struct slot_common common = { .type = narrowed ? EVENT_NARROWED : EVENT_PAD,
		.report = bytes_from(digest, narrowed ? STORE_ID_BYTES : 0) };
	struct slot_release release = { .recipient = bytes_of("NOR") };
	struct slot_decision d = { OUTCOME_WITHHOLD, bytes_of("0 withhold no-rule atlas -\n"),
		digest, digest, SLOT_LATER };
	begin_record(t, &rec, &common);
	set_hub(t, &rec);
	if (narrowed) {
		OK(&t->r, record_set_release(&rec, &t->r.scratch, &release, &t->r.e));
		set_publisher(t, &rec, &d, &in);
		in.place = &t->nor;
	}
	(void)store_record(t, &rec, &in);
}

uint64_t
log_rig_intake(struct log_rig *t, uint8_t id[STORE_ID_BYTES])
{
	struct record rec;
	struct body body;
	struct log_in in = { .now = 0 };
	put_u64(id, t->log.tree.leaf_count + 1000);
	struct slot_common common = { .type = EVENT_INTAKE,
		.report = bytes_from(id, STORE_ID_BYTES) };
	struct slot_decision d = { .policy = digest, .facts = digest, .link = SLOT_ABSENT };
	begin_record(t, &rec, &common);
	set_hub(t, &rec);
	set_publisher(t, &rec, &d, &in);
	event_body_begin(&body, EVENT_INTAKE);
	event_body_bytes(&body, BODY_INTAKE_SEAL, bytes_from(digest, sizeof(digest)));
	event_body_bytes(&body, BODY_INTAKE_CHAIN, bytes_from(digest, sizeof(digest)));
	event_body_bytes(&body, BODY_INTAKE_ANCHORS, bytes_from(digest, sizeof(digest)));
	OK(&t->r, record_set_body(&rec, &t->r.scratch, &body, &t->r.e));
	return store_record(t, &rec, &in);
}

void
log_rig_bare(struct log_rig *t)
{
	struct record rec;
	struct log_in in = { .now = 0 };
	struct slot_common common = { .type = EVENT_PAD };
	begin_record(t, &rec, &common);
	(void)store_record(t, &rec, &in);
}

static void
put_head(struct log_rig *t, uint32_t id, const struct merkle *tree)
{
	struct store_head h = { .tree = id,
		.size = tree->leaf_count,
		.time_us = t->log.time,
		.head_index = STORE_NONE };
	memcpy(h.frontier, tree->frontier, sizeof(h.frontier));
	OK(&t->r, merkle_root(&t->h, tree, h.root, &t->r.e));
	OK(&t->r, store_put_head(t->r.store, &h, &t->r.e));
}

static void
put_checkpoint(struct log_rig *t, bool published)
{
	struct checkpoint cp = { bytes_of("relto.example/g1"), t->log.tree.leaf_count, { 0 } };
	struct note_signer signer = { .key = t->pkey, .as = &t->key };
	struct store_checkpoint row = { .size = cp.size, .published = published };
	OK(&t->r, merkle_root(&t->h, &t->log.tree, cp.root, &t->r.e));
	OK(&t->r, checkpoint_sign(&t->r.scratch, &signer, &cp, &row.note, &t->r.e));
	OK(&t->r, store_put_checkpoint(t->r.store, &row, &t->r.e));
}

void
log_rig_heads(struct log_rig *t)
{
	put_head(t, STORE_MAIN_TREE, &t->log.tree);
	put_head(t, t->gbr_id, &t->gbr);
	put_head(t, t->nor_id, &t->nor);
	put_checkpoint(t, true);
}

void
log_rig_grow(struct log_rig *t, unsigned records)
{
	OK(&t->r, store_rig_begin(&t->r));
	OK(&t->r, store_name(t->r.store, STORE_NAME_PARTY, bytes_of("GBR"), &t->gbr_id, &t->r.e));
	OK(&t->r, store_name(t->r.store, STORE_NAME_PARTY, bytes_of("NOR"), &t->nor_id, &t->r.e));
	for (unsigned i = 0; i < records; i++)
		append(t);
	log_rig_heads(t);
	OK(&t->r, store_rig_commit(&t->r));
}

void
log_rig_reopen(struct log_rig *t)
{
	store_rig_close(&t->r);
	OK(&t->r, store_rig_open(&t->r));
}

void
log_rig_anew(struct log_rig *t, uint64_t now)
{
	store_rig_done(&t->r);
	store_rig_init(&t->r);
	t->r.config.map_bytes = 1u << 30;
	OK(&t->r, store_rig_open(&t->r));
	log_init(&t->log, &t->h, t->log.sink);
	memset(&t->gbr, 0, sizeof(t->gbr));
	memset(&t->nor, 0, sizeof(t->nor));
	t->now = now;
}

/* ---- a hand inside the database ---- */

struct raw
log_rig_raw(struct log_rig *t, const char *table)
{
	struct raw w;
	store_rig_close(&t->r);
	assert_int_equal(mdb_env_create(&w.env), 0);
	assert_int_equal(mdb_env_set_maxdbs(w.env, 20), 0);
	assert_int_equal(mdb_env_set_mapsize(w.env, 1u << 30), 0);
	assert_int_equal(mdb_env_open(w.env, t->r.path, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(w.env, NULL, 0, &w.txn), 0);
	assert_int_equal(mdb_dbi_open(w.txn, table, 0, &w.dbi), 0);
	return w;
}

void
log_rig_unraw(struct log_rig *t, struct raw *w)
{
	assert_int_equal(mdb_txn_commit(w->txn), 0);
	mdb_env_close(w->env);
	OK(&t->r, store_rig_open(&t->r));
}

size_t
log_rig_get(struct raw *w, struct bytes key, uint8_t *out)
{
	MDB_val k = { key.len, (void *)(uintptr_t)key.data }, v;
	assert_int_equal(mdb_get(w->txn, w->dbi, &k, &v), 0);
	memcpy(out, v.mv_data, v.mv_size);
	return v.mv_size - 4;
}

/* With the checksum that belongs to it. */
void
log_rig_put(struct raw *w, struct bytes key, uint8_t *data, size_t len)
{
	MDB_val k = { key.len, (void *)(uintptr_t)key.data }, v = { len + 4, data };
	put_u32(data + len, crc32c(crc32c(0, key), bytes_from(data, len)));
	assert_int_equal(mdb_put(w->txn, w->dbi, &k, &v, 0), 0);
}

void
log_rig_del(struct raw *w, struct bytes key)
{
	MDB_val k = { key.len, (void *)(uintptr_t)key.data };
	assert_int_equal(mdb_del(w->txn, w->dbi, &k, NULL), 0);
}

void
log_rig_turn(struct log_rig *t, const struct spot *at)
{
	uint8_t data[TILE_BYTES + 4];
	struct raw w = log_rig_raw(t, at->table);
	struct bytes key = bytes_from(at->key, at->key_len);
	size_t len = log_rig_get(&w, key, data);
	data[at->byte < len ? at->byte : len - 1] ^= 1;
	log_rig_put(&w, key, data, len);
	log_rig_unraw(t, &w);
}

struct spot
log_rig_entry(uint64_t index, size_t byte)
{
	struct spot s = { .table = "entry", .key_len = 8, .byte = byte };
	put_u64(s.key, index);
	return s;
}
