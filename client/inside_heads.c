/* inside_heads.c - the client as the log's witness (design section 10, audit format section 5). */
#include "audit/record.h"
#include "client/generation.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum { HEAD_BYTES = 8 << 20, SECOND_MS = 1000 };

/* Takes a note that was verified as the head of this connection. */
static bool
set_head(struct relto_connection *c, const struct checkpoint *cp, struct bytes note, struct err *e)
{
	struct arena fresh;
	arena_init(&fresh, HEAD_BYTES);
	const char *origin = inside_text(&fresh, cp->origin), *text = inside_text(&fresh, note);
	if (origin == NULL || text == NULL) {
		arena_done(&fresh);
		return err_set(e, ERR_NOMEM, "checkpoint");
	}
	struct relto_checkpoint head = { .origin = origin, .size = cp->size, .note = text };
	memcpy(head.root, cp->root, sizeof(head.root));
	arena_done(&c->head_arena);
	c->head_arena = fresh;
	c->head = head;
	c->has_head = true;
	return true;
}

static bool
open_note(struct relto_connection *c, struct arena *a, struct bytes note, struct checkpoint *out,
    struct err *e)
{
	struct checkpoint_trust trust = { .log = &c->log };
	return checkpoint_open(a, note, &trust, out, e);
}

/* A note that was kept: if it cannot be opened, that is our own trouble. */
static bool
open_kept(struct relto_connection *c, struct arena *a, struct bytes note, struct checkpoint *out,
    struct err *e)
{
	if (open_note(c, a, note, out, e))
		return true;
	if (e != NULL && e->code != ERR_NOMEM)
		e->code = ERR_CORRUPT;
	return err_wrap(
	    e, "the checkpoint that was kept (another log-key needs another state folder)");
}

/* The smallest of those kept: what extends it also has to extend, sooner or later, the others. */
bool
inside_heads_load(struct relto_connection *c, struct msg_hello *hello, struct err *e)
{
	SCOPED(arena_done) struct arena a;
	struct keep_notes kept;
	struct checkpoint cp, least = { .size = UINT64_MAX };
	size_t at = 0;
	arena_init(&a, HEAD_BYTES);
	if (!c->ctx->has_log)
		return true;
	if (!inside_log(&c->hash, c->ctx, &c->log, e))
		return false;
	if (c->begin != NULL) {
		hello->log_origin = c->begin->origin;
		hello->log_size = c->begin->size;
	}
	if (c->as_shown)
		return true;
	/* before the heads: these then extend it, and so does what they are joined to */
	if (!inside_quorum_load(c, e) ||
	    !keep_load(c->ctx->keep, bytes_of(c->log.name), &a, &kept, e))
		return false;
	for (size_t i = 0; i < kept.count; i++) {
		if (!open_kept(c, &a, kept.note[i], &cp, e))
			return false;
		at = cp.size < least.size ? i : at;
		least = cp.size < least.size ? cp : least;
	}
	if (kept.count == 0) {
		c->quorum.any = false; /* nothing will show that it is extended */
		return true;
	}
	if (!set_head(c, &least, kept.note[at], e))
		return false;
	hello->log_origin = bytes_of(c->head.origin);
	hello->log_size = c->head.size;
	return true;
}

/* What an auditor needs: both heads for `relto-verify compare`, and the one that was kept as
 * `relto-verify --state` keeps it, for a bundle of the log as it is now. */
static bool
save_fork(struct relto_connection *c, const struct inside_fork *f, const char *what, char path[512],
    struct err *e)
{
	SCOPED(arena_done) struct arena a;
	char vkey[NOTE_VKEY_MAX];
	arena_init(&a, HEAD_BYTES);
	note_key_print(&c->log, vkey);
	const char *text = arena_printf(&a, "what: %s\nwhen: %lld s since 1970\nbroker: %s\n", what,
	    (long long)time(NULL), c->ctx->hub_id);
	const char *heads = arena_printf(&a, "relto-verify heads 1\nnote %zu\n%.*s", f->kept.len,
	    (int)f->kept.len, (const char *)f->kept.data);
	if (text == NULL || heads == NULL)
		return err_set(e, ERR_NOMEM, "not kept (no memory)");
	const struct keep_file files[] = { { "what", bytes_of(text) }, { "kept", f->kept },
		{ "shown", f->shown }, { "log.vkey", bytes_of(vkey) },
		{ "heads", bytes_of(f->kept.len == 0 ? "" : heads) },
		{ "party-head.tlog-proof", f->receipt }, { NULL, { NULL, 0 } } };
	return keep_fork(c->ctx->keep, bytes_of(c->log.name), files, path, e);
}

