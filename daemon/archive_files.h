/*
 * archive_files.h - the files of one segment: written beside their place, read-only, durable, moved
 * there; and read again (store.h has their form).
 * Threads: one caller at a time.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"

struct archive_files;
struct archive_pair;

/* 'folder' below 'dir', "gN/FROM-TO".  *there: it is, and can be read; else it is begun as
 * FOLDER.part, of which nothing was left.  ERR_CONFIG: 'dir' is not ours alone to write. */
MUST_USE bool archive_files_open(
    const char *dir, const char *folder, bool *there, struct archive_files **out, struct err *e);
/* What was not kept is taken away.  NULL is accepted. */
void archive_files_free(struct archive_files *f);

/* A file of STORE_ARCHIVE_FILE records from 'first' on, with its index. */
MUST_USE bool archive_pair_begin(
    struct archive_files *f, uint64_t first, struct archive_pair **out, struct err *e);
MUST_USE bool archive_pair_add(
    struct archive_pair *p, uint64_t index, struct bytes opening, struct err *e);
/* Frees it; with 'ok' both files are durable.  Returns whether all went well, 'ok' among it. */
MUST_USE bool archive_pair_end(struct archive_pair *p, bool ok, struct err *e);
/* A whole file; folders on its way are made. */
MUST_USE bool archive_put(
    struct archive_files *f, const char *path, struct bytes bytes, struct err *e);
/* Folders durable and read-only, then the name. */
MUST_USE bool archive_files_keep(struct archive_files *f, struct err *e);

/* ERR_FULL unless so much of the disk is free, and as many hundredths of it, after one file more.
 */
struct archive_reserve {
	uint64_t bytes;
	unsigned percent;
};
MUST_USE bool archive_room(
    const struct archive_files *f, const struct archive_reserve *keep, struct err *e);
/*
 * One file of records of the kept folder, with its index, is made anew: from here on pairs are
 * written and read beside it, and archive_pair_replace puts them in the place of the old ones, the
 * records first.  A death in between leaves the new records with the old index, which store.h says
 * how to read.
 */
MUST_USE bool archive_pair_renew(struct archive_files *f, uint64_t first, struct err *e);
MUST_USE bool archive_pair_replace(struct archive_files *f, uint64_t first, struct err *e);
/* A kept folder is taken away after all. */
void archive_files_discard(struct archive_files *f);
/* Reads the records [from, to) of the kept folder, checksums and lengths too; nothing may stand
 * behind the last one of a file. */
struct archive_reader {
	bool (*record)(void *ctx, uint64_t index, struct bytes opening, struct err *e);
	void *ctx;
};
MUST_USE bool archive_read(struct archive_files *f, uint64_t from, uint64_t to,
    const struct archive_reader *r, struct err *e);
