/*
 * relto_operator.h - part of relto.h: the operator's requests.
 */
#ifndef RELTO_OPERATOR_H
#define RELTO_OPERATOR_H

#include "relto.h"

#ifdef __cplusplus
extern "C" {
#endif

/* All need the role operate.  What the broker says, one JSON object: free it with free(3). */
RELTO_API bool relto_status(struct relto_connection *c, char **json, struct relto_error *e);
/* Loads policy and trust files again; on a fault the old ones stay and the error says why. */
RELTO_API bool relto_reload(struct relto_connection *c, char **json, struct relto_error *e);
/*
 * Who is connected, a page at a time: {"sessions":[{"connection":..,"address":..,"state":..,..}..],
 * "next":N}; 'from' is 0, or "next" of the page before, which is 0 at the end.
 */
RELTO_API bool relto_sessions(
    struct relto_connection *c, uint64_t from, char **json, struct relto_error *e);
/*
 * Has the broker end in good order: nothing new is taken, sessions get what they are owed and Bye,
 * also this one.  True once that has begun.
 */
RELTO_API bool relto_drain(struct relto_connection *c, char **json, struct relto_error *e);
/* Accepts the broker's present clock after it was in doubt. */
RELTO_API bool relto_accept_clock(struct relto_connection *c, char **json, struct relto_error *e);
/* Has the broker copy its store into a new folder 'name' of its setting backup-dir, and returns
 * when the copy is durable and verified: 'records' of the log, 'bytes' of the file.  usage: there
 * is one of that name; config: no backup-dir, or others can write it; busy: another one is under
 * way. */
struct relto_backup {
	const char *name; /* [A-Za-z0-9][A-Za-z0-9_-]{0,63} */
	/* May be NULL; called about once a second, 'total' an estimate. */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
};
RELTO_API bool relto_backup(
    struct relto_connection *c, const struct relto_backup *b, char **json, struct relto_error *e);
/* Erases who stands in these records and their words (slot 6), all of them or none, and returns
 * when that is durable: 'record' is the ERASE record that names them.  not-found: one of them is
 * not there, names nobody, or is erased already. */
struct relto_erasure {
	const uint64_t *records; /* indices in the main log, rising; 1..1,000 */
	size_t count;
	const char *because; /* 1..1,024 bytes */
};
RELTO_API bool relto_erase(struct relto_connection *c, const struct relto_erasure *what,
    char **json, struct relto_error *e);

#ifdef __cplusplus
}
#endif
#endif
