/* The tables meta, name, chain and policy of the LMDB driver. */
#include "daemon/store_lmdb.h"

#include <assert.h>
#include <openssl/evp.h>

#include "daemon/role.h"
#include "proto/arena.h"

/* ---- meta ---- */

static struct bytes
commit_row(void)
{
	return bytes_of("commit");
}

bool
store_state_get(struct store_view *v, struct store_state *out, struct err *e)
{
	struct bytes row;
	bool found;
	if (!store_row_get(v, T_META, commit_row(), &row, &found, e))
		return false;
	if (!found)
		return store_lmdb_corrupt(v->s, T_META, commit_row(), "it is missing", e);
	struct cursor c = cursor_over(row);
	uint32_t format = cursor_u32(&c);
	if (format != STORE_FORMAT)
		return err_set(
		    e, ERR_STORE, "store: format %u, not %u", (unsigned)format, STORE_FORMAT);
	struct store_state st = { 0 };
	st.fence.generation = cursor_u64(&c);
	st.fence.log_size = cursor_u64(&c);
	st.fence.epoch = cursor_u64(&c);
	cursor_copy(&c, st.fence.policy, sizeof(st.fence.policy));
	st.stamp.time_us = cursor_u64(&c);
	st.stamp.boot_us = cursor_u64(&c);
	cursor_copy(&c, st.stamp.boot_id, sizeof(st.stamp.boot_id));
	st.commits = cursor_u64(&c);
	st.published = cursor_u64(&c);
	st.clean = cursor_u8(&c) == 1;
	if (!cursor_finished(&c))
		return store_lmdb_corrupt(v->s, T_META, commit_row(), "wrong length", e);
	*out = st;
	return true;
}

bool
store_state_put(struct store *s, const struct store_state *st, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct value v = { 0 };
	store_value_u32(&v, STORE_FORMAT);
	store_value_u64(&v, st->fence.generation);
	store_value_u64(&v, st->fence.log_size);
	store_value_u64(&v, st->fence.epoch);
	store_value_bytes(&v, bytes_from(st->fence.policy, sizeof(st->fence.policy)));
	store_value_u64(&v, st->stamp.time_us);
	store_value_u64(&v, st->stamp.boot_us);
	store_value_bytes(&v, bytes_from(st->stamp.boot_id, sizeof(st->stamp.boot_id)));
	store_value_u64(&v, st->commits);
	store_value_u64(&v, st->published);
	store_value_u8(&v, st->clean);
	return store_row_put(s, T_META, commit_row(), store_value_view(&v), 0, e);
}

bool
store_put_epoch(
    struct store *s, uint64_t index, const uint8_t digest[STORE_HASH_BYTES], struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct store_fence *f = &s->batch.after.fence;
	if (f->epoch != STORE_NONE && index <= f->epoch) {
		store_break(s);
		return err_set(e, ERR_STORE, "store: the policy epoch would go back");
	}
	f->epoch = index;
	memcpy(f->policy, digest, sizeof(f->policy));
	return true;
}

bool
store_counter_next(struct store *s, const char *name, uint32_t *out, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct bytes row;
	bool found;
	uint32_t last = 0;
	if (!store_row_get(&s->batch.view, T_META, bytes_of(name), &row, &found, e))
		return false;
	if (found) {
		struct cursor c = cursor_over(row);
		last = cursor_u32(&c);
		if (!cursor_finished(&c))
			return store_lmdb_corrupt(s, T_META, bytes_of(name), "wrong length", e);
	}
	if (last == UINT32_MAX)
		return err_set(e, ERR_FULL, "store: no number left for a %s", name);
	uint8_t next[4];
	put_u32(next, last + 1);
	if (!store_row_put(s, T_META, bytes_of(name), bytes_from(next, sizeof(next)), 0, e))
		return false;
	*out = last + 1;
	return true;
}

static const char note_root[] = "note/";

static bool
note_key(struct key *k, struct bytes name, struct err *e)
{
	k->len = 0;
	if (name.len > NOTE_NAME_MAX)
		return err_set(e, ERR_LIMIT, "store: a note's name of %zu bytes", name.len);
	store_key_bytes(k, bytes_of(note_root));
	store_key_bytes(k, name);
	return true;
}

bool
store_put_note(struct store *s, const char *name, struct bytes value, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	struct key k;
	if (!note_key(&k, bytes_of(name), e))
		return false;
	if (value.len > NOTE_MAX)
		return err_set(e, ERR_LIMIT, "store: a note of %zu bytes", value.len);
	if (value.len == 0)
		return store_row_drop(s, T_META, store_key_view(&k), NULL, e);
	return store_row_put(s, T_META, store_key_view(&k), value, 0, e);
}

bool
store_note_get(
    struct store_view *v, const char *name, struct bytes *out, bool *found, struct err *e)
{
	struct key k;
	return note_key(&k, bytes_of(name), e) &&
	       store_row_get(v, T_META, store_key_view(&k), out, found, e);
}

bool
store_read_note(
    struct store_view *v, const char *name, struct bytes *out, bool *found, struct err *e)
{
	struct bytes row;
	bool there;
	if (!store_note_get(v, name, &row, &there, e))
		return false;
	if (there && !arena_copy(v->arena, row, out, e))
		return false;
	*found = there;
	return true;
}

