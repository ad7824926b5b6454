#include "audit/verify_compare.h"

#include <inttypes.h>
#include <sys/stat.h>

#include "audit/verify_files.h"
#include "proto/arena.h"

static bool
is_folder(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool
read_head(struct arena *a, const char *path, const struct checkpoint_trust *trust,
    struct bytes *note, struct checkpoint *head, struct err *e)
{
	const char *file = is_folder(path) ? arena_printf(a, "%s/checkpoint", path) : path;
	if (file == NULL)
		return err_set(e, ERR_NOMEM, "a name");
	if (!verify_files_slurp(file, a, note, e))
		return false;
	if (note->data == NULL)
		return err_set(e, ERR_USAGE, "'%s': no such file", file);
	return checkpoint_open(a, *note, trust, head, e) || err_wrap(e, "%s", path);
}

static void
swap(struct verify_compare *c)
{
	const struct verify_compare was = *c;
	for (size_t i = 0; i < 2; i++) {
		c->paths[i] = was.paths[1 - i];
		c->notes[i] = was.notes[1 - i];
		c->heads[i] = was.heads[1 - i];
	}
}

bool
verify_compare_open(struct arena *a, const char *const paths[2],
    const struct checkpoint_trust *trust, struct verify_compare *out, struct err *e)
{
	struct verify_compare c = { .paths = { paths[0], paths[1] } };
	for (size_t i = 0; i < 2; i++)
		if (!read_head(a, paths[i], trust, &c.notes[i], &c.heads[i], e))
			return false;
	if (c.heads[0].size > c.heads[1].size)
		swap(&c);
	bool equal = c.heads[0].size == c.heads[1].size;
	c.same = equal && memcmp(c.heads[0].root, c.heads[1].root, 32) == 0;
	c.fork = equal && !c.same;
	c.whole = is_folder(c.paths[1]);
	if (!equal && !c.whole)
		return err_set(e, ERR_USAGE,
		    "'%s' has the larger head, %" PRIu64
		    " records: give the bundle that it belongs "
		    "to, since only its tree shows whether it extends the other",
		    c.paths[1], c.heads[1].size);
	*out = c;
	return true;
}
