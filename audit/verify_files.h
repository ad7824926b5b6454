/*
 * verify_files.h - relto-verify's hands: the bundle's files, the keys, the kept heads.
 */
#pragma once
#include "audit/verify.h"

/* A verify_read over a directory; 'ctx' begins with a struct verify_dir. */
struct verify_dir {
	int fd; /* of the directory; owned */
};
MUST_USE bool verify_files_open(const char *path, struct verify_dir *out, struct err *e);
void verify_files_close(struct verify_dir *d);
verify_read verify_files_read;

/* A vkey from a file of that name, or the text itself. */
MUST_USE bool verify_files_key(
    struct sha256 *h, const char *text, struct note_key *out, struct err *e);

/*
 * The file of kept heads: "relto-verify heads 1" LF, then for each origin "note N" LF and the N
 * bytes of the signed note.  A missing file holds none.
 */
struct verify_heads {
	struct bytes file; /* in the arena */
};
MUST_USE bool verify_files_heads(
    struct arena *a, const char *path, struct verify_heads *out, struct err *e);
/* The kept note of the log whose key this is, verified; size 0: none.  A note that does not verify
 * is ERR_BAD_SIGNATURE: somebody touched the file. */
MUST_USE bool verify_files_kept(struct arena *a, const struct verify_heads *heads,
    const struct note_key *log, struct checkpoint *out, struct err *e);
/* Replaces the note of this origin, durably. */
MUST_USE bool verify_files_keep(const char *path, const struct verify_heads *heads,
    struct bytes origin, struct bytes note, struct err *e);
/* Both notes of a fork and the key, in a new directory beside the file: its name in 'out'. */
MUST_USE bool verify_files_fork(struct arena *a, const char *path, const struct note_key *log,
    const struct bytes notes[2], const char **out, struct err *e);
/* The note of an origin, as kept; absent: { NULL, 0 }. */
struct bytes verify_files_note(const struct verify_heads *heads, struct bytes origin);
