/*
 * sign.h - the signer itself: asks come in, and for each that is proven to extend the anchor the
 * anchor moves to the disk, and only then there is a signature (AUDIT section 5).
 * Threads: one.
 */
#pragma once
#include "signer/keep.h"

#include "proto/arena.h"

struct evp_pkey_st;

/* While one key follows another there are two, and each head gets a signature of both. */
struct sign_key {
	struct evp_pkey_st *key; /* owned */
	struct note_key public;
};
struct sign {
	struct sha256 h;
	struct keep keep;
	struct anchor anchor;
	struct sign_key keys[SIGNING_KEYS_MAX];
	size_t key_count;
};

/* The key in the file 'path' under the name 'origin'.  ERR_CONFIG where others can read the file or
 * it holds no Ed25519 key. */
MUST_USE bool sign_add_key(struct sign *s, const char *path, struct bytes origin, struct err *e);
void sign_done(struct sign *s);

/* What is told to who comes. */
struct signing_message sign_hello(
    const struct sign *s, char vkeys[SIGNING_KEYS_MAX][NOTE_VKEY_MAX]);

/* Asks of one connection, in order, that share one flush of the anchor. */
enum { SIGN_TURN = 16 };
struct sign_turn {
	struct signing_head heads[SIGN_TURN]; /* those that may be signed */
	size_t count;
	struct signing_head last;	/* the anchor once they are */
	bool refused;			/* what came then; nothing after it is looked at */
	struct signing_refused refusal; /* its anchor is filled in when it is sent */
	struct err why;
};
void sign_turn_begin(const struct sign *s, struct sign_turn *t);
/* One packet.  False: it is refused, and the turn takes no more. */
bool sign_turn_take(struct sign *s, struct sign_turn *t, struct bytes packet);
/* Moves the anchor.  False: nothing of the turn may be signed (the refusal says why); if e is
 * ERR_STORE the process must end. */
MUST_USE bool sign_turn_keep(struct sign *s, struct sign_turn *t, struct err *e);
/* The checkpoint of one of its heads, in the arena. */
MUST_USE bool sign_note(struct sign *s, const struct signing_head *head, struct arena *a,
    struct bytes *note, struct err *e);
