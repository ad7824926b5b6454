/*
 * committer.h - the one thread that writes: it takes what has gathered, makes it durable in one
 * transaction, signs the head, and only then lets anybody hear of it (S1, S2; AUDIT section 3).
 * While one batch is flushed the next one gathers, so no timer is needed for group commit.
 * Threads: committer_take from any; new, start, stop, free are main's.
 */
#pragma once
#include "daemon/job.h"
#include "daemon/ledger.h"
#include "daemon/shell.h"

#include <pthread.h>

struct evp_pkey_st;
struct committer;
struct notary;

struct committer_setup {
	struct shell *shell;
	struct ledger
	    *ledger; /* restored from the store; the committer's from committer_start on */
	/* who signs: the key of the log (borrowed), or the notary, which sends what is signed to
	 * 'signed_' */
	struct evp_pkey_st *key;
	struct notary *notary;
	struct mailbox *signed_;
	const char *version;
	uint8_t boot_id[16];
	bool clean;	    /* the last process said goodbye */
	bool old_ids;	    /* the store knows ids of a generation before */
	uint64_t published; /* size of the newest published head */
};
MUST_USE bool committer_new(
    const struct committer_setup *setup, struct committer **out, struct err *e);
/* Writes START and starts the thread. */
MUST_USE bool committer_start(struct committer *c, struct err *e);
/* Finishes what was taken, writes STOP, a last PARTY_HEAD each, and ends the thread.  False: the
 * log does not say that this run ended. */
MUST_USE bool committer_stop(struct committer *c, const char *cause, struct err *e);
void committer_free(struct committer *c);
SCOPED_FOR(struct committer, committer_free)

/* Hands a job over.  False: the mailbox is full or closed; the caller keeps it and answers BUSY. */
MUST_USE bool committer_take(struct shell *s, struct job **j);
/* Brings a job home: the worker's mailbox, main's, or nowhere. */
void committer_return(struct shell *s, struct job *j);
