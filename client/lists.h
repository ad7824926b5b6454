/*
 * lists.h - what a party's mailboxes have, and what an operator does about it; for the command, not
 * exported.  Errors and ownership as in relto.h.  Threads: the connection's.
 */
#pragma once
#include "client/relto.h"
#include "proto/err.h"

struct lists_subscription {
	const char *name, *topic;
	bool exercise;
	uint64_t waiting; /* for an operator all in its queue, of my own those that came back */
};
struct lists_subscriptions {
	const struct lists_subscription *items;
	size_t count;
};
void lists_subscriptions_free(struct lists_subscriptions *x);
/* The subscriptions of my party; for an operator, of the party named (NULL: my own). */
MUST_USE bool lists_subscriptions(struct relto_connection *c, const char *party,
    struct lists_subscriptions **out, struct relto_error *e);
/* Deletes one of my party's; what waits in it becomes dead letters.  no-such-subscription; busy:
 * somebody reads it; usage: it is the only one of its mode. */
MUST_USE bool lists_unsubscribe(
    struct relto_connection *c, const char *name, bool exercise, struct relto_error *e);

/* A report that a mailbox did not take, or gave up. */
struct lists_letter {
	const char *party, *publisher; /* "": not told, since nothing of it was sent to my party */
	bool has_report;
	uint8_t report[RELTO_ID_BYTES];
	const char *subscription; /* "": there was none, or is none any more */
	bool exercise;
	enum relto_precedence precedence;
	const char *reason; /* no-subscription, mailbox-full, max-deliveries */
	uint32_t attempts;
	uint64_t time_us;
};
struct lists_letters {
	const struct lists_letter *items;
	size_t count;
};
void lists_letters_free(struct lists_letters *x);
/* Those of my party; with 'all', for an operator, of the party named or (NULL) of all. */
MUST_USE bool lists_letters(struct relto_connection *c, bool all, const char *party,
    struct lists_letters **out, struct relto_error *e);
/* For an operator: those of a report for a party are tried again, which decides anew, or dropped.
 * Gives a JSON object, to be freed: "retried" or "dropped", and "kept". */
MUST_USE bool lists_letters_retry(struct relto_connection *c, const char *party,
    const uint8_t report[RELTO_ID_BYTES], char **json, struct relto_error *e);
MUST_USE bool lists_letters_drop(struct relto_connection *c, const char *party,
    const uint8_t report[RELTO_ID_BYTES], char **json, struct relto_error *e);
