/*
 * disk.h - folders and files that the command makes.  A file is written beside its name, synced and
 * renamed: a reader sees the old or the new, never half.
 * Threads: one.
 */
#pragma once
#include "proto/bytes.h"
#include "proto/err.h"

#include <sys/types.h>

/* The folder and those above it that do not exist, each with mode 0700. */
MUST_USE bool disk_folder(const char *path, struct err *e);
/* Makes the name of what is there durable: whoever made it may not have lived to.  A folder above
 * that may not be read is passed over: somebody else made what is in it. */
MUST_USE bool disk_sync_name(const char *path, struct err *e);
/* Replaces 'path'. */
MUST_USE bool disk_write(const char *path, mode_t mode, struct bytes data, struct err *e);
/* Makes 'path'; ERR_IO if it exists already. */
MUST_USE bool disk_create(const char *path, mode_t mode, struct bytes data, struct err *e);
