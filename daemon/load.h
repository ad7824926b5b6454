/*
 * load.h - policy and trust from the disk, as one ruleset; the log key.
 * Threads: main.
 */
#pragma once
#include "daemon/config.h"
#include "daemon/ruleset.h"

#include <stdio.h>
#include <sys/types.h>

struct evp_pkey_st;
struct folders;
struct note_key;
struct quorum;

struct load {
	const struct config *config;
	bool reload;
	bool test; /* say which signatures agreements lack; a broker's store may know of them */
	/* a reload: what is in force; a party that is shut out keeps its anchors of then, so that
	 * the terms of its agreements do not move */
	const struct ruleset *previous;
	struct folders *folders; /* where files were read from is added; or NULL */
};
/*
 * The ruleset that the configuration names.  What is wrong with the policy is written to 'to' as
 * the people who wrote it read it (file:line:col, caret, help).  'reload': a party whose own files
 * are unusable is shut out and does not stop the others.
 */
MUST_USE bool load_rules(const struct load *from, FILE *to, struct ruleset **out, struct err *e);
/* The uid of a user by name or number; "": the one that we run as.  ERR_CONFIG: there is none. */
MUST_USE bool load_user(const char *name, uid_t *uid, struct err *e);
/* The Ed25519 key of the log. */
MUST_USE bool load_log_key(const struct config *cfg, struct evp_pkey_st **out, struct err *e);
/* The file of log { quorum }; false in *any: there is none.  'log' is NULL where it is not known:
 * it lies in a signer.  ERR_CONFIG says what is wrong in it: syntax, another log, 'none', a URL
 * that cannot be used, or witnesses that could never be enough.
 */
MUST_USE bool load_quorum(const struct config *cfg, const struct note_key *log, struct quorum *out,
    bool *any, struct err *e);
enum { LOAD_SHUT_OUT_NAMES = 256 }; /* of a record */
/* Names, byte order, LF between, of the parties that are shut out; beyond LOAD_SHUT_OUT_NAMES a
 * last line "+N", so many more.  NULL when out of memory. */
char *load_shut_out(const struct ruleset *r);
