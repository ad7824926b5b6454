#include "daemon/startup.h"

#include <inttypes.h>
#include <stdlib.h>

#include "audit/checkpoint.h"
#include "daemon/startup_walk.h"
#include "daemon/store.h"
#include "proto/arena.h"
#include "proto/dry.h"

enum { SCRATCH = 32 << 20, PAGE = 64 };
static const uint64_t level_1_tile = (uint64_t)TILE_WIDTH * TILE_WIDTH; /* records it spans */

/* What is verified with one snapshot open. */
struct check {
	const struct startup *s;
	struct store_view *view;
	struct startup_walk *walk;
	struct store_state state;
	struct store_head head;
	struct arena *arena;
};

/* ---- the head ---- */

static bool
check_head(struct check *c, struct err *e)
{
	struct bytes entry;
	bool found, beyond;
	if (!store_read_state(c->view, &c->state, e) ||
	    !store_read_head(c->view, STORE_MAIN_TREE, &c->head, &found, e) ||
	    !store_read_entry(c->view, c->head.size, &entry, &beyond, e))
		return false;
	if (c->state.fence.log_size != c->head.size)
		return err_set(e, ERR_CORRUPT,
		    "the last commit says %" PRIu64 " records, the head %" PRIu64,
		    c->state.fence.log_size, c->head.size);
	if (beyond)
		return err_set(
		    e, ERR_CORRUPT, "record %" PRIu64 " stands beyond the head", c->head.size);
	return true;
}

static uint64_t
tail_from(uint64_t size)
{
	uint64_t last_tile = size / level_1_tile * level_1_tile;
	uint64_t tail = size > STARTUP_TAIL ? (size - STARTUP_TAIL) / TILE_WIDTH * TILE_WIDTH : 0;
	return tail < last_tile ? tail : last_tile;
}

/* The tree of the records against the head that was stored with them. */
static bool
compare(const struct check *c, struct err *e)
{
	const struct startup_walk *w = c->walk;
	uint8_t root[32];
	if (!merkle_root(w->h, &w->tree, root, e))
		return false;
	if (c->head.size > 0 && memcmp(root, c->head.root, sizeof(root)) != 0)
		return err_set(e, ERR_CORRUPT,
		    "the root of the %" PRIu64 " records is not that of the head", c->head.size);
	if (!startup_walk_same_frontier(&w->tree, &c->head))
		return err_set(
		    e, ERR_CORRUPT, "the frontier of the head is not that of the records");
	if (c->head.size > 0 && w->time != c->head.time_us)
		return err_set(e, ERR_CORRUPT, "the head has another time than the last record");
	return true;
}

/* ---- checkpoints ---- */

/* A fresh arena: what was copied for the page before is gone.  ERR_BUSY once it is to stop. */
static bool
turn(struct check *c, struct err *e)
{
	store_view_close(c->view);
	arena_done(c->arena);
	arena_init(c->arena, SCRATCH);
	if (c->s->stop != NULL && *c->s->stop)
		return err_set(e, ERR_BUSY, "it was given up");
	return store_view_open(c->view, c->arena, e);
}

/* One that any key signed which the log has had: the store has them as notes, log-key/HEX. */
static bool
open_former(struct check *c, struct bytes note, struct checkpoint *out)
{
	static const char root[] = "log-key/";
	struct store_note page[8];
	struct bytes after = bytes_of(root);
	struct note_key key;
	for (size_t count = 8; count == 8;) {
		if (!store_read_notes(c->view, after, page, &count, NULL))
			return false;
		for (size_t i = 0; i < count; i++) {
			struct checkpoint_trust trust = { .log = &key };
			if (note_key_parse(c->s->h, page[i].value, &key, NULL) &&
			    strcmp(key.name, c->s->key->name) == 0 &&
			    checkpoint_open(c->arena, note, &trust, out, NULL))
				return true;
			after = page[i].name;
		}
	}
	return false;
}

/* The newest has to be signed by a key that the log has now: when one follows another, there is a
 * time in which both sign. */
static bool
open_checkpoint(
    struct check *c, struct bytes note, bool newest, struct checkpoint *out, struct err *e)
{
	struct checkpoint_trust trust = { .log = c->s->key };
	struct err why = { 0 };
	if (checkpoint_open(c->arena, note, &trust, out, &why))
		return true;
	trust.log = c->s->then;
	if (trust.log != NULL && checkpoint_open(c->arena, note, &trust, out, NULL))
		return true;
	bool former = why.code == ERR_BAD_SIGNATURE && open_former(c, note, out);
	if (former && newest)
		return err_set(e, ERR_CORRUPT,
		    "it is signed by a key that the log had before, and by none that it has now: "
		    "let both sign for a while (relto-signer --then)");
	if (!former)
		*e = why;
	return former;
}

