/*
 * file.h - files that reltod reads whole: configuration, policy, certificates, keys.
 * A file that group or others can write is nobody's word and is refused; so is a secret that they
 * can read.  What is checked is the file that was opened, not its name.
 * Threads: main only.
 */
#pragma once
#include "policy/epoch.h"
#include "proto/arena.h"
#include "proto/facts.h"

enum file_guard {
	FILE_OURS = 1, /* a regular file that only its owner can write */
	FILE_SECRET    /* and only its owner can read */
};

/*
 * The whole of 'path', allocated in 'a', with a NUL after it that is not counted.
 * Errors: ERR_NOT_FOUND; ERR_CONFIG for a guard that fails or what is no regular file; ERR_LIMIT
 * above 'max' bytes; ERR_IO; ERR_NOMEM.
 */
MUST_USE bool file_read(const char *path, enum file_guard guard, size_t max, struct arena *a,
    struct bytes *out, struct err *e);
/* The plain names in a folder, any order, without those that begin with a dot. */
MUST_USE bool file_list(const char *folder, struct arena *a, struct names *out, struct err *e);

/* How reltod reaches policy files and SPIFs: file_read with FILE_OURS, and file_list. */
extern const struct epoch_source file_policy;
