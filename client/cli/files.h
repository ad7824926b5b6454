/*
 * files.h - how the command reaches the files of a policy: the shell's side of epoch_source.
 * Threads: one.
 */
#pragma once
#include "policy/epoch.h"

enum { FILES_MAX = 64 << 20 }; /* bytes of one file */

/* Reads a whole file into the arena.  ERR_NOT_FOUND if it is missing; ERR_LIMIT over FILES_MAX. */
MUST_USE bool files_read(const char *path, struct arena *a, struct bytes *out, struct err *e);
/* The same of a file that the broker reads too, up to 'max': one that group or others can write is
 * told on stderr. */
MUST_USE bool files_read_ours(
    const char *path, size_t max, struct arena *a, struct bytes *out, struct err *e);
/* The source of an epoch on disk.  A file that group or others can write is told on stderr, once
 * each time it is read. */
void files_source(struct epoch_source *out);
/* The root file of a policy: DIR/relto.policy for a folder, else the path itself, in the arena. */
MUST_USE bool files_root(const char *path, struct arena *a, const char **out, struct err *e);
