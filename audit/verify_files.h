/*
 * verify_files.h - relto-verify's hands: the bundle's files, the keys, what clients kept.
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

/* A whole regular file; absent: { NULL, 0 }. */
MUST_USE bool verify_files_slurp(
    const char *path, struct arena *a, struct bytes *out, struct err *e);

/* A vkey of 'type' (NOTE_ED25519, NOTE_COSIGNATURE): the text itself, or from a file of that name.
 */
MUST_USE bool verify_files_key(
    struct sha256 *h, const char *text, uint8_t type, struct note_key *out, struct err *e);

/* What a client keeps of receipts and deliveries (client/keep.h), a line each: "receipt" or
 * "delivery", report id, main index (0 of a delivery), index in the party's history, leaf hash in
 * hex, time in s; single spaces.  ERR_DATA for anything else. */
MUST_USE bool verify_files_evidence(struct arena *a, const char *path,
    const struct verify_evidence **out, size_t *count, struct err *e);
