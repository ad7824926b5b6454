#include "audit/verify.h"

#include <assert.h>
#include <inttypes.h>

#include "audit/verify_approval.h"
#include "audit/verify_attest.h"
#include "audit/verify_chain.h"
#include "audit/verify_content.h"
#include "audit/verify_evidence.h"
#include "audit/verify_keys.h"
#include "audit/verify_order.h"
#include "audit/verify_party.h"
#include "audit/verify_run.h"
#include "audit/verify_signer.h"

enum { FILE_MAX = 1u << 30, NOTE_MAX = 1u << 20 };

/* The hashes of the 256 leaves that are being walked, as the bundle has them. */
struct walk {
	struct arena file, tiles;
	struct cursor records; /* what is left of the file of record/ */
	struct bytes hashes, entries;
};

/* How wide the tree makes a tile now. */
static unsigned
width_of(const struct verify *v, struct tile_id id)
{
	uint64_t count = v->head.size >> (id.level == TILE_ENTRIES ? 0 : id.level * 8);
	return id.n < count / TILE_WIDTH ? TILE_WIDTH : (unsigned)(count % TILE_WIDTH);
}

static void
lack_tile(struct verify *v, struct tile_id id, uint64_t index)
{
	char path[TILE_PATH_MAX];
	tile_path(id.level, id.n, width_of(v, id), path);
	verify_run_lack(v, path, index);
}

/* A tile as the bundle has it, full or as wide as the tree makes it now; absent: { NULL, 0 }. */
static bool
read_tile(struct verify *v, struct tile_id id, struct arena *a, struct bytes *out, struct err *e)
{
	char path[TILE_PATH_MAX];
	unsigned width = width_of(v, id);
	size_t each = id.level == TILE_ENTRIES ? TILE_ENTRY : 32;
	tile_path(id.level, id.n, width, path);
	if (!verify_run_read(v, path, a, out, e))
		return false;
	if (out->data != NULL && out->len != width * each) {
		verify_run_find(v, VERIFY_MALFORMED, SLOT_ABSENT, "%s has %zu bytes, not %zu", path,
		    out->len, width * each);
		*out = (struct bytes){ NULL, 0 };
	}
	return true;
}

/* Holds a tile of a higher level against the one computed. */
static bool
compare_tile(struct verify *v, struct tile_id id, const uint8_t *mine, size_t len, struct err *e)
{
	struct arena a;
	struct bytes theirs;
	arena_init(&a, 2 * TILE_BYTES + 8192);
	bool ok = read_tile(v, id, &a, &theirs, e);
	if (ok && theirs.data == NULL)
		lack_tile(v, id, SLOT_ABSENT);
	else if (ok && memcmp(theirs.data, mine, len) != 0)
		verify_run_find(v, VERIFY_INCLUSION, SLOT_ABSENT,
		    "tile %u/%" PRIu64 " is not that of the leaves below it", id.level, id.n);
	arena_done(&a);
	return ok;
}

static bool
full_tile(void *ctx, struct tile_id id, const uint8_t data[TILE_BYTES], struct err *e)
{
	return id.level == 0 || compare_tile(ctx, id, data, TILE_BYTES, e);
}

/* The next 256 leaf hashes and leaf data. */
static bool
next_tiles(struct verify *v, struct walk *w, uint64_t index, struct err *e)
{
	arena_done(&w->tiles);
	arena_init(&w->tiles, 1u << 20);
	uint64_t n = index / TILE_WIDTH;
	if (!read_tile(v, (struct tile_id){ 0, n }, &w->tiles, &w->hashes, e) ||
	    !read_tile(v, (struct tile_id){ TILE_ENTRIES, n }, &w->tiles, &w->entries, e))
		return false;
	if (w->hashes.data == NULL)
		verify_run_find(v, VERIFY_MALFORMED, index, "its tile of leaf hashes is not there");
	if (w->entries.data == NULL)
		lack_tile(v, (struct tile_id){ TILE_ENTRIES, n }, index);
	return true;
}

static bool
next_file(struct verify *v, struct walk *w, uint64_t index, struct err *e)
{
	char path[BUNDLE_PATH_MAX];
	struct bytes file;
	arena_done(&w->file);
	arena_init(&w->file, FILE_MAX);
	bundle_record_path(index / BUNDLE_RECORDS, path);
	if (!verify_run_read(v, path, &w->file, &file, e))
		return false;
	if (file.data == NULL)
		verify_run_find(v, VERIFY_MALFORMED, index, "%s is not there", path);
	w->records = cursor_over(file);
	return verify_content_file(v, index / BUNDLE_RECORDS, e);
}