/* The log is not an extension of what was verified: save both heads, say so and what to do. */
bool
inside_heads_forked(
    struct relto_connection *c, const struct inside_fork *f, const char *what, struct err *e)
{
	char path[512] = "";
	struct err unsaved = { 0 };
	bool saved = save_fork(c, f, what, path, &unsaved);
	return err_set(e, ERR_FORK,
	    "the log was rewritten or rolled back: %s; evidence: %s; trust nothing of this "
	    "broker, keep the state folder, and give the evidence to your auditor",
	    what,
	    saved && path[0] != 0 ? path
	    : saved		  ? "not kept (no state folder)"
				  : unsaved.text);
}

static bool
fork_found(struct relto_connection *c, struct bytes shown, const char *what, struct err *e)
{
	const struct inside_fork f = { bytes_of(c->has_head ? c->head.note : ""), shown,
		{ NULL, 0 } };
	return inside_heads_forked(c, &f, what, e);
}

static bool
copy_proof(const struct names *in, uint8_t out[MERKLE_PROOF_MAX * 2][32])
{
	if (in->count > MERKLE_PROOF_MAX * 2)
		return false;
	for (size_t i = 0; i < in->count; i++)
		memcpy(out[i], in->items[i].data, 32);
	return true;
}

/* Does 'cp' begin with the records that it was asked for?  Nothing of it is known yet: no fork. */
static bool
check_begins(struct relto_connection *c, const struct checkpoint *cp, const struct names *proof,
    struct err *e)
{
	const struct generation_begin *b = c->begin;
	struct err why = { 0 };
	uint8_t hashes[MERKLE_PROOF_MAX * 2][32];
	struct merkle_consistency_claim claim = { .from = b->size, .size = cp->size };
	memcpy(claim.from_root, b->root, 32);
	memcpy(claim.root, cp->root, 32);
	c->begin = NULL;
	if (bytes_equal(cp->origin, b->origin) && copy_proof(proof, hashes) &&
	    merkle_check_consistency(
		&c->hash, &claim, (const uint8_t(*)[32])hashes, proof->count, &why))
		return true;
	if (why.code == ERR_CRYPTO || why.code == ERR_NOMEM)
		return err_set(e, why.code, "%s", why.text);
	return err_set(e, ERR_UNVERIFIED,
	    "no proof that the first %" PRIu64 " records that were read are those of '%.*s'",
	    b->size, (int)b->origin.len, (const char *)b->origin.data);
}

/* Does 'cp' extend the head that this connection stands on? */
static bool
check_extends(struct relto_connection *c, const struct checkpoint *cp, const struct names *proof,
    struct bytes note, struct err *e)
{
	char what[160];
	struct err why = { 0 };
	uint8_t hashes[MERKLE_PROOF_MAX * 2][32];
	if (c->begin != NULL)
		return check_begins(c, cp, proof, e);
	if (!c->has_head || c->head.size == 0)
		return true;
	if (cp->size < c->head.size) {
		(void)snprintf(what, sizeof(what),
		    "size %" PRIu64 " is shown, %" PRIu64 " was verified", cp->size, c->head.size);
		return fork_found(c, note, what, e);
	}
	if (cp->size == c->head.size)
		return memcmp(cp->root, c->head.root, 32) == 0 ||
		       fork_found(c, note, "another root for the same size", e);
	struct merkle_consistency_claim claim = { .from = c->head.size, .size = cp->size };
	memcpy(claim.from_root, c->head.root, 32);
	memcpy(claim.root, cp->root, 32);
	if (copy_proof(proof, hashes) && merkle_check_consistency(&c->hash, &claim,
					     (const uint8_t(*)[32])hashes, proof->count, &why))
		return true;
	(void)snprintf(what, sizeof(what), "no proof that size %" PRIu64 " extends size %" PRIu64,
	    cp->size, c->head.size);
	return fork_found(c, note, what, e);
}

/* A new head on its way into the list of those kept. */
struct joining {
	struct relto_connection *c;
	struct arena *a;
	const struct checkpoint *cp;
	struct bytes note, rival; /* rival: of the same log, and not the same */
	size_t count;
};

/*
 * It takes the place of what it was proven to extend, and of what it equals.  Other processes'
 * heads of other sizes stay: no proof joins them yet (relto_connect asks for one).
 */
