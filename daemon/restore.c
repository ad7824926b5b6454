#include "daemon/restore.h"

#include "audit/checkpoint.h"
#include "daemon/file.h"
#include "daemon/ledger.h"
#include "daemon/load.h"
#include "daemon/notary.h"
#include "daemon/restore_carry.h"
#include "daemon/salt.h"
#include "daemon/shell.h"
#include "daemon/startup.h"
#include "proto/dry.h"
#include "proto/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_ROOM = 4096, ARENA = 16 << 20 };
static const uint64_t us_a_ms = 1000;

/* A signed head of the old log. */
struct old_head {
	struct bytes note;
	struct checkpoint cp; /* views into the note */
};
struct restoring {
	const struct restore *set;
	struct evp_pkey_st *key; /* NULL: relto-signer has it */
	struct note_key new_key, old_key;
	struct sha256 h;
	struct arena keep; /* notes */
	struct store *from, *to;
	struct store_view *view; /* of 'from', closed */
	struct store_state was;
	struct startup_found found;
	uint64_t last_us; /* of the old log's last record */
	struct old_head heads[RESTORE_HEADS + 1];
	size_t head_count;
	struct carry carry;
	char part[PATH_ROOM]; /* where the store is made */
};

/* ---- names ---- */

/* "name/gN" without "/gN", and N. */
static struct bytes
stem_of(struct bytes origin, uint64_t *generation)
{
	size_t at = origin.len;
	*generation = 0;
	while (at > 0 && origin.data[at - 1] != '/')
		at--;
	for (size_t i = at + 1; i < origin.len; i++)
		*generation = *generation * 10 + (uint64_t)(origin.data[i] - '0');
	return bytes_from(origin.data, at == 0 ? 0 : at - 1);
}

/* The new origin is the old one with a higher generation. */
static bool
check_origin(struct restoring *r, struct bytes old, struct err *e)
{
	uint64_t was, is;
	struct bytes a = stem_of(old, &was), b = stem_of(bytes_of(r->set->config->log_origin), &is);
	if (bytes_equal(a, b) && is > was)
		return true;
	return err_set(e, ERR_CONFIG,
	    "the copy is of the log '%.*s', and 'log { origin }' says '%s': say "
	    "\"%.*s/g%" PRIu64 "\", or higher if that was in use",
	    (int)old.len, (const char *)old.data, r->set->config->log_origin, (int)a.len,
	    (const char *)a.data, was + 1);
}

/* ---- the copy ---- */

static bool
no_tile(void *ctx, struct tile_id id, const uint8_t data[TILE_BYTES], struct err *e)
{
	(void)ctx, (void)id, (void)data;
	return err_set(e, ERR_INTERNAL, "a copy is not written to");
}

/* Before anything is believed: whose log it is, by its newest head. */
static bool
read_origin(struct restoring *r, struct err *e)
{
	struct store_checkpoint newest;
	struct store_head head;
	struct note n;
	struct checkpoint cp;
	bool found = false, any = false;
	struct note_name name = { .type = NOTE_ED25519 };
	bool ok = store_view_open(r->view, &r->keep, e) && store_read_state(r->view, &r->was, e) &&
		  store_read_head(r->view, STORE_MAIN_TREE, &head, &any, e) &&
		  store_read_checkpoint(r->view, UINT64_MAX, false, &newest, &found, e);
	store_view_close(r->view);
	if (!ok)
		return false;
	if (!found)
		return err_set(e, ERR_DATA, "the copy has no signed head");
	if (!note_parse(&r->keep, newest.note, &n, e) || !checkpoint_parse(n.text, &cp, e) ||
	    !check_origin(r, cp.origin, e))
		return false;
	r->last_us = head.time_us;
	name.name = cp.origin;
	r->heads[r->head_count++] = (struct old_head){ newest.note, cp };
	return note_key_make(&r->h, &name, r->new_key.public, &r->old_key, e);
}

static bool
open_copy(struct restoring *r, struct err *e)
{
	struct store_config sc = { .path = r->set->from,
		.map_bytes = r->set->config->store_map_size,
		.views = 2,
		.archive = r->set->config->store_archive };
	struct stat st;
	if (stat(r->set->from, &st) != 0)
		return err_set(e, ERR_NOT_FOUND, "%s: %s", r->set->from, strerror(errno));
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return err_set(e, ERR_CONFIG, "%s: group or others can write it", r->set->from);
	return store_open_copy(&sc, &r->from, e) && store_view_new(r->from, &r->view, e);
}

