/* The tables entry, tile, head and checkpoint of the LMDB driver (AUDIT 4). */
#include "daemon/store_lmdb.h"

#include <assert.h>

#include "daemon/role.h"
#include "proto/arena.h"

static void
index_key(struct key *k, uint64_t index)
{
	k->len = 0;
	store_key_u64(k, index);
}

/* What the caller asks would break the log: our own mistake or a lie of the disk; never retried. */
static bool
refuse(struct store *s, struct err *e, const char *what, uint64_t index)
{
	store_break(s);
	return err_set(e, ERR_STORE, "store: %s %llu", what, (unsigned long long)index);
}

/* ---- entry: index u64 ---- */

static bool
entry_fits(struct bytes value, struct err *e)
{
	if (value.len > ENTRY_MAX || value.len < STORE_HASH_BYTES)
		return err_set(e, ERR_LIMIT, "store: a log entry of %zu bytes", value.len);
	return true;
}

bool
store_put_entry(struct store *s, uint64_t index, struct bytes value, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct key k;
	index_key(&k, index);
	if (!entry_fits(value, e))
		return false;
	if (index != s->batch.next_index)
		return refuse(s, e, "out of order: log entry", index);
	if (!store_row_put(s, T_ENTRY, store_key_view(&k), value, MDB_APPEND, e))
		return false;
	s->batch.next_index++;
	return true;
}

bool
store_erase_entry(struct store *s, uint64_t index, struct bytes value, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct key k;
	struct bytes old;
	bool found;
	index_key(&k, index);
	if (!entry_fits(value, e) ||
	    !store_row_get(&s->batch.view, T_ENTRY, store_key_view(&k), &old, &found, e))
		return false;
	if (!found || old.len < STORE_HASH_BYTES ||
	    memcmp(old.data, value.data, STORE_HASH_BYTES) != 0)
		return refuse(s, e, "erasing would change the leaf of log entry", index);
	return store_row_put(s, T_ENTRY, store_key_view(&k), value, 0, e);
}

bool
store_read_entry(
    struct store_view *v, uint64_t index, struct bytes *out, bool *found, struct err *e)
{
	struct key k;
	struct bytes row;
	bool there;
	index_key(&k, index);
	if (!store_row_get(v, T_ENTRY, store_key_view(&k), &row, &there, e))
		return false;
	if (there && !arena_copy(v->arena, row, out, e))
		return false;
	size_t filed = there ? 0 : 1;
	if (!there && !store_archive_read(v, index, SIZE_MAX, out, &filed, e))
		return false;
	*found = there || filed > 0;
	return true;
}

/* Entries from 'from' on; with a view's arena they are copied there, else borrowed from the map. */
static bool
read_entries(struct store_view *v, struct arena *copies, uint64_t from, size_t max_bytes,
    struct bytes *out, size_t *count, struct err *e)
{
	struct key k;
	index_key(&k, from);
	SCOPED(store_walk_end) struct walk w = { 0 };
	if (!store_walk_start(&w, v, T_ENTRY, store_key_view(&k), e))
		return false;
	size_t n = 0, sum = 0;
	for (; n < *count && (n == 0 || sum < max_bytes); n++) {
		struct bytes key, row;
		bool more;
		if (!store_walk_next(&w, &key, &row, &more, e))
			return false;
		if (!more)
			break;
		struct cursor c = cursor_over(key);
		if (cursor_u64(&c) != from + n || !cursor_finished(&c))
			return store_lmdb_corrupt(
			    v->s, T_ENTRY, key, "entries before it are missing", e);
		out[n] = row;
		if (copies != NULL && !arena_copy(copies, row, &out[n], e))
			return false;
		sum += row.len;
	}
	*count = n;
	return true;
}

bool
store_read_entries(struct store_view *v, uint64_t from, size_t max_bytes, struct bytes *out,
    size_t *count, struct err *e)
{
	size_t filed = *count;
	if (!store_archive_read(v, from, max_bytes, out, &filed, e))
		return false;
	if (filed == 0)
		return read_entries(v, v->arena, from, max_bytes, out, count, e);
	*count = filed;
	return true;
}

bool
store_see_entries(struct store *s, uint64_t from, struct bytes *out, size_t *count, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	return read_entries(store_batch_view(s), NULL, from, SIZE_MAX, out, count, e);
}

/* ---- tile: level u8 | n u64 ---- */

static void
tile_key(struct key *k, uint8_t level, uint64_t n)
{
	k->len = 0;
	store_key_u8(k, level);
	store_key_u64(k, n);
}