static bool
join_heads(void *arg, struct keep_notes *notes, struct err *e)
{
	struct joining *j = arg;
	struct keep_notes out = { .count = 0 };
	struct checkpoint other;
	for (size_t i = 0; i < notes->count; i++) {
		struct bytes n = notes->note[i];
		if (bytes_equal(n, j->note) || (j->c->has_head && bytes_is(n, j->c->head.note)))
			continue;
		if (!open_kept(j->c, j->a, n, &other, e))
			return false;
		bool same = other.size == j->cp->size;
		if (same && memcmp(other.root, j->cp->root, 32) != 0) {
			j->rival = n;
			return true;
		}
		if (!same && other.size != 0)
			out.note[out.count++] = n;
	}
	if (out.count == KEEP_NOTES)
		return err_set(e, ERR_LIMIT, "%d heads of the log that no proof joins", KEEP_NOTES);
	out.note[out.count++] = j->note;
	j->count = out.count;
	*notes = out;
	return true;
}

static bool
remember(struct relto_connection *c, struct arena *a, const struct checkpoint *cp,
    struct bytes note, struct err *e)
{
	struct joining j = { .c = c, .a = a, .cp = cp, .note = note };
	if (c->as_shown)
		return set_head(c, cp, note, e);
	struct keep_edit edit = { join_heads, &j };
	if (!keep_update(c->ctx->keep, bytes_of(c->log.name), &edit, a, e))
		return err_wrap(e, "checkpoint");
	if (j.rival.data != NULL)
		return inside_heads_forked(c,
		    &(struct inside_fork){ .kept = j.rival, .shown = note },
		    "two roots for one size", e);
	c->apart = j.count - 1;
	return set_head(c, cp, note, e);
}

bool
inside_heads_never_joined(struct relto_connection *c, struct err *e)
{
	SCOPED(arena_done) struct arena a;
	struct keep_notes kept;
	arena_init(&a, HEAD_BYTES);
	if (!keep_load(c->ctx->keep, bytes_of(c->log.name), &a, &kept, e))
		return false;
	const struct inside_fork f = { kept.count == 0 ? bytes_of("") : kept.note[0],
		bytes_of(c->head.note), { NULL, 0 } };
	return inside_heads_forked(c, &f, "it showed heads that it does not join by a proof", e);
}

/* An earlier generation than one that was accepted comes from an old store; a later one may come
 * from a restore, and is for a person to judge. */
static bool
take_generation(struct relto_connection *c, struct bytes note,
    const struct inside_generation *other, struct err *e)
{
	if (c->as_shown && !c->has_head) {
		c->log = other->key;
		return true;
	}
	if (!other->later)
		return fork_found(c, note, "an earlier generation is shown", e);
	return err_set(e, ERR_GENERATION,
	    "the broker shows the log '%s', and '%s' is the one known here: its store was restored "
	    "from a backup, or somebody wants forgotten what was seen.  Ask its operator by "
	    "another way, then: relto context accept-log",
	    other->key.name, c->log.name);
}

static bool
open_shown(struct relto_connection *c, struct arena *a, struct bytes note, struct checkpoint *cp,
    struct err *e)
{
	struct inside_generation other;
	struct err why = { 0 }, unlike = { 0 };
	if (open_note(c, a, note, cp, &why))
		return true;
	if (inside_other_generation(c, a, note, &other, &unlike)) {
		*cp = other.head;
		return take_generation(c, note, &other, e);
	}
	bool dry = why.code == ERR_NOMEM || unlike.code == ERR_NOMEM;
	return err_set(e, dry ? ERR_NOMEM : ERR_UNVERIFIED,
	    "the checkpoint of the broker (is this log-key that of its log?): %.800s", why.text);
}

static bool
take_head(struct relto_connection *c, struct bytes note, const struct names *proof, struct err *e)
{
	SCOPED(arena_done) struct arena a;
	struct checkpoint cp;
	arena_init(&a, HEAD_BYTES);
	if (!open_shown(c, &a, note, &cp, e))
		return false;
	if (!check_extends(c, &cp, proof, note, e) || !remember(c, &a, &cp, note, e) ||
	    !inside_quorum_shown(c, &cp, note, e))
		return false;
	struct inside_shown *s = &c->shown[c->shown_count++ % INSIDE_SHOWN];
	s->size = cp.size;
	memcpy(s->root, cp.root, sizeof(s->root));
	return true;
}