/* The entry bundle's leaf data must hash to the leaf; 'proven' (may be NULL) is data that does. */
static bool
check_entry(
    struct verify *v, const struct walk *w, uint64_t index, const uint8_t *proven, struct err *e)
{
	uint8_t mine[32];
	if (w->entries.data == NULL)
		return true;
	const uint8_t *at = w->entries.data + index % TILE_WIDTH * TILE_ENTRY;
	bool good = at[0] == 0 && at[1] == RECORD_LEAF_DATA;
	if (good && (proven == NULL || memcmp(at + 2, proven, RECORD_LEAF_DATA) != 0)) {
		const uint8_t *leaf = w->hashes.data + index % TILE_WIDTH * 32;
		if (!merkle_leaf(v->h, bytes_from(at + 2, RECORD_LEAF_DATA), mine, e))
			return false;
		good = memcmp(mine, leaf, 32) == 0;
	}
	if (!good)
		verify_run_find(v, VERIFY_INCLUSION, index,
		    "its leaf data in tile/entries is not that of its leaf");
	return true;
}

static void
take_apart(const struct record_said *said, struct verify_slots *s)
{
	s->said = said;
	s->r.type = said->common.type;
	s->r.common = said->common;
	s->release = said->release;
	s->publication = said->publication;
	s->decision = said->decision;
	s->hub = said->hub;
	s->body = said->body;
	s->place = said->place;
}

static void
count_record(struct verify *v, const struct verify_slots *s)
{
	if (v->out->opened == 0)
		v->out->first_time = s->r.common.time;
	v->out->last_time = s->r.common.time;
	v->out->opened++;
	v->out->by_type[s->r.type]++;
	v->out->erased += v->about.party.len == 0 && !RECORD_SLOT(s->r.record, 6)->open;
}

/* Slots that must be open and are not: the hub's auditor sees everything but erased persons. */
static void
check_open(struct verify *v, const struct verify_slots *s)
{
	for (unsigned i = 1; i <= RECORD_SLOTS && v->about.party.len == 0; i++)
		if (i != 6 && !RECORD_SLOT(s->r.record, i)->open)
			verify_run_find(v, VERIFY_GAP, s->r.index, "slot %u is not opened", i);
}

/* A record that does not show what it is. */
static bool
unread(struct verify *v, enum verify_code code, uint64_t index, const char *why)
{
	verify_content_pass(v, index);
	verify_run_find(v, code, index, "%s", why);
	return true;
}

/* A record that gives its leaf. */
static bool
sound_record(struct verify *v, struct record *r, uint64_t index, const uint8_t *leaf, struct err *e)
{
	struct record_said said;
	struct verify_slots s = { .r = { .index = index, .record = r, .leaf = leaf } };
	if (!record_take_apart(r, &said, &v->why))
		return unread(v, VERIFY_MALFORMED, index, v->why.text);
	take_apart(&said, &s);
	check_open(v, &s);
	verify_evidence_record(v, &s);
	if (!verify_order_record(v, &s, e) || !verify_content_record(v, &s, e))
		return false;
	count_record(v, &s);
	if (v->ask->on_record != NULL)
		v->ask->on_record(v->ask->ctx, &s.r);
	return true;
}

/* Whether the record gives its leaf, and by which leaf data. */
static bool
prove(struct verify *v, struct record *r, const uint8_t *leaf, uint8_t data[RECORD_LEAF_DATA],
    bool *gives, struct err *e)
{
	uint8_t mine[32];
	if (!record_leaf_data(v->h, r, data, e) ||
	    !merkle_leaf(v->h, bytes_from(data, RECORD_LEAF_DATA), mine, e))
		return false;
	*gives = memcmp(mine, leaf, 32) == 0;
	return true;
}

static bool
check_record(
    struct verify *v, const struct walk *w, struct bytes opening, uint64_t index, struct err *e)
{
	struct record r;
	uint8_t data[RECORD_LEAF_DATA];
	bool gives = false, parsed = false;
	const uint8_t *leaf = w->hashes.data + index % TILE_WIDTH * 32;
	if (opening.len != 0) {
		parsed = record_opening_parse(opening, &r, &v->why);
		if (parsed && !prove(v, &r, leaf, data, &gives, e))
			return false;
	}
	if (!check_entry(v, w, index, gives ? data : NULL, e))
		return false;
	if (gives)
		return sound_record(v, &r, index, leaf, e);
	if (opening.len == 0)
		return !verify_run_hub(v) || index < v->about.first ||
		       unread(v, VERIFY_GAP, index, "it is not opened");
	return unread(v, VERIFY_CONTENT, index,
	    parsed ? "it does not match its commitment in the tree" : v->why.text);
}

