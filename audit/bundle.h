/*
 * bundle.h - the export directory (docs/audit-format.md section 8), written and read through
 * callbacks: reltod sends the files down a connection, relto-verify reads them from a disk.
 * Threads: one caller at a time for each writer or reader.
 */
#pragma once
#include "audit/checkpoint.h"
#include "audit/log.h"
#include "audit/record.h"

enum {
	BUNDLE_RECORDS = 1024, /* in a file of record/ */
	BUNDLE_PATH_MAX = 96,
	BUNDLE_NAME_MAX = 64,
	BUNDLE_HEX_LEN = 64
};

/* The kinds of contents: bundle_dir gives the directory's name. */
enum bundle_dir {
	BUNDLE_FACTS = 1,
	BUNDLE_MANIFEST,
	BUNDLE_ROUTING,
	BUNDLE_NOTICE,
	BUNDLE_SEAL,
	BUNDLE_CHAIN,
	BUNDLE_ANCHOR,
	BUNDLE_HEAD,
	BUNDLE_POLICY,
	BUNDLE_SPIF,
	BUNDLE_DIR_END
};
const char *bundle_dir(enum bundle_dir d);
void bundle_content_path(enum bundle_dir d, const uint8_t digest[32], char out[BUNDLE_PATH_MAX]);
/* 64 lower-case hex digits, NUL. */
void bundle_hex(const uint8_t digest[32], char out[BUNDLE_HEX_LEN + 1]);
/* The reverse; false for anything else. */
bool bundle_unhex(struct bytes word, uint8_t out[32]);
void bundle_record_path(uint64_t file, char out[BUNDLE_PATH_MAX]); /* "record/000000" */
void bundle_report_path(uint64_t file, char out[BUNDLE_PATH_MAX]);

/* What the file 'bundle' says. */
struct bundle_about {
	struct bytes origin;
	uint64_t size;
	struct bytes party; /* absent: the view of a hub auditor */
	uint64_t first;	    /* records below are of length 0 */
};
MUST_USE bool bundle_about_write(
    struct arena *a, const struct bundle_about *v, struct bytes *out, struct err *e);
MUST_USE bool bundle_about_parse(struct bytes in, struct bundle_about *out, struct err *e);

/*
 * Writing.  Every record from 0 to size-1 passes through bundle_add, as stored; the writer makes
 * openings, tiles and entry bundles of them.
 */
struct bundle_writer;
/* 'data' are the next bytes of the file 'path': a file may come in several calls with other files
 * between.  Its failure is the writer's. */
typedef bool bundle_emit(void *ctx, const char *path, struct bytes data, struct err *e);
struct bundle_sink {
	bundle_emit *emit;
	void *ctx;
};
/* Borrows what 'about' points to until finish.  The writer is on the heap, about 150 KiB. */
MUST_USE bool bundle_writer_new(struct sha256 *h, const struct bundle_about *about,
    struct bundle_sink sink, struct bundle_writer **out, struct err *e);
void bundle_writer_free(struct bundle_writer *w);
/* The next record.  ERR_CORRUPT if the entry does not give its own leaf. '*opened' (may be NULL) is
 * the mask of opened slots, so that the caller knows whether contents belong to it. */
MUST_USE bool bundle_add(
    struct bundle_writer *w, struct bytes entry, unsigned *opened, struct err *e);
/* One content, for the view of a hub auditor; the name is computed.  Chains, anchors, policies and
 * SPIFs may be given any number of times and come once; of the others, which belong to one report,
 * the caller gives each once (or several times in a row). */
MUST_USE bool bundle_add_content(
    struct bundle_writer *w, enum bundle_dir d, struct bytes data, struct err *e);
/* The line of report/ for the INTAKE that was added last. */
struct bundle_report {
	uint64_t index;
	uint8_t manifest[32], routing[32];
	bool has_notice;
	uint8_t notice[32];
	size_t head_count;
	const uint8_t (*heads)[32]; /* SHA-256 of the heads, in reading order */
};
MUST_USE bool bundle_add_report(
    struct bundle_writer *w, const struct bundle_report *v, struct err *e);
/* The unfinished tiles, 'checkpoint', 'log.vkey', 'bundle'.  ERR_CORRUPT if the records' root is
 * not the one given. */
MUST_USE bool bundle_finish(struct bundle_writer *w, struct bytes note, const struct note_key *key,
    const uint8_t root[32], struct err *e);

/*
 * Reading a file of record/: length-prefixed openings.
 */
/* The next opening (length 0: not opened), borrowed from the file.  ERR_MALFORMED. */
MUST_USE bool bundle_record_next(struct cursor *file, struct bytes *opening, struct err *e);
/* The next line of a file of report/.  'heads' (256 x 32) is filled and out->heads points to it. */
MUST_USE bool bundle_report_next(
    struct bytes *file, uint8_t (*heads)[32], struct bundle_report *out, struct err *e);

SCOPED_FOR(struct bundle_writer, bundle_writer_free)
