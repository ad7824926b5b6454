/*
 * mailbox.h - the one way between threads: a bounded queue of intrusive items plus an eventfd.
 * An item is a 'struct mailbox_item' inside the thing that is handed over; posting moves ownership
 * of the thing, so the sender must not touch it afterwards.  Posting never allocates.  Items come
 * out in the order in which they went in; one sender's items keep their order.
 *
 * Two ways in.  mailbox_post is bounded: a full or closed mailbox says no, the caller keeps the
 * item and answers BUSY.  mailbox_reply is for what comes home (a job whose outcome its worker
 * waits for, an order of main): it is not counted and cannot fail, since whoever sent the thing out
 * already paid for it, and the item carries its own link.
 *
 * Threads: post, reply and close from any; take, wait and free only from the one consumer.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "proto/err.h"

struct mailbox;
struct mailbox_item {
	struct mailbox_item *next; /* the mailbox's while posted, the chain's after take */
	bool counted;		   /* came by mailbox_post */
};

/* The thing that an item is a member of. */
#define MAILBOX_ENTRY(item, type, member) \
	((type *)(void *)(((char *)(item)) - offsetof(type, member)))

/* An empty mailbox that takes 'capacity' (> 0) counted items.  ERR_NOMEM, ERR_IO (no eventfd). */
MUST_USE bool mailbox_new(size_t capacity, struct mailbox **out, struct err *e);
/* The mailbox must be empty: an item left inside would be a job that nobody answers. */
void mailbox_free(struct mailbox *m);
SCOPED_FOR(struct mailbox, mailbox_free)

/* Hands the item over.  False if 'capacity' counted items wait already, or after mailbox_close: the
 * caller still owns it. */
MUST_USE bool mailbox_post(struct mailbox *m, struct mailbox_item *item);
/* Hands the item over, always. */
void mailbox_reply(struct mailbox *m, struct mailbox_item *item);
/* From now on mailbox_post says no; replies still arrive. */
void mailbox_close(struct mailbox *m);

/* Readable while items wait; for the consumer's event loop.  Never read or write it oneself. */
int mailbox_fd(const struct mailbox *m);
/* Up to 'max' items, oldest first, as a chain through 'next' that ends in NULL; NULL if none waits.
 * Does not block. */
struct mailbox_item *mailbox_take(struct mailbox *m, size_t max);
/* Sleeps until an item waits (true) or 'timeout_ms' have passed (false); negative: for ever. */
bool mailbox_wait(struct mailbox *m, int timeout_ms);
/* The same for two boxes of one consumer: one of them has an item. */
bool mailbox_wait_either(struct mailbox *a, struct mailbox *b, int timeout_ms);
/* Counted items waiting now, for metrics. */
size_t mailbox_count(struct mailbox *m);
