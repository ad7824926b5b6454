/*
 * witness_state.h - what a witness keeps in its folder: `vkey`, who it is; `heads`, the last
 * checkpoint that it cosigned of each log, NUL between; `fork-SIZE-HEX`, what a log signed beside
 * one of them.  One process at a time; a head is durable before its cosignature is given out.
 * Threads: one.
 */
#pragma once
#include "audit/witness.h"
#include "proto/arena.h"

struct witness_state {
	struct arena arena;
	char *folder;
	int lock;
	struct note_key me;
	struct evp_pkey_st *key;
	struct sha256 h;
	struct witness_book book;
	struct bytes notes[WITNESS_LOGS_MAX]; /* of the book's heads; malloc'ed */
};

/* Makes key and folder of a new witness; nothing that exists is replaced.  A key that exists is
 * taken.  ERR_USAGE if the folder is a witness's already. */
struct witness_place {
	const char *key, *folder;
};
MUST_USE bool witness_state_make(
    const struct witness_place *at, const char *name, struct note_key *out, struct err *e);
/* ERR_NOT_FOUND without a folder that witness_state_make made; ERR_BUSY if another process has it;
 * ERR_CONFIG for another key, or one that others can read; ERR_DATA if what is kept is damaged. */
MUST_USE bool witness_state_open(const struct witness_place *at, const struct witness_book *logs,
    struct witness_state *out, struct err *e);
void witness_state_close(struct witness_state *s);
/* The head of the verdict is the last one from now on, on the disk too.  After a failure what is
 * true only the disk knows: end. */
MUST_USE bool witness_state_keep(
    struct witness_state *s, const struct witness_verdict *v, struct bytes note, struct err *e);
/* Keeps the proof that the log signed two heads of one size; some 64 of them. */
MUST_USE bool witness_state_keep_fork(
    struct witness_state *s, const struct witness_verdict *v, struct bytes note, struct err *e);