/* As at a start, with the key of the old log, which is the same under another name. */
static bool
verify_copy(struct restoring *r, struct err *e)
{
	struct log log;
	struct startup how = { .store = r->from, .h = &r->h, .key = &r->old_key, .all = true };
	log_init(&log, &r->h, (struct log_sink){ no_tile, NULL });
	return startup_verify(&how, &log, &r->found, e) || err_wrap(e, "the copy");
}

/* ---- heads ---- */

/* A checkpoint, or the one at the end of a proof file. */
static bool
read_head(struct restoring *r, const char *path, struct err *e)
{
	static const char proof[] = "c2sp.org/tlog-proof@v1\n";
	struct checkpoint_trust trust = { .log = &r->old_key };
	struct checkpoint_proof p;
	struct old_head *h = &r->heads[r->head_count];
	if (!file_read(path, FILE_OURS, NOTE_BYTES_MAX, &r->keep, &h->note, e))
		return false;
	if (h->note.len >= sizeof(proof) - 1 &&
	    memcmp(h->note.data, proof, sizeof(proof) - 1) == 0) {
		if (!checkpoint_proof_parse(&r->keep, h->note, &p, e))
			return err_wrap(e, "%s", path);
		h->note = p.note;
	}
	if (!checkpoint_open(&r->keep, h->note, &trust, &h->cp, e))
		return err_wrap(e, "%s", path);
	if (h->cp.size < r->found.size)
		return err_set(e, ERR_DATA,
		    "%s: a head of %" PRIu64 " records, and the copy has %" PRIu64
		    ": it tells nothing",
		    path, h->cp.size, r->found.size);
	r->head_count++;
	return true;
}

static int
larger_first(const void *a, const void *b)
{
	const struct old_head *x = a, *y = b;
	return (x->cp.size < y->cp.size) - (x->cp.size > y->cp.size);
}

/* Two heads of one size are a fork; one of the copy's own size must be of the copy. */
static bool
check_heads(struct restoring *r, struct err *e)
{
	qsort(r->heads, r->head_count, sizeof(r->heads[0]), larger_first);
	for (size_t i = 1; i < r->head_count; i++)
		if (r->heads[i].cp.size == r->heads[i - 1].cp.size &&
		    memcmp(r->heads[i].cp.root, r->heads[i - 1].cp.root, 32) != 0)
			return err_set(e, ERR_FORK,
			    "the old log signed two heads of %" PRIu64 " records: it had forked",
			    r->heads[i].cp.size);
	if (r->heads[0].cp.size < r->found.size)
		return err_set(e, ERR_DATA,
		    "the copy has %" PRIu64 " records, its newest signed head %" PRIu64
		    ": give a later head with --head, or a backup that the broker made",
		    r->found.size, r->heads[0].cp.size);
	/* what is told is what is known beyond the copy, or else its own head */
	while (r->head_count > 1 && r->heads[r->head_count - 1].cp.size <= r->found.size)
		r->head_count--;
	return true;
}

static bool
read_heads(struct restoring *r, struct err *e)
{
	for (size_t i = 0; i < r->set->head_count; i++)
		if (!read_head(r, r->set->heads[i], e))
			return false;
	return check_heads(r, e);
}

/* ---- the new store ---- */

/* What an attempt that died has left beside its place. */
static void
clear_part(const char *path)
{
	static const char *const files[] = { "data.mdb", "lock.mdb", "mark", "new/data.mdb",
		"new/lock.mdb" };
	char name[PATH_ROOM + 16];
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		(void)snprintf(name, sizeof(name), "%s/%s", path, files[i]);
		(void)unlink(name);
	}
	(void)snprintf(name, sizeof(name), "%s/new", path);
	(void)rmdir(name);
	(void)rmdir(path);
}

static bool
open_new(struct restoring *r, struct err *e)
{
	const struct config *c = r->set->config;
	char name[PATH_ROOM + 16];
	struct stat st;
	int n = snprintf(r->part, sizeof(r->part), "%s.restore", c->store_path);
	if (n < 0 || (size_t)n >= sizeof(r->part))
		return err_set(e, ERR_CONFIG, "store { path } is too long");
	(void)snprintf(name, sizeof(name), "%s/data.mdb", c->store_path);
	if (lstat(name, &st) == 0 || errno != ENOENT)
		return err_set(e, ERR_CONFIG,
		    "'%s' holds a store: move it away, it is never replaced", c->store_path);
	clear_part(r->part);
	uint64_t generation;
	(void)stem_of(bytes_of(c->log_origin), &generation);
	struct store_config sc = { .path = r->part,
		.map_bytes = c->store_map_size,
		.reserve_bytes = c->store_reserve,
		.reserve_percent = LIMIT_DISK_FREE_PERCENT,
		.views = 2,
		.generation = generation };
	return store_open(&sc, &r->to, e);
}

