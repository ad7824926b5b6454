/*
 * inside_quorum.c - whether the witnesses signed what is shown (decision 0036).
 * A broker whose signer helps it may show this party another log than it shows others.  The
 * witnesses sign one of the two; so what is shown must be, or soon become, a log that they signed.
 */
#include "client/inside.h"

#include "audit/witness.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum { SHOWN_BYTES = 1 << 20, SECOND_MS = 1000 };

/* The latest time at which those whose signatures are there were enough; 0: they are not. */
static uint64_t
signed_at(const struct quorum *q, const struct note_seen *seen)
{
	uint64_t best = 0;
	for (size_t i = 0; i < q->witness_count; i++) {
		struct note_seen then[QUORUM_WITNESSES_MAX];
		uint64_t from = seen[i].time;
		for (size_t k = 0; k < q->witness_count; k++) {
			then[k] = seen[k];
			then[k].verified = seen[k].verified && seen[k].time >= from;
		}
		if (then[i].verified && from > best && quorum_met(q, then))
			best = from;
	}
	return best;
}

static void
name_missing(const struct quorum *q, const struct note_seen *seen, char out[512])
{
	size_t at = 0;
	out[0] = 0;
	for (size_t i = 0; i < q->witness_count && at < 512; i++) {
		if (seen[i].verified)
			continue;
		int n = snprintf(
		    out + at, 512 - at, "%s%.64s", at == 0 ? "" : ", ", q->witnesses[i].name);
		at += n < 0 ? 0 : (size_t)n;
	}
}

/* A signature from the future does not count: it would stay new for as long as it likes. */
static bool
open_note(const struct relto_connection *c, struct bytes note, struct note_seen *seen,
    struct checkpoint *out, struct err *e)
{
	SCOPED(arena_done) struct arena a;
	struct checkpoint_trust trust = { .log = &c->log,
		.witnesses = c->ctx->quorum->witnesses,
		.witness_count = c->ctx->quorum->witness_count,
		.seen = seen };
	arena_init(&a, SHOWN_BYTES);
	if (!checkpoint_open(&a, note, &trust, out, e))
		return false;
	for (size_t i = 0; i < trust.witness_count; i++)
		seen[i].verified &= seen[i].time <= (uint64_t)time(NULL) + WITNESS_CLOCK_S;
	return true;
}

/* What was signed before; what is not signed by the quorum of today is as if it were not there. */
static bool
load_signed(struct relto_connection *c, struct err *e)
{
	SCOPED(arena_done) struct arena a;
	struct note_seen seen[QUORUM_WITNESSES_MAX] = { 0 };
	struct inside_quorum *q = &c->quorum;
	struct checkpoint cp;
	struct bytes note;
	struct err why = { 0 };
	arena_init(&a, SHOWN_BYTES);
	if (!keep_signed(c->ctx->keep, bytes_of(c->log.name), &a, &note, e))
		return false;
	if (note.len == 0)
		return true;
	q->any = open_note(c, note, seen, &cp, &why);
	if (!q->any)
		return why.code != ERR_NOMEM || err_set(e, ERR_NOMEM, "checkpoint");
	q->time_s = signed_at(c->ctx->quorum, seen);
	q->any = q->time_s != 0;
	q->size = cp.size;
	return true;
}

bool
inside_quorum_load(struct relto_connection *c, struct err *e)
{
	struct inside_quorum *q = &c->quorum;
	q->due_ms = INT64_MAX;
	q->late_ms = 0;
	q->waits = c->ctx->quorum != NULL;
	if (!q->waits)
		return true;
	if (!quorum_knows(c->ctx->quorum, &c->log))
		return err_set(e, ERR_CONFIG,
		    "the quorum of witnesses names other logs than '%s' with its key", c->log.name);
	(void)snprintf(q->missing, sizeof(q->missing), "anybody");
	return load_signed(c, e);
}

static int64_t
most_ms(const struct relto_connection *c)
{
	return (int64_t)c->ctx->quorum_s * SECOND_MS;
}

void
inside_quorum_welcome(struct relto_connection *c)
{
	if (c->quorum.waits)
		c->quorum.due_ms = link_now() + most_ms(c);
}

/* How much longer the head that was signed last may stand for what is shown. */
static int64_t
left_ms(const struct relto_connection *c)
{
	uint64_t now_s = (uint64_t)time(NULL), at = c->quorum.time_s, most = c->ctx->quorum_s;
	uint64_t age = at < now_s ? now_s - at : 0;
	return !c->quorum.any || age >= most ? 0 : (int64_t)(most - age) * SECOND_MS;
}

/* A head beyond what is signed: the first of them says until when. */
static void
take_unsigned(struct relto_connection *c)
{
	struct inside_quorum *q = &c->quorum;
	int64_t left = q->waits ? left_ms(c) : most_ms(c);
	if (left == 0 || (!q->waits && q->due_ms != INT64_MAX))
		return;
	q->due_ms = link_now() + left;
	q->waits = false;
}

