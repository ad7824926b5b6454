#include "client/cli/policy_fmt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/cmd.h"
#include "client/cli/disk.h"
#include "client/cli/files.h"
#include "client/cli/out.h"
#include "client/cli/policy_out.h"
#include "policy/text_fmt.h"
#include "proto/dry.h"

struct file {
	const char *path;
	struct bytes before, after;
	bool changed;
	struct file *next;
};
struct run {
	struct arena arena;
	struct text_errors errors;
	struct file *first, **tail;
	bool json, check;
};

/* ---- which files ---- */

static bool
add_file(struct run *r, const char *path, struct bytes source, struct err *e)
{
	for (const struct file *f = r->first; f != NULL; f = f->next)
		if (strcmp(f->path, path) == 0)
			return true;
	struct file *f = arena_zalloc(&r->arena, 1, sizeof(*f));
	char *name = arena_printf(&r->arena, "%s", path);
	if (f == NULL || name == NULL)
		return err_set(e, ERR_NOMEM, "policy");
	*f = (struct file){ .path = name, .before = source };
	*r->tail = f;
	r->tail = &f->next;
	return true;
}

static bool
read_and_note(void *context, const char *path, struct arena *a, struct bytes *out, struct err *e)
{
	struct run *r = context;
	return files_read(path, a, out, e) && add_file(r, path, *out, e);
}

static bool
list_folder(void *context, const char *folder, struct arena *a, struct names *out, struct err *e)
{
	struct epoch_source disk;
	(void)context;
	files_source(&disk);
	return disk.list(disk.ctx, folder, a, out, e);
}

/* A policy is its root file with all that it includes; any other file is itself. */
static bool
gather(struct run *r, const char *path, struct err *e)
{
	struct stat st;
	const char *root;
	struct bytes source;
	struct text_block ignored;
	const struct text_reader reader = { read_and_note, list_folder, r };
	if (!files_root(path, &r->arena, &root, e))
		return false;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return text_load(&r->arena, root, &reader, &r->errors, &ignored) ||
		       text_errors_to_err(&r->errors, ERR_POLICY, e);
	return files_read(root, &r->arena, &source, e) && add_file(r, root, source, e);
}

static bool
lay_out(struct run *r, struct err *e)
{
	bool good = true;
	for (struct file *f = r->first; f != NULL; f = f->next) {
		good = text_fmt(&r->arena, bytes_of(f->path), f->before, &r->errors, &f->after) &&
		       good;
		f->changed = !bytes_equal(f->before, f->after);
	}
	return good || text_errors_to_err(&r->errors, ERR_POLICY, e);
}

/* ---- writing ---- */

static bool
failed(const char *path, struct err *e)
{
	return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
}

/* The new file takes the old one's place with its mode and owner: reltod must still read it, and
 * nobody else than before may. */
static bool
put_in_place(const char *beside, const char *path, const struct stat *old, struct err *e)
{
	struct stat st;
	if (stat(beside, &st) != 0)
		return failed(beside, e);
	bool ours = st.st_uid == old->st_uid && st.st_gid == old->st_gid;
	if (!ours && chown(beside, old->st_uid, old->st_gid) != 0)
		return failed(beside, e);
	if (chmod(beside, old->st_mode & 07777) != 0)
		return failed(beside, e);
	return rename(beside, path) == 0 || failed(path, e);
}

static bool
write_real(struct run *r, const char *path, struct bytes data, struct err *e)
{
	struct stat old;
	const char *beside = arena_printf(&r->arena, "%s.%ld.new", path, (long)getpid());
	if (beside == NULL)
		return err_set(e, ERR_NOMEM, "path");
	if (stat(path, &old) != 0)
		return failed(path, e);
	if (!disk_create(beside, 0600, data, e))
		return false;
	if (put_in_place(beside, path, &old, e))
		return disk_sync_name(path, e);
	(void)unlink(beside);
	return false;
}

static bool
write_all(struct run *r, struct err *e)
{
	for (const struct file *f = r->first; f != NULL; f = f->next) {
		if (!f->changed)
			continue;
		char *real = realpath(f->path, NULL); /* a link stays a link */
		if (real == NULL)
			return failed(f->path, e);
		bool ok = write_real(r, real, f->after, e);
		free(real);
		if (!ok)
			return false;
	}
	return true;
}

/* ---- the command ---- */

static void
tell_json(const struct run *r, bool good)
{
	struct out_json j = { .to = stdout };
	out_json_begin(&j, NULL, '{');
	out_json_begin(&j, "files", '[');
	for (const struct file *f = r->first; good && f != NULL; f = f->next) {
		out_json_begin(&j, NULL, '{');
		out_json_text(&j, "file", f->path);
		out_json_bool(&j, "changed", f->changed);
		out_json_end(&j, '}');
	}
	out_json_end(&j, ']');
	policy_out_faults(&j, "errors", r->errors.errors, r->errors.error_count);
	out_json_end(&j, '}');
	out_json_line(&j);
}

static int
tell(struct run *r, bool good, const struct err *e)
{
	bool changed = false;
	for (const struct file *f = r->first; f != NULL; f = f->next)
		changed = changed || f->changed;
	if (r->json)
		tell_json(r, good);
	const char *text = r->json ? NULL : text_errors_format(&r->errors, &r->arena);
	if (text != NULL)
		(void)fputs(text, stderr);
	if (!good && dry_ran())
		return out_error(&(struct err){ ERR_NOMEM, "out of memory" });
	if (!good)
		return r->errors.error_count > 0 ? err_exit(e->code) : out_error(e);
	for (const struct file *f = r->first; !r->json && f != NULL; f = f->next)
		if (f->changed)
			out_cleanf(stdout, "%s", f->path), (void)fputc('\n', stdout);
	return r->check && changed ? 1 : 0;
}

static bool
read_words(struct run *r, int argc, char **argv, const char **unknown)
{
	bool words_only = false;
	int count = 0;
	for (int i = 2; i < argc; i++) {
		*unknown = argv[i];
		if (words_only || argv[i][0] != '-')
			argv[count++] = argv[i];
		else if (strcmp(argv[i], "--") == 0)
			words_only = true;
		else if (strcmp(argv[i], "--json") == 0)
			r->json = true;
		else if (strcmp(argv[i], "--check") == 0)
			r->check = true;
		else
			return false;
	}
	argv[count] = NULL;
	return true;
}

static int
run(struct run *r, char **paths)
{
	struct err e = { 0 };
	bool good = true;
	for (size_t i = 0; good && paths[i] != NULL; i++)
		good = gather(r, paths[i], &e);
	good = good && lay_out(r, &e) && (r->check || write_all(r, &e));
	return tell(r, good, &e);
}

int
policy_fmt(int argc, char **argv)
{
	struct run r = { .json = false };
	const char *unknown = "";
	if (!read_words(&r, argc, argv, &unknown))
		return out_usage(cmd_policy_usage, "'%s' is not understood", unknown);
	if (argv[0] == NULL)
		return out_usage(cmd_policy_usage, "lay out which policy?");
	r.tail = &r.first;
	arena_init(&r.arena, (size_t)1 << 30);
	text_errors_init(&r.errors);
	int status = run(&r, argv);
	text_errors_done(&r.errors);
	arena_done(&r.arena);
	return status;
}
