/*
 * await.h - what a batch leads to, kept until its head is signed: answers to jobs, and what workers
 * are told of subscriptions, deliveries and heads (AUDIT I2).  With the log's key in the broker
 * that is at once; with relto-signer up to NOTARY_ASKS batches are durable before the first is
 * signed. Threads: the committer's.
 */
#pragma once
#include "daemon/batch.h"

/* Rooms for notices. */
MUST_USE bool await_init(struct committer *c, struct err *e);
void await_done(struct committer *c);

/* Whether one more batch may be durable without a signature. */
bool await_has_room(const struct committer *c);
/* Asks the notary for the head of what is durable now, for the batch that await_push then adds. */
MUST_USE bool await_ask(struct committer *c, struct err *e);
/* The batch is durable: it waits for the signature of the log as it stands. */
void await_push(struct committer *c);
/* The job, of the batch that was pushed last, goes home with it. */
void await_job(struct committer *c, struct job *j);
/* The batch came to nothing: so do its notices. */
void await_drop(struct committer *c);
/* Tells of all batches whose head is signed. */
void await_settle(struct committer *c);
/* Takes what was signed meanwhile, and settles. */
void await_take(struct committer *c);
/* Until 'work' has something or something was signed, a tick at most. */
void await_wait(struct committer *c, struct mailbox *work);
/* Until at most 'most' batches wait.  ERR_SIGNER: the signer is away. */
MUST_USE bool await_for(struct committer *c, size_t most, struct err *e);
/* New rules that wait for room may be narrower than those in force: nothing leaves under these
 * until the new ones are committed or have failed (S5). */
void await_hold_back(struct committer *c);
/* At the end: whoever waits is told to try again, since what became of it is not signed. */
void await_abandon(struct committer *c);
