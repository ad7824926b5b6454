/*
 * keep.h - what a client remembers between connections: the largest verified checkpoint of each
 * origin, which generation of it a person accepted, its party's tree, the evidence that came with
 * receipts and deliveries, and what proves a fork. With a folder it is shared by all processes that
 * use the folder, under a lock file; without one it is in memory.  Files are written beside and
 * renamed, so a crash leaves the old one. Threads: any; every call is whole by itself.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"

struct arena;
struct keep;

/* 'folder' may be NULL.  Makes the folder (mode 0700) if there is none.  ERR_IO, ERR_NOMEM. */
MUST_USE bool keep_new(const char *folder, struct keep **out, struct err *e);
void keep_free(struct keep *k);
SCOPED_FOR(struct keep, keep_free)

/*
 * The checkpoints kept for an origin, signed notes.  One is the rule.  There are more while
 * processes that were connected at the same time went on to heads that no proof has joined yet.
 */
enum { KEEP_NOTES = 16 };
struct keep_notes {
	struct bytes note[KEEP_NOTES];
	size_t count;
};
/* Copied into 'a'. */
MUST_USE bool keep_load(
    struct keep *k, struct bytes origin, struct arena *a, struct keep_notes *out, struct err *e);
/* Changes the list, alone: no other process or thread sees or changes it meanwhile.  Nothing is
 * written if 'edit' fails. */
struct keep_edit {
	bool (*edit)(void *arg, struct keep_notes *notes, struct err *e);
	void *arg;
};
MUST_USE bool keep_update(struct keep *k, struct bytes origin, const struct keep_edit *edit,
    struct arena *a, struct err *e);

/* What a PARTY_HEAD said of a party's own tree. */
struct keep_tree {
	uint64_t record; /* its index in the log */
	uint64_t size;
	uint8_t root[32];
};
/*
 * Keeps the tree of 'name' (origin and party) if it is of a later record than what is kept, agrees
 * with it, or nothing is.  *was is what was kept (*known), agreeing or not.
 */
struct keep_trees {
	struct keep_tree now, was;
	bool known, agree;
};
MUST_USE bool keep_tree(
    struct keep *k, struct bytes name, struct keep_trees *t, struct arena *a, struct err *e);

/*
 * One record of the party's tree that no PARTY_HEAD covered when its session ended, so that the
 * next sessions watch it.  Forgets it if the tree has 'covered' records by now and it is one of
 * them; takes record 'now' (if 'has_now') where none is watched; notes 'head_s' (s since 1970, 0:
 * none came) if it is the first head that does not cover it.  *was: what is watched after that.
 */
struct keep_waiting {
	uint64_t index;
	int64_t since_s; /* when the first head came that does not cover it; 0: none yet */
};
struct keep_watch {
	uint64_t covered, now;
	int64_t head_s;
	bool has_now, has_was;
	struct keep_waiting was;
};
MUST_USE bool keep_watch(
    struct keep *k, struct bytes name, struct keep_watch *w, struct arena *a, struct err *e);

/* The generation of the log that a person accepted behind that of 'origin'; absent if none. */
MUST_USE bool keep_accepted(
    struct keep *k, struct bytes origin, struct arena *a, struct bytes *next, struct err *e);
MUST_USE bool keep_accept(struct keep *k, struct bytes origin, struct bytes next, struct err *e);

/* The last head that the quorum of witnesses signed, a signed note; absent if none, or without a
 * folder. */
MUST_USE bool keep_signed(
    struct keep *k, struct bytes origin, struct arena *a, struct bytes *note, struct err *e);
MUST_USE bool keep_sign(struct keep *k, struct bytes origin, struct bytes note, struct err *e);

/* Saves what proves a fork in a folder of its own; 'path' gets its name ("" without a folder).  The
 * first 64 are kept: the first evidence is worth most.  ERR_LIMIT when they are there. */
struct keep_file {
	const char *name;  /* NULL: the last one, which is none */
	struct bytes data; /* none: there is no such file */
};
MUST_USE bool keep_fork(struct keep *k, struct bytes origin, const struct keep_file *files,
    char path[512], struct err *e);
/* The same for a head without the signatures of the quorum, which proves nothing, beside them. */
MUST_USE bool keep_unsigned(struct keep *k, struct bytes origin, const struct keep_file *files,
    char path[512], struct err *e);
/* Adds lines to the evidence file of 'origin'. */
MUST_USE bool keep_evidence(struct keep *k, struct bytes origin, struct bytes lines, struct err *e);
