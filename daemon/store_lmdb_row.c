/* Rows of the LMDB driver: checksums, errors, walks, chunks. */
#include "daemon/store_lmdb.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "daemon/crc32c.h"
#include "proto/arena.h"
#include "proto/limits.h"

static const char *const table_names[T_COUNT] = {
	[T_META] = "meta",
	[T_NAME] = "name",
	[T_REPORT] = "report",
	[T_PART] = "part",
	[T_GIVEN] = "given",
	[T_QUEUE] = "queue",
	[T_HOLD] = "hold",
	[T_CHAIN] = "chain",
	[T_POLICY] = "policy",
	[T_ENTRY] = "entry",
	[T_TILE] = "tile",
	[T_HEAD] = "head",
	[T_CHECKPOINT] = "checkpoint",
	[T_SUBSCRIPTION] = "subscription",
	[T_DEAD] = "dead",
};

const char *
store_lmdb_table(enum table t)
{
	return table_names[t];
}

bool
store_lmdb_fail(struct store *s, int code, const char *what, struct err *e)
{
	if (code == MDB_MAP_FULL || code == MDB_TXN_FULL || code == ENOSPC)
		return err_set(e, ERR_FULL, "store: %s: %s", what, mdb_strerror(code));
	if (code == ENOMEM)
		return err_set(e, ERR_NOMEM, "store: %s", what);
	store_break(s);
	return err_set(e, ERR_STORE, "store: %s: %s", what, mdb_strerror(code));
}

