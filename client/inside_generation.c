/*
 * inside_generation.c - which log is believed: that of the context's log-key, or the last
 * generation behind it that a person accepted (AUDIT 5).
 */
#include "client/generation.h"

#include <unistd.h>

/* The same key under the name of another generation of the same log. */
static bool
rename_key(struct sha256 *h, const struct note_key *log, struct bytes origin, struct note_key *out,
    bool *later)
{
	struct bytes ours, theirs;
	uint64_t now, then;
	struct note_name name = { origin, NOTE_ED25519 };
	struct err why;
	if (!checkpoint_generation(bytes_of(log->name), &ours, &now) ||
	    !checkpoint_generation(origin, &theirs, &then) || !bytes_equal(ours, theirs) ||
	    now == then)
		return false;
	*later = then > now;
	return note_key_make(h, &name, log->public, out, &why);
}

/* One step; *more: there was one. */
static bool
step(struct sha256 *h, struct keep *k, struct note_key *log, bool *more, struct err *e)
{
	SCOPED(arena_done) struct arena a;
	struct note_key next;
	struct bytes origin;
	bool later = true;
	arena_init(&a, 1 << 20);
	if (!keep_accepted(k, bytes_of(log->name), &a, &origin, e))
		return err_wrap(e, "the generation that was accepted");
	*more = origin.data != NULL;
	if (!*more)
		return true;
	if (!rename_key(h, log, origin, &next, &later) || !later)
		return err_set(e, ERR_CORRUPT,
		    "the generation that was accepted is none behind '%s'", log->name);
	*log = next;
	return true;
}

bool
inside_log(struct sha256 *h, const struct relto_context *ctx, struct note_key *out, struct err *e)
{
	struct note_key log = ctx->log;
	for (bool more = true; more;)
		if (!step(h, ctx->keep, &log, &more, e))
			return false;
	*out = log;
	return true;
}

bool
generation_key(struct sha256 *h, const struct note_key *pinned, const struct generation_ask *ask,
    struct note_key *out, struct err *e)
{
	SCOPED(keep_free) struct keep *k = NULL;
	struct note_key log = *pinned;
	bool more = access(ask->path, F_OK) == 0;
	if (more && !keep_new(ask->path, &k, e))
		return false;
	while (more && !bytes_is(ask->origin, log.name))
		if (!step(h, k, &log, &more, e))
			return false;
	*out = bytes_is(ask->origin, log.name) ? log : *pinned;
	return true;
}

/* Its first line, if it is a note of another generation, signed by the log's key. */
bool
inside_other_generation(struct relto_connection *c, struct arena *a, struct bytes note,
    struct inside_generation *out, struct err *e)
{
	struct note n;
	struct bytes text, origin;
	struct checkpoint_trust trust = { .log = &out->key };
	if (!note_parse(a, note, &n, e))
		return false;
	text = n.text;
	if (!checkpoint_line(&text, &origin) ||
	    !rename_key(&c->hash, &c->log, origin, &out->key, &out->later))
		return err_set(e, ERR_UNVERIFIED, "it is of no generation of '%s'", c->log.name);
	return checkpoint_open(a, note, &trust, &out->head, e);
}

/* ---- accepting ---- */

static bool
copy_largest(struct generation_offer *o, const struct keep_notes *kept, struct err *e)
{
	struct checkpoint cp;
	const struct checkpoint_trust trust = { .log = &o->believed };
	for (size_t i = 0; i < kept->count; i++) {
		if (!checkpoint_open(&o->arena, kept->note[i], &trust, &cp, e))
			return err_wrap(e, "the checkpoint that was kept");
		if (o->known_note.data != NULL && cp.size <= o->known.size)
			continue;
		o->known = cp;
		o->known_note = kept->note[i];
	}
	return true;
}

bool
generation_offered(struct relto_connection *c, struct generation_offer *out, struct err *e)
{
	struct keep_notes kept;
	struct generation_offer *o = out;
	const struct checkpoint_trust trust = { .log = &c->log };
	if (!c->has_head)
		return err_set(e, ERR_NOT_PUBLISHED, "the broker shows no head of its log");
	o->key = c->log;
	o->shown_note = bytes_of(c->head.note);
	if (!inside_log(&c->hash, c->ctx, &o->believed, e) ||
	    !checkpoint_open(&o->arena, o->shown_note, &trust, &o->shown, e) ||
	    !keep_load(c->ctx->keep, bytes_of(o->believed.name), &o->arena, &kept, e) ||
	    !copy_largest(o, &kept, e))
		return false;
	struct note_key key;
	o->is_new = rename_key(&c->hash, &o->believed, o->shown.origin, &key, &o->is_later);
	return true;
}

/* What was shown is what the next sessions go on from, unless more is known of it already. */
static bool
begin_with(void *arg, struct keep_notes *notes, struct err *e)
{
	(void)e;
	if (notes->count == 0)
		notes->note[notes->count++] = *(const struct bytes *)arg;
	return true;
}

bool
generation_accept(struct relto_connection *c, struct generation_offer *o, struct err *e)
{
	struct keep_edit edit = { begin_with, &o->shown_note };
	if (!o->is_new || !o->is_later)
		return err_set(e, ERR_USAGE, "'%s' is no later generation", o->key.name);
	return keep_update(c->ctx->keep, o->shown.origin, &edit, &o->arena, e) &&
	       keep_accept(c->ctx->keep, bytes_of(o->believed.name), o->shown.origin, e);
}