static bool
check_checkpoint(struct check *c, const struct store_checkpoint *stored, bool newest, struct err *e)
{
	struct checkpoint cp;
	uint8_t root[32];
	if (!open_checkpoint(c, stored->note, newest, &cp, e))
		return err_wrap(e, "checkpoint of %" PRIu64, stored->size);
	if (cp.size != stored->size)
		return err_set(e, ERR_CORRUPT, "checkpoint of %" PRIu64 ": it says %" PRIu64,
		    stored->size, cp.size);
	if (cp.size > c->head.size)
		return err_set(e, ERR_CORRUPT,
		    "the log has %" PRIu64 " records, a signed checkpoint says %" PRIu64
		    ": it was cut or rolled back",
		    c->head.size, cp.size);
	struct merkle_source source = tile_source(&c->walk->reader);
	if (!merkle_source_root(&source, cp.size, root, e))
		return false;
	if (memcmp(root, cp.root, sizeof(root)) != 0)
		return err_set(e, ERR_CORRUPT,
		    "the signed checkpoint of %" PRIu64 " has another root than the log", cp.size);
	return true;
}

static bool
check_newest(struct check *c, struct startup_found *out, struct err *e)
{
	struct store_checkpoint newest;
	bool found;
	if (!store_read_checkpoint(c->view, UINT64_MAX, false, &newest, &found, e))
		return false;
	if (found && !check_checkpoint(c, &newest, true, e))
		return false;
	out->signed_size = found ? newest.size : 0;
	if (!found && c->state.published > 0)
		return err_set(e, ERR_CORRUPT,
		    "no checkpoint is left, though one of %" PRIu64 " was published",
		    c->state.published);
	return true;
}

static bool
check_published(struct check *c, struct startup_found *out, struct err *e)
{
	struct store_checkpoint p;
	bool found;
	uint64_t at_most = UINT64_MAX;
	out->published_size = c->state.published;
	do {
		if (!store_read_checkpoint(c->view, at_most, true, &p, &found, e))
			return false;
		if (at_most == UINT64_MAX && c->state.published > 0 &&
		    (!found || p.size != c->state.published))
			return err_set(e, ERR_CORRUPT,
			    "the checkpoint of %" PRIu64 " that was published is missing",
			    c->state.published);
		if (found && !check_checkpoint(c, &p, false, e))
			return false;
		if (!turn(c, e))
			return false;
		at_most = found && p.size > 0 ? p.size - 1 : 0;
	} while (c->walk->all && at_most > 0);
	return true;
}

/* ---- what stands on records ---- */

/* That 'intake' is the INTAKE record of the report. */
static bool
check_intake(struct check *c, uint64_t intake, const struct store_report_key *key, struct err *e)
{
	struct bytes entry;
	struct record r;
	struct slot_common common;
	uint8_t leaf[32];
	bool found;
	if (!store_read_entry(c->view, intake, &entry, &found, e))
		return false;
	if (!found || !record_entry_parse(entry, &r, leaf, e) ||
	    !slot_get_common(RECORD_SLOT(&r, 1)->value, &common, e) ||
	    common.type != EVENT_INTAKE ||
	    !bytes_equal(common.report, bytes_from(key->id, sizeof(key->id))))
		return err_set(e, ERR_CORRUPT,
		    "a report stands on record %" PRIu64 ", which is not its INTAKE", intake);
	return true;
}

static bool
check_reports(struct check *c, struct err *e)
{
	struct store_report page[PAGE];
	struct store_report_key after;
	size_t count = PAGE;
	if (!store_read_reports(c->view, NULL, page, &count, e))
		return false;
	while (count > 0) {
		for (size_t i = 0; i < count; i++)
			if (!check_intake(c, page[i].intake, &page[i].key, e))
				return false;
		after = page[count - 1].key;
		count = PAGE;
		if (!turn(c, e) || !store_read_reports(c->view, &after, page, &count, e))
			return false;
	}
	return true;
}

/* A report that something waits for must be there. */
static bool
check_waiting(struct check *c, uint64_t intake, const struct store_report_key *key, struct err *e)
{
	struct store_report r;
	bool found;
	if (!store_find_report(c->view, key, &r, &found, e))
		return false;
	if (!found || r.intake != intake)
		return err_set(e, ERR_CORRUPT,
		    "something waits for the report of record %" PRIu64 ", which is gone", intake);
	return true;
}