bool
store_lmdb_corrupt(struct store *s, enum table t, struct bytes key, const char *why, struct err *e)
{
	char hex[2 * 48 + 1] = "";
	for (size_t i = 0; i < key.len && i < 48; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", key.data[i]);
	store_break(s);
	return err_set(e, ERR_CORRUPT, "store: table %s, key %s: %s", table_names[t], hex, why);
}

static void
key_add(struct key *k, const void *data, size_t len)
{
	assert(len <= sizeof(k->data) - k->len);
	memcpy(k->data + k->len, data, len);
	k->len += len;
}

void
store_key_u8(struct key *k, uint8_t v)
{
	key_add(k, &v, 1);
}

void
store_key_u16(struct key *k, uint16_t v)
{
	uint8_t b[2];
	put_u16(b, v);
	key_add(k, b, sizeof(b));
}

void
store_key_u32(struct key *k, uint32_t v)
{
	uint8_t b[4];
	put_u32(b, v);
	key_add(k, b, sizeof(b));
}

void
store_key_u64(struct key *k, uint64_t v)
{
	uint8_t b[8];
	put_u64(b, v);
	key_add(k, b, sizeof(b));
}

void
store_key_bytes(struct key *k, struct bytes b)
{
	if (b.len > 0)
		key_add(k, b.data, b.len);
}

void
store_key_above(struct key *k)
{
	store_key_u8(k, 0);
}

void
store_value_bytes(struct value *v, struct bytes b)
{
	assert(b.len <= sizeof(v->data) - v->len);
	if (b.len > 0)
		memcpy(v->data + v->len, b.data, b.len);
	v->len += b.len;
}

void
store_value_u8(struct value *v, uint8_t n)
{
	store_value_bytes(v, bytes_from(&n, 1));
}

void
store_value_u32(struct value *v, uint32_t n)
{
	uint8_t b[4];
	put_u32(b, n);
	store_value_bytes(v, bytes_from(b, sizeof(b)));
}

void
store_value_u64(struct value *v, uint64_t n)
{
	uint8_t b[8];
	put_u64(b, n);
	store_value_bytes(v, bytes_from(b, sizeof(b)));
}

static MDB_val
val_of(struct bytes b)
{
	return (MDB_val){ b.len, (void *)(uintptr_t)b.data };
}

static uint32_t
checksum(struct bytes key, struct bytes payload)
{
	return crc32c(crc32c(0, key), payload);
}

static void
fill_row(const MDB_val *room, struct bytes key, struct bytes payload)
{
	uint8_t *to = room->mv_data;
	if (payload.len > 0)
		memcpy(to, payload.data, payload.len);
	put_u32(to + payload.len, checksum(key, payload));
}

bool
store_row_put(struct store *s, enum table t, struct bytes key, struct bytes payload, unsigned flags,
    struct err *e)
{
	assert(s->batch.view.txn != NULL);
	MDB_val k = val_of(key), v = { payload.len + CRC_BYTES, NULL };
	int code = mdb_put(s->batch.view.txn, s->dbi[t], &k, &v, flags | MDB_RESERVE);
	if (code != 0)
		return store_lmdb_fail(s, code, table_names[t], e);
	fill_row(&v, key, payload);
	return true;
}

bool
store_row_add(struct store *s, enum table t, struct bytes key, struct bytes payload, bool *added,
    struct err *e)
{
	assert(s->batch.view.txn != NULL);
	MDB_val k = val_of(key), v = { payload.len + CRC_BYTES, NULL };
	int code = mdb_put(s->batch.view.txn, s->dbi[t], &k, &v, MDB_NOOVERWRITE | MDB_RESERVE);
	*added = code == 0;
	if (code != 0)
		return code == MDB_KEYEXIST || store_lmdb_fail(s, code, table_names[t], e);
	fill_row(&v, key, payload);
	return true;
}

bool
store_row_drop(struct store *s, enum table t, struct bytes key, bool *dropped, struct err *e)
{
	assert(s->batch.view.txn != NULL);
	MDB_val k = val_of(key);
	int code = mdb_del(s->batch.view.txn, s->dbi[t], &k, NULL);
	if (code != 0 && code != MDB_NOTFOUND)
		return store_lmdb_fail(s, code, table_names[t], e);
	if (dropped != NULL)
		*dropped = code == 0;
	return true;
}

bool
store_row_check(struct store_view *v, enum table t, struct bytes key, struct bytes stored,
    struct bytes *payload, struct err *e)
{
	if (stored.len < CRC_BYTES)
		return store_lmdb_corrupt(v->s, t, key, "no checksum", e);
	struct bytes body = bytes_from(stored.data, stored.len - CRC_BYTES);
	struct cursor c = cursor_over(bytes_from(stored.data + body.len, CRC_BYTES));
	if (cursor_u32(&c) != checksum(key, body))
		return store_lmdb_corrupt(v->s, t, key, "wrong checksum", e);
	*payload = body;
	return true;
}

bool
store_row_get(struct store_view *v, enum table t, struct bytes key, struct bytes *payload,
    bool *found, struct err *e)
{
	assert(v->open);
	MDB_val k = val_of(key), got;
	int code = mdb_get(v->txn, v->s->dbi[t], &k, &got);
	if (code == MDB_NOTFOUND) {
		*found = false;
		return true;
	}
	if (code != 0)
		return store_lmdb_fail(v->s, code, table_names[t], e);
	if (!store_row_check(v, t, key, bytes_from(got.mv_data, got.mv_size), payload, e))
		return false;
	*found = true;
	return true;
}

bool
store_walk_start(
    struct walk *w, struct store_view *v, enum table t, struct bytes from, struct err *e)
{
	assert(v->open);
	struct walk fresh = { .view = v, .table = t, .at = val_of(from) };
	fresh.op = from.len == 0 ? MDB_FIRST : MDB_SET_RANGE;
	int code = mdb_cursor_open(v->txn, v->s->dbi[t], &fresh.cursor);
	if (code != 0)
		return store_lmdb_fail(v->s, code, table_names[t], e);
	*w = fresh;
	return true;
}

bool
store_walk_next(struct walk *w, struct bytes *key, struct bytes *payload, bool *more, struct err *e)
{
	MDB_val got;
	int code = mdb_cursor_get(w->cursor, &w->at, &got, w->op);
	w->op = MDB_NEXT;
	if (code == MDB_NOTFOUND) {
		*more = false;
		return true;
	}
	if (code != 0)
		return store_lmdb_fail(w->view->s, code, table_names[w->table], e);
	struct bytes k = bytes_from(w->at.mv_data, w->at.mv_size), body;
	uintptr_t page = (uintptr_t)k.data / w->view->s->page_bytes;
	w->value = got.mv_data;
	w->leaves += w->rows == 0 || page != w->page;
	w->page = page;
	w->rows++;
	if (!store_row_check(w->view, w->table, k, bytes_from(got.mv_data, got.mv_size), &body, e))
		return false;
	*key = k;
	*payload = body;
	*more = true;
	return true;
}

void
store_walk_end(struct walk *w)
{
	if (w->cursor != NULL)
		mdb_cursor_close(w->cursor);
	w->cursor = NULL;
}

bool
store_walk_reached(struct walk *w, struct bytes key, struct err *e)
{
	struct store *s = w->view->s;
	MDB_val k = val_of(key), got = { 0, NULL };
	int code = mdb_get(w->view->txn, s->dbi[w->table], &k, &got);
	if (code != 0 && code != MDB_NOTFOUND)
		return store_lmdb_fail(s, code, table_names[w->table], e);
	if (code != 0 || got.mv_data != w->value)
		return store_lmdb_corrupt(s, w->table, key, "a search does not find it", e);
	if (bytes_compare(w->before, key) >= 0)
		return store_lmdb_corrupt(s, w->table, key, "it is out of order", e);
	w->before = key;
	return true;
}

bool
store_walk_whole(const struct walk *w, struct err *e)
{
	MDB_stat st;
	struct store *s = w->view->s;
	int code = mdb_stat(w->view->txn, s->dbi[w->table], &st);
	if (code != 0)
		return store_lmdb_fail(s, code, table_names[w->table], e);
	if (st.ms_entries == w->rows && st.ms_leaf_pages == w->leaves)
		return true;
	store_break(s);
	return err_set(e, ERR_CORRUPT,
	    "store: table %s has %zu rows in %zu pages, a walk met %llu in %llu",
	    table_names[w->table], st.ms_entries, st.ms_leaf_pages, (unsigned long long)w->rows,
	    (unsigned long long)w->leaves);
}

static bool
in_page(const struct page *p, struct bytes key)
{
	return key.len >= p->prefix && memcmp(key.data, p->from.data, p->prefix) == 0;
}

bool
store_page_read(const struct page *p, size_t *count, struct err *e)
{
	SCOPED(store_walk_end) struct walk w = { 0 };
	if (!store_walk_start(&w, p->view, p->table, p->from, e))
		return false;
	size_t n = 0;
	for (; n < *count; n++) {
		struct bytes key, row;
		bool more;
		if (!store_walk_next(&w, &key, &row, &more, e))
			return false;
		if (!more || (p->prefix > 0 && !in_page(p, key)))
			break;
		uint8_t *to = p->out;
		if (!p->parse(p->view, key, row, to + n * p->item, e))
			return false;
	}
	*count = n;
	return true;
}

bool
store_chunks_put(struct store *s, enum table t, const struct key *key, struct bytes bytes,
    unsigned flags, struct err *e)
{
	if (bytes.len / LIMIT_CHUNK_BYTES > UINT16_MAX)
		return err_set(e, ERR_LIMIT, "store: %zu bytes in one value", bytes.len);
	size_t at = 0, len;
	unsigned chunk = 0;
	do { /* a full last chunk is followed by an empty one: a lost tail shows */
		len = bytes.len - at < LIMIT_CHUNK_BYTES ? bytes.len - at : LIMIT_CHUNK_BYTES;
		struct key k;
		k.len = 0;
		store_key_bytes(&k, store_key_view(key));
		store_key_u16(&k, (uint16_t)chunk++);
		struct bytes piece = bytes_from(len == 0 ? NULL : bytes.data + at, len);
		if (!store_row_put(s, t, store_key_view(&k), piece, flags, e))
			return false;
		at += len;
	} while (len == LIMIT_CHUNK_BYTES);
	return true;
}

/* Walks the chunks of a value; with 'to' copies them there.  Gives their length, and whether there
 * was any; a value that does not end as store_chunks_put ends it has lost its tail. */
static bool
chunks_walk(struct store_view *v, enum table t, const struct key *key, uint8_t *to, size_t *len,
    bool *found, struct err *e)
{
	struct key from = *key;
	store_key_u16(&from, 0);
	SCOPED(store_walk_end) struct walk w = { 0 };
	if (!store_walk_start(&w, v, t, store_key_view(&from), e))
		return false;
	size_t sum = 0, last = LIMIT_CHUNK_BYTES;
	unsigned chunk = 0;
	while (last == LIMIT_CHUNK_BYTES) {
		struct bytes k, piece;
		bool more;
		if (!store_walk_next(&w, &k, &piece, &more, e))
			return false;
		put_u16(from.data + key->len, (uint16_t)chunk);
		if (!more || !bytes_equal(k, store_key_view(&from)))
			break;
		if (to != NULL && piece.len > 0)
			memcpy(to + sum, piece.data, piece.len);
		sum += piece.len;
		last = piece.len;
		chunk++;
	}
	if (chunk > 0 && last == LIMIT_CHUNK_BYTES)
		return store_lmdb_corrupt(v->s, t, store_key_view(&from), "the end is missing", e);
	*len = sum;
	*found = chunk > 0;
	return true;
}

bool
store_chunks_get(struct store_view *v, enum table t, const struct key *key, struct bytes *out,
    bool *found, struct err *e)
{
	size_t len;
	bool there;
	struct key first;
	struct bytes only;
	first.len = 0;
	store_key_bytes(&first, store_key_view(key));
	store_key_u16(&first, 0);
	if (!store_row_get(v, t, store_key_view(&first), &only, &there, e))
		return false;
	if (!there || only.len < LIMIT_CHUNK_BYTES) { /* most have no second chunk */
		if (there && !arena_copy(v->arena, only, out, e))
			return false;
		*found = there;
		return true;
	}
	if (!chunks_walk(v, t, key, NULL, &len, &there, e))
		return false;
	uint8_t *to = arena_alloc(v->arena, len);
	if (to == NULL)
		return err_set(e, ERR_NOMEM, "a stored value of %zu bytes", len);
	if (!chunks_walk(v, t, key, to, &len, &there, e))
		return false;
	*out = bytes_from(to, len);
	*found = true;
	return true;
}