/* The head that was kept from before must be one of this tree. */
static bool
check_kept(struct verify *v, struct err *e)
{
	uint8_t root[32];
	const struct verify_ask *ask = v->ask;
	if (ask->kept_size == 0 || v->log.tree.leaf_count != ask->kept_size)
		return true;
	if (!merkle_root(v->h, &v->log.tree, root, e))
		return false;
	if (memcmp(root, ask->kept_root, 32) != 0)
		verify_run_find(v, VERIFY_CONSISTENCY, SLOT_ABSENT,
		    "the log is not an extension of the one of %" PRIu64 " records verified before",
		    ask->kept_size);
	return true;
}

static bool
walk_one(struct verify *v, struct walk *w, uint64_t index, bool *go_on, struct err *e)
{
	struct bytes opening = { NULL, 0 };
	if (index % BUNDLE_RECORDS == 0 && !next_file(v, w, index, e))
		return false;
	if (index % TILE_WIDTH == 0 && !next_tiles(v, w, index, e))
		return false;
	*go_on = w->hashes.data != NULL && w->records.at != NULL;
	if (*go_on && !bundle_record_next(&w->records, &opening, &v->why)) {
		verify_run_find(v, VERIFY_MALFORMED, index, "%s", v->why.text);
		*go_on = false;
	}
	if (!*go_on)
		return true;
	const uint8_t *leaf = w->hashes.data + index % TILE_WIDTH * 32;
	if (!check_record(v, w, opening, index, e) || !log_grow(&v->log, leaf, e) ||
	    !check_kept(v, e))
		return false;
	bool last = (index + 1) % BUNDLE_RECORDS == 0 || index + 1 == v->head.size;
	if (last)
		verify_content_file_end(v);
	if (last && w->records.left != 0)
		verify_run_find(
		    v, VERIFY_MALFORMED, index, "bytes follow it in its file of record/");
	return true;
}

/* The unfinished tiles and the root. */
static bool
finish_tree(struct verify *v, struct err *e)
{
	uint8_t root[32];
	for (unsigned level = 1; level < TILE_LEVELS; level++) {
		uint64_t count = v->head.size >> (level * 8);
		size_t width = count % TILE_WIDTH;
		struct tile_id id = { level, count / TILE_WIDTH };
		if (width != 0 && !compare_tile(v, id, v->log.edge[level], width * 32, e))
			return false;
	}
	if (!merkle_root(v->h, &v->log.tree, root, e))
		return false;
	v->out->walked = true;
	if (memcmp(root, v->head.root, 32) != 0)
		verify_run_find(v, VERIFY_INCLUSION, SLOT_ABSENT,
		    "the tree of the leaf hashes is not the one that the checkpoint signs");
	return true;
}

static bool
walk_all(struct verify *v, struct err *e)
{
	struct walk w = { 0 };
	bool ok = verify_party_begin(v, e) && verify_evidence_begin(v, e), go_on = true;
	arena_init(&w.file, 0);
	arena_init(&w.tiles, 0);
	for (uint64_t i = 0; ok && go_on && i < v->head.size; i++) {
		ok = walk_one(v, &w, i, &go_on, e);
		if (v->ask->on_progress != NULL)
			v->ask->on_progress(v->ask->ctx, i, v->head.size);
	}
	arena_done(&w.file);
	arena_done(&w.tiles);
	arena_done(&v->report_arena);
	if (!ok || (go_on && !finish_tree(v, e)))
		return false;
	verify_evidence_finish(v);
	if (go_on)
		verify_keys_finish(v);
	return verify_order_finish(v, e);
}

/* The checkpoint: without it nothing else means anything. */
static bool
open_checkpoint(struct verify *v, bool *go_on, struct err *e)
{
	struct bytes note;
	struct err why;
	*go_on = false;
	if (!verify_run_read(v, "checkpoint", v->keep, &note, e))
		return false;
	if (note.data == NULL) {
		verify_run_find(v, VERIFY_SIGNATURE, SLOT_ABSENT, "there is no checkpoint");
		return true;
	}
	if (!checkpoint_open(v->keep, note, v->ask->trust, &v->head, &why)) {
		if (why.code == ERR_NOMEM)
			return err_set(e, why.code, "%s", why.text);
		verify_run_find(v,
		    why.code == ERR_BAD_SIGNATURE ? VERIFY_SIGNATURE : VERIFY_MALFORMED,
		    SLOT_ABSENT, "%s", why.text);
		return true;
	}
	struct verify_result *out = v->out;
	out->signed_by_log = true;
	memcpy(out->origin, v->head.origin.data, v->head.origin.len);
	out->size = v->head.size;
	memcpy(out->root, v->head.root, 32);
	for (size_t i = 0; i < v->ask->trust->witness_count; i++)
		out->witnesses += v->ask->trust->seen[i].verified;
	*go_on = true;
	return true;
}

