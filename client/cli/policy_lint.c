#include "client/cli/policy_lint.h"

#include <time.h>

#include "client/cli/files.h"

static bool
read_quietly(void *context, const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	(void)context;
	return files_read(path, a, out, e);
}

static bool
read_tree(const char *path, struct arena *a, struct text_block *out, struct err *e)
{
	SCOPED(text_errors_done) struct text_errors l;
	struct epoch_source disk;
	const char *root;
	text_errors_init(&l);
	files_source(&disk);
	const struct text_reader reader = { read_quietly, disk.list, disk.ctx };
	if (!files_root(path, a, &root, e))
		return false;
	return text_load(a, root, &reader, &l, out) || text_errors_to_err(&l, ERR_POLICY, e);
}

static uint64_t
now(void)
{
	struct timespec t = { 0 };
	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000;
}

bool
policy_lint(const struct epoch *p, const char *path, uint64_t at, struct linted *out, struct err *e)
{
	SCOPED(arena_done) struct arena a;
	struct text_block top;
	arena_init(&a, (size_t)256 << 20);
	if (!read_tree(path, &a, &top, e))
		return false;
	return lint_policy(p, &top, at == 0 ? now() : at, &out->warnings, &out->open) ||
	       err_set(e, ERR_NOMEM, "the linter");
}
