/*
 * audit_read.h - reads the log of a running broker page by page, and holds the records against one
 * another and against the signed head that this session verified.
 * What is shown is the broker's word: a record's own hashes say nothing while no root is known that
 * they lead to.  One is, where the reading began at record 0 and came far enough: an auditor of the
 * hub sees every leaf up to the head; a party sees every leaf of its own tree, up to its last
 * PARTY_HEAD.
 * Threads: one.
 */
#pragma once
#include "audit/verify.h"
#include "client/cli/session.h"
#include "proto/merkle.h"

struct audit_read {
	uint64_t from; /* the first record wanted */
	bool one;      /* only that one */
	/* called for every sound record in order; false: that is enough */
	bool (*each)(void *arg, const struct verify_record *r);
	void *arg;
	/* out */
	uint64_t seen;	   /* records that were shown */
	bool to_the_end;   /* nothing more was there */
	uint64_t proved;   /* records 0 .. proved - 1 give the signed head (hub) */
	uint64_t own;	   /* records of the party's own tree that its last PARTY_HEAD covers.. */
	uint64_t own_head; /* ..which is this record; SLOT_ABSENT: none was met */
	/* audit_read.c */
	struct session *session;
	struct sha256 *h;
	bool hub, enough, bad, whole;
	struct merkle tree;    /* of the log, or of the party */
	uint64_t head_size;    /* of the signed head; 0: none is known.. */
	uint8_t head_root[32]; /* ..and its root */
	uint8_t leaf[32];      /* of the record in hand */
	uint64_t time;	       /* of the last one */
	int waits;
};
/* The exit status: 0, or that of what went wrong, which is said.  After a record that is not sound,
 * or a root that its leaves do not give, the reading goes on, and ends with 76. */
int audit_read_run(struct session *s, struct audit_read *r);
/* A line on stderr: what was read, and what proves it. */
void audit_read_say(const struct audit_read *r, uint64_t picked);
