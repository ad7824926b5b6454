/*
 * verify_state.h - what relto-verify keeps from one run to the next: for each log the largest
 * verified checkpoint, and of each party the last verified head.  The file:
 * "relto-verify heads 1" LF, then in any order "note N" LF and the N bytes of a signed note, and
 * "party ORIGIN NAME SIZE ROOT" LF with the root in hex.
 */
#pragma once
#include "audit/verify.h"

struct verify_state {
	struct bytes file; /* in the arena, as all that follows */
	struct bytes note; /* of this log; absent: none */
	struct checkpoint head;
	struct verify_kept *parties; /* of this log */
	size_t party_count;
};
/* A missing file holds nothing.  A note that does not verify is ERR_BAD_SIGNATURE: somebody touched
 * the file. */
MUST_USE bool verify_state_load(struct arena *a, const char *path, const struct note_key *log,
    struct verify_state *out, struct err *e);
/* Keeps what is larger now, durably; what is kept of other logs stays. */
MUST_USE bool verify_state_keep(const char *path, const struct verify_state *was,
    const struct verify_result *now, struct bytes note, struct err *e);
/* Both notes of a fork and the key, in a new directory beside the file: its name in 'out'. */
MUST_USE bool verify_state_fork(struct arena *a, const char *path, const struct note_key *log,
    const struct bytes notes[2], const char **out, struct err *e);