bool
store_put_tile(struct store *s, uint8_t level, uint64_t n, const uint8_t hashes[STORE_TILE_BYTES],
    struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct key k;
	tile_key(&k, level, n);
	return store_row_put(s, T_TILE, store_key_view(&k), bytes_from(hashes, STORE_TILE_BYTES),
	    MDB_NOOVERWRITE, e);
}

bool
store_read_tile(struct store_view *v, uint8_t level, uint64_t n, uint8_t out[STORE_TILE_BYTES],
    bool *found, struct err *e)
{
	struct key k;
	struct bytes row;
	bool there;
	tile_key(&k, level, n);
	if (!store_row_get(v, T_TILE, store_key_view(&k), &row, &there, e))
		return false;
	if (there && row.len != STORE_TILE_BYTES)
		return store_lmdb_corrupt(v->s, T_TILE, store_key_view(&k), "wrong length", e);
	if (there)
		memcpy(out, row.data, STORE_TILE_BYTES);
	*found = there;
	return true;
}

/* ---- head: tree u32 ---- */

static void
head_key(struct key *k, uint32_t tree)
{
	k->len = 0;
	store_key_u32(k, tree);
}

bool
store_put_head(struct store *s, const struct store_head *h, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct key k;
	struct value v;
	v.len = 0;
	head_key(&k, h->tree);
	store_value_u64(&v, h->size);
	store_value_bytes(&v, bytes_from(h->root, sizeof(h->root)));
	store_value_u64(&v, h->time_us);
	store_value_u64(&v, h->head_index);
	store_value_u64(&v, h->head_size);
	for (unsigned bit = 0; bit < 64; bit++)
		if (h->size >> bit & 1)
			store_value_bytes(&v, bytes_from(h->frontier[bit], STORE_HASH_BYTES));
	if (!store_row_put(s, T_HEAD, store_key_view(&k), store_value_view(&v), 0, e))
		return false;
	if (h->tree == STORE_MAIN_TREE)
		s->batch.after.fence.log_size = h->size;
	return true;
}

static bool
head_parse(struct store_view *v, struct bytes key, struct bytes row, void *out, struct err *e)
{
	struct store_head h = { 0 };
	struct cursor kc = cursor_over(key), c = cursor_over(row);
	h.tree = cursor_u32(&kc);
	h.size = cursor_u64(&c);
	cursor_copy(&c, h.root, sizeof(h.root));
	h.time_us = cursor_u64(&c);
	h.head_index = cursor_u64(&c);
	h.head_size = cursor_u64(&c);
	for (unsigned bit = 0; bit < 64; bit++)
		if (h.size >> bit & 1)
			cursor_copy(&c, h.frontier[bit], STORE_HASH_BYTES);
	if (!cursor_finished(&kc) || !cursor_finished(&c))
		return store_lmdb_corrupt(v->s, T_HEAD, key, "wrong length", e);
	memcpy(out, &h, sizeof(h));
	return true;
}

bool
store_read_head(
    struct store_view *v, uint32_t tree, struct store_head *out, bool *found, struct err *e)
{
	struct key k;
	struct bytes row;
	bool there;
	head_key(&k, tree);
	if (!store_row_get(v, T_HEAD, store_key_view(&k), &row, &there, e))
		return false;
	if (there && !head_parse(v, store_key_view(&k), row, out, e))
		return false;
	if (!there)
		*out = (struct store_head){ .tree = tree, .head_index = STORE_NONE };
	*found = there;
	return true;
}

bool
store_read_heads(
    struct store_view *v, uint32_t after, struct store_head *out, size_t *count, struct err *e)
{
	struct key from;
	head_key(&from, after);
	store_key_above(&from);
	struct page p = { v, T_HEAD, store_key_view(&from), 0, head_parse, out, sizeof(*out) };
	return store_page_read(&p, count, e);
}

/* ---- checkpoint: size u64 -> note ---- */

/* The row that the walk comes to by 'op'; its note is borrowed. */
static bool
checkpoint_step(
    struct walk *w, MDB_cursor_op op, struct store_checkpoint *out, bool *found, struct err *e)
{
	struct bytes key, row;
	bool more;
	w->op = op;
	if (!store_walk_next(w, &key, &row, &more, e))
		return false;
	struct cursor c = cursor_over(key);
	*found = more;
	if (!more)
		return true;
	struct store_checkpoint at = { .size = cursor_u64(&c), .note = row };
	if (!cursor_finished(&c))
		return store_lmdb_corrupt(w->view->s, T_CHECKPOINT, key, "wrong length", e);
	*out = at;
	return true;
}

