/* slurp.h - files of tests, read whole into an arena.  Tests run in the project's root. */
#pragma once
#include "proto/arena.h"

#include <stdio.h>
#include <stdlib.h>

/* The bytes of a file; { NULL, 0 } if it cannot be read. */
static inline struct bytes
slurp(struct arena *a, const char *path)
{
	struct bytes none = { NULL, 0 };
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		return none;
	long size = fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
	uint8_t *data = size < 0 ? NULL : arena_alloc(a, (size_t)size + 1);
	bool ok = data != NULL && fseek(f, 0, SEEK_SET) == 0 &&
		  fread(data, 1, (size_t)size, f) == (size_t)size;
	(void)fclose(f);
	return ok ? (struct bytes){ data, (size_t)size } : none;
}

/* A file of the external vectors (RELTO_VECTORS, else ../shared/vectors).  Where they are missing
 * the test program says so and ends: skipped, or failed if CI is set. */
static inline struct bytes
slurp_vector(struct arena *a, const char *name)
{
	const char *root = getenv("RELTO_VECTORS");
	char path[4096];
	(void)snprintf(
	    path, sizeof(path), "%s/%s", root == NULL ? "../shared/vectors" : root, name);
	struct bytes b = slurp(a, path);
	if (b.data == NULL) {
		fprintf(stderr, "SKIPPED: the external vector %s is missing\n", path);
		exit(getenv("CI") == NULL ? 77 : 1);
	}
	return b;
}
