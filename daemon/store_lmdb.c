/* The LMDB driver of store.h: opening, batches, views. */
#include "daemon/store_lmdb.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "daemon/role.h"

/* ---- opening ---- */

static bool
read_state(struct store *s, struct err *e)
{
	struct store_view v = { .s = s, .open = true };
	int code = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &v.txn);
	if (code != 0)
		return store_lmdb_fail(s, code, "begin", e);
	bool ok = store_state_get(&v, &s->found, e) && store_tally_load(s, &v, e);
	mdb_txn_abort(v.txn);
	return ok;
}

/* Where records in files are, if there are any. */
static bool
find_archive(const struct store_config *cfg, struct store *s, struct err *e)
{
	struct store_view v = { .s = s, .open = true };
	struct store_archive a;
	int code = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &v.txn);
	if (code != 0)
		return store_lmdb_fail(s, code, "begin", e);
	bool ok = store_read_archive(&v, &a, e);
	mdb_txn_abort(v.txn);
	if (!ok)
		return false;
	bool said = cfg->archive != NULL && cfg->archive[0] != '\0';
	if (said)
		s->archive = open(cfg->archive, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (said && s->archive < 0)
		return err_set(e, ERR_CONFIG, "archive '%s': %s", cfg->archive, strerror(errno));
	return said || a.end == 0 ||
	       err_set(e, ERR_CONFIG,
		   "its first %llu records are in files: 'store { archive }' has to say where",
		   (unsigned long long)a.end);
}

bool
store_open_with(const struct store_config *cfg, bool copy, struct store **out, struct err *e)
{
	SCOPED(store_free) struct store *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return err_set(e, ERR_NOMEM, "store handle");
	s->dir = s->mark = s->archive = -1;
	atomic_init(&s->broken, false);
	bool open = copy ? store_file_open_copy(cfg, s, e)
			 : store_file_prepare(cfg, s, e) && store_file_open(cfg, s, e);
	if (!open || !read_state(s, e) || !find_archive(cfg, s, e))
		return err_wrap(e, "store '%s'", cfg->path);
	if (!copy && s->found.fence.generation != cfg->generation)
		return err_set(e, ERR_STORE, "store '%s': it is of generation %llu, not %llu",
		    cfg->path, (unsigned long long)s->found.fence.generation,
		    (unsigned long long)cfg->generation);
	*out = MOVE(s);
	return true;
}

bool
store_open(const struct store_config *cfg, struct store **out, struct err *e)
{
	return store_open_with(cfg, false, out, e);
}

void
store_free(struct store *s)
{
	ASSERT_ON(ROLE_COMMITTER);
	if (s == NULL)
		return;
	store_abort(s);
	store_file_close(s);
	store_tally_free(s);
	free(s);
}

bool
store_is_broken(const struct store *s)
{
	return atomic_load(&s->broken);
}

void
store_break(struct store *s)
{
	if (!atomic_exchange(&s->broken, true))
		(void)store_file_mark(s, true); /* at least tried; a power cut is seen anyway */
}

bool
store_needs_full_check(const struct store *s, const uint8_t boot_id[16])
{
	if (s->marked)
		return true;
	if (s->found.commits == 0 || s->found.clean)
		return false;
	return memcmp(s->found.stamp.boot_id, boot_id, sizeof(s->found.stamp.boot_id)) != 0;
}

bool
store_verified(struct store *s, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	if (store_is_broken(s))
		return err_set(e, ERR_STORE, "store: it broke while it was verified");
	if (s->marked && !store_file_mark(s, false))
		return err_set(e, ERR_STORE, "store: write the mark: %s", strerror(errno));
	s->marked = false;
	return true;
}

/* ---- batches ---- */

static void
batch_end(struct store *s)
{
	s->batch = (struct batch){ 0 };
}

static bool
batch_start(struct store *s, struct arena *scratch, struct err *e)
{
	MDB_txn *txn;
	int code = mdb_txn_begin(s->env, NULL, 0, &txn);
	if (code != 0)
		return store_lmdb_fail(s, code, "begin", e);
	s->batch.view = (struct store_view){ .s = s, .txn = txn, .arena = scratch, .open = true };
	if (!store_state_get(&s->batch.view, &s->batch.before, e)) {
		mdb_txn_abort(txn);
		batch_end(s);
		return false;
	}
	s->batch.after = s->batch.before;
	s->batch.next_index = s->batch.before.fence.log_size;
	return true;
}

bool
store_begin(struct store *s, struct arena *scratch, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	assert(s->batch.view.txn == NULL);
	if (store_is_broken(s))
		return err_set(e, ERR_STORE, "store: it is broken");
	if (s->marked)
		return err_set(e, ERR_STORE, "store: it must be verified as a whole first");
	if (s->copy)
		return err_set(e, ERR_STORE, "store: it was opened as a copy, to be read");
	return store_file_grow(s, e) && batch_start(s, scratch, e);
}

