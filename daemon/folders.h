/*
 * folders.h - the folders that files were read from, each once: the sandbox leaves them open for
 * the next reload.
 * Threads: the caller's.
 */
#pragma once
#include "policy/epoch.h"

struct folders {
	char **items;
	size_t count;
};

/* The folder that 'path' is in.  ERR_NOMEM. */
MUST_USE bool folders_add(struct folders *f, const char *path, struct err *e);
void folders_done(struct folders *f);
/* As file_policy, and 'f' has the folders of what is read through it. */
struct epoch_source folders_source(struct folders *f);