static bool
carry(struct restoring *r, struct ledger *l, struct err *e)
{
	uint64_t keep_us = r->set->config->store_keep_ids_ms * us_a_ms;
	r->carry = (struct carry){ .from = r->from,
		.to = r->to,
		.view = r->view,
		.fence = &l->fence,
		.keep_from_us = r->set->now_us > keep_us ? r->set->now_us - keep_us : 0 };
	return carry_ids(&r->carry, e) && carry_agreements(&r->carry, e);
}

static bool
put_recover(struct restoring *r, struct ledger *l, const struct old_head *h, struct err *e)
{
	struct salt_pool salts = { .left = 0 };
	uint8_t fresh[RECORD_SALTS], digest[32];
	struct record rec;
	struct body b;
	struct log_out out;
	struct ledger_place nowhere = { 0 };
	struct arena *a = &l->scratch;
	struct slot_common common = { .type = EVENT_RECOVER };
	struct slot_hub hub = { .node = bytes_of(r->set->config->node),
		.connection = SLOT_ABSENT,
		.clock = bytes_of("free") };
	event_body_begin(&b, EVENT_RECOVER);
	event_body_bytes(&b, BODY_RECOVER_HEAD, h->note);
	event_body_uint(&b, BODY_RECOVER_SIZE, r->found.size);
	bool ok =
	    sha256_of(&r->h, h->note, digest, e) && salt_take(&salts, fresh, sizeof(fresh), e);
	salt_done(&salts);
	if (!ok)
		return false;
	event_body_bytes(&b, BODY_RECOVER_DIGEST, bytes_from(digest, sizeof(digest)));
	return record_begin(&rec, a, fresh, e) && record_set_common(&rec, a, &common, e) &&
	       record_set_hub(&rec, a, &hub, e) && record_set_body(&rec, a, &b, e) &&
	       ledger_append(l, &rec, &nowhere, &out, e);
}

/* The head over them is signed and stored by a commit of its own, as at the end of a run. */
static bool
put_head(struct restoring *r, struct ledger *l, const struct store_stamp *now, struct err *e)
{
	struct checkpoint head = { .origin = bytes_of(r->set->config->log_origin),
		.size = l->log.tree.leaf_count };
	struct note_signer signer = { .key = r->key, .as = &r->new_key };
	struct store_checkpoint cp = { .size = head.size };
	if (!ledger_begin(l, now->time_us, e))
		return false;
	l->dirty = true;
	store_say_goodbye(r->to);
	if (ledger_root(l, head.root, e) &&
	    checkpoint_sign(&l->scratch, &signer, &head, &cp.note, e) &&
	    store_put_checkpoint(r->to, &cp, e))
		return ledger_commit(l, now, e);
	ledger_undo(l);
	return false;
}

static bool
put_log(struct restoring *r, struct ledger *l, struct err *e)
{
	uint64_t now_us = r->set->now_us > r->last_us ? r->set->now_us : r->last_us;
	struct store_stamp now = { .time_us = now_us };
	bool ok = ledger_begin(l, now_us, e);
	for (size_t i = 0; ok && i < r->head_count; i++)
		ok = put_recover(r, l, &r->heads[i], e);
	if (!ok) {
		ledger_undo(l);
		return false;
	}
	/* relto-signer signs it with the first records of the broker's */
	return ledger_commit(l, &now, e) && (r->key == NULL || put_head(r, l, &now, e));
}

static bool
fill(struct restoring *r, struct err *e)
{
	struct ledger *l = calloc(1, sizeof(*l));
	if (l == NULL)
		return err_set(e, ERR_NOMEM, "ledger");
	bool ok = ledger_init(l, r->to, e);
	uint64_t generation;
	(void)stem_of(bytes_of(r->set->config->log_origin), &generation);
	l->fence = (struct store_fence){ .generation = generation, .epoch = STORE_NONE };
	ok = ok && carry(r, l, e) && put_log(r, l, e);
	ledger_done(l);
	free(l);
	return ok;
}

