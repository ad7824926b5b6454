/*
 * generation.h - for the command alone: a log as the broker shows it, and the generation of it that
 * a person accepts.  A broker that was restored from a backup begins a new log, name/gN+1 under
 * the same key; librelto refuses it (ERR_GENERATION) until then.
 * Threads: as relto.h says.
 */
#pragma once
#include "client/inside.h"

/*
 * Connects without what is remembered: any generation of the log that its key signed is taken, it
 * is compared with nothing, and nothing of it is kept.  Such a connection can read the audit log,
 * and nothing else.
 */
struct relto_connection *generation_connect(const struct relto_context *ctx, struct relto_error *e);

/* The same, and a head must be shown at once (ERR_NOT_PUBLISHED), of 'origin' and proved to extend
 * a tree of these first records (ERR_UNVERIFIED).  Borrowed until it returns. */
struct generation_begin {
	struct bytes origin;
	uint64_t size; /* at least 1 */
	uint8_t root[32];
};
struct relto_connection *generation_connect_behind(
    const struct relto_context *ctx, const struct generation_begin *begin, struct relto_error *e);

/* The key of the generation 'origin' as far as the state folder 'path' knows that it was accepted;
 * else the one that is pinned. */
struct generation_ask {
	const char *path; /* of the state folder, which need not be there */
	struct bytes origin;
};
MUST_USE bool generation_key(struct sha256 *h, const struct note_key *pinned,
    const struct generation_ask *ask, struct note_key *out, struct err *e);

struct generation_offer {
	struct arena arena;		/* yours to make and end; of all below */
	struct note_key believed, key;	/* of the log that is believed; of the one that is shown */
	struct checkpoint known, shown; /* known: the largest head of the former.. */
	struct bytes known_note, shown_note; /* ..absent: none */
	bool is_new, is_later;		     /* is_later: than the one that is believed */
};
/* What the broker shows beside what is remembered. */
MUST_USE bool generation_offered(
    struct relto_connection *c, struct generation_offer *out, struct err *e);
/* From now on every connection with this state folder believes it, beginning at the head that was
 * shown.  What is kept of the one before stays. */
MUST_USE bool generation_accept(
    struct relto_connection *c, struct generation_offer *o, struct err *e);