static bool
fence_equal(const struct store_fence *a, const struct store_fence *b)
{
	return a->generation == b->generation && a->log_size == b->log_size &&
	       a->epoch == b->epoch && memcmp(a->policy, b->policy, sizeof(a->policy)) == 0;
}

static bool
check_fence(struct store *s, const struct store_fence *expect, struct err *e)
{
	const struct store_fence *is = &s->batch.before.fence;
	if (fence_equal(is, expect))
		return true;
	store_break(s);
	return err_set(e, ERR_STORE,
	    "store: the fence is (generation %llu, size %llu, epoch %llu), not (%llu, %llu, %llu)",
	    (unsigned long long)is->generation, (unsigned long long)is->log_size,
	    (unsigned long long)is->epoch, (unsigned long long)expect->generation,
	    (unsigned long long)expect->log_size, (unsigned long long)expect->epoch);
}

/* Entries and the head that covers them are one thing (AUDIT I1). */
static bool
check_head(struct store *s, struct err *e)
{
	const struct batch *b = &s->batch;
	if (b->after.fence.log_size == b->next_index)
		return true;
	store_break(s);
	return err_set(e, ERR_STORE, "store: the log has %llu entries, its head says %llu",
	    (unsigned long long)b->next_index, (unsigned long long)b->after.fence.log_size);
}

/* A full disk inside a commit is benign only if the environment lived through it: after a failed
 * write of the meta page LMDB refuses even to read, and the outcome is unknown [3]. */
static bool
commit_failed(struct store *s, int code, struct err *e)
{
	MDB_txn *probe;
	int alive = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &probe);
	if (alive == 0)
		mdb_txn_abort(probe);
	return store_lmdb_fail(s, alive == 0 ? code : alive, "commit", e);
}

static bool
commit(struct store *s, const struct store_stamp *now, struct err *e)
{
	struct store_state *st = &s->batch.after;
	st->stamp = *now;
	st->commits++;
	st->clean = s->goodbye;
	if (!store_state_put(s, st, e))
		return false;
	MDB_txn *txn = MOVE(s->batch.view.txn); /* gone, whatever comes */
	int code = mdb_txn_commit(txn);
	return code == 0 || commit_failed(s, code, e);
}

bool
store_commit(
    struct store *s, const struct store_fence *expect, const struct store_stamp *now, struct err *e)
{
	ASSERT_ON(ROLE_COMMITTER);
	assert(s->batch.view.txn != NULL);
	bool ok = !store_is_broken(s) || err_set(e, ERR_STORE, "store: it is broken");
	ok = ok && check_fence(s, expect, e) && check_head(s, e) && commit(s, now, e);
	if (!ok) {
		store_abort(s);
		return false;
	}
	store_tally_keep(s);
	batch_end(s);
	return true;
}

void
store_abort(struct store *s)
{
	ASSERT_ON(ROLE_COMMITTER);
	if (s->batch.view.s == NULL)
		return;
	if (s->batch.view.txn != NULL)
		mdb_txn_abort(s->batch.view.txn);
	batch_end(s);
	if (!store_tally_undo(s, NULL))
		store_break(s);
}

struct store_view *
store_batch_view(struct store *s)
{
	ASSERT_ON(ROLE_COMMITTER);
	assert(s->batch.view.txn != NULL);
	return &s->batch.view;
}

void
store_say_goodbye(struct store *s)
{
	ASSERT_ON(ROLE_COMMITTER);
	s->goodbye = true;
}

/* ---- views ---- */

static bool
view_count(struct store *s)
{
	unsigned left = atomic_load(&s->views_left);
	while (left > 0)
		if (atomic_compare_exchange_weak(&s->views_left, &left, left - 1))
			return true;
	return false;
}

bool
store_view_new(struct store *s, struct store_view **out, struct err *e)
{
	struct store_view *v = calloc(1, sizeof(*v));
	if (v == NULL)
		return err_set(e, ERR_NOMEM, "store view");
	if (!view_count(s)) {
		free(v);
		return err_set(e, ERR_STORE, "store: more views than were asked for");
	}
	int code = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &v->txn);
	if (code != 0) {
		free(v);
		return store_lmdb_fail(s, code, "view", e);
	}
	mdb_txn_reset(v->txn);
	v->s = s;
	*out = v;
	return true;
}

void
store_view_free(struct store_view *v)
{
	if (v == NULL)
		return;
	mdb_txn_abort(v->txn);
	(void)atomic_fetch_add(&v->s->views_left, 1);
	free(v);
}

bool
store_view_open(struct store_view *v, struct arena *arena, struct err *e)
{
	assert(!v->open);
	int code = mdb_txn_renew(v->txn);
	if (code != 0)
		return store_lmdb_fail(v->s, code, "view", e);
	v->arena = arena;
	v->open = true;
	return true;
}

void
store_view_close(struct store_view *v)
{
	if (!v->open)
		return;
	mdb_txn_reset(v->txn);
	v->arena = NULL;
	v->open = false;
}

bool
store_read_state(struct store_view *v, struct store_state *out, struct err *e)
{
	return store_state_get(v, out, e);
}