/* Whole: now it gets its place. */
static bool
give_place(struct restoring *r, struct err *e)
{
	const char *path = r->set->config->store_path;
	store_free(MOVE(r->to));
	if (rename(r->part, path) != 0)
		return err_set(e, ERR_IO, "move the new store to '%s': %s", path, strerror(errno));
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int up = fd < 0 ? -1 : openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = up >= 0 && fsync(up) == 0;
	int why = errno;
	if (up >= 0)
		(void)close(up);
	if (fd >= 0)
		(void)close(fd);
	return ok || err_set(e, ERR_IO, "fsync the folder of '%s': %s", path, strerror(why));
}

/* ---- the key ---- */

/* relto-signer has it: the new log begins where its anchor does, with nothing. */
static bool
meet_signer(struct restoring *r, struct err *e)
{
	const struct config *c = r->set->config;
	SCOPED(notary_free) struct notary *n = NULL;
	struct shell shell = { .store = r->from,
		.origin = bytes_of(c->log_origin),
		.signer_wait_ms = c->log_signer_wait_ms };
	struct notary_setup ns = { .shell = &shell, .path = c->log_signer };
	struct notary_met met;
	wall_init(&shell.wall, UINT64_MAX);
	if (!load_user(c->log_signer_user, &ns.uid, e))
		return err_wrap(e, "log { signer-user }");
	if (!notary_new(&ns, &n, e) || !notary_meet(n, &met, e))
		return false;
	if (met.anchor.size > 0)
		return err_set(e, ERR_CONFIG,
		    "the signer has signed %" PRIu64 " records of '%s' already: a new generation "
		    "begins with an anchor that relto-signer --new has made for it",
		    met.anchor.size, c->log_origin);
	r->new_key = met.keys[0];
	return true;
}

static bool
find_key(struct restoring *r, struct err *e)
{
	struct note_name name = { bytes_of(r->set->config->log_origin), NOTE_ED25519 };
	if (r->set->config->log_key[0] == '\0')
		return meet_signer(r, e);
	return load_log_key(r->set->config, &r->key, e) &&
	       note_key_of(&r->h, &name, r->key, &r->new_key, e);
}

/* ---- all of it ---- */

static void
tell(const struct restoring *r, FILE *to)
{
	char vkey[NOTE_VKEY_MAX];
	note_key_print(&r->new_key, vkey);
	uint64_t known = r->heads[0].cp.size;
	(void)fprintf(to,
	    "restored the log of %s up to record %" PRIu64 ", as %s in '%s'\n"
	    "its last head known is of %" PRIu64 " records: %" PRIu64 " are lost%s\n"
	    "kept %" PRIu64 " ids of reports and what was accepted of %" PRIu64 " agreements\n"
	    "parties have to accept the new log, by its key: %s\n%s"
	    "%" PRIu64 " deliveries waited in the copy and are not made: their publishers have to "
	    "send these reports again\n",
	    r->old_key.name, r->found.size, r->new_key.name, r->set->config->store_path, known,
	    known - r->found.size, r->set->head_count == 0 ? ", or more" : "", r->carry.ids,
	    r->carry.agreements, vkey,
	    r->key != NULL ? "" : "its first head is signed when the broker starts\n",
	    r->carry.waiting);
}

static bool
run(struct restoring *r, FILE *to, struct err *e)
{
	if (!open_copy(r, e) || !find_key(r, e) || !read_origin(r, e) || !verify_copy(r, e) ||
	    !read_heads(r, e) || !open_new(r, e))
		return false;
	if (!fill(r, e) || !carry_tell_waiting(&r->carry, to, e) || !give_place(r, e)) {
		store_free(MOVE(r->to));
		clear_part(r->part);
		return false;
	}
	tell(r, to);
	return fflush(to) == 0 || err_set(e, ERR_IO, "say what was done: %s", strerror(errno));
}

bool
restore_run(const struct restore *set, FILE *to, struct err *e)
{
	struct restoring *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return err_set(e, ERR_NOMEM, "restore");
	r->set = set;
	arena_init(&r->keep, ARENA);
	dry_begin();
	bool ok = sha256_init(&r->h, e) && run(r, to, e);
	bool dry = !ok && dry_ran();
	sha256_done(&r->h);
	store_view_free(r->view);
	store_free(r->from);
	store_free(r->to);
	EVP_PKEY_free(r->key);
	arena_done(&r->keep);
	free(r);
	return dry ? err_set(e, ERR_NOMEM, "restore") : ok;
}
