/* vocab_load.c - a SPIF from a file, for 'relto vocab'. */
#include <stdio.h>
#include <sys/stat.h>

#include "client/cli/files.h"
#include "client/cli/vocab_tool.h"
#include "policy/spif.h"

enum { ARENA_MAX = 256 << 20 };

void
vocab_loaded_done(struct vocab_loaded *l)
{
	text_errors_done(&l->errors);
	arena_done(&l->arena);
}

/* What reltod would refuse. */
static void
warn_if_writable(const char *path)
{
	struct stat st;
	if (stat(path, &st) == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		(void)fprintf(stderr,
		    "%s: warning: group or others can write it; reltod would refuse it\n", path);
}

bool
vocab_load(struct vocab_loaded *l, const char *path, bool lint, struct err *e)
{
	struct bytes spif;
	*l = (struct vocab_loaded){ .vocab = NULL };
	arena_init(&l->arena, ARENA_MAX);
	text_errors_init(&l->errors);
	if (!files_read(path, &l->arena, &spif, e))
		return false;
	warn_if_writable(path);
	bool ok = lint ? spif_check(&l->arena, bytes_of(path), spif, &l->errors, &l->vocab)
		       : spif_load(&l->arena, bytes_of(path), spif, &l->errors, &l->vocab);
	if (!ok)
		l->vocab = NULL;
	return true;
}

void
vocab_tell(struct vocab_loaded *l)
{
	const char *text = text_errors_format(&l->errors, &l->arena);
	if (text != NULL)
		(void)fputs(text, stderr);
}