static bool
check_queues(struct check *c, struct err *e)
{
	struct store_queued page[PAGE];
	struct store_queue_key after;
	size_t count = PAGE;
	if (!store_read_queues(c->view, NULL, page, &count, e))
		return false;
	while (count > 0) {
		for (size_t i = 0; i < count; i++) {
			if (page[i].key.decision >= c->head.size)
				return err_set(e, ERR_CORRUPT,
				    "a queue entry stands on record %" PRIu64 " of %" PRIu64,
				    page[i].key.decision, c->head.size);
			if (!check_waiting(c, page[i].intake, &page[i].report, e))
				return false;
		}
		after = page[count - 1].key;
		count = PAGE;
		if (!turn(c, e) || !store_read_queues(c->view, &after, page, &count, e))
			return false;
	}
	return true;
}

static bool
check_letters(struct check *c, struct err *e)
{
	struct store_letter page[PAGE];
	struct store_letter_key from;
	size_t count = PAGE;
	if (!store_read_letters(c->view, NULL, page, &count, e))
		return false;
	while (count > 0) {
		for (size_t i = 0; i < count; i++)
			if (!check_waiting(c, page[i].intake, &page[i].key.report, e))
				return false;
		from = page[count - 1].key;
		from.subscription++;
		count = PAGE;
		if (!turn(c, e) || !store_read_letters(c->view, &from, page, &count, e))
			return false;
	}
	return true;
}

static bool
check_holds(struct check *c, struct err *e)
{
	struct store_held page[PAGE], after;
	size_t count = PAGE;
	if (!store_read_holds(c->view, NULL, page, &count, e))
		return false;
	while (count > 0) {
		for (size_t i = 0; i < count; i++)
			if (!check_waiting(c, page[i].intake, &page[i].report, e))
				return false;
		after = page[count - 1];
		count = PAGE;
		if (!turn(c, e) || !store_read_holds(c->view, &after, page, &count, e))
			return false;
	}
	return true;
}

static bool
check_rows(struct check *c, struct startup_found *out, struct err *e)
{
	struct store_counts counts;
	if (!store_check(c->view, c->s->stop, &counts, e))
		return false;
	out->rows = counts.rows;
	return check_reports(c, e) && check_queues(c, e) && check_letters(c, e) &&
	       check_holds(c, e);
}

/* ---- all of it ---- */

static bool
restore(struct check *c, struct log *log, struct err *e)
{
	struct log_head head = { .time = c->head.time_us };
	head.tree.leaf_count = c->head.size;
	memcpy(head.tree.frontier, c->head.frontier, sizeof(c->head.frontier));
	memcpy(head.root, c->head.root, sizeof(head.root));
	return c->head.size == 0 || log_restore(log, &head, &c->walk->reader, e);
}

/* With the view open on the scratch arena. */
static bool
after_walk(struct check *c, struct log *log, struct startup_found *out, struct err *e)
{
	return compare(c, e) && check_newest(c, out, e) && check_published(c, out, e) &&
	       (!c->walk->all || check_rows(c, out, e)) && restore(c, log, e);
}

static bool
with_view(struct check *c, struct err *e)
{
	arena_init(c->arena, SCRATCH);
	return store_view_open(c->view, c->arena, e);
}

static void
without_view(struct check *c)
{
	store_view_close(c->view);
	arena_done(c->arena);
}

static bool
verify(struct check *c, struct log *log, struct startup_found *out, struct err *e)
{
	bool ok = with_view(c, e) && check_head(c, e);
	without_view(c);
	if (!ok)
		return false;
	struct startup_walk *w = c->walk;
	w->size = out->size = c->head.size;
	out->from = w->all ? 0 : tail_from(w->size);
	if (!startup_walk_begin(w, out->from, e) || !startup_walk_run(w, e) ||
	    !startup_walk_parties(w, e))
		return false;
	ok = with_view(c, e) && after_walk(c, log, out, e);
	without_view(c);
	return ok;
}

bool
startup_verify(const struct startup *s, struct log *log, struct startup_found *out, struct err *e)
{
	SCOPED(store_view_free) struct store_view *view = NULL;
	struct arena arena;
	if (!store_view_new(s->store, &view, e))
		return false;
	bool doubt = store_needs_full_check(s->store, s->boot_id);
	SCOPED(startup_walk_done)
	struct startup_walk walk = { .view = view,
		.h = s->h,
		.all = s->all || doubt,
		.stop = s->stop,
		.progress = s->progress,
		.arg = s->arg };
	struct check c = { .s = s, .view = view, .walk = &walk, .arena = &arena };
	struct startup_found found = { .all = walk.all,
		.why = doubt	? "the last process did not end well"
		       : s->all ? "asked for"
				: "" };
	dry_begin();
	if (!verify(&c, log, &found, e)) {
		if (dry_ran()) /* libcrypto says of a signature that it does not hold */
			return err_set(e, ERR_NOMEM, "the verification of the store");
		if (e->code == ERR_CORRUPT)
			store_break(s->store);
		return err_wrap(e, "the store does not stand up to its verification");
	}
	if (found.all && !store_verified(s->store, e))
		return false;
	*out = found;
	return true;
}