/* The newest before it goes, unless somebody was given it. */
static bool
replace_newest(struct store *s, uint64_t size, struct err *e)
{
	struct store_checkpoint newest;
	bool found;
	SCOPED(store_walk_end) struct walk w = { 0 };
	if (!store_walk_start(&w, &s->batch.view, T_CHECKPOINT, bytes_from(NULL, 0), e) ||
	    !checkpoint_step(&w, MDB_LAST, &newest, &found, e))
		return false;
	if (found && newest.size > size)
		return refuse(s, e, "the log would go back: checkpoint of", size);
	if (!found || newest.size == size || newest.size <= s->batch.after.published)
		return true;
	int code = mdb_cursor_del(w.cursor, 0);
	return code == 0 || store_lmdb_fail(s, code, store_lmdb_table(T_CHECKPOINT), e);
}

bool
store_put_checkpoint(struct store *s, const struct store_checkpoint *c, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct key k;
	if (c->note.len > CHECKPOINT_MAX)
		return err_set(e, ERR_LIMIT, "store: a checkpoint of %zu bytes", c->note.len);
	if (!replace_newest(s, c->size, e))
		return false;
	index_key(&k, c->size);
	if (!store_row_put(s, T_CHECKPOINT, store_key_view(&k), c->note, 0, e))
		return false;
	if (c->published && c->size > s->batch.after.published)
		s->batch.after.published = c->size;
	return true;
}

/* Moves to the newest checkpoint of a size of at most 'at_most'. */
static bool
checkpoint_seek(
    struct walk *w, uint64_t at_most, struct store_checkpoint *out, bool *found, struct err *e)
{
	if (!checkpoint_step(w, MDB_SET_RANGE, out, found, e))
		return false;
	if (*found && out->size == at_most)
		return true;
	return checkpoint_step(w, *found ? MDB_PREV : MDB_LAST, out, found, e);
}

bool
store_read_checkpoint(struct store_view *v, uint64_t at_most, bool published,
    struct store_checkpoint *out, bool *found, struct err *e)
{
	struct key k;
	struct store_state st;
	struct store_checkpoint c = { 0 };
	bool there;
	if (!store_state_get(v, &st, e))
		return false;
	if (v == &v->s->batch.view) /* the row is written at the commit */
		st.published = v->s->batch.after.published;
	if (published && st.published < at_most)
		at_most = st.published;
	index_key(&k, at_most);
	SCOPED(store_walk_end) struct walk w = { 0 };
	if (!store_walk_start(&w, v, T_CHECKPOINT, store_key_view(&k), e) ||
	    !checkpoint_seek(&w, at_most, &c, &there, e))
		return false;
	c.published = c.size <= st.published;
	if (there) {
		struct bytes note = c.note;
		if (!arena_copy(v->arena, note, &c.note, e))
			return false;
		*out = c;
	}
	*found = there;
	return true;
}

bool
store_put_cosigned(struct store *s, uint64_t size, struct bytes note, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct store_checkpoint was;
	struct key k;
	bool found = false;
	if (note.len > CHECKPOINT_MAX)
		return err_set(e, ERR_LIMIT, "store: a checkpoint of %zu bytes", note.len);
	if (!store_read_checkpoint(&s->batch.view, size, true, &was, &found, e))
		return false;
	if (!found || was.size != size)
		return err_set(e, ERR_NOT_FOUND, "store: no head of this size was published");
	if (note.len < was.note.len || memcmp(note.data, was.note.data, was.note.len) != 0)
		return err_set(e, ERR_DATA, "store: it is not that head with more signatures");
	index_key(&k, size);
	return store_row_put(s, T_CHECKPOINT, store_key_view(&k), note, 0, e);
}

/* ---- everything ---- */

bool
store_check(struct store_view *v, const _Atomic bool *stop, struct store_counts *out, struct err *e)
{
	struct store_counts sum = { 0 };
	for (unsigned t = 0; t < T_COUNT; t++) {
		SCOPED(store_walk_end) struct walk w = { 0 };
		if (t == T_DEAD && v->s->no_dead)
			continue;
		if (!store_walk_start(&w, v, (enum table)t, bytes_from(NULL, 0), e))
			return false;
		for (;;) {
			struct bytes key, row;
			bool more;
			if (!store_walk_next(&w, &key, &row, &more, e))
				return false;
			if (!more)
				break;
			if (stop != NULL && *stop)
				return err_set(e, ERR_BUSY, "it was given up");
			if (!store_walk_reached(&w, key, e))
				return false;
			sum.bytes += key.len + row.len;
		}
		if (!store_walk_whole(&w, e))
			return false;
		sum.rows += w.rows;
	}
	*out = sum;
	return true;
}
