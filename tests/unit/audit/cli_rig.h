/* cli_rig.h - relto-verify as it is run: bundles on disk, exit codes, output. */
#pragma once
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/audit/small_bundle.h"

struct rig {
	struct small *s;
	char dir[64], vkey[NOTE_VKEY_MAX];
	char out[1 << 18], errors[1 << 16];
};

static inline int
setup(void **state)
{
	struct rig *g = calloc(1, sizeof(*g));
	g->s = small_new();
	(void)snprintf(g->dir, sizeof(g->dir), "/tmp/relto-verify-XXXXXX");
	assert_non_null(mkdtemp(g->dir));
	note_key_print(&g->s->vkey, g->vkey);
	*state = g;
	return 0;
}

static inline int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

static inline int
teardown(void **state)
{
	struct rig *g = *state;
	(void)nftw(g->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	small_free(g->s);
	free(g);
	return 0;
}

/* Writes the files of the bundle to dir/name. */
static inline void
write_bundle(struct rig *g, const char *name)
{
	for (size_t i = 0; i < g->s->file_count; i++) {
		char path[512];
		const struct small_file *f = &g->s->files[i];
		int n = snprintf(path, sizeof(path), "%s/%s/%s", g->dir, name, f->path);
		assert_true(n > 0 && (size_t)n < sizeof(path));
		for (char *p = path + 1; (p = strchr(p, '/')) != NULL; p++) {
			*p = '\0';
			(void)mkdir(path, 0700);
			*p = '/';
		}
		FILE *to = fopen(path, "wb");
		assert_non_null(to);
		assert_int_equal(fwrite(f->data, 1, f->len, to), f->len);
		assert_int_equal(fclose(to), 0);
	}
}

static inline void
slurp(const char *dir, const char *name, char *to, size_t size)
{
	char path[256];
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	size_t n = fread(to, 1, size - 1, f);
	to[n] = '\0';
	(void)fclose(f);
}

/* Runs it in g->dir with these words; gives the exit code. */
static inline int
run(struct rig *g, const char *const *words)
{
	const char *argv[32] = { RELTO_VERIFY };
	for (size_t i = 0; words[i] != NULL; i++)
		argv[i + 1] = words[i];
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int out, errors;
		if (chdir(g->dir) != 0 ||
		    (out = open("out", O_WRONLY | O_CREAT | O_TRUNC, 0600)) < 0 ||
		    (errors = open("errors", O_WRONLY | O_CREAT | O_TRUNC, 0600)) < 0 ||
		    dup2(out, 1) < 0 || dup2(errors, 2) < 0)
			_exit(99);
		(void)execv(RELTO_VERIFY, (char *const *)(uintptr_t)argv);
		_exit(98);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	slurp(g->dir, "out", g->out, sizeof(g->out));
	slurp(g->dir, "errors", g->errors, sizeof(g->errors));
	return WEXITSTATUS(status);
}
#define RUN(g, ...) run(g, (const char *const[]){ __VA_ARGS__, NULL })

static inline void
says(const char *text, const char *what)
{
	if (strstr(text, what) == NULL)
		fail_msg("no '%s' in:\n%s", what, text);
}

static inline size_t
lines(const char *text)
{
	size_t n = 0;
	for (; (text = strchr(text, '\n')) != NULL; text++)
		n++;
	return n;
}