static bool
note_parse(struct store_view *v, struct bytes key, struct bytes row, void *out, struct err *e)
{
	struct store_note n;
	size_t root = strlen(note_root);
	if (!arena_copy(v->arena, bytes_from(key.data + root, key.len - root), &n.name, e) ||
	    !arena_copy(v->arena, row, &n.value, e))
		return false;
	memcpy(out, &n, sizeof(n));
	return true;
}

bool
store_read_notes(
    struct store_view *v, struct bytes after, struct store_note *out, size_t *count, struct err *e)
{
	struct key from;
	if (!note_key(&from, after, e))
		return false;
	const uint8_t *slash = memchr(after.data, '/', after.len);
	assert(slash != NULL);
	size_t prefix = strlen(note_root) + (size_t)(slash - after.data) + 1;
	store_key_above(&from);
	struct page p = { v, T_META, store_key_view(&from), prefix, note_parse, out, sizeof(*out) };
	return store_page_read(&p, count, e);
}

/* ---- name: kind | text -> number, and kind + 128 | number -> text ---- */

static const uint8_t backwards = 128;

static bool
name_key(struct key *k, enum store_name_kind kind, struct bytes text, struct err *e)
{
	k->len = 0;
	if (text.len == 0 || text.len > NAME_MAX_BYTES)
		return err_set(e, ERR_LIMIT, "store: a name of %zu bytes", text.len);
	store_key_u8(k, (uint8_t)kind);
	store_key_bytes(k, text);
	return true;
}

bool
store_find_name(struct store_view *v, enum store_name_kind kind, struct bytes text, uint32_t *id,
    bool *found, struct err *e)
{
	struct key k;
	struct bytes row;
	bool there;
	if (!name_key(&k, kind, text, e) ||
	    !store_row_get(v, T_NAME, store_key_view(&k), &row, &there, e))
		return false;
	if (there) {
		struct cursor c = cursor_over(row);
		uint32_t n = cursor_u32(&c);
		if (!cursor_finished(&c))
			return store_lmdb_corrupt(
			    v->s, T_NAME, store_key_view(&k), "wrong length", e);
		*id = n;
	}
	*found = there;
	return true;
}

static void
number_key(struct key *k, enum store_name_kind kind, uint32_t id)
{
	k->len = 0;
	store_key_u8(k, (uint8_t)(backwards | (uint8_t)kind));
	store_key_u32(k, id);
}

bool
store_name(
    struct store *s, enum store_name_kind kind, struct bytes text, uint32_t *id, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	bool found;
	if (!store_find_name(&s->batch.view, kind, text, id, &found, e))
		return false;
	if (found)
		return true;
	uint32_t n;
	uint8_t number[4];
	struct key k, back;
	if (!store_counter_next(s, "next-name", &n, e) || !name_key(&k, kind, text, e))
		return false;
	put_u32(number, n);
	number_key(&back, kind, n);
	if (!store_row_put(
		s, T_NAME, store_key_view(&k), bytes_from(number, sizeof(number)), 0, e) ||
	    !store_row_put(s, T_NAME, store_key_view(&back), text, 0, e))
		return false;
	*id = n;
	return true;
}

bool
store_name_text(struct store_view *v, enum store_name_kind kind, uint32_t id, struct bytes *text,
    bool *found, struct err *e)
{
	struct key k;
	struct bytes row;
	bool there;
	number_key(&k, kind, id);
	if (!store_row_get(v, T_NAME, store_key_view(&k), &row, &there, e))
		return false;
	if (there && !arena_copy(v->arena, row, text, e))
		return false;
	*found = there;
	return true;
}

/* ---- chain, policy ---- */

static enum table
blob_table(enum store_blob kind)
{
	return kind == STORE_CHAIN ? T_CHAIN : T_POLICY;
}

bool
store_put_blob(struct store *s, enum store_blob kind, struct bytes bytes,
    uint8_t digest[STORE_HASH_BYTES], struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	uint8_t hash[STORE_HASH_BYTES];
	if (EVP_Digest(bytes.data, bytes.len, hash, NULL, EVP_sha256(), NULL) != 1)
		return err_set(e, ERR_CRYPTO, "SHA-256 of %zu bytes", bytes.len);
	struct key k = { 0 };
	store_key_bytes(&k, bytes_from(hash, sizeof(hash)));
	struct key first = k;
	store_key_u16(&first, 0);
	struct bytes row;
	bool found;
	if (!store_row_get(
		&s->batch.view, blob_table(kind), store_key_view(&first), &row, &found, e))
		return false;
	if (!found && !store_chunks_put(s, blob_table(kind), &k, bytes, 0, e))
		return false;
	memcpy(digest, hash, sizeof(hash));
	return true;
}

bool
store_read_blob(struct store_view *v, enum store_blob kind, const uint8_t digest[STORE_HASH_BYTES],
    struct bytes *out, bool *found, struct err *e)
{
	struct key k = { 0 };
	store_key_bytes(&k, bytes_from(digest, STORE_HASH_BYTES));
	return store_chunks_get(v, blob_table(kind), &k, out, found, e);
}
