#include "client/cli/context.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/disk.h"
#include "policy/text.h"
#include "proto/syntax.h"

#define ARENA_BYTES (8u << 20)
#define VALUE_BYTES 4096u
#define NAMES 4096u

static const struct field {
	const char *setting, *variable;
	bool path;
	bool needed; /* by a connection */
} fields[CONTEXT_FIELDS] = {
	[CONTEXT_name] = { "context", "RELTO_CONTEXT", false, false },
	[CONTEXT_server] = { "server", "RELTO_SERVER", false, true },
	[CONTEXT_server_file] = { "server-file", "RELTO_SERVER_FILE", true, false },
	[CONTEXT_hub_id] = { "hub-id", "RELTO_HUB_ID", false, true },
	[CONTEXT_hub_ca] = { "hub-ca", "RELTO_HUB_CA", true, true },
	[CONTEXT_certificate] = { "certificate", "RELTO_CERTIFICATE", true, true },
	[CONTEXT_key] = { "key", "RELTO_KEY", true, true },
	[CONTEXT_trust] = { "trust", "RELTO_TRUST", true, false },
	[CONTEXT_log_key] = { "log-key", "RELTO_LOG_KEY", true, true },
	[CONTEXT_quorum] = { "quorum", "RELTO_QUORUM", true, false },
	[CONTEXT_quorum_age] = { "quorum-age", "RELTO_QUORUM_AGE", false, false },
};

bool
context_flag(struct context_flags *f, int option, const char *value)
{
	if (option < CONTEXT_OPTION || option >= CONTEXT_OPTION + CONTEXT_FIELDS)
		return false;
	f->value[option - CONTEXT_OPTION] = value;
	return true;
}

/* ---- files ---- */

