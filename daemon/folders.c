#include "daemon/folders.h"

#include "daemon/file.h"
#include "proto/arena.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>

static bool
has(const struct folders *f, const char *folder)
{
	for (size_t i = 0; i < f->count; i++)
		if (strcmp(f->items[i], folder) == 0)
			return true;
	return false;
}

bool
folders_add(struct folders *f, const char *path, struct err *e)
{
	char *copy = strdup(path), *folder = copy == NULL ? NULL : dirname(copy);
	bool there = folder != NULL && has(f, folder);
	char *kept = folder == NULL || there ? NULL : strdup(folder);
	free(copy);
	if (there)
		return true;
	char **more = kept == NULL ? NULL : reallocarray(f->items, f->count + 1, sizeof(*more));
	if (more == NULL) {
		free(kept);
		return err_set(e, ERR_NOMEM, "folders");
	}
	f->items = more;
	f->items[f->count++] = kept;
	return true;
}

void
folders_done(struct folders *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->items[i]);
	free(f->items);
	*f = (struct folders){ 0 };
}

static bool
read_noted(void *ctx, const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	return file_policy.read(NULL, path, a, out, e) && folders_add(ctx, path, e);
}

/* An empty one, too: files may come into it later. */
static bool
list_noted(void *ctx, const char *path, struct arena *a, struct names *out, struct err *e)
{
	char *inside = arena_printf(a, "%s/x", path);
	if (inside == NULL)
		return err_set(e, ERR_NOMEM, "folders");
	return file_policy.list(NULL, path, a, out, e) && folders_add(ctx, inside, e);
}

struct epoch_source
folders_source(struct folders *f)
{
	return (struct epoch_source){ read_noted, list_noted, f, NULL };
}
