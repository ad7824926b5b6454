/*
 * audit_bundle.h - a bundle on disk, verified as relto-verify does (audit/verify.h) before anything
 * is said of it, for the commands that say more.
 * Threads: one.
 */
#pragma once
#include "audit/verify_files.h"
#include "audit/verify_progress.h"
#include "audit/verify_say.h"
#include "client/cli/content.h"
#include "client/cli/out.h"
#include "proto/arena.h"

struct audit_bundle { /* begins with the directory: what verify_files_read expects */
	struct verify_dir dir;
	struct sha256 hash, other; /* the verifier's, and that of 'reader' */
	struct arena arena;
	const char *path;
	struct note_key key;
	const char *key_text; /* a vkey, or a file of one */
	const char *state;    /* of the context whose key it is; NULL: it was said */
	struct checkpoint_trust trust;
	struct content_reader reader;
	void (*on_record)(void *ctx, const struct verify_record *r); /* may be NULL */
	void *ctx;
	struct verify_told told;
	struct verify_progress progress;
	struct verify_result result;
};
/* 'key': a vkey or a file of one; NULL: the log-key of the context (NULL: the chosen one).  A key
 * is never taken from the bundle. */
struct audit_bundle_ask {
	const char *path, *key, *context;
};
MUST_USE bool audit_bundle_open(
    struct audit_bundle *b, const struct audit_bundle_ask *ask, struct err *e);
/* Walks it: on_record for every record that gives its leaf.  Only with 'walked' in the result do
 * the records give the signed root.  False: it could not be done. */
MUST_USE bool audit_bundle_verify(struct audit_bundle *b, struct err *e);
/* Whether what its records say is what the log's key signed. */
bool audit_bundle_is_signed(const struct audit_bundle *b);
/* Whether it is the hub's view from record 0.  A view that is not has no facts; one that begins
 * later lacks what the facts rest on.  ERR_DATA. */
bool audit_bundle_is_whole(const struct audit_bundle *b, struct err *e);
void audit_bundle_close(struct audit_bundle *b);
/* What was found, on stderr. */
void audit_bundle_tell(const struct audit_bundle *b);
/* "verified":{"ok":..,"exit":..,"origin":..,"size":..,"root":..,"findings":[..]} */
void audit_bundle_json(const struct audit_bundle *b, struct out_json *j);