bool
inside_heads_shown(const struct relto_connection *c, const struct checkpoint *cp)
{
	size_t n = c->shown_count < INSIDE_SHOWN ? c->shown_count : INSIDE_SHOWN;
	for (size_t i = 0; i < n; i++)
		if (c->shown[i].size == cp->size &&
		    memcmp(c->shown[i].root, cp->root, sizeof(cp->root)) == 0)
			return true;
	return false;
}

bool
inside_heads_disowned(struct relto_connection *c, struct err *e)
{
	return fork_found(
	    c, bytes_of(""), "the broker has not published so much as was verified", e);
}

bool
inside_heads_welcome(struct relto_connection *c, const struct msg_welcome *w, struct err *e)
{
	if (!c->ctx->has_log)
		return true;
	inside_quorum_welcome(c);
	if (w->checkpoint.len != 0)
		return take_head(c, w->checkpoint, &w->consistency, e);
	if (c->has_head && c->head.size != 0)
		return fork_found(c, w->checkpoint, "no checkpoint is shown any more", e);
	return true;
}

/* ---- the party's own tree ---- */

static bool
read_party_head(struct relto_connection *c, const struct msg_heads *h, struct body *out,
    uint8_t leaf[32], struct err *e)
{
	struct record r;
	enum event_type type;
	if (!record_opening_parse(h->opening, &r, e) || !record_check(&r, &type, e))
		return false;
	if (type != EVENT_PARTY_HEAD || !RECORD_SLOT(&r, 7)->open)
		return err_set(e, ERR_UNVERIFIED, "not an open PARTY_HEAD record");
	return event_body_parse(type, RECORD_SLOT(&r, 7)->value, out, e) &&
	       record_leaf(&c->hash, &r, leaf, e);
}

/* The tree may only grow, from one session to the next too. */
static bool
keep_party_tree(
    struct relto_connection *c, const struct msg_heads *h, struct keep_trees *t, struct err *e)
{
	SCOPED(arena_done) struct arena a;
	arena_init(&a, HEAD_BYTES);
	const char *name = arena_printf(&a, "%s %s", c->head.origin, c->session.party);
	if (name == NULL)
		return err_set(e, ERR_NOMEM, "the party's tree");
	if (!keep_tree(c->ctx->keep, bytes_of(name), t, &a, e))
		return false;
	if (t->agree)
		return true;
	const struct msg_proof proof = {
		.index = h->party_head, .opening = h->opening, .inclusion = h->inclusion
	};
	struct inside_fork f = { .shown = bytes_of(c->head.note) };
	if (!inside_receipt_file(&a, &proof, f.shown, &f.receipt, e))
		return false;
	const char *what = arena_printf(&a,
	    "the tree of %s had %" PRIu64 " records by record %" PRIu64 ", and by record %" PRIu64
	    " has %" PRIu64 "%s",
	    c->session.party, t->was.size, t->was.record, t->now.record, t->now.size,
	    t->was.size == t->now.size ? " others" : "");
	return inside_heads_forked(c, &f, what == NULL ? name : what, e);
}

/* The PARTY_HEAD must be in the log, be ours, and the tree may only grow. */
static bool
check_party_head(
    struct relto_connection *c, const struct msg_heads *h, uint64_t *size, struct err *e)
{
	struct body b;
	uint8_t hashes[MERKLE_PROOF_MAX * 2][32];
	struct merkle_inclusion_claim claim = { .index = h->party_head, .size = c->head.size };
	memcpy(claim.root, c->head.root, 32);
	if (!read_party_head(c, h, &b, claim.leaf, e))
		return false;
	if (!bytes_is(event_body_get(&b, BODY_PARTY_HEAD_PARTY), c->session.party))
		return err_set(e, ERR_UNVERIFIED, "the head of another party");
	if (!copy_proof(&h->inclusion, hashes) ||
	    !merkle_check_inclusion(
		&c->hash, &claim, (const uint8_t(*)[32])hashes, h->inclusion.count, e))
		return false;
	struct keep_trees t = { .now = { .record = h->party_head } };
	t.now.size = *size = event_body_number(&b, BODY_PARTY_HEAD_SIZE);
	memcpy(t.now.root, event_body_get(&b, BODY_PARTY_HEAD_ROOT).data, sizeof(t.now.root));
	if (!keep_party_tree(c, h, &t, e))
		return false;
	inside_attest_head(c, &t.now);
	return true;
}

/* Evidence below 'size' is covered. */
static void
cover(struct relto_connection *c, uint64_t size)
{
	size_t kept = 0;
	c->covered = size;
	for (size_t i = 0; i < c->evidence_count; i++)
		if (c->evidence[i].party_index >= size)
			c->evidence[kept++] = c->evidence[i];
	c->evidence_count = kept;
}