static bool
take_signed(struct relto_connection *c, struct bytes note, struct err *e)
{
	struct inside_quorum *q = &c->quorum;
	q->due_ms = INT64_MAX;
	q->late_ms = 0;
	q->waits = false;
	return keep_sign(c->ctx->keep, bytes_of(c->log.name), note, e) ||
	       err_wrap(e, "the head that the quorum signed");
}

/* ---- what an auditor needs ---- */

static bool
save(struct relto_connection *c, struct bytes shown, const char *what, char path[512])
{
	SCOPED(arena_done) struct arena a;
	char vkey[NOTE_VKEY_MAX];
	struct err why = { 0 };
	struct bytes before = { NULL, 0 };
	arena_init(&a, SHOWN_BYTES);
	note_key_print(&c->log, vkey);
	const char *text = arena_printf(&a, "what: %s\nwhen: %lld s since 1970\nbroker: %s\n", what,
	    (long long)time(NULL), c->ctx->hub_id);
	if (text == NULL || !keep_signed(c->ctx->keep, bytes_of(c->log.name), &a, &before, &why))
		return false;
	const struct keep_file files[] = { { "what", bytes_of(text) }, { "shown", shown },
		{ "signed", before }, { "log.vkey", bytes_of(vkey) },
		{ "quorum", c->ctx->quorum_text }, { NULL, { NULL, 0 } } };
	return keep_unsigned(c->ctx->keep, bytes_of(c->log.name), files, path, &why);
}

static bool
refuse(struct relto_connection *c, struct bytes shown, const char *what, struct err *e)
{
	char path[512] = "";
	bool saved = save(c, shown, what, path);
	return err_set(e, ERR_QUORUM,
	    "%s; evidence: %s; the broker may show you another log than others: trust nothing of "
	    "it, ask the witnesses and its operator by another way, and give the evidence to your "
	    "auditor",
	    what,
	    saved && path[0] != 0 ? path
	    : saved		  ? "not kept (no state folder)"
				  : "not kept");
}

bool
inside_quorum_missing(struct relto_connection *c, struct err *e)
{
	char what[768];
	if (!c->has_head)
		(void)snprintf(what, sizeof(what), "the broker shows no head of its log");
	else
		(void)snprintf(what, sizeof(what),
		    "the log of %" PRIu64 " records that is shown is not signed by the quorum of "
		    "witnesses, and was not in time: without %s",
		    c->head.size, c->quorum.missing);
	return refuse(c, bytes_of(c->has_head ? c->head.note : ""), what, e);
}

/* ---- heads ---- */

bool
inside_quorum_shown(
    struct relto_connection *c, const struct checkpoint *cp, struct bytes note, struct err *e)
{
	struct note_seen seen[QUORUM_WITNESSES_MAX] = { 0 };
	struct inside_quorum *q = &c->quorum;
	struct checkpoint again;
	struct err why = { 0 };
	char what[512];
	if (c->ctx->quorum == NULL || c->as_shown)
		return true;
	if (!open_note(c, note, seen, &again, &why)) {
		if (why.code == ERR_NOMEM)
			return err_set(e, ERR_NOMEM, "checkpoint");
		(void)snprintf(what, sizeof(what),
		    "a signature of a witness is forged in what is shown: %.300s", why.text);
		return refuse(c, note, what, e);
	}
	uint64_t at = signed_at(c->ctx->quorum, seen);
	name_missing(c->ctx->quorum, seen, q->missing);
	if (at != 0) {
		q->any = true;
		q->size = cp->size;
		q->time_s = at;
		return take_signed(c, note, e);
	}
	if (q->any && q->size >= cp->size) { /* it was shown with the signatures before */
		q->waits = false;
		q->due_ms = INT64_MAX;
	} else
		take_unsigned(c);
	return true;
}

bool
inside_quorum_is_late(struct relto_connection *c, bool idle)
{
	struct inside_quorum *q = &c->quorum;
	int64_t now = link_now();
	if (c->ctx->quorum == NULL || now < q->due_ms)
		return false;
	/* what waits in the socket may be the signatures; whoever sends without end has none */
	if (q->late_ms == 0)
		q->late_ms = now;
	return idle || now - q->late_ms >= c->ctx->timeout_ms;
}

bool
inside_quorum_signed(const struct relto_connection *c, struct bytes note, struct err *e)
{
	struct note_seen seen[QUORUM_WITNESSES_MAX] = { 0 };
	struct checkpoint cp;
	char missing[512];
	if (c->ctx->quorum == NULL || c->as_shown)
		return true;
	if (!open_note(c, note, seen, &cp, e)) {
		if (e != NULL && e->code != ERR_NOMEM)
			e->code = ERR_QUORUM;
		return false;
	}
	name_missing(c->ctx->quorum, seen, missing);
	return signed_at(c->ctx->quorum, seen) != 0 ||
	       err_set(e, ERR_NOT_PUBLISHED,
		   "the head of %" PRIu64 " records is not signed by the quorum of witnesses: "
		   "without %s",
		   cp.size, missing);
}