/* What the bundle claims to be must be what the caller expects. */
static void
check_view(struct verify *v)
{
	const struct verify_ask *ask = v->ask;
	struct bytes is = v->about.party, want = ask->party;
	static const char hub[] = "an auditor of the hub party";
	if (!ask->any_view && !bytes_equal(is, want) && !(ask->or_hub && is.len == 0))
		verify_run_find(v, VERIFY_GAP, SLOT_ABSENT,
		    "it is said to be the view of %.*s, not that of %.*s",
		    is.len == 0 ? (int)sizeof(hub) - 1 : (int)is.len,
		    is.len == 0 ? hub : (const char *)is.data,
		    want.len == 0 ? (int)sizeof(hub) - 1 : (int)want.len,
		    want.len == 0 ? hub : (const char *)want.data);
	if (v->about.first > ask->from)
		verify_run_find(v, VERIFY_GAP, SLOT_ABSENT,
		    "it is said to begin with record %" PRIu64 ", not with %" PRIu64,
		    v->about.first, ask->from);
}

static bool
open_about(struct verify *v, bool *go_on, struct err *e)
{
	struct bytes text;
	struct err why;
	*go_on = false;
	if (!verify_run_read(v, "bundle", v->keep, &text, e))
		return false;
	if (text.data == NULL)
		verify_run_find(v, VERIFY_MALFORMED, SLOT_ABSENT, "there is no file 'bundle'");
	else if (!bundle_about_parse(text, &v->about, &why))
		verify_run_find(v, VERIFY_MALFORMED, SLOT_ABSENT, "%s", why.text);
	else if (!bytes_equal(v->about.origin, v->head.origin) || v->about.size != v->head.size)
		verify_run_find(v, VERIFY_MALFORMED, SLOT_ABSENT,
		    "'bundle' speaks of another log or size than the checkpoint");
	else {
		check_view(v);
		*go_on = true;
	}
	v->out->from = v->about.first;
	v->out->hub = v->about.party.len == 0;
	memcpy(v->out->party,
	    v->about.party.data == NULL ? (const uint8_t *)"" : v->about.party.data,
	    v->about.party.len);
	return true;
}

static void
check_age(struct verify *v)
{
	const struct verify_ask *ask = v->ask;
	uint64_t last_s = v->out->last_time / 1000000;
	if (ask->kept_size > v->head.size)
		verify_run_find(v, VERIFY_STALE, SLOT_ABSENT,
		    "a log of %" PRIu64 " records was verified before; this one has %" PRIu64,
		    ask->kept_size, v->head.size);
	if (ask->max_age_s != 0 && ask->now_s != 0 && last_s + ask->max_age_s < ask->now_s)
		verify_run_find(v, VERIFY_STALE, SLOT_ABSENT,
		    "the last record is %" PRIu64 " s old, more than %" PRIu64, ask->now_s - last_s,
		    ask->max_age_s);
}

static bool
run(struct verify *v, struct err *e)
{
	bool go_on;
	if (!open_checkpoint(v, &go_on, e))
		return false;
	if (!go_on)
		return true;
	if (!open_about(v, &go_on, e))
		return false;
	if (go_on && !walk_all(v, e))
		return false;
	check_age(v);
	return true;
}

bool
verify_bundle(struct sha256 *h, struct arena *a, const struct verify_ask *ask,
    struct verify_result *out, struct err *e)
{
	struct verify_result result = { 0 };
	struct verify *v = arena_zalloc(a, 1, sizeof(*v));
	assert(ask->trust->witness_count == 0 || ask->trust->seen != NULL);
	if (v == NULL)
		return err_set(e, ERR_NOMEM, "verification");
	v->h = h;
	v->keep = a;
	v->ask = ask;
	v->out = &result;
	log_init(&v->log, h, (struct log_sink){ full_tile, v });
	map_init(&v->trees, a, sizeof(struct verify_tree));
	map_init(&v->heads, a, 32);
	map_init(&v->receivers, a, sizeof(struct verify_receivers));
	map_init(&v->texts, a, sizeof(uint32_t));
	map_init(&v->reports, a, sizeof(struct verify_report));
	map_init(&v->current, a, sizeof(struct verify_current));
	map_init(&v->approvals, a, VERIFY_APPROVAL_BYTES);
	map_init(&v->deliveries, a, sizeof(struct verify_delivery));
	map_init(&v->erasures, a, sizeof(struct verify_erasure));
	map_init(&v->keys, a, 1);
	map_init(&v->contents, a, 1);
	map_init(&v->verified, a, 1);
	map_init(&v->agreements, a, 1);
	arena_init(&v->report_arena, 0);
	arena_init(&v->run.a, 0);
	verify_chains_init(&v->signers);
	verify_chains_init(&v->attesters);
	bool ok = run(v, e);
	verify_chains_done(&v->attesters);
	verify_chains_done(&v->signers);
	arena_done(&v->run.a);
	if (ok)
		*out = result;
	return ok;
}