/*
 * What this session cannot see covered, because it is short, the next ones watch.  A head that
 * comes more than 120 s after the first one that did not cover it, and does not either, is too
 * late; what the record's own age is does not count, since the broker may have been down.
 */
static bool
watch(struct relto_connection *c, bool ends, struct err *e)
{
	SCOPED(arena_done) struct arena a;
	struct keep_watch w = { .covered = c->covered };
	int64_t now_s = (int64_t)time(NULL);
	arena_init(&a, HEAD_BYTES);
	w.has_now = ends && c->evidence_count > 0;
	w.now = w.has_now ? c->evidence[0].party_index : 0;
	w.head_s = ends ? 0 : now_s;
	const char *name =
	    arena_printf(&a, "%s %s", c->has_head ? c->head.origin : "", c->session.party);
	if (name == NULL)
		return err_set(e, ERR_NOMEM, "the party's tree");
	if (!keep_watch(c->ctx->keep, bytes_of(name), &w, &a, e))
		return false;
	if (!ends)
		c->late = w.has_was && now_s - w.was.since_s > LIMIT_COVER_MS / SECOND_MS;
	return true;
}

bool
inside_heads_end(struct relto_connection *c, struct err *e)
{
	bool ok = !c->ctx->has_log || c->as_shown || c->session.party == NULL || watch(c, true, e);
	return inside_heads_flush(c, e) && ok;
}

bool
inside_heads_take(struct relto_connection *c, const struct msg_heads *h, struct err *e)
{
	uint64_t size = 0;
	if (!c->ctx->has_log)
		return true;
	if (!take_head(c, h->checkpoint, &h->consistency, e))
		return false;
	if (h->opening.len == 0 || c->as_shown)
		return true;
	if (!check_party_head(c, h, &size, e)) {
		if (e != NULL && e->code != ERR_FORK && e->code != ERR_NOMEM)
			e->code = ERR_UNVERIFIED;
		return err_wrap(e, "the head of the party's tree");
	}
	cover(c, size);
	return watch(c, false, e);
}

/* ---- evidence ---- */

size_t
inside_heads_overdue(const struct relto_connection *c)
{
	size_t sum = 0;
	int64_t now = link_now();
	for (size_t i = 0; i < c->evidence_count; i++)
		if (now - c->evidence[i].since_ms > LIMIT_COVER_MS)
			sum += c->evidence[i].count;
	return sum + (c->late ? 1 : 0);
}

/* When all seconds are in use the newest takes more: what is overdue stays visible. */
static void
note_evidence(struct relto_connection *c, uint64_t party_index)
{
	int64_t now = link_now();
	struct inside_evidence *last =
	    c->evidence_count == 0 ? NULL : &c->evidence[c->evidence_count - 1];
	if (party_index < c->covered)
		return;
	if (last == NULL ||
	    (now - last->since_ms >= SECOND_MS && c->evidence_count < INSIDE_SECONDS)) {
		c->evidence[c->evidence_count++] = (struct inside_evidence){ party_index, now, 1 };
		return;
	}
	if (party_index > last->party_index)
		last->party_index = party_index;
	last->count++;
}

bool
inside_heads_flush(struct relto_connection *c, struct err *e)
{
	struct bytes lines = bytes_from(c->lines, c->lines_len);
	c->lines_len = 0;
	if (lines.len == 0)
		return true;
	return keep_evidence(c->ctx->keep, bytes_of(c->log.name), lines, e);
}

bool
inside_heads_evidence(struct relto_connection *c, const struct inside_proof *p, struct err *e)
{
	char id[RELTO_ID_TEXT], hash[65];
	if (!c->ctx->has_log)
		return true;
	note_evidence(c, p->evidence->party_index);
	relto_id_print(p->report.data, id);
	for (size_t i = 0; i < 32; i++)
		(void)snprintf(hash + 2 * i, 3, "%02x", p->evidence->leaf_hash.data[i]);
	if (sizeof(c->lines) - c->lines_len < 256 && !inside_heads_flush(c, e))
		return false;
	int n = snprintf(c->lines + c->lines_len, sizeof(c->lines) - c->lines_len,
	    "%s %s %" PRIu64 " %" PRIu64 " %s %lld\n", p->kind, id, p->index,
	    p->evidence->party_index, hash, (long long)time(NULL));
	c->lines_len += n < 0 ? 0 : (size_t)n;
	return true;
}
