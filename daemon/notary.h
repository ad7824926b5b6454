/*
 * notary.h - the broker's side of the log's signer (relto-signer; AUDIT section 5): one thread that
 * sends heads to be signed, in order and without waiting for the answer to the one before, and
 * brings the signatures home to the committer.
 *
 * A head is asked for by a struct notary_ask, which the notary has until it posts it to 'home'.
 * They come home in order.  One that comes without a note was not signed by itself: the next one
 * with a note covers it.  When the signer is away asks wait; after `signer-wait` without one,
 * or without a signer, shell->signer_away says so, and intake stops until it is back.
 *
 * What can only mean that the store was cut, rolled back or forked ends the process at once.
 * Threads: new, meet, start, stop, free are main's; notary_ask_for the committer's; the rest is the
 * notary's own.
 */
#pragma once
#include "audit/signing.h"
#include "daemon/mailbox.h"

#include <sys/types.h>

struct notary;
struct shell;

/* So many batches may be durable without a signature. */
enum { NOTARY_ASKS = 8 };
struct notary_ask {
	struct mailbox_item item;
	struct merkle tree; /* the head */
	uint8_t root[32];
	size_t note_len; /* out; 0: a later one covers it */
	uint8_t note[SIGNING_NOTE_MAX];
};

struct notary_setup {
	struct shell *shell;  /* origin, store, wall */
	const char *path;     /* of the socket */
	uid_t uid;	      /* whom the signer runs as */
	struct mailbox *home; /* the committer's, for asks that were answered */
};
/* What the signer says when one comes: where it stands, and its keys. */
struct notary_met {
	struct signing_head anchor;
	struct note_key keys[SIGNING_KEYS_MAX];
	size_t key_count;
};

MUST_USE bool notary_new(const struct notary_setup *setup, struct notary **out, struct err *e);
/* Waits for the signer, at most `signer-wait`.  ERR_SIGNER: it is not there; ERR_CONFIG: it is of
 * another log, or runs as another user. */
MUST_USE bool notary_meet(struct notary *n, struct notary_met *out, struct err *e);
/* Whether the store has what the signer signed last: ERR_ROLLBACK, ERR_FORK. */
MUST_USE bool notary_compare(struct notary *n, const struct signing_head *anchor, struct err *e);
/* Starts the thread. */
MUST_USE bool notary_start(struct notary *n, struct err *e);
/* Ends it; asks that are not home stay unanswered. */
void notary_stop(struct notary *n);
void notary_free(struct notary *n);
SCOPED_FOR(struct notary, notary_free)

void notary_ask_for(struct notary *n, struct notary_ask *ask);