static bool
read_open(int fd, bool ours, struct arena *a, struct bytes *out, struct err *e)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return err_set(e, ERR_IO, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_IO, "not a regular file");
	if (ours && (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return err_set(e, ERR_CONFIG, "group or others can write it (mode %03o)",
		    (unsigned)st.st_mode & 0777u);
	if (st.st_size > (off_t)LIMIT_POLICY_FILE_BYTES)
		return err_set(e, ERR_LIMIT, "more than %u bytes", LIMIT_POLICY_FILE_BYTES);
	size_t size = (size_t)st.st_size, got = 0;
	uint8_t *data = arena_alloc(a, size + 1);
	if (data == NULL)
		return err_set(e, ERR_NOMEM, "%zu bytes", size);
	for (ssize_t n = 1; got < size && n != 0;) {
		n = read(fd, data + got, size - got);
		if (n < 0 && errno != EINTR)
			return err_set(e, ERR_IO, "%s", strerror(errno));
		got += n > 0 ? (size_t)n : 0;
	}
	data[got] = '\0';
	*out = bytes_from(data, got);
	return true;
}

bool
context_read_file(const char *path, bool ours, struct arena *a, struct bytes *out, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		(void)err_set(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s", strerror(errno));
		return err_wrap(e, "%s", path);
	}
	bool ok = read_open(fd, ours, a, out, e);
	(void)close(fd);
	return ok || err_wrap(e, "%s", path);
}

static bool
printed(const char *text, const char **out, struct err *e)
{
	if (text == NULL)
		return err_set(e, ERR_NOMEM, "context");
	*out = text;
	return true;
}

bool
context_home(struct arena *a, const char **out, struct err *e)
{
	const char *home = getenv("RELTO_HOME");
	if (home != NULL && home[0] != '\0') {
		char real[PATH_MAX];
		/* it need not exist yet: `context add` makes it */
		const char *known = realpath(home, real) != NULL ? real : home;
		return printed(arena_printf(a, "%s", known), out, e);
	}
	home = getenv("XDG_CONFIG_HOME");
	if (home != NULL && home[0] == '/')
		return printed(arena_printf(a, "%s/relto", home), out, e);
	home = getenv("HOME");
	if (home == NULL || home[0] == '\0')
		return err_set(
		    e, ERR_CONFIG, "none of RELTO_HOME, XDG_CONFIG_HOME and HOME is set");
	return printed(arena_printf(a, "%s/.config/relto", home), out, e);
}

/* The first line of a file, without white space at its ends. */
static bool
first_line(const char *path, struct arena *a, const char **out, struct err *e)
{
	struct bytes text;
	if (!context_read_file(path, true, a, &text, e))
		return false;
	const char *at = (const char *)text.data;
	at += strspn(at, " \t\r\n");
	return printed(arena_printf(a, "%.*s", (int)strcspn(at, " \t\r\n"), at), out, e);
}

bool
context_current(struct arena *a, const char **out, struct err *e)
{
	const char *home;
	if (!context_home(a, &home, e))
		return false;
	const char *path = arena_printf(a, "%s/current", home);
	struct err why = { 0 };
	if (path != NULL && first_line(path, a, out, &why))
		return true;
	if (why.code == ERR_NOT_FOUND) {
		*out = "";
		return true;
	}
	if (e != NULL)
		*e = why;
	return path != NULL ? false : err_set(e, ERR_NOMEM, "context");
}

/* ---- loading ---- */

struct loader {
	struct context *c;
	const struct context_flags *flags;
	const char *value[CONTEXT_FIELDS];
	const char *home;
};

static bool
check_name(const char *name, struct err *e)
{
	return text_is_name(bytes_of(name)) ||
	       err_set(e, ERR_USAGE,
		   "'%s' cannot be the name of a context: 1 to 64 letters, digits, '_' and '-'",
		   name);
}

/* A relative path is relative to 'folder' (NULL: the working folder). */
static bool
put(struct loader *o, enum context_field f, const char *folder, const char *value, struct err *e)
{
	char here[PATH_MAX];
	if (fields[f].path && value[0] != '/' && folder == NULL) {
		if (getcwd(here, sizeof(here)) == NULL)
			return err_set(e, ERR_IO, "the working folder: %s", strerror(errno));
		folder = here;
	}
	bool joined = fields[f].path && value[0] != '/';
	return printed(joined ? arena_printf(&o->c->arena, "%s/%s", folder, value)
			      : arena_printf(&o->c->arena, "%s", value),
	    &o->value[f], e);
}

static bool
put_block(struct loader *o, const struct text_block *b, const char *folder, struct text_errors *l,
    struct err *e)
{
	struct text_setting known[CONTEXT_FIELDS - 1];
	for (int f = 1; f < CONTEXT_FIELDS; f++)
		known[f - 1] = (struct text_setting){ fields[f].setting, "v", TEXT_BLOCK_NONE,
			false, false, NULL };
	if (!text_check(l, "", b, known, CONTEXT_FIELDS - 1))
		return text_errors_to_err(l, ERR_CONFIG, e);
	for (int f = 1; f < CONTEXT_FIELDS; f++) {
		const struct text_statement *s = text_find(b, fields[f].setting);
		struct bytes text;
		if (s == NULL)
			continue;
		if (!text_string(l, &s->values[0], VALUE_BYTES, &text))
			return text_errors_to_err(l, ERR_CONFIG, e);
		char *value =
		    arena_printf(&o->c->arena, "%.*s", (int)text.len, (const char *)text.data);
		if (value == NULL)
			return err_set(e, ERR_NOMEM, "context");
		if (!put(o, (enum context_field)f, folder, value, e))
			return false;
	}
	return true;
}

static bool
put_file(struct loader *o, struct err *e)
{
	struct bytes source;
	struct text_block b;
	struct text_errors l;
	const char *folder = arena_printf(&o->c->arena, "%s/contexts", o->home);
	o->c->path = arena_printf(&o->c->arena, "%s/contexts/%s.conf", o->home, o->c->name);
	if (folder == NULL || o->c->path == NULL)
		return err_set(e, ERR_NOMEM, "context");
	struct err why = { 0 };
	if (!context_read_file(o->c->path, true, &o->c->arena, &source, &why)) {
		if (why.code == ERR_NOT_FOUND)
			return err_set(e, ERR_NOT_FOUND, "there is no context '%s' (%s)",
			    o->c->name, o->c->path);
		*e = why;
		return false;
	}
	text_errors_init(&l);
	bool ok = text_parse(&o->c->arena, bytes_of(o->c->path), source, &l, &b)
		      ? put_block(o, &b, folder, &l, e)
		      : text_errors_to_err(&l, ERR_CONFIG, e);
	text_errors_done(&l);
	return ok;
}

/* --context, RELTO_CONTEXT, HOME/current; then the file; then variables and flags over it. */
static bool
load(struct loader *o, struct err *e)
{
	const char *flag = o->flags == NULL ? NULL : o->flags->value[CONTEXT_name];
	const char *variable = getenv(fields[CONTEXT_name].variable);
	if (!context_home(&o->c->arena, &o->home, e))
		return false;
	if (flag != NULL || (variable != NULL && variable[0] != '\0')) {
		if (!printed(arena_printf(&o->c->arena, "%s", flag != NULL ? flag : variable),
			&o->c->name, e))
			return false;
	} else if (!context_current(&o->c->arena, &o->c->name, e)) {
		return false;
	}
	if (o->c->name[0] != '\0' && (!check_name(o->c->name, e) || !put_file(o, e)))
		return false;
	for (int f = 1; f < CONTEXT_FIELDS; f++) {
		const char *said = o->flags == NULL ? NULL : o->flags->value[f];
		if (said == NULL)
			said = getenv(fields[f].variable);
		if (said != NULL && said[0] != '\0' &&
		    !put(o, (enum context_field)f, NULL, said, e))
			return false;
	}
	return true;
}

static bool
finish(struct loader *o, struct err *e)
{
	struct context *c = o->c;
#define F(field, setting, path, what) c->field = o->value[CONTEXT_##field];
#include "client/cli/context.def"
#undef F
	/* no context has the name "" */
	return printed(arena_printf(&c->arena, "%s/contexts/%s.terms", o->home, c->name), &c->terms,
		   e) &&
	       printed(arena_printf(&c->arena, "%s/state/%s", o->home,
			   c->name[0] == '\0' ? "none" : c->name),
		   &c->state, e);
}

bool
context_load(const struct context_flags *flags, struct context **out, struct err *e)
{
	SCOPED(context_free) struct context *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return err_set(e, ERR_NOMEM, "context");
	arena_init(&c->arena, ARENA_BYTES);
	struct loader o = { .c = c, .flags = flags };
	if (!load(&o, e) || !finish(&o, e))
		return false;
	*out = MOVE(c);
	return true;
}

void
context_free(struct context *c)
{
	if (c == NULL)
		return;
	arena_done(&c->arena);
	free(c);
}

/* A key that others can read is not mine alone. */
static bool
key_is_private(const char *path, struct err *e)
{
	struct stat st;
	if (stat(path, &st) != 0)
		return err_set(
		    e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s: %s", path, strerror(errno));
	return (st.st_mode & (S_IRWXG | S_IRWXO)) == 0 ||
	       err_set(e, ERR_CONFIG, "%s: a key that group or others can read (mode %03o)", path,
		   (unsigned)st.st_mode & 0777u);
}

bool
context_ready(struct context *c, struct err *e)
{
	/* an address said is nearer than a file that would say it */
	if (c->server == NULL && c->server_file != NULL &&
	    !first_line(c->server_file, &c->arena, &c->server, e))
		return err_wrap(e, "server-file (is the broker running?)");
	const char *const has[CONTEXT_FIELDS] = {
#define F(field, setting, path, what) [CONTEXT_##field] = c->field,
#include "client/cli/context.def"
#undef F
	};
	for (int f = 1; f < CONTEXT_FIELDS; f++)
		if (fields[f].needed && has[f] == NULL)
			return err_set(e, ERR_CONFIG, "%s%s%s does not say '%s' (or use --%s, %s)",
			    c->name[0] == '\0' ? "no context, and the command" : "context '",
			    c->name, c->name[0] == '\0' ? "" : "'", fields[f].setting,
			    fields[f].setting, fields[f].variable);
	return key_is_private(c->key, e);
}

/* ---- names in a folder ---- */

static int
name_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

bool
context_names(const char *folder, const char *suffix, struct arena *a, char ***out, size_t *count,
    struct err *e)
{
	DIR *d = opendir(folder);
	char **names = arena_zalloc(a, NAMES, sizeof(*names));
	*count = 0;
	*out = names;
	if (names == NULL || (d == NULL && errno != ENOENT)) {
		(void)err_set(e, ERR_IO, "%s: %s", folder, strerror(errno));
		if (d != NULL)
			(void)closedir(d);
		return false;
	}
	for (struct dirent *entry; d != NULL && (entry = readdir(d)) != NULL && *count < NAMES;) {
		size_t len = strlen(entry->d_name), end = strlen(suffix);
		if (len <= end || strcmp(entry->d_name + len - end, suffix) != 0)
			continue;
		char *name = arena_printf(a, "%.*s", (int)(len - end), entry->d_name);
		if (name != NULL && syntax_is_name(bytes_of(name)))
			names[(*count)++] = name;
	}
	if (d != NULL)
		(void)closedir(d);
	qsort(names, *count, sizeof(*names), name_order);
	return true;
}

/* ---- writing ---- */

bool
context_choose(const char *name, struct err *e)
{
	SCOPED(arena_done) struct arena a;
	arena_init(&a, ARENA_BYTES);
	const char *home;
	if (!check_name(name, e) || !context_home(&a, &home, e) || !disk_folder(home, e))
		return false;
	char *path = arena_printf(&a, "%s/current", home);
	char *text = arena_printf(&a, "%s\n", name);
	if (path == NULL || text == NULL)
		return err_set(e, ERR_NOMEM, "context");
	return disk_write(path, 0600, bytes_of(text), e);
}

static bool
settings_text(struct loader *o, const char **out, struct err *e)
{
	struct arena *a = &o->c->arena;
	char *text = arena_printf(a, "%s", "");
	for (int f = 1; text != NULL && f < CONTEXT_FIELDS; f++) {
		if (o->flags->value[f] == NULL)
			continue;
		if (!put(o, (enum context_field)f, NULL, o->flags->value[f], e))
			return false;
		char *quoted = text_quote(a, bytes_of(o->value[f]));
		if (quoted == NULL)
			return err_set(
			    e, ERR_USAGE, "--%s has a control character", fields[f].setting);
		text = arena_printf(a, "%s%-12s %s\n", text, fields[f].setting, quoted);
	}
	return printed(text, out, e);
}

bool
context_save(const char *name, const struct context_flags *flags, struct err *e)
{
	SCOPED(context_free) struct context *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return err_set(e, ERR_NOMEM, "context");
	arena_init(&c->arena, ARENA_BYTES);
	struct loader o = { .c = c, .flags = flags };
	const char *text = NULL;
	if (!check_name(name, e) || !context_home(&c->arena, &o.home, e) ||
	    !settings_text(&o, &text, e))
		return false;
	char *folder = arena_printf(&c->arena, "%s/contexts", o.home);
	char *path = arena_printf(&c->arena, "%s/contexts/%s.conf", o.home, name);
	if (folder == NULL || path == NULL)
		return err_set(e, ERR_NOMEM, "context");
	return disk_folder(folder, e) && disk_write(path, 0600, bytes_of(text), e);
}
