/*
 * quorum.h - which witnesses must have signed a head: a policy file of C2SP tlog-policy.
 *     log VKEY [URL]
 *     witness NAME VKEY [URL]
 *     group NAME all|any|K MEMBER..      members are witnesses and groups of lines before
 *     quorum NAME|none                   exactly one
 * Threads: a plain value.
 */
#pragma once
#include "audit/checkpoint.h"

enum {
	QUORUM_FILE_MAX = 65536,
	QUORUM_LOGS_MAX = 32,
	QUORUM_WITNESSES_MAX = CHECKPOINT_WITNESSES_MAX,
	QUORUM_GROUPS_MAX = 32,
	QUORUM_NAME_MAX = 255,
	QUORUM_URL_MAX = 255
};
struct quorum_group {
	char name[QUORUM_NAME_MAX + 1];
	unsigned need;
	uint32_t witnesses, groups; /* bits, by their place */
};
struct quorum {
	size_t log_count, witness_count, group_count;
	struct note_key logs[QUORUM_LOGS_MAX];
	struct note_key witnesses[QUORUM_WITNESSES_MAX];
	char names[QUORUM_WITNESSES_MAX][QUORUM_NAME_MAX + 1];
	char urls[QUORUM_WITNESSES_MAX][QUORUM_URL_MAX + 1]; /* "" if it has none */
	struct quorum_group groups[QUORUM_GROUPS_MAX];
	enum { QUORUM_NONE = 1, QUORUM_WITNESS, QUORUM_GROUP } rule;
	size_t at; /* of the witness or group */
};
/* ERR_DATA names the line. */
MUST_USE bool quorum_parse(struct sha256 *h, struct bytes text, struct quorum *out, struct err *e);
/* Whether those who signed, by their place, are enough. */
bool quorum_met(const struct quorum *q, const struct note_seen *seen);
/* Whether this log may be judged by it: it is named, or no log is. */
bool quorum_knows(const struct quorum *q, const struct note_key *log);
